"""Carries out actions: journal, act, verify, commit; and takes up after a crash what was left open.

The order makes every step safe to be the last one. Actions are done in groups that share a command, but each has
its own journal row and is proved by itself, by content: a move is done when a message of the same key stands in
the target, among those that arrived after the command was sent.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from triage.appending import Appender, Targets
from triage.errors import RefusedError, is_of_all_mail
from triage.looking import Looks
from triage.mailbox import Mailbox
from triage.originals import (
    Twins,
    elsewhere,
    in_one,
    is_at,
    marked_as_deleted,
    readable_keys,
    take_out,
    unmark,
    withdraw,
)
from triage.plan import Action, Outcome, Place, Selected
from triage.rows import INTERRUPTED, Op, OpState, ending_of
from triage.store import MAX_TRIES, Store
from triage.tagging import TAGGING, carried_out, recover_tags, remember, was_refused

_Pair = tuple[Op, Twins]


class StoppedError(Exception):
    """The program is to end; nothing is half done that the journal does not know of."""


class Applier:
    """Runs the actions of one account; use for one pass."""

    def __init__(
        self, box: Mailbox, store: Store, account: str, clock: Callable[[], datetime], stop: Callable[[], bool]
    ) -> None:
        self._box, self._store, self._account = box, store, account
        self._clock, self._stop = clock, stop
        self._failed: dict[str, str] = {}
        self._untagged: dict[str, str] = {}
        # Of what could not be brought to an end, as nobody can see how it ended: why, by key.
        self.left_open: dict[str, str] = {}
        self._targets = Targets(box)
        self._appender = Appender(box, store, account, clock, self._targets)

    def apply(self, run: str, actions: Sequence[Action]) -> Outcome:
        """Journal and carry out one group of at most `plan.GROUP` messages' actions."""
        return self.carry_out(self._store.journal(run, self._account, actions))

    def carry_out(self, ops: Sequence[Op]) -> Outcome:
        """Carry out actions that the journal holds already, in the one safe order."""
        self._failed, self._untagged = {}, {}
        # All flags before all moves: servers are far quicker so.
        self._each(ops, TAGGING, self._flag, by_target=False)
        for op in ops:
            # Where leaving the other folder takes no STORE.
            key, leaves = op.action.key, op.action.kind == "copy" or self._box.has("MOVE")
            filing = leaves and op.action.kind in ("move", "copy") and key in self._failed
            if filing and was_refused(self._store, self._account, key):
                self._untagged[key] = self._failed.pop(key)
        self._each(ops, ("move", "copy"), self._file, by_target=True)
        self._each(ops, ("note", "draft"), self._appender.append, by_target=True, by_source=False)
        self._each(ops, ("remove",), self._remove, by_target=False)
        return Outcome(dict(self._failed), dict(self._untagged))

    def _each(
        self,
        ops: Sequence[Op],
        kinds: tuple[str, ...],
        verb: Callable[[list[Op]], None],
        *,
        by_target: bool,
        by_source: bool = True,
    ) -> None:
        groups: dict[tuple[object, ...], list[Op]] = defaultdict(list)
        for op in ops:
            if op.action.kind not in kinds:
                continue
            if op.action.key in self._failed:
                # Where the next pass only has to end what this one began, the note comes then.
                give_up = self._appender.put_off if op.action.kind in ("note", "draft") else self._fail
                give_up(op, self._failed[op.action.key])
                continue
            action = op.action
            group = (
                action.kind,
                action.place.folder if by_source else "",
                action.target if by_target else action.tags,
            )
            groups[group].append(op)
        for members in groups.values():
            if self._stop():
                raise StoppedError
            verb(members)

    def _fail(self, op: Op, reason: str) -> None:
        self._store.mark(op, "failed", detail=reason)
        # A note that could not be appended leaves its message well filed.
        if op.action.kind not in ("note", "draft"):
            self._failed.setdefault(op.action.key, reason)

    # --- Flags ---

    def _flag(self, ops: list[Op]) -> None:
        first = ops[0].action
        present = self._present(ops)
        verb = {
            "tag": self._box.add_keywords,
            "untag": self._box.remove_keywords,
            "label": self._box.add_labels,
            "unlabel": self._box.remove_labels,
        }[first.kind]
        refused = in_one([op.action.place.uid for op in present], lambda uids: verb(uids, first.tags))
        if first.kind in ("tag", "untag"):
            seen = self._box.flags([op.action.place.uid for op in present])
        else:
            seen = self._box.labels([op.action.place.uid for op in present])
        with self._store.transaction():
            for op in present:
                uid = op.action.place.uid
                now = seen.get(uid)
                if now is None and uid not in refused:
                    self._gone(op)
                    continue
                if now is not None:
                    remember(self._store, self._account, op, now)
                if uid in refused:
                    self._fail(op, refused[uid])
                elif carried_out(op.action, now or frozenset()):
                    self._store.mark(op, "done", uid=uid)
                elif first.kind in ("tag", "label"):
                    # By the server, or by the parent who took it off just then: it was set, and is not set again.
                    self._store.mark(op, "done", uid=uid)
                    self._failed.setdefault(op.action.key, "the server did not keep the tag")
                else:
                    self._fail(op, "the server did not keep the tag")

    # --- Filing ---

    def _file(self, ops: list[Op]) -> None:
        target, kind = ops[0].action.target, ops[0].action.kind
        try:
            uidvalidity, uidnext = self._targets.look(target)
        except RefusedError as error:
            for op in ops:
                self._fail(op, f'folder "{target}" cannot be used: {error}')
            return
        present = self._the_same(self._present(ops))
        if not present:
            return
        moving = kind == "move" and self._box.has("MOVE")
        self._store.mark_sent(present, uidvalidity, uidnext)
        command = self._box.move if moving else self._box.copy
        refused = in_one([op.action.place.uid for op in present], lambda uids: command(uids, target))
        self._prove(present, target, uidvalidity, uidnext, refused)

    def _prove(
        self, ops: Sequence[Op], target: str, uidvalidity: int, uidnext: int, refused: Mapping[int, str]
    ) -> None:
        """Find each message in the target by content, and take it out of the source if it is still there."""
        arrived, whole = self._arrivals(target, uidnext)
        self._box.select(ops[0].action.place.folder)
        here = self._box.keys([op.action.place.uid for op in ops])
        copied, taken = list[_Pair](), list[_Pair]()
        with self._store.transaction():
            for op in ops:
                uid, key = op.action.place.uid, op.action.key
                in_target = arrived.get(key)
                in_source = here.get(uid) == key
                if in_target is None:
                    # What MOVE left where it was is not in the target either.
                    stayed = in_source and (uid in refused or (op.action.kind == "move" and self._box.has("MOVE")))
                    if not whole and not stayed:
                        self._leave_open(op, "what stands there cannot be read")
                    elif in_source:
                        self._fail(op, refused.get(uid, "the server did not move it"))
                    else:
                        self._gone(op)
                    continue
                twins = Twins(key, op.action.place, Place(target, uidvalidity, in_target), self._flags_before(key))
                if in_source and op.action.kind == "move":
                    self._store.mark(op, "copied", uid=in_target)
                    copied.append((op, twins))
                elif op.action.kind == "move" and not self._box.has("MOVE"):
                    taken.append((op, twins))
                else:
                    self._filed(op, twins.copy)
        self._finish(copied)
        self._taken(taken)

    def _flags_before(self, key: str) -> frozenset[str]:
        """A message's flags as we last saw them: when it was read, or tagged."""
        stored = self._store.message(self._account, key)
        return stored.tags if stored is not None else frozenset()

    def _finish(self, copied: Sequence[_Pair]) -> None:
        """What was copied leaves the selected source, but for what somebody marked as deleted: there the copy goes."""
        self._mark(copied, "marked")
        # After the commit, so that next to nothing lies between this look and our own mark.
        by_them = marked_as_deleted(self._box, [twins.original.uid for _, twins in copied])
        theirs = [pair for pair in copied if pair[1].original.uid in by_them]
        self._mark(theirs, "copied")
        self._take_out([pair for pair in copied if pair[1].original.uid not in by_them], self._filed)
        for op, twins in theirs:
            withdraw(self._box, twins)
            self._gone(op)

    def _mark(self, pairs: Sequence[_Pair], state: OpState) -> None:
        """Commit how far a group got."""
        if pairs:
            with self._store.transaction():
                for op, _ in pairs:
                    self._store.mark(op, state)

    def _take_out(self, copied: Sequence[_Pair], ended: Callable[[Op, Place], None]) -> None:
        """Remove from the selected source what was just proved to stand elsewhere; the journal says `marked`."""
        if not copied:
            return
        refused, gone = take_out(self._box, [twins for _, twins in copied])
        marked = unmark(self._box, [twins.original for _, twins in copied if twins.key in refused])
        with self._store.transaction():
            for op, twins in copied:
                if twins.key in refused:
                    # The action stays open: the next pass tries to remove, and never copies again.
                    self._store.mark(op, "marked" if twins.original in marked else "copied")
                    reason = f"copied, but the original could not be removed: {refused[twins.key]}"
                    self._failed[twins.key] = reason
                elif twins.key not in gone:
                    ended(op, twins.copy)
        self._taken([pair for pair in copied if pair[1].key in gone], marked=True)

    def _taken(self, pairs: Sequence[_Pair], *, marked: bool = False) -> None:
        """Somebody took the originals after they were copied: where one is found its copy goes, else the copy stays."""
        found = elsewhere(self._box, [twins for _, twins in pairs])
        if marked:
            unmark(self._box, found.values())
        for op, twins in pairs:
            if twins.key in found:
                self._attempt(op, partial(self._withdraw, op, twins))
            else:
                self._filed(op, twins.copy)

    def _withdraw(self, op: Op, twins: Twins) -> None:
        withdraw(self._box, twins)
        self._gone(op)

    def _filed(self, op: Op, place: Place) -> None:
        # Together: a pass or an undo that dies now finds the message where it stands.
        with self._store.transaction():
            self._store.mark(op, "done", uid=place.uid)
            if op.action.kind == "move":
                self._store.set_place(self._account, op.action.key, place)

    def _gone(self, op: Op, _place: Place | None = None) -> None:
        """In neither place: the parent, or a rule, took it meanwhile. It is theirs now."""
        self._store.mark(op, "vanished")
        self._failed.setdefault(op.action.key, "")

    # --- What is taken back ---

    def _remove(self, ops: list[Op]) -> None:
        """Take back what we added: a note or draft of ours, or the copy of a message whose original stands."""
        originals = {op.id: self._original_stands(op) for op in ops if not op.action.message_id}
        folder = ops[0].action.place.folder
        selected = self._open(folder)
        if selected is None:
            # What stands in a folder that cannot be opened just now is not gone.
            closed = partial(self._fail, reason=f'folder "{folder}" cannot be opened')
            end = partial(self._store.mark, state="vanished") if self._box.status(folder) is None else closed
            for op in ops:
                end(op)
            return
        uids = [op.action.place.uid for op in ops]
        ids, keys = self._box.message_ids(uids), self._box.keys(uids)
        for op in ops:
            place, ours = op.action.place, op.action.message_id
            same = ids.get(place.uid) == ours if ours else keys.get(place.uid) == op.action.key
            if selected.uidvalidity != place.uidvalidity or not same:
                self._store.mark(op, "vanished")
            elif not originals.get(op.id, True):
                self._fail(op, "the original is not where it was; its copy is kept")
            elif refused := in_one([place.uid], self._box.remove):
                self._fail(op, refused[place.uid])
            else:
                self._store.mark(op, "done", uid=place.uid)

    def _original_stands(self, op: Op) -> bool:
        known = self._store.message(self._account, op.action.key)
        return known is not None and self._stands(known.place, op.action.key)

    # --- What they share ---

    def _present(self, ops: Sequence[Op]) -> list[Op]:
        """Those whose source folder is still the one that the UIDs belong to; the folder is selected."""
        folder = ops[0].action.place.folder
        selected = self._box.selected
        if selected is None or selected.folder != folder or selected.read_only:
            selected = self._open(folder)
        if selected is None or selected.read_only:
            reason = f'folder "{folder}" ' + ("is not there any more" if selected is None else "is read-only")
            for op in ops:
                self._fail(op, reason)
            return []
        for op in ops:
            if op.action.place.uidvalidity != selected.uidvalidity:
                self._fail(op, f'folder "{folder}" was rebuilt meanwhile')
        return [op for op in ops if op.action.place.uidvalidity == selected.uidvalidity]

    def _the_same(self, ops: Sequence[Op]) -> list[Op]:
        """Those whose UIDs, in the selected folder, still mean the messages that were judged: one FETCH for all."""
        here = self._box.keys([op.action.place.uid for op in ops])
        same = list[Op]()
        with self._store.transaction():
            for op in ops:
                found = here.get(op.action.place.uid)
                if found == op.action.key:
                    same.append(op)
                elif found is None:
                    self._gone(op)
                else:
                    self._fail(op, "another message has taken its number")
        return same

    def _open(self, folder: str, *, readonly: bool = False) -> Selected | None:
        """Select a folder, None where it cannot be: the parent may have renamed or removed it."""
        try:
            return self._box.select(folder, readonly=readonly)
        except RefusedError:
            return None

    def _stands(self, place: Place, key: str) -> bool:
        """Whether a message is where it was; its folder is selected."""
        selected = self._open(place.folder)
        same = selected is not None and selected.uidvalidity == place.uidvalidity
        return same and is_at(self._box, place.uid, key)

    def _arrivals(self, folder: str, uidnext: int) -> tuple[dict[str, int], bool]:
        """Key to UID of what stands in a folder from `uidnext` on, of two copies the older; whether that is all."""
        try:
            self._box.select(folder, readonly=True)
            found, whole = readable_keys(self._box, self._box.starting_at(uidnext))
        except RefusedError:
            self._targets.close(folder)
            return {}, False
        return {key: uid for uid, key in sorted(found.items(), reverse=True)}, whole

    def _leave_open(self, op: Op, reason: str) -> None:
        """What cannot be read proves nothing: the action waits for a pass that sees how it ended."""
        named = f'whether message {op.action.place.uid} of {op.action.place.folder} is in "{op.action.target}"'
        self._failed[op.action.key] = self.left_open[op.action.key] = f"{named} cannot be seen: {reason}"

    # --- After a crash ---

    def recover(self) -> int:
        """Bring every open action to an end that the mailbox proves; returns how many there were.

        What was not yet sent is dropped, and planned anew when the message is judged again; what may have been
        sent is looked for; a note whose message is filed is appended now, unless it already stands there.
        """
        open_ops = self._store.open_ops(self._account)
        if any(op.state == "sent" for op in open_ops):
            self._box.settle()
        self._failed = {}
        taken, lost = list[_Pair](), list[_Pair]()
        for op in open_ops:
            if op.action.kind in ("move", "copy") and op.state != "planned":
                self._attempt(op, partial(self._recover_filing, op, taken, lost))
            elif op.action.kind not in ("note", "draft", *TAGGING):
                self._store.mark(op, "failed", detail=INTERRUPTED)
        self._taken([pair for pair in taken if pair[0].state != "marked"])
        self._taken([pair for pair in taken if pair[0].state == "marked"], marked=True)
        self._recover_lost(lost)
        recover_tags(self._box, self._store, self._account, [op for op in open_ops if op.action.kind in TAGGING])
        self._recover_notes([op for op in open_ops if op.action.kind in ("note", "draft")])
        with self._store.transaction():
            for key in {*(op.action.key for op in open_ops), *self._store.pending(self._account)}:
                self._settle(key)
        self.left_open |= {key: reason for key, reason in self._failed.items() if reason not in ("", INTERRUPTED)}
        return len(open_ops)

    def _recover_filing(self, op: Op, taken: list[_Pair], lost: list[_Pair]) -> None:
        target, arrival = op.action.target, op.arrival
        status = self._box.status(target)
        same = status is not None and status.uidvalidity == arrival.uidvalidity
        # A target that was rebuilt has new UIDs for all: look through the whole of it.
        found, whole = self._arrivals(target, arrival.uid if same else 1) if status is not None else ({}, True)
        selected = self._open(op.action.place.folder)
        same_source = selected is not None and selected.uidvalidity == op.action.place.uidvalidity
        in_source = same_source and is_at(self._box, op.action.place.uid, op.action.key)
        in_target = found.get(op.action.key)
        copy = Place(target, status.uidvalidity if status is not None else 0, in_target or 0)
        twins = Twins(op.action.key, op.action.place, copy, self._flags_before(op.action.key))
        rebuilt = selected is not None and not same_source
        proved = op.state in ("copied", "marked")
        if in_target is None and not whole:
            raise RefusedError("not all that stands there can be read")
        if in_target is None and proved:
            lost.append((op, twins))
        elif in_target is None and (in_source or rebuilt):
            # In a folder that was rebuilt it is looked for by its content, with the others.
            self._interrupted(op)
        elif in_target is None:
            self._gone(op)
        elif in_source and op.action.kind == "move" and op.state == "marked":
            self._take_out([(op, twins)], self._filed)
        elif in_source and op.action.kind == "move":
            self._store.mark(op, "copied", uid=in_target)
            self._finish([(op, twins)])
        elif op.action.kind == "move" and (proved or not self._box.has("MOVE")):
            taken.append((op, twins))
        else:
            self._filed(op, twins.copy)

    def _attempt(self, op: Op, end: Callable[[], None]) -> None:
        """Bring one action to an end; where what would prove it cannot be read, it stays open."""
        looks = Looks(self._box, self._store, self._account, self._clock)
        if left_out := looks.at(op.action.target, "recovery", end):
            self._leave_open(op, left_out)
            source = self._open(op.action.place.folder) if op.state == "marked" else None
            if source is not None and not unmark(self._box, [op.action.place]):
                self._store.mark(op, "copied")

    def _interrupted(self, op: Op) -> None:
        self._store.mark(op, "failed", detail=INTERRUPTED)
        self._failed[op.action.key] = INTERRUPTED

    def _recover_lost(self, lost: Sequence[_Pair]) -> None:
        """A proved copy is not where it was. Where somebody put it elsewhere the original goes, else that is let be."""
        begun = elsewhere(self._box, [twins for op, twins in lost if op.state == "marked"])
        # What we have not begun to remove may be what was to stay when its double was thrown away.
        found = begun | elsewhere(self._box, [twins for op, twins in lost if op.state == "copied"], trashed=False)
        for op, twins in lost:
            self._attempt(op, partial(self._end_lost, op, twins, found.get(twins.key)))

    def _end_lost(self, op: Op, twins: Twins, moved_on: Place | None) -> None:
        stands = self._stands(twins.original, twins.key)
        if moved_on is not None and stands:
            self._mark([(op, twins)], "marked")
            self._take_out([(op, replace(twins, copy=moved_on))], self._gone)
            return
        if op.state == "marked":
            unmark(self._box, [twins.original] if stands else [place for place in [moved_on] if place is not None])
        target, source = self._box.status(op.action.target), self._box.status(twins.original.folder)
        if target is None and moved_on is None:
            # Its folder is not there: nothing is removed, and a person has to look.
            self._store.mark(op, "copied")
            self._failed[twins.key] = f'folder "{op.action.target}", which holds its copy, is not there any more'
        elif (target is not None and target.uidvalidity != op.arrival.uidvalidity) or (
            source is not None and source.uidvalidity != twins.original.uidvalidity
        ):
            # In a folder that was rebuilt it is looked for by its content, with the others.
            self._interrupted(op)
        else:
            self._gone(op)

    def _recover_notes(self, ops: Sequence[Op]) -> None:
        due: list[Op] = []
        for op in ops:
            if self._reason(op.action.key) is not None:
                # Its message will be judged again, and gets its note then.
                self._store.mark(op, "failed", detail=INTERRUPTED)
            elif op.state == "planned" or self._appender.is_missing(op):
                due.append(op)
        by_target: dict[str, list[Op]] = defaultdict(list)
        for op in due:
            by_target[op.action.target].append(op)
        for members in by_target.values():
            self._appender.append(members)

    def _reason(self, key: str) -> str | None:
        """Why a message is not where it should be, None if it is: seen just now, or recorded before."""
        return self._failed.get(key, ending_of(self._store.last_ops_of(self._account, key)))

    def _settle(self, key: str) -> None:
        """Record how a message's actions ended, from the journal; an interrupted one is left to be planned anew."""
        stored, ops = self._store.message(self._account, key), self._store.last_ops_of(self._account, key)
        if stored is None or stored.status not in ("pending", "failed", "quarantined") or not ops:
            return
        reason = self._reason(key)
        if reason == INTERRUPTED or key in self.left_open or (reason and stored.status == "quarantined"):
            return
        if reason is None:
            self._store.set_status(self._account, key, "done")
        elif reason == "":
            self._store.set_status(self._account, key, "released", "moved by somebody else")
        else:
            counts = not is_of_all_mail(reason)
            self._store.set_status(self._account, key, "failed", reason, counts=counts)
            if counts and stored.tries + 1 >= MAX_TRIES:
                self._store.give_up(self._account, key, reason)
