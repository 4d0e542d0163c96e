"""What a parent's corrections do to a model that never saw the authors of the parent's mail.

`python -m bench.corrections` (ten minutes, most of it that model): four parents, with three authors each, correct half
of their mail, where its labels are wrong or it is in Review. Measured on the other half, on the nine other authors'
mail, and on what was wrong once more, as the next of its kind would be: without a third of its sentences and a seventh
of its words.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from triage import train
from triage.classify import LABELS, Verdict, classify
from triage.corpus import load_corpus, load_sentences
from triage.facts import find_facts
from triage.fit import Example
from triage.model import Model
from triage.resources import corpus_path
from triage.text import sentences

PARENTS, EACH = 4, 3


def main() -> int:
    """A row for each parent and one for all: primaries that are right before and after."""
    records = [record for record in load_corpus(corpus_path()) if record.split == "train"]
    sizes = Counter(record.author for record in records)
    middling = sorted(author for author, number in sizes.items() if 60 <= number <= 400)
    authors = sorted(Random(7).sample(middling, PARENTS * EACH))
    Random(3).shuffle(authors)
    base = train.train([r for r in records if r.author not in authors], load_sentences(corpus_path()))
    mails = {author: train.examples_of(r for r in records if r.author == author) for author in authors}
    print("| corrected | their authors' other mail | other authors' mail | once more | seconds |")
    print(f"|{'---|' * 5}")
    total: Counter[str] = Counter()
    for start in range(0, len(authors), EACH):
        total += _parent(base, mails, authors[start : start + EACH])
    _print(total)
    return 0


def _parent(base: Model, mails: dict[str, list[Example]], mine: Sequence[str]) -> Counter[str]:
    draw = Random(1)
    first = [e for author in mine for e in mails[author][: len(mails[author]) // 2]]
    judged = list(zip(first, _verdicts(base, first), strict=True))
    told = [e for e, verdict in judged if verdict.unsure or not _all_right(e, verdict)]
    started = time.perf_counter()
    model = train.learn(base, [(f"{e.message.subject}\n{e.message.parts.own}", _said_of(e)) for e in told])
    found = Counter({"corrected": len(told), "ms": round(1000 * (time.perf_counter() - started))})
    for name, looked_at in (
        ("then", [e for author in mine for e in mails[author][len(mails[author]) // 2 :]]),
        ("others", [e for author in sorted(set(mails) - set(mine)) for e in mails[author]]),
        ("again", [_next(e, draw) for e, verdict in judged if not _all_right(e, verdict)]),
    ):
        found[name] = len(looked_at)
        for when, judge in (("before", base), ("after", model)):
            verdicts = _verdicts(judge, looked_at)
            found[f"{name} {when}"] = sum(v.primary == e.primary for e, v in zip(looked_at, verdicts, strict=True))
    _print(found)
    return found


def _verdicts(model: Model, examples: Sequence[Example]) -> list[Verdict]:
    scores = model.score([e.message for e in examples], [e.facts for e in examples])
    return [classify(e.message, e.facts, s, model.thresholds) for e, s in zip(examples, scores, strict=True)]


def _all_right(example: Example, verdict: Verdict) -> bool:
    return verdict.primary == example.primary and set(verdict.labels) & set(LABELS) == example.labels


def _said_of(example: Example) -> tuple[str, ...]:
    return tuple(label for label in LABELS if label in example.labels) or (example.primary,)


def _next(example: Example, draw: Random) -> Example:
    kept = [sentence for sentence in sentences(example.message.parts.own) if draw.random() > 1 / 3]
    own = "\n".join(" ".join(w for w in s.split() if draw.random() > 1 / 7) for s in kept)
    message = replace(example.message, parts=replace(example.message.parts, own=own))
    return replace(example, message=message, facts=find_facts(message, train.NOBODY))


def _print(found: Counter[str]) -> None:
    shares = " | ".join(
        f"{found[f'{name} before'] / found[name]:.3f} to {found[f'{name} after'] / found[name]:.3f} of {found[name]}"
        for name in ("then", "others", "again")
    )
    print(f"| {found['corrected']} | {shares} | {found['ms'] / 1000:.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
