"""Pure: dates of mail as a calendar file, and a meeting invitation in a mail as a date.

What is written is for the parent's own calendar alone: METHOD:PUBLISH, TENTATIVE, no attendee (RFC 5545, RFC 5546);
nothing is ever answered. The UID comes from the mail, so that the same date read twice is one entry.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import icalendar

from triage.text import one_line

MEETING_LENGTH = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Appointment:
    """A date to keep: `at` a date, or an aware date-time; `message_id` the mail that names it."""

    at: date | datetime
    title: str
    note: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """A meeting that a mail invites to (`cancelled`: takes back); an hour without a zone is the reader's."""

    at: date | datetime
    title: str
    cancelled: bool


def to_ics(appointments: Iterable[Appointment], made: datetime) -> bytes:
    """The appointments as one iCalendar file; `made` (aware) is when it was written."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//triage//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for one in sorted(set(appointments), key=lambda one: (one.at.isoformat(), one.title, one.message_id)):
        event = icalendar.Event()
        event.add("uid", _uid(one))
        event.add("dtstamp", made.astimezone(UTC))
        start = one.at.astimezone(UTC) if isinstance(one.at, datetime) else one.at
        event.add("dtstart", start)
        event.add("dtend", start + (MEETING_LENGTH if isinstance(start, datetime) else timedelta(days=1)))
        event.add("summary", one_line(one.title, 120))
        event.add("description", one_line(one.note, 300))
        event.add("status", "TENTATIVE")
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _uid(one: Appointment) -> str:
    """The same for the same date of the same mail, whoever makes the file and when."""
    named = f"{one.message_id} {one.at.isoformat()}"
    return f"{hashlib.sha256(named.encode('utf-8', 'replace')).hexdigest()[:32]}@triage.invalid"


def read_invitation(raw: bytes) -> Invitation | None:
    """The first event of a text/calendar part, None where it invites to nothing or cannot be read."""
    try:
        calendar = icalendar.Calendar.from_ical(raw)
        method = str(calendar.get("method", "")).upper()
        event = next(iter(calendar.walk("VEVENT")), None)
        if event is None or method not in ("REQUEST", "CANCEL"):
            return None
        start = event.decoded("dtstart")
        cancelled = method == "CANCEL" or str(event.get("status", "")).upper() == "CANCELLED"
        title = one_line(str(event.get("summary", "")), 120)
    except Exception:  # noqa: BLE001 - a stranger's file may make the library raise anything
        return None
    return Invitation(start, title, cancelled) if isinstance(start, date) else None
