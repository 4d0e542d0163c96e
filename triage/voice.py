"""Pure: a raised voice let down, with the names left standing."""

import re
from collections.abc import Collection, Iterable

from triage.lexicon import words

_LOUD = r"[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'’]+"
_NAME = r"[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+"
_AFTER_TITLE = re.compile(r"\b(?:mr|mrs|ms|miss|dr|mx|sra?|srta|coach|principal)\.? $", re.IGNORECASE)


def names_in(draft: str, children: Iterable[str]) -> frozenset[str]:
    """Names that a draft writes with one capital, or that are the family's, in lower case."""
    seen = set(re.findall(rf"(?<=[a-zß-öø-ÿ,] )({_NAME})\b", draft)) | set(re.findall(rf"(?m)^({_NAME})$", draft))
    named = {name.lower() for name in seen} - words("common_words") - words("not_names")
    return frozenset(named | {word.lower() for name in children for word in name.split()})


def lowered(sentence: str, names: Collection[str] = ()) -> str:
    """The same words without raised voice: no capitals but names and abbreviations, one mark at the end."""
    shouted = len(re.findall(_LOUD, sentence)) > 1

    def quiet(match: re.Match[str]) -> str:
        word = match.group()
        lower = word.lower()
        if word[:2] in ("I'", "I’"):
            return f"I{lower[1:]}"
        if shouted and (lower in words("capitals") or lower in names or _AFTER_TITLE.search(sentence[: match.start()])):
            return lower.capitalize()
        known = lower in words("acronyms") and not (shouted and lower in words("also_words"))
        return word if known or word in ("I", "A") else lower

    text = re.sub(_LOUD, quiet, sentence)
    text = re.sub(r"!+\?+[!?]*|\?+!+[!?]*|\?{2,}", "?", text)
    text = re.sub(r"!{2,}|!(?=\s|$)", ".", text)
    text = re.sub(r"¡+", "", re.sub(r"¿{2,}", "¿", text))
    first = re.search(r"\w", text)
    return text if first is None else text[: first.start()] + first.group().upper() + text[first.end() :]
