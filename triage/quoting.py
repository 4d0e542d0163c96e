"""Pure: which of a mail's own words a card repeats, and how much of a sentence."""

import re
from collections.abc import Sequence

from triage.classify import Evidence, Primary, Verdict
from triage.draft import other_children
from triage.lexicon import entries
from triage.text import one_line


def about(verdict: Verdict, situation: str) -> str:
    """The label or flag whose words a card repeats: where a concern comes with an invitation, the concern."""
    if situation in ("plan", "safety"):
        return situation
    if situation == "resolved":
        return "praise"
    if situation == "settled":
        return concern_of(verdict)
    return concern_of(verdict) if situation in _OF_A_CONCERN else verdict.primary


_OF_A_CONCERN = frozenset({"second", "third", "praise_concern", "behavior_meeting", "homework_meeting"})


def concern_of(verdict: Verdict) -> Primary:
    """The label of the concern, where there is one."""
    return next((label for label in ("behavior", "homework") if label in verdict.labels), verdict.primary)


def distinct(verdict: Verdict, situation: str) -> list[Evidence]:
    """What the mail says, that which the card is about first."""
    first = about(verdict, situation)
    ordered = sorted(verdict.evidence, key=lambda item: item.label != first)
    by_text: dict[str, Evidence] = {}
    for item in ordered:
        by_text.setdefault(item.text, item)
    found = list(by_text.values())
    return ([item for item in found if len(item.text.split()) >= _SENTENCE] or found)[:4]


def evidence_of(verdict: Verdict, label: str, family: Sequence[str]) -> str:
    """What is repeated of the evidence for a label, empty where nothing fits."""
    # Short, since it is repeated; the whole sentence stands among what the mail says. Repeated, a "why" reproaches.
    texts = [item.text for item in verdict.evidence if item.label == label and not _WHY.search(item.text)]
    texts = [text for text in texts if len(text.split()) > _REMARK or not _POINTS.match(text)]
    # "What would help with this: Could you have a look?" repeats what is asked, not what there is.
    texts = [text for text in texts if label == "praise" or not text.rstrip('"”»’ ').endswith("?")]
    # A sentence that names the child says what it is about.
    texts.sort(key=lambda text: not (verdict.child and verdict.child.split()[0] in text))
    said = next((text for text in texts if len(text.split()) >= _SENTENCE), next(iter(texts), ""))
    if not said or (label != "praise" and other_children(said, family)):
        # What the parent asks or answers names no other family's child, and what else was said is not what it is about.
        return ""
    # A teacher who reads half of their own sentence in an answer wonders at it.
    whole = (
        _clause(one_line(text, 2000))
        for text in (said, *texts)
        if label == "praise" or not other_children(text, family)
    )
    return next(filter(None, whole), "")


def reproaches(text: str) -> bool:
    """Whether a sentence asks why: in an answer it would read as a charge."""
    return bool(_WHY.search(text))


def _clause(text: str) -> str:
    """What a sentence has to say, whole; a long one up to where it pauses, marked as cut, or empty.

    It is never cut where what follows takes back what stands before.
    """
    text = _JOINS.sub("", _GREETING.sub("", text))
    begun = _OPENING.match(text)
    text = text[begun.end() :] if begun else text
    if len(text) <= _REPEATED:
        return text
    cuts = () if _DENIES.search(text) else _PAUSES.finditer(text)
    ends = [match.start() for match in cuts if _REPEATED // 4 <= match.start() <= _REPEATED]
    return f"{text[: ends[-1]]} …" if ends else ""


# A quotation of fewer words than this says little; one of more letters than that is cut when it is repeated.
_SENTENCE, _REMARK, _REPEATED = 4, 6, 120
_OPENING = re.compile(rf"(?:{'|'.join(entries('openings'))})", re.IGNORECASE)
_WHY = re.compile(r"\bwhy\b|\bpor qué\b", re.IGNORECASE)
_GREETING = re.compile(
    r"\A\W*(?i:hi|hello|hey|good (?:morning|afternoon|evening)|hola|buen[oa]s (?:d[ií]as|tardes|noches))\b"
    r"[^,.!:;?]{0,30}[,.!:] +(?=\w)"
)
# "It is due Monday" says little where what "it" is does not stand beside it.
_POINTS = re.compile(
    r"\W*(?:it|this|that|these|those|esto|eso|esta|ese)\b['’]?(?:s| is| was| will| has| are| were| es| fue) ",
    re.IGNORECASE,
)
_JOINS = re.compile(r"\A\W*(?:But|And|So|Also|Pero|Y|Así que|También),? +(?=\w)")
_TAKES_BACK = r"(?!(?:but|until|unless|except|though|although|yet|however|pero|hasta|salvo|excepto|aunque|sin)\b)"
_PAUSES = re.compile(
    rf"[,;:] {_TAKES_BACK}| [–—] {_TAKES_BACK}| (?=(?:and|so|because|when|while|then|y|porque|cuando|luego) )"
)
_DENIES = re.compile(r"\b(?:not|never|no|nobody|nothing|without|ni|nunca|nadie|sin)\b|n['’]t\b", re.IGNORECASE)
