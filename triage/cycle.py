"""One pass over one account: the whole job, in the order in which it is told.

Finish what a crash left open; see what the parent did; read what is new; judge it; plan all of it; and only then act.
Last, see whom the parent answered.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from triage.apply import Applier, Outcome, in_groups
from triage.beside import look_at_drafts
from triage.classify import Verdict, unreadable_json
from triage.config import Config
from triage.cooling import held_until
from triage.errors import RefusedError
from triage.judge import Judgement
from triage.ledger import Ledger
from triage.mailbox import Fetched, Mailbox, Summary
from triage.observe import (
    Pass,
    Report,
    Visit,
    complete_corrections,
    judge,
    kept_of,
    observe,
    observe_answers,
    remember_folders,
    settle_thread,
    since_lookback,
    without_ours,
)
from triage.plan import (
    ROLES,
    Abilities,
    Action,
    Appendix,
    Case,
    Correction,
    Place,
    Selected,
    Status,
    Stored,
    plan,
    too_many_moves,
)
from triage.prompts import Wording
from triage.rows import FolderState, Op

# A watched folder that held at least so many messages and now holds none was emptied by accident, or reset.
EMPTIED_FROM = 20
# The messages of a batch are fetched and judged together.
BATCH = 100


@dataclass(frozen=True, slots=True)
class _Entry:
    """A message of the watched folder, and what was made of it; the mail itself is not kept."""

    key: str
    summary: Summary
    place: Place
    judgement: Judgement

    @property
    def named(self) -> str:
        """The message as the parent may know it, without a word of its text."""
        sender = f" from {self.judgement.sender_address}" if self.judgement.sender_address else ""
        received = f" of {self.summary.received:%Y-%m-%d}" if self.summary.received else ""
        return f"message {self.place.uid} in {self.place.folder}{sender}{received}"


def run_pass(work: Pass, box: Mailbox) -> Report:
    """One pass over an account whose mailbox is open. Raises `MailboxError` when the connection breaks."""
    account = work.account
    selected = box.select(account.folder)
    visit = Visit(work, box, abilities_of(box, selected, work.config), Report(account.name))
    applier = Applier(box, work.store, account.name, work.clock, work.stop)
    if not work.dry_run:
        work.store.clock_is(work.clock())
        applier.recover()
        selected = box.select(account.folder)
    before = work.store.folder(account.name, account.folder)
    if problem := _reset(selected, before):
        if not work.agreed:
            return _left_alone(visit, problem, selected, before)
        _join_again(visit, selected, before)
    if not work.dry_run:
        complete_corrections(visit)
        observe(visit)
        selected = box.select(account.folder)
    entries = list(_judged(visit, selected, _new(visit, selected, before)))
    planned = _plan_all(visit, entries)
    if work.dry_run:
        return visit.report
    if (many := too_many_moves(action for actions in planned.values() for action in actions)) and not work.agreed:
        visit.report.error = (
            f"{many} messages would be moved at once; end `triage run` if it runs, look at `triage once --dry-run`, "
            "then run `triage once --yes`"
        )
        return visit.report
    _act(visit, applier, {entry.key: entry for entry in entries}, planned, first=before is None)
    after = box.status(account.folder)
    state = FolderState.of(selected, work.clock())
    # What we moved away ourselves is not missed; what arrived meanwhile is still to be looked at.
    existed = after.exists if after is not None else selected.exists
    work.store.save_folder(account.name, account.folder, replace(state, existed=existed))
    if visit.report.filed or visit.report.review:
        remember_folders(visit)
    observe_answers(visit)
    Ledger(work.store).complete(account.name)
    _release(visit, applier)
    look_at_drafts(visit, applier, Wording(work.config.language))
    return visit.report


def abilities_of(box: Mailbox, selected: Selected, config: Config) -> Abilities:
    """What this server allows, by its capabilities alone; `selected` comes from SELECT, not EXAMINE."""
    folders = {role: box.folder_name(f"{config.filing.root}/{getattr(config.filing.folders, role)}") for role in ROLES}
    gmail = box.has("X-GM-EXT-1")
    drafting = "draft" in config.prompts.deliver or config.prompts.check_drafts
    return Abilities(
        filing="move" if box.has("MOVE") or box.has("UIDPLUS") else "none",
        tags="labels" if gmail else "keywords" if selected.keywords else "none",
        folders=folders,
        drafts=box.special_folder("\\Drafts") if drafting else "",
        done=box.folder_name(f"{config.filing.root}/{config.filing.folders.done}"),
        read_only=selected.read_only,
    )


def _release(visit: Visit, applier: Applier) -> None:
    """Put the notes that were held beside their messages, unless the parent has dealt with those meanwhile."""
    store, name = visit.work.store, visit.work.account.name
    waited = Ledger(store).due_notes(name, visit.work.clock())
    answered = Ledger(store).answers() if waited else {}
    due = list[Op]()
    for op in waited:
        message = store.message(name, op.action.key)
        if message is not None and message.status in ("pending", "failed"):
            continue
        there = message is not None and message.status == "done" and message.place.folder == op.action.target
        beside = there or (message is not None and op.action.kind == "draft" and message.status == "done")
        if beside and (name, op.action.key) not in answered and visit.box.status(op.action.target) is not None:
            due.append(op)
        else:
            store.mark(op, "failed", detail="not needed any more")
    if due:
        applier.carry_out(due)


# --- Is this still the folder that we know? --------------------------------------------------------------


def _reset(selected: Selected, before: FolderState | None) -> str:
    """Why the folder must not be acted on unasked, empty where it may."""
    name = selected.folder
    if not selected.uidvalidity or not selected.uidnext:
        raise RefusedError(f'folder "{name}": the server gives its messages no lasting numbers; nothing can be filed')
    if before is None:
        return ""
    if selected.uidvalidity != before.uidvalidity:
        return (
            f'folder "{name}" was rebuilt by the server; if your mail is all there, '
            "end `triage run` if it runs, and run `triage once --yes`"
        )
    if selected.exists == 0 and before.existed >= EMPTIED_FROM:
        return f'folder "{name}" held {before.existed} messages and is suddenly empty; if you emptied it, all is well'
    return ""


def _left_alone(visit: Visit, problem: str, selected: Selected, before: FolderState | None) -> Report:
    work = visit.work
    visit.report.error = problem
    if before is not None and selected.uidvalidity == before.uidvalidity and not work.dry_run:
        # An inbox that the parent emptied is named once, not at every pass.
        work.store.save_folder(work.account.name, work.account.folder, replace(before, existed=0))
    return visit.report


def _join_again(visit: Visit, selected: Selected, before: FolderState | None) -> None:
    """After UIDVALIDITY changed: find known messages again by content; what is old and unknown stays untouched."""
    work, name = visit.work, visit.work.account.name
    if before is None or selected.uidvalidity == before.uidvalidity or work.dry_run:
        return
    uids = since_lookback(visit)
    keys = visit.box.keys(uids)
    summaries = visit.box.summaries(uids)
    with work.store.transaction():
        for uid, key in keys.items():
            place, received = Place(selected.folder, selected.uidvalidity, uid), summaries[uid].received
            if work.store.message(name, key) is not None:
                work.store.set_place(name, key, place)
            elif received is not None and received < before.looked_at.replace(microsecond=0):
                work.store.save_message(
                    Stored(name, key, "", place, received, received, "released", 0, "", frozenset(), None)
                )


# --- What is new -----------------------------------------------------------------------------------------


def _new(visit: Visit, selected: Selected, before: FolderState | None) -> list[int]:
    if before is None or before.uidvalidity != selected.uidvalidity:
        return since_lookback(visit)
    account = visit.work.account
    retry = visit.work.store.to_retry(account.name, account.folder, selected.uidvalidity)
    return sorted({*retry, *without_ours(visit, selected, visit.box.starting_at(before.uidnext))})


def _judged(visit: Visit, selected: Selected, uids: Sequence[int]) -> Iterator[_Entry]:
    """Read and judge in batches; what is known and settled is only looked at for a correction."""
    report, batch = visit.report, list[Fetched]()
    visit.work.progress(0, len(uids))
    for fetched in visit.box.read(uids):
        if _settled(visit, fetched, Place(selected.folder, selected.uidvalidity, fetched.summary.uid)):
            report.skipped += 1
            continue
        batch.append(fetched)
        if len(batch) >= BATCH:
            yield from _entries(visit, selected, batch)
            batch = []
            visit.work.progress(report.seen + report.skipped, len(uids))
    yield from _entries(visit, selected, batch)
    visit.work.progress(len(uids), len(uids))


def _settled(visit: Visit, fetched: Fetched, place: Place) -> bool:
    store, name = visit.work.store, visit.work.account.name
    known = store.message(name, fetched.key)
    if known is None or known.status in ("failed", "pending"):
        return False
    was_filed = known.status == "done" and known.judgement is not None and known.judgement["verdict"]["school"]
    if was_filed and known.place.folder != place.folder and not visit.work.dry_run:
        # The parent took it back into the watched folder: it is theirs, and is never filed again.
        with store.transaction():
            correction = Correction(fetched.key, place, None, "moved")
            store.add_correction(name, correction, "", visit.work.clock(), applied=True)
            store.set_status(name, fetched.key, "released", "moved by you")
            store.set_place(name, fetched.key, place)
        visit.report.corrections += 1
    elif known.place.folder == place.folder and known.place != place and not visit.work.dry_run:
        # The folder was built anew before its first pass had ended.
        store.set_place(name, fetched.key, place)
    return True


def _entries(visit: Visit, selected: Selected, batch: list[Fetched]) -> Iterator[_Entry]:
    for fetched, judgement in zip(batch, judge(visit.work, batch), strict=True):
        visit.report.seen += 1
        place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
        yield _Entry(fetched.key, fetched.summary, place, judgement)


# --- Plan ------------------------------------------------------------------------------------------------


def _plan_all(visit: Visit, entries: Sequence[_Entry]) -> dict[str, list[Action]]:
    """Each message's actions, by key; a message that is not in the result is none of ours to remember."""
    work, report = visit.work, visit.report
    planned: dict[str, list[Action]] = {}
    for entry in entries:
        judged = entry.judgement
        if judged.ours or judged.from_self:
            report.skipped += 1
            continue
        actions: list[Action] = []
        if judged.verdict is None:
            report.failed += 1
            report.troubles.append(f"{entry.named}: {judged.error}")
        else:
            report.school += judged.verdict.school
            actions = plan(_case(work, entry, judged.verdict), visit.abilities, work.config.filing, work.config.prompts)
        planned[entry.key] = actions
        if work.dry_run:
            _count(report, judged.verdict, actions)
            report.messages.append(_shown(entry, actions))
    return planned


def _shown(entry: _Entry, actions: Sequence[Action]) -> dict[str, Any]:
    path, verdict = f"{entry.place.folder}/{entry.place.uid}", entry.judgement.verdict
    shown = verdict.to_json(path) if verdict else unreadable_json(path, entry.judgement.error)
    return {**shown, "actions": [action.to_json() for action in actions]}


def _case(work: Pass, entry: _Entry, verdict: Verdict) -> Case:
    return Case(
        key=entry.key,
        place=entry.place,
        flags=entry.summary.flags,
        verdict=verdict,
        known=work.store.known(work.account.name, entry.key),
        note=_appendix(work, entry.key, "note", entry.judgement.note),
        draft=_appendix(work, entry.key, "draft", entry.judgement.draft),
        hold=_held(work, entry) is not None,
    )


def _held(work: Pass, entry: _Entry) -> datetime | None:
    """Until when a charged mail waits, None where it does not."""
    verdict, now = entry.judgement.verdict, work.clock()
    until = held_until(verdict, entry.summary.received or now, work.config) if verdict is not None else None
    return until if until is not None and until > now else None


def _appendix(work: Pass, key: str, kind: str, text: str) -> Appendix | None:
    if not text:
        return None
    message_id = work.store.own_message_id(f"{kind} {work.account.name} {key}")
    return Appendix(message_id, text.encode("utf-8", "replace"))


# --- Act -------------------------------------------------------------------------------------------------


def _act(
    visit: Visit, applier: Applier, entries: Mapping[str, _Entry], planned: Mapping[str, list[Action]], *, first: bool
) -> None:
    store, name = visit.work.store, visit.work.account.name
    with store.transaction():
        for key, actions in planned.items():
            if not actions:
                _save_idle(visit, entries[key], first=first)
    for group in in_groups(actions for actions in planned.values() if actions):
        keys = list(dict.fromkeys(action.key for action in group))
        with store.transaction():
            for key in keys:
                # A note that waits from a try that was cut short is planned anew.
                store.close_held(name, key)
                store.save_message(_row(visit, entries[key], "pending", first=first))
            ops = store.journal(visit.work.run, name, group)
        outcome = applier.carry_out([op for op in ops if op.state != "held"])
        with store.transaction():
            for key in keys:
                _settle(visit, entries[key], planned[key], outcome)
    if any(action.kind in ("move", "copy") for actions in planned.values() for action in actions):
        _offer_done(visit)


def _offer_done(visit: Visit) -> None:
    """The folder into which the parent puts what is settled; where it cannot be made there is none."""
    if visit.box.status(visit.abilities.done) is None:
        with suppress(RefusedError):
            visit.box.create_folder(visit.abilities.done)


def _save_idle(visit: Visit, entry: _Entry, *, first: bool) -> None:
    """A message with nothing to do: it is remembered, so that it is not read again."""
    store, name = visit.work.store, visit.work.account.name
    if entry.judgement.verdict is not None:
        store.save_message(_row(visit, entry, "done", first=first))
        settle_thread(visit, entry.judgement, entry.summary.received)
    else:
        store.save_message(_row(visit, entry, "failed", first=first))
        store.set_status(name, entry.key, "failed", entry.judgement.error)


def _settle(visit: Visit, entry: _Entry, actions: Sequence[Action], outcome: Outcome) -> None:
    store, name, report = visit.work.store, visit.work.account.name, visit.report
    reason = outcome.failed.get(entry.key)
    if reason:
        report.failed += 1
        report.troubles.append(f"{entry.named}: {reason}")
        store.set_status(name, entry.key, "failed", reason)
    elif reason is not None:
        report.skipped += 1
        store.set_status(name, entry.key, "released", "moved by somebody else")
    else:
        _count(report, entry.judgement.verdict, actions)
        store.set_status(name, entry.key, "done")
        if entry.key in outcome.places:
            store.set_place(name, entry.key, outcome.places[entry.key])


def _count(report: Report, verdict: Verdict | None, actions: Sequence[Action]) -> None:
    if verdict is not None and actions:
        if verdict.unsure:
            report.review += 1
        else:
            report.filed += 1


def _row(visit: Visit, entry: _Entry, status: Status, *, first: bool) -> Stored:
    name, now = visit.work.account.name, visit.work.clock()
    received = entry.summary.received
    known = visit.work.store.message(name, entry.key)
    return Stored(
        account=name,
        key=entry.key,
        message_id=entry.judgement.message_id,
        place=entry.place,
        received=received,
        # On the first pass a mail belongs to the day on which it arrived; later, to the day on which it is seen.
        # What waits belongs to the day on which it may be shown.
        day=_held(visit.work, entry) or (min(received, now) if first and received is not None else now),
        status=status,
        tries=known.tries if known else 0,
        error=entry.judgement.error,
        tags=entry.summary.flags,
        judgement=kept_of(entry.judgement),
    )
