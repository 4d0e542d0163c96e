"""Verdicts and plans made by hand, for tests of what comes after judging."""

from dataclasses import replace
from datetime import UTC, datetime

from triage.classify import LABELS, Evidence, Verdict
from triage.message import Person
from triage.plan import Abilities, Appendix, Case, Place

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)

FOLDERS = {
    "homework": "School/Homework",
    "behavior": "School/Behavior",
    "meeting_request": "School/Meetings",
    "praise": "School/Praise",
    "other_school": "School/Other",
    "review": "School/Review",
}

HOMEWORK = Verdict(
    message_id="<m@test.example>",
    subject="Maya",
    date=NOW,
    school=True,
    labels=("homework",),
    primary="homework",
    scores=dict.fromkeys((*LABELS, "school"), 0.1) | {"homework": 0.97, "school": 0.99},
    confidence=0.97,
    unsure=False,
    reason="",
    needs_reply=False,
    urgent=False,
    due=(),
    child="Maya",
    teacher=Person("Ms. Alvarez", "alvarez@maplewood.k12.example"),
    sender="known",
    warnings=(),
    language="en",
    flags=(),
    evidence=(Evidence("homework", "The fractions worksheet is due on Friday."),),
)


def verdict(**changes: object) -> Verdict:
    """A homework verdict with some fields changed."""
    return replace(HOMEWORK, **changes)  # type: ignore[arg-type]


def abilities(**changes: object) -> Abilities:
    """A server that can do everything, with some of it taken away."""
    return replace(Abilities("move", "keywords", FOLDERS), **changes)  # type: ignore[arg-type]


def case(**changes: object) -> Case:
    """A case in the inbox, with a note ready."""
    usual = Case(
        key="k" * 64,
        place=Place("INBOX", 1000, 7),
        flags=frozenset(),
        verdict=HOMEWORK,
        note=Appendix("<note@triage.invalid>", b"Subject: note\r\n\r\nbreathe\r\n"),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]
