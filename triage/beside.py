"""A note beside a draft that answers a teacher (`prompts.check_drafts`): the draft itself is never touched.

Mail programs save a draft again and again, each time as a new message: one that was saved just now is left until the
next pass, and a note goes when its draft has gone.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial

from triage.apply import Applier
from triage.ledger import Ledger
from triage.notes import check_mail
from triage.observe import Visit, look_into, without_ours
from triage.partial import answer_of
from triage.plan import Action, Place, Selected
from triage.prompts import Wording
from triage.reading import Fetched
from triage.record import is_worth_recording
from triage.rows import FolderState, Op

# Whoever saved a draft within so long may still be typing.
TYPING = timedelta(seconds=60)
# Drafts are few; a folder with more is looked at from its newest end.
MOST_DRAFTS = 50


def look_at_drafts(visit: Visit, applier: Applier, wording: Wording) -> None:
    """Check the drafts that answer school mail, and retire the notes of those that are gone."""
    folder = visit.abilities.drafts
    if folder and visit.work.config.prompts.check_drafts:
        look_into(visit, folder, "drafts", partial(_look_at_drafts, visit, applier, wording))


def _look_at_drafts(visit: Visit, applier: Applier, wording: Wording) -> None:
    work, box, folder = visit.work, visit.box, visit.abilities.drafts
    store, name = work.store, work.account.name
    status = box.status(folder)
    if status is None or not status.uidvalidity:
        return
    before = store.folder(name, folder)
    notes = store.notes_in(name, folder)
    if before is not None and before.uidnext == status.uidnext and before.existed == status.exists:
        return
    selected = box.select(folder, readonly=True)
    uids = without_ours(visit, selected, box.starting_at(1))[-MOST_DRAFTS:]
    settled, waits = _settled(visit, _without_note(visit, uids))
    actions = [*_new_notes(visit, selected, settled, notes, wording), *_stale(visit, uids, notes)]
    if actions:
        applier.carry_out(store.journal(work.run, name, actions))
        for action in actions:
            if action.kind == "remove":
                store.mark_undone(name, action.key, but=work.run)
    after = box.status(folder)
    if after is not None and not waits:
        store.save_folder(name, folder, FolderState.of(after, work.clock()))


def drafted(visit: Visit) -> list[tuple[str, frozenset[str]]]:
    """What each draft that stands or is held answers: the key of its message where that is known, and Message-IDs."""
    held = Ledger(visit.work.store).held_drafts(visit.work.account.name)
    found = [(op.action.key, answer_of(op.action.payload).answered) for op in held]

    def look() -> None:
        visit.box.select(visit.abilities.drafts, readonly=True)
        uids = visit.box.starting_at(1)[-MOST_DRAFTS:]
        gone = {uid for uid, flags in visit.box.flags(uids, readable=True).items() if "\\Deleted" in flags}
        found.extend(("", answer.answered) for uid, answer in visit.box.answers(uids).items() if uid not in gone)

    look_into(visit, visit.abilities.drafts, "threads", look)
    return found


def _without_note(visit: Visit, uids: Sequence[int]) -> list[int]:
    """Drafts beside which no note stands that a state which was lost had put there."""
    headers = visit.box.answers(uids)
    noted = frozenset[str]().union(*(header.answered for header in headers.values() if header.ours == "note"))
    return [uid for uid, header in headers.items() if not header.ours and header.message_id not in noted]


def _settled(visit: Visit, uids: Sequence[int]) -> tuple[list[int], bool]:
    """Drafts that nobody is typing in, and whether there are others."""
    now = visit.work.clock()
    summaries = visit.box.summaries(uids)
    calm = [u for u, s in summaries.items() if s.received is None or now - s.received >= TYPING]
    return calm, len(calm) < len(summaries)


def _new_notes(
    visit: Visit, folder: Selected, uids: Sequence[int], notes: Iterable[Op], wording: Wording
) -> list[Action]:
    store, account = visit.work.store, visit.work.account
    noted = {op.action.key for op in notes}
    answers = visit.box.answers(uids)
    ours = [
        uid
        for uid, answer in answers.items()
        if any(is_worth_recording(row) for one in answer.answered for row in store.by_message_id(one))
    ]
    drafts = [fetched for fetched in visit.box.read(ours) if not fetched.error and fetched.key not in noted]
    actions = []
    for draft, findings in zip(drafts, visit.work.worker.check([draft.raw for draft in drafts]), strict=True):
        if findings:
            beside = answers[draft.summary.uid].message_id
            mail = check_mail(findings, wording, account.username, beside)
            actions.append(_note(visit, folder, draft, mail.as_string()))
    return actions


def _note(visit: Visit, folder: Selected, draft: Fetched, text: str) -> Action:
    message_id = visit.work.store.own_message_id(f"check {visit.work.account.name} {draft.key}")
    place = Place(folder.folder, folder.uidvalidity, draft.summary.uid)
    payload = text.encode("utf-8", "replace")
    return Action("note", draft.key, place, folder.folder, message_id=message_id, payload=payload)


def _stale(visit: Visit, uids: Sequence[int], notes: Iterable[Op]) -> list[Action]:
    """Notes whose draft was sent, thrown away or saved anew."""
    present = visit.box.keys(uids, readable=True)
    if len(present) < len(uids):
        # What cannot be read may be the draft.
        return []
    return [
        Action("remove", op.action.key, op.arrival, message_id=op.action.message_id)
        for op in notes
        if op.action.key not in present.values()
    ]
