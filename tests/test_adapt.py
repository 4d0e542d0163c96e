"""What the parent's corrections make of the shipped model: the mail that was meant, and hardly any other."""

from pathlib import Path

import numpy as np
import pytest

from triage import model as models
from triage import train
from triage.classify import ASKS, LABELS, Verdict, classify
from triage.config import Config
from triage.corpus import load_corpus
from triage.facts import find_facts
from triage.features import MESSAGE_TARGETS, SENTENCE_TARGETS
from triage.keeping import load_content
from triage.message import parse_message
from triage.resources import MODEL_FORMAT, corpus_path, shipped_model_path

MODEL = models.load(shipped_model_path())
NOBODY = Config(timezone="UTC")

# A tutor's letter, which reads as a teacher's does, and the next one.
SUBJECT = "This week in Room 4"
LETTER = (
    "Hi families,\n\nThis week in Room 4 Maya finished {} pages of her {} packet. "
    "Please have her finish pages {} at home before Friday.\n\nMiss Dana"
)
WEEKS = [
    LETTER.format("two", "fractions", "6 to 9"),
    LETTER.format("three", "decimals", "12 to 15"),
    LETTER.format("four", "angles", "3 to 8"),
]


def verdict(
    model: models.Model, text: str, subject: str = SUBJECT, sender: str = "Miss Dana <dana@brightpencil.example>"
) -> Verdict:
    message = parse_message(f"From: {sender}\r\nSubject: {subject}\r\n\r\n{text}".encode())
    facts = find_facts(message, NOBODY)
    return classify(message, facts, model.score([message], [facts])[0], model.thresholds)


def learned(*said: tuple[str, str]) -> models.Model:
    return train.learn(MODEL, [(f"{SUBJECT}\n{text}", (label,)) for text, label in said])


def test_what_was_corrected_is_judged_so_and_the_next_of_its_kind_too() -> None:
    """One correction turns that letter; two turn the next, which has other numbers and words."""
    assert [verdict(MODEL, text).primary for text in WEEKS] == ["homework"] * 3
    assert verdict(learned((WEEKS[0], "not_school")), WEEKS[0]).primary == "not_school"
    twice = learned((WEEKS[0], "not_school"), (WEEKS[1], "not_school"))
    assert verdict(twice, WEEKS[2]).primary == "not_school"
    teacher = "Maya has not turned in her fractions packet. Please have her finish pages 6 to 9 by Friday."
    assert verdict(twice, teacher, "Maya", "Ms. Alvarez <alvarez@lincoln.k12.example>").labels == ("homework",)


def test_a_label_is_learned_and_its_opposite() -> None:
    """Said to be praise it is that, by the sentence that comes nearest; of the rest it is not."""
    note = "Hi families,\n\nThis week in Room 4 Maya finished two pages of her fractions packet.\n\nMiss Dana"
    before, praised = verdict(MODEL, note), verdict(learned((note, "praise")), note)
    assert (before.scores["praise"] < 0.2, praised.primary, praised.labels) == (True, "praise", ("praise",))
    assert praised.scores["homework"] < before.scores["homework"] - 0.5
    assert [found.text for found in praised.evidence if found.label == "praise"] == [
        "This week in Room 4 Maya finished two pages of her fractions packet."
    ]


def test_other_mail_is_judged_as_before() -> None:
    """Forty corrections that are all wrong move few primaries of mail by other people."""
    records = [record for record in load_corpus(corpus_path()) if record.split == "train" and record.school]
    wronged = records[:4000:100]
    told = [(parse_message(r.to_bytes()).parts.own, (next(x for x in LABELS if x not in r.labels),)) for r in wronged]
    model = train.learn(MODEL, told)
    others = records[5000:10000:10]
    changed = sum(
        one.verdict.primary != other.verdict.primary
        for one, other in zip(train.judge(others, MODEL), train.judge(others, model), strict=True)
    )
    assert len(others) > 300
    assert changed <= 0.03 * len(others)


def test_what_a_correction_does_not_say_is_not_learned() -> None:
    """Neither what a mail asks for, nor whether it is forged, nor danger."""
    model = learned((WEEKS[0], "behavior"), (WEEKS[1], "not_school"))
    whole, spoken = model.first.message.coef, model.first.sentence.coef
    moved = {
        n for row, n in enumerate(MESSAGE_TARGETS) if not np.array_equal(whole[row], MODEL.first.message.coef[row])
    }
    assert moved >= {"behavior", "homework", "primary behavior", "primary homework", "school"}
    assert not moved & {"forged", *ASKS}
    moved = {
        n for row, n in enumerate(SENTENCE_TARGETS) if not np.array_equal(spoken[row], MODEL.first.sentence.coef[row])
    }
    assert moved >= {"behavior", "homework", "school"}
    assert not moved & {"plan", "safety"}
    assert model.second is MODEL.second
    assert model.thresholds is MODEL.thresholds


def test_the_same_corrections_give_the_same_model_and_none_the_base() -> None:
    """Whatever order they came in does not matter, but for rounding."""
    one, other = (WEEKS[0], "praise"), (WEEKS[1], "not_school")
    np.testing.assert_array_equal(learned(one, other).first.message.coef, learned(one, other).first.message.coef)
    assert verdict(learned(one, other), WEEKS[2]).scores == pytest.approx(
        verdict(learned(other, one), WEEKS[2]).scores, abs=0.01
    )
    assert learned() is MODEL


@pytest.mark.parametrize("text", ["", " ", "?!", "🙂🙂", "a" * 100_000, "word " * 20_000])
def test_strange_texts_are_learned_from(text: str) -> None:
    """Nothing, noise and very much: the model stays one."""
    model = train.learn(MODEL, [(text, ("homework",)), (f"\n{text}", ("not_school",))])
    assert np.isfinite(model.first.message.coef).all()
    assert 0 <= verdict(model, WEEKS[0]).scores["school"] <= 1


def test_the_file_names_the_model_that_it_was_moved_away_from(tmp_path: Path) -> None:
    """And gives, read again, the same probabilities."""
    model, path = learned((WEEKS[0], "praise")), tmp_path / "m.skops"
    models.save(model, path, shipped_model_path())
    assert '"base": "' in path.with_suffix(".json").read_text()
    assert load_content(MODEL_FORMAT, path)["format"] == MODEL_FORMAT
    assert verdict(models.load(path), WEEKS[0]).scores == pytest.approx(verdict(model, WEEKS[0]).scores, abs=1e-3)
