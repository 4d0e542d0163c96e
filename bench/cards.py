"""Every card of the corpus, both parts and both languages, held against the rules of guidance: none may break one.

`python -m bench.cards [N]` reads every N-th school mail (default 1: all).
"""

import sys
from collections import Counter

from tests.support.guidance import cards_of, violations
from triage import model as models
from triage.corpus import load_corpus
from triage.resources import corpus_path, shipped_model_path


def main() -> int:
    """Print counts, and every violation's kind with an example; 1 where there is one."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    records = [record for record in load_corpus(corpus_path()) if record.school][::step]
    cards, situations, broken = 0, Counter[str](), dict[str, list[str]]()
    for record, shown, wording in cards_of(records, models.load(shipped_model_path())):
        cards += 1
        situations[shown.card.situation] += 1
        for line in violations(shown, wording):
            broken.setdefault(line, []).append(f"{record.id} {wording.language} {shown.card.situation}")
    print(f"{len(records)} mails, {cards} cards, {sum(map(len, broken.values()))} violations")
    for name, count in situations.most_common():
        print(f"  {name}: {count}")
    for line, where in sorted(broken.items(), key=lambda pair: -len(pair[1]))[:60]:
        print(f"{len(where):6} {line}: {', '.join(where[:4])}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
