"""Pure: what the sentences of a mail do to its reader: ask, request, name a number to call.

Each is an exact span of the mail. Nothing here is probable; what the model makes of the mail stands in the verdict.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from triage.lexicon import pattern
from triage.text import one_line, sentences

_MOST = 3
_LONGEST = 240


@dataclass(frozen=True, slots=True)
class Said:
    """`requests` are what the reader is to do, `questions` what they are asked, both in the order of the mail."""

    sentences: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """What is requested or asked, once each, in the order of the mail."""
        wanted = {*self.requests, *self.questions}
        return tuple(text for text in self.sentences if text in wanted)[:_MOST]

    @property
    def to_answer(self) -> tuple[str, ...]:
        """What a line of mail answers: the questions, and requests for word."""
        return tuple(text for text in self.asked if text in self.questions or pattern("wants_answer").search(text))

    @property
    def confirms(self) -> bool:
        """Whether a talk is confirmed and nothing about it is left to say."""
        open_ones = any(pattern("wants_answer").search(text) for text in self.requests)
        said = any(pattern("confirms").search(text) and not _IF.search(text) for text in self.sentences)
        return said and not self.questions and not open_ones

    @property
    def first_of_all(self) -> str:
        """What is to be done at once where a mail says so, else the first request (no talk some day), else empty."""
        pressing = [text for text in self.requests if pattern("today").search(text) or _CALLS_NOW.search(text)]
        others = [text for text in self.requests if not pattern("invites").search(text)]
        return next(iter((*pressing, *others)), "")


NOTHING = Said()


def hear(own: str) -> Said:
    """Read it off the sender's own words."""
    said = tuple(dict.fromkeys(plain(text) for text in sentences(own)))
    return Said(
        sentences=said,
        requests=tuple(text for text in said if _is_request(text)),
        questions=tuple(text for text in said if _is_question(text)),
    )


def numbers(text: str) -> tuple[str, ...]:
    """The telephone numbers of a sentence that speaks of calling, as they are written there."""
    return tuple(_numbers(text)) if _CALLS.search(text) else ()


def _numbers(text: str) -> Iterator[str]:
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if 7 <= len(digits) <= 15 and not _DAY.fullmatch(match.group()):
            yield match.group()


def plain(text: str) -> str:
    """A sentence without the greeting before it, on one line."""
    text = _GREETING.sub("", one_line(text, _LONGEST))
    return text[:1].upper() + text[1:]


def _is_request(text: str) -> bool:
    return bool(pattern("requests").search(text)) and not pattern("courtesies").search(text)


def _is_question(text: str) -> bool:
    asks = text.endswith("?") and len(text.split()) >= _WORDS and not re.search(r"[\"“”«»]", text)
    return asks and not pattern("courtesies").search(text)


# A question of fewer words ("Thoughts?", "OK?") says little where it stands alone.
_WORDS = 3
_GREETING = re.compile(
    r"\A\W*(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hola|buen[oa]s (?:d[ií]as|tardes|noches)"
    r"|estimad[oa]s?|quick question|m(?:r|rs|s)\. \w+)\b[^,.!:;?]{0,30}[,.!:] +(?=\w)"
)
_IF = re.compile(r"\b(?:if|unless|whether|not|once|si|cuando)\b|n['’]t\b", re.IGNORECASE)
_CALLS = re.compile(
    r"\b(?:call|phone|ring|dial|text|reach|contact|tel|number|office|line|llam\w+|marc\w+|tel[ée]fono|n[úu]mero|oficina)\b",
    re.IGNORECASE,
)
_CALLS_NOW = re.compile(r"\b(?:call|phone|ring|dial|llam\w+|m[aá]rque\w*)\b(?! (?:you|him|her|them)\b)", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w$€£₹#/.,:-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\) ?)?\d{2,5}(?:[ .-]\d{2,5}){0,4}"
    r"(?:,? (?:ext|extension|x)\.? ?\d{1,5})?(?![\w/:])"
)
_DAY = re.compile(r"\d{4}[-.]\d{1,2}[-.]\d{1,2}|\d{1,2}[-.]\d{1,2}[-.]\d{2,4}")
