"""Pure: honest figures on drafts by authors that the model of tones never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triage.corpus import Draft
from triage.draft import TONES, Remark, Tone
from triage.figures import Figure, counted

_LANGUAGES = {"en": "English", "es": "Spanish"}


@dataclass(frozen=True, slots=True)
class Read:
    """A held-out draft and what was remarked in it."""

    draft: Draft
    remarks: Sequence[Remark]


def report(read: Sequence[Read]) -> list[Figure]:
    """The figures, for each language."""
    return [figure for code, name in _LANGUAGES.items() for figure in _figures(code, name, read)]


def _figures(code: str, name: str, read: Sequence[Read]) -> Iterator[Figure]:
    mine = [one for one in read if one.draft.language == code]
    if not mine:
        return
    rows = [row for one in mine for row in _sentences(one)]
    both = sum(bool(truly and found) for truly, found in rows)
    yield counted(f"{name} drafts: findings that are right", both, sum(bool(f) for _, f in rows), "at least 0.90")
    yield counted(f"{name} drafts: charged sentences found", both, sum(bool(t) for t, _ in rows), "at least 0.85")
    named = [(kind, truly) for truly, found in rows for kind in found]
    yield counted(f"{name} drafts: kinds named that are right", sum(kind in truly for kind, truly in named), len(named))
    fair = [one for one in mine if one.draft.whole and not one.draft.spans]
    clean = sum(not one.remarks for one in fair)
    yield counted(f"{name} drafts: firm but fair ones left alone", clean, len(fair), "at least 0.95")
    charged = [one for one in mine if one.draft.whole and one.draft.spans]
    seen = sum(any(remark.kind in TONES for remark in one.remarks) for one in charged)
    yield counted(f"{name} drafts: charged ones noticed", seen, len(charged))
    if code == "en":
        for tone in TONES:
            yield from _of_tone(tone, rows)


def _of_tone(tone: Tone, rows: Sequence[tuple[frozenset[Tone], frozenset[Tone]]]) -> Iterator[Figure]:
    both = sum(tone in truly and tone in found for truly, found in rows)
    yield counted(f"{tone}: precision", both, sum(tone in found for _, found in rows))
    yield counted(f"{tone}: recall", both, sum(tone in truly for truly, _ in rows))


def _sentences(read: Read) -> Iterator[tuple[frozenset[Tone], frozenset[Tone]]]:
    """(tones that a sentence has, tones that were remarked) of each sentence of a draft."""
    for span, truly in read.draft.sentences():
        here = [remark for remark in read.remarks if min(remark.end, span.end) > max(remark.start, span.start)]
        yield truly, frozenset(tone for tone in TONES if any(remark.kind == tone for remark in here))
