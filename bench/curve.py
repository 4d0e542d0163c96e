"""The learning curve: how good the model is on the held-out part when it learns from fewer authors.

`python -m bench.curve` trains on an eighth, a quarter, a half and all of the training part, whole authors at a time.
"""

import random

from triage import train
from triage.corpus import Record, load_corpus, load_sentences
from triage.figures import report
from triage.resources import corpus_path

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
SHOWN = ("primary of school mail", "macro F1 of the four labels", "school mail: precision", "school mail: recall")


def part(records: list[Record], share: float) -> list[Record]:
    """The mails of so many authors, drawn once, as make up the share."""
    authors = sorted({record.author for record in records})
    random.Random(1).shuffle(authors)
    chosen: list[Record] = []
    for author in authors:
        if len(chosen) >= share * len(records):
            break
        chosen += [record for record in records if record.author == author]
    return chosen


def main() -> None:
    """Print the curve as a Markdown table."""
    records, sentences = load_corpus(corpus_path()), load_sentences(corpus_path())
    learn = [record for record in records if record.split == "train"]
    held_out = [record for record in records if record.split == "heldout"]
    print(f"| mails learned from | {' | '.join(SHOWN)} |")
    print(f"|---|{'---|' * len(SHOWN)}")
    for share in SHARES:
        some = part(learn, share)
        figures = {figure.name: figure for figure in report(train.judge(held_out, train.train(some, sentences)))}
        print(f"| {len(some)} | {' | '.join(f'{figures[name].value:.3f}' for name in SHOWN)} |", flush=True)


if __name__ == "__main__":
    main()
