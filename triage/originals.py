"""On a server without MOVE: what becomes of originals once their copies were proved to stand in the target.

Another client may have read, marked, moved or deleted an original since it was copied. What it did wins: its flags are
brought to the copy, and where the original stands elsewhere the copy goes. Nothing is removed unless its twin was seen.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from triage.errors import AnswerError, RefusedError
from triage.mailbox import Mailbox
from triage.plan import Place, Selected

# A message that a person moved a moment ago is among so many of its folder's last.
_NEWEST = 100
# Not what another client set: our own mark before the expunge, and the server's.
_PASSING = frozenset({"\\Deleted", "\\Recent"})
# LIST attributes (RFC 6154, RFC 8457) of folders that show what stands in others, our own copy too: no second message.
_VIEWS = frozenset({"\\all", "\\flagged", "\\important", "\\noselect", "\\nonexistent"})
_EMPTIED = frozenset({"\\trash", "\\junk"})


@dataclass(frozen=True, slots=True)
class Twins:
    """A message by its content key, where it was, and its proved copy; `before`: its flags when it was copied."""

    key: str
    original: Place
    copy: Place
    before: frozenset[str] = frozenset()


def in_one(uids: Sequence[int], verb: Callable[[list[int]], object]) -> dict[int, str]:
    """Run a command on all; where it is refused, on each alone. Returns the reasons of those refused."""
    if not uids:
        return {}
    try:
        verb(list(uids))
    except RefusedError as error:
        if len(uids) == 1:
            return {uids[0]: str(error)}
    else:
        return {}
    refused: dict[int, str] = {}
    for position, uid in enumerate(uids):
        if position == len(refused) == 3:
            # The first three were all refused: it is the folder, not the message.
            return refused | dict.fromkeys(uids[position:], refused[uids[0]])
        refused |= in_one([uid], verb)
    return refused


def readable_keys(box: Mailbox, uids: Sequence[int]) -> tuple[dict[int, str], bool]:
    """Messages' content keys, and whether all of them could be read: what could not proves nothing by its absence."""
    try:
        found = box.keys(uids, readable=True)
    except (RefusedError, AnswerError):
        if box.dead:
            raise
        return {}, False
    return found, len(found) == len(uids)


def is_at(box: Mailbox, uid: int, key: str) -> bool:
    """Whether a UID of the selected folder is that message. Raises `RefusedError` where it cannot be read."""
    found, read = readable_keys(box, [uid])
    if not read and uid in box.starting_at(uid):
        raise RefusedError("a message cannot be read")
    return found.get(uid) == key


def marked_as_deleted(box: Mailbox, uids: Sequence[int]) -> set[int]:
    """Those of the selected folder that carry the mark of deletion."""
    return {uid for uid, flags in box.flags(uids).items() if "\\Deleted" in flags}


def take_out(box: Mailbox, twins: Sequence[Twins]) -> tuple[dict[str, str], set[str]]:
    """Remove originals from the selected folder.

    Returns, by key, why some could not be removed, and which were gone already.
    """
    last: dict[int, frozenset[str]] = {}
    refused = in_one([pair.original.uid for pair in twins], lambda uids: last.update(box.remove(uids)))
    removed = [pair for pair in twins if pair.original.uid in last and pair.original.uid not in refused]
    _bring_flags(box, [(pair, last[pair.original.uid]) for pair in removed])
    reasons = {pair.key: refused[pair.original.uid] for pair in twins if pair.original.uid in refused}
    return reasons, {pair.key for pair in twins} - {pair.key for pair in removed} - set(reasons)


def _bring_flags(box: Mailbox, removed: Sequence[tuple[Twins, frozenset[str]]]) -> None:
    """What was set on an original, or taken off it, since it was copied; what was done to its copy itself stays."""
    for folder in {pair.copy.folder for pair, _ in removed}:
        box.select(folder)
        copies = {pair.copy.uid: (pair.before, last) for pair, last in removed if pair.copy.folder == folder}
        for uid, flags in box.flags(list(copies)).items():
            before, last = copies[uid]
            if more := last - before - flags - _PASSING:
                in_one([uid], lambda uids, more=more: box.add_flags(uids[0], more))  # type: ignore[misc]
            if less := (before - last - _PASSING) & flags:
                in_one([uid], lambda uids, less=less: box.remove_flags(uids[0], less))  # type: ignore[misc]


def unmark(box: Mailbox, places: Collection[Place]) -> set[Place]:
    """Take our mark of deletion back, where it stands; returns where that could not be done."""
    left = set[Place]()
    for folder, uidvalidity in {(place.folder, place.uidvalidity) for place in places}:
        here = {place.uid: place for place in places if (place.folder, place.uidvalidity) == (folder, uidvalidity)}
        try:
            selected = box.select(folder)
        except RefusedError:
            continue
        if selected.uidvalidity != uidvalidity:
            continue
        if not selected.read_only:
            in_one(sorted(marked_as_deleted(box, list(here))), box.unmark)
        left |= {here[uid] for uid in marked_as_deleted(box, list(here))}
    return left


def elsewhere(box: Mailbox, twins: Iterable[Twins], *, trashed: bool = True) -> dict[str, Place]:
    """Where somebody put messages that stand neither as originals nor as copies any more, by key: in one walk.

    Not in folders that only show what stands in others; nor, without `trashed`, in those that are emptied by time.
    """
    sought = {pair.key: pair for pair in twins}
    found = dict[str, Place]()
    for selected, newest in newest_of_each(box, trashed=trashed) if sought else ():
        for uid, key in readable_keys(box, newest)[0].items():
            place = Place(selected.folder, selected.uidvalidity, uid)
            if key in sought and place not in (sought[key].original, sought[key].copy):
                found[key] = place
    return found


def newest_of_each(box: Mailbox, *, trashed: bool = True) -> Iterator[tuple[Selected, list[int]]]:
    """Each folder that can be looked into, as it is opened, and the UIDs of its newest messages."""
    passed_over = _VIEWS if trashed else _VIEWS | _EMPTIED
    for folder, attributes in box.folders().items():
        if passed_over & {attribute.lower() for attribute in attributes}:
            continue
        try:
            selected = box.select(folder, readonly=True)
            newest = box.starting_at(max(1, selected.uidnext - _NEWEST))
        except RefusedError:
            continue
        yield selected, newest


def withdraw(box: Mailbox, twins: Twins) -> None:
    """Remove the copy of a message whose original was seen to stand."""
    selected = box.select(twins.copy.folder)
    if selected.uidvalidity == twins.copy.uidvalidity and box.keys([twins.copy.uid]).get(twins.copy.uid) == twins.key:
        in_one([twins.copy.uid], box.remove)
