"""Pure: the times for a talk between which a mail lets the parent choose."""

import re
from collections.abc import Sequence
from itertools import pairwise

from triage.classify import DueDate
from triage.lexicon import pattern


def choices(due: Sequence[DueDate], sentences: Sequence[str]) -> tuple[DueDate, ...]:
    """Those of a mail's dates that are offered for one talk, in its order; empty where there is nothing to choose.

    A mail offers them with an "or" between, or asks which of them it shall be.
    """
    talks = [date for date in due if date.what == "meeting"]
    if len(talks) < 2:
        return ()
    if any(pattern("which_time").search(text) for text in sentences):
        timed = [date for date in talks if "T" in date.at]
        return tuple(timed) if len(timed) > 1 else tuple(talks)
    joined = [pair for pair in pairwise(talks) if any(_either(*pair, text) for text in sentences)]
    # "Monday, Tuesday or Friday": the "or" stands between the last two alone.
    listed = [pair for pair in pairwise(talks) if any(_side_by_side(*pair, text) for text in sentences)]
    chosen = [date for date in talks if any(date in pair for pair in joined)]
    return tuple(date for date in talks if date in chosen or any(date in pair for pair in listed if joined))


def _between(first: DueDate, second: DueDate, text: str) -> str | None:
    """What stands between two dates of a sentence, None where it does not name both."""
    start = text.find(first.text)
    stop = text.find(second.text, start + len(first.text)) if start >= 0 else -1
    return text[start + len(first.text) : stop] if stop >= 0 else None


def _either(first: DueDate, second: DueDate, text: str) -> bool:
    between = _between(first, second, text)
    return between is not None and bool(_OR.search(between))


def _side_by_side(first: DueDate, second: DueDate, text: str) -> bool:
    between = _between(first, second, text)
    return between is not None and bool(_COMMA.fullmatch(between))


_OR = re.compile(r"\b(?:or|o|u)\b|/", re.IGNORECASE)
_COMMA = re.compile(r"\s*[,;]\s*(?:(?:on|at|el|la|a las?)\s+)?", re.IGNORECASE)
