"""Pure: what a message itself states, as against what it probably means.

Facts are exact and quote their source: who writes, about which child, which dates, whether it speaks of a
plan or of danger. Probable things (what kind of mail it is) come from the model as scores.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, get_args

from triage.config import Config
from triage.dates import Due, find_dates
from triage.forwards import author_standing
from triage.lexicon import pattern, word_sets
from triage.message import Message, Person
from triage.people import find_child, find_teacher
from triage.sender import Standing, is_from_list, platform_of, sender_standing
from triage.text import sentences

Flag = Literal["plan", "safety", "bulk"]
FLAGS: tuple[Flag, ...] = get_args(Flag)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message states. `quotes` gives the sentence behind each flag."""

    standing: Standing
    teacher: Person | None
    child: str | None
    due: tuple[Due, ...]
    flags: frozenset[Flag]
    quotes: tuple[tuple[Flag, str], ...]
    asks: bool
    today: bool
    language: str


def find_facts(message: Message, config: Config, learned: Collection[str] = ()) -> Facts:
    """Read the facts off one message; `learned` as in `sender_standing`."""
    standing = sender_standing(message, config, learned)
    own = f"{message.subject}.\n{message.parts.own}"
    author = author_standing(message, standing, config)
    # Apart: a full stop that joins them stands nowhere in the mail.
    quotes = tuple(quote for text in (message.subject, message.parts.own) for quote in _flag_quotes(text))
    language = detect_language(own)
    return Facts(
        standing=standing,
        teacher=find_teacher(message, author),
        child=find_child(message, config, author),
        due=_due(message, config, language),
        flags=frozenset(flag for flag, _ in quotes) | _bulk(message),
        quotes=quotes,
        asks=bool(pattern("asks").search(own)),
        today=bool(pattern("today").search(own)),
        language=language,
    )


# --- Flags ---------------------------------------------------------------------------------------------


def _flag_quotes(own: str) -> Iterator[tuple[Flag, str]]:
    # The whole text first: few mails have any of these words, and only those are cut into sentences.
    found: list[Flag] = [flag for flag in FLAGS[:2] if pattern(flag).search(own)]
    for sentence in sentences(own) if found else ():
        for flag in found:
            if pattern(flag).search(sentence):
                yield flag, sentence


def names_plan(words: Iterable[str]) -> bool:
    """Whether any of these words names a plan or a service of it; the flag alone is for recall and may be wrong."""
    return any(pattern("plan").search(text) for text in words)


def _bulk(message: Message) -> frozenset[Flag]:
    by_header = "list-unsubscribe" in message.headers or is_from_list(message)
    return frozenset({"bulk"}) if by_header or pattern("to_many").search(message.parts.own[:400]) else frozenset()


# --- Dates and language ----------------------------------------------------------------------------------


def _due(message: Message, config: Config, language: str) -> tuple[Due, ...]:
    if message.date is None:
        return ()
    written = message.date
    here = written.astimezone(config.zone)
    # Relays and office servers stamp UTC; the hours in the text are the family's.
    stamped = written.utcoffset() == timedelta(0) and not _is_from_abroad(message, here, language)
    if here.utcoffset() == written.utcoffset() or stamped:
        written = here
    written = _passed_on(message.parts.header, written) or written
    return find_dates(f"{message.subject}.\n{message.parts.own}", written, day_first=_day_first(written, language))


# "24th November", "25/11": nobody who writes so is of North America, unless it is in Spanish.
_DAY_BEFORE_MONTH = re.compile(
    r"\b\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December)\b"
    r"|(?<![\d/.])(?:1[3-9]|2\d|3[01])/(?:0?[1-9]|1[0-2])(?![\d/%])"
)


def _is_from_abroad(message: Message, here: datetime, language: str) -> bool:
    """Whether a Date in UTC is a British school's own, not a stamp on mail from around here."""
    american = not _day_first(here, language)
    direct = not platform_of(message) and language == "en"
    return american and direct and bool(_DAY_BEFORE_MONTH.search(f"{message.subject}\n{message.parts.own}"))


_DATED = re.compile(r"(?im)^\*?(?:sent|date|enviado(?: el)?|fecha|envoyé|gesendet)\s?:.*\b(?:19|20)\d\d\b.*$")
# What was passed on later than that is no news.
_OLDEST = timedelta(days=60)


def _passed_on(header: str, written: datetime) -> datetime | None:
    """When a forwarded mail was written, as the lines above it say: its "tomorrow" is counted from there."""
    line = _DATED.search(header)
    earlier = written - _OLDEST
    named = find_dates(line.group(), earlier, day_first=_day_first(written, "en")) if line else ()
    days = [due.day for due in named if earlier.date() <= due.day <= written.date()]
    return datetime.combine(days[0], time(12), written.tzinfo) if days else None


def _day_first(written: datetime, language: str) -> bool:
    """Only North America writes the month first; its offsets from UTC are -10 to -3.5 hours."""
    offset = written.utcoffset() or timedelta(0)
    american = timedelta(hours=-10) <= offset <= timedelta(hours=-3, minutes=-30)
    return not american or (language == "es" and offset == timedelta(hours=-3))


# So many times as many small words as of English or Spanish must be of another language.
_FOREIGN = 1.5


def detect_language(text: str) -> str:
    """ISO 639-1 code of the language that most of the text is in; "en" where it is too short to tell.

    Mail of another language goes to Review unread. So a few small words that English and Spanish share with others
    do not make it foreign.
    """
    letters = [char for char in text if char.isalpha()]
    foreign = sum(ord(char) > 0x24F and not 0x1E00 <= ord(char) < 0x2000 for char in letters)
    if letters and foreign / len(letters) > 0.4:
        return _script(letters)
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    known = {code: words.keys() & small for code, small in word_sets("function_words").items()}
    best = max(known, key=lambda code: (len(known[code]), sum(words[word] for word in known[code])))
    near = "es" if len(known["es"]) > len(known["en"]) and len(known["es"]) >= 2 else "en"
    return best if len(known[best]) >= max(3, _FOREIGN * len(known[near])) else near


_SCRIPTS = (
    (0x400, 0x52F, "ru"),
    (0x590, 0x5FF, "he"),
    (0x600, 0x6FF, "ar"),
    (0x900, 0x97F, "hi"),
    (0xE00, 0xE7F, "th"),
    (0x3040, 0x30FF, "ja"),
    (0xAC00, 0xD7AF, "ko"),
    (0x4E00, 0x9FFF, "zh"),
    (0x370, 0x3FF, "el"),
)


def _script(letters: list[str]) -> str:
    counts = {code: sum(low <= ord(char) <= high for char in letters) for low, high, code in _SCRIPTS}
    if counts["ja"]:
        return "ja"
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else "und"
