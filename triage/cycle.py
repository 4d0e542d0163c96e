"""One pass over one account: the whole job, in the order in which it is told.

Finish what a crash left open; see what the parent did; then, stretch by stretch, read what is new, judge it, plan all
of it, and only then act. Last, see whom the parent answered.
"""

from dataclasses import replace

from triage.apply import Applier
from triage.beside import look_at_drafts
from triage.config import Config
from triage.errors import RefusedError
from triage.intake import Intake, new_in
from triage.ledger import Ledger
from triage.mailbox import Mailbox
from triage.observe import (
    Pass,
    Report,
    Visit,
    complete_corrections,
    observe,
    observe_answers,
    remember_folders,
    since_lookback,
)
from triage.plan import (
    ROLES,
    Abilities,
    Place,
    Selected,
    Stored,
)
from triage.prompts import Wording
from triage.rows import FolderState, Op
from triage.traces import take_up

# A watched folder that held at least so many messages and now holds none may have been emptied by accident, or reset;
# that a parent deals with the last few is everyday.
EMPTIED_FROM = 20


def run_pass(work: Pass, box: Mailbox) -> Report:
    """One pass over an account whose mailbox is open. Raises `MailboxError` when the connection breaks."""
    account = work.account
    selected = box.select(account.folder)
    visit = Visit(work, box, abilities_of(box, selected, work.config), Report(account.name))
    applier = Applier(box, work.store, account.name, work.clock, work.stop)
    if not work.dry_run:
        Ledger(work.store).clock_is(work.clock())
        applier.recover()
        visit.report.failed += len(applier.left_open)
        visit.report.troubles += applier.left_open.values()
        selected = box.select(account.folder)
    before = work.store.folder(account.name, account.folder)
    if problem := _reset(selected, before):
        if not work.agreed:
            visit.report.error = problem
            return visit.report
        _join_again(visit, selected, before)
    if not work.dry_run:
        complete_corrections(visit)
        if before is None:
            take_up(visit, selected)
        observe(visit)
        selected = box.select(account.folder)
    intake = Intake(visit, applier, selected, first=before is None)
    uids = new_in(visit, selected, before)
    if work.dry_run:
        intake.show(uids)
        return visit.report
    if problem := intake.take_in(uids):
        visit.report.error = problem
        return visit.report
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
        if beside and (name, op.action.key) not in answered and _is_there(visit.box, op.action.target):
            due.append(op)
        else:
            store.mark(op, "failed", detail="not needed any more")
    if due:
        applier.carry_out(due)


def _is_there(box: Mailbox, folder: str) -> bool:
    try:
        return box.status(folder) is not None
    except RefusedError:
        # What cannot be put into it yet is put off, as long as it is of use.
        return True


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
        return (
            f'folder "{name}" held {before.existed} messages and is suddenly empty; if you emptied it, '
            "wait for its next message, or end `triage run` if it runs, and run `triage once --yes`"
        )
    return ""


def _join_again(visit: Visit, selected: Selected, before: FolderState | None) -> None:
    """After UIDVALIDITY changed: find known messages again by content; what is old and unknown stays untouched."""
    work, name = visit.work, visit.work.account.name
    if before is None or selected.uidvalidity == before.uidvalidity or work.dry_run:
        return
    uids = since_lookback(visit)
    keys = visit.box.keys(uids, readable=True)
    summaries = visit.box.summaries(uids)
    with work.store.transaction():
        for uid in keys.keys() & summaries.keys():
            place, received, key = Place(selected.folder, selected.uidvalidity, uid), summaries[uid].received, keys[uid]
            if work.store.message(name, key) is not None:
                work.store.set_place(name, key, place)
            elif received is not None and received < before.looked_at.replace(microsecond=0):
                work.store.save_message(
                    Stored(name, key, "", place, received, received, "released", 0, "", frozenset(), None)
                )
