"""Pure: what the model of dates sees: the words around each date, how it stands to the mail's others, and the mail.

A layer over words says of each date whether it is one to keep and what for; the one above weighs that against the mail.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, get_args

import numpy as np

from triage.dates import Due, What
from triage.facts import Facts
from triage.message import Message
from triage.second import Floats

# Targets of the model of dates: whether it is one to keep, then what for; and the classes of the layer above it.
DATE_TARGETS: tuple[str, ...] = ("keep", *get_args(What))
DATE_CLASSES: tuple[What | Literal[""], ...] = ("", *get_args(What))


def date_clues(facts: Sequence[Facts]) -> list[str]:
    """Every date of every message, in order, as the words that the model of dates reads."""
    return [
        " ".join(clue.replace(" ", "_") for clue in (*due.clues, f"of:{min(len(found.due), 5)}"))
        for found in facts
        for due in found.due
    ]


def date_view(messages: Sequence[Message], facts: Sequence[Facts], logits: Floats, view: Floats) -> Floats:
    """What the second layer sees of each date: its logits, its place among the message's, and the message's view."""
    owner = [row for row, found in enumerate(facts) for _ in found.due]
    ends = np.cumsum([len(found.due) for found in facts])
    numbers = [
        _date_numbers(found.due, index, message) + _among(found.due, logits[end - len(found.due) : end, 0], index)
        for message, found, end in zip(messages, facts, ends, strict=True)
        for index in range(len(found.due))
    ]
    width = len(_date_numbers((_NEVER,), 0, None)) + len(_among((_NEVER,), np.zeros(1, np.float32), 0))
    own = np.array(numbers, dtype=np.float32).reshape(len(owner), width)
    return np.hstack([logits / np.float32(3), own, view[owner]])


# The logit of a date that is not there.
_NONE = -4.0


def _among(dues: Sequence[Due], logits: Floats, index: int) -> list[float]:
    """How the date's own logit stands to those of the message's other dates: a mail has few that are to be kept."""
    own, day = float(logits[index]), dues[index].day
    ordered = [(float(logit), due.day) for logit, due in zip(logits, dues, strict=True)]
    before, after = ordered[:index], ordered[index + 1 :]
    others = before + after
    best = max((logit for logit, _ in others), default=_NONE)
    numbers = (
        best,
        own - best,
        sum(logit > own for logit, _ in others),
        sum(logit > 0 for logit, _ in others),
        max((logit for logit, other in others if other == day), default=_NONE),
        max((logit for logit, other in others if other != day), default=_NONE),
        before[-1][0] if before else _NONE,
        after[0][0] if after else _NONE,
    )
    return [number / 3 for number in numbers]


_NEVER = Due(date(2000, 1, 1), "event", "")


def _date_numbers(dues: Sequence[Due], index: int, message: Message | None) -> list[float]:
    """All of about the size of one, so that none outweighs the others."""
    due, same = dues[index], [other.day == dues[index].day for other in dues]
    form = next((clue for clue in due.clues if clue.startswith("form:")), "")
    ahead = (due.day - message.date.date()).days if message is not None and message.date is not None else 0
    return [
        min(len(dues), 10) / 5,
        min(index, 10) / 5,
        min(ahead, 60) / 30,
        ahead == 0,
        isinstance(due.at, datetime),
        min(sum(same), 4) - 1,
        any(same[:index]),
        due.day.weekday() > 4,
        "looks back" in due.clues,
        "asked" in due.clues,
        *(kind in form for kind in ("weekday", "relative", "month_day", "numeric", "ordinal")),
        *(due.what == what for what in get_args(What)),
    ]
