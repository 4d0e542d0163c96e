"""What is new in the watched folder, stretch by stretch: read, judged, planned, recorded and acted on.

What one stretch has done stays done when the line drops in the next. A message that cannot be read or judged is named
and tried again, and after three passes left in peace.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from triage.apply import Applier
from triage.beside import drafted
from triage.classify import Verdict, unreadable_json
from triage.cooling import held_until
from triage.errors import MailboxError, RefusedError, is_of_all_mail
from triage.judge import Judgement
from triage.ledger import Ledger
from triage.looking import OFTEN_CUT, line_broke
from triage.mailbox import Mailbox
from triage.observe import (
    Pass,
    Report,
    Visit,
    judge,
    kept_of,
    settle_thread,
    since_lookback,
    without_ours,
)
from triage.plan import (
    MANY_MOVES,
    Action,
    Appendix,
    Case,
    Correction,
    Outcome,
    Place,
    Selected,
    Status,
    Stored,
    files,
    in_groups,
    plan,
)
from triage.reading import Fetched, Summary, content_key
from triage.rows import FolderState

# The messages of a batch are judged together.
BATCH = 100
# So many are read, judged, planned and acted on before the next: what a line that drops then cannot take back.
STRETCH = 200


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


# --- What is new -----------------------------------------------------------------------------------------


def new_in(visit: Visit, selected: Selected, before: FolderState | None) -> list[int]:
    """UIDs of what is still to be dealt with in the watched folder."""
    store, name = visit.work.store, visit.work.account.name
    if before is None or before.uidvalidity != selected.uidvalidity:
        found = since_lookback(visit)
    else:
        retry = store.to_retry(name, selected.folder, selected.uidvalidity)
        found = sorted({*retry, *without_ours(visit, selected, visit.box.starting_at(before.uidnext))})
    if not found:
        return []
    # What a pass that did not come to its end has settled is not read again.
    settled = store.settled_from(name, Place(selected.folder, selected.uidvalidity, min(found)))
    # Nor what may stand in its folder by now: that is recovery's alone.
    settled |= {
        op.action.place.uid
        for op in store.open_ops(name)
        if op.action.kind in ("move", "copy") and op.state != "planned" and op.action.place.folder == selected.folder
        if op.action.place.uidvalidity == selected.uidvalidity
    }
    visit.report.skipped += len(settled.intersection(found))
    return [uid for uid in found if uid not in settled]


def _judged(visit: Visit, selected: Selected, uids: Sequence[int], taken: set[str]) -> Iterator[_Entry]:
    """Read and judge in batches; what is known and settled is only looked at for a correction.

    `taken` are the keys of what stood before it in the folder: a copy of that, to the octet, stays where it is.
    """
    report, batch = visit.report, list[Fetched]()
    for fetched in _read(visit, selected, uids):
        place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
        if fetched.key in taken or _settled(visit, fetched, place):
            report.skipped += 1
            continue
        # Of two copies, one that somebody marked as deleted does not stand for the other.
        if "\\Deleted" not in fetched.summary.flags:
            taken.add(fetched.key)
        batch.append(fetched)
        if len(batch) >= BATCH:
            yield from _entries(visit, selected, batch)
            batch = []
    yield from _entries(visit, selected, batch)


def _read(visit: Visit, selected: Selected, uids: Sequence[int]) -> Iterator[Fetched]:
    """Messages, or why they cannot be read; where the line breaks meanwhile, at what is noted for the next pass."""
    store, name, box = visit.work.store, visit.work.account.name, visit.box
    ledger, unread = Ledger(store), store.unread(name, selected.folder, selected.uidvalidity)
    known = store.keys_in(name, selected.folder, selected.uidvalidity, newest=len(unread) + 1)
    proof = [uid for uid in known if uid not in unread][:1]
    times = ledger.cut_off(name, selected)
    # It is the message's fault where the server hands out others.
    alone = len(uids) == 1 and times.get(uids[0], 0) >= OFTEN_CUT
    to_blame = alone and (visit.report.seen > 0 or _can_be_read(box, proof) or _filed_can_be_read(visit, selected))
    left = dict.fromkeys(uids)
    try:
        for fetched in box.read(uids, proof=proof):
            del left[fetched.summary.uid]
            yield fetched
    except MailboxError as error:
        if line_broke(box, error) and not visit.work.dry_run:
            with store.transaction():
                ledger.set_cut_off(name, selected, times | {uid: times.get(uid, 0) + 1 for uid in left})
                if to_blame:
                    _save_cut(visit, Place(selected.folder, selected.uidvalidity, uids[0]))
        raise
    if times and not visit.work.dry_run:
        ledger.set_cut_off(name, selected, {uid: number for uid, number in times.items() if uid not in uids})


def _can_be_read(box: Mailbox, uids: Sequence[int]) -> bool:
    return any(not fetched.error for fetched in box.read(uids))


def _filed_can_be_read(visit: Visit, selected: Selected) -> bool:
    """Whether the server hands out one of the messages that were filed; the watched folder is selected again."""
    store, name, box = visit.work.store, visit.work.account.name, visit.box
    shown = False
    for folder in visit.abilities.folders.values():
        state = store.folder(name, folder)
        filed = store.keys_in(name, folder, state.uidvalidity, newest=1) if state is not None else {}
        with suppress(RefusedError):
            if filed and state is not None and box.select(folder, readonly=True).uidvalidity == state.uidvalidity:
                shown = shown or _can_be_read(box, list(filed))
    if box.select(selected.folder).uidvalidity != selected.uidvalidity:
        raise MailboxError(f'account "{name}": folder "{selected.folder}" was rebuilt meanwhile')
    return shown


def _save_cut(visit: Visit, place: Place) -> None:
    """A message at which the line breaks whenever it is asked for: one of those that cannot be read."""
    store, name = visit.work.store, visit.work.account.name
    key = content_key(f"{place.folder} {place.uidvalidity} {place.uid}".encode(), 0)
    known, reason = store.message(name, key), "the mail server ends the connection when it is asked for it"
    tries = known.tries if known is not None else 0
    row = Stored(name, key, "", place, None, visit.work.clock(), "failed", tries, reason, frozenset(), None)
    store.save_message(row)
    store.set_status(name, key, "failed", reason)


def _settled(visit: Visit, fetched: Fetched, place: Place) -> bool:
    store, name = visit.work.store, visit.work.account.name
    known = store.message(name, fetched.key)
    if known is None or known.status in ("failed", "pending"):
        return False
    was_filed = known.status == "done" and known.judgement is not None and known.judgement["verdict"]["school"]
    elsewhere = known.place.folder != place.folder and not _just_filed(visit, fetched.key)
    # Beside a copy of ours the original stands where it stood.
    elsewhere = elsewhere and visit.work.config.filing.mode != "copy"
    if was_filed and elsewhere and not visit.work.dry_run:
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


def _just_filed(visit: Visit, key: str) -> bool:
    """By this very pass: what still stands in the watched folder is another copy, and not what was taken back."""
    return any(op.run == visit.work.run for op in visit.work.store.last_ops_of(visit.work.account.name, key))


def _entries(visit: Visit, selected: Selected, batch: list[Fetched]) -> Iterator[_Entry]:
    for fetched, judgement in zip(batch, judge(visit.work, batch), strict=True):
        visit.report.seen += 1
        place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
        yield _Entry(fetched.key, fetched.summary, place, judgement)


# --- Stretch by stretch ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intake:
    """What is new, on its way to its folders; `first`: nothing was dealt with in the watched folder before."""

    visit: Visit
    applier: Applier
    selected: Selected
    first: bool

    def show(self, uids: Sequence[int]) -> None:
        """Judge and plan alone, for the report of a dry run."""
        for _ in self._planned(uids):
            pass

    def take_in(self, uids: Sequence[int]) -> str:
        """Read, judge, plan and act; returns why what would be moved is left alone, empty where it is not."""
        work = self.visit.work
        if len(uids) > MANY_MOVES and not work.agreed:
            # Only a look at all of it tells whether it may be acted on unasked.
            looked = self._look(uids)
            if sum(looked.values()) > MANY_MOVES:
                self._note({})
                return (
                    f"more than {MANY_MOVES:,} messages would be moved at once; end `triage run` if it runs, look at "
                    "`triage once --dry-run`, then run `triage once --yes`"
                )
            uids = sorted(looked)
        for entries, planned in self._planned(uids):
            _act(self.visit, self.applier, entries, planned, first=self.first)
        self._note({})
        return ""

    def _look(self, uids: Sequence[int]) -> dict[int, bool]:
        """Those to which something is to be done, and whether that is a move; all others are dealt with.

        It ends where there are more moves than may be made.
        """
        work, new = self.visit.work, set(uids)
        looked = {
            uid: moves for uid, moves in Ledger(work.store).looked_at(work.account.name, self.selected) if uid in new
        }
        for entries, planned in self._planned([uid for uid in uids if uid not in looked]):
            idle = {key: actions for key, actions in planned.items() if not actions}
            _act(self.visit, self.applier, entries, idle, first=self.first)
            for key in planned.keys() - idle.keys():
                # It is read again when it is acted on, and counted then.
                self.visit.report.seen -= 1
                self.visit.report.school -= _is_school(entries[key])
                looked[entries[key].place.uid] = files(planned[key])
            self._note(looked)
            if sum(looked.values()) > MANY_MOVES:
                break
        return looked

    def _note(self, looked: Mapping[int, bool]) -> None:
        work = self.visit.work
        Ledger(work.store).set_looked_at(work.account.name, self.selected, looked)

    def _planned(self, uids: Sequence[int]) -> Iterator[tuple[dict[str, _Entry], dict[str, list[Action]]]]:
        taken = set[str]()
        for stretch in _stretches(self.visit, self.selected, uids):
            self._open()
            entries = list(_judged(self.visit, self.selected, stretch, taken))
            yield {entry.key: entry for entry in entries}, _plan_all(self.visit, entries)

    def _open(self) -> None:
        """The watched folder, which acting leaves."""
        box, folder = self.visit.box, self.selected.folder
        if box.selected is None or box.selected.folder != folder:
            box.select(folder)
        if box.selected is None or box.selected.uidvalidity != self.selected.uidvalidity:
            raise MailboxError(f'account "{self.visit.work.account.name}": folder "{folder}" was rebuilt meanwhile')


def _stretches(visit: Visit, selected: Selected, uids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Apart, and last, what may break the line, or could not be read before: it spoils nothing for other mail."""
    store, name = visit.work.store, visit.work.account.name
    unread = store.unread(name, selected.folder, selected.uidvalidity)
    often = {uid: times for uid, times in Ledger(store).cut_off(name, selected).items() if times >= OFTEN_CUT}
    together = [uid for uid in uids if uid not in unread | often.keys()]
    stretches = [together[start : start + STRETCH] for start in range(0, len(together), STRETCH)]
    # What broke it most often comes last: by then the others have shown whether the server hands out anything.
    apart = sorted((uid for uid in uids if uid in often.keys() - unread), key=often.__getitem__)
    stretches += [[uid] for uid in apart] + [[uid] for uid in uids if uid in unread]
    done = 0
    for stretch in stretches:
        visit.work.progress(done, len(uids))
        yield stretch
        done += len(stretch)
    visit.work.progress(len(uids), len(uids))


def _is_school(entry: _Entry) -> bool:
    return entry.judgement.verdict is not None and entry.judgement.verdict.school


# --- Plan ------------------------------------------------------------------------------------------------


def _plan_all(visit: Visit, entries: Sequence[_Entry]) -> dict[str, list[Action]]:
    """Each message's actions, by key; a message that is not in the result is none of ours to remember."""
    work, report = visit.work, visit.report
    planned: dict[str, list[Action]] = {}
    wanted = visit.abilities.drafts and any(entry.judgement.draft for entry in entries)
    threads = drafted(visit) if wanted else []
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
            case = _case(work, entry, judged.verdict)
            thread = frozenset(filter(None, (judged.message_id, *judged.answers)))
            if any(thread & answered for key, answered in threads if key != entry.key):
                # At most one draft a thread, as long as the first stands.
                case = replace(case, draft=None)
            actions = plan(case, visit.abilities, work.config.filing, work.config.prompts)
            threads += [(entry.key, thread) for action in actions if action.kind == "draft"]
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
    with suppress(RefusedError):
        if visit.box.status(visit.abilities.done) is None:
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
        store.set_status(name, entry.key, "failed", reason, counts=not is_of_all_mail(reason))
    elif reason is not None:
        report.skipped += 1
        store.set_status(name, entry.key, "released", "moved by somebody else")
    else:
        _count(report, entry.judgement.verdict, actions)
        store.set_status(name, entry.key, "done")
        # Told once, whatever number of messages it was.
        told = f"filed without tags: {outcome.untagged[entry.key]}" if entry.key in outcome.untagged else ""
        if told and told not in report.troubles:
            report.troubles.append(told)


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
