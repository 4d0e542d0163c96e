"""Pure: what another child did, told without that child's name."""

import re
from collections.abc import Collection
from typing import Any

from triage.config import Language
from triage.lexicon import pattern, table
from triage.prompts import word_table

_NAME = r"[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+"


def unnamed(sentence: str, others: Collection[str], language: Language) -> str:
    """A report of harm with only the other children's names taken out; empty where it says more of them than that."""
    here = [name for name in others if re.search(rf"\b{name}\b", sentence)]
    ill = pattern("called").search(sentence) or re.search(table("tone_cues")["cues"]["ill_of_kids"], sentence.lower())
    if not here or ill or not pattern("deeds").search(sentence):
        return ""
    words = word_table(language, "calmer")["other_child"]
    one = rf"(?:{'|'.join(map(re.escape, sorted(here)))})(?: {_NAME})?"
    row = rf"(?i:{words['before']})?(?P<names>{one}(?:(?:, | (?:and|&|y|e) |, (?:and|y) ){one})*)(?P<own>['’]s?)?(?!\w)"
    seen: set[str] = set()

    def without(match: re.Match[str]) -> str:
        told = _told(match, words, again=match["names"] in seen)
        seen.add(match["names"])
        return told + ("'s" if match["own"] else "")

    # What the sentence goes on to say of the teacher has a finding of its own.
    text = re.sub(row, without, re.sub(words["after"], ".", sentence))
    text = text if text.endswith((".", "!", "?")) else f"{text}."
    return text[:1].upper() + text[1:]


def _told(match: re.Match[str], words: dict[str, Any], *, again: bool) -> str:
    count = len(re.split(r", (?:and |y )?| (?:and|&|y|e) ", match["names"]))
    if count > 1:
        return str(words["two"] if count == 2 else words["more"])
    noun = (match["noun"] or "").lower()
    # In Spanish the noun, else the name's own ending, tells the sex as plainly as it can be told.
    feminine = noun.endswith(("a", "girl")) if noun else match["names"].endswith("a")
    form = words["again" if again else "one"]["feminine" if feminine else "masculine"]
    return str(form).format(noun=noun or words["noun"]["feminine" if feminine else "masculine"])
