"""Pure: dates that a mail states, resolved against the day it was written.

Which of them ask for something (work that is due, a test, a form, a talk, an event to attend) and which only tell
("on Monday he will have music") the model judges; what it learns from stands in `Due.clues`.

A date is read from small tokens (a weekday, "January 9", "9/12", "tomorrow", "the 9th", "3:15 pm") that stand
next to each other; where they disagree the more exact one wins.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal

from triage.lexicon import pattern, table
from triage.text import sentences

What = Literal["meeting", "assignment", "test", "form", "reply", "event"]

_HORIZON = timedelta(days=400)
# A year's calendar pasted into a mail has fewer; each is weighed against all others.
MOST_DATES = 200


@dataclass(frozen=True, slots=True)
class Due:
    """A date in a mail: `at` is a date, or an aware date-time where the mail gives an hour.

    `what` is a first guess by the words of its sentence; `clues` are what the model learns from (words before and
    after it, its form, how far ahead it lies).
    """

    at: date | datetime
    what: What
    text: str
    clues: tuple[str, ...] = ()

    @property
    def day(self) -> date:
        """The calendar day."""
        return self.at.date() if isinstance(self.at, datetime) else self.at


def find_dates(text: str, written: datetime, *, day_first: bool) -> tuple[Due, ...]:
    """Dates in `text` that lie ahead of the day it was written, in order; whether each is one to keep is judged later.

    `written` (aware) is the mail's own Date; `day_first` reads 9/12 as the 9th of December.
    """
    found: list[Due] = []
    all_sentences = sentences(text)
    for index, sentence in enumerate(all_sentences):
        before = all_sentences[index - 1] if index else ""
        for group in [choice for tokens in _groups(sentence) for choice in _choices(tokens, sentence)]:
            at = _resolve(group, sentence, written, day_first=day_first)
            if at is not None:
                what, spoken = _what(sentence, before), _words(sentence, group)
                clues = (*_form(group, at, written), f"guess:{what}", *_context(sentence, before, group))
                found.append(Due(at, what, spoken, clues))
        if len(found) >= MOST_DATES:
            break
    return tuple(found)


def _form(group: Sequence["_Token"], at: date | datetime, written: datetime) -> Iterator[str]:
    day = at.date() if isinstance(at, datetime) else at
    ahead = (day - written.date()).days
    yield "form:" + "+".join(sorted({token.kind for token in group}))
    yield f"ahead:{ahead if ahead <= 7 else 14 if ahead <= 14 else 99}"
    for token in group:
        if token.kind in ("relative", "weekday"):
            yield f"token:{token.text}"


def _context(sentence: str, before: str, group: Sequence["_Token"]) -> Iterator[str]:
    if _is_past(sentence, group):
        yield "looks back"
    start, end = min(token.start for token in group), max(token.end for token in group)
    left = re.findall(r"\w+|[?!:]", sentence[:start].lower())
    right = re.findall(r"\w+|[?!:]", sentence[end:].lower())
    for place, word in enumerate(reversed(left[-3:])):
        yield f"left {place}:{word}"
    for place, word in enumerate(right[:3]):
        yield f"right {place}:{word}"
    for word in {*left[-8:], *right[:8]}:
        yield f"near:{word}"
    for word in {*left, *right}:
        yield f"in:{word}"
    for word in set(re.findall(r"\w+", before.lower())):
        yield f"before:{word}"
    if "?" in right:
        yield "asked"


def chosen(kept: Sequence[Due]) -> tuple[Due, ...]:
    """Each day and hour once, in order; a day that another of these gives with its hour is left out."""
    first: dict[date | datetime, Due] = {}
    for due in kept:
        first.setdefault(due.at, due)
    return _without_coarser(list(first.values()))


def _without_coarser(dues: list[Due]) -> tuple[Due, ...]:
    # "Friday" beside "Friday at 3:15" says the same with less.
    exact = {due.day for due in dues if isinstance(due.at, datetime)}
    return tuple(due for due in dues if isinstance(due.at, datetime) or due.at not in exact)


# --- Tokens ----------------------------------------------------------------------------------------------


def _numbered(first: int, *names: str) -> dict[str, int]:
    return {word: number for number, words in enumerate(names, first) for word in words.split()}


_WEEKDAYS = _numbered(
    0,
    "monday mon lunes",
    "tuesday tues tue martes",
    "wednesday weds wed miércoles miercoles",
    "thursday thurs thur thu jueves",
    "friday fri viernes",
    "saturday sat sábado sabado",
    "sunday sun domingo",
)
_MONTHS = _numbered(
    1,
    "january jan enero",
    "february feb febrero",
    "march mar marzo",
    "april apr abril",
    "may mayo",
    "june jun junio",
    "july jul julio",
    "august aug agosto",
    "september sept sep septiembre setiembre",
    "october oct octubre",
    "november nov noviembre",
    "december dec diciembre",
)
_HOURS = _numbered(
    1,
    "one una",
    "two dos",
    "three tres",
    "four cuatro",
    "five cinco",
    "six seis",
    "seven siete",
    "eight ocho",
    "nine nueve",
    "ten diez",
    "eleven once",
    "twelve doce",
)
_TODAY = {"today", "tonight", "this afternoon", "this evening", "hoy", "esta tarde", "esta noche"}
_TOMORROW = {"tomorrow", "tomorow", "tommorow", "tommorrow", "tmrw", "tmw", "tmrow", "mañana"}


def _alternatives(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_NUMBER = r"(?:3[01]|[12]\d|0?[1-9])"
_MONTH = rf"(?:{_alternatives(_MONTHS)})\b\.?"
_TOKENS = re.compile(
    "|".join(
        (
            # "viernes 5", "Thursday 24th": the number belongs to the day, unless a month, an hour or a count follows.
            rf"(?P<weekday_day>\b(?:{_alternatives(_WEEKDAYS)})\b\.?,?\s+(?:the\s+|el\s+)?{_NUMBER}(?:st|nd|rd|th|º)?\b"
            rf"(?!\s*(?:of\s+|de\s+)?{_MONTH})"
            r"(?!\s*(?:[:.h/%-]\s?\d|[ap]\.?m\b|de la (?:tarde|mañana|noche)|a\.m|p\.m)))",
            rf"(?P<weekday>\b(?:{_alternatives(_WEEKDAYS)})\b\.?)",
            rf"(?P<month_day>\b{_MONTH}\s+{_NUMBER}(?:st|nd|rd|th)?\b(?!:\d)(?:,?\s+(?:del?\s+)?20\d\d\b)?"
            rf"|\b{_NUMBER}(?:st|nd|rd|th|º|ro)?\s+(?:of\s+|de\s+)?{_MONTH}(?:,?\s+(?:del?\s+)?20\d\d\b)?)",
            r"(?P<iso>\b20\d\d-\d\d-\d\d\b)",
            # Not 24/7, 3/4 cup, 18/20 on a test: what follows and precedes is looked at in `_numeric`.
            r"(?P<numeric>(?<![\d/$£€.#-])\d{1,2}/\d{1,2}(?:/(?:20)?\d\d)?(?![\d/%])"
            r"|(?<![\d.$£€])\d{1,2}\.\d{1,2}\.(?:20)?\d\d(?!\d))",
            r"(?P<relative>\b(?:day after tomorrow|pasado mañana|tom+or+ow|tmro?w|tmw|tonight|today"
            r"|this afternoon|this evening|hoy|esta tarde|esta noche|(?<!la )(?<!esta )mañana)\b)",
            r"(?P<clock>\b(?:[01]?\d|2[0-3])[:.][0-5]\d(?:\s*(?:a\.?m\b\.?|p\.?m\b\.?))?"
            r"|\b(?:1[0-2]|[1-9])\s*(?:a\.?m\b\.?|p\.?m\b\.?)|\b(?:noon|midday|mediodía)\b"
            r"|\b(?:[01]\d|2[0-3])[0-5]\d(?=\s?(?:hrs|hours)\b)"
            r"|\b(?:1[0-2]|[1-9]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) o['’]?clock\b"
            r"|(?:(?<=\bat )|(?<=\bafter )|(?<=\baround )|(?<=\babout ))(?:1[0-2]|[1-9])\b"
            r"(?! ?(?:%|[/:.-]\d|(?:or|to) \d|(?:more |other |full |whole |school |of |times?\b|[a-z]{2,}s\b))|[.,]\d)"
            r"|(?:(?<=a las )|(?<=de las ))(?:1[0-2]|[1-9]|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once"
            r"|doce)\b"
            r"|(?<=a la )(?:1|una)\b)",
            rf"(?P<ordinal>\b(?:the|el(?: día)?|on)\s+{_NUMBER}(?:st|nd|rd|th)\b(?!\s+(?:grade|graders?|period|hour|"
            rf"time|place|century|floor|birthday|amendment|chapter|percentile|day|week|form|year|of\b|and\s+\d+\w+\s+(?:grade|year)))"
            rf"|\bel(?: día)?\s+{_NUMBER}\b(?!\s*(?:de\s+(?!este)|por|%|°|º|a[nñ]os|[:.]\d)))",
        )
    ),
    re.IGNORECASE,
)
# What may stand between two tokens of one date.
_GLUE = re.compile(
    r"[\s,.()@–—-]*(?:\b(?:the|el|la|on|at|by|from|around|about|before|after|and|to|until|starting|promptly|sharp|or|o|"
    r"between|a|las|de|del|día|este|desde|entre|as|in|morning|afternoon|evening|por|tarde|mañana|either|any\s?time)\b[\s,.()@–—-]*)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    lead: str
    follow: str


def _tokens(sentence: str) -> Iterator[_Token]:
    for match in _TOKENS.finditer(sentence):
        yield _Token(
            kind=match.lastgroup or "",
            text=match.group().lower().rstrip("."),
            start=match.start(),
            end=match.end(),
            lead=sentence[max(0, match.start() - 24) : match.start()].lower(),
            follow=sentence[match.end() : match.end() + 24].lower(),
        )


def _groups(sentence: str) -> list[list[_Token]]:
    """Tokens that stand next to each other and so speak of one date."""
    groups: list[list[_Token]] = []
    for token in _tokens(sentence):
        previous = groups[-1] if groups else None
        gap = sentence[previous[-1].end : token.start] if previous else ""
        if previous and len(gap) <= 24 and _GLUE.fullmatch(gap) and _adds(previous, token, gap):
            previous.append(token)
        else:
            groups.append([token])
    dated = [group for group in groups if any(token.kind != "clock" for token in group)]
    hours = [group for group in groups if all(token.kind == "clock" for token in group)]
    if len(dated) == len(hours) == 1 and all(token.kind != "clock" for token in dated[0]):
        # One day and one hour in a sentence belong together, whatever stands between them.
        return [[*dated[0], *hours[0]]]
    for group, following in pairwise(dated):
        group.extend(_borrowed(group, following, sentence))
    return dated


def _borrowed(group: Sequence[_Token], following: Sequence[_Token], sentence: str) -> list[_Token]:
    """The hour of "Thursday or Friday at 3:10" is Thursday's too."""
    if any(token.kind == "clock" for token in group) or following[0].kind == "clock":
        return []
    gap = sentence[group[-1].end : following[0].start]
    return (
        [t for t in following if t.kind == "clock"] if re.fullmatch(r",?\s*(?:or|o|u)\s+(?:the\s+|el\s+)?", gap) else []
    )


def _choices(group: list[_Token], sentence: str) -> Iterator[list[_Token]]:
    """Each hour of "Monday at 7:30 or 3:20" is a date by itself; "3:00 to 3:20" is one."""
    clocks = [token for token in group if token.kind == "clock"]
    day = [token for token in group if token.kind != "clock"]
    gaps = [sentence[one.end : other.start] for one, other in pairwise(clocks)]
    if (
        day
        and gaps
        and all(re.search(r"\bor\b|\bo\b|\band\b|\by\b|[,/]", gap) for gap in gaps)
        and not re.search(r"\b(?:between|from|de|entre)\s*$", clocks[0].lead)
    ):
        yield from ([*day, clock] for clock in clocks)
    else:
        yield group


def _adds(group: Sequence[_Token], token: _Token, gap: str) -> bool:
    kinds = {member.kind for member in group}
    if token.kind in kinds:
        # "3:00 to 3:20" is one date, "Monday and Tuesday" are two.
        return token.kind == "clock"
    if token.kind == "clock":
        return True
    if kinds == {"clock"}:
        # "2:40 or 3:20 and Thursday at 8:00": that hour belongs to the day before it.
        return re.search(r"\b(and|or|y|o)\b", gap) is None
    exact = {"month_day", "iso", "numeric", "ordinal", "weekday_day"}
    alternatives = re.search(r"\b(and|or|to|until|y|o)\b", gap) is not None
    return ("weekday" in kinds or "relative" in kinds or token.kind == "weekday") and not (
        alternatives or (token.kind in exact and kinds & exact)
    )


def _words(sentence: str, group: Sequence[_Token]) -> str:
    lead = re.search(r"\b(this coming|this|next|coming|este|esta|próximo|próxima)\s+$", group[0].lead)
    start, end = min(token.start for token in group), max(token.end for token in group)
    if end - start > 60 or re.search(r"\bor\b|\bo\b", sentence[group[0].end : end]):
        # Day and hour stand far apart: the day's own words are enough.
        start, end = group[0].start, group[0].end
    words = sentence[start - (len(lead.group()) if lead and start == group[0].start else 0) : end]
    # The stop that ends the sentence is none of an abbreviation's.
    return words if words.lower().endswith("m.") else words.rstrip(".")


# --- From tokens to a day and an hour --------------------------------------------------------------------


def _resolve(group: Sequence[_Token], sentence: str, written: datetime, *, day_first: bool) -> date | datetime | None:
    weekday = next((_WEEKDAYS[token.text] for token in group if token.kind == "weekday"), None)
    days = [_day(token, written.date(), weekday, day_first=day_first) for token in group if token.kind != "clock"]
    exact = [
        day
        for day, token in zip(days, (t for t in group if t.kind != "clock"), strict=True)
        if day and token.kind != "weekday"
    ]
    day = exact[0] if exact else next((day for day in days if day), None)
    if day is None or not written.date() <= day <= written.date() + _HORIZON:
        return None
    clocks = [token for token in group if token.kind == "clock"]
    around = sentence[group[0].start : group[-1].end + 12].lower()
    hour = _clock(clocks[0], clocks[-1], around) if clocks else None
    return datetime.combine(day, hour, tzinfo=written.tzinfo) if hour else day


def _day(token: _Token, today: date, weekday: int | None, *, day_first: bool) -> date | None:
    read: dict[str, Callable[[], date | None]] = {
        "weekday": lambda: _next_weekday(token, today),
        "weekday_day": lambda: _weekday_day(token.text, today),
        "relative": lambda: _relative(token.text, today),
        "iso": lambda: _date(*map(int, token.text.split("-"))),
        "month_day": lambda: _month_day(token.text, today),
        "numeric": lambda: _numeric(token, today, weekday, day_first=day_first),
        "ordinal": lambda: _ordinal(int(re.findall(r"\d+", token.text)[0]), today),
    }
    return read[token.kind]()


def _relative(text: str, today: date) -> date:
    return today + timedelta(days=0 if text in _TODAY else 1 if text in _TOMORROW else 2)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _next_weekday(token: _Token, today: date) -> date | None:
    if re.search(r"\b(last|past|every|each|todos los|cada|previous|since|desde el|pasado)\s+$", token.lead) or re.match(
        r"s\b|\s+pasado\b|'s (class|incident|lesson|mail|email|note)", token.follow
    ):
        return None
    target = _WEEKDAYS[token.text]
    ahead = (target - today.weekday()) % 7 or 7
    if re.search(r"\b(next|próximo|proximo)\s+$", token.lead) or re.match(
        r"\s+(of next week|next week|after next|de la próxima)", token.follow
    ):
        monday = today - timedelta(days=today.weekday()) + timedelta(days=7)
        return monday + timedelta(days=target)
    if re.match(r",? (the )?week of", token.follow):
        return None
    return today + timedelta(days=ahead)


def _month_day(text: str, today: date) -> date | None:
    month = next(_MONTHS[word] for word in re.findall(r"[^\W\d_]+", text) if word in _MONTHS)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    years = [number for number in numbers if number > 31]
    if years:
        return _date(years[0], month, numbers[0])
    return _coming(today, month, numbers[0])


def _coming(today: date, month: int, day: int) -> date | None:
    """The month and day in this school year: a January named in autumn is next year's."""
    this_year = _date(today.year, month, day)
    if this_year is not None and (today - this_year).days > 120:
        return _date(today.year + 1, month, day)
    return this_year


def _numeric(token: _Token, today: date, weekday: int | None, *, day_first: bool) -> date | None:
    if re.match(r"\s*(cups?|of the|points?|correct|marks?|inch|on (the|this|his|her)|\(\d+ ?%)", token.follow):
        return None
    numbers = [int(number) for number in re.split(r"[/.]", token.text)]
    if numbers[0] == 24 and numbers[1] == 7:
        return None
    orders = [(numbers[1], numbers[0]), (numbers[0], numbers[1])]  # (month, day)
    if not day_first:
        orders.reverse()
    readings = []
    for month, day in orders:
        year = numbers[2] + (2000 if numbers[2] < 100 else 0) if len(numbers) > 2 else None
        readings.append(_date(year, month, day) if year else _coming(today, month, day))
    matching = [day for day in readings if day and weekday is not None and day.weekday() == weekday]
    return next(iter(matching), None) or next((day for day in readings if day), None)


def _weekday_day(text: str, today: date) -> date | None:
    """The next such day of a month if it falls on the weekday before it, else the weekday alone."""
    weekday = next(_WEEKDAYS[word] for word in re.findall(r"[^\W\d_]+", text) if word in _WEEKDAYS)
    found = _ordinal(int(re.findall(r"\d+", text)[0]), today)
    if found is not None and found.weekday() == weekday:
        return found
    return today + timedelta(days=(weekday - today.weekday()) % 7 or 7)


def _ordinal(day: int, today: date) -> date | None:
    for months in range(3):
        month = today.month + months
        found = _date(today.year + (month - 1) // 12, (month - 1) % 12 + 1, day)
        if found and found >= today:
            return found
    return None


def _clock(first: _Token, last: _Token, around: str) -> time | None:
    if first.text in ("noon", "midday", "mediodía"):
        return time(12, 0)
    numbers = [int(number) for number in re.findall(r"\d+", first.text)] or [_HOURS[first.text.split()[0]]]
    if numbers[0] >= 100:
        numbers = list(divmod(numbers[0], 100))
    hour, minute = numbers[0], numbers[1] if len(numbers) > 1 else 0
    half = _half(first) or (_half(last) if last is not first else "")
    if not half and re.search(r"\bmorning\b|de la mañana", around):
        half = "a"
    if not half and hour < 8 and re.search(r"evening|tonight|noche|afternoon|tarde", around):
        half = "p"
    if half == "p" and hour < 12:
        hour += 12
    elif half == "a" and hour == 12:
        hour = 0
    elif not half and 1 <= hour <= 6:
        # Nobody meets a teacher at three in the morning.
        hour += 12
    return time(hour, minute) if hour < 24 else None


def _half(token: _Token) -> str:
    match = re.search(r"([ap])\.?m", token.text)
    return match.group(1) if match else ""


# --- What the date is for --------------------------------------------------------------------------------

_CUES: dict[What, re.Pattern[str]] = {
    what: re.compile(rf"(?<!\w)(?:{'|'.join(table('due')[what])})(?!\w)", re.IGNORECASE)
    for what in ("reply", "meeting", "test", "form", "assignment")
}


def _what(sentence: str, before: str) -> What:
    for text in (sentence, before):
        for what, cue in _CUES.items():
            if cue.search(text):
                return what
    return "event"


def _is_past(sentence: str, group: Sequence[_Token]) -> bool:
    if any(token.kind in ("iso", "numeric", "month_day", "weekday_day") for token in group):
        # A full date was compared with the mail's own day already.
        return False
    if group[0].text in _TODAY and not any(token.kind == "clock" for token in group):
        return not re.search(r"\b(due|by|pick|please|call|need|bring|until|antes|recog)\b", sentence, re.IGNORECASE)
    return bool(pattern("past").search(sentence)) and not pattern("future").search(sentence)
