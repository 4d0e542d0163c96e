"""Pure: what stands around a date, as words that the model of dates learns from."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from triage.date_words import Token
from triage.lexicon import pattern


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence of a mail, its neighbours, and how many sentences stand before and after it."""

    sentence: str
    before: str = ""
    after: str = ""
    behind: int = 0
    ahead: int = 0


def clues_of(group: Sequence[Token], at: date | datetime, written: datetime, place: Place) -> Iterator[str]:
    """How the date is said, when it is, what stands around it, and where in the mail it stands."""
    yield from _form(group, at, written)
    start, end = min(token.start for token in group), max(token.end for token in group)
    left = re.findall(r"\w+|[?!:]", place.sentence[:start].lower())
    right = re.findall(r"\w+|[?!:]", place.sentence[end:].lower())
    if _is_past(place.sentence, group):
        yield "looks back"
    if "?" in right:
        yield "asked"
    yield from _near(left, right)
    yield from _clause(place.sentence, start, end)
    yield from (f"before:{word}" for word in _words(place.before))
    yield from (f"after:{word}" for word in _words(place.after))
    yield f"behind:{min(place.behind, 6)}"
    yield f"ahead of the end:{min(place.ahead, 3)}"
    yield f"long:{min(len(place.sentence.split()) // 6, 5)}"


def _form(group: Sequence[Token], at: date | datetime, written: datetime) -> Iterator[str]:
    day = at.date() if isinstance(at, datetime) else at
    ahead = (day - written.date()).days
    yield "form:" + "+".join(sorted({token.kind for token in group}))
    yield f"ahead:{ahead if ahead <= 7 else 14 if ahead <= 14 else 99}"
    yield f"on:{day.weekday()}"
    yield f"hour:{at.hour if isinstance(at, datetime) else 'none'}"
    for token in group:
        if token.kind in ("relative", "weekday", "period"):
            yield f"token:{token.text}"
        if token.part:
            yield f"part:{token.part}"


def _near(left: Sequence[str], right: Sequence[str]) -> Iterator[str]:
    """Words of the sentence by how near they are, and those next to the date together: "was due" is not "due"."""
    for side, words in (("left", left[::-1]), ("right", right)):
        yield from (f"{side} {place}:{word}" for place, word in enumerate(words[:3]))
        yield from (f"{side} pair {place}:{one}_{two}" for place, (one, two) in enumerate(pairwise(words[:3])))
    yield f"across:{left[-1] if left else ''}_{right[0] if right else ''}"
    yield from (f"near:{word}" for word in {*left[-8:], *right[:8]})
    yield from (f"in:{word}" for word in {*left, *right})


_BOUND = re.compile(
    r"[,;:()–—\n]|\s-\s|\b(?:and|but|so|because|which|who|that|if|when|y|pero|porque|que|si|cuando)\b", re.IGNORECASE
)


def _clause(sentence: str, start: int, end: int) -> Iterator[str]:
    """The words of the date's own clause: "the essay, which was due Friday, and the test on Monday" says two things."""
    first = max((found.end() for found in _BOUND.finditer(sentence, 0, start)), default=0)
    bound = _BOUND.search(sentence, end)
    last = bound.start() if bound else len(sentence)
    # The date itself stands among them as one word.
    words = [*re.findall(r"\w+", sentence[first:start].lower()), "@", *re.findall(r"\w+", sentence[end:last].lower())]
    yield f"begins:{words[0]}"
    yield from (f"clause:{word}" for word in set(words))
    yield from (f"clause:{one}_{two}" for one, two in pairwise(words))


def _words(sentence: str) -> set[str]:
    return set(re.findall(r"\w+", sentence.lower()))


def _is_past(sentence: str, group: Sequence[Token]) -> bool:
    if any(token.kind in ("numeric", "month_day", "weekday_day") for token in group):
        # A full date was compared with the mail's own day already.
        return False
    if group[0].numbers == (0,) and group[0].kind == "relative" and not any(token.kind == "clock" for token in group):
        return not re.search(r"\b(due|by|pick|please|call|need|bring|until|antes|recog)\b", sentence, re.IGNORECASE)
    return bool(pattern("past").search(sentence)) and not pattern("future").search(sentence)
