"""Pure: why a wording may inflame, and a calmer way to say that very sentence.

Where the sentence is built like one of the patterns of `wording/LANGUAGE/calmer.toml`, its own words are kept; else a
sentence stands for its kind, with what it is about in neutral words. Nothing is added that the parent did not write,
and what the parent asks for is never taken away.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from triage.config import LANGUAGES, Language
from triage.draft import TONES, Finding, Kind, Remark, doers, other_children
from triage.lexicon import word_sets
from triage.prompts import word_table
from triage.unnamed import unnamed
from triage.voice import lowered, names_in


def findings_of(
    remarks: Iterable[Remark], draft: str, language: Language, children: Iterable[str] = ()
) -> list[Finding]:
    """Remarks in words: why in the family's `language`, what to write instead in the language of the draft."""
    own = _language_of(draft, language)
    why = word_table(language, "calmer")["why"]
    told, children = list(remarks), tuple(children)
    family = {word for name in children for word in name.split()}
    others, names = other_children(draft, children), names_in(draft, children)
    # A raised voice in a charged sentence goes with the charge.
    leading = {r.start: r.kind for r in reversed(told) if r.kind in TONES}
    kinds = [leading.get(r.start, r.kind) if r.kind == "shouting" else r.kind for r in told]
    found = []
    for r, kind in zip(told, kinds, strict=True):
        # What to do about a blank or the length is said to the parent, not to the teacher.
        strangers = others | (doers(r.text) - family)
        instead = calmer(r.text, kind, language if kind in _ADVICE else own, others=strangers, names=names)
        found.append(Finding(r.text, r.start, r.end, r.kind, why[r.kind], instead))
    return found


_ADVICE = ("blank", "too_long")
# Charges that a report of what another child did may carry.
_OF_CHILDREN = ("accusation", "blame", "assumption", "absolute", "demand")


def _language_of(draft: str, usual: Language) -> Language:
    """The language that a draft is in; where its words do not tell, the family's."""
    said = re.findall(r"[^\W\d_]+", draft.lower())
    counts = {code: sum(word in word_sets("function_words")[code] for word in said) for code in LANGUAGES}
    # A sentence or two may hold none of the small words.
    counts["es"] += len(re.findall(r"[¿¡ñáéíóú]|\b(?:ustedes|usted|nunca|siempre)\b", draft.lower()))
    best = max(LANGUAGES, key=lambda code: counts[code])
    return best if counts[best] > counts[usual] else usual


def calmer(
    sentence: str, kind: Kind, language: Language, *, others: Collection[str] = (), names: Collection[str] = ()
) -> str:
    """Another way to say a sentence. `others` are names of other children in it, `names` are known to be names."""
    plain = lowered(" ".join(sentence.split()), names)
    if kind == "shouting":
        return plain
    if kind == "sensitive" and (told := unnamed(plain, others, language)):
        return told
    table = word_table(language, "calmer")
    parts = [_trimmed(part, language) for part in re.split(table["trim"]["between"], plain, flags=re.IGNORECASE)]
    chosen = kind != "threat" or re.search(table["trim"]["choice"], plain, re.IGNORECASE)
    kept = [said for part in parts if chosen and (said := _in_own_words(part, kind, language))]
    if kept:
        # The third person that a threat names may still be asked, if need be.
        return " ".join([*kept, table["trim"]["stuck"]] if kind == "threat" else kept)
    told = unnamed(plain, others, language) if kind in _OF_CHILDREN else ""
    if told and not re.search(table["other_child"]["addressed"], told, re.IGNORECASE):
        return f"{told} {table['other_child']['and_then']}"
    when = re.search(table["when"]["pattern"], plain, re.IGNORECASE)
    stated = when.group() if when else table["when"]["blank"]
    return _contracted(table["instead"][kind].format(topic=_topic(plain, language), when=stated), language)


# --- The sentence's own words ----------------------------------------------------------------------------


def _in_own_words(part: str, kind: Kind, language: Language) -> str:
    unkind = word_table(language, "calmer")["trim"]["unkind"]
    for kinds, pattern, instead in _kept(language):
        if kind in kinds and (match := pattern.match(part)):
            groups = {name: _fitted(name, text or "", language) for name, text in match.groupdict().items()}
            said = " ".join(instead.format(**groups).split()).replace(" .", ".").replace(" ?", "?")
            return "" if re.search(unkind, said, re.IGNORECASE) else _contracted(said, language)
    return ""


_DETERMINER = re.compile(r"^(?:the|my|our|his|her|their|this|that|these|those|an?|all|every|it)\b", re.IGNORECASE)


def _fitted(group: str, text: str, language: Language) -> str:
    """The words of a group as the new sentence needs them."""
    if group == "rest":
        return _mild(re.sub(word_table(language, "calmer")["trim"]["rest"], "", text, flags=re.IGNORECASE))
    if group == "whom":
        known = word_table(language, "calmer")["whom"].get(text.lower())
        return str(known) if known else _DETERMINER.sub(lambda match: match.group().lower(), text)
    # "explíqueme" is "me explique".
    return _unaccented(text) if group == "verb" else text


def _unaccented(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if c != "\u0301")
    return {"de": "dé", "envie": "envíe", "envien": "envíen"}.get(bare, bare)


def _trimmed(part: str, language: Language) -> str:
    """A sentence without address and connective before it, haste and "or else" behind it."""
    trim = word_table(language, "calmer")["trim"]
    return re.sub(trim["after"], "", re.sub(trim["before"], "", part, flags=re.IGNORECASE), flags=re.IGNORECASE)


@cache
def _kept(language: Language) -> Sequence[tuple[tuple[Kind, ...], re.Pattern[str], str]]:
    rows = word_table(language, "calmer")["kept"]
    return [(tuple(row["kinds"]), _compiled(row["pattern"], language), row["instead"]) for row in rows]


def _compiled(pattern: str, language: Language) -> re.Pattern[str]:
    """A pattern with its `<<pieces>>` put in."""
    pieces: dict[str, Any] = word_table(language, "calmer")["piece"]
    whole = re.sub(r"<<(\w+)>>", lambda match: f"(?:{pieces[match.group(1)].strip()})", pattern)
    return re.compile(whole, re.IGNORECASE)


_SHARP = re.compile(
    r"\b(?:even|just|clearly|obviously|ridiculous(?:ly)?|stupid|damn|bloody|absurd|so-called|filthy|lousy|lazy|useless|pathetic|idiotic|freaking|goddamn|immediately|simplemente|"
    r"siquiera|inmediatamente)\b ?",
    re.IGNORECASE,
)


def _mild(text: str) -> str:
    mild = _SHARP.sub("", text).strip(" ,!")
    first = mild.partition(" ")[0]
    return mild if first == "I" or first[1:2].isupper() else mild[:1].lower() + mild[1:]


def _contracted(text: str, language: Language) -> str:
    """Spanish has no "de el" and no "a el"; the pronoun "él" and a name ("El Salvador") stay."""
    return re.sub(r"\b([DdAa])(e?) el\b", r"\1\2l", text) if language == "es" else text


# --- What it is about ------------------------------------------------------------------------------------


@cache
def _topics(language: Language) -> tuple[re.Pattern[str], Sequence[tuple[re.Pattern[str], str]]]:
    """What looks like a topic and is none, and the topics."""
    table = word_table(language, "calmer")
    rows = [(re.compile(row["pattern"], re.IGNORECASE), row["text"]) for row in table["topic"]]
    return re.compile("|".join(table["no_topic"]["patterns"]), re.IGNORECASE), rows


def _topic(sentence: str, language: Language) -> str:
    no_topic, topics = _topics(language)
    said = no_topic.sub(" ", sentence)
    return next(text for pattern, text in topics if pattern.search(said) or pattern.pattern == ".")
