"""What waits for an answer: since when, until when, and two gentle reminders."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from tests.support.cases import NOW, verdict
from triage.awaiting import reminders, waiting_of
from triage.classify import Verdict
from triage.config import Config
from triage.plan import Place, Stored

CONFIG = Config.model_validate_json('{"timezone": "America/New_York"}')
VERDICT = TypeAdapter(Verdict)


def row(judged: Verdict, *, by: str = "2026-01-09", key: str = "k") -> Stored:
    kept = {"verdict": VERDICT.dump_python(judged, mode="json"), "card": {"answer_by": by}}
    place = Place("School/Meetings", 1, 7)
    return Stored("home", key, f"<{key}@x>", place, NOW, NOW, "done", 0, "", frozenset(), kept)


ASKS = row(verdict(needs_reply=True))
END = NOW + timedelta(days=1)


def test_what_waits() -> None:
    """School mail that asks, unanswered, of the last weeks; with its days."""
    (one,) = waiting_of([ASKS], set(), CONFIG, END)
    assert (one.since, one.by, one.teacher, one.child) == ("2026-01-07", "2026-01-09", "Ms. Alvarez", "Maya")
    for settled in (
        waiting_of([ASKS], {("home", "k")}, CONFIG, END),
        waiting_of([row(verdict())], set(), CONFIG, END),
        waiting_of([row(verdict(needs_reply=True, unsure=True))], set(), CONFIG, END),
        waiting_of([row(verdict(needs_reply=True, sender="suspicious"))], set(), CONFIG, END),
        waiting_of([replace(ASKS, status="quarantined")], set(), CONFIG, END),
        waiting_of([ASKS], set(), CONFIG, NOW + timedelta(days=31)),
        waiting_of([ASKS], set(), CONFIG, NOW - timedelta(days=1)),
    ):
        assert settled == []


def test_it_is_spoken_of_twice_and_no_more() -> None:
    """Over sixty mornings, however the digests fall: at its day, three school days later, then never."""
    waiting = waiting_of([ASKS], set(), CONFIG, END)
    mornings = [datetime(2026, 1, 7, 11, 30, tzinfo=UTC) + timedelta(days=n) for n in range(60)]
    told = [
        end.date().isoformat() for start, end in itertools.pairwise(mornings) if reminders(waiting, start, end, CONFIG)
    ]
    assert told == ["2026-01-09", "2026-01-14"]
    assert reminders(waiting, mornings[0], mornings[20], CONFIG) == waiting


def test_the_morning_that_shows_it_as_new_is_no_reminder() -> None:
    """What is due the next morning is first spoken of again on the one after."""
    (one,) = waiting_of([row(verdict(needs_reply=True), by="2026-01-08")], set(), CONFIG, END)
    assert one.remind[0] == "2026-01-09"
