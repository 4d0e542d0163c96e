"""The report measures what it says: a perfect judge, a judge who is always wrong, and figures worked out by hand."""

from dataclasses import replace

import pytest

from tests.support.cases import verdict
from triage.classify import LABELS, DueDate
from triage.corpus import load_corpus
from triage.figures import Judged, by_keywords, calibration_error, report
from triage.message import Person, parse_message
from triage.resources import corpus_path

RECORDS = [record for record in load_corpus(corpus_path()) if record.author == "h01"]


def judged(*, right: bool) -> list[Judged]:
    """Every mail of an author, judged as it is, or as anything but that."""
    found = []
    for record in RECORDS:
        school = record.school is right
        labels = tuple(label for label in LABELS if (label in record.labels) is right) if record.school else ()
        primary = record.primary if right else "not_school" if record.school else "homework"
        flags = tuple(flag for flag in ("plan", "safety") if (flag in record.flags) is right)
        due = tuple(DueDate(date.at, date.what, date.text) for date in record.due) if right else ()
        one = replace(
            verdict(school=school, labels=labels, primary=primary, flags=flags, due=due),
            scores={**{label: float(label in labels) for label in LABELS}, "school": float(school)},
            confidence=1.0,
            unsure=False,
            needs_reply=record.needs_reply is right,
            urgent=record.urgent is right,
            child=record.child if right else None,
            teacher=Person(record.teacher, "x@x.example") if right and record.teacher else None,
            sender="suspicious" if (record.kind == "forged") is right else "unknown",
        )
        found.append(Judged(record, parse_message(record.to_bytes()), one))
    return found


def shares(*, right: bool) -> dict[str, float]:
    simplest = ("keyword rules", "always")
    return {f.name: f.value for f in report(judged(right=right)) if not f.name.startswith(simplest)}


def test_a_perfect_judge() -> None:
    """Every share is 1; nobody honest is accused; no probability is off."""
    found = shares(right=True)
    zero = {name for name in found if "calibration" in name or name.startswith("honest")}
    assert {name: value for name, value in found.items() if name not in zero and value != 1.0} == {}
    assert all(found[name] == 0.0 for name in zero)


def test_a_judge_who_is_always_wrong() -> None:
    """Every share is 0, and every probability is as far off as can be."""
    found = shares(right=False)
    one = {name for name in found if "calibration" in name or name.startswith("honest")}
    assert all(found[name] == 1.0 for name in one)
    ours = {"school mail filed without Review"}
    assert {name: value for name, value in found.items() if name not in one | ours and value != 0.0} == {}


def test_calibration_is_weighed_by_the_size_of_each_bin() -> None:
    """Three said 0.8 of whom two are, one said 0.3 who is not: (|2.4 - 2| + |0.3 - 0|) / 4."""
    with_it = [j for j in judged(right=True) if "homework" in j.record.labels][:2]
    without = [j for j in judged(right=True) if "homework" not in j.record.labels][:2]
    said = [0.8, 0.8, 0.8, 0.3]
    rows = [
        replace(j, verdict=replace(j.verdict, scores={"homework": score}))
        for j, score in zip([*with_it, *without], said, strict=True)
    ]
    assert calibration_error(rows, "homework") == pytest.approx(0.175)


@pytest.mark.parametrize(
    ("text", "primary"),
    [
        ("Her teacher wants to meet about the fight.", "meeting_request"),
        ("A student hit him in class.", "behavior"),
        ("The homework for class is missing.", "homework"),
        ("We are proud of this student.", "praise"),
        ("The school is closed.", "other_school"),
        ("Your parcel is here.", "not_school"),
    ],
)
def test_keyword_rules(text: str, primary: str) -> None:
    """The words that come to mind first, in order."""
    assert by_keywords(parse_message(f"From: a@b.example\r\nSubject: x\r\n\r\n{text}".encode())) == primary
