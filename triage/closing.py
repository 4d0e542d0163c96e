"""Pure: where the lines that name a mail's writer begin, beneath a mail that ends without a word of farewell."""

import re
from collections.abc import Sequence

from triage.lexicon import pattern

# A name and what stands beneath it: post, room, school, telephone, hours.
_MOST_LINES, _LONGEST = 6, 70
# So many words that begin small are a sentence typed without a stop.
_SAID = 5
_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’.-]*"
_NAME = re.compile(
    rf"[-–—~*]*\s*{_CAPITAL}(?: (?:{_CAPITAL}|de|del|la|las|los|y|van|von|der|&)){{0,4}},?"
    r"(?:\s*$|\s*[,(|/•–—-]+\s*\w.*$)"
)
_SPEAKS = re.compile(
    # A sentence ends so, and what is listed has a day, an hour, a box to tick or a number before it.
    r"(?<!\bed)(?<!\bgr)(?<!\bsr)(?<!\bjr)(?<!\b[a-z])[.!?:;…]+[\"”’)]*$"
    r"|\b(?:mon|tues?|wednes|thurs?|fri|satur|sun)(?:day)?s?\b|\b(?:lunes|martes|mi[ée]rcoles|jueves|viernes)\b"
    r"|\b\d{1,2}[:.]\d\d\b|\b\d{1,2} ?[ap]\.?m\b|^\W*\d{1,2}(?:/\d{1,2}\b|[.)])|^[\[_]|https?:"
    r"|^(?:hi|hello|dear|hola|estimad\w+)\b|^(?:subject|asunto|re|due|when|where|what|date|fecha|lugar|time)\b.*:",
    re.IGNORECASE,
)


def signature_start(lines: Sequence[str]) -> int | None:
    """Index of the name that closes a mail with the writer's post beside or beneath it, None where none does.

    A name alone is left where it stands; nothing that may be a sentence, a date or an item of a list is taken for one.
    """
    found = None
    places = [index for index, line in enumerate(lines) if line.strip()]
    for index in reversed(places[-_MOST_LINES:]):
        line = lines[index].strip()
        if len(line) > _LONGEST or _SPEAKS.search(line) or (line[0].islower() and len(line.split()) >= _SAID):
            break
        if _NAME.match(line) and index != places[0]:
            found = index
    if found is None or _GOES_ON.search(lines[found - 1].strip()):
        return None
    return found if pattern("posts").search("\n".join(lines[found:])) else None


# What stands above the name announces a list, or is a line so long that it was wrapped in the midst of a sentence.
_GOES_ON = re.compile(r":$|^.{50,}\w$")
