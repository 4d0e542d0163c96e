"""Pure: from tokens that speak of one date to the day and the hour that they mean."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from triage.date_patterns import PERIODS
from triage.date_words import Token

_HORIZON = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Around:
    """What a date is read against.

    `written` is when its mail was; `day_first` reads 9/12 as the 9th of December; `sentence` is the whole of it;
    `earlier` the day of the date before it, where "or", "and" or "the" lead on from that; `next_week`: the talk is of
    next week; `same_hour`: the hour that was named last.
    """

    written: datetime
    day_first: bool
    sentence: str
    earlier: date | None = None
    next_week: bool = False
    same_hour: time | None = None


def resolve(group: Sequence[Token], around: Around) -> date | datetime | None:
    """The day, or the aware moment where there is an hour; None where it is not ahead, or no day at all."""
    today = around.written.date()
    weekday = next((token.numbers[0] for token in group if token.kind == "weekday"), None)
    days = [token for token in group if not token.is_hour]
    # A weekday alone says less than what stands beside it.
    read = [(token.kind != "weekday", _day(token, around, weekday)) for token in days]
    found = next((day for exact, day in read if day and exact), None) or next((day for _, day in read if day), None)
    if found is None or not today <= found <= today + _HORIZON:
        return None
    hour = hour_of(group, around, found) or _hour_beside(days, around, found)
    return datetime.combine(found, hour, tzinfo=around.written.tzinfo) if hour else found


# --- Days ------------------------------------------------------------------------------------------------


def _day(token: Token, around: Around, weekday: int | None) -> date | None:
    today, numbers = around.written.date(), token.numbers
    read: dict[str, Callable[[], date | None]] = {
        "weekday": lambda: _weekday(token, around),
        "weekday_day": lambda: _weekday_day(numbers[0], numbers[1], today),
        "weekday_later": lambda: _coming(numbers[0], today) + timedelta(weeks=numbers[1]),
        "month_day": lambda: _month_day(numbers, today),
        "numeric": lambda: _numeric(token, around, weekday),
        "ordinal": lambda: _ordinal(numbers[0], today),
        "relative": lambda: today + timedelta(days=numbers[0]),
        "distance": lambda: _distance(numbers[0], today, at_school=bool(numbers[1])),
        "period": lambda: _period(PERIODS[numbers[0]], today),
        "same_day": lambda: _from_named(numbers, around.earlier),
    }
    return read[token.kind]()


def _from_named(numbers: Sequence[int], named: date | None) -> date | None:
    """The day that was named, or one told from it: "the day before", "the Friday before", "a week later"."""
    if named is None or not numbers:
        return named
    day = named + timedelta(days=numbers[0])
    return day - timedelta(days=(day.weekday() - numbers[1]) % 7) if len(numbers) > 1 else day


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _coming(weekday: int, today: date) -> date:
    return today + timedelta(days=(weekday - today.weekday()) % 7 or 7)


def _monday_after(today: date) -> date:
    return today + timedelta(days=7 - today.weekday())


_NOT_AHEAD = re.compile(r"\b(last|past|every|each|todos los|cada|previous|since|desde el|pasado)\s+$")
_REPEATS = re.compile(r"s\b(?! (?:quiz|test|lesson|class))|\s+pasado\b|['’]s (?:class|incident|lesson|mail|email|note)")
_AHEAD = re.compile(r"\b(?:for|until|till|before|by|at)\s+$")
_NEXT = re.compile(r"\b(next|próximo|proximo)\s+$")
_OF_NEXT_WEEK = re.compile(r"\s+(of next week|next week|after next|de la próxima)")


def _weekday(token: Token, around: Around) -> date | None:
    today, target = around.written.date(), token.numbers[0]
    repeats = _REPEATS.match(token.follow) and not _AHEAD.search(token.lead)
    if _NOT_AHEAD.search(token.lead) or repeats or re.match(r",? (the )?week of", token.follow):
        return None
    if _NEXT.search(token.lead) or _OF_NEXT_WEEK.match(token.follow):
        return _monday_after(today) + timedelta(days=target)
    if around.earlier is not None and around.earlier > today:
        return around.earlier + timedelta(days=(target - around.earlier.weekday()) % 7)
    if around.next_week and not re.search(r"\b(this|este)\s+$", token.lead):
        return _monday_after(today) + timedelta(days=target)
    return _coming(target, today)


def _weekday_day(weekday: int, day: int, today: date) -> date:
    """The next such day of a month that falls on the weekday before it, else the weekday alone."""
    return _falling_on(weekday, day, today) or _coming(weekday, today)


def _falling_on(weekday: int, day: int, today: date) -> date | None:
    found = [_ordinal(day, today + timedelta(days=30 * months)) for months in range(2)]
    return next((at for at in found if at is not None and at.weekday() == weekday), None)


def _month_day(numbers: Sequence[int], today: date) -> date | None:
    month, day, year = numbers
    if not day:
        first = _in_school_year(today, month, 28)
        return first and (first + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return _date(year, month, day) if year else _in_school_year(today, month, day)


def _in_school_year(today: date, month: int, day: int) -> date | None:
    """A January named in autumn is next year's."""
    this_year = _date(today.year, month, day)
    if this_year is not None and (today - this_year).days > 120:
        return _date(today.year + 1, month, day)
    return this_year


_NO_DATE = re.compile(r"\s*(cups?\b|of the|points?\b|correct\b|marks?\b|inch|on (the|this|his|her)|\(\d+ ?%)")


def _numeric(token: Token, around: Around, weekday: int | None) -> date | None:
    """9/12: by the sender's country, by the weekday beside it, or by what is possible."""
    if _NO_DATE.match(token.follow):
        return None
    one, two, year = token.numbers
    orders = [(two, one), (one, two)] if around.day_first else [(one, two), (two, one)]
    readings = [_month_day((month, day, year), around.written.date()) for month, day in orders]
    matching = [day for day in readings if day and weekday is not None and day.weekday() == weekday]
    return next(iter(matching), None) or next((day for day in readings if day), None)


def _ordinal(day: int, today: date) -> date | None:
    for months in range(3):
        month = today.month + months
        found = _date(today.year + (month - 1) // 12, (month - 1) % 12 + 1, day)
        if found and found >= today:
            return found
    return None


def _distance(days: int, today: date, *, at_school: bool) -> date:
    found = today
    for _ in range(min(days, _HORIZON.days)):
        found += timedelta(days=1)
        while at_school and found.weekday() > 4:
            found += timedelta(days=1)
    return found


def _period(name: str, today: date) -> date | None:
    """The day that a stretch of time ends with, of a coming week the one that it begins with."""
    if name in ("halloween", "valentine"):
        return _in_school_year(today, *((10, 31) if name == "halloween" else (2, 14)))
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    return {
        "this week": friday,
        "end of week": friday,
        "next week": _monday_after(today),
        "week after next": _monday_after(today) + timedelta(weeks=1),
        "end of next week": _monday_after(today) + timedelta(days=4),
        "weekend": today + timedelta(days=6 - today.weekday()),
        "end of month": (today.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1),
        "end of day": today,
        "right away": today,
    }[name]


# --- Hours -----------------------------------------------------------------------------------------------

_MOVED = re.compile(
    r"\b(?:mov(?:e|ed|ing)|push(?:ed)?|slide|switch(?:ed)?|chang(?:e|ed|ing)|shift(?:ed)?|"
    r"swap(?:ping|ped)?\s+(?:it|this|that|you|us|my|our|your|the|to)|pasar|mover|cambi\w+|traslad\w+(?=\s+de\b))\b",
    re.IGNORECASE,
)
_IN_THE_MORNING = re.compile(
    r"\bmorning\b|de la mañana|\bbefore (?:school|the bell|mass)\b|\bbreakfast\b|\btomorrow am\b", re.IGNORECASE
)
_EARLY = re.compile(
    r"\bbus\b|\bbefore school\b|\bsalimos\b"
    r"|\b(?:buses|coach|van|train|camión|autob[uú]s|autocar)\s+(?:\w+\s+)?(?:leaves?|departs?|rolls?|sale|arranca)\b",
    re.IGNORECASE,
)
_IN_THE_EVENING = re.compile(r"\bevening|\btonight|\btonite|\bnight\b|\bnoche\b|\bafternoon|\btarde\b", re.IGNORECASE)
_TONIGHT = re.compile(r"\btonight|\btonite|\bnoche\b", re.IGNORECASE)
_AT_NIGHT = re.compile(r"\bconcert|\brecital|\bshow\b|\bcurtain|\bperformance|\bplay\b", re.IGNORECASE)


def hour_of(group: Sequence[Token], around: Around, day: date) -> time | None:
    """The hour of the first clock among the tokens; of an hour that was moved, the new one."""
    clock = next((token for token in group if token.kind == "clock"), None)
    if clock is None:
        return around.same_hour if any(token.kind == "same_time" for token in group) else None
    hour, minute, last_hour, last_minute, half = clock.numbers
    if last_hour >= 0 and _MOVED.search(around.sentence) and re.search(r"\b(?:from|de|las)\s+$", clock.lead):
        hour, minute = last_hour, last_minute
    if hour > 23 or minute > 59:
        return None
    if half:
        return time(hour % 12 + (12 if half == 2 else 0) if hour <= 12 else hour, minute)
    near = around.sentence[max(0, min(token.start for token in group) - 12) : max(token.end for token in group) + 20]
    return time(_usual(time(hour, minute), near, around, day), minute)


# Beside a Spanish day, or where the day comes before the month, a number is the day of the month, rightly or not.
_BESIDE_A_DAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.? \d\d?")


def _hour_beside(days: Sequence[Token], around: Around, day: date) -> time | None:
    """The hour of "thurs 7", where no Thursday is a 7th."""
    for token in () if around.day_first else days:
        if token.kind == "weekday_day" and token.numbers[1] <= 12 and _BESIDE_A_DAY.fullmatch(token.text):
            near = around.sentence[token.start : token.end + 20]
            weekday, number = token.numbers
            if _falling_on(weekday, number, around.written.date()) is None:
                return time(_usual(time(number), near, around, day))
    return None


def _usual(at: time, near: str, around: Around, day: date) -> int:
    """The hour of 24, where the mail does not say in which half of the day by what is usual."""
    hour, later = at.hour, at.hour + 12
    if not 1 <= hour <= 11:
        return hour
    in_the_morning = _IN_THE_MORNING.search(near) is not None
    if hour <= 6:
        # Nobody meets a teacher at three in the morning; a bus may leave at six.
        return hour if hour == 6 and (in_the_morning or _EARLY.search(around.sentence)) else later
    if in_the_morning:
        return hour
    in_the_evening = hour < 9 and (_IN_THE_EVENING.search(near) or _AT_NIGHT.search(around.sentence))
    at_the_end = (hour, at.minute) == (11, 59) or (hour >= 9 and _TONIGHT.search(near))
    passed = day == around.written.date() and hour < around.written.hour and later < 22
    return later if in_the_evening or at_the_end or passed else hour
