"""Pure: the communication record: what was said, by whom, what was asked and agreed, and whether it was answered.

An entry is made once, when a mail is settled, and never changed; what the parent says later (a correction, an answer)
is laid over it when the record is shown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from triage.facts import names_plan
from triage.message import Person
from triage.plan import Stored
from triage.text import one_line

Direction = Literal["in", "out"]
# How it was seen that a mail waits no longer.
How = Literal["sent", "marked", "put away", "another"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record; `at` is ISO 8601 with offset, `dues` are (ISO date, what for, words) of the mail.

    `summary`, `asked`, `agreed`, `strategies` (what helps in class) and `reach` (how to reach the writer) are the
    mail's own words; `also` are the family's other children of whom it tells; `answered` is the day on which it was
    answered or settled, or empty, and `how` tells which.
    """

    at: str
    direction: Direction
    account: str
    key: str
    message_id: str
    subject: str
    child: str
    who: str
    address: str
    channel: str
    labels: tuple[str, ...]
    flags: tuple[str, ...]
    summary: str
    asked: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()
    dues: tuple[tuple[str, str, str], ...] = ()
    needs_reply: bool = False
    answered: str = ""
    how: How | Literal[""] = ""
    strategies: tuple[str, ...] = ()
    reach: str = ""
    also: tuple[str, ...] = ()

    @property
    def children(self) -> tuple[str, ...]:
        """Of whom the mail tells, the main child first."""
        return (self.child, *self.also) if self.child else self.also

    def to_json(self) -> dict[str, Any]:
        """One object of `log --format json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Entry":
        """The inverse of `to_json`."""
        lists: dict[str, Any] = {
            name: tuple(values.get(name, ())) for name in ("labels", "flags", "asked", "agreed", "strategies", "also")
        }
        return cls(**{**values, **lists, "dues": tuple(tuple(due) for due in values["dues"])})


@dataclass(frozen=True, slots=True)
class Settled:
    """When a mail stopped waiting, and how that was seen."""

    at: datetime
    how: How


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that the parent sent to a teacher, by its header fields; `key` is of the mail it answers, or empty."""

    account: str
    message_id: str
    at: datetime
    recipients: frozenset[str]
    subject: str
    key: str


def is_worth_recording(row: Stored) -> bool:
    """A conversation is recorded, a newsletter is not; a plan or danger always is."""
    verdict = (row.judgement or {}).get("verdict") or {}
    flags = set(verdict.get("flags", ()))
    return bool(verdict.get("school") or verdict.get("unsure")) and (
        "bulk" not in flags or bool(flags & {"plan", "safety"})
    )


def entry_of(row: Stored) -> Entry:
    """The entry of a settled school mail."""
    judgement = row.judgement or {}
    verdict, gist = judgement["verdict"], judgement.get("gist") or {}
    teacher = verdict.get("teacher") or {}
    return Entry(
        at=verdict.get("date") or (row.received or row.day).isoformat(),
        direction="in",
        account=row.account,
        key=row.key,
        message_id=row.message_id,
        subject=one_line(verdict.get("subject") or "", 200),
        child=verdict.get("child") or "",
        also=tuple(name for name in judgement.get("children", ()) if name != verdict.get("child")),
        who=teacher.get("name") or "",
        address=teacher.get("address") or "",
        channel=judgement.get("via") or "email",
        labels=tuple(verdict["labels"]) or (verdict["primary"],),
        flags=tuple(_flags(verdict)),
        summary=_summary(verdict, gist),
        asked=tuple(gist.get("asked", ())),
        agreed=tuple(gist.get("agreed", ())),
        dues=tuple((due["at"], due["what"], due["text"]) for due in verdict.get("due", ())),
        needs_reply=bool(verdict.get("needs_reply")),
        strategies=tuple(gist.get("strategies", ())),
        reach=gist.get("channel") or "",
    )


def _flags(verdict: Mapping[str, Any]) -> Iterator[str]:
    """What a mail is about beside its labels: of what is named for caution's sake alone a record says nothing."""
    of_plan = [item["text"] for item in verdict.get("evidence", ()) if item["label"] == "plan"]
    if "plan" in verdict.get("flags", ()) and names_plan(of_plan):
        yield "plan"
    if "safety" in verdict.get("flags", ()) and "safety" not in verdict.get("doubted", ()):
        yield "safety"


def _summary(verdict: Mapping[str, Any], gist: Mapping[str, Any]) -> str:
    """The sentence that the mail is filed for, else the first one that says something, else the subject."""
    spoken = [item["text"] for item in verdict.get("evidence", ()) if item["label"] == verdict["primary"]]
    return one_line(next(iter(spoken), "") or gist.get("first_words") or verdict.get("subject") or "", 160)


def sent_entry(sent: Sent, answered: Entry | None, to: Person) -> Entry:
    """The entry of a mail that the parent sent to a teacher; its text is not read."""
    return Entry(
        at=sent.at.isoformat(),
        direction="out",
        account=sent.account,
        key=f"sent {sent.message_id}",
        message_id=sent.message_id,
        subject=one_line(sent.subject, 200),
        child=answered.child if answered else "",
        also=answered.also if answered else (),
        who=to.name or (answered.who if answered else ""),
        address=to.address,
        channel="email",
        labels=answered.labels if answered else (),
        flags=answered.flags if answered else (),
        summary=one_line(sent.subject, 160),
    )


# --- What is shown of it -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the record is asked for; None or empty means everything. Both dates are included."""

    child: str = ""
    teacher: str = ""
    label: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """What was learned after the entries were made: present verdicts and settlings, by account and key."""

    verdicts: Mapping[tuple[str, str], Mapping[str, Any]]
    settled: Mapping[tuple[str, str], Settled]


def laid_over(entries: Iterable[Entry], since: Since, zone: ZoneInfo) -> list[Entry]:
    """The record with what was learned later, its times in the household's zone.

    What the parent said is no school mail is left out.
    """
    shown = []
    for entry in entries:
        verdict = since.verdicts.get((entry.account, entry.key))
        if verdict is not None and verdict["primary"] == "not_school" and entry.direction == "in":
            continue
        labels = tuple(verdict["labels"]) or (verdict["primary"],) if verdict is not None else entry.labels
        at = datetime.fromisoformat(entry.at).astimezone(zone).isoformat()
        settled = since.settled.get((entry.account, entry.key))
        if settled is not None:
            entry = replace(entry, answered=settled.at.astimezone(zone).date().isoformat(), how=settled.how)  # noqa: PLW2901
        shown.append(replace(entry, at=at, labels=labels))
    return sorted(shown, key=lambda entry: (datetime.fromisoformat(entry.at), entry.message_id))


def chosen(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """The entries that are asked for."""
    return [entry for entry in entries if _is_wanted(entry, wanted)]


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    day = datetime.fromisoformat(entry.at).date()
    person = f"{entry.who} {entry.address}".lower()
    return (
        (not wanted.child or any(names(name, wanted.child) for name in entry.children))
        and (not wanted.teacher or wanted.teacher.lower() in person)
        and (not wanted.label or wanted.label in (*entry.labels, *entry.flags))
        and (wanted.since is None or day >= wanted.since)
        and (wanted.until is None or day <= wanted.until)
    )


def names(text: str, wanted: str) -> bool:
    """Whether a text names somebody, as whole words."""
    return bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text, re.IGNORECASE))


def days_of(entries: Sequence[Entry]) -> tuple[date, date] | None:
    """The first and the last day, None where there is nothing."""
    days = [datetime.fromisoformat(entry.at).date() for entry in entries]
    return (min(days), max(days)) if days else None
