"""Pure: what came before a mail, as far as it changes what is said about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import get_args

from triage.classify import Verdict
from triage.dates import What

# Concerns so near to each other belong together; praise so soon after one speaks of it.
TOGETHER = timedelta(days=42)
_CONCERNS = frozenset({"behavior", "homework"})
# School days that an answer may take, by situation (docs/prompts.md); safety is never a matter of days.
_ANSWER_DAYS = {
    "meeting_request": 1,
    "behavior_meeting": 1,
    "homework_meeting": 1,
    "praise": 3,
    "resolved": 3,
    "settled": 3,
    "confirmed": 3,
}
_DEFAULT_ANSWER_DAYS = 2


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier school mail: when it was written (aware), about whom, by whom (address, name), and of what kind.

    A mail to many has no kind.
    """

    at: datetime
    child: str
    teacher: str
    labels: tuple[str, ...]
    name: str = ""

    @classmethod
    def of(cls, verdict: Verdict) -> "Past | None":
        """What a verdict leaves for those after it, None where it is of no school mail or has no date."""
        if not verdict.school or verdict.unsure or verdict.date is None:
            return None
        who = verdict.teacher
        labels = () if "bulk" in verdict.flags else verdict.labels
        return cls(verdict.date, verdict.child or "", who.address if who else "", labels, who.name if who else "")


def concerns_before(verdict: Verdict, past: Sequence[Past]) -> list[date]:
    """The days of the same person's earlier concerns of the same kind about the same child, oldest first."""
    kinds, address = _CONCERNS & set(verdict.labels), verdict.teacher.address if verdict.teacher else ""
    if verdict.date is None or not kinds:
        return []
    return [
        one.at.astimezone(verdict.date.tzinfo).date()
        for one in sorted(_before(verdict, past), key=lambda one: one.at)
        if kinds & set(one.labels)
        and "praise" not in one.labels
        and one.child == (verdict.child or "")
        and one.teacher == address
    ]


def is_resolved(verdict: Verdict, past: Sequence[Past]) -> bool:
    """Whether good news follows a concern of the same teacher about the same child."""
    address = verdict.teacher.address if verdict.teacher else ""
    return bool(address) and any(
        _CONCERNS & set(one.labels) and one.teacher == address and one.child == (verdict.child or "")
        for one in _before(verdict, past)
    )


def is_new_teacher(verdict: Verdict, past: Iterable[Past]) -> bool:
    """Whether this person writes for the first time, as far as is known; nobody is new where nothing is."""
    known = {part for one in past for part in (one.teacher, one.name) if part}
    who = verdict.teacher
    # A platform gives each message an address of its own to answer to.
    return bool(known) and who is not None and not {who.address, who.name} & known


def _before(verdict: Verdict, past: Iterable[Past]) -> list[Past]:
    at = verdict.date
    return [] if at is None else [one for one in past if at - TOGETHER <= one.at < at]


def answer_by(verdict: Verdict, situation: str, written: date) -> date:
    """The school day by which an answer is soon enough; earlier where something the mail asks for is due before.

    Where a plan is spoken of, or the news is good or weighs nothing, the day that the mail itself names.
    """
    day = school_days_after(written, _ANSWER_DAYS.get(situation, _DEFAULT_ANSWER_DAYS))
    days = {
        what: [date.fromisoformat(due.at[:10]) for due in verdict.due if due.what == what] for what in get_args(What)
    }
    stated = [at for what in ("reply", "form", "assignment") for at in days[what] if at >= written]
    if situation in ("plan", "other_school", "praise", "resolved") and stated:
        return min(stated)
    asked = [at for what, found in days.items() if what != "event" for at in found if at >= written]
    return min([day, *asked])


def school_days_after(day: date, count: int) -> date:
    """The day so many weekdays later."""
    for _ in range(count):
        day += timedelta(days=1)
        while day.weekday() >= 5:
            day += timedelta(days=1)
    return day
