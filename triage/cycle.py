"""One pass over one account: the whole job, in the order in which it is told.

Finish what a crash left open; see what the parent did; read what is new; judge it; plan all of it; and only then act.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from triage.apply import Applier, in_groups
from triage.classify import LABELS, Label, Primary, Verdict, unreadable_json
from triage.config import Account, Config
from triage.errors import RefusedError
from triage.judge import Judgement, RawMail
from triage.mailbox import Fetched, Mailbox, Selected, Summary
from triage.plan import (
    ROLES,
    Abilities,
    Action,
    Appendix,
    Case,
    Correction,
    Place,
    Sighting,
    Status,
    Stored,
    find_correction,
    plan,
    tags_of,
    too_many_moves,
)
from triage.store import FolderState, Store
from triage.worker import Worker

# A watched folder that held at least so many messages and now holds none was emptied by accident, or reset.
EMPTIED_FROM = 20
# Without CONDSTORE, the flags of so many of the newest known messages of a folder are looked at for re-tagging.
FLAGS_LOOKED_AT = 200
# The messages of a batch are fetched and judged together.
BATCH = 100

_VERDICT = TypeAdapter(Verdict)


@dataclass(slots=True)
class Report:
    """What one pass did on one account, as `once --json` prints it."""

    name: str
    seen: int = 0
    school: int = 0
    filed: int = 0
    review: int = 0
    skipped: int = 0
    failed: int = 0
    corrections: int = 0
    error: str | None = None
    # Lines for the parent: messages that could not be handled, each with its reason.
    troubles: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """One object of `accounts`."""
        names = ("name", "seen", "school", "filed", "review", "skipped", "failed", "corrections", "error")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass works with. `stop` is asked between steps; `progress` is told (done, of all)."""

    config: Config
    store: Store
    worker: Worker
    run: str
    clock: Callable[[], datetime]
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] = lambda _done, _all: None
    dry_run: bool = False
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """A message of the watched folder, and what was made of it; the mail itself is not kept."""

    key: str
    summary: Summary
    place: Place
    judgement: Judgement


def run_pass(work: Pass, account: Account, box: Mailbox) -> Report:
    """One pass over an account whose mailbox is open. Raises `MailboxError` when the connection breaks."""
    report = Report(account.name)
    selected = box.select(account.folder, readonly=work.dry_run)
    abilities = abilities_of(box, selected, work.config)
    applier = Applier(box, work.store, account.name, work.clock, work.stop)
    if not work.dry_run:
        applier.recover()
        selected = box.select(account.folder)
    before = work.store.folder(account.name, account.folder)
    if problem := _reset(selected, before):
        if not work.agreed:
            report.error = problem
            _forget_emptiness(work, account, selected, before)
            return report
        _join_again(work, account, box, selected, before)
    if not work.dry_run:
        _complete_corrections(work, account, box)
        _observe(work, account, box, abilities, report)
        selected = box.select(account.folder)
    uids = _new(work, account, box, selected, before)
    read = list(_judged(work, account, box, selected, uids, report))
    first = before is None
    planned = _plan_all(work, account, abilities, read, report)
    if work.dry_run:
        return report
    if (many := too_many_moves(action for actions in planned.values() for action in actions)) and not work.agreed:
        report.error = (
            f"{many} messages would be moved at once; look at `triage once --dry-run`, then run `triage once --yes`"
        )
        return report
    _act(work, account, applier, read, planned, report, first=first)
    _remember(work, account, selected)
    return report


def abilities_of(box: Mailbox, selected: Selected, config: Config) -> Abilities:
    """What this server allows, by its capabilities alone."""
    folders = {role: box.folder_name(f"{config.filing.root}/{getattr(config.filing.folders, role)}") for role in ROLES}
    gmail = box.has("X-GM-EXT-1")
    return Abilities(
        filing="move" if box.has("MOVE") or box.has("UIDPLUS") else "none",
        tags="labels" if gmail else "keywords" if selected.keywords else "none",
        folders=folders,
        drafts=box.special_folder("\\Drafts") if "draft" in config.prompts.deliver else "",
    )


# --- Is this still the folder that we know? --------------------------------------------------------------


def _reset(selected: Selected, before: FolderState | None) -> str:
    """Why the folder must not be acted on unasked, empty where it may."""
    name = selected.folder
    if not selected.uidvalidity or not selected.uidnext:
        raise RefusedError(f'folder "{name}": the server gives its messages no lasting numbers; nothing can be filed')
    if before is None:
        return ""
    if selected.uidvalidity != before.uidvalidity:
        return f'folder "{name}" was rebuilt by the server; if your mail is all there, run `triage once --yes`'
    if selected.exists == 0 and before.existed >= EMPTIED_FROM:
        return f'folder "{name}" held {before.existed} messages and is suddenly empty; if you emptied it, all is well'
    return ""


def _forget_emptiness(work: Pass, account: Account, selected: Selected, before: FolderState | None) -> None:
    # An inbox that the parent emptied is named once, not at every pass.
    if before is not None and selected.uidvalidity == before.uidvalidity and not work.dry_run:
        work.store.save_folder(account.name, account.folder, replace(before, existed=0))


def _join_again(work: Pass, account: Account, box: Mailbox, selected: Selected, before: FolderState | None) -> None:
    """After UIDVALIDITY changed: find known messages again by content; what is old and unknown stays untouched."""
    if before is None or selected.uidvalidity == before.uidvalidity or work.dry_run:
        return
    uids = _since_lookback(work, account, box)
    keys = box.keys(uids)
    with work.store.transaction():
        for uid, summary in box.summaries(uids).items():
            place = Place(selected.folder, selected.uidvalidity, uid)
            key = keys.get(uid)
            if key is None:
                continue
            if work.store.message(account.name, key) is not None:
                work.store.set_place(account.name, key, place)
            elif summary.received is not None and summary.received < before.looked_at:
                work.store.save_message(_stored(account, key, place, summary.received, "released"))


def _stored(account: Account, key: str, place: Place, received: datetime | None, status: Status) -> Stored:
    day = received or datetime.fromtimestamp(0, UTC)
    return Stored(account.name, key, "", place, received, day, status, 0, "", frozenset(), None)


def _since_lookback(work: Pass, account: Account, box: Mailbox) -> list[int]:
    day = work.clock().astimezone(work.config.zone).date() - timedelta(days=account.lookback_days)
    return box.since(day)


# --- What the parent did ---------------------------------------------------------------------------------


def _observe(work: Pass, account: Account, box: Mailbox, abilities: Abilities, report: Report) -> None:
    """Look at the filing folders for messages that the parent moved there or re-tagged."""
    for folder in (*abilities.folders.values(), account.folder):
        status = box.status(folder)
        before = work.store.folder(account.name, folder)
        if status is None or not status.uidvalidity:
            continue
        unchanged = before is not None and (status.uidnext, status.modseq) == (before.uidnext, before.modseq)
        if before is None or before.uidvalidity != status.uidvalidity or (unchanged and status.modseq):
            if folder != account.folder:
                work.store.save_folder(account.name, folder, _state(status, work.clock()))
            continue
        box.select(folder, readonly=True)
        seen = _retagged(work, account, box, status, before)
        if folder != account.folder:
            # What is new in the watched folder is read, and compared, by the pass itself.
            seen += _arrived(work, account, box, status, before)
        for sighting in seen:
            _correct(work, account, box, abilities, sighting, report)
        if folder != account.folder:
            work.store.save_folder(account.name, folder, _state(status, work.clock()))


def _state(selected: Selected, at: datetime) -> FolderState:
    return FolderState(selected.uidvalidity, selected.uidnext, selected.exists, selected.modseq, at)


def _retagged(work: Pass, account: Account, box: Mailbox, status: Selected, before: FolderState) -> list[Sighting]:
    known = work.store.keys_in(account.name, status.folder, status.uidvalidity, newest=FLAGS_LOOKED_AT)
    uids = sorted(known)
    if status.modseq and before.modseq:
        changed = set(box.changed_since(before.modseq))
        uids = [uid for uid in uids if uid in changed]
    flags = box.flags(uids)
    return [
        Sighting(known[uid], Place(status.folder, status.uidvalidity, uid), found) for uid, found in flags.items()
    ]


def _arrived(work: Pass, account: Account, box: Mailbox, status: Selected, before: FolderState) -> list[Sighting]:
    uids = _not_ours(work, account, status, box.starting_at(before.uidnext))
    flags = box.flags(uids)
    return [
        Sighting(key, Place(status.folder, status.uidvalidity, uid), flags.get(uid, frozenset()))
        for uid, key in box.keys(uids).items()
    ]


def _correct(
    work: Pass, account: Account, box: Mailbox, abilities: Abilities, seen: Sighting, report: Report
) -> None:
    correction = find_correction(seen, work.store.filed(account.name, seen.key), abilities)
    if correction is None:
        return
    fetched = next(box.read([seen.place.uid]), None)
    if fetched is None:
        return
    (judged,) = _judge(work, [fetched], words=True)
    if judged.ours or judged.error:
        return
    report.corrections += 1
    with work.store.transaction():
        if work.store.message(account.name, seen.key) is None:
            work.store.save_message(_row(work, account, _Read(fetched.key, fetched.summary, seen.place, judged), "released", first=True))
        take_correction(work.store, account.name, correction, judged, work.clock())
        work.store.set_place(account.name, seen.key, seen.place)
        work.store.set_tags(account.name, seen.key, seen.flags)
        if correction.how == "moved":
            work.store.set_status(account.name, seen.key, "released", "moved by you")


def take_correction(store: Store, account: str, correction: Correction, judged: Judgement, at: datetime) -> None:
    """Learn from what the parent did: the labels, and who writes for the school."""
    store.add_correction(account, correction, judged.own_words, at, applied=True)
    if correction.labels is None:
        return
    primary: Primary = next(iter(correction.labels), "other_school")
    labels: list[Label] = [label for label in LABELS if label in correction.labels]
    store.set_labels(account, correction.key, primary, labels)
    _learn_sender(store, {"verdict": {"primary": primary}}, judged, at)


def _learn_sender(store: Store, judgement: dict[str, Any] | None, judged: Judgement, at: datetime) -> None:
    if not judged.sender_address or judged.verdict is None or judged.verdict.sender == "suspicious":
        return
    if judgement is not None and judgement["verdict"]["primary"] == "not_school":
        store.forget_sender(judged.sender_address)
    elif judged.verdict.sender == "unknown":
        store.learn_sender(judged.sender_address, judged.sender_name, at)


def _complete_corrections(work: Pass, account: Account, box: Mailbox) -> None:
    """Read the mails of corrections given by command, for their words and their senders."""
    for number, key in work.store.pending_corrections(account.name):
        known = work.store.message(account.name, key)
        words = ""
        if known is not None:
            selected = box.select(known.place.folder, readonly=True)
            same = selected.uidvalidity == known.place.uidvalidity
            fetched = next(box.read([known.place.uid]), None) if same else None
            if fetched is not None and fetched.key == key:
                (judged,) = _judge(work, [fetched], words=True)
                words = judged.own_words
                _learn_sender(work.store, known.judgement, judged, work.clock())
        work.store.complete_correction(number, words)


# --- What is new -----------------------------------------------------------------------------------------


def _new(
    work: Pass, account: Account, box: Mailbox, selected: Selected, before: FolderState | None
) -> list[int]:
    if before is None or before.uidvalidity != selected.uidvalidity:
        return _since_lookback(work, account, box)
    retry = work.store.to_retry(account.name, account.folder, selected.uidvalidity)
    return sorted({*retry, *_not_ours(work, account, selected, box.starting_at(before.uidnext))})


def _not_ours(work: Pass, account: Account, selected: Selected, uids: Sequence[int]) -> list[int]:
    """Without the notes that we ourselves put into this folder."""
    return [
        uid
        for uid in uids
        if not work.store.is_arrival(account.name, Place(selected.folder, selected.uidvalidity, uid))
    ]


def _judged(
    work: Pass, account: Account, box: Mailbox, selected: Selected, uids: Sequence[int], report: Report
) -> Iterator[_Read]:
    """Read and judge in batches; what is known and settled is only looked at for a correction."""
    batch: list[Fetched] = []
    work.progress(0, len(uids))
    for fetched in box.read(uids):
        place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
        if _settled(work, account, fetched, place):
            report.skipped += 1
            continue
        batch.append(fetched)
        if len(batch) >= BATCH:
            yield from _read(work, selected, batch, report)
            batch = []
            work.progress(report.seen + report.skipped, len(uids))
    yield from _read(work, selected, batch, report)
    work.progress(len(uids), len(uids))


def _settled(work: Pass, account: Account, fetched: Fetched, place: Place) -> bool:
    known = work.store.message(account.name, fetched.key)
    if known is None or known.status in ("failed", "pending"):
        return False
    moved_back = known.status == "done" and known.place.folder != place.folder and known.judgement is not None
    if moved_back and not work.dry_run and known.judgement is not None and known.judgement["verdict"]["school"]:
        # The parent took it back into the watched folder: it is theirs, and is never filed again.
        with work.store.transaction():
            work.store.add_correction(
                account.name, Correction(fetched.key, place, None, "moved"), "", work.clock(), applied=True
            )
            work.store.set_status(account.name, fetched.key, "released", "moved by you")
            work.store.set_place(account.name, fetched.key, place)
    return True


def _read(work: Pass, selected: Selected, batch: list[Fetched], report: Report) -> Iterator[_Read]:
    for fetched, judgement in zip(batch, _judge(work, batch), strict=True):
        report.seen += 1
        place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
        yield _Read(fetched.key, fetched.summary, place, judgement)


def _judge(work: Pass, batch: Sequence[Fetched], *, words: bool = False) -> list[Judgement]:
    mails = [RawMail(fetched.raw, fetched.summary.received) for fetched in batch]
    learned = sorted(work.store.learned_senders())
    today = work.clock().astimezone(work.config.zone).date()
    return work.worker.judge(mails, learned, today, words=words)


# --- Plan and act ----------------------------------------------------------------------------------------


def _plan_all(
    work: Pass, account: Account, abilities: Abilities, read: Sequence[_Read], report: Report
) -> dict[str, list[Action]]:
    planned: dict[str, list[Action]] = {}
    for entry in read:
        judged = entry.judgement
        if judged.ours or judged.from_self:
            report.skipped += 1
            continue
        if judged.verdict is None:
            report.failed += 1
            report.troubles.append(f"{_named(entry)}: {judged.error}")
            actions: list[Action] = []
        else:
            report.school += judged.verdict.school
            actions = plan(_case(work, account, entry, judged.verdict), abilities, work.config.filing, work.config.prompts)
        planned[entry.key] = actions
        if work.dry_run:
            _count(report, judged.verdict, actions)
            report.messages.append(_shown(entry, actions))
    return planned


def _named(entry: _Read) -> str:
    """A message as the parent may know it, without a word of its text."""
    sender = f" from {entry.judgement.sender_address}" if entry.judgement.sender_address else ""
    received = f" of {entry.summary.received:%Y-%m-%d}" if entry.summary.received else ""
    return f"message {entry.place.uid} in {entry.place.folder}{sender}{received}"


def _shown(entry: _Read, actions: Sequence[Action]) -> dict[str, Any]:
    path = f"{entry.place.folder}/{entry.place.uid}"
    verdict = entry.judgement.verdict
    shown = verdict.to_json(path) if verdict else unreadable_json(path, entry.judgement.error)
    return {**shown, "actions": [action.to_json() for action in actions]}


def _case(work: Pass, account: Account, entry: _Read, verdict: Verdict) -> Case:
    key = entry.key
    return Case(
        key=key,
        place=entry.place,
        flags=entry.summary.flags,
        verdict=verdict,
        known=work.store.known(account.name, key),
        note=_appendix(work, account, key, "note", entry.judgement.note),
        draft=_appendix(work, account, key, "draft", entry.judgement.draft),
    )


def _appendix(work: Pass, account: Account, key: str, kind: str, text: str) -> Appendix | None:
    if not text:
        return None
    return Appendix(work.store.own_message_id(f"{kind} {account.name} {key}"), text.encode("utf-8", "replace"))


def _act(
    work: Pass,
    account: Account,
    applier: Applier,
    read: Sequence[_Read],
    planned: dict[str, list[Action]],
    report: Report,
    *,
    first: bool,
) -> None:
    by_key = {entry.key: entry for entry in read if entry.key in planned}
    idle = [key for key, actions in planned.items() if not actions]
    with work.store.transaction():
        for key in idle:
            _save_idle(work, account, by_key[key], first=first)
    busy = {key: actions for key, actions in planned.items() if actions}
    for group in in_groups(busy.values()):
        keys = list(dict.fromkeys(action.key for action in group))
        with work.store.transaction():
            for key in keys:
                work.store.save_message(_row(work, account, by_key[key], "pending", first=first))
            ops = work.store.journal(work.run, account.name, group)
        outcome = applier.carry_out(ops)
        _finish(work, account, by_key, busy, keys, outcome.failed, outcome.places, report)


def _save_idle(work: Pass, account: Account, entry: _Read, *, first: bool) -> None:
    """A message with nothing to do: it is remembered, so that it is not read again."""
    known = work.store.message(account.name, entry.key)
    if entry.judgement.verdict is None:
        tries = known.tries if known else 0
        work.store.save_message(replace(_row(work, account, entry, "failed", first=first), tries=tries))
        work.store.set_status(account.name, entry.key, "failed", entry.judgement.error)
    else:
        work.store.save_message(_row(work, account, entry, "done", first=first))


def _finish(
    work: Pass,
    account: Account,
    by_key: dict[str, _Read],
    planned: dict[str, list[Action]],
    keys: Sequence[str],
    failed: Any,
    places: Any,
    report: Report,
) -> None:
    with work.store.transaction():
        for key in keys:
            entry, reason = by_key[key], failed.get(key)
            if reason:
                report.failed += 1
                report.troubles.append(f"{_named(entry)}: {reason}")
                work.store.set_status(account.name, key, "failed", reason)
            elif reason is not None:
                report.skipped += 1
                work.store.set_status(account.name, key, "released", "moved by somebody else")
            else:
                _count(report, entry.judgement.verdict, planned[key])
                work.store.set_status(account.name, key, "done")
                tags = [tag for action in planned[key] if action.kind == "tag" for tag in action.tags]
                work.store.set_tags(account.name, key, {*tags, *entry.summary.flags})
                if key in places:
                    work.store.set_place(account.name, key, places[key])


def _count(report: Report, verdict: Verdict | None, actions: Sequence[Action]) -> None:
    if verdict is not None and actions:
        if verdict.unsure:
            report.review += 1
        else:
            report.filed += 1


def _row(work: Pass, account: Account, entry: _Read, status: Status, *, first: bool) -> Stored:
    judged, received = entry.judgement, entry.summary.received
    now = work.clock()
    # On the first pass a mail belongs to the day on which it arrived; later, to the day on which it is seen.
    day = received if first and received is not None else now
    known = work.store.message(account.name, entry.key)
    return Stored(
        account=account.name,
        key=entry.key,
        message_id=judged.message_id,
        place=entry.place,
        received=received,
        day=min(day, now),
        status=status,
        tries=known.tries if known else 0,
        error=judged.error,
        tags=entry.summary.flags,
        judgement=_kept(judged),
    )


def _kept(judged: Judgement) -> dict[str, Any] | None:
    """What the state keeps of a judgement: of mail that is not the school's, no word."""
    if judged.verdict is None:
        return None
    if not judged.verdict.school and not judged.verdict.unsure:
        return {"verdict": {"school": False, "primary": "not_school", "labels": []}, "card": None}
    verdict = _VERDICT.dump_python(judged.verdict, mode="json")
    return {"verdict": verdict, "card": judged.card.to_json() if judged.card else None}


def _remember(work: Pass, account: Account, selected: Selected) -> None:
    work.store.save_folder(account.name, account.folder, _state(selected, work.clock()))
