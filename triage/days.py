"""Pure: the days of the digest, from one morning to the next, on the household's wall clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def digest_end(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment at which the digest of a local date is due. An hour that a clock change skips is the next."""
    due = datetime.combine(day, at, tzinfo=zone)
    return due.astimezone(UTC).astimezone(zone)


def digest_start(end: datetime, zone: ZoneInfo) -> datetime:
    """The same hour of the day before, on the wall clock."""
    local = end.astimezone(zone)
    return digest_end(local.date() - timedelta(days=1), local.time(), zone)
