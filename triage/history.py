"""Pure: what came before a mail, as far as it changes what is said about it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import get_args

from triage.classify import Verdict
from triage.dates import What
from triage.lexicon import table

# Concerns so near to each other belong together; praise so soon after one speaks of it.
TOGETHER = timedelta(days=42)
CONCERNS = frozenset({"behavior", "homework"})
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

    A mail to many has no kind. `themes` are what it spoke of, None where that is not known; `grave` tells of danger.
    """

    at: datetime
    child: str
    teacher: str
    labels: tuple[str, ...]
    name: str = ""
    themes: frozenset[str] | None = field(default=None, compare=False)
    grave: bool = False

    @classmethod
    def of(cls, verdict: Verdict) -> "Past | None":
        """What a verdict leaves for those after it, None where it is of no school mail or has no date."""
        if not verdict.school or verdict.unsure or verdict.date is None:
            return None
        who = verdict.teacher
        labels = () if "bulk" in verdict.flags else verdict.labels
        address, name = (who.address, who.name) if who else ("", "")
        return cls(verdict.date, verdict.child or "", address, labels, name, _themes_of(verdict), verdict.danger)


def concerns_before(verdict: Verdict, past: Sequence[Past]) -> list[date]:
    """The days of the same person's earlier concerns of the same kind about the same child, oldest first.

    What is known to have been about something else does not count, nor what told of danger.
    """
    themes = _themes_of(verdict)
    kinds, address = CONCERNS & set(verdict.labels), verdict.teacher.address if verdict.teacher else ""
    if verdict.date is None or not kinds:
        return []
    return [
        one.at.astimezone(verdict.date.tzinfo).date()
        for one in sorted(_before(verdict, past), key=lambda one: one.at)
        if kinds & set(one.labels)
        and "praise" not in one.labels
        and one.child == (verdict.child or "")
        and one.teacher == address
        and not one.grave
        and (one.themes is None or one.themes & themes or one.themes == themes)
    ]


def _themes_of(verdict: Verdict) -> frozenset[str]:
    return themes_in(item.text for item in verdict.evidence if item.label in CONCERNS)


def themes_in(texts: Iterable[str]) -> frozenset[str]:
    """What the sentences of a concern speak of."""
    said = "\n".join(texts)
    return frozenset(name for name, form in table("themes").items() if re.search(form, said, re.IGNORECASE))


def is_resolved(verdict: Verdict, past: Sequence[Past]) -> bool:
    """Whether good news follows a concern of the same teacher about the same child."""
    address = verdict.teacher.address if verdict.teacher else ""
    return bool(address) and any(
        CONCERNS & set(one.labels) and one.teacher == address and one.child == (verdict.child or "")
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
    """The school day so many school days later: no weekend, no holiday that every school of the US keeps."""
    for _ in range(count):
        day += timedelta(days=1)
        while day.weekday() >= _SATURDAY or is_holiday(day):
            day += timedelta(days=1)
    return day


_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY = 0, 3, 4, 5
# Month, weekday, first and last day that it can be.
_MOVING = (
    (1, _MONDAY, 15, 21),  # Martin Luther King Day
    (5, _MONDAY, 25, 31),  # Memorial Day
    (9, _MONDAY, 1, 7),  # Labor Day
    (11, _THURSDAY, 22, 28),  # Thanksgiving
    (11, _FRIDAY, 23, 29),
)
# New Year, Juneteenth, July 4.
_FIXED = ((1, 1), (6, 19), (7, 4))


def is_holiday(day: date) -> bool:
    """Whether every school of the US is closed: from Christmas Eve to New Year, and on the holidays that all keep.

    Presidents' Day, Columbus Day and Veterans Day are school days in many places, and so count as such.
    """
    # A fixed day that falls on a weekend is kept on the Friday before or the Monday after.
    beside = {_FRIDAY: 1, _MONDAY: -1}.get(day.weekday(), 0)
    kept = {(one.month, one.day) for one in (day, day + timedelta(days=beside))}
    month, weekday = day.month, day.weekday()
    moving = any((month, weekday) == (m, on) and first <= day.day <= last for m, on, first, last in _MOVING)
    return (day.month, day.day) >= (12, 24) or moving or not kept.isdisjoint(_FIXED)
