"""The rules of guidance, held against the cards of real mails and against cards that break them."""

from dataclasses import replace

import pytest

from tests.support.guidance import Shown, cards_of, reading_grade, violations
from triage import model as models
from triage.corpus import load_corpus
from triage.prompts import Wording
from triage.resources import corpus_path, shipped_model_path

MODEL = models.load(shipped_model_path())
RECORDS = [record for record in load_corpus(corpus_path()) if record.school]


def test_no_card_of_the_corpus_breaks_a_rule() -> None:
    """A fortieth of both parts here, in both languages; `python -m bench.cards` reads all."""
    broken = [
        f"{record.id} {wording.language}: {line}"
        for record, shown, wording in cards_of(RECORDS[::40], MODEL)
        for line in violations(shown, wording)
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("pause", "Mr. Quillfeather wrote this.", "stands in neither mail nor template"),
        ("wait", "Answer by the 47th.", "stands in neither mail nor template"),
        ("document", "The law requires an answer.", "says"),
        ("pause", "This may be a sign of ADHD.", "says"),
        ("reply", "Why did you not call me?", "a why that accuses"),
        ("next_step", "Call.\nThen write.", "not one next step"),
        ("headline", "“He is failing”", "a headline that quotes"),
        ("pause", "Take a breath. " * 40, "words"),
        ("ask_child", ("Did you do it?",), "a leading question"),
        ("ask_teacher", ("What " + "and " * 30 + "then?",), "over 25 words"),
        ("pause", "Notwithstanding considerations, deliberate contemplation facilitates comprehension.", "grade"),
    ],
)  # fmt: skip
def test_a_card_that_breaks_a_rule_is_told(field: str, text: object, told: str) -> None:
    """Each rule is seen to work: an invented name, a number, law, diagnosis, blame, length, reading grade."""
    record = next(record for record in RECORDS if record.primary == "behavior")
    _, shown, _ = next(iter(cards_of([record], MODEL)))
    broken = replace(shown.card, **{field: text})  # type: ignore[arg-type]
    if told == "grade":
        broken = replace(broken, ask_child=(), ask_teacher=(), document="", wait="", next_step="Go.", headline="")
    lines = list(violations(replace(shown, card=broken), Wording("en")))
    assert any(told in line for line in lines), lines
    assert isinstance(shown, Shown)


def test_the_reading_grade_is_the_published_one() -> None:
    """Flesch-Kincaid of short words and short sentences is below a first grade; of long ones far above the limit."""
    assert reading_grade("The cat sat. The dog ran.", "en") < 1
    assert reading_grade("Institutional considerations necessitate comprehensive documentation.", "en") > 15
    assert reading_grade("El gato come. El sol sale.", "es") < reading_grade("La responsabilidad institucional.", "es")
