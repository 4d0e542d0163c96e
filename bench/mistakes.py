"""The twenty worst mistakes on the held-out part, the surest first: `python -m bench.mistakes`."""

from triage import model as models
from triage import train
from triage.corpus import load_corpus
from triage.resources import corpus_path, shipped
from triage.text import one_line


def main() -> None:
    """Print one line a mistake: which mail, what it is, what was made of it and how surely."""
    held_out = [record for record in load_corpus(corpus_path()) if record.split == "heldout"]
    judged = train.judge(held_out, models.load(shipped("models") / "triage.skops"))
    wrong = [j for j in judged if j.verdict.primary != j.record.primary and j.verdict.sender != "suspicious"]
    for one in sorted(wrong, key=lambda j: -j.verdict.confidence)[:20]:
        verdict, record = one.verdict, one.record
        evidence = next((item.text for item in verdict.evidence if item.label == verdict.primary), "")
        print(
            f"{record.id} ({record.kind}, {record.language}): {record.primary} taken for {verdict.primary} "
            f'({verdict.confidence:.2f}): "{one_line(verdict.subject, 50)}"'
            + (f', for "{one_line(evidence, 110)}"' if evidence else "")
        )


if __name__ == "__main__":
    main()
