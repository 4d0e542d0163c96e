"""Put the figures of the shipped model into its card: `python -m bench.card`."""

import re

from triage import draft_figures, figures, fit_tone, tone, train
from triage import model as models
from triage.corpus import load_corpus, load_drafts
from triage.resources import corpus_path, shipped, tone_path


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
    drafts = load_drafts(corpus_path())
    read = fit_tone.read([draft for draft in drafts if draft.split == "heldout"], tone.load(tone_path()))
    tones = figures.table_of(draft_figures.report(read))
    texts = sum(draft.split == "train" for draft in drafts)
    said = f"Trained on {texts} sentences and drafts, measured on {len(read)}.\n\n{tones}"
    text = re.sub(
        r"(?s)<!-- drafts -->.*<!-- end drafts -->", lambda _: f"<!-- drafts -->\n{said}\n<!-- end drafts -->", text
    )
    card.write_text(text, encoding="utf-8")
    print(note, said, sep="\n\n")


if __name__ == "__main__":
    main()
