"""Dates that a mail states, resolved against the day it was written (Wednesday, 7 January 2026, 15:04 -05:00)."""

import re
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage import date_words
from triage.corpus import load_corpus
from triage.dates import MOST_DATES, chosen, find_dates
from triage.resources import corpus_path
from triage.text import sentences

WRITTEN = datetime(2026, 1, 7, 15, 4, tzinfo=timezone(timedelta(hours=-5)))


def found(text: str, *, day_first: bool = False, written: datetime = WRITTEN) -> list[tuple[str, str]]:
    return [(due.at.isoformat(), due.text) for due in find_dates(text, written, day_first=day_first)]


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("Could you come in this Friday at 3:15?", "2026-01-09T15:15:00-05:00", "this Friday at 3:15"),
        ("The essay is due Friday, January 9th.", "2026-01-09", "Friday, January 9th"),
        ("Please hand it in by the 9th.", "2026-01-09", "the 9th"),
        ("Can we meet next Tues at 8:00-8:30am?", "2026-01-13T08:00:00-05:00", "next Tues at 8:00-8:30am"),
        ("The test is tomorrow.", "2026-01-08", "tomorrow"),
        ("Please call me tomorrow at 3:15.", "2026-01-08T15:15:00-05:00", "tomorrow at 3:15"),
        ("The form is due 2026-02-03.", "2026-02-03", "2026-02-03"),
        ("Quiz on 1/12.", "2026-01-12", "1/12"),
        ("Project due 14 January 2026", "2026-01-14", "14 January 2026"),
        ("Noon on Thursday works.", "2026-01-08T12:00:00-05:00", "Noon on Thursday"),
        ("Conference: Jan 20, 2026 6:30 PM in the gym", "2026-01-20T18:30:00-05:00", "Jan 20, 2026 6:30 PM"),
        ("The concert is on Monday evening at 7.", "2026-01-12T19:00:00-05:00", "Monday evening at 7"),
        ("¿Puede venir el viernes a las 3:15?", "2026-01-09T15:15:00-05:00", "viernes a las 3:15"),
        ("Hay que entregar la tarea antes del 9 de enero.", "2026-01-09", "9 de enero"),
        ("La reunión será mañana a las 10.", "2026-01-08T10:00:00-05:00", "mañana a las 10"),
        ("Please return the slip by December 3.", "2026-12-03", "December 3"),
    ],
)
def test_what_is_found(text: str, at: str, words: str) -> None:
    """The day or the hour, and the words that say so."""
    assert found(text) == [(at, words)]


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("Saturday 9 to noon in the gym.", "2026-01-10T09:00"),
        ("Get them in by Thursday 3 o'clock.", "2026-01-08T15:00"),
        ("The skate swap is in the gym tomorrow from nine until noon.", "2026-01-08T09:00"),
        ("Book swap Friday from 3 to 4.", "2026-01-09T15:00"),
        ("Can we swap our slot tomorrow from 3 to 4?", "2026-01-08T16:00"),
        ("Come by tomorrow, fourish.", "2026-01-08T16:00"),
        ("could you come friday at 330 to talk", "2026-01-09T15:30"),
        ("545 tmrw at the front lot", "2026-01-08T17:45"),
        ("PT test Thursday at 0600 on the track.", "2026-01-08T06:00"),
        ("The coach departs at a quarter to seven on Tuesday.", "2026-01-13T06:45"),
        ("The buses come at 6:45 in the evening on Thursday.", "2026-01-08T18:45"),
        ("¿Hablamos mañana tipo 7 de la noche?", "2026-01-08T19:00"),
        ("El camión sale 6 y media en punto el lunes.", "2026-01-12T06:30"),
        ("Nos vemos el martes 6 y media.", "2026-01-13T18:30"),
        ("Venga el jueves antes d las 3.", "2026-01-08T15:00"),
        ("My office, Friday, 1400.", "2026-01-09T14:00"),
        ("Due to my desk 0755 Friday.", "2026-01-09T07:55"),
        ("Practice starts the 12th 630 AM.", "2026-01-12T06:30"),
        ("call me tonite 8ish", "2026-01-07T20:00"),
        ("works wed 430, thx", "2026-01-14T16:30"),
        ("thurs 4 is good", "2026-01-08T16:00"),
        ("Open on Weds 14 Jan, 13.30-14.30.", "2026-01-14T13:30"),
        ("El jueves 8, diez en punto.", "2026-01-08T10:00"),
        ("La cita de mañana se traslada de las 8:00 a las 11:00.", "2026-01-08T11:00"),
    ],
)
def test_hours_as_people_type_them(text: str, hour: str) -> None:
    """Without a colon, in words, in abbreviations, and a number beside a day that is its hour."""
    assert hour in [at[:16] for at, _ in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "See me in room 210 today.",
        "Read page 115 tonight.",
        "He stands at 612 words today.",
        "El acto es el viernes 3.",
    ],
)
def test_a_number_is_no_hour(text: str) -> None:
    """Rooms, pages and counts."""
    assert not [at for at, _ in found(text) if "T" in at]


@pytest.mark.parametrize(
    "text",
    [
        "She was absent last Friday.",
        "He scored 18/20 on it.",
        "We are here for you 24/7.",
        "Mondays are hard for everyone.",
        "Bring 3/4 cup of flour.",
        "It happened on January 5.",
        "The 3rd grade classes sang.",
        "No date at all here.",
        "Call 555-123-4567.",
        "Read pages 10.12 to 11.5 of chapter 9.",
    ],
)
def test_what_is_no_date_ahead(text: str) -> None:
    """What is past, what repeats, and what only looks like a date."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Picture day moved from Thursday to Monday.", ["2026-01-12"]),
        ("The lab is due Monday, not Friday.", ["2026-01-12"]),
        ("We meet a week from Friday instead of this Friday.", ["2026-01-16"]),
        ("The test is not Friday, January 9, but Tuesday the 13th.", ["2026-01-13"]),
        ("La junta se cambia del jueves al lunes.", ["2026-01-12"]),
        ("El examen es el lunes en vez del viernes.", ["2026-01-12"]),
        ("The play is two weeks from Friday.", ["2026-01-23"]),
        ("Nos vemos de hoy en ocho.", ["2026-01-14"]),
        ("Es del viernes en quince.", ["2026-01-23"]),
        ("Why not Friday?", ["2026-01-09"]),
        ("If not Friday, then Monday.", ["2026-01-09", "2026-01-12"]),
    ],
)
def test_a_day_that_is_taken_back_is_none(text: str, days: list[str]) -> None:
    """Only the day that holds now is a date; one that is merely doubted stays."""
    assert [due.day.isoformat() for due in find_dates(text, WRITTEN, day_first=False)] == days


@pytest.mark.parametrize(("text", "back"), [("On Monday he pushed a boy.", True), ("On Monday we meet.", False)])
def test_a_sentence_that_looks_back_is_marked(text: str, back: bool) -> None:
    """Whether its date is one to keep is for the model; that it tells of the past is a clue."""
    (due,) = find_dates(text, WRITTEN, day_first=False)
    assert ("looks back" in due.clues) is back


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Los espero el viernes 16 a las 8:10.", "2026-01-16T08:10:00-05:00"),
        ("The meeting is Thursday 15, in room 4.", "2026-01-15"),
        ("Firefighters come tomorrow so we line up at 9:20 sharp.", "2026-01-08T09:20:00-05:00"),
        ("The show is on Friday 5 pm.", "2026-01-09T17:00:00-05:00"),
        ("Monday 26 January suits us.", "2026-01-26"),
    ],
)
def test_a_number_or_an_hour_joins_its_day(text: str, at: str) -> None:
    """A day of the month beside its weekday, an hour elsewhere in the sentence."""
    assert found(text)[-1][0] == at
    assert {when[:10] for when, _ in found(text)} == {at[:10]}


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("Could you do Monday at 7:30 a.m. or 3:20 p.m.?", ["2026-01-12T07:30", "2026-01-12T15:20"]),
        ("Are you free Thursday or Friday at 3:10?", ["2026-01-08T15:10", "2026-01-09T15:10"]),
        (
            "I have Thursday 1/8 at 2:40 or 3:20 and Friday at 8:00.",
            ["2026-01-08T14:40", "2026-01-08T15:20", "2026-01-09T08:00"],
        ),
        ("The gym is ours Friday from 3:00 to 4:30.", ["2026-01-09T15:00"]),
        ("Can I call you tomorrow after 3?", ["2026-01-08T15:00"]),
        ("Could I ring you at four o'clock today?", ["2026-01-07T16:00"]),
        ("The bus leaves at 6:15 tomorrow morning.", ["2026-01-08T06:15"]),
        ("Report on Friday at 0800 hrs.", ["2026-01-09T08:00"]),
        ("¿Puede venir el viernes a las cinco?", ["2026-01-09T17:00"]),
    ],
)
def test_hours_go_with_their_days(text: str, hours: list[str]) -> None:
    """Each hour that is offered, a shared hour for both days, the beginning of a span, hours in words."""
    assert [at[:16] for at, _ in found(text) if "T" in at] == hours


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("its due tmrw", "2026-01-08"),
        ("Family tree back by Tues 1/13 (photos or drawings).", "2026-01-13"),
        ("Fees are lower if paid by March 2: see below.", "2026-03-02"),
        ("The big test is the 13th and she should study.", "2026-01-13"),
        ("Come Tuesday of next week.", "2026-01-13"),
    ],
)
def test_days_as_people_type_them(text: str, day: str) -> None:
    """Short forms, and days before brackets, colons and conjunctions."""
    assert {at for at, _ in found(text)} == {day}


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("The unit closes a week from tomorrow.", ["2026-01-15"]),
        ("Bring the model in a fortnight today.", ["2026-01-21"]),
        ("The poem is for tomorrow week.", ["2026-01-15"]),
        ("Any day the week after next suits me.", ["2026-01-19"]),
        ("She has until the end of April.", ["2026-04-30"]),
        ("It is collected on the last school day of February.", ["2026-02-28"]),
        ("Tiene hasta finales de marzo.", ["2026-03-31"]),
        ("Finish it by end of wk.", ["2026-01-09"]),
        ("The trip is on 20 January. The money is due the Friday before.", ["2026-01-20", "2026-01-16"]),
        ("The speech is on Thursday 15 January. Upload it the night before.", ["2026-01-15", "2026-01-14"]),
        ("The test is next Thursday and the oral the day after.", ["2026-01-15", "2026-01-16"]),
        ("The map is due on January 20. The talk comes a week later.", ["2026-01-20", "2026-01-27"]),
        ("El examen es el 20 de enero. Repasamos el día antes.", ["2026-01-20", "2026-01-19"]),
        ("It was hard. He can try again the day after.", []),
        ("Set 2 is due Apr 30, set 3 May 7.", ["2026-04-30", "2026-05-07"]),
    ],
)
def test_a_day_told_from_another(text: str, days: list[str]) -> None:
    """From today, from the end of a month, or from the day that was named before it."""
    assert [due.day.isoformat() for due in find_dates(text, WRITTEN, day_first=False)] == days


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("Tryouts are Monday, March 9 to Wednesday, March 11, 3:15-5.", ["2026-03-09T15:15", "2026-03-11T15:15"]),
        ("Visits are from Wednesday 3rd to Friday 5th June, 9am to 2pm.", ["2026-06-03T09:00", "2026-06-05T09:00"]),
        ("Del martes 6 al viernes 9 de octubre, a las 9:30.", ["2026-10-06T09:30", "2026-10-09T09:30"]),
        ("We could do this Thursday or next Tuesday at 10:20.", ["2026-01-08T10:20", "2026-01-13T10:20"]),
        ("Set-up is Saturday, March 14, 9 to noon.", ["2026-03-14T09:00"]),
        ("Come on March 15, 2 to 4.", ["2026-03-15T14:00"]),
        ("Tues 20 Jan 9.15 or Wed 21 Jan 3.40.", ["2026-01-20T09:15", "2026-01-21T15:40"]),
    ],
)
def test_the_hours_of_a_span_of_days(text: str, moments: list[str]) -> None:
    """They are those of its first day too; two hours after a day are no days of the month."""
    assert [at[:16] for at, _ in found(text) if "T" in at] == moments


@pytest.mark.parametrize(
    ("text", "day_first", "expected"),
    [
        ("Test on 9/12.", False, date(2026, 9, 12)),
        ("Test on 9/2.", True, date(2026, 2, 9)),
        ("Test on 25/1.", False, date(2026, 1, 25)),
        ("Test on 1/25.", True, date(2026, 1, 25)),
        # The weekday settles which is meant.
        ("Test on Tuesday 3/2.", True, date(2026, 2, 3)),
        ("Test on Monday 2/3.", True, date(2026, 3, 2)),
        ("Test on Monday 2/3.", False, date(2026, 3, 2)),
    ],
)
def test_month_first_or_day_first(text: str, day_first: bool, expected: date) -> None:
    """By the sender's country, unless only one reading is possible."""
    (due,) = find_dates(text, WRITTEN, day_first=day_first)
    assert due.day == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Can we meet on Friday?", "meeting"),
        ("The essay is due on Friday.", "assignment"),
        ("The spelling test is on Friday.", "test"),
        ("Please sign the permission slip by Friday.", "form"),
        ("Please let me know by Friday.", "reply"),
        ("The concert will be on Friday.", "event"),
        ("El examen es el viernes.", "test"),
        ("Por favor confirme antes del viernes.", "reply"),
    ],
)
def test_what_a_date_is_for(text: str, what: str) -> None:
    """By the words around it."""
    (due,) = find_dates(text, WRITTEN, day_first=False)
    assert due.what == what


def test_of_two_readings_of_a_day_the_first_is_kept() -> None:
    """A bare "Friday" and "Friday at 3:15" are one date; the likelier is given first."""
    dues = find_dates("Can we meet Friday? Friday at 3:15 would be best.", WRITTEN, day_first=False)
    assert [due.at.isoformat() for due in dues] == ["2026-01-09", "2026-01-09T15:15:00-05:00"]
    assert [due.at.isoformat() for due in chosen(dues)] == ["2026-01-09"]
    assert [due.at.isoformat() for due in chosen(dues[::-1])] == ["2026-01-09T15:15:00-05:00"]


def test_two_days_are_two_dates() -> None:
    """Alternatives are each kept."""
    text = "I am free Thursday 1/15 from 3:00 to 6:00 pm or Friday 1/16."
    assert [at[:10] for at, _ in found(text)] == ["2026-01-15", "2026-01-16"]


@pytest.mark.parametrize("weekday", range(7))
def test_a_weekday_is_the_coming_one(weekday: int) -> None:
    """Whatever day it is written on, 1 to 7 days ahead."""
    names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    for start in range(7):
        written = WRITTEN + timedelta(days=start)
        (due,) = find_dates(f"It is due {names[weekday]}.", written, day_first=False)
        assert due.day.weekday() == weekday
        assert 1 <= (due.day - written.date()).days <= 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The state tests are January 13, 14 and 15.", "2026-01-13 2026-01-14 2026-01-15"),
        ("Camp is 19-21 January.", "2026-01-19 2026-01-21"),
        ("Las entrevistas serán del 12 al 16 de enero.", "2026-01-12 2026-01-16"),
        ("It is due a week from today.", "2026-01-14"),
        ("It is due Friday week.", "2026-01-16"),
        ("Bring a note within 3 school days.", "2026-01-12"),
        ("I need it by the end of the week.", "2026-01-09"),
        ("He has until the end of the month.", "2026-01-31"),
        ("Return it by the sixteenth.", "2026-01-16"),
        ("Could we meet one day next week?", "2026-01-12"),
        ("Martes 13: 8.00", "2026-01-13T08:00"),
        ("Please call me before 4.", "2026-01-07T16:00"),
        ("Could I ring you tomorrow around sixish?", "2026-01-08T18:00"),
        ("¿Puedo llamarla mañana a las 9:15?", "2026-01-08T09:15"),
        ("Venga el viernes a las 6:00 a. m.", "2026-01-09T06:00"),
        ("Could you come Monday at half three?", "2026-01-12T15:30"),
        ("Lo espero el lunes a las nueve menos diez.", "2026-01-12T08:50"),
        ("We can see you between 9 and 9:30 on Friday.", "2026-01-09T09:00"),
        ("I am free at 3:30 today and 8:00 tomorrow.", "2026-01-07T15:30 2026-01-08T08:00"),
        ("We moved it from 2:00 to 2:40 on Friday.", "2026-01-09T14:40"),
        ("Could we do 3:45 instead of 3:15 on Friday?", "2026-01-09T15:45"),
        ("Thursday at 2:45, or by Zoom that evening at 6:30.", "2026-01-08T14:45 2026-01-08T18:30"),
        ("The portal closes Friday at 11:59.", "2026-01-09T23:59"),
        ("Would Monday at 3:15 or the following Tuesday at 8:00 suit you?", "2026-01-12T15:15 2026-01-13T08:00"),
        ("Conferences are January 22 and 23. I have you down for Thursday at 5:20.", "2026-01-22T17:20"),
    ],
)
def test_what_else_a_date_can_look_like(text: str, expected: str) -> None:
    """Lists and spans of days, stretches of time, days told from others, hours in words, hours that were moved."""
    assert set(expected.split()) <= {at[:16] for at, _ in found(text)}


@pytest.mark.parametrize(
    "text", ["1, " * 5000, "9 and " * 4000, "friday " * 4000, "3:15 " * 4000, "from 3 to " * 3000, "9-" * 8000]
)
def test_a_row_without_end_is_read_in_pieces(text: str) -> None:
    """It ends, and with no more dates than a mail may have."""
    assert len(found(text)) <= MOST_DATES + 100


words = st.sampled_from(
    [
        "due",
        "on",
        "by",
        "the",
        "Friday",
        "next",
        "this",
        "Tues",
        "tomorrow",
        "at",
        "3:15",
        "pm",
        "9",
        "9th",
        "January",
        "1/9",
        "12/9",
        "31/2",
        "2026",
        "a",
        "las",
        "el",
        "viernes",
        "mañana",
        "13:75",
        "99/99",
        "de",
        "enero",
        "2026-13-45",
        "noon",
        "test",
        ".",
        ",",
        "?",
        "(",
        ")",
        "-",
    ]
)


MORE = """
sixish 3ish midday half past quarter to till ten three y media cuarto menos diez entre de para desde 7:30
07h15 15 h 40 0930 hrs hs 3p 7:45a 25:00 a. m. p. 9-10 1-4 and or & friday's fridays lun jue week from this
last every following that same evening day misma hora time of April 31 30 29 20th sixteenth first month del
antes within in dentro 99 school days weeks horas two couple end weekend halloween valentine's right away now
tonight pasado hoy 2026-02-30 moved instead was quiz o'clock through 0:30 24:00 23.59
"""
more_words = st.sampled_from(MORE.split())


@given(st.lists(st.one_of(words, more_words), max_size=14).map(" ".join), st.booleans())
def test_any_words_give_dates_ahead(text: str, day_first: bool) -> None:
    """No exception, nothing in the past or beyond the horizon, and the words are the mail's own."""
    for due in find_dates(text, WRITTEN, day_first=day_first):
        assert 0 <= (due.day - WRITTEN.date()).days <= 400
        assert " ".join(due.text.split()) in " ".join(text.split())


def test_a_length_is_no_day_of_the_month() -> None:
    """In English "a 30 minute detention" is none, as "al 30" is in Spanish."""
    assert found("She will sit a 30 minute detention on Thursday.") == [("2026-01-08", "Thursday")]
    assert found("Please read a 12-page story by Friday.") == [("2026-01-09", "Friday")]
    assert found("Pasamos la junta al 30.") == [("2026-01-30", "al 30")]


@pytest.mark.parametrize(
    "text",
    [
        "Are you free any morning next week before 8:30?",
        "Any day this week after 3 works.",
        "¿Puede venir cualquier mañana de la próxima semana antes de las 8:30?",
    ],
)
def test_one_of_many_days_is_no_appointment(text: str) -> None:
    """Its hour bounds each of them, and belongs to none."""
    assert not any(isinstance(due.at, datetime) for due in find_dates(text, WRITTEN, day_first=False))


def test_an_hour_of_next_week_is_one() -> None:
    """Without the word that leaves the day open."""
    assert any(
        isinstance(due.at, datetime) for due in find_dates("We meet next week at 8:30.", WRITTEN, day_first=False)
    )


def test_what_is_passed_over_for_speed_speaks_of_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the corpus's sentences, all patterns tried on every one find nothing more."""
    cut = [sentence for record in load_corpus(corpus_path())[::40] for sentence in sentences(record.text)]
    quick = [date_words.tokens(sentence) for sentence in cut]
    monkeypatch.setattr(date_words, "SPEAKS", re.compile(""))
    monkeypatch.setattr(date_words, "NEEDS", {})
    assert [date_words.tokens(sentence) for sentence in cut] == quick
    assert sum(map(bool, quick)) > 1000
