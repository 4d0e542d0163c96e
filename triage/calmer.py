"""Pure: why a wording may inflame, and a calmer way to say that very sentence.

Where the sentence is built like one of the patterns of `wording/LANGUAGE/calmer.toml`, its own words are kept; else a
sentence stands for its kind, with what it is about in neutral words. Nothing is added that the parent did not write.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from triage.config import LANGUAGES, Language
from triage.draft import TONES, Finding, Kind, Remark
from triage.lexicon import word_sets, words
from triage.prompts import word_table


def findings_of(remarks: Iterable[Remark], draft: str, language: Language) -> list[Finding]:
    """Remarks in words: why in the family's `language`, what to write instead in the language of the draft."""
    own = _language_of(draft, language)
    why = word_table(language, "calmer")["why"]
    told = list(remarks)
    # A raised voice in a charged sentence goes with the charge.
    leading = {r.start: r.kind for r in reversed(told) if r.kind in TONES}
    kinds = [leading.get(r.start, r.kind) if r.kind == "shouting" else r.kind for r in told]
    return [
        # What to do about a blank or the length is said to the parent, not to the teacher.
        Finding(r.text, r.start, r.end, r.kind, why[r.kind], calmer(r.text, kind, language if kind in _ADVICE else own))
        for r, kind in zip(told, kinds, strict=True)
    ]


_ADVICE = ("blank", "too_long")


def _language_of(draft: str, usual: Language) -> Language:
    """The language that a draft is in; where its words do not tell, the family's."""
    said = re.findall(r"[^\W\d_]+", draft.lower())
    counts = {code: sum(word in word_sets("function_words")[code] for word in said) for code in LANGUAGES}
    best = max(LANGUAGES, key=lambda code: counts[code])
    return best if counts[best] > counts[usual] else usual


def calmer(sentence: str, kind: Kind, language: Language) -> str:
    """Another way to say a sentence."""
    if kind == "shouting":
        return lowered(sentence)
    plain = lowered(" ".join(sentence.split()))
    for kinds, pattern, instead in _kept(language):
        if kind in kinds and (match := pattern.match(plain)):
            return instead.format(**{n: _mild(text) if n == "rest" else text for n, text in match.groupdict().items()})
    return str(word_table(language, "calmer")["instead"][kind]).format(topic=_topic(plain, language))


@cache
def _kept(language: Language) -> Sequence[tuple[tuple[Kind, ...], re.Pattern[str], str]]:
    rows = word_table(language, "calmer")["kept"]
    return [(tuple(row["kinds"]), re.compile(row["pattern"], re.IGNORECASE), row["instead"]) for row in rows]


@cache
def _topics(language: Language) -> Sequence[tuple[re.Pattern[str], str]]:
    rows = word_table(language, "calmer")["topic"]
    return [(re.compile(row["pattern"], re.IGNORECASE), row["text"]) for row in rows]


def _topic(sentence: str, language: Language) -> str:
    return next(text for pattern, text in _topics(language) if pattern.search(sentence))


_SHARP = re.compile(
    r"\b(?:even|just|clearly|obviously|ridiculous(?:ly)?|stupid|damn|bloody|absurd|so-called|immediately|simplemente|"
    r"siquiera)\b ?",
    re.IGNORECASE,
)


def _mild(text: str) -> str:
    mild = _SHARP.sub("", text).strip(" ,!")
    first = mild.partition(" ")[0]
    return mild if first == "I" or first[1:2].isupper() else mild[:1].lower() + mild[1:]


def lowered(sentence: str) -> str:
    """The same words without raised voice: no capitals but names and abbreviations, one mark at the end."""

    def quiet(match: re.Match[str]) -> str:
        word = match.group()
        if word[:2] in ("I'", "I’"):
            return f"I{word[1:].lower()}"
        known = word.lower() in words("acronyms") or word in ("I", "A")
        return word if known else word.lower()

    text = re.sub(r"[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'’]+", quiet, sentence)
    text = re.sub(r"!+\?+[!?]*|\?+!+[!?]*|\?{2,}", "?", text)
    text = re.sub(r"!{2,}|!(?=\s|$)", ".", text)
    return text[:1].upper() + text[1:]
