"""Pure: the words of a sentence that speak of a day or an hour, in English and Spanish, as tokens."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from triage.date_patterns import (
    AMOUNTS,
    HOURS,
    MINUTES,
    MINUTOS,
    MONTHS,
    NEEDS,
    ORDINALS,
    PERIODS,
    SPEAKS,
    TOKENS,
    WEEKDAY,
    WEEKDAYS,
)

Kind = Literal[
    "weekday", "weekday_day", "weekday_later", "month_day", "numeric", "ordinal", "relative", "distance", "period",
    "same_day", "clock", "same_time",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A word or two that speak of time; `numbers` are, by kind:

    weekday (0 to 6) · weekday_day (weekday, day of month) · weekday_later (weekday, weeks) ·
    month_day (month, day or 0 for its last, year or 0) · numeric (first, second, year or 0) · ordinal (day of month) · relative (days from today) · distance (days,
    1 if only school days count) · period (a number of `PERIODS`) · same_day (days after the
    one that was named, and the weekday of "the Friday before") · clock (hour, minute, then the same of the end of a
    span of hours, or -1, and its half of the day: 0 not said, 1 a.m., 2 p.m.).

    `part` is "first" or "last" at the ends of a span of days. `lead` and `follow` are what stands before and after.
    """  # noqa: E501

    kind: Kind
    text: str
    start: int
    end: int
    numbers: tuple[int, ...] = ()
    part: str = ""
    lead: str = ""
    follow: str = ""

    @property
    def is_hour(self) -> bool:
        """Whether it tells the hour and not the day."""
        return self.kind in ("clock", "same_time")


def tokens(sentence: str) -> list[Token]:
    """The tokens of a sentence in order; where two readings overlap, the earlier one of `_PATTERNS` holds."""
    if not SPEAKS.search(sentence):
        return []
    found: list[Token] = []
    taken = bytearray(len(sentence))
    without = {kind for pattern, kinds in NEEDS.items() if not pattern.search(sentence) for kind in kinds}
    for kind, pattern in TOKENS:
        if kind in without:
            continue
        for match in pattern.finditer(sentence):
            start, end = match.span()
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.extend(_read(kind, match, sentence))
    return sorted(found, key=lambda token: token.start)


def _read(kind: str, match: re.Match[str], sentence: str) -> Iterator[Token]:
    for token in _READERS[kind](kind, match):
        lead = sentence[max(0, token.start - 24) : token.start].lower()
        follow = sentence[token.end : token.end + 24].lower()
        yield replace(token, lead=lead, follow=follow)


_Reader = Callable[[str, re.Match[str]], Iterator[Token]]


def _token(kind: Kind, match: re.Match[str], *numbers: int) -> Token:
    return Token(kind, match.group().lower().rstrip("."), match.start(), match.end(), numbers)


def _all_of(words: Mapping[str, int], text: str) -> list[int]:
    return [words[word] for word in re.findall(r"[^\W\d_]+", text.lower()) if word in words]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _iso(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    year, month, day = _numbers(match.group())
    yield _token("month_day", match, month, day, year)


def _days_of_month(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    """A token for each day of a list, for the first and the last of a span."""
    text = match.group()
    month = _all_of(MONTHS, text)[0]
    year = next((number for number in _numbers(text) if number > 31), 0)
    days = [day for day in re.finditer(r"\d+(?:st|nd|rd|th|º|ro)?", text, re.IGNORECASE) if len(day.group()) <= 4]
    days = [day for day in days if int(re.findall(r"\d+", day.group())[0]) <= 31]
    for place, day in enumerate(days):
        before = text[days[place - 1].end() : day.start()] if place else ""
        after = text[day.end() : days[place + 1].start()] if place + 1 < len(days) else ""
        part = "last" if re.search(_SPAN, before) else "first" if re.search(_SPAN, after) else ""
        # The token that stands beside the month takes it along.
        start, end = day.span()
        if place == 0 and match.group()[:start].strip():
            start = 0
        if place == len(days) - 1 and text[end:].strip():
            end = len(text)
        number = int(re.findall(r"\d+", day.group())[0])
        own = text[start:end]
        yield Token(
            "month_day",
            own.lower().rstrip("."),
            match.start() + start,
            match.start() + end,
            (month, number, year),
            part,
        )


_SPAN = re.compile(r"[-–—]|\b(?:to|through|thru|until|al?)\b", re.IGNORECASE)


def _weekday(kind: str, match: re.Match[str]) -> Iterator[Token]:
    weekday = _all_of(WEEKDAYS, match.group())[0]
    if kind == "weekday_day":
        yield _token("weekday_day", match, weekday, _numbers(match.group())[0])
    elif kind == "weekday_later":
        yield _token("weekday_later", match, weekday, _weeks_later(match.group().lower()))
    else:
        yield _token("weekday", match, weekday)


def _weeks_later(text: str) -> int:
    return 3 if re.search(r"\b(?:three|3)\b", text) else 2 if re.search(r"\b(?:two|2|quince)\b", text) else 1


def _month_day(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    numbers = _numbers(match.group())
    year = next((number for number in numbers if number > 31), 0)
    yield _token("month_day", match, _all_of(MONTHS, match.group())[0], numbers[0], year)


def _weekday_of_month(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    month = _all_of(MONTHS, match.group("month"))[0]
    yield _token("month_day", match, month, _numbers(match.group())[0], 0)


def _month_end(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    yield _token("month_day", match, _all_of(MONTHS, match.group())[-1], 0, 0)


def _numeric(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    numbers = _numbers(match.group())
    year = numbers[2] + (2000 if numbers[2] < 100 else 0) if len(numbers) > 2 else 0
    if numbers[:2] != [24, 7]:
        yield _token("numeric", match, numbers[0], numbers[1], year)


def _same(kind: str, match: re.Match[str]) -> Iterator[Token]:
    if kind == "same_time":
        yield _token("same_time", match)
    else:
        text = match.group().lower()
        shift = next((days for pattern, days in _SHIFTS if re.search(pattern, text)), 0)
        yield _token("same_day", match, shift, *_all_of(WEEKDAYS, text))


# How many days lie between the day that was named and "the day before", "a week later".
_SHIFTS = (
    (r"week|semana", 7),
    (r"\bbefore$|antes|anterior|previo", -1),
    (r"\bafter\b|next|following|después|siguiente|otro", 1),
)


def _distance(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = match.group().lower()
    named = [AMOUNTS[word] for word in re.findall(r"[^\W\d_]+", text) if word in AMOUNTS]
    counts = _numbers(text) or named or [1 if text.endswith(" week") else 2]
    amount = counts[0]
    if late := re.search(r"(ocho|quince)$", text):
        # "De hoy en ocho" counts today, and so is a week.
        amount = (7 if late[1] == "ocho" else 14) + ("mañana" in text)
    unit = 14 if "fortnight" in text else 7 if re.search(r"week|semana", text) else 1
    if re.search(r"hours|horas", text):
        if amount < 24:
            return
        amount = round(amount / 24)
    at_school = re.search(r"school|working|business|hábiles|clase", text) is not None
    yield _token("distance", match, amount * unit + ("tomorrow" in text), int(at_school))


def _period(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = re.sub(r"\s+", " ", match.group().lower())
    for name, pattern in _PERIOD_WORDS:
        if re.search(pattern, text):
            yield _token("period", match, PERIODS.index(name))
            return


_PERIOD_WORDS = (
    ("end of next week", r"end of next week"),
    ("end of week", r"end of (?:the |this )?w(?:ee)?k"),
    ("end of month", r"end of .*month|mes$"),
    ("end of day", r"day$(?<!s day)"),
    ("week after next", r"after next"),
    ("weekend", r"weekend|fin de semana"),
    ("next week", r"next w|próxima|entrante|viene"),
    ("this week", r"this week|esta semana"),
    ("halloween", r"hallow"),
    ("valentine", r"valentine"),
    ("right away", r""),
)


def _relative(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = match.group().lower()
    days = 2 if text in ("day after tomorrow", "pasado mañana") else 0 if text in _TODAY else 1
    yield _token("relative", match, days)


_TODAY = {
    "today", "tonight", "tonite", "this afternoon", "this evening", "this morning", "hoy", "esta tarde", "esta noche",
    "esta misma tarde", "esta misma noche",
}  # fmt: skip


def _ordinal(kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = match.group()
    day = (_numbers(text) or _all_of(ORDINALS, text) or [0])[0]
    months = _all_of(MONTHS, text) if kind == "ordinal_month" else []
    if months:
        yield _token("month_day", match, months[0], day, 0)
    elif re.search(r"\d", text) or _NAMES_A_DAY.search(match.string[: match.start()]):
        yield _token("ordinal", match, day)


# "Friday the fourteenth", "by the sixth"; "the sixth draft" is no day.
_NAMES_A_DAY = re.compile(rf"(?:\b(?:by|before|until|till|on|is)|{WEEKDAY},?)\s+$", re.IGNORECASE)


# --- Hours -----------------------------------------------------------------------------------------------


def _clock(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    hour, minute, half = _time(match.group())
    yield _token("clock", match, hour, minute, -1, -1, half)


def _clock_span(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    (first, last), said = (_time(match.group(name)) for name in "ab"), match.group("half")
    own = re.match(rf"{re.escape(match.group('a'))}\s*([ap])\.?\s?m", match.group(), re.IGNORECASE)
    half = 0
    if own:
        half = _half(own.group(1))
    elif said:
        # "11 to 1 pm" begins in the morning.
        half = _half(said) if first[0] % 12 <= last[0] % 12 else 3 - _half(said)
    token = _token("clock", match, first[0], first[1], last[0], last[1], half)
    plain = not re.search(r"[:.h]|noon|[ap]\.?\s?m\b", match.group(), re.IGNORECASE)
    led = _LED.search(match.string[: match.start()])
    # "1-4" is a span of hours only beside a day.
    yield replace(token, part="weak" if plain and not led else "")


_LED = re.compile(r"\b(?:from|between|entre|de|las)\s+$", re.IGNORECASE)


def _time(text: str) -> tuple[int, int, int]:
    """Hour, minute and half of the day of one hour's words."""
    text = re.sub(r"\s+", " ", re.sub(r"[ -]?ish\b", "", text.lower()))
    for words, (hour, minute) in _NAMED.items():
        if words in text:
            return hour, minute, 0
    numbers, named = _numbers(text), _all_of(HOURS, text)
    shift = next((minutes for words, minutes in {**MINUTES, **MINUTOS}.items() if words in text), 0)
    if numbers and (numbers[0] >= 100 or re.match(r"0\d\d\d", text)):
        numbers = list(divmod(numbers[0], 100))
        if text.startswith("0"):
            return numbers[0], numbers[1], 1
    # "ten past four", but "nueve menos diez".
    hour = numbers[0] if numbers else named[-1 if re.search("past|to|till|after", text) else 0]
    minute = numbers[1] if len(numbers) > 1 else shift
    if minute < 0:
        hour, minute = hour - 1 or 12, 60 + minute
    half = re.search(r"\d\s*([ap])(?:\.?\s?m)?\b", text)
    return hour, minute, _half(half.group(1)) if half else 0


def _half(letter: str) -> int:
    return 1 if letter.lower() == "a" else 2


_NAMED = {"noon": (12, 0), "midday": (12, 0), "mediodía": (12, 0)}

_READERS: dict[str, _Reader] = {
    "iso": _iso,
    "month_days": _days_of_month,
    "days_month": _days_of_month,
    "weekday_day": _weekday,
    "weekday_later": _weekday,
    "weekday": _weekday,
    "weekday_of_month": _weekday_of_month,
    "month_end": _month_end,
    "month_day": _month_day,
    "numeric": _numeric,
    "same_time": _same,
    "same_day": _same,
    "distance": _distance,
    "period": _period,
    "relative": _relative,
    "clock_span": _clock_span,
    "clock": _clock,
    "ordinal": _ordinal,
    "ordinal_month": _ordinal,
}
