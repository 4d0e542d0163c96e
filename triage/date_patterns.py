"""Data: how English and Spanish mail writes days and hours, as patterns in the order in which they are tried."""

import re
from collections.abc import Mapping


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
MONTHS = _numbered(
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
HOURS = _numbered(
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
AMOUNTS = {"a": 1, "un": 1, "uno": 1, "couple of": 2, **HOURS}
ORDINALS = _numbered(
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
MINUTES = {
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
MINUTOS = {
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
    "right away", "halloween", "valentine", "week after next",
)  # fmt: skip


def _either(words: Mapping[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True)).replace(" ", r"\s+")


_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_NTH = rf"{_DAY}(?:st|nd|rd|th|º|ro)?"
WEEKDAY = rf"\b(?:{_either(WEEKDAYS)})\b"
_MONTH = rf"\b(?:{_either(MONTHS)})\b\.?"
_YEAR = r"(?:,?\s+(?:del?\s+)?20\d\d\b)?"
_AND = r"(?:\s*(?:,|&|/|\b(?:and|or|y|o|u)\b))+\s*(?:the\s+|el\s+)?"
_TO = r"\s*(?:-|–|—|\b(?:to|through|thru|until|al?)\b)\s*(?:the\s+|el\s+)?"
_NO_COUNT = (
    r"(?!\s*(?:[:.h/%]\d|h\s\d|[-–]\d|[ap]\.?\s?m\b|de la (?:tarde|mañana|noche)|"
    r"(?:min|hs|hrs|hours|horas|o['’]?clock)\b|(?:to|until|till)\s+noon\b|y\s+(?:media|cuarto)\b))"
)
_HOUR = r"(?:1[0-2]|0?[1-9])"
# "March 15, 2 to 4" is one day and its hours.
_NO_HOURS = r"(?!,\s*(?:1[0-2]|[1-9])\s*(?:-|–|\b(?:to|until|till)\b)\s*(?:1[0-2]|[1-9]|noon)\b)"
# 24 hours only with minutes, with "hs", or in Spanish after "a las".
_TIME = r"(?:(?:2[0-3]|1\d|0?\d)[:.][0-5]\d|(?:2[0-3]|1\d|0?\d)\s?h\s?[0-5]\d)"
_WORD = rf"(?:{_either(HOURS)})"
_ENDS = r"(?=\s*[.,;:!?)]|\s*$|\s+(?:that|and|so|for|as)\b)"
_AM_PM = r"(?:\s*[ap]\.?\s?m\b\.?)?"
_SAID = r"(?:\s*(?P<half>[ap])\.?\s?m\b\.?|(?!\w))"
_UP_TO = r"\s*(?:-|–|—|\b(?:to|until|till|a|hasta)\b)\s*(?:las\s+)?"
_TO_HOUR = r"\s*(?:-|–|—|\b(?:to|and|until|till|y|a|hasta)\b)\s*(?:las\s+)?"
_BETWEEN = r"(?<=\bbetween )|(?<=\bfrom )|(?<=\bentre )|(?<=\bentre las )|(?<=\bde )|(?<=\bde las )"
# What may follow a bare number that is an hour: "after 3 suits me", but not "after 3 attempts".
_STANDS = (
    r"(?=\s*$|\s*[.,;:?!)\]–—/]|\s+(?:today|tomorrow|tonight|tonite|this|that|on|in|or|and|if|when|for|please|so|with|because|"
    r"as|until|till|to|at|but|works?|suits?|is|it|would|will|the|before|after|every|any|each|by|both|either|either|"
    r"next|sharp|unless|then|than|rather|instead|his|her|their|my|our|we|you|i|she|he|they|los|hoy|mañana|"
    rf"el|la|o|u|y|de|en|para|por|si|del|que|tmrw|tomorow)\b|\s+{WEEKDAY}|ish\b)(?![.,]\d)"
)
# "at 3 schools", "about 10 minutes" are no hours.
_COUNTS = (
    r"(?! ?(?:%|[/:-]\d|(?:more|other|full|whole|school|of|times?|years?|different|new|extra|points?|minutes?|mins?|hours?|days?|weeks?|"  # noqa: E501
    r"pages?|percent|pounds?|dollars?|kids|of)\b|(?!suits|works|unless|plus|is|was|this|does|mass|class|always)[a-z]{2,}s\b)|[.,]\d)"
)
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("iso", r"\b20\d\d-\d\d-\d\d\b"),
    # "April 8, 9 or 10", "October 20-24": one month for several days.
    (
        "month_days",
        rf"{_MONTH}\s+{_NTH}\b(?!:\d)(?:{_NO_HOURS}(?:{_AND}|{_TO}){_NTH}\b{_NO_COUNT}(?!\s+{_MONTH}))+{_YEAR}",
    ),
    ("days_month", rf"(?<![\d.:/])\b{_NTH}(?:(?:{_AND}|{_TO}){_NTH}\b)+\s+(?:of\s+|de\s+)?{_MONTH}{_YEAR}"),
    # "Wednesday 3rd to Friday 5th September": the month is that of both.
    (
        "weekday_of_month",
        rf"{WEEKDAY}\.?,?\s+(?:the\s+)?{_NTH}\b(?=(?:{_TO}|{_AND}){WEEKDAY}\.?,?\s+(?:the\s+)?{_NTH}\s+(?:of\s+|de\s+)?(?P<month>{_MONTH}))",
    ),
    ("month_end", rf"\b(?:end|last(?:\s+(?:school\s+)?day)?)\s+of\s+{_MONTH}|\bfin(?:al)?(?:es)?\s+de\s+{_MONTH}"),
    # "viernes 5", "Thursday 24th": the number belongs to the day, unless a month, an hour or a count follows.
    (
        "weekday_day",
        rf"{WEEKDAY}\.?(?:\s+|,\s+(?=the\s|el\s|{_DAY}(?:st|nd|rd|th))|\s*\()(?:the\s+|el\s+|día\s+)?{_NTH}\b"
        rf"(?!\s*(?:of\s+|de\s+)?{_MONTH}){_NO_COUNT}(?!\s+(?:and|or|to)\s+\d+\b(?!th|st|nd|rd))",
    ),
    (
        "weekday_later",
        rf"{WEEKDAY}\s+week\b|\b(?:a\s+week|una?\s+semana)\s+(?:(?:from|on)\s+)?(?:this\s+)?{WEEKDAY}"
        rf"|\b(?:two|three|2|3)\s+weeks\s+(?:from|on)\s+(?:this\s+)?{WEEKDAY}|\bdel\s+{WEEKDAY}\s+en\s+(?:ocho|quince)\b",
    ),
    ("same_day", rf"\bthe\s+{WEEKDAY}\s+before{_ENDS}"),
    ("weekday", rf"{WEEKDAY}\.?|\b(?:{_either(WEEKDAYS)})(?=['’]?s\s+(?:quiz|test|lesson|class|period)\b)"),
    (
        "month_day",
        rf"{_MONTH}\s+{_NTH}\b(?!:\d){_YEAR}|\b{_NTH}\s+(?:of\s+|de\s+)?{_MONTH}(?!\s+{_NTH}\b{_NO_COUNT}(?!\.\d)){_YEAR}",
    ),
    # Not 24/7, 3/4 cup, 18/20 on a test: what follows and precedes is looked at when it is read.
    (
        "numeric",
        r"(?<![\d/$£€.#-])\d{1,2}/\d{1,2}(?:/(?:20)?\d\d)?(?![\d/%])|(?<![\d.$£€])\d{1,2}(?P<by>[.-])\d{1,2}(?P=by)(?:20)?\d\d(?!\d)",
    ),
    (
        "same_time",
        r"\b(?:at\s+)?(?:the\s+)?same\s+(?:time|hour)s?\b|\b(?:a\s+)?(?:la\s+misma|esa)\s+hora\b|\bmisma\s+hora\b",
    ),
    (
        "same_day",
        r"\b(?:that|(?:the\s+)?same)\s+(?:same\s+)?(?:day|evening|afternoon|morning|night)\b"
        rf"|\bthe\s+(?:day|night|evening)\s+before{_ENDS}"
        r"|\bthe\s+(?:day\s+after(?:\s+that)?(?!\s+tom)|(?:next|following)\s+day)\b|\ba\s+week\s+(?:later|after\s+that)\b"
        r"|\b(?:el|un)\s+día\s+(?:antes|anterior|previo|después|siguiente)\b|\bal\s+(?:otro\s+día|día\s+siguiente)\b"
        r"|\buna\s+semana\s+(?:después|más\s+tarde)\b"
        r"|\b(?:ese|el)\s+mismo\s+día\b|\besa\s+(?:misma\s+)?(?:tarde|noche|mañana)\b",
    ),
    (
        "distance",
        rf"\b(?:in|within|dentro de|en)\s+(?:the\s+next\s+)?(?:a|un|una|\d{{1,2}}|{_WORD}|a couple of)\s+"
        r"(?:school\s+|working\s+|business\s+)?(?:days?|weeks?|hours|días?|semanas?|horas)\b(?:\s+(?:hábiles|de clases?))?"  # noqa: E501
        rf"|\b(?:a|one|two|three|\d{{1,2}})\s+(?:days?|weeks?|fortnight)\s+from\s+(?:today|now|tomorrow)\b"
        r"|\ba\s+(?:week|fortnight)\s+(?:today|tomorrow)\b|\b(?:today|tomorrow)\s+week\b"
        r"|\bde\s+(?:hoy|mañana)\s+en\s+(?:ocho|quince)\b",
    ),
    (
        "period",
        r"\bend\s+of\s+next\s+week\b|\bthe\s+week\s+after\s+next\b|\b(?:the\s+)?end\s+of\s+(?:the\s+|this\s+)?(?:week|wk|month)\b|\bthis\s+week\b(?!end)"
        r"|\bnext\s+w(?:ee)?k\b|\b(?:this|the)\s+weekend\b|\b(?:esta\s+semana|este\s+fin\s+de\s+semana|el\s+fin\s+de\s+semana)\b"
        r"|\bla\s+(?:próxima\s+semana|semana\s+(?:próxima|entrante|que\s+viene))\b|\bfin(?:al)?(?:es)?\s+de(?:l)?\s+(?:este\s+)?mes\b"
        r"|\bend\s+of\s+(?:the\s+)?(?:school\s+)?day\b|\b(?:right|straight)\s+away\b|\b(?:right\s+)now\b|\bcall\s+us\s+now\b"
        r"|\bas\s+soon\s+as\s+you\s+(?:see|get|read)\s+this\b|\bahora\s+mismo\b|\bapenas\s+(?:lea|vea)\b"
        r"|\bhallowe['’]?en\b|\bvalentine['’]?s(?:\s+day)?\b",
    ),
    (
        "relative",
        r"\b(?:day after tomorrow|pasado mañana|tom+or+ow|tmro?w|tmw|tmr|tonight|tonite|today"
        r"|this afternoon|this evening|this morning|hoy|esta (?:misma )?(?:tarde|noche)|mñn|manana)\b"
        r"|(?<!\bla )(?<!\besta )(?<!\besa )(?<!\buna )\bmañana\b",
    ),
    # A span of hours: "from 3 to 5", "9-10:30 am", "between 3 and 4".
    (
        "clock_span",
        rf"(?:{_BETWEEN})(?P<a>{_TIME}|{_HOUR}|{_WORD}){_AM_PM}{_TO_HOUR}(?P<b>{_TIME}|{_HOUR}(?![:.]\d)|{_WORD}|noon)(?![\d/%]){_SAID}",
    ),
    (
        "clock_span",
        rf"(?<![\d/.:$-])\b(?P<a>{_TIME}|{_HOUR}){_AM_PM}{_UP_TO}(?P<b>{_TIME}|{_HOUR}(?![:.]\d)|noon)(?![\d/%]){_SAID}",
    ),
    ("clock", rf"(?<![\d.:/$£€])\b{_TIME}(?![\d%/])(?:\s*[ap]\.?\s?m\b\.?)?"),
    ("clock", rf"\b{_HOUR}\s*[ap]\.?\s?m\b\.?|\b{_HOUR}:[0-5]\d[ap]\b|\b{_HOUR}p\b"),
    ("clock", r"\b(?:noon|midday|mediodía)\b|\b(?:[01]\d|2[0-3])[0-5]\d(?=\s?(?:hrs|hours)\b)"),
    ("clock", rf"\b(?:{_HOUR}|{_WORD})\s+o['’]?clock\b|\b(?:2[0-3]|1\d|0?[1-9])\s?(?:hs|hrs)\b\.?"),
    ("clock", rf"\b(?:{_either(MINUTES)})\s+(?:{_HOUR}|{_WORD})\b"),
    (
        "clock",
        rf"(?:(?<=\ba las )|(?<=\bde las )|(?<=\bpara las )|(?<=\bhasta las )|(?<=\bsobre las )|(?<=\bdesde las )|(?<=\bentre las )|(?<=\ba la )|(?<=\bde la )|(?<=\b[da] las )|(?<=\b[da] ls ))(?:2[0-3]|1\d|[1-9]|{_WORD})\b(?![:.]\d)"  # noqa: E501
        rf"(?:\s+(?:{_either(MINUTOS)}))?",
    ),
    # "8ish"; "sale 6 y media en punto", "tipo 7 de la noche", "a eso de las 8".
    (
        "clock",
        rf"(?=\d|\b{_WORD})(?:(?<![\d.:/$£€#-])\b(?:{_HOUR}|{_WORD})[ -]?ish\b"
        rf"|(?<![\d.:/$-])\b{_HOUR}\s+y\s+(?:media|cuarto)\b|\b{_WORD}\s+y\s+(?:media|cuarto)\s+(?:en\s+punto|de\s+la)\b"
        rf"|(?<![\d.:/$-])(?<!\by )\b(?:{_HOUR}|{_WORD})(?=\s+en\s+punto\b|\s+de\s+la\s+(?:tarde|noche|mañana)\b)"
        rf"|(?:(?<=\btipo )|(?<=\beso de las ))(?:{_HOUR}|{_WORD})(?:\s+(?:{_either(MINUTOS)}))?\b(?![:.]\d))",
    ),
    # Typed on a phone: "at 330", "545 tmrw", "630 AM"; the army's "0600", "Tuesday, 1400".
    (
        "clock",
        rf"(?=\d{{3}})(?:(?<![\d.:/$£€#-])\b{_HOUR}[0-5][05]\s*[ap]\.?m\b\.?"
        r"|(?<![\d.:/$£€#+-])\b0[5-9][0-5][05]\b(?![\s-]?\d)"
        r"|(?:(?<=day )|(?<=day, ))(?!20[0-3]\d)(?:1\d|2[0-3])[0-5][05]\b(?=\s*[.,;?!]|\s*$)"
        r"|(?:(?<=mon )|(?<=tues )|(?<=wed )|(?<=thurs )|(?<=fri )|(?<=sat )|(?<=sun ))"
        r"[1-9][0-5][05]\b(?=\s*[.,;?!]|\s*$)"
        rf"|(?:(?<=\bat )|(?<=@)|(?<=@ ))(?!20[0-3]\d)(?:{_HOUR}|1\d|2[0-3])[0-5][05]\b"
        rf"(?=\s*[.,?!]?\s*$|\s*[.,?!]\s|\s+(?:on|in|to|for|and|or|if|today|ton|tom|tmr|this|sharp|{_either(WEEKDAYS)}))"
        r"|(?<![\d.:/$£€#-])(?<!room )(?<!rm )(?<!page )(?<!pages )(?<!pg )(?<!read )(?<!in )\b"
        rf"{_HOUR}[0-5][05](?=\s+(?:sharp|today|tonight|tonite|tom+or+ow|tmro?w|tmw|tmr)\b))",
    ),
    (
        "clock",
        rf"(?:(?<=\bat )|(?<=\baround )|(?<=\babout )|(?<=\bat about )|(?<=@)|(?<=@ ))(?:{_HOUR}|{_WORD})(?:ish)?\b{_COUNTS}"  # noqa: E501
        rf"|(?:(?<=\bafter )|(?<=\bbefore )|(?<=\bby )|(?<=\buntil )|(?<=\btill )|(?<=\bfrom )|(?<=\bsay ))"
        rf"(?:{_HOUR}|{_WORD})(?:ish)?\b{_STANDS}",
    ),
    (
        "ordinal",
        rf"(?:\b(?:the|el(?: día)?|on|by|before|until|till|and|or|to|del(?: día)?|para el)\s+|(?<=th, )|(?<=nd, )|(?<=st, )|(?<=rd, )){_DAY}(?:st|nd|rd|th)\b(?!\s+(?:grade|graders?|"  # noqa: E501
        r"period|hour|time|place|century|floor|birthday|amendment|chapter|percentile|day|week|form|year|of\b|"
        r"and\s+\d+\w+\s+(?:grade|year)))"
        rf"|\b(?:el|del día|antes del|al?|para el|hasta el|reunión del|profesores del)(?: día)?\s+{_DAY}\b"
        r"(?!\s*(?:de\s+(?!este)|por|%|°|º|a[nñ]os|[:./]\d|ejercicios?|p[aá]ginas?|"
        rf"[- ]?(?:min|hour|page|point|day|percent)))(?<!\ba )"
        rf"|\bthe\s+(?:{_either(ORDINALS)})\b(?!\s+(?:grade|period|of\b))",
    ),
    ("ordinal_month", rf"\bthe\s+(?:{_either(ORDINALS)})\s+of\s+{_MONTH}|\bthe\s+{_NTH}\s+of\s+this\s+month\b"),
)
TOKENS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)
# Most sentences speak of no time at all.
SPEAKS = re.compile(
    rf"\d|\b(?:{_either(WEEKDAYS)}|{_either(HOURS)}|{_either(MONTHS)}|tom+or+ow|tmro?w|tmw|tmr|ton(?:ight|ite)|today|hoy|"
    r"mñn|ma[nñ]ana|esta|noon|midday|mediodía|week|weekend|wk|semana|mes|month|now|away|as soon as|"
    r"ahora|apenas|hallowe\W?en|valentine\W?s?|same|misma|mismo|esa|end of|ese|days?|weeks?|hours|días?|horas|"
    rf"th(?:is|at)\s+(?:afternoon|evening|morning|night)|the\s+(?:{_either(ORDINALS)}|night|evening))\b",
    re.IGNORECASE,
)
# What a sentence must have for a kind of token to be looked for.
NEEDS = {
    re.compile(rf"\b(?:{_either(WEEKDAYS)})s?\b", re.IGNORECASE): (
        "weekday_of_month",
        "weekday_day",
        "weekday_later",
        "weekday",
    ),
    re.compile(_MONTH, re.IGNORECASE): ("month_days", "days_month", "month_end", "month_day"),
}
