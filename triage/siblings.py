"""Pure: which of the family's children each part of a mail is about.

A sentence is about the children that it names; one that names none goes on about those of the sentence before, if it
speaks of somebody at all. A sentence that turns from one child to the other is taken apart there. Which child is the
main one is for the model to say: the one in whose part a sentence speaks most for what the mail is about.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from triage.classify import LABELS, PRIMARIES, Evidence, Label, Scores, Verdict
from triage.config import Child
from triage.facts import Flag
from triage.lexicon import pattern, words
from triage.said import plain
from triage.text import sentences


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence of the mail, or as much of it as is about the same children; `whole` is the sentence."""

    text: str
    whole: str
    children: tuple[str, ...]
    named: bool


@dataclass(frozen=True, slots=True)
class Siblings:
    """A mail's pieces, and for each label and flag the child in whose part it is said most plainly."""

    pieces: tuple[Piece, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)


ALONE = Siblings()


def pieces_of(subject: str, own: str, children: Sequence[Child], language: str) -> tuple[Piece, ...]:
    """The mail's own sentences, each with the children that it is about; a greeting is about nobody."""
    found: list[Piece] = []
    # Whom the subject names, the first "she" is.
    now, ever = _named(subject, children), _named(subject, children)
    for sentence in sentences(own):
        said = plain(sentence)
        if _GREETING.fullmatch(said):
            continue
        for text in _turns(said, children):
            here = _named(text, children)
            about = here or (ever if _ALL.search(text) else now if _goes_on(text, language) else ())
            now, ever = about or now, tuple(dict.fromkeys((*ever, *about)))
            found.append(Piece(text, sentence, about, bool(here)))
    return tuple(found)


def part_of(child: str, pieces: Sequence[Piece]) -> str:
    """What a mail says of one child and nobody else, else what it says of that child at all."""
    alone = [piece.text for piece in pieces if piece.children == (child,)]
    return "\n\n".join(alone or [piece.text for piece in pieces if child in piece.children])


def told_of(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """The children that the mail is about, in its order."""
    return tuple(dict.fromkeys(name for piece in pieces for name in piece.children))


def owners_of(scores: Mapping[str, Scores]) -> dict[str, str]:
    """For each label and flag the child whose part (by name, as the model read it) has the plainest sentence for it.

    What no child's part speaks of, such as an invitation behind them all, is nobody's.
    """
    kinds: tuple[Label | Flag, ...] = (*LABELS, "plan", "safety")
    best = {kind: max(scores, key=lambda child: _plainest(scores[child], kind)) for kind in kinds}
    return {kind: child for kind, child in best.items() if _plainest(scores[child], kind) >= _PLAIN}


# A sentence of less probability than this speaks for no label.
_PLAIN = 0.2


def _plainest(scores: Scores, kind: Label | Flag) -> float:
    return max((share for _, share in scores.evidence.get(kind, ())), default=0.0)


def main_child(verdict: Verdict, siblings: Siblings) -> str | None:
    """The child of whom that is said which decided the verdict: danger before the labels, these before a plan.

    What is told of each child is central to that child, so that of two labels the order of `PRIMARIES` decides.
    """
    told = told_of(siblings.pieces)
    if len(told) == 1:
        return told[0]
    kinds = ["safety"] if verdict.danger else []
    kinds += [label for label in PRIMARIES if label in verdict.labels]
    kinds += ["plan"] if "plan" in verdict.flags else []
    return next((siblings.owners[kind] for kind in kinds if kind in siblings.owners), verdict.child)


def of_main_child(verdict: Verdict, siblings: Siblings) -> Verdict:
    """The verdict without what is said of the other children alone: their labels, dates and sentences."""
    if not siblings.pieces or verdict.child is None:
        return verdict
    evidence = tuple(own for item in verdict.evidence for own in _own(item, verdict.child, siblings))
    gone = {item.label for item in verdict.evidence} - {item.label for item in evidence}
    theirs = [piece.text for piece in siblings.pieces if piece.children and verdict.child not in piece.children]
    ours = [piece.text for piece in siblings.pieces if not piece.children or verdict.child in piece.children]
    labels = tuple(label for label in verdict.labels if label not in gone)
    return replace(
        verdict,
        evidence=evidence,
        labels=labels,
        primary=next((name for name in PRIMARIES if name in labels), "other_school")
        if verdict.primary in gone
        else verdict.primary,
        # Danger is never talked away.
        flags=tuple(flag for flag in verdict.flags if flag == "safety" or flag not in gone),
        due=tuple(due for due in verdict.due if _among(due.text, ours) or not _among(due.text, theirs)),
    )


def _among(text: str, said: Sequence[str]) -> bool:
    return any(text in one for one in said)


def _own(item: Evidence, child: str, siblings: Siblings) -> Iterator[Evidence]:
    """As much of a sentence as is about this child; of one that tells of two, if its label is this child's."""
    found = [piece for piece in siblings.pieces if piece.whole == item.text]
    mine = [piece for piece in found if child in piece.children or not piece.children]
    if len(mine) == len(found):
        yield item
    elif mine and siblings.owners.get(item.label, child) == child:
        yield replace(item, text=mine[0].text)


def others_told(verdict: Verdict, siblings: Siblings, shown: Sequence[str]) -> dict[str, list[str]]:
    """For each other child at most two pieces that are about it; what is `shown` and tells so is not repeated."""
    found: dict[str, list[str]] = {}
    for name in told_of(siblings.pieces):
        if name == verdict.child:
            continue
        about = [piece for piece in siblings.pieces if name in piece.children]
        alone = [piece for piece in about if verdict.child not in piece.children] or about
        clear = {piece.text for piece in alone if piece.named or verdict.child in piece.children} & set(shown)
        found[name] = [piece.text for piece in alone if piece.text not in clear][:2]
    return found


# --- Names ---------------------------------------------------------------------------------------------------


def _named(text: str, children: Sequence[Child]) -> tuple[str, ...]:
    forms, name = _names(children)
    return tuple(dict.fromkeys(forms[found.lower()] for found in name.findall(text) if found.lower() in forms))


def _names(children: Sequence[Child]) -> tuple[dict[str, str], re.Pattern[str]]:
    """Whose each form of a name is, and a pattern that finds them: the longest first, "Ana Sofía" is not Ana."""
    forms = {form.lower(): child.name for child in children for form in (child.name, *child.aliases)}
    for child in children:
        forms.setdefault(child.name.split()[0].lower(), child.name)
    ordered = sorted(forms, key=len, reverse=True)
    # "May" and "Will" are names with their capital alone.
    each = [form.title() if form in words("common_words") else f"(?i:{re.escape(form)})" for form in ordered]
    return forms, re.compile(rf"(?<!\w)(?:{'|'.join(each) or '(?!)'})(?!\w)")


def _turns(said: str, children: Sequence[Child]) -> Iterator[str]:
    """A sentence cut where it turns to another child: before the name and after a pause or an "and"."""
    _, name = _names(children)
    start = 0
    for match in re.finditer(rf"(?:(?P<pause>[,;:–—-])\s*|\s)(?:{_AND}\s+)?(?={name.pattern})", said):
        left, right = said[start : match.start()], said[match.end() :]
        here, there = set(_named(left, children)), set(_named(right, children)[:1])
        joined = match["pause"] or re.search(rf"^\s*{_AND}\s", match.group())
        last = re.search(r"(\w+)\W*$", left)
        # "Isla and Dev", "with Ada and Dev" are names in a row.
        in_row = last is not None and last.group(1)[0].isupper()
        if joined and here and here != there and not in_row and min(len(left.split()), len(right.split())) >= _CLAUSE:
            yield left.strip()
            start = match.end()
    yield said[start:]


_CLAUSE = 3
_AND = (
    r"(?i:(?:and|but|while|whereas|meanwhile|y|pero|mientras(?: que)?|en cambio)"
    r"(?:,? (?:also|too|then|también))?(?: (?:that|que|a))?)"
)
_GREETING = re.compile(
    r"\W*(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hola|estimad[oa]s?|querid[oa]s?"
    r"|buen[oa]s (?:d[ií]as|tardes|noches))\b[^.?!]{0,60}"
)
_ALL = re.compile(r"\b(?:both|the two of them|the twins|amb[oa]s|l[oa]s dos)\b", re.IGNORECASE)
_THIRD = re.compile(
    r"\b(?:he|she|they|him|her|his|hers|them|their|theirs|él|ella|le|se|su|sus)\b|\b(?:he|she|they)['’]", re.IGNORECASE
)
_ADDRESSED = re.compile(
    r"\b(?:usted(?:es)?|por favor|gracias|agradezco|favor de|nos|nuestr[oa]s?|me|mi|saludos|podría[ns]?)\b",
    re.IGNORECASE,
)


def _goes_on(text: str, language: str) -> bool:
    """Whether a sentence that names nobody speaks of somebody; in Spanish the verb alone may do so."""
    if language == "es":
        return not _ADDRESSED.search(text)
    return bool(_THIRD.search(text)) and not pattern("courtesies").search(text)
