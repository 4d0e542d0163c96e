"""Tags and labels: whether they are as they should be, and what is remembered of them."""

from collections import defaultdict
from collections.abc import Sequence

from triage.errors import RefusedError
from triage.mailbox import Mailbox
from triage.plan import Action
from triage.rows import INTERRUPTED, Op
from triage.store import Store

TAGGING = ("tag", "label", "untag", "unlabel")


def carried_out(action: Action, now: frozenset[str]) -> bool:
    """Whether a message's tags or labels are as an action wanted them."""
    wanted = set(action.tags)
    return wanted <= now if action.kind in ("tag", "label") else not wanted & now


def remember(store: Store, account: str, op: Op, now: frozenset[str]) -> None:
    """With the journal's row, or our own tag would be taken for the parent's."""
    if op.action.kind in ("tag", "untag"):
        store.set_tags(account, op.action.key, now)


def was_refused(store: Store, account: str, key: str) -> bool:
    """Whether the tags of a message could not be set in two passes: it is filed without them then."""
    rows = store.rows(
        "SELECT 1 FROM op WHERE account = ? AND key = ? AND kind IN ('tag', 'label') AND state = 'failed' "
        "AND detail != ?",
        account, key, INTERRUPTED,
    )  # fmt: skip
    return len(rows) > 1


def recover_tags(box: Mailbox, store: Store, account: str, ops: Sequence[Op]) -> None:
    """What a command that was cut short did to tags is ours, and no word of the parent's."""
    groups: dict[tuple[str, bool], list[Op]] = defaultdict(list)
    for op in ops:
        groups[op.action.place.folder, op.action.kind in ("tag", "untag")].append(op)
    for (folder, keywords), members in groups.items():
        try:
            uidvalidity = box.select(folder, readonly=True).uidvalidity
            here = [op.action.place.uid for op in members if op.action.place.uidvalidity == uidvalidity]
            seen = (box.flags if keywords else box.labels)(here, readable=True)
        except RefusedError:
            uidvalidity, seen = 0, {}
        with store.transaction():
            for op in members:
                now = seen.get(op.action.place.uid) if op.action.place.uidvalidity == uidvalidity else None
                if now is not None:
                    remember(store, account, op, now)
                if now is not None and carried_out(op.action, now):
                    store.mark(op, "done", uid=op.action.place.uid)
                else:
                    store.mark(op, "failed", detail=INTERRUPTED)
