"""Appends what we write ourselves, notes and drafts; proved by the Message-ID that only this installation makes."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime

from triage.errors import AnswerError, RefusedError
from triage.mailbox import Mail, Mailbox
from triage.plan import Action
from triage.rows import Op
from triage.store import Store

# So long after its message is shown a note or draft that the server refused is offered again; the digest has it too.
_OF_USE = timedelta(days=2)


class Targets:
    """The folders into which a pass puts something; one that is not there is made, once."""

    def __init__(self, box: Mailbox) -> None:
        self._box = box
        self._made: set[str] = set()
        self._closed: set[str] = set()

    def close(self, folder: str) -> None:
        """What was put into it could not be looked for: nothing more is put there by this pass."""
        self._closed.add(folder)

    def look(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY and UIDNEXT of a folder, which is made if it is not there."""
        status = self._box.status(folder)
        if status is None and folder not in self._made:
            self._made.add(folder)
            self._box.create_folder(folder)
            status = self._box.status(folder)
        if folder in self._closed or status is None or not status.uidvalidity or not status.uidnext:
            raise RefusedError("it cannot be looked into")
        return status.uidvalidity, status.uidnext


class Appender:
    """Puts journalled notes and drafts into their folders."""

    def __init__(
        self, box: Mailbox, store: Store, account: str, clock: Callable[[], datetime], targets: Targets
    ) -> None:
        self._box, self._store, self._account = box, store, account
        self._clock, self._targets = clock, targets

    def append(self, ops: Sequence[Op]) -> None:
        """Append a group that has one target."""
        target = ops[0].action.target
        try:
            uidvalidity, uidnext = self._targets.look(target)
        except RefusedError as error:
            with self._store.transaction():
                for op in ops:
                    self.put_off(op, f'folder "{target}" cannot be used: {error}')
            return
        self._store.mark_sent(ops, uidvalidity, uidnext)
        at = self._clock()
        mails = [Mail(_dated(op.action, at), _append_flags(op.action), at) for op in ops]
        reason = ""
        try:
            self._box.append(target, mails)
        except RefusedError as error:
            reason = str(error)
        arrived, standing = self._arrived(target, uidnext)
        with self._store.transaction():
            for op in ops:
                uid = arrived.get(op.action.message_id)
                if uid is not None:
                    self._store.mark(op, "done", uid=uid)
                elif reason or standing is not None:
                    self.put_off(op, reason or "the server did not keep the note")
                else:
                    self._leave_open(op)

    def put_off(self, op: Op, reason: str) -> None:
        """What was refused comes with a later pass, like the note of a mail that cools off, as long as it is of use."""
        stored = self._store.message(self._account, op.action.key)
        of_use = stored is not None and self._clock() < stored.day + _OF_USE
        self._store.mark(op, "held" if of_use else "failed", detail=reason)

    def _leave_open(self, op: Op) -> None:
        """Whether it arrived cannot be seen just now: it is looked for again as long as it is of use, not sent."""
        stored = self._store.message(self._account, op.action.key)
        if stored is None or self._clock() >= stored.day + _OF_USE:
            self._store.mark(op, "failed", detail="whether it arrived cannot be seen")

    def is_missing(self, op: Op) -> bool:
        """Whether a note that may have been sent is not there; what is found of it is recorded."""
        try:
            status = self._box.status(op.action.target)
        except RefusedError:
            self._leave_open(op)
            return False
        if status is None or status.uidvalidity != op.arrival.uidvalidity:
            # Whether it arrived cannot be known any more; a second one would be worse than none.
            self._store.mark(op, "failed", detail="its folder was rebuilt meanwhile")
            return False
        arrived, standing = self._arrived(op.action.target, op.arrival.uid)
        uid = arrived.get(op.action.message_id)
        if uid is not None:
            self._store.mark(op, "done", uid=uid)
        elif standing is None:
            self._leave_open(op)
        elif standing < status.uidnext - op.arrival.uid:
            # Something that arrived there since is gone: it may be this one, which the parent changed or threw away.
            self._store.mark(op, "failed", detail="whether it arrived cannot be seen")
        elif not op.action.payload:
            self._store.mark(op, "failed", detail="its text was forgotten")
        else:
            return True
        return False

    def _arrived(self, folder: str, uidnext: int) -> tuple[dict[str, int], int | None]:
        """Message-ID to UID of what stands in a folder from `uidnext` on; how many these are, if all can be seen."""
        try:
            self._box.select(folder, readonly=True)
            uids = self._box.starting_at(uidnext)
            found = self._box.message_ids(uids, readable=True)
        except (RefusedError, AnswerError):
            if self._box.dead:
                raise
            self._targets.close(folder)
            return {}, None
        arrived = {message_id: uid for uid, message_id in sorted(found.items(), reverse=True)}
        return arrived, len(uids) if len(found) == len(uids) else None


def _append_flags(action: Action) -> tuple[str, ...]:
    return ("\\Seen", "\\Draft") if action.kind == "draft" else ("\\Seen",)


def _dated(action: Action, at: datetime) -> bytes:
    """The mail with its Message-ID and Date, in CRLF."""
    head = f"Message-ID: {action.message_id}\r\nDate: {format_datetime(at)}\r\n".encode("ascii")
    return head + re.sub(rb"\r?\n", b"\r\n", action.payload)
