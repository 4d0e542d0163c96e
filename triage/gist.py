"""Pure: what a mail says that is worth keeping when it is closed, each as an exact span of it.

For the record (what was asked, what was agreed) and for home (what works in class). Nothing here is probable: a span is
there or it is not, and one too few is better than one that the teacher did not mean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from triage.lexicon import pattern
from triage.message import Message
from triage.text import one_line, sentences

_MOST = 3
_LONGEST = 220


@dataclass(frozen=True, slots=True)
class Gist:
    """Sentences of the mail: what it asks, what it says was or will be done, what helps the child in class.

    `channel` is the sentence that tells how the teacher likes to be reached; `first_words` opens the mail.
    """

    asked: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    channel: str = ""
    first_words: str = ""


def find_gist(message: Message) -> Gist:
    """Read it off the sender's own words."""
    said = sentences(message.parts.own)
    return Gist(
        asked=tuple(_matching(said, "asks")),
        agreed=tuple(_matching([text for text in said if not _UNSETTLED.search(text)], "agreed")),
        strategies=tuple(_matching(said, "strategies")),
        channel=next(_matching(said, "channel"), ""),
        first_words=next((one_line(text, 160) for text in said if len(text.split()) > 4), ""),
    )


# What is asked, denied or told by others is not agreed.
_UNSETTLED = re.compile(r"\?|\b(?:not|n['’]t|never|nobody|if|whether|was told|no se|nadie|si)\b", re.IGNORECASE)


def _matching(said: list[str], name: str) -> Iterator[str]:
    found = [one_line(text, _LONGEST) for text in said if pattern(name).search(text)]
    yield from dict.fromkeys(re.sub(r"\s+", " ", text) for text in found[:_MOST])
