"""The morning digest: one model of the day, three renderings, once a date whatever the clock does."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from pydantic import TypeAdapter

from tests.support.cases import verdict
from triage.awaiting import Waiting
from triage.classify import DueDate, Evidence, Verdict
from triage.config import LANGUAGES, Config, Language
from triage.days import digest_end, digest_start
from triage.delivery import day_window, due_date
from triage.digest import Day, Digest, build_digest, to_html, to_mail, to_text
from triage.message import Person
from triage.plan import Place, Stored
from triage.prompts import Around, Wording, make_card
from triage.rows import Delivery
from triage.store import Store

ZONE = ZoneInfo("America/New_York")
END = datetime(2026, 1, 8, 6, 30, tzinfo=ZONE)
CONFIG = Config.model_validate_json(
    '{"timezone": "America/New_York", "children": [{"name": "Maya"}, {"name": "Leo"}], "accounts": '
    '[{"name": "home", "host": "h.example", "username": "jo@gmail.com"}]}'
)
_VERDICT = TypeAdapter(Verdict)
FRIDAY = DueDate("2026-01-09T15:15:00-05:00", "meeting", "Friday at 3:15")


def row(number: int, judged: Verdict | None, *, status: str = "done", language: str = "en") -> Stored:
    card = make_card(judged, CONFIG, Wording(language), Around(END.date())) if judged and judged.school else None  # type: ignore[arg-type]
    kept = None
    if judged is not None:
        kept = {"verdict": _VERDICT.dump_python(judged, mode="json"), "card": card.to_json() if card else None}
    return Stored(
        account="home",
        key=f"{number:064}",
        message_id=f"<m{number}@test.example>",
        place=Place("School/Homework", 1, number),
        received=END - timedelta(hours=5),
        day=END - timedelta(hours=5),
        status=status,  # type: ignore[arg-type]
        tries=0,
        error="",
        tags=frozenset(),
        judgement=kept,
    )


NOT_SCHOOL = verdict(school=False, labels=(), primary="not_school", child=None, teacher=None, evidence=())


def digest(*rows: Stored, earlier: tuple[Stored, ...] = (), language: Language = "en") -> Digest:
    return build_digest(Day(END - timedelta(days=1), END, rows, earlier), CONFIG, Wording(language))


def test_the_order_is_the_one_a_parent_needs() -> None:
    """Danger, answers, plan, the child, good news, doubt, news; not-school mail only as a count."""
    found = digest(
        row(1, verdict(labels=(), primary="other_school")),
        row(2, verdict(labels=("praise",), primary="praise")),
        row(3, verdict()),
        row(4, verdict(flags=("plan",), evidence=(Evidence("plan", "we review her 504 plan"),))),
        row(5, verdict(needs_reply=True)),
        row(6, verdict(flags=("safety",))),
        row(7, verdict(unsure=True)),
        row(8, NOT_SCHOOL),
        row(9, verdict(urgent=True)),
    )
    assert [(section.kind, len(section.items)) for section in found.sections] == [
        ("now", 2),
        ("reply", 1),
        ("plan", 1),
        ("talk", 1),
        ("good", 1),
        ("review", 1),
        ("news", 1),
    ]
    assert (found.counts["seen"], found.counts["school"], found.counts["other"]) == (9, 8, 1)
    assert found.subject == "School, Thursday, January 8: 2 to read first, 1 to answer, 1 good news, 4 more"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_day_that_has_passed_is_not_proposed(language: Language) -> None:
    """The second reminder comes after the day on which an answer would have been good."""
    for by, said in (("2026-01-07", False), ("2026-01-08", True)):
        one = Waiting("home", "<w@x>", "Trip", "Maya", "Ms. Alvarez", "2026-01-05", by, ("2026-01-08", "2026-01-12"))
        day = Day(END - timedelta(days=1), END, (), waiting=(one,))
        (line,) = build_digest(day, CONFIG, Wording(language)).reminders
        assert (Wording(language).day(date.fromisoformat(by)) in line) is said


def test_danger_that_is_doubted_does_not_come_first() -> None:
    """It stands where the mail belongs: an alarm each morning would be heard no more."""
    found = digest(row(1, verdict(flags=("safety",), doubted=("safety",))), row(2, verdict(flags=("safety",))))
    assert [(section.kind, len(section.items)) for section in found.sections] == [("now", 1), ("talk", 1)]


def test_danger_stands_before_what_is_only_urgent() -> None:
    """Whoever's name comes first; among equals the children keep together."""
    urgent = [row(n, verdict(urgent=True, child=name)) for n, name in enumerate(("Leo", "Ada", "Leo"), start=1)]
    (section,) = digest(*urgent, row(9, verdict(flags=("safety",), child="Maya"))).sections
    assert [item.child for item in section.items] == ["Maya", "Ada", "Leo", "Leo"]


def test_items_carry_what_a_parent_needs() -> None:
    """Headline of ours, quotation of theirs, prompts, a way back."""
    (section,) = digest(row(1, verdict(needs_reply=True, due=(FRIDAY,)))).sections
    (item,) = section.items
    assert (item.child, item.teacher, item.when) == ("Maya", "Ms. Alvarez", "Friday, January 9 at 3:15 PM")
    assert item.quotes == ("“The fractions worksheet is due on Friday”",)
    assert item.ask_child
    assert item.ask_teacher
    assert item.next_step
    assert "Maya" in item.headline
    assert [link.href for link in item.links] == [
        "https://mail.google.com/mail/u/?authuser=jo%40gmail.com#search/rfc822msgid:m1%40test.example",
        "message:%3Cm1%40test.example%3E",
        "mid:m1@test.example",
    ]


def test_dates_of_earlier_mail_still_show() -> None:
    """A date two weeks ahead is told until it is past; one beyond, or past, is not."""
    past, ahead, far = (replace(FRIDAY, at=at) for at in ("2026-01-07", "2026-01-20", "2026-03-01"))
    found = digest(row(1, verdict(due=(past,))), earlier=(row(2, verdict(due=(ahead, far))),))
    assert [line.day for line in found.dates] == ["2026-01-20"]
    doubtful = row(3, verdict(unsure=True, due=(ahead,)))
    assert digest(doubtful).dates == ()


def test_strangers_who_write_like_staff_are_offered() -> None:
    """Each once, not those known from an earlier day or from the parent, never a suspicious one."""

    def by(address: str, number: int, **changes: object) -> Stored:
        teacher = Person(f"Teacher {number}", address)
        return row(number, replace(verdict(), teacher=teacher, **{"sender": "unknown", **changes}))  # type: ignore[arg-type]

    rows = (
        by("new@a.example", 1),
        by("new@a.example", 2),
        by("before@a.example", 3),
        by("learned@a.example", 4),
        by("forged@a.example", 5, sender="suspicious"),
        by("known@a.example", 6, sender="known"),
        row(7, NOT_SCHOOL),
    )
    day = Day(END - timedelta(days=1), END, rows, (by("before@a.example", 8),), learned={"learned@a.example"})
    for language in LANGUAGES:
        built = build_digest(day, CONFIG, Wording(language))
        assert [(offer.name, offer.address) for offer in built.offers] == [("Teacher 1", "new@a.example")]
        assert "new@a.example" in to_text(built, Wording(language))
        assert "new@a.example" in to_html(built, Wording(language))
        assert "School" in built.offer_how


def test_who_is_not_asked_about_today_is_on_another_day() -> None:
    """Three a morning, of that day first, one of long ago in a crowd; who is made known meanwhile needs no question."""

    def by(number: int, days_ago: int) -> Stored:
        perhaps = {"name": "", "address": f"{number}@a.example", "about": "Leo"}
        kept = {"verdict": {"school": False, "primary": "not_school", "labels": []}, "card": None, "perhaps": perhaps}
        written = END - timedelta(days=days_ago, hours=1)
        return replace(row(number, None), judgement=kept, day=written)

    def asked(days: int, *rows: Stored, learned: str = "", off: int = 0) -> list[str]:
        """The names of the morning so many days on; `off` mornings before it had no digest."""
        end = END + timedelta(days=days)
        start = end - timedelta(days=1 + off)
        today, earlier = [one for one in rows if one.day > start], [one for one in rows if one.day <= start]
        mornings = [END + timedelta(days=day) for day in range(days - off)] if off else []
        day = Day(start, end, today, earlier, learned={learned}, mornings=mornings)
        built = build_digest(day, CONFIG, Wording("en"))
        assert built.empty == (not built.perhaps)
        return [one.name for one in built.perhaps]

    first = [by(number, 0) for number in range(5)]
    second = by(7, -1)
    assert asked(0, *first) == ["0", "1", "2"]
    assert asked(1, *first, second) == ["7", "3", "4"]
    assert asked(1, *first, second, learned="3@a.example") == ["7", "4"]
    assert asked(2, *first, second) == []
    assert asked(3, *first, off=2) == ["3", "4"]
    assert asked(4, *first, second, off=2) == []
    crowd = [by(10 * day + number, -day) for day in (1, 2) for number in range(3)]
    assert asked(1, *first, *crowd) == ["10", "11", "4"]
    assert asked(2, *first, *crowd) == ["20", "21", "3"]
    assert asked(3, *first, *crowd) == ["22", "12"]


def test_who_may_write_for_the_school_is_asked_about() -> None:
    """Mail that was left in the inbox: each writer once, not those of an earlier day or learned since."""

    def by(address: str, number: int, about: str = "mañana") -> Stored:
        perhaps = {"name": "Toñita" if about else "", "address": address, "about": about}
        kept = {"verdict": {"school": False, "primary": "not_school", "labels": []}, "card": None, "perhaps": perhaps}
        return replace(row(number, None), judgement=kept)

    rows = (
        by("a@a.example", 1),
        by("a@a.example", 2),
        by("b@a.example", 3),
        by("c@a.example", 4),
        by("d@a.example", 5, ""),
    )
    day = Day(END - timedelta(days=1), END, rows, (by("b@a.example", 6),), learned={"c@a.example"})
    for language in LANGUAGES:
        built = build_digest(day, CONFIG, Wording(language))
        assert [one.address for one in built.perhaps] == ["a@a.example", "d@a.example"]
        assert not built.offers
        assert not built.empty
        for text in (to_text(built, Wording(language)), to_html(built, Wording(language))):
            assert "mañana" in text
            assert ": d (d@a.example)" in text
            assert "School" in text
            assert "“”" not in text
            assert "«»" not in text


def test_how_to_answer_an_offer_fits_the_mailbox() -> None:
    """The parent's own name of the folder; no folder where mail is only tagged."""
    filing = CONFIG.filing.model_copy(update={"root": "Schule"})
    day = Day(END - timedelta(days=1), END, ())
    moved = build_digest(day, CONFIG.model_copy(update={"filing": filing}), Wording("en"))
    assert "another folder in Schule" in moved.offer_how
    tagged = filing.model_copy(update={"mode": "tag"})
    assert "folder" not in build_digest(day, CONFIG.model_copy(update={"filing": tagged}), Wording("en")).offer_how


def test_an_empty_day_says_so_truthfully() -> None:
    """With the count of what was looked at."""
    found = digest(row(1, NOT_SCHOOL))
    assert found.empty
    assert "No school mail since Wednesday, January 7 at 6:30 AM." in to_text(found, Wording("en"))
    assert "Looked at 1 mail: 0 from school" in to_text(found, Wording("en"))


def test_mail_that_could_not_be_handled_is_told() -> None:
    """Nothing important is hidden by a failure."""
    found = digest(row(1, None, status="quarantined"))
    assert not found.empty
    assert "1 mails could not be handled" in to_text(found, Wording("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_languages_render(language: Language) -> None:
    """Every word of every section is there."""
    rows = [
        row(n, judged, language=language)
        for n, judged in enumerate(
            (verdict(), verdict(flags=("safety",)), verdict(unsure=True), verdict(labels=("praise",), primary="praise"))
        )
    ]
    found = digest(*rows, language=language)
    for text in (to_text(found, Wording(language)), to_html(found, Wording(language))):
        assert "Undefined" not in text
        assert not re.search(r"\{\w*\}|\{\{|None", text)
    assert ("Fechas" in to_text(found, Wording(language))) == (language == "es" and bool(found.dates))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "<a href='javascript:alert(1)'>x</a>",
    "</style><b>x",
    "{{ 7*7 }}",
    "&lt;b&gt;",
    "\u202egnp.exe",
    "x" * 5000,
]


@pytest.mark.parametrize("text", EVIL)
def test_no_mail_can_put_markup_into_the_page(text: str) -> None:
    """Whatever a sender writes is shown as text; only the template's own tags and links are there."""
    judged = verdict(
        subject=text, child=text[:200], teacher=Person(text[:200], "x@y.example"),
        evidence=(Evidence("homework", text),), due=(replace(FRIDAY, text=text),),
    )  # fmt: skip
    evil = replace(row(1, judged), message_id=f"<{text[:50]}@x>")
    plain, hostile = _Page(), _Page()
    plain.feed(to_html(digest(row(1, verdict(due=(FRIDAY,)))), Wording("en")))
    hostile.feed(to_html(digest(evil), Wording("en")))
    assert hostile.tags <= plain.tags
    for tag, name, value in hostile.attributes:
        assert not name.startswith("on")
        if name in ("href", "src"):
            assert (tag, value.split(":")[0]) in {("a", "https"), ("a", "message"), ("a", "mid")}


def test_the_page_loads_nothing_and_is_small() -> None:
    """No remote address but the link to the parent's own mail, a policy that forbids all, under 60 KB for 40 mails."""
    page = to_html(digest(*(row(n, verdict(needs_reply=True)) for n in range(40))), Wording("en"))
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|img|iframe|link|form|object)\b", page)
    assert set(re.findall(r"https?://[^/\"']+", page)) == {"https://mail.google.com"}
    assert len(digest(*(row(n, verdict()) for n in range(10))).sections[0].items) == 10
    assert len(to_html(digest(*(row(n, verdict()) for n in range(20))), Wording("en")).encode()) < 60_000


def test_the_mail_has_text_first_and_html_second() -> None:
    """multipart/alternative with our mark, good enough as plain text alone."""
    mail = to_mail(digest(row(1, verdict())), Wording("en"), "jo@gmail.com", END)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert (mail["X-Triage"], mail["To"]) == ("digest", "jo@gmail.com")


def test_dates_go_along_as_a_calendar_file() -> None:
    """A text/calendar attachment to publish, tentative, the same UID each time; none where there is no date."""
    mail = to_mail(digest(row(1, verdict(due=(FRIDAY,)))), Wording("en"), "jo@gmail.com", END)
    *_, attached = mail.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("text/calendar", "school-dates.ics")
    calendar = Calendar.from_ical(attached.get_content())
    (event,) = calendar.walk("VEVENT")
    assert (calendar["METHOD"], event["STATUS"]) == ("PUBLISH", "TENTATIVE")
    assert event.decoded("dtstart").isoformat() == "2026-01-09T20:15:00+00:00"
    again = to_mail(digest(row(1, verdict(due=(FRIDAY,)))), Wording("en"), "jo@gmail.com", END + timedelta(days=1))
    *_, other = again.iter_attachments()
    assert next(iter(Calendar.from_ical(other.get_content()).walk("VEVENT")))["UID"] == event["UID"]


def test_json_is_the_model() -> None:
    """Everything that is shown is in it."""
    found = json.loads(json.dumps(digest(row(1, verdict(needs_reply=True, due=(FRIDAY,)))).to_json()))
    assert (found["date"], found["end"], found["empty"]) == ("2026-01-08", "2026-01-08T06:30-05:00", False)
    assert found["sections"][0]["items"][0]["message_id"] == "<m1@test.example>"
    assert found["dates"][0]["what"] == "talk"


# --- When ------------------------------------------------------------------------------------------------


def test_a_day_is_the_wall_clocks_day() -> None:
    """From one digest hour to the next, over both changes of the clock."""
    for day, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)):
        end = digest_end(day, time(6, 30), ZONE)
        assert end.astimezone(ZONE).time() == time(6, 30)
        assert end.astimezone(UTC) - digest_start(end, ZONE).astimezone(UTC) == timedelta(hours=hours)


def test_an_hour_that_does_not_exist_is_the_next() -> None:
    """02:30 on the night of spring is 03:30."""
    assert digest_end(date(2026, 3, 8), time(2, 30), ZONE).astimezone(UTC) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_the_window_of_a_named_day(config: Config) -> None:
    """`--date D` is the day that ends at D's digest hour; without it, the one that ends now."""
    start, end = day_window(config, date(2026, 1, 8), END)
    assert (start.astimezone(ZONE).isoformat(), end.isoformat()) == (
        "2026-01-07T06:30:00-05:00",
        "2026-01-08T06:30:00-05:00",
    )
    now = END + timedelta(hours=3)
    assert day_window(config, None, now)[1] == now


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"])
def test_one_digest_a_date_over_400_days(tmp_path: Path, zone: str) -> None:
    """Restarts, sleeps of hours and days, clocks that jump back: never two of a date, never one missed while awake."""
    import random

    chance = random.Random(3)
    config = Config.model_validate({"timezone": zone, "digest": {"at": time(2, 30)}})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    delivered: list[date] = []
    awake_days = 0
    with Store(tmp_path) as store:
        while now < datetime(2027, 2, 5, tzinfo=UTC):
            day = due_date(store, config, now)
            if day is not None:
                store.save_delivery(Delivery(day, "home", "<x@y>", now, "done", 1, 1))
                delivered.append(day)
            match chance.randrange(400):
                case 0:
                    now += timedelta(days=3)
                case 1:
                    now -= timedelta(hours=1)
                case 2:
                    now += timedelta(hours=9)
                case _:
                    now += timedelta(minutes=30)
        awake_days = len(set(delivered))
    assert len(delivered) == awake_days
    assert delivered == sorted(delivered)
    # At least every day on which the machine was awake for the whole of it.
    assert awake_days > 250
