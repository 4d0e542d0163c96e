"""From corpus and corrections to a model, and from a model to honest figures on mail by authors it never saw."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from triage.classify import LABELS, PRIMARIES, Label, Verdict, classify
from triage.config import Config
from triage.corpus import Record
from triage.facts import Flag, find_facts
from triage.fit import Example, fit
from triage.message import Message, parse_message
from triage.model import Model
from triage.text import Parts

# The corpus is read as on a machine where nothing is configured: no child, no school, no zone is known.
_NOBODY = Config(timezone="UTC").model_copy(update={"timezone": "UTC"})
# One correction by the parent weighs as much as so many mails of the corpus.
CORRECTION_WEIGHT = 5.0


def examples_of(records: Iterable[Record]) -> list[Example]:
    """What the model learns from, read exactly as the daemon reads mail."""
    return [_example(record) for record in records]


def _example(record: Record) -> Example:
    message = parse_message(record.to_bytes())
    asks = {*record.flags, *(["needs_reply"] if record.needs_reply else []), *(["urgent"] if record.urgent else [])}
    return Example(
        message=message,
        facts=find_facts(message, _NOBODY),
        labels=frozenset(label for label in LABELS if label in record.labels),
        primary=record.primary,
        asks=frozenset(asks) if record.school else frozenset(),  # type: ignore[arg-type]
        evidence=tuple((span.label, span.text) for span in record.evidence),
        due={due.at: due.what for due in record.due},
        group=record.author,
        forged=record.kind == "forged",
    )


def corrections_of(rows: Iterable[tuple[str, Sequence[str]]]) -> list[Example]:
    """Examples from (subject line and own words, labels) of mails that the parent corrected."""
    found = []
    for text, labels in rows:
        subject, _, own = text.partition("\n")
        message = replace(_EMPTY, subject=subject, parts=Parts(own=own))
        primary = next(name for name in PRIMARIES if name in labels)
        found.append(
            Example(
                message=message,
                facts=find_facts(message, _NOBODY),
                labels=frozenset(label for label in LABELS if label in labels),
                primary=primary,
                asks=frozenset(),
                evidence=(),
                due=None,
                group="parent",
                weight=CORRECTION_WEIGHT,
            )
        )
    return found


_EMPTY = parse_message(b"Subject: .\r\n\r\n")


def train(
    records: Sequence[Record], corrected: Sequence[tuple[str, Sequence[str]]] = (), base: Model | None = None
) -> Model:
    """Fit on the training split, and on the parent's own corrections; `base` as in `fit`."""
    return fit(examples_of(r for r in records if r.split == "train") + corrections_of(corrected), base)


# --- Figures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured share: `hits` of `count`, with its 95 % Wilson interval."""

    name: str
    hits: int
    count: int

    @property
    def value(self) -> float:
        """The share, 0 where there was nothing to count."""
        return self.hits / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson score interval at 95 % (Wilson 1927)."""
        if not self.count:
            return 0.0, 1.0
        z, n, p = 1.96, self.count, self.value
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class Judged:
    """A held-out record, what was made of it, and the message itself."""

    record: Record
    message: Message
    verdict: Verdict


def judge(records: Sequence[Record], model: Model) -> list[Judged]:
    """Verdicts on corpus records."""
    messages = [parse_message(record.to_bytes()) for record in records]
    facts = [find_facts(message, _NOBODY) for message in messages]
    scores = model.score(messages, facts)
    return [
        Judged(record, m, classify(m, f, s, model.thresholds))
        for record, m, f, s in zip(records, messages, facts, scores, strict=True)
    ]


def report(judged: Sequence[Judged]) -> list[Figure]:
    """The figures of the model card, in its order. Label figures are over school mail that was seen as such."""
    school = [j for j in judged if j.record.school]
    honest = [j for j in judged if j.record.kind != "forged"]
    filed = [j for j in school if j.verdict.school and not j.verdict.unsure]
    figures = [
        *_precision_recall("school mail", honest, lambda j: j.record.school, lambda j: j.verdict.school),
        _share("primary of school mail", school, _right),
        _share("primary of school mail, filed without Review", filed, _right),
        Figure("school mail filed without Review", len(filed), len(school)),
    ]
    for label in LABELS:
        figures += _precision_recall(label, school, _truly(label), _found(label))
    figures += [
        *_precision_recall("plan", school, _flagged("plan"), lambda j: "plan" in j.verdict.flags),
        *_precision_recall("safety", school, _flagged("safety"), lambda j: "safety" in j.verdict.flags),
        *_dates(school),
        _share("needs_reply", school, lambda j: j.verdict.needs_reply == j.record.needs_reply),
        _share("urgent", school, lambda j: j.verdict.urgent == j.record.urgent),
        _share(
            "forged mail marked suspicious",
            [j for j in judged if j.record.kind == "forged"],
            lambda j: j.verdict.sender == "suspicious",
        ),
        _share("honest mail marked suspicious", honest, lambda j: j.verdict.sender == "suspicious"),
    ]
    return figures


def _share(name: str, judged: Sequence[Judged], holds: Callable[[Judged], bool]) -> Figure:
    return Figure(name, sum(map(holds, judged)), len(judged))


def _right(judged: Judged) -> bool:
    return judged.verdict.primary == judged.record.primary


def _truly(label: Label) -> Callable[[Judged], bool]:
    return lambda judged: label in judged.record.labels


def _found(label: Label) -> Callable[[Judged], bool]:
    return lambda judged: label in judged.verdict.labels


def _flagged(flag: Flag) -> Callable[[Judged], bool]:
    return lambda judged: flag in judged.record.flags


def _dates(judged: Sequence[Judged]) -> Iterator[Figure]:
    """Dates to keep that are exact to the day, and to the minute where the mail gives an hour."""
    both = found = true = 0
    for one in judged:
        stated, kept = {due.at for due in one.record.due}, {due.at[:16] for due in one.verdict.due}
        both, found, true = both + len(stated & kept), found + len(kept), true + len(stated)
    yield Figure("dates to keep, exact: precision", both, found)
    yield Figure("dates to keep, exact: recall", both, true)


def _precision_recall(
    name: str, judged: Sequence[Judged], truly: Callable[[Judged], bool], found: Callable[[Judged], bool]
) -> Iterator[Figure]:
    both = sum(truly(j) and found(j) for j in judged)
    yield Figure(f"{name}: precision", both, sum(map(found, judged)))
    yield Figure(f"{name}: recall", both, sum(map(truly, judged)))


def f1(figures: Sequence[Figure], name: str) -> float:
    """F1 of a label from its precision and recall."""
    by_name = {figure.name: figure for figure in figures}
    precision, recall = by_name[f"{name}: precision"], by_name[f"{name}: recall"]
    total = precision.count + recall.count
    return 2 * precision.hits / total if total else 0.0


def calibration_error(judged: Sequence[Judged], label: str, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins (Naeini et al. 2015) of one score."""
    rows = [j for j in judged if label == "school" or j.record.school]
    total = 0.0
    for index in range(bins):
        inside = [j for j in rows if min(bins - 1, int(j.verdict.scores[label] * bins)) == index]
        if inside:
            said = sum(j.verdict.scores[label] for j in inside) / len(inside)
            true = sum(j.record.school if label == "school" else label in j.record.labels for j in inside) / len(inside)
            total += abs(said - true) * len(inside) / len(rows)
    return total


def figures_text(judged: Sequence[Judged]) -> str:
    """The held-out report as a Markdown table."""
    figures = report(judged)
    lines = ["| figure | value | 95 % interval | of |", "|---|---|---|---|"]
    for figure in figures:
        low, high = figure.interval
        lines.append(f"| {figure.name} | {figure.value:.3f} | {low:.3f} to {high:.3f} | {figure.hits}/{figure.count} |")
    scores = [f1(figures, label) for label in LABELS]
    lines += [f"| {label}: F1 | {score:.3f} | | |" for label, score in zip(LABELS, scores, strict=True)]
    lines.append(f"| macro F1 of the four labels | {sum(scores) / len(scores):.3f} | | |")
    lines += [
        f"| {name}: calibration error | {calibration_error(judged, name):.3f} | | |" for name in (*LABELS, "school")
    ]
    return "\n".join(lines)
