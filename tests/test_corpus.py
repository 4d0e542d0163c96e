"""The corpus is as it is documented, its splits share no author, and the shipped model is the one of the card."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from triage.classify import LABELS
from triage.corpus import Record, load_corpus, load_drafts, load_sentences, near_duplicates, problems
from triage.errors import UsageError
from triage.lexicon import words
from triage.message import parse_message
from triage.resources import corpus_path, shipped

RECORDS = load_corpus(corpus_path())
# Mail that the shipped model has not learned from.
BESIDE = load_corpus(corpus_path() / "more")
SENTENCES = load_sentences(corpus_path())


def test_there_is_enough_of_every_kind() -> None:
    """School and ordinary mail, relayed and forged, every label, mixtures, both languages."""
    train = [record for record in RECORDS if record.split == "train"]
    least = {"ordinary": 1000, "platform": 500, "forged": 200}
    assert sum(record.school for record in train) >= 3000
    assert {
        kind: sum(record.kind == kind for record in train) >= count for kind, count in least.items()
    } == dict.fromkeys(least, True)
    assert sum(record.school and record.language == "es" for record in train) >= 600
    counts = Counter(label for record in train for label in record.labels)
    assert all(counts[label] >= 150 for label in LABELS)
    assert sum(len(record.labels) > 1 for record in train) >= 200
    assert {record.language for record in train} == {"en", "es"}


def test_nothing_is_wrong_with_it_as_a_whole() -> None:
    """No id twice, no author in both splits, no copies."""
    assert problems([*RECORDS, *BESIDE]) == []
    assert {record.split for record in BESIDE} == {"train"}


def test_many_copies_are_found_as_well_as_two() -> None:
    """However many share the words: a template that was filled in forty times is no forty mails."""
    first = next(record for record in RECORDS if len(record.text.split()) > 80)
    for count in (2, 9, 40):
        copies = [first.model_copy(update={"id": f"x{number:02}"}) for number in range(count)]
        assert len(problems([*RECORDS[:200], *copies])) >= count - 1


def test_every_record_is_readable_mail() -> None:
    """Each becomes a mail that is read again with its own subject."""
    for record in (*RECORDS, *BESIDE):
        message = parse_message(record.to_bytes())
        subject = next((value for name, value in record.headers if name.lower() == "subject"), "")
        assert " ".join(subject.split())[:100] == message.subject[:100], record.id


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_sentences_are_marked_as_documented() -> None:
    """`other` and `not_school` stand alone; no sentence twice; none is taken from mail to be measured on."""
    held_out = "\n".join(plain(f"{r.text} {r.html}") for r in RECORDS if r.split == "heldout")
    assert len(SENTENCES) >= 2000
    assert len({plain(sentence.text) for sentence in SENTENCES}) == len(SENTENCES)
    for sentence in SENTENCES:
        assert len(sentence.marks) == 1 or not {"other", "not_school"} & set(sentence.marks), sentence.text
        words = plain(sentence.text)
        assert len(words.split()) < 8 or words not in held_out, sentence.text


DRAFTS = load_drafts(corpus_path())


def test_drafts_are_marked_as_documented() -> None:
    """No author in both splits, no text twice, each mark a place in its text; half of the sentences are near-misses."""
    splits = {(draft.author, draft.split) for draft in DRAFTS}
    assert len(splits) == len({author for author, _ in splits})
    assert len({plain(draft.text) for draft in DRAFTS}) == len(DRAFTS)
    assert len({draft.id for draft in DRAFTS}) == len(DRAFTS)
    for draft in DRAFTS:
        assert all(0 <= span.start < span.end <= len(draft.text) for span in draft.spans), draft.id
    learned = [draft for draft in DRAFTS if draft.split == "train"]
    assert sum(not draft.whole for draft in learned) >= 1500
    assert sum(draft.whole for draft in learned) >= 200
    single = [draft for draft in learned if not draft.whole]
    assert sum(not draft.spans for draft in single) >= len(single) * 0.45


def test_no_draft_to_measure_on_is_a_copy() -> None:
    """No whole draft of the held-out part shares a quarter of its runs of five words with one to learn from."""
    runs = [(draft.split, shingles(draft.text)) for draft in DRAFTS if draft.whole]
    learned = set().union(*(found for split, found in runs if split == "train"))
    for split, found in runs:
        if split == "heldout" and len(found) >= 20:
            assert len(found & learned) <= 0.25 * len(found)


def shingles(text: str) -> set[str]:
    words = plain(text).split()
    return {" ".join(words[at : at + 5]) for at in range(len(words) - 4)}


def test_evidence_is_in_the_mail() -> None:
    """Each span is words of the message."""
    for record in RECORDS:
        whole = plain(f"{record.text} {re.sub(r'<[^>]+>', ' ', record.html)} {dict(record.headers).get('Subject', '')}")
        for span in record.evidence:
            assert plain(span.text) in whole or record.html, record.id


def test_labels_agree_with_each_other() -> None:
    """Primary among the labels; what is not of school has no other label."""
    for record in RECORDS:
        assert record.primary in (*record.labels, "other_school"), record.id
        assert (record.kind in ("ordinary", "forged")) == (record.labels == ("not_school",)), record.id


def test_addresses_are_invented() -> None:
    """Only the platforms, free-mail hosts and forgers' own inventions are outside .example."""
    outside = Counter(
        host
        for record in RECORDS
        if record.kind in ("teacher", "school")
        for name, value in record.headers
        if name.lower() == "from"
        for host in re.findall(r"@([\w.-]+)", value)
        if not host.endswith(".example") and host not in words("free_mail")
    )
    assert sum(outside.values()) <= 0.003 * len(RECORDS), outside


def test_a_copy_is_noticed() -> None:
    """Changing some words does not hide it."""
    first = next(record for record in RECORDS if len(record.text.split()) > 80)
    copy = first.model_copy(update={"id": "copy", "text": first.text.replace("the", "that", 3)})
    assert [{likeness.one, likeness.other} for likeness in near_duplicates([first, copy])] == [{first.id, "copy"}]
    both = [copy, first.model_copy(update={"split": "heldout" if first.split == "train" else "train"})]
    assert any("stands in both splits" in line for line in problems(both))


@pytest.mark.parametrize(
    ("line", "words"),
    [("{", "line 1"), (json.dumps({"id": "x"}), "author"), (json.dumps({"id": 3}), "line 1")],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    """File, line and field."""
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(UsageError, match=words):
        load_corpus(tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    """No corpus there."""
    with pytest.raises(UsageError, match=r"no \.jsonl files"):
        load_corpus(tmp_path)


def test_records_carry_all_that_is_documented() -> None:
    """The README of the corpus names every field."""
    text = (shipped("models") / "corpus" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{field}`" in text for field in Record.model_fields)
