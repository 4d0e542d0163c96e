"""Pure: facts and scores to a verdict. No scikit-learn here; the words of the judgement live here.

A label is what a mail is about (several at once are normal), its primary the one folder it belongs in.
`unsure` says that a wrong filing is likelier than the thresholds allow: such a mail goes to Review.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args

from triage.dates import What, chosen
from triage.facts import FLAGS, Facts, Flag
from triage.ical import Invitation
from triage.lexicon import pattern
from triage.message import Message, Person
from triage.sender import SenderKind, Standing, is_automatic
from triage.text import sentences

Label = Literal["homework", "behavior", "meeting_request", "praise"]
Primary = Literal["meeting_request", "behavior", "homework", "praise", "other_school", "not_school"]
Ask = Literal["needs_reply", "urgent", "plan", "safety", "bulk"]

LABELS: tuple[Label, ...] = get_args(Label)
# Of two labels equally central to a mail, the one that stands first here names its folder.
PRIMARIES: tuple[Primary, ...] = get_args(Primary)
ASKS: tuple[Ask, ...] = get_args(Ask)
# A mail that reads so much like the school's is not called forged on the strength of its words.
SURELY_SCHOOL = 0.8
# Below it a flag is named for caution alone. By folds over authors 732 true ones of 786 and 329 false ones lie above;
# those below are shown at once all the same. From 0.02 on it would be 767, and 1,060 false ones.
_ALARMING = 0.1
# Below it, without a word of danger (by folds 6 true ones of 321), no sentence is shown for a flag.
_WORTH_A_LINE = 0.02
# A stranger's mail in a language that the model does not know is looked at where so many words speak of school.
_SCHOOL_WORDS = 2
# From here on a stranger's mail that may touch danger or a plan is the school's.
_EVEN = 0.5
# With fewer words than these a stranger's mail tells nothing, and its probability is that of mail at large.
_FEWEST_WORDS = 4
_WORD = re.compile(r"[^\W\d_]+")
# From here on a stranger's mail that is left alone is asked about: by folds half of such mail is the school's.
_PERHAPS = 0.4
FORGED = "its words and sender look to the model like those of forged school mail"
# The languages that the model was trained on.
KNOWN_LANGUAGES = frozenset({"en", "es"})


@dataclass(frozen=True, slots=True)
class DateScore:
    """How probable it is that a date of the mail is one to keep, and what it is for."""

    keep: float
    what: What


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model makes of one message; all values are probabilities in [0, 1].

    `primary` sums to 1 over the six primaries. `evidence` holds, for each label and for plan and safety, the sentences
    that speak for it most, best first, each with its own probability. `dates` stands beside `Facts.due`.
    """

    labels: Mapping[Label, float]
    school: float
    forged: float
    primary: Mapping[Primary, float]
    asks: Mapping[Ask, float]
    evidence: Mapping[Label | Flag, tuple[tuple[str, float], ...]]
    dates: tuple[DateScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where probability becomes decision; fitted on held-out mail and stored with the model."""

    school: float = 0.5
    forged: float = 0.9
    labels: Mapping[Label, float] | None = None
    sure: float = 0.5
    asks: Mapping[Ask, float] | None = None
    dates: float = 0.5

    def label(self, label: Label) -> float:
        """Probability from which `label` holds."""
        return (self.labels or {}).get(label, 0.5)

    def ask(self, ask: Ask) -> float:
        """Probability from which `ask` holds."""
        return (self.asks or {}).get(ask, 0.5)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of the mail and the label or flag that it speaks for."""

    label: Primary | Flag
    text: str


@dataclass(frozen=True, slots=True)
class DueDate:
    """A date to keep, as it is shown: `at` in ISO 8601, with offset where the mail gives an hour."""

    at: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one message, as `classify --json` prints it."""

    message_id: str
    subject: str
    date: datetime | None
    school: bool
    labels: tuple[Label, ...]
    primary: Primary
    scores: Mapping[str, float]
    confidence: float
    unsure: bool
    reason: str
    needs_reply: bool
    urgent: bool
    due: tuple[DueDate, ...]
    child: str | None
    teacher: Person | None
    sender: SenderKind
    warnings: tuple[str, ...]
    language: str
    flags: tuple[Flag, ...]
    evidence: tuple[Evidence, ...]
    cancelled: tuple[str, ...] = ()
    # Flags that probably do not hold: named all the same, and shown without alarm.
    doubted: tuple[Flag, ...] = ()

    @property
    def danger(self) -> bool:
        """Whether it tells of danger, as far as anybody can say."""
        return "safety" in self.flags and "safety" not in self.doubted

    def to_json(self, path: str = "") -> dict[str, Any]:
        """One object of the documented interface."""
        teacher = {"name": self.teacher.name, "address": self.teacher.address} if self.teacher else None
        return {
            "path": path,
            "message_id": self.message_id,
            "subject": self.subject,
            "date": self.date.isoformat() if self.date else None,
            "school": self.school,
            "labels": list(self.labels) or [self.primary],
            "primary": self.primary,
            "scores": dict(self.scores),
            "unsure": self.unsure,
            "reason": self.reason,
            "needs_reply": self.needs_reply,
            "urgent": self.urgent,
            "due": [{"at": due.at, "what": due.what, "text": due.text} for due in self.due],
            "child": self.child,
            "teacher": teacher,
            "sender": self.sender,
            "warnings": list(self.warnings),
            "language": self.language,
            "flags": list(self.flags),
            "evidence": [{"label": item.label, "text": item.text} for item in self.evidence],
            "cancelled": list(self.cancelled),
            "error": None,
        }


# In the order of `Verdict.to_json`.
_FIELDS = (
    "path", "message_id", "subject", "date", "school", "labels", "primary", "scores", "unsure", "reason", "needs_reply",
    "urgent", "due", "child", "teacher", "sender", "warnings", "language", "flags", "evidence", "cancelled", "error",
)  # fmt: skip


def unreadable_json(path: str, error: str) -> dict[str, Any]:
    """The object of a message that could not be read."""
    lists: dict[str, Any] = {key: [] for key in ("labels", "due", "warnings", "flags", "evidence", "cancelled")}
    flags = {"unsure": True, "reason": error, "needs_reply": False, "urgent": False}
    known = {"path": path, **lists, **flags, "scores": {}, "error": error}
    return {field: known.get(field) for field in _FIELDS}


def classify(
    message: Message, facts: Facts, scores: Scores, thresholds: Thresholds, not_to_lose: str = "", *, told: bool = False
) -> Verdict:
    """Combine what the mail states with what it probably means; `not_to_lose` as in `why_not_to_lose`.

    `told`: somebody says that it is the school's, whatever the model makes of it.
    """
    facts = replace(facts, standing=_standing(facts.standing, scores, thresholds))
    standing = facts.standing
    school = told or _is_school(message, facts, scores, thresholds)
    invited = _invitation(message) if school and "bulk" not in facts.flags else None
    meets = invited is not None and not invited.cancelled
    labels = _labels(scores, thresholds, meets=meets) if school else ()
    primary = _primary(school, labels, scores)
    confidence = _confidence(facts, scores, primary)
    kept = "; ".join(standing.warnings) or not_to_lose if not_to_lose and not school else ""
    reason = kept or _doubt(facts, scores, thresholds, confidence, school=school)
    flags = _flags(facts, scores, thresholds) if school else ()
    doubted = tuple(flag for flag in flags if scores.asks[flag] < _ALARMING and not _is_grave(flag, facts))
    safety = "safety" in flags and "safety" not in doubted
    bulk = "bulk" in flags
    # A relay sends by program what a person wrote.
    awaited = not bulk and (bool(standing.via) or not is_automatic(message))
    return Verdict(
        message_id=message.message_id,
        subject=message.subject,
        date=message.date,
        school=school,
        labels=labels,
        primary=primary,
        scores={name: round(value, 4) for name, value in _named_scores(scores)},
        confidence=round(confidence, 4),
        unsure=bool(reason),
        reason=reason,
        needs_reply=school and awaited and _holds("needs_reply", facts.asks, scores, thresholds),
        urgent=school
        and not bulk
        and ((safety and scores.asks["urgent"] > 0.2) or _holds("urgent", facts.today, scores, thresholds)),
        due=_due(facts, scores, thresholds, invited) if school else (),
        child=facts.child if school else None,
        teacher=facts.teacher if school else None,
        sender=standing.kind,
        warnings=standing.warnings,
        language=facts.language,
        flags=flags,
        evidence=_evidence(labels, flags, scores, facts)
        + (_news(message, facts) if school and not labels and not bulk else ()),
        cancelled=_cancelled(invited) if not reason and not standing.warnings else (),
        doubted=doubted,
    )


def _news(message: Message, facts: Facts) -> tuple[Evidence, ...]:
    """What school mail without a label says: the sentences of its dates, then those that ask for something."""
    own = sentences(message.parts.own)
    dated = [text for text in own if any(due.text in text for due in facts.due)]
    asking = [text for text in own if pattern("asks").search(text)]
    return tuple(Evidence("other_school", text) for text in dict.fromkeys((*dated, *asking)))[:2]


def _invitation(message: Message) -> Invitation | None:
    """The meeting that a mail's calendar file invites to or takes back, at the hour of the mail's own zone."""
    invited = message.invitation
    if invited is None or not isinstance(invited.at, datetime) or message.date is None:
        return invited
    zone = message.date.tzinfo
    return replace(invited, at=invited.at.astimezone(zone) if invited.at.tzinfo else invited.at.replace(tzinfo=zone))


def _cancelled(invited: Invitation | None) -> tuple[str, ...]:
    """The meeting that is taken out of the calendar: never by a mail that goes to Review or may be forged."""
    return (invited.at.isoformat(),) if invited is not None and invited.cancelled else ()


def _due(facts: Facts, scores: Scores, thresholds: Thresholds, invited: Invitation | None) -> tuple[DueDate, ...]:
    """The dates to keep, in the order of the mail; of two readings of one day the likelier."""
    judged = [
        (score.keep, replace(due, what=score.what))
        for due, score in zip(facts.due, scores.dates, strict=True)
        if score.keep >= thresholds.dates
    ]
    best = chosen([due for _, due in sorted(judged, key=lambda pair: -pair[0])])
    found = tuple(DueDate(due.at.isoformat(), due.what, due.text) for _, due in judged if due in best)
    if invited is None:
        return found
    # What a calendar file says is exact: it takes the place of what was read of that day.
    day = invited.at.isoformat()[:10]
    others = tuple(due for due in found if due.at[:10] != day)
    return others if invited.cancelled else (DueDate(invited.at.isoformat(), "meeting", invited.title), *others)


def _standing(standing: Standing, scores: Scores, thresholds: Thresholds) -> Standing:
    """A stranger who writes as forgers do is suspicious, even if the header fields hold nothing against it."""
    doubted = scores.forged >= thresholds.forged and scores.school < SURELY_SCHOOL
    if standing.kind == "unknown" and doubted:
        return replace(standing, kind="suspicious", warnings=(*standing.warnings, FORGED))
    return standing


def _named_scores(scores: Scores) -> Iterator[tuple[str, float]]:
    yield from scores.labels.items()
    yield "school", scores.school


def _is_school(message: Message, facts: Facts, scores: Scores, thresholds: Thresholds) -> bool:
    if facts.language not in KNOWN_LANGUAGES:
        return _may_be_schools(message, facts)
    if facts.standing.kind == "suspicious":
        # Never filed as the school's on the strength of its words alone.
        return False
    if facts.standing.kind in ("known", "school"):
        return True
    # Missing what touches danger or a plan is worse than looking at a mail too many: even odds are enough.
    grave = any(scores.asks[flag] >= _ALARMING for flag in FLAGS[:2])
    stranger = facts.standing.kind == "unknown"
    if stranger and not grave and len(_WORD.findall(f"{message.subject} {message.parts.own}")) < _FEWEST_WORDS:
        return False
    return scores.school >= (min(thresholds.school, _EVEN) if grave else thresholds.school)


def perhaps_schools(verdict: Verdict) -> bool:
    """Whether a stranger's mail that is left alone may be the school's all the same: the parent is to be asked."""
    left = not verdict.school and not verdict.unsure and verdict.sender == "unknown" and not verdict.warnings
    return left and verdict.language in KNOWN_LANGUAGES and verdict.scores["school"] >= _PERHAPS


def _may_be_schools(message: Message, facts: Facts) -> bool:
    """Mail in a language that the model was not trained on: by who writes and of what, not by its probabilities."""
    if facts.standing.kind != "unknown":
        return facts.standing.kind != "suspicious"
    domain = re.sub(r"[.-]", " ", message.sender.domain)
    said = f"{message.sender.name}\n{domain}\n{message.subject}\n{message.parts.own}".lower()
    return "bulk" not in facts.flags and len(set(pattern("school_words").findall(said))) >= _SCHOOL_WORDS


def _labels(scores: Scores, thresholds: Thresholds, *, meets: bool) -> tuple[Label, ...]:
    return tuple(
        label
        for label in LABELS
        if scores.labels[label] >= thresholds.label(label) or (meets and label == "meeting_request")
    )


def _primary(school: bool, labels: tuple[Label, ...], scores: Scores) -> Primary:
    if not school:
        return "not_school"
    if not labels:
        return "other_school"
    # `PRIMARIES` is in the order of precedence, and max() keeps the first of equals.
    candidates = [primary for primary in PRIMARIES if primary in labels or primary == "other_school"]
    return max(candidates, key=lambda primary: scores.primary[primary])


def _confidence(facts: Facts, scores: Scores, primary: Primary) -> float:
    """Probability that the primary is right; who is known to write for the school leaves no doubt of that part."""
    if primary == "not_school":
        return 1 - scores.school
    among_school = sum(share for name, share in scores.primary.items() if name != "not_school")
    certain = facts.standing.kind in ("known", "school") and among_school > 0
    return scores.primary[primary] / among_school if certain else scores.primary[primary]


def _doubt(facts: Facts, scores: Scores, thresholds: Thresholds, confidence: float, *, school: bool) -> str:
    """Why the mail should be looked at by a person, empty where it need not."""
    if facts.standing.kind == "suspicious":
        return "; ".join(facts.standing.warnings) if scores.school >= thresholds.school else ""
    if not school:
        return ""
    if facts.language not in KNOWN_LANGUAGES:
        return f'it is written in another language ("{facts.language}")'
    return "it is not clear what this mail is about" if confidence < thresholds.sure else ""


def _holds(ask: Ask, stated: bool, scores: Scores, thresholds: Thresholds) -> bool:
    probability, needed = scores.asks[ask], thresholds.ask(ask)
    # Words that ask plainly count as half the proof.
    return probability >= (needed / 2 if stated else needed)


def _flags(facts: Facts, scores: Scores, thresholds: Thresholds) -> tuple[Flag, ...]:
    return tuple(flag for flag in FLAGS if _holds(flag, flag in facts.flags, scores, thresholds))


def _is_grave(flag: Flag, facts: Facts) -> bool:
    """Whether plain words tell of danger to life."""
    return flag == "safety" and any(pattern("grave").search(text) for name, text in facts.quotes if name == flag)


def _evidence(labels: tuple[Label, ...], flags: tuple[Flag, ...], scores: Scores, facts: Facts) -> tuple[Evidence, ...]:
    found = [Evidence(label, text) for label in labels for text, _ in scores.evidence.get(label, ())[:2]]
    for flag in flags:
        quotes = [text for named, text in facts.quotes if named == flag]
        # Where no word says it plainly, the sentence that made the model think so.
        if not quotes and scores.asks[flag] >= _WORTH_A_LINE:
            quotes = [text for text, _ in scores.evidence.get(flag, ())[:1]]
        found += [Evidence(flag, text) for text in quotes]
    return tuple(dict.fromkeys(found))
