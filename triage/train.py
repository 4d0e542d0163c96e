"""From corpus and corrections to a model, and from a model to verdicts on corpus mail."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from triage.adapt import Corrected, adapt
from triage.classify import LABELS, PRIMARIES, classify
from triage.config import Config
from triage.corpus import Record, Sentence
from triage.facts import find_facts
from triage.figures import Judged
from triage.fit import Example, Said, fit
from triage.message import parse_message
from triage.model import Model
from triage.text import Parts

# The corpus is read as on a machine where nothing is configured: no child, no school, no zone is known.
NOBODY = Config(timezone="UTC")


def examples_of(records: Iterable[Record]) -> list[Example]:
    """What the model learns from, read exactly as the daemon reads mail."""
    return [_example(record) for record in records]


def _example(record: Record) -> Example:
    message = parse_message(record.to_bytes())
    asks = {*record.flags, *(["needs_reply"] if record.needs_reply else []), *(["urgent"] if record.urgent else [])}
    return Example(
        message=message,
        facts=find_facts(message, NOBODY),
        labels=frozenset(label for label in LABELS if label in record.labels),
        primary=record.primary,
        asks=frozenset(asks) if record.school else frozenset(),  # type: ignore[arg-type]
        evidence=tuple((span.label, span.text) for span in record.evidence),
        due={due.at: due.what for due in record.due},
        group=record.author,
        forged=record.kind == "forged",
    )


def train(records: Sequence[Record], sentences: Sequence[Sentence] = ()) -> Model:
    """Fit on the training split and on sentences."""
    return fit(examples_of(r for r in records if r.split == "train"), [_said(sentence) for sentence in sentences])


def _said(sentence: Sentence) -> Said:
    names = frozenset(name for name in sentence.marks if name not in ("other", "not_school"))
    return Said(sentence.text, names, "not_school" not in sentence.marks)  # type: ignore[arg-type]


def learn(base: Model, rows: Iterable[tuple[str, Sequence[str]]]) -> Model:
    """The base, moved by (subject line and own words, labels) of mails that the parent corrected."""
    return adapt(base, [_corrected(text, labels) for text, labels in rows])


def _corrected(text: str, labels: Sequence[str]) -> Corrected:
    subject, _, own = text.partition("\n")
    message = replace(_EMPTY, subject=subject, parts=Parts(own=own))
    primary = next(name for name in PRIMARIES if name in labels)
    return Corrected(
        message, find_facts(message, NOBODY), frozenset(label for label in LABELS if label in labels), primary
    )


_EMPTY = parse_message(b"Subject: .\r\n\r\n")


def judge(records: Sequence[Record], model: Model) -> list[Judged]:
    """Verdicts on corpus records."""
    messages = [parse_message(record.to_bytes()) for record in records]
    facts = [find_facts(message, NOBODY) for message in messages]
    scores = model.score(messages, facts)
    return [
        Judged(record, m, classify(m, f, s, model.thresholds))
        for record, m, f, s in zip(records, messages, facts, scores, strict=True)
    ]
