"""Pure: a verdict and what is known of the mailbox to the actions to take. No IMAP here.

Words: an account is one IMAP login; a folder is an IMAP mailbox; a key is a message's identity (hash of its
raw header block and size); a place is where it stands now (folder, UIDVALIDITY, UID). An action is data: a
dry run prints it, the journal holds it, `apply` carries it out, and `plan_undo` makes the plan that reverses it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from triage.classify import LABELS, Label, Primary, Verdict
from triage.config import Filing, PromptSettings
from triage.message import Person

Role = Literal["homework", "behavior", "meeting_request", "praise", "other_school", "review"]
Status = Literal["pending", "done", "failed", "quarantined", "released"]
Kind = Literal["tag", "label", "move", "copy", "note", "draft", "untag", "unlabel", "remove"]

ROLES: tuple[Role, ...] = get_args(Role)
# Not prefixed with $: those keywords are reserved (RFC 5788).
TAGS: Mapping[Label | Literal["school", "review"], str] = {
    "homework": "triage-homework",
    "behavior": "triage-behavior",
    "meeting_request": "triage-meeting",
    "praise": "triage-praise",
    "school": "triage-school",
    "review": "triage-review",
}
# More moves in one pass than this are not made before a person has agreed.
MANY_MOVES = 1000
# Actions on so many messages share their commands.
GROUP = 400


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a message stands; a UID means nothing without its folder's UIDVALIDITY (RFC 9051, 2.3.1.1)."""

    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Selected:
    """What SELECT or EXAMINE said (RFC 9051, 6.3.2). `uidvalidity` is 0 where the server gives none."""

    folder: str
    uidvalidity: int
    uidnext: int
    exists: int
    modseq: int
    keywords: bool
    read_only: bool


@dataclass(frozen=True, slots=True)
class Abilities:
    r"""What the account's server allows, and the server's names of our folders.

    `filing`: "move" with MOVE or UIDPLUS, else "none" (nothing can then leave a folder safely).
    `tags`: "keywords" where PERMANENTFLAGS has \*, "labels" on Gmail, else "none".
    `read_only`: the watched folder may only be looked at; its mail is in the digest and stays where it is.
    """

    filing: Literal["move", "none"]
    tags: Literal["keywords", "labels", "none"]
    folders: Mapping[Role, str]
    drafts: str = ""
    done: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the state knows of a message: `hands_off` where the parent has decided, `done` where we have.

    `tagged` is what it has carried: a tag among these that is not there any more was taken off by the parent.
    """

    hands_off: bool = False
    done: bool = False
    tagged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stored:
    """One message as the state holds it; `judgement` is the worker's answer as data (no body text)."""

    account: str
    key: str
    message_id: str
    place: Place
    received: datetime | None
    day: datetime
    status: Status
    tries: int
    error: str
    tags: frozenset[str]
    judgement: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to one message.

    `target` is the folder of a move, copy, note or draft; `tags` are keywords or Gmail labels;
    `payload` is the mail to append. `message_id` is the appended mail's own. `hold`: not before its message is shown.
    """

    kind: Kind
    key: str
    place: Place
    target: str = ""
    tags: tuple[str, ...] = ()
    message_id: str = ""
    payload: bytes = b""
    hold: bool = False

    def to_json(self) -> dict[str, Any]:
        """The action as a dry run shows it."""
        shown: dict[str, Any] = {"kind": self.kind, "folder": self.place.folder, "uid": self.place.uid}
        if self.target:
            shown["target"] = self.target
        if self.tags:
            shown["tags"] = list(self.tags)
        if self.hold:
            shown["held"] = True
        return shown


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a group ended: `failed` gives, for each message that stays where it is, the reason.

    `untagged` gives it for those that went where they belong without their tags.
    """

    failed: Mapping[str, str]
    untagged: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Appendix:
    """A mail of ours that goes beside a message: note or draft."""

    message_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One judged message, with all that decides what is done to it."""

    key: str
    place: Place
    flags: frozenset[str]
    verdict: Verdict
    known: Known = Known()
    note: Appendix | None = None
    draft: Appendix | None = None
    hold: bool = False


def plan(case: Case, abilities: Abilities, filing: Filing, prompts: PromptSettings) -> list[Action]:
    """The actions for one message, in the order in which they are done; empty where it is left alone."""
    verdict = case.verdict
    if abilities.read_only or case.known.hands_off or case.known.done or case.flags & {"\\Deleted", "\\Draft"}:
        return []
    if not verdict.school and not verdict.unsure:
        return []
    role = role_of(verdict)
    target = _target(verdict, abilities, filing, case.place.folder, role)
    actions = _tagging(case, abilities, filing, target)
    if target:
        actions.append(Action("move" if filing.mode == "move" else "copy", case.key, case.place, target))
    return actions + _appending(case, abilities, prompts, target or case.place.folder)


def role_of(verdict: Verdict) -> Role:
    """The kind of folder that a school mail belongs in."""
    if verdict.unsure or verdict.primary == "not_school":
        return "review"
    return verdict.primary


def tags_of(verdict: Verdict) -> tuple[str, ...]:
    """The keywords that a mail gets: one for each label that holds, or only `review` where that is unsure."""
    names: list[Any] = ["review"] if verdict.unsure else list(verdict.labels)
    if verdict.school:
        names.append("school")
    return tuple(TAGS[name] for name in names)


def _target(verdict: Verdict, abilities: Abilities, filing: Filing, source: str, role: Role) -> str:
    """The folder to file into, empty where the mail stays."""
    if filing.mode == "tag" or (filing.mode == "move" and abilities.filing == "none"):
        return ""
    if filing.keep_urgent_in_inbox and (verdict.urgent or verdict.danger):
        return ""
    folder = abilities.folders[role]
    return "" if folder == source else folder


def _tagging(case: Case, abilities: Abilities, filing: Filing, target: str) -> list[Action]:
    if not filing.tags and filing.mode != "tag":
        return []
    if abilities.tags == "keywords":
        wanted = tuple(tag for tag in tags_of(case.verdict) if tag not in case.flags | case.known.tagged)
        return [Action("tag", case.key, case.place, tags=wanted)] if wanted else []
    if abilities.tags == "labels":
        # A move gives the target's own label; set before, it would hide the arrival that proves the move.
        passed_over = case.known.tagged | {target}
        wanted = tuple(label for label in _gmail_labels(case.verdict, abilities) if label not in passed_over)
        return [Action("label", case.key, case.place, tags=wanted)] if wanted else []
    return []


def _gmail_labels(verdict: Verdict, abilities: Abilities) -> tuple[str, ...]:
    roles: Sequence[Role] = ["review"] if verdict.unsure else list(verdict.labels) or ["other_school"]
    return tuple(abilities.folders[role] for role in roles)


def deserves_card(verdict: Verdict) -> bool:
    """Whether calm-response prompts help here: personal mail about the child, not bulk."""
    if _is_newsletter(verdict) or not (verdict.school or verdict.warnings):
        return False
    told = verdict.unsure or verdict.warnings or verdict.labels or verdict.needs_reply
    return bool(told or {"plan", "safety"} & set(verdict.flags))


def _is_newsletter(verdict: Verdict) -> bool:
    return "bulk" in verdict.flags and not verdict.danger


def _appending(case: Case, abilities: Abilities, prompts: PromptSettings, beside: str) -> list[Action]:
    actions = []
    # A note is prepared only where it helps; a newsletter gets none whatever was prepared.
    if case.note is not None and "note" in prompts.deliver and not _is_newsletter(case.verdict):
        actions.append(_append("note", case, beside, case.note))
    if case.draft is not None and "draft" in prompts.deliver and abilities.drafts and _may_draft(case.verdict):
        actions.append(_append("draft", case, abilities.drafts, case.draft))
    return actions


def _append(kind: Literal["note", "draft"], case: Case, folder: str, what: Appendix) -> Action:
    return Action(kind, case.key, case.place, folder, message_id=what.message_id, payload=what.payload, hold=case.hold)


def _may_draft(verdict: Verdict) -> bool:
    return verdict.needs_reply and not verdict.unsure and not verdict.danger and "bulk" not in verdict.flags


def files(actions: Iterable[Action]) -> bool:
    """Whether a message's actions put it into another folder."""
    return any(action.kind in ("move", "copy") for action in actions)


def in_groups(planned: Iterable[list[Action]]) -> list[list[Action]]:
    """Messages' actions put together to groups of at most `GROUP` messages; no message is split."""
    groups: list[list[Action]] = []
    count = GROUP
    for actions in planned:
        if count >= GROUP:
            groups.append([])
            count = 0
        groups[-1] += actions
        count += 1
    return groups


# --- Who is new ----------------------------------------------------------------------------------------------


def newcomer_of(row: Stored) -> Person | None:
    """The person behind a school mail whom neither configuration nor parent has made known."""
    verdict = (row.judgement or {}).get("verdict") or {}
    teacher = verdict.get("teacher") or {}
    unknown = verdict.get("sender") == "unknown" and not verdict.get("warnings")
    if not verdict.get("school") or not unknown or not teacher.get("address"):
        return None
    return Person(teacher["name"], teacher["address"])


# --- What the parent did ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filed:
    """What the state holds of a message that triage has handled: where we left it, and what we set."""

    key: str
    place: Place
    tags: frozenset[str]
    primary: Primary
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message as the mailbox shows it now; `labels`, at Gmail alone, name all folders in which it stands."""

    key: str
    place: Place
    flags: frozenset[str]
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Correction:
    """What the parent says of a message by moving or re-tagging it.

    `labels` are what it really is; None where the parent only took it back, which teaches no label.
    """

    key: str
    place: Place
    labels: tuple[Primary, ...] | None
    how: Literal["moved", "tagged", "command"]


def find_correction(seen: Sighting, filed: Filed | None, abilities: Abilities) -> Correction | None:
    """Compare where we left a message with where it is.

    A message that we never handled and that stands in a filing folder was put there by the parent.
    """
    roles = {folder: role for role, folder in abilities.folders.items()}
    role = roles.get(seen.place.folder)
    if abilities.done and seen.place.folder == abilities.done:
        # Settled, which says nothing of what it is.
        return None
    if abilities.tags == "labels":
        return _by_label(seen, filed, roles) if role is not None else None
    if filed is None:
        # With our tags it was filed by another account of the same mailbox, or by another installation.
        return _moved(seen, role) if role is not None and not seen.flags & frozenset(TAGS.values()) else None
    if seen.place.folder != filed.place.folder:
        return _moved(seen, role)
    if abilities.tags == "keywords":
        return _retagged(seen, filed)
    return None


def _moved(seen: Sighting, role: Role | None) -> Correction:
    labels: tuple[Primary, ...] | None = (role,) if role is not None and role != "review" else None
    return Correction(seen.key, seen.place, labels, "moved")


def label_of(folder: str) -> str:
    """The Gmail label that a message carries as long as it stands in a folder."""
    return "\\Inbox" if folder.upper() == "INBOX" else folder


def _by_label(seen: Sighting, filed: Filed | None, roles: Mapping[str, Role]) -> Correction | None:
    """At Gmail a label puts a message into one folder more, and only who takes it out of the first moves it."""
    ours = filed.tags | {label_of(filed.place.folder)} if filed is not None else frozenset()
    if seen.place.folder in ours:
        return None
    stands = filed is not None and label_of(filed.place.folder) in seen.labels
    # Beside the parent's label, ours hold as long as the message was not moved.
    others = sorted((seen.labels if stands else seen.labels - ours) - {seen.place.folder})
    found = [roles[folder] for folder in (seen.place.folder, *others) if folder in roles]
    labels: tuple[Primary, ...] = tuple(role for role in found if role in LABELS)
    if not labels and "other_school" in found:
        labels = ("other_school",)
    if found[0] == "review":
        labels = ()
    return Correction(seen.key, seen.place, labels or None, "tagged" if stands else "moved")


def _retagged(seen: Sighting, filed: Filed) -> Correction | None:
    ours = frozenset(TAGS.values())
    now, then = seen.flags & ours, filed.tags & ours
    if now == then:
        return None
    by_tag: dict[str, Primary] = {TAGS[label]: label for label in get_args(Label)}
    labels = tuple(by_tag[tag] for tag in sorted(now) if tag in by_tag)
    if labels:
        return Correction(seen.key, seen.place, labels, "tagged")
    if TAGS["school"] in now:
        return Correction(seen.key, seen.place, ("other_school",), "tagged")
    return Correction(seen.key, seen.place, None if TAGS["review"] in now else ("not_school",), "tagged")


# --- Undo ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """An action that was carried out, and where that left the message (or, for a note, the note)."""

    action: Action
    place: Place


def plan_undo(done: Collection[Done], now: Mapping[str, Place]) -> list[Action]:
    """The actions that put back what `done` did; `now` is where each message stands, by key.

    A message that the parent moved since, or that is gone, is left alone.
    """
    moved = {entry.action.key: entry for entry in done if entry.action.kind in ("move", "copy")}
    actions = []
    for entry in done:
        action, here = entry.action, now.get(entry.action.key)
        filed = moved.get(action.key)
        left_at = filed.place if filed is not None and filed.action.kind == "move" else action.place
        in_place = here is not None and here.folder == left_at.folder
        # A message that an undo which was cut short has put back already still loses our tags.
        at_home = here is not None and here.folder in (left_at.folder, action.place.folder)
        match action.kind:
            case "tag" if at_home:
                actions.append(Action("untag", action.key, here or left_at, tags=action.tags))
            case "label" if at_home:
                actions.append(Action("unlabel", action.key, here or left_at, tags=action.tags))
            case "move" if in_place:
                actions.append(Action("move", action.key, here or left_at, action.place.folder))
            case "copy" | "note" | "draft":
                actions.append(Action("remove", action.key, entry.place, message_id=action.message_id))
            case _:
                pass
    return actions
