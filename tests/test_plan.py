"""The plan is a pure table: every combination that matters is written out."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import FOLDERS, HOMEWORK, abilities, case, verdict
from triage.classify import LABELS, PRIMARIES, Verdict
from triage.config import Filing, PromptSettings
from triage.plan import (
    TAGS,
    Abilities,
    Action,
    Appendix,
    Case,
    Correction,
    Done,
    Filed,
    Known,
    Place,
    Sighting,
    files,
    find_correction,
    plan,
    plan_undo,
)

PROMPTS = PromptSettings()


def kinds(actions: list[Action]) -> list[str]:
    return [action.kind for action in actions]


def the_plan(
    what: Case | None = None,
    can: Abilities | None = None,
    filing: Filing | None = None,
    prompts: PromptSettings = PROMPTS,
) -> list[Action]:
    return plan(what or case(), can or abilities(), filing or Filing(), prompts)


def test_a_usual_mail_is_tagged_then_moved_then_gets_its_note() -> None:
    """The whole list, as data."""
    place = Place("INBOX", 1000, 7)
    assert the_plan() == [
        Action("tag", "k" * 64, place, tags=("triage-homework", "triage-school")),
        Action("move", "k" * 64, place, "School/Homework"),
        Action(
            "note",
            "k" * 64,
            place,
            "School/Homework",
            message_id="<note@triage.invalid>",
            payload=b"Subject: note\r\n\r\nbreathe\r\n",
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"known": Known(done=True)}, []),
        ({"known": Known(hands_off=True)}, []),
        ({"flags": frozenset({"\\Deleted"})}, []),
        ({"flags": frozenset({"\\Draft"})}, []),
        ({"flags": frozenset({"\\Seen", "\\Answered", "\\Flagged"})}, ["tag", "move", "note"]),
        ({"flags": frozenset({"triage-homework", "triage-school"})}, ["move", "note"]),
        ({"note": None}, ["tag", "move"]),
        ({"place": Place("School/Homework", 5, 7)}, ["tag", "note"]),
        ({"verdict": verdict(school=False, primary="not_school", labels=())}, []),
        ({"verdict": verdict(flags=("bulk",))}, ["tag", "move"]),
        ({"verdict": verdict(flags=("bulk", "plan"))}, ["tag", "move"]),
        ({"verdict": verdict(flags=("bulk", "safety"))}, ["tag", "note"]),
        ({"verdict": verdict(labels=(), primary="other_school")}, ["tag", "move", "note"]),
        ({"verdict": verdict(labels=(), primary="other_school", needs_reply=True)}, ["tag", "move", "note"]),
        ({"verdict": verdict(urgent=True)}, ["tag", "note"]),
        ({"verdict": verdict(flags=("safety",))}, ["tag", "note"]),
        ({"verdict": verdict(flags=("safety",), doubted=("safety",))}, ["tag", "move", "note"]),
        ({"verdict": verdict(flags=("bulk", "safety"), doubted=("safety",))}, ["tag", "move"]),
        ({"verdict": verdict(urgent=True, flags=("safety",), doubted=("safety",))}, ["tag", "note"]),
    ],
)
def test_what_decides_in_the_case(changes: dict[str, object], expected: list[str]) -> None:
    """Each fact of a message that changes the plan, alone."""
    assert kinds(the_plan(case(**changes))) == expected


@pytest.mark.parametrize(
    ("mode", "tags", "filing", "ability", "expected"),
    [
        ("move", True, "move", "keywords", ["tag", "move", "note"]),
        ("move", True, "move", "none", ["move", "note"]),
        ("move", False, "move", "keywords", ["move", "note"]),
        ("move", True, "none", "keywords", ["tag", "note"]),
        ("move", True, "none", "none", ["note"]),
        ("copy", True, "move", "keywords", ["tag", "copy", "note"]),
        ("copy", True, "none", "keywords", ["tag", "copy", "note"]),
        ("copy", False, "none", "none", ["copy", "note"]),
        ("tag", True, "move", "keywords", ["tag", "note"]),
        ("tag", False, "move", "keywords", ["tag", "note"]),
        ("tag", True, "move", "none", ["note"]),
    ],
)
def test_what_decides_in_server_and_configuration(
    mode: str, tags: bool, filing: str, ability: str, expected: list[str]
) -> None:
    """Mode of filing, tags on or off, and what the server can do."""
    settings = Filing.model_validate({"mode": mode, "tags": tags})
    assert kinds(the_plan(can=abilities(filing=filing, tags=ability), filing=settings)) == expected


@pytest.mark.parametrize("primary", PRIMARIES)
@pytest.mark.parametrize("unsure", [False, True])
def test_the_folder_follows_primary_and_doubt(primary: str, unsure: bool) -> None:
    """Doubt goes to Review whatever the primary; not-school mail without doubt goes nowhere."""
    school = primary != "not_school"
    labels = (primary,) if primary in LABELS else ()
    actions = the_plan(case(verdict=verdict(primary=primary, labels=labels, school=school, unsure=unsure)))
    targets = [action.target for action in actions if action.kind == "move"]
    if unsure:
        assert targets == ["School/Review"]
    else:
        assert targets == ([FOLDERS[primary]] if school else [])


@pytest.mark.parametrize("labels", [c for n in range(1, 5) for c in itertools.combinations(LABELS, n)])
def test_a_tag_for_each_label_that_holds(labels: tuple[str, ...]) -> None:
    """Every mixture gets every tag, and `triage-school`; doubt gets only `triage-review`."""
    (sure, *_) = the_plan(case(verdict=verdict(labels=labels, primary=labels[0])))
    assert set(sure.tags) == {TAGS[label] for label in labels} | {"triage-school"}  # type: ignore[index]
    (unsure, *_) = the_plan(case(verdict=verdict(labels=labels, primary=labels[0], unsure=True)))
    assert set(unsure.tags) == {"triage-review", "triage-school"}


def test_gmail_gets_labels_and_never_the_target_before_the_move() -> None:
    """The move itself gives the target's label; set before, it would hide the arrival."""
    both = verdict(labels=("homework", "praise"))
    label, move, _note = the_plan(case(verdict=both), abilities(tags="labels"))
    assert (label.kind, label.tags, move.target) == ("label", ("School/Praise",), "School/Homework")
    staying = the_plan(case(verdict=verdict(urgent=True)), abilities(tags="labels"))
    assert staying[0].tags == ("School/Homework",)


def test_notes_and_drafts_only_where_wanted_and_possible() -> None:
    """`prompts.deliver` decides, and a draft needs a folder, a question and nothing dangerous."""
    asks = verdict(needs_reply=True)
    with_draft = case(verdict=asks, draft=Appendix("<d@triage.invalid>", b"x"))
    wanted = PromptSettings(deliver=("draft", "note"))
    drafts = abilities(drafts="Drafts")
    assert kinds(the_plan(with_draft, drafts, prompts=wanted)) == ["tag", "move", "note", "draft"]
    assert kinds(the_plan(with_draft, drafts, prompts=PromptSettings(deliver=("digest",)))) == ["tag", "move"]
    assert "draft" not in kinds(the_plan(with_draft, abilities(), prompts=wanted))
    for other in (verdict(), verdict(needs_reply=True, flags=("safety",)), verdict(needs_reply=True, unsure=True)):
        what = case(verdict=other, draft=Appendix("<d@triage.invalid>", b"x"))
        assert "draft" not in kinds(the_plan(what, drafts, prompts=wanted))
    named = case(verdict=replace(asks, flags=("safety",), doubted=("safety",)), draft=with_draft.draft)
    assert "draft" in kinds(the_plan(named, drafts, prompts=wanted))


def test_what_leaves_the_folder_is_told_from_what_is_only_tagged() -> None:
    """The guard before bulk counts messages that are put elsewhere."""
    move = Action("move", "k", Place("INBOX", 1, 1), "School/Homework")
    tag = Action("tag", "k", Place("INBOX", 1, 1), tags=("triage-school",))
    assert files([tag, move])
    assert not files([tag])


verdicts = st.builds(
    lambda labels, school, unsure, urgent, asks, flags, doubts: verdict(
        labels=tuple(labels) if school else (),
        primary=(labels[0] if labels else "other_school") if school else "not_school",
        school=school,
        unsure=unsure,
        urgent=urgent,
        needs_reply=asks,
        flags=tuple(flags),
        doubted=("safety",) if doubts and "safety" in flags else (),
    ),
    st.lists(st.sampled_from(LABELS), unique=True),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.lists(st.sampled_from(["plan", "safety", "bulk"]), unique=True),
    st.booleans(),
)


@given(
    judged=verdicts,
    mode=st.sampled_from(["move", "copy", "tag"]),
    tags=st.booleans(),
    can_file=st.sampled_from(["move", "none"]),
    can_tag=st.sampled_from(["keywords", "labels", "none"]),
    flags=st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "\\Deleted", "triage-homework"])),
    known=st.builds(Known, st.booleans(), st.booleans()),
)
def test_what_must_always_hold(
    judged: Verdict, mode: str, tags: bool, can_file: str, can_tag: str, flags: frozenset[str], known: Known
) -> None:
    """The rules that no combination may break."""
    what = case(verdict=judged, flags=flags, known=known)
    actions = plan(
        what, abilities(filing=can_file, tags=can_tag), Filing.model_validate({"mode": mode, "tags": tags}), PROMPTS
    )
    assert kinds(actions) == sorted(kinds(actions), key=["tag", "label", "move", "copy", "note", "draft"].index)
    assert sum(action.kind in ("move", "copy") for action in actions) <= 1
    assert {action.key for action in actions} <= {what.key}
    if known.done or known.hands_off or "\\Deleted" in flags or (not judged.school and not judged.unsure):
        assert actions == []
    if can_file == "none":
        assert "move" not in kinds(actions)
    if ("safety" in judged.flags and "safety" not in judged.doubted) or judged.urgent:
        assert "move" not in kinds(actions)
    for action in actions:
        assert action.target in ("", *FOLDERS.values(), "INBOX")
        assert all(tag not in flags for tag in action.tags if action.kind == "tag")


# --- What the parent did ---------------------------------------------------------------------------------

HERE = Place("School/Homework", 9, 3)
FILED = Filed("k", HERE, frozenset({"triage-homework", "triage-school", "\\Seen"}), "homework", ("homework",))


@pytest.mark.parametrize(
    ("seen", "filed", "expected"),
    [
        (Sighting("k", HERE, frozenset({"triage-homework", "triage-school"})), FILED, None),
        (Sighting("k", Place("School/Praise", 8, 1), FILED.tags), FILED, (("praise",), "moved")),
        (Sighting("k", Place("School/Other", 8, 1), FILED.tags), FILED, (("other_school",), "moved")),
        (Sighting("k", Place("School/Review", 8, 1), FILED.tags), FILED, (None, "moved")),
        (Sighting("k", Place("INBOX", 8, 1), FILED.tags), FILED, (None, "moved")),
        (Sighting("k", Place("Family", 8, 1), FILED.tags), FILED, (None, "moved")),
        (Sighting("k", Place("School/Behavior", 8, 1), frozenset()), None, (("behavior",), "moved")),
        (Sighting("k", Place("INBOX", 8, 1), frozenset()), None, None),
        (Sighting("k", HERE, frozenset({"triage-praise", "triage-school"})), FILED, (("praise",), "tagged")),
        (
            Sighting("k", HERE, frozenset({"triage-praise", "triage-homework", "triage-school"})),
            FILED,
            (("homework", "praise"), "tagged"),
        ),
        (Sighting("k", HERE, frozenset({"triage-school"})), FILED, (("other_school",), "tagged")),
        (Sighting("k", HERE, frozenset()), FILED, (("not_school",), "tagged")),
        (Sighting("k", HERE, frozenset({"triage-review"})), FILED, (None, "tagged")),
    ],
)
def test_a_correction_is_read_off_place_and_tags(
    seen: Sighting, filed: Filed | None, expected: tuple[tuple[str, ...] | None, str] | None
) -> None:
    """What a move or a change of tags means."""
    found = find_correction(seen, filed, abilities())
    assert (None if found is None else (found.labels, found.how)) == expected


PRAISED = Filed("k", Place("INBOX", 7, 1), frozenset({"School/Praise"}), "praise", ("praise",))


@pytest.mark.parametrize(
    ("folder", "others", "filed", "expected"),
    [
        ("School/Praise", {"\\Inbox"}, PRAISED, None),
        ("School/Praise", set(), PRAISED, None),
        ("School/Homework", set(), FILED, None),
        ("School/Behavior", {"\\Inbox", "School/Praise"}, PRAISED, (("behavior", "praise"), "tagged")),
        ("School/Behavior", {"\\Inbox"}, PRAISED, (("behavior",), "tagged")),
        ("School/Behavior", {"School/Praise"}, PRAISED, (("behavior",), "moved")),
        ("School/Behavior", {"School/Homework", "Family"}, FILED, (("behavior", "homework"), "tagged")),
        ("School/Behavior", {"School/Meetings"}, FILED, (("behavior", "meeting_request"), "moved")),
        ("School/Behavior", {"\\Inbox", "School/Other"}, None, (("behavior",), "moved")),
        ("School/Other", {"\\Inbox"}, PRAISED, (("other_school",), "tagged")),
        ("School/Review", {"\\Inbox", "School/Praise"}, PRAISED, (None, "tagged")),
        ("INBOX", {"School/Praise"}, None, None),
    ],
)
def test_at_gmail_a_correction_is_read_off_the_labels(
    folder: str, others: set[str], filed: Filed | None, expected: tuple[tuple[str, ...] | None, str] | None
) -> None:
    """Ours are none; who takes a message out of where we left it moves it, and who does not labels it."""
    seen = Sighting("k", Place(folder, 8, 1), frozenset({"\\Seen"}), frozenset(others | {folder}))
    found = find_correction(seen, filed, abilities(tags="labels"))
    assert (None if found is None else (found.labels, found.how)) == expected


def test_without_keywords_flags_mean_nothing() -> None:
    """A server that keeps no tags cannot show a re-tagging."""
    assert find_correction(Sighting("k", HERE, frozenset()), FILED, abilities(tags="none")) is None


# --- Undo ------------------------------------------------------------------------------------------------


def test_undo_reverses_each_action() -> None:
    """Tags off, message back, note away."""
    place, target = Place("INBOX", 1000, 7), Place("School/Homework", 9, 3)
    tag, move, note = the_plan()
    done = [Done(tag, place), Done(move, target), Done(note, Place("School/Homework", 9, 4))]
    assert plan_undo(done, {"k" * 64: target}) == [
        Action("untag", "k" * 64, target, tags=("triage-homework", "triage-school")),
        Action("move", "k" * 64, target, "INBOX"),
        Action("remove", "k" * 64, Place("School/Homework", 9, 4), message_id="<note@triage.invalid>"),
    ]


def test_undo_leaves_alone_what_the_parent_moved_since() -> None:
    """Only our own note is taken away."""
    tag, move, note = the_plan()
    done = [
        Done(tag, tag.place),
        Done(move, Place("School/Homework", 9, 3)),
        Done(note, Place("School/Homework", 9, 4)),
    ]
    assert kinds(plan_undo(done, {"k" * 64: Place("Family", 2, 2)})) == ["remove"]


def test_undo_of_a_copy_takes_the_copy_away() -> None:
    """The original stays where it always was."""
    copied = Action("copy", "k", Place("INBOX", 1000, 7), "School/Homework")
    undone = plan_undo([Done(copied, Place("School/Homework", 9, 3))], {"k": Place("INBOX", 1000, 7)})
    assert undone == [Action("remove", "k", Place("School/Homework", 9, 3))]


def test_records_are_data() -> None:
    """What a dry run prints is the action itself, without the note's text."""
    assert the_plan()[2].to_json() == {"kind": "note", "folder": "INBOX", "uid": 7, "target": "School/Homework"}
    assert the_plan()[0].to_json()["tags"] == ["triage-homework", "triage-school"]
    assert Correction("k", HERE, None, "moved").labels is None
    assert HOMEWORK.to_json("a.eml")["path"] == "a.eml"
