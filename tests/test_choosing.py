"""Two times for one talk are a choice, and two talks are not."""

import re

import pytest

from tests.support.cases import verdict
from tests.test_prompts import TALK, TODAY
from triage.choosing import choices
from triage.classify import DueDate
from triage.config import Config, Language
from triage.prompts import Around, Wording, make_card
from triage.said import hear

_DAYS = {
    "Thursday at 2": "2026-01-08T14:00:00-05:00",
    "Friday at 9:15": "2026-01-09T09:15:00-05:00",
    "Monday": "2026-01-12",
    "jueves a las 2": "2026-01-08T14:00:00-05:00",
    "lunes": "2026-01-12",
}


def offered(said: str) -> list[str]:
    due = [DueDate(at, "meeting", text) for text, at in _DAYS.items() if text in said]
    return [date.text for date in choices(due, hear(said).sentences)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Could you come Thursday at 2 or Friday at 9:15?", ["Thursday at 2", "Friday at 9:15"]),
        ("I have Thursday at 2, Friday at 9:15 or Monday.", ["Thursday at 2", "Friday at 9:15", "Monday"]),
        ("- Thursday at 2\n- Friday at 9:15\nWhich works for you?", ["Thursday at 2", "Friday at 9:15"]),
        ("- Thursday at 2\n- Friday at 9:15\nWhich?", ["Thursday at 2", "Friday at 9:15"]),
        ("Thursday at 2/Friday at 9:15, your pick.", ["Thursday at 2", "Friday at 9:15"]),
        ("¿Le va bien el jueves a las 2 o el lunes?", ["jueves a las 2", "lunes"]),
        ("Tengo el jueves a las 2. También el lunes. ¿Cuál le viene mejor?", ["jueves a las 2", "lunes"]),
    ],
)
def test_a_choice_is_seen(said: str, expected: list[str]) -> None:
    """With an "or" between, or asked which; those of a list before the last two as well."""
    assert offered(said) == expected


@pytest.mark.parametrize(
    "said",
    [
        "We meet Thursday at 2.",
        "The first talk is Thursday at 2. The next one is on Monday.",
        "It was moved from Thursday at 2 to Friday at 9:15.",
        "Thursday at 2 is full, so we meet Friday at 9:15 in my room or the library.",
        "We meet Thursday at 2 and again on Monday.",
        "We meet Thursday at 2, which is the day of the concert. The next talk is on Monday.",
    ],
)
def test_other_dates_are_no_choice(said: str) -> None:
    """One after the other, one for the other, or a choice of something else."""
    assert offered(said) == []


def card_of(said: str, language: Language, labels: tuple[str, ...] = ("meeting_request",)) -> tuple[str, str]:
    due = tuple(DueDate(at, "meeting", text) for text, at in _DAYS.items() if text in said)
    judged = verdict(labels=labels, primary=labels[0], evidence=(TALK,), due=due, needs_reply=True)
    config = Config(timezone="America/New_York")
    card = make_card(judged, config, Wording(language), Around(TODAY, said=hear(said)))
    return card.headline, card.reply


@pytest.mark.parametrize("labels", [("meeting_request",), ("behavior", "meeting_request")])
def test_the_card_names_all_of_them_and_the_reply_takes_one(labels: tuple[str, ...]) -> None:
    """In both languages; nobody is asked for another time first."""
    said = "Could you come Thursday at 2 or Friday at 9:15?"
    headline, reply = card_of(said, "en", labels)
    assert "Thursday, January 8 at 2:00 PM or Friday, January 9 at 9:15 AM" in headline
    assert "Of the times that you offer, this one suits me: ____." in reply
    assert "Another" not in reply
    headline, reply = card_of(said, "es", labels)
    assert "jueves 8 de enero a las 14:00 o viernes 9 de enero a las 9:15" in headline
    assert "De las horas que ofrece, me viene bien esta: ____." in reply


def test_one_time_is_answered_as_one() -> None:
    """Yes to it, or another."""
    _, reply = card_of("Could you come Thursday at 2?", "en")
    assert "About that time: ____. Another that would suit me: ____." in reply


def test_what_the_times_answer_is_not_answered_twice() -> None:
    """The question that offers them has no line of its own in the reply; another question has."""
    said = "Could you come Thursday at 2 or Friday at 9:15? Which would you rather? Does Maya need the bus that day?"
    _, reply = card_of(said, "en")
    assert not re.search("Could you come|Which would|Thursday|Friday", reply)
    assert "Does Maya need the bus that day?" in reply


@pytest.mark.parametrize(
    ("said", "stated"),
    [
        ("Are you free any morning next week before 8:30?", True),
        ("¿Podría venir cualquier tarde después de las 3?", True),
        ("Are you free to talk soon?", False),
    ],
)
def test_hours_to_choose_from_are_a_time_that_is_stated(said: str, stated: bool) -> None:
    """No one hour is named, and yet the mail says when."""
    judged = verdict(labels=("meeting_request",), primary="meeting_request", evidence=(TALK,), due=(), needs_reply=True)
    card = make_card(judged, Config(timezone="America/New_York"), Wording("en"), Around(TODAY, said=hear(said)))
    assert ("a time" not in card.unknown) is stated
