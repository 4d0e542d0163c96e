"""Pure: honest figures on mail by authors that a model never saw, beside what the simplest rules would give."""

import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from triage.classify import LABELS, Label, Primary, Verdict
from triage.corpus import Record
from triage.facts import Flag
from triage.message import Message
from triage.people import TITLE

# The accuracy of the primary from which a filing is called right: wrong at most once in twenty.
WANTED = 0.95
_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """A held-out record, what was made of it, and the message itself."""

    record: Record
    message: Message
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value with its 95 % interval; `of` says what was counted, `goal` what was aimed at."""

    name: str
    value: float
    interval: tuple[float, float]
    of: str
    goal: str = ""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Score interval of a share at 95 % (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z, n, p = 1.96, count, hits / count
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def report(judged: Sequence[Judged]) -> list[Figure]:
    """The figures of the model card, in its order. Label figures are over all school mail."""
    school = [j for j in judged if j.record.school]
    honest = [j for j in judged if j.record.kind != "forged"]
    filed = [j for j in school if j.verdict.school and not j.verdict.unsure]
    relayed = [j for j in school if j.record.kind == "platform"]
    return [
        *_precision_recall("school mail", honest, _is_school, _seen_as_school, ("0.99", "0.97")),
        _share("primary of school mail", school, _right),
        _share("primary of teachers' mail in English", [j for j in school if _by_teacher(j, "en")], _right, "0.93"),
        _share("primary of school mail in Spanish", [j for j in school if j.record.language == "es"], _right, "0.90"),
        _share(
            "primary of school mail with quoted text", [j for j in school if j.message.parts.quoted], _right, "0.92"
        ),
        _share("relayed by a platform: seen as school mail", relayed, _seen_as_school, "0.98"),
        _share("relayed by a platform: primary", relayed, _right, "0.92"),
        counted("school mail filed without Review", len(filed), len(school)),
        _share("primary of what is filed without Review", filed, _right, f"{WANTED}"),
        _resampled(f"could be filed at {WANTED:.0%} right", school, _filed_when_right, "0.90"),
        *(figure for label in LABELS for figure in _label_figures(label, school)),
        _resampled("macro F1 of the four labels", school, _macro_f1, "0.92"),
        *(_resampled(f"{label}: calibration error", school, _error_of(label), "0.03", less=True) for label in LABELS),
        _resampled("school mail: calibration error", judged, _error_of("school"), "", less=True),
        *_precision_recall("plan", school, _flagged("plan"), _found_flag("plan"), ("", "0.98")),
        *_precision_recall("safety", school, _flagged("safety"), _found_flag("safety"), ("", "0.98")),
        *_dates(school),
        _purposes(school),
        *(figure for who in WHO for figure in _named(who, school)),
        _share("needs_reply", school, lambda j: j.verdict.needs_reply == j.record.needs_reply),
        _share("urgent", school, lambda j: j.verdict.urgent == j.record.urgent),
        _share("forged mail marked suspicious", [j for j in judged if j.record.kind == "forged"], _suspicious, "0.98"),
        _share("honest mail marked suspicious", honest, _suspicious, "0.005", less=True),
        *_baselines(judged),
    ]


def figures_text(judged: Sequence[Judged]) -> str:
    """The held-out report as a Markdown table."""
    return table_of(report(judged))


def table_of(figures: Iterable[Figure]) -> str:
    """Figures as a Markdown table."""
    lines = ["| figure | value | 95 % interval | of | goal |", "|---|---|---|---|---|"]
    for figure in figures:
        low, high = figure.interval
        lines.append(f"| {figure.name} | {figure.value:.3f} | {low:.3f} to {high:.3f} | {figure.of} | {figure.goal} |")
    return "\n".join(lines)


# --- What is asked of one mail -----------------------------------------------------------------------------

Question = Callable[[Judged], bool]


def _right(judged: Judged) -> bool:
    return judged.verdict.primary == judged.record.primary


def _is_school(judged: Judged) -> bool:
    return judged.record.school


def _seen_as_school(judged: Judged) -> bool:
    return judged.verdict.school


def _suspicious(judged: Judged) -> bool:
    return judged.verdict.sender == "suspicious"


def _by_teacher(judged: Judged, language: str) -> bool:
    return judged.record.kind == "teacher" and judged.record.language == language


def _truly(label: Label) -> Question:
    return lambda judged: label in judged.record.labels


def _found(label: Label) -> Question:
    return lambda judged: label in judged.verdict.labels


WHO: tuple[Literal["child", "teacher"], ...] = ("child", "teacher")


def _named(who: Literal["child", "teacher"], school: Sequence[Judged]) -> Iterator[Figure]:
    """With nothing configured: a name counts as right where it shares a word with the one that is recorded."""
    recorded = [one for one in school if _words_of(getattr(one.record, who))]
    yield _share(f"{who}: named and right, where one is recorded", recorded, _names(who))
    given = [one for one in recorded if _given(who, one)]
    yield _share(f"{who}: right, where one is recorded and one is named", given, _names(who))


def _given(who: Literal["child", "teacher"], judged: Judged) -> str | None:
    teacher = judged.verdict.teacher
    return judged.verdict.child if who == "child" else teacher.name if teacher else None


def _names(who: Literal["child", "teacher"]) -> Question:
    return lambda judged: bool(_words_of(_given(who, judged)) & _words_of(getattr(judged.record, who)))


def _words_of(name: str | None) -> set[str]:
    return {word for word in re.findall(r"\w{2,}", (name or "").lower()) if not re.fullmatch(TITLE, word.title())}


def _flagged(flag: Flag) -> Question:
    return lambda judged: flag in judged.record.flags


def _found_flag(flag: Flag) -> Question:
    return lambda judged: flag in judged.verdict.flags


# --- Figures of many -----------------------------------------------------------------------------------------


def _share(name: str, judged: Sequence[Judged], holds: Question, goal: str = "", *, less: bool = False) -> Figure:
    return counted(name, sum(map(holds, judged)), len(judged), _bound(goal, less=less))


def counted(name: str, hits: int, count: int, goal: str = "") -> Figure:
    """A share with its interval."""
    return Figure(name, hits / count if count else 0.0, wilson(hits, count), f"{hits}/{count}", goal)


def _bound(goal: str, *, less: bool) -> str:
    return goal and f"at {'most' if less else 'least'} {goal}"


def _precision_recall(
    name: str, judged: Sequence[Judged], truly: Question, found: Question, goals: tuple[str, str] = ("", "")
) -> Iterator[Figure]:
    both = sum(truly(j) and found(j) for j in judged)
    yield counted(f"{name}: precision", both, sum(map(found, judged)), _bound(goals[0], less=False))
    yield counted(f"{name}: recall", both, sum(map(truly, judged)), _bound(goals[1], less=False))


def _label_figures(label: Label, school: Sequence[Judged]) -> Iterator[Figure]:
    yield from _precision_recall(label, school, _truly(label), _found(label))
    yield _resampled(f"{label}: F1", school, lambda judged: _f1(judged, label))


def _dates(judged: Sequence[Judged]) -> Iterator[Figure]:
    """Dates to keep that are exact to the day, and to the minute where the mail gives an hour."""
    for name, length, goals in (("exact", 16, ("at least 0.90", "at least 0.85")), ("the day", 10, ("", ""))):
        both = found = true = 0
        for one in judged:
            stated, kept = ({due.at[:length] for due in dues} for dues in (one.record.due, one.verdict.due))
            both, found, true = both + len(stated & kept), found + len(kept), true + len(stated)
        yield counted(f"dates to keep, {name}: precision", both, found, goals[0])
        yield counted(f"dates to keep, {name}: recall", both, true, goals[1])


def _purposes(judged: Sequence[Judged]) -> Figure:
    """What dates are for, of those that are kept and exact."""
    right = exact = 0
    for one in judged:
        stated, kept = ({(due.at[:16], due.what) for due in dues} for dues in (one.record.due, one.verdict.due))
        moments = {at for at, _ in stated}
        right, exact = right + len(stated & kept), exact + sum(at in moments for at, _ in kept)
    return counted("dates to keep, exact: what for", right, exact)


def _resampled(
    name: str,
    judged: Sequence[Judged],
    measure: Callable[[Sequence[Judged]], float],
    goal: str = "",
    *,
    less: bool = False,
) -> Figure:
    """A value that is no share of a count: its interval is taken from resamples of the mails (Efron 1979)."""
    draw = random.Random(0)  # noqa: S311 - the same mails give the same interval
    values = sorted(measure(draw.choices(judged, k=len(judged))) for _ in range(_RESAMPLES)) if judged else [0.0]
    low, high = values[int(0.025 * len(values))], values[int(0.975 * len(values))]
    return Figure(name, measure(judged), (low, high), f"{len(judged)} mails", _bound(goal, less=less))


def _f1(judged: Sequence[Judged], label: Label) -> float:
    true = sum(label in j.record.labels for j in judged)
    found = sum(label in j.verdict.labels for j in judged)
    both = sum(label in j.record.labels and label in j.verdict.labels for j in judged)
    return 2 * both / (true + found) if true + found else 0.0


def _macro_f1(judged: Sequence[Judged]) -> float:
    return sum(_f1(judged, label) for label in LABELS) / len(LABELS)


def _filed_when_right(judged: Sequence[Judged]) -> float:
    """The largest share that could be filed, the surest first, with the primary right in the wanted share of it."""
    ranked = sorted(judged, key=lambda j: -j.verdict.confidence)
    right = best = 0
    for count, one in enumerate(ranked, 1):
        right += _right(one)
        if right >= WANTED * count:
            best = count
    return best / len(judged) if judged else 0.0


def _error_of(label: str) -> Callable[[Sequence[Judged]], float]:
    return lambda judged: calibration_error(judged, label)


def calibration_error(judged: Sequence[Judged], label: str, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins (Naeini et al. 2015) of one score."""
    said = [0.0] * bins
    true = [0.0] * bins
    for one in judged:
        score = one.verdict.scores[label]
        index = min(bins - 1, int(score * bins))
        said[index] += score
        true[index] += one.record.school if label == "school" else label in one.record.labels
    return sum(abs(a - b) for a, b in zip(said, true, strict=True)) / len(judged) if judged else 0.0


# --- What the simplest rules give ----------------------------------------------------------------------------

# The words that come to mind first, in the order in which a primary is chosen.
_KEYWORDS: tuple[tuple[Primary, str], ...] = (
    ("meeting_request", r"meet|meeting|conference|schedule|appointment|call|reuni[oó]n|cita"),
    ("behavior", r"behaviou?r|disrupt\w*|fight\w*|hit|rude|detention|conducta|pele\w*"),
    ("homework", r"homework|assignments?|missing|quiz|test|project|grade|tarea|deberes|examen"),
    ("praise", r"proud|great|excellent|wonderful|amazing|congratulations|orgullos\w+|felicidades"),
)
_OF_SCHOOL = re.compile(
    r"\b(?:school|teacher|class|student|grade|escuela|colegio|maestr[oa]|profesora?|alumn\w+)\b", re.IGNORECASE
)


def by_keywords(message: Message) -> Primary:
    """The primary by keyword rules, as a mail client's own filters would have it."""
    text = f"{message.subject}\n{message.parts.own}"
    first = next((name for name, words in _KEYWORDS if re.search(rf"(?i)\b(?:{words})\b", text)), None)
    if not _OF_SCHOOL.search(f"{text}\n{message.sender.address}"):
        return "not_school"
    return first or "other_school"


def _baselines(judged: Sequence[Judged]) -> Iterator[Figure]:
    school, honest = [j for j in judged if j.record.school], [j for j in judged if j.record.kind != "forged"]
    said = {id(j): by_keywords(j.message) for j in judged}
    known: list[Primary] = [j.record.primary for j in school]
    yield from _precision_recall(
        "keyword rules: school mail", honest, _is_school, lambda j: said[id(j)] != "not_school"
    )
    yield _share("keyword rules: primary of school mail", school, lambda j: said[id(j)] == j.record.primary)
    most = max(sorted(set(known)), key=known.count, default="")
    yield _share(
        f"always the most frequent ({most}): primary of school mail", school, lambda j: j.record.primary == most
    )
