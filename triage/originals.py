"""On a server without MOVE: what becomes of originals once their copies were proved to stand in the target.

Another client may have read, marked, moved or deleted an original since it was copied. What it did wins: its flags are
brought to the copy, and where the original stands elsewhere the copy goes. Nothing is removed unless its twin was seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from triage.errors import RefusedError
from triage.mailbox import Mailbox
from triage.plan import Place

# A message that a person moved a moment ago is among so many of its folder's last.
_NEWEST = 100
# Not what another client set: our own mark before the expunge, and the server's.
_PASSING = frozenset({"\\Deleted", "\\Recent"})


@dataclass(frozen=True, slots=True)
class Twins:
    """A message by its content key, where it was, and its proved copy."""

    key: str
    original: Place
    copy: Place


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


def marked_as_deleted(box: Mailbox, twins: Sequence[Twins]) -> set[str]:
    """Keys of those whose originals, in the selected folder, somebody marked as deleted."""
    flags = box.flags([pair.original.uid for pair in twins])
    return {pair.key for pair in twins if "\\Deleted" in flags.get(pair.original.uid, ())}


def take_out(box: Mailbox, twins: Sequence[Twins]) -> tuple[dict[str, str], set[str]]:
    """Remove originals from the selected folder.

    Returns, by key, why some could not be removed, and which were gone already.
    """
    last: dict[int, frozenset[str]] = {}
    refused = in_one([pair.original.uid for pair in twins], lambda uids: last.update(box.remove(uids)))
    removed = [pair for pair in twins if pair.original.uid in last and pair.original.uid not in refused]
    _bring_flags(box, {pair.copy: last[pair.original.uid] - _PASSING for pair in removed})
    reasons = {pair.key: refused[pair.original.uid] for pair in twins if pair.original.uid in refused}
    return reasons, {pair.key for pair in twins} - {pair.key for pair in removed} - set(reasons)


def _bring_flags(box: Mailbox, wanted: Mapping[Place, frozenset[str]]) -> None:
    for folder in {copy.folder for copy in wanted}:
        copies = {copy.uid: flags for copy, flags in wanted.items() if copy.folder == folder}
        box.select(folder)
        for uid, flags in box.flags(list(copies)).items():
            if missing := copies[uid] - flags:
                in_one([uid], lambda uids, missing=missing: box.add_flags(uids[0], missing))  # type: ignore[misc]


def withdraw_if_elsewhere(box: Mailbox, twins: Twins) -> bool:
    """Look for an original that somebody took; where it is found the copy is removed, and True given."""
    for folder in box.folders():
        try:
            selected = box.select(folder, readonly=True)
        except RefusedError:
            continue
        newest = box.keys(box.starting_at(max(1, selected.uidnext - _NEWEST)))
        if any(
            key == twins.key and (folder, uid) != (twins.copy.folder, twins.copy.uid) for uid, key in newest.items()
        ):
            withdraw(box, twins)
            return True
    return False


def withdraw(box: Mailbox, twins: Twins) -> None:
    """Remove the copy of a message whose original was seen to stand."""
    selected = box.select(twins.copy.folder)
    if selected.uidvalidity == twins.copy.uidvalidity and box.keys([twins.copy.uid]).get(twins.copy.uid) == twins.key:
        in_one([twins.copy.uid], box.remove)
