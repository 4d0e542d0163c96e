"""Puts a pass back: the same journal, verification and recovery, on a plan that reverses what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.apply import Applier
from triage.errors import UsageError
from triage.mailbox import Mailbox
from triage.plan import Action, Done, Place, in_groups, plan_undo
from triage.session import Session
from triage.store import Store

_MOVED = "moved since, by you or another program"


@dataclass(frozen=True, slots=True)
class Undone:
    """How an undo ended: messages put back, those left where they are, and why."""

    put_back: int
    left: Mapping[str, str]


def chosen_run(store: Store, run: str | None) -> str:
    """The run to undo: the one named, or the last that changed something. Raises `UsageError`."""
    if run is None:
        last = store.last_run()
        if last is None:
            raise UsageError("there is no pass to undo")
        return last
    if not store.has_run(run):
        raise UsageError(f'there is no run "{run}"; `triage once --json` names them')
    return run


def undo_plan(store: Store, run: str, account: str) -> list[Action]:
    """What would be done to put back a run on one account."""
    done = store.done_of(run, account)
    return plan_undo(done, _places(store, account, done))


def _places(store: Store, account: str, done: Sequence[Done]) -> dict[str, Place]:
    found = {entry.action.key: store.message(account, entry.action.key) for entry in done}
    return {key: stored.place for key, stored in found.items() if stored is not None}


def _is_home(one: Done, now: Mapping[str, Place]) -> bool:
    """Whether a message stands where it came from: an undo that was cut short has put it back."""
    here = now.get(one.action.key)
    return here is not None and here.folder == one.action.place.folder


def undo(session: Session, box: Mailbox, account: str, run: str, this_run: str) -> Undone:
    """Put back a run on one account whose mailbox is open."""
    store = session.store
    applier = Applier(box, store, account, session.clock, session.stop)
    applier.recover()
    by_key: dict[str, list[Action]] = {}
    for action in undo_plan(store, run, account):
        by_key.setdefault(action.key, []).append(action)
    done = store.done_of(run, account)
    now = _places(store, account, done)
    moved = {one.action.key for one in done if one.action.kind == "move" and not _is_home(one, now)}
    # Of these no more than our note is taken away.
    away = {key for key, actions in by_key.items() if key in moved and all(one.kind == "remove" for one in actions)}
    left = dict.fromkeys(away, _MOVED)
    for group in in_groups(by_key.values()):
        outcome = applier.apply(this_run, group)
        keys = dict.fromkeys(action.key for action in group)
        left |= {key: outcome.failed[key] or _MOVED for key in keys if key in outcome.failed}
        with store.transaction():
            for key in keys:
                if key not in outcome.failed:
                    # What was put back is not filed again: the parent has decided.
                    store.set_status(account, key, "released", _MOVED if key in away else "put back by undo")
                    store.mark_undone(account, key, but=this_run)
    return Undone(len(by_key) - len(left), left)
