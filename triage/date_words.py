"""Pure: the words of a sentence that speak of a day or an hour, in English and Spanish, as tokens with their numbers."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "weekday", "weekday_day", "weekday_later", "month_day", "numeric", "ordinal", "relative", "distance", "period",
    "same_day", "clock", "same_time",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A word or two that speak of time; `numbers` are, by kind:

    weekday (0 to 6) · weekday_day (weekday, day of month) · weekday_later (weekday, weeks) · month_day (month, day, year
    or 0) · numeric (first, second, year or 0) · ordinal (day of month) · relative (days from today) · distance (days,
    1 if only school days count) · period (a number of `PERIODS`) · clock (hour, minute, then the same of the end of a
    span of hours, or -1, and its half of the day: 0 not said, 1 a.m., 2 p.m.).

    `part` is "first" or "last" at the ends of a span of days. `lead` and `follow` are what stands before and after.
    """

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


def _numbered(first: int, *names: str) -> dict[str, int]:
    return {word: number for number, words in enumerate(names, first) for word in words.split()}


WEEKDAYS = _numbered(
    0,
    "monday mon lunes lun lundi",
    "tuesday tues tue martes mardi",
    "wednesday weds wed miércoles miercoles mié mie mercredi",
    "thursday thurs thur thu jueves jue jeudi",
    "friday fri viernes vie vendredi",
    "saturday sat sábado sabado sáb samedi",
    "sunday sun domingo dom dimanche",
)
_MONTHS = _numbered(
    1,
    "january jan enero ene",
    "february feb febrero",
    "march mar marzo",
    "april apr abril abr",
    "may mayo",
    "june jun junio",
    "july jul julio",
    "august aug agosto ago",
    "september sept sep septiembre setiembre",
    "october oct octubre",
    "november nov noviembre",
    "december dec diciembre dic",
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
_AMOUNTS = {"a": 1, "un": 1, "uno": 1, "couple of": 2, **_HOURS}
_ORDINALS = _numbered(
    1,
    "first primero",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
)
# How many minutes after the hour.
_MINUTES = {
    "half past": 30,
    "half": 30,
    "quarter past": 15,
    "quarter after": 15,
    "quarter to": -15,
    "quarter till": -15,
    "five past": 5,
    "ten past": 10,
    "twenty past": 20,
    "five to": -5,
    "ten to": -10,
    "twenty to": -20,
}
_MINUTOS = {
    "y media": 30,
    "y cuarto": 15,
    "menos cuarto": -15,
    "y cinco": 5,
    "y diez": 10,
    "y veinte": 20,
    "menos cinco": -5,
    "menos diez": -10,
    "menos veinte": -20,
}
PERIODS = (
    "this week", "end of week", "next week", "end of next week", "weekend", "end of month", "end of day",
    "right away", "halloween", "valentine",
)  # fmt: skip


def _either(words: Mapping[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True)).replace(" ", r"\s+")


_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_NTH = rf"{_DAY}(?:st|nd|rd|th|º|ro)?"
_WEEKDAY = rf"\b(?:{_either(WEEKDAYS)})\b"
_MONTH = rf"\b(?:{_either(_MONTHS)})\b\.?"
_YEAR = r"(?:,?\s+(?:del?\s+)?20\d\d\b)?"
_AND = r"(?:\s*(?:,|&|/|\b(?:and|or|y|o|u)\b))+\s*(?:the\s+|el\s+)?"
_TO = r"\s*(?:-|–|—|\b(?:to|through|thru|until|al?)\b)\s*(?:the\s+|el\s+)?"
_NO_COUNT = r"(?!\s*(?:[:.h/%]\d|h\s\d|[-–]\d|[ap]\.?\s?m\b|de la (?:tarde|mañana|noche)|(?:min|hs|hrs|hours|horas)\b))"
_HOUR = r"(?:1[0-2]|0?[1-9])"
# 24 hours only with minutes, with "hs", or in Spanish after "a las".
_TIME = r"(?:(?:2[0-3]|1\d|0?\d)[:.][0-5]\d|(?:2[0-3]|1\d|0?\d)\s?h\s?[0-5]\d)"
_WORD = rf"(?:{_either(_HOURS)})"
_AM_PM = r"(?:\s*[ap]\.?\s?m\b\.?)?"
_SAID = r"(?:\s*(?P<half>[ap])\.?\s?m\b\.?|(?!\w))"
_UP_TO = r"\s*(?:-|–|—|\b(?:to|until|till|a|hasta)\b)\s*(?:las\s+)?"
_TO_HOUR = r"\s*(?:-|–|—|\b(?:to|and|until|till|y|a|hasta)\b)\s*(?:las\s+)?"
_BETWEEN = r"(?<=\bbetween )|(?<=\bfrom )|(?<=\bentre )|(?<=\bentre las )|(?<=\bde )|(?<=\bde las )"
# What may follow a bare number that is an hour: "after 3 suits me", but not "after 3 attempts".
_STANDS = (
    r"(?=\s*$|\s*[.,;:?!)\]–—/]|\s+(?:today|tomorrow|tonight|this|that|on|in|or|and|if|when|for|please|so|with|because|"
    r"as|until|till|to|at|but|works?|suits?|is|it|would|will|the|before|after|every|any|each|by|both|either|either|"
    r"next|sharp|unless|then|than|rather|instead|his|her|their|my|our|we|you|i|she|he|they|los|hoy|mañana|"
    rf"el|la|o|u|y|de|en|para|por|si|del|que|tmrw|tomorow)\b|\s+{_WEEKDAY}|ish\b)(?![.,]\d)"
)
# "at 3 schools", "about 10 minutes" are no hours.
_COUNTS = (
    r"(?! ?(?:%|[/:-]\d|(?:more|other|full|whole|school|of|times?|years?|different|new|extra|points?|minutes?|mins?|hours?|days?|weeks?|"
    r"pages?|percent|pounds?|dollars?|kids|of)\b|(?!suits|works|unless|plus|is|was|this|does|mass|class|always)[a-z]{2,}s\b)|[.,]\d)"
)
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("iso", r"\b20\d\d-\d\d-\d\d\b"),
    # "April 8, 9 or 10", "October 20-24": one month for several days.
    ("month_days", rf"{_MONTH}\s+{_NTH}\b(?!:\d)(?:(?:{_AND}|{_TO}){_NTH}\b{_NO_COUNT}(?!\s+{_MONTH}))+{_YEAR}"),
    ("days_month", rf"(?<![\d.:/])\b{_NTH}(?:(?:{_AND}|{_TO}){_NTH}\b)+\s+(?:of\s+|de\s+)?{_MONTH}{_YEAR}"),
    # "viernes 5", "Thursday 24th": the number belongs to the day, unless a month, an hour or a count follows.
    (
        "weekday_day",
        rf"{_WEEKDAY}\.?(?:\s+|,\s+(?=the\s|el\s|{_DAY}(?:st|nd|rd|th))|\s*\()(?:the\s+|el\s+|día\s+)?{_NTH}\b"
        rf"(?!\s*(?:of\s+|de\s+)?{_MONTH}){_NO_COUNT}(?!\s+(?:and|or|to)\s+\d+\b(?!th|st|nd|rd))",
    ),
    ("weekday_later", rf"{_WEEKDAY}\s+week\b|\b(?:a\s+week|una?\s+semana)\s+(?:(?:from|on)\s+)?{_WEEKDAY}"),
    ("weekday", rf"{_WEEKDAY}\.?|\b(?:{_either(WEEKDAYS)})(?=['’]?s\s+(?:quiz|test|lesson|class|period)\b)"),
    ("month_day", rf"{_MONTH}\s+{_NTH}\b(?!:\d){_YEAR}|\b{_NTH}\s+(?:of\s+|de\s+)?{_MONTH}{_YEAR}"),
    # Not 24/7, 3/4 cup, 18/20 on a test: what follows and precedes is looked at when it is read.
    (
        "numeric",
        r"(?<![\d/$£€.#-])\d{1,2}/\d{1,2}(?:/(?:20)?\d\d)?(?![\d/%])|(?<![\d.$£€])\d{1,2}[.-]\d{1,2}[.-](?:20)?\d\d(?!\d)",
    ),
    ("same_time", r"\b(?:at\s+)?(?:the\s+)?same\s+(?:time|hour)\b|\b(?:a\s+)?(?:la\s+misma|esa)\s+hora\b|\bmisma\s+hora\b"),
    (
        "same_day",
        r"\b(?:that|the\s+same)\s+(?:same\s+)?(?:day|evening|afternoon|morning|night)\b"
        r"|\b(?:ese|el)\s+mismo\s+día\b|\besa\s+(?:misma\s+)?(?:tarde|noche|mañana)\b",
    ),
    (
        "distance",
        rf"\b(?:in|within|dentro de|en)\s+(?:the\s+next\s+)?(?:a|un|una|\d{{1,2}}|{_WORD}|a couple of)\s+"
        r"(?:school\s+|working\s+|business\s+)?(?:days?|weeks?|hours|días?|semanas?|horas)\b(?:\s+(?:hábiles|de clases?))?"
        rf"|\b(?:a|one|two|three|\d{{1,2}})\s+(?:days?|weeks?)\s+from\s+(?:today|now|tomorrow)\b",
    ),
    (
        "period",
        r"\bend\s+of\s+next\s+week\b|\b(?:the\s+)?end\s+of\s+(?:the\s+|this\s+)?(?:week|month)\b|\bthis\s+week\b(?!end)"
        r"|\bnext\s+w(?:ee)?k\b|\b(?:this|the)\s+weekend\b|\b(?:esta\s+semana|este\s+fin\s+de\s+semana|el\s+fin\s+de\s+semana)\b"
        r"|\bla\s+(?:próxima\s+semana|semana\s+(?:próxima|entrante|que\s+viene))\b|\bfin(?:al)?(?:es)?\s+de(?:l)?\s+(?:este\s+)?mes\b"
        r"|\bend\s+of\s+(?:the\s+)?(?:school\s+)?day\b|\b(?:right|straight)\s+away\b|\b(?:right\s+)now\b|\bcall\s+us\s+now\b"
        r"|\bas\s+soon\s+as\s+you\s+(?:see|get|read)\s+this\b|\bahora\s+mismo\b|\bapenas\s+(?:lea|vea)\b"
        r"|\bhallowe['’]?en\b|\bvalentine['’]?s(?:\s+day)?\b",
    ),
    (
        "relative",
        r"\b(?:day after tomorrow|pasado mañana|tom+or+ow|tmro?w|tmw|tmr|tonight|tonite|today"
        r"|this afternoon|this evening|this morning|hoy|esta tarde|esta noche|mñn|manana)\b"
        r"|(?<!\bla )(?<!\besta )(?<!\besa )(?<!\buna )\bmañana\b",
    ),
    # A span of hours: "from 3 to 5", "9-10:30 am", "between 3 and 4".
    ("clock_span", rf"(?:{_BETWEEN})(?P<a>{_TIME}|{_HOUR}|{_WORD}){_AM_PM}{_TO_HOUR}(?P<b>{_TIME}|{_HOUR}(?![:.]\d)|{_WORD}|noon)(?![\d/%]){_SAID}"),
    ("clock_span", rf"(?<![\d/.:$-])\b(?P<a>{_TIME}|{_HOUR}){_AM_PM}{_UP_TO}(?P<b>{_TIME}|{_HOUR}(?![:.]\d)|noon)(?![\d/%]){_SAID}"),
    ("clock", rf"(?<![\d.:/$£€])\b{_TIME}(?![\d%/])(?:\s*[ap]\.?\s?m\b\.?)?"),
    ("clock", rf"\b{_HOUR}\s*[ap]\.?\s?m\b\.?|\b{_HOUR}:[0-5]\d[ap]\b|\b{_HOUR}p\b"),
    ("clock", r"\b(?:noon|midday|mediodía)\b|\b(?:[01]\d|2[0-3])[0-5]\d(?=\s?(?:hrs|hours)\b)"),
    ("clock", rf"\b(?:{_HOUR}|{_WORD})\s+o['’]?clock\b|\b(?:2[0-3]|1\d|0?[1-9])\s?(?:hs|hrs)\b\.?"),
    ("clock", rf"\b(?:{_either(_MINUTES)})\s+(?:{_HOUR}|{_WORD})\b"),
    (
        "clock",
        rf"(?:(?<=\ba las )|(?<=\bde las )|(?<=\bpara las )|(?<=\bhasta las )|(?<=\bsobre las )|(?<=\bdesde las )|(?<=\bentre las )|(?<=\ba la )|(?<=\bde la ))(?:2[0-3]|1\d|[1-9]|{_WORD})\b(?![:.]\d)"
        rf"(?:\s+(?:{_either(_MINUTOS)}))?",
    ),
    (
        "clock",
        rf"(?:(?<=\bat )|(?<=\baround )|(?<=\babout )|(?<=\bat about )|(?<=@)|(?<=@ ))(?:{_HOUR}|{_WORD})(?:ish)?\b{_COUNTS}"
        rf"|(?:(?<=\bafter )|(?<=\bbefore )|(?<=\bby )|(?<=\buntil )|(?<=\btill )|(?<=\bfrom )|(?<=\bsay ))"
        rf"(?:{_HOUR}|{_WORD})(?:ish)?\b{_STANDS}",
    ),
    (
        "ordinal",
        rf"(?:\b(?:the|el(?: día)?|on|by|before|until|till|and|or|to|del(?: día)?|para el)\s+|(?<=th, )|(?<=nd, )|(?<=st, )|(?<=rd, )){_DAY}(?:st|nd|rd|th)\b(?!\s+(?:grade|graders?|"
        r"period|hour|time|place|century|floor|birthday|amendment|chapter|percentile|day|week|form|year|of\b|"
        r"and\s+\d+\w+\s+(?:grade|year)))"
        rf"|\b(?:el|antes del|al?|para el|hasta el|reunión del|profesores del)(?: día)?\s+{_DAY}\b"
        r"(?!\s*(?:de\s+(?!este)|por|%|°|º|a[nñ]os|[:./]\d|ejercicios?|p[aá]ginas?))(?<!\ba )"
        rf"|\bthe\s+(?:{_either(_ORDINALS)})\b(?!\s+(?:grade|period|of\b))",
    ),
    ("ordinal_month", rf"\bthe\s+(?:{_either(_ORDINALS)})\s+of\s+{_MONTH}|\bthe\s+{_NTH}\s+of\s+this\s+month\b"),
)
_TOKENS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)
# Most sentences speak of no time at all.
_SPEAKS = re.compile(
    rf"\d|\b(?:{_either(WEEKDAYS)}|{_either(_HOURS)}|{_either(_MONTHS)}|tom+or+ow|tmro?w|tmw|tmr|ton(?:ight|ite)|today|hoy|"
    r"mñn|ma[nñ]ana|esta|noon|midday|mediodía|week|weekend|wk|semana|mes|month|now|away|as soon as|"
    r"ahora|apenas|hallowe\W?en|valentine\W?s?|same|misma|mismo|esa|end of|this|the|ese|days?|weeks?|hours|días|horas)\b",
    re.IGNORECASE,
)


def tokens(sentence: str) -> list[Token]:
    """The tokens of a sentence in order; where two readings overlap, the earlier one of `_PATTERNS` holds."""
    if not _SPEAKS.search(sentence):
        return []
    found: list[Token] = []
    taken = bytearray(len(sentence))
    for kind, pattern in _TOKENS:
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
    month = _all_of(_MONTHS, text)[0]
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
            "month_day", own.lower().rstrip("."), match.start() + start, match.start() + end, (month, number, year), part
        )


_SPAN = re.compile(r"[-–—]|\b(?:to|through|thru|until|al?)\b", re.IGNORECASE)


def _weekday(kind: str, match: re.Match[str]) -> Iterator[Token]:
    weekday = _all_of(WEEKDAYS, match.group())[0]
    if kind == "weekday_day":
        yield _token("weekday_day", match, weekday, _numbers(match.group())[0])
    elif kind == "weekday_later":
        yield _token("weekday_later", match, weekday, 1)
    else:
        yield _token("weekday", match, weekday)


def _month_day(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    numbers = _numbers(match.group())
    year = next((number for number in numbers if number > 31), 0)
    yield _token("month_day", match, _all_of(_MONTHS, match.group())[0], numbers[0], year)


def _numeric(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    numbers = _numbers(match.group())
    year = numbers[2] + (2000 if numbers[2] < 100 else 0) if len(numbers) > 2 else 0
    if numbers[:2] != [24, 7]:
        yield _token("numeric", match, numbers[0], numbers[1], year)


def _same(kind: str, match: re.Match[str]) -> Iterator[Token]:
    yield _token("same_time" if kind == "same_time" else "same_day", match)


def _distance(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = match.group().lower()
    counts = _numbers(text) or [_AMOUNTS[word] for word in re.findall(r"[^\W\d_]+", text) if word in _AMOUNTS] or [2]
    amount = counts[0]
    unit = 7 if re.search(r"week|semana", text) else 1
    if re.search(r"hours|horas", text):
        if amount < 24:
            return
        amount = round(amount / 24)
    if text.endswith("from tomorrow"):
        amount += 1
    at_school = re.search(r"school|working|business|hábiles|clase", text) is not None
    yield _token("distance", match, amount * unit, int(at_school))


def _period(_kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = re.sub(r"\s+", " ", match.group().lower())
    for name, pattern in _PERIOD_WORDS:
        if re.search(pattern, text):
            yield _token("period", match, PERIODS.index(name))
            return


_PERIOD_WORDS = (
    ("end of next week", r"end of next week"),
    ("end of week", r"end of (?:the |this )?week"),
    ("end of month", r"end of .*month|mes$"),
    ("end of day", r"day$(?<!s day)"),
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
}  # fmt: skip


def _ordinal(kind: str, match: re.Match[str]) -> Iterator[Token]:
    text = match.group()
    day = (_numbers(text) or _all_of(_ORDINALS, text) or [0])[0]
    months = _all_of(_MONTHS, text) if kind == "ordinal_month" else []
    if months:
        yield _token("month_day", match, months[0], day, 0)
    elif re.search(r"\d", text) or _NAMES_A_DAY.search(match.string[: match.start()]):
        yield _token("ordinal", match, day)


# "Friday the fourteenth", "by the sixth"; "the sixth draft" is no day.
_NAMES_A_DAY = re.compile(rf"(?:\b(?:by|before|until|till|on|is)|{_WEEKDAY},?)\s+$", re.IGNORECASE)


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
    text = re.sub(r"\s+", " ", text.lower())
    for words, (hour, minute) in _NAMED.items():
        if words in text:
            return hour, minute, 0
    numbers, named = _numbers(text), _all_of(_HOURS, text)
    shift = next((minutes for words, minutes in {**_MINUTES, **_MINUTOS}.items() if words in text), 0)
    if numbers and numbers[0] >= 100:
        numbers = list(divmod(numbers[0], 100))
    # "ten past four", but "nueve menos diez".
    hour = numbers[0] if numbers else named[-1 if re.search("past|to|till|after", text) else 0]
    minute = numbers[1] if len(numbers) > 1 else shift
    if minute < 0:
        hour, minute = hour - 1 or 12, 60 + minute
    half = re.search(r"\d\s*([ap])(?:\.?\s?m)?\b", text)
    return hour, minute, _half(half.group(1)) if half else 0


def _half(letter: str) -> int:
    return 1 if letter.lower() == "a" else 2


_NAMED = {
    "noon": (12, 0), "midday": (12, 0), "mediodía": (12, 0)}

_READERS: dict[str, _Reader] = {
    "iso": _iso,
    "month_days": _days_of_month,
    "days_month": _days_of_month,
    "weekday_day": _weekday,
    "weekday_later": _weekday,
    "weekday": _weekday,
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
