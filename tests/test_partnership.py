"""The longer view: what is said, when, to whom, and above all how seldom."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from triage.config import LANGUAGES, Config
from triage.partnership import Nudge, View, nudge_of
from triage.prompts import Wording
from triage.record import Entry

TODAY = date(2026, 2, 20)
CONFIG = Config.model_validate_json(
    """{"timezone": "UTC", "children": [{"name": "Maya"}], "school": {"teachers":
    [{"name": "Ms. Alvarez", "address": "alvarez@maplewood.k12.example", "children": ["Maya"]}]}}"""
)
BASE = Entry(
    at="", direction="in", account="home", key="", message_id="", subject="Maya", child="Maya", who="Ms. Alvarez",
    address="alvarez@maplewood.k12.example", channel="email", labels=("behavior",), flags=(), summary="She pushed.",
)  # fmt: skip


def entry(days_ago: int, *labels: str, **changes: object) -> Entry:
    at = datetime(TODAY.year, TODAY.month, TODAY.day, 8, tzinfo=UTC) - timedelta(days=days_ago)
    named = {"at": at.isoformat(), "key": f"{days_ago} {labels} {changes}", "labels": labels or ("behavior",)}
    return replace(BASE, **(named | changes))  # type: ignore[arg-type]


def told(*entries: Entry, today: date = TODAY, given: dict[tuple[str, str], date] | None = None) -> Nudge | None:
    ordered = sorted(entries, key=lambda one: one.at)
    return nudge_of(View(today, ordered, given or {}), CONFIG, Wording("en"))


CONCERNS = [entry(days) for days in (0, 10, 20)]
LONG = [entry(days) for days in (0, 12, 24, 36, 50)]
SENT = [entry(5, direction="out"), entry(30, direction="out")]


def test_one_or_two_mails_say_nothing() -> None:
    """Nothing follows from a single day."""
    assert told(entry(0)) is None
    assert told(entry(0), entry(10)) is None


def test_three_concerns_suggest_a_talk() -> None:
    """Counts and a date in neutral words; not where a talk was asked for, and not again for a month."""
    nudge = told(*CONCERNS)
    assert nudge is not None
    assert nudge.kind == "talk"
    assert "3 times about Maya since Saturday, January 31" in nudge.text
    assert told(*CONCERNS, entry(3, "meeting_request")) is None
    assert told(*CONCERNS, given={("talk", nudge.about): TODAY - timedelta(days=10)}) is None
    assert told(*CONCERNS, given={("talk", nudge.about): TODAY - timedelta(days=31)}) == nudge


def test_what_most_of_the_mails_speak_of_is_named() -> None:
    """In neutral words, with the count; nothing where they speak of this and that; Spanish mail by Spanish words."""
    mornings = [
        entry(0, summary="Maya was upset when she arrived."),
        entry(10, subject="Tardy again"),
        entry(20, summary="A hard morning."),
    ]
    other = entry(30, summary="She pushed a boy at recess.")
    for talk, kind in (((), "talk"), ((entry(3, "meeting_request", summary="Could we talk?"),), "pattern")):
        nudge = told(*mornings, other, *talk)
        assert nudge is not None
        assert (nudge.kind, "4 times about Maya" in nudge.text, ", 3 times about mornings." in nudge.text) == (
            kind,
            True,
            True,
        )
    assert "times about mornings" not in getattr(told(*mornings[:2], other), "text", "")
    assert told(*mornings[:2], other, entry(40), entry(3, "meeting_request")) is None
    spanish = [entry(days, summary="No entregó la tarea.") for days in (0, 9, 18)]
    found = nudge_of(View(TODAY, spanish[::-1], {}), CONFIG, Wording("es"))
    assert found is not None
    assert "3 veces sobre trabajos sin entregar" in found.text


def test_a_third_person_comes_late() -> None:
    """Only after five mails over six weeks, two answers and a talk; then how an evaluation is asked for."""
    talk = entry(8, "meeting_request")
    assert (told(*LONG) or BASE_NUDGE).kind == "talk"
    assert told(*LONG, talk) is None
    nudge = told(*LONG, talk, *SENT)
    assert nudge is not None
    assert nudge.kind == "third_person"
    after = told(*LONG, talk, *SENT, given={("third_person", nudge.about): TODAY})
    assert after is not None
    assert after.kind == "evaluation"
    assert "no legal advice" in after.text


BASE_NUDGE = Nudge("", "", "")


def test_thanks_are_due_after_worries_alone() -> None:
    """Three answers to worries and none to good news, once a month."""
    worries = [entry(days, direction="out") for days in (4, 9, 14)]
    nudge = told(*worries)
    assert nudge is not None
    assert nudge.kind == "thanks"
    assert told(*worries, entry(6, "praise", direction="out")) is None
    assert told(*worries, given={("thanks", nudge.about): TODAY - timedelta(days=5)}) is None


def test_what_teachers_tell_is_offered_once() -> None:
    """A strategy in their words, a way to be reached; not what the parent has taken up."""
    helps = entry(1, "praise", strategies=("We use a calm-down corner.",))
    nudge = told(helps)
    assert nudge is not None
    assert (nudge.kind, "“We use a calm-down corner”" in nudge.text) == ("strategy", True)
    assert told(helps, given={("strategy", nudge.about): date(2020, 1, 1)}) is None
    reach = told(entry(1, "praise", reach="The best way to reach me is by phone."))
    assert reach is not None
    assert reach.kind == "channel"


def test_the_first_weeks_and_the_silent_ones() -> None:
    """A hello in September to whom nothing was sent this year; a word after eight silent weeks, not in summer."""
    september = date(2026, 9, 10)
    hello = told(today=september)
    assert hello is not None
    assert hello.kind == "hello"
    assert told(entry(-200, direction="out"), today=september) is None
    gap = told(entry(60, "praise"))
    assert gap is not None
    assert (gap.kind, "8 weeks" in gap.text) == ("gap", True)
    assert told(entry(60, "praise"), today=TODAY.replace(month=7)) is None
    assert told() is None


def test_before_the_holidays_the_good_comes_first() -> None:
    """Counts alone, and only where there is something to count."""
    months = [entry(-120 + days, "praise") for days in range(1, 40, 8)]
    term = told(*months, today=date(2026, 6, 12))
    assert term is not None
    assert (term.kind, "5 mails from school, 5 of them good news" in term.text) == ("term", True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_is_calm_in_both_languages(language: str) -> None:
    """No exclamation, no percent, no rating, no blame."""
    for text in Wording(language).words["nudge"].values():  # type: ignore[arg-type]
        for word in ("!", "%", "always", "never", "siempre", "nunca", "score", "fault", "culpa"):
            assert word not in text


def test_nobody_is_rated() -> None:
    """The record has no field that could hold a score of a person."""
    assert not {field.name for field in fields(Entry)} & {"score", "rating", "rank", "grade"}


def test_what_was_done_to_a_child_and_what_is_over_are_no_concerns() -> None:
    """Two worries, a report of danger and a matter that is settled do not make a row."""
    two = [entry(0), entry(10)]
    assert told(*two, entry(20, flags=("safety",))) is None
    assert told(*two, entry(20, summary="They shook hands on it.")) is None
    assert told(*two, entry(20)) is not None
