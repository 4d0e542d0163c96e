"""Put the figures of the shipped model into its card: `python -m bench.card`."""

import re

from triage import figures, train
from triage import model as models
from triage.corpus import load_corpus
from triage.resources import corpus_path, shipped


def main() -> None:
    """Judge the held-out part and write the table between the marks of models/MODEL_CARD.md."""
    records = load_corpus(corpus_path())
    held_out = [record for record in records if record.split == "heldout"]
    fitted = models.load(shipped("models") / "triage.skops")
    table = figures.figures_text(train.judge(held_out, fitted))
    learned = sum(record.split == "train" for record in records)
    note = f"Trained on {learned} mails, measured on {len(held_out)}.\n\n{table}"
    card = shipped("models") / "MODEL_CARD.md"
    text = card.read_text(encoding="utf-8")
    text = re.sub(r"(?s)<!-- figures -->.*<!-- end -->", lambda _: f"<!-- figures -->\n{note}\n<!-- end -->", text)
    card.write_text(text, encoding="utf-8")
    print(note)


if __name__ == "__main__":
    main()
