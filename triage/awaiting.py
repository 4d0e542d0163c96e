"""Pure: what waits for an answer of the parent's, since when and until when; a gentle reminder, at most twice."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from triage.config import Config
from triage.days import digest_end
from triage.history import school_days_after
from triage.plan import Stored
from triage.text import one_line

# What was not answered in so many days is not spoken of any more.
FORGOTTEN_AFTER = timedelta(days=30)
_BETWEEN_REMINDERS = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits: dates in ISO 8601. `remind` are the two mornings on which it is spoken of again."""

    account: str
    message_id: str
    subject: str
    child: str
    teacher: str
    since: str
    by: str
    remind: tuple[str, str]


def waiting_of(
    rows: Iterable[Stored], answered: Collection[tuple[str, str]], config: Config, end: datetime
) -> list[Waiting]:
    """What waits at `end`, the oldest first."""
    found = [
        _waiting(row, config)
        for row in rows
        if (row.account, row.key) not in answered
        and row.status in ("done", "released")
        and end - FORGOTTEN_AFTER < row.day <= end
        and _asks(row)
    ]
    return sorted(found, key=lambda one: (one.since, one.message_id))


def _asks(row: Stored) -> bool:
    verdict = _verdict(row)
    genuine = verdict.get("sender") != "suspicious" and not verdict.get("warnings")
    # Danger is no matter of two lines by Friday.
    calm = not speaks_of_danger(verdict) and not verdict.get("unsure")
    return bool(verdict.get("school")) and genuine and calm and bool(verdict.get("needs_reply"))


def speaks_of_danger(verdict: Mapping[str, Any]) -> bool:
    """Whether a verdict as it is kept names danger, and not for caution's sake alone."""
    return "safety" in verdict.get("flags", ()) and "safety" not in verdict.get("doubted", ())


def _verdict(row: Stored) -> dict[str, Any]:
    verdict: dict[str, Any] = (row.judgement or {}).get("verdict") or {}
    return verdict


def _waiting(row: Stored, config: Config) -> Waiting:
    verdict, card = _verdict(row), (row.judgement or {}).get("card") or {}
    came = (row.received or row.day).astimezone(config.zone).date()
    by = date.fromisoformat(card["answer_by"]) if card.get("answer_by") else school_days_after(came, 2)
    first = max(by, _morning_after_shown(row.day, config))
    second = school_days_after(first, _BETWEEN_REMINDERS)
    return Waiting(
        account=row.account,
        message_id=row.message_id,
        subject=one_line(verdict.get("subject") or "", 80),
        child=verdict.get("child") or "",
        teacher=(verdict.get("teacher") or {}).get("name") or "",
        since=came.isoformat(),
        by=by.isoformat(),
        remind=(first.isoformat(), second.isoformat()),
    )


def _morning_after_shown(day: datetime, config: Config) -> date:
    """The morning after the one whose digest shows a mail as new."""
    local = day.astimezone(config.zone)
    shown = local.date()
    if local > digest_end(shown, config.digest.at, config.zone):
        shown += timedelta(days=1)
    return shown + timedelta(days=1)


def reminders(waiting: Iterable[Waiting], start: datetime, end: datetime, config: Config) -> list[Waiting]:
    """Those to be spoken of in the digest of (start, end], however late it comes."""
    return [
        one
        for one in waiting
        if any(start < digest_end(date.fromisoformat(day), config.digest.at, config.zone) <= end for day in one.remind)
    ]
