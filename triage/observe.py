"""What the parent did in the mail client since the last pass, and what is learned from it.

A message that stands in another folder than we left it, or carries other tags, was moved or re-tagged by the parent
(another program's filter looks the same). It is a correction, and the message is theirs from then on.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from triage.classify import LABELS, Label, Primary, Verdict, perhaps_schools
from triage.config import Account, Config
from triage.errors import RefusedError
from triage.judge import Context, Judgement, RawMail
from triage.ledger import Ledger
from triage.looking import Looks
from triage.mailbox import Mailbox
from triage.message import Person
from triage.partial import Answer, bare_subject
from triage.plan import Abilities, Correction, Filed, Place, Selected, Sighting, Stored, find_correction, newcomer_of
from triage.reading import Fetched
from triage.record import How, Sent, is_worth_recording, sent_entry
from triage.rows import FolderState
from triage.store import Store
from triage.worker import Worker

_VERDICT = TypeAdapter(Verdict)
# Without CONDSTORE, the flags of so many of the newest known messages of a folder are looked at for re-tagging.
FLAGS_LOOKED_AT = 200
# In a folder that was built anew the newest so many are looked for by their content.
FOUND_AGAIN = 5000
# Without a thread, an answer is looked for among the mail of so many days.
ANSWERED_WITHIN = timedelta(days=60)
# What is older changes nothing in what is said of a mail.
PAST_LOOKED_AT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass works with. `stop` is asked between steps; `progress` is told (done, of all)."""

    config: Config
    account: Account
    store: Store
    worker: Worker
    run: str
    clock: Callable[[], datetime]
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] = lambda _done, _all: None
    dry_run: bool = False
    agreed: bool = False


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
class Visit:
    """A pass under way: its mailbox, what that allows, and the report that is being written."""

    work: Pass
    box: Mailbox
    abilities: Abilities
    report: Report


def judge(work: Pass, batch: Sequence[Fetched], *, words: bool = False) -> list[Judgement]:
    """The worker's judgements of fetched messages; with `words`, each with its own words; the unread say why."""
    mails = [RawMail(fetched.raw, fetched.summary.received) for fetched in batch if not fetched.error]
    today = work.clock().astimezone(work.config.zone).date()
    past = Ledger(work.store).past(work.clock() - PAST_LOOKED_AT)
    context = Context(today, tuple(sorted(work.store.learned_senders())), past, work.account.username)
    judged = iter(work.worker.judge(mails, context, words=words))
    return [Judgement(error=fetched.error) if fetched.error else next(judged) for fetched in batch]


def without_ours(visit: Visit, folder: Selected, uids: Sequence[int]) -> list[int]:
    """UIDs without those of messages and notes that we ourselves put into this folder."""
    work, places = visit.work, {uid: Place(folder.folder, folder.uidvalidity, uid) for uid in uids}
    names = [one.name for one in work.config.accounts if one.is_same_mailbox(work.account)]
    return [uid for uid, place in places.items() if not any(work.store.is_arrival(name, place) for name in names)]


def since_lookback(visit: Visit) -> list[int]:
    """UIDs of the selected folder's messages of the days that a first pass looks at."""
    work = visit.work
    day = work.clock().astimezone(work.config.zone).date() - timedelta(days=work.account.lookback_days)
    return visit.box.since(day)


def look_into(visit: Visit, folder: str, what: str, look: Callable[[], None]) -> None:
    """Look into a folder for `what`; where that cannot be done the folder is named, and the pass goes on without."""
    work = visit.work
    left_out = Looks(visit.box, work.store, work.account.name, work.clock, work.dry_run).at(folder, what, look)
    if left_out and left_out not in visit.report.troubles:
        visit.report.troubles.append(left_out)


def observe(visit: Visit) -> None:
    """Look at the filing folders for messages that the parent moved there, and everywhere for re-tagged ones."""
    done = [visit.abilities.done] if visit.abilities.done else []
    for folder in (*visit.abilities.folders.values(), *done, visit.work.account.folder):
        look_into(visit, folder, "changes", partial(_observe_folder, visit, folder))


def _observe_folder(visit: Visit, folder: str) -> None:
    store, name, watched = visit.work.store, visit.work.account.name, visit.work.account.folder
    status, before = visit.box.status(folder), store.folder(name, folder)
    if status is None or not status.uidvalidity:
        return
    if before is not None and before.uidvalidity == status.uidvalidity and _changed(status, before):
        visit.box.select(folder, readonly=True)
        for sighting in _retagged(visit, status, before):
            _correct(visit, sighting)
        # What is new in the watched folder is read, and compared, by the pass itself.
        for sighting in [] if folder == watched else _arrived(visit, status, visit.box.starting_at(before.uidnext)):
            _correct(visit, sighting)
    if before is None and folder != watched and store.folder(name, watched) is not None:
        # The parent made it since the last pass; what lay in it before triage knew the mailbox says nothing.
        visit.box.select(folder, readonly=True)
        for sighting in _arrived(visit, status, visit.box.starting_at(1)[-FOUND_AGAIN:]):
            known = store.message(name, sighting.key)
            if known is not None and known.place.folder == watched:
                _correct(visit, sighting)
    if folder != watched:
        if before is not None and before.uidvalidity != status.uidvalidity:
            _find_again(visit, status)
        store.save_folder(name, folder, FolderState.of(status, visit.work.clock()))


def remember_folders(visit: Visit) -> None:
    """Folders that this pass made, or saw for the first time: what the parent does there from now on is seen."""
    for folder in (*visit.abilities.folders.values(), visit.abilities.done):
        if folder and visit.work.store.folder(visit.work.account.name, folder) is None:
            look_into(visit, folder, "changes", partial(_remember_folder, visit, folder))


def _remember_folder(visit: Visit, folder: str) -> None:
    status = visit.box.status(folder)
    if status is not None and status.uidvalidity:
        visit.work.store.save_folder(visit.work.account.name, folder, FolderState.of(status, visit.work.clock()))


def _find_again(visit: Visit, status: Selected) -> None:
    """In a filing folder that the server built anew, messages are known by their content."""
    store, name = visit.work.store, visit.work.account.name
    visit.box.select(status.folder, readonly=True)
    keys = visit.box.keys(visit.box.starting_at(1)[-FOUND_AGAIN:], readable=True)
    with store.transaction():
        for uid, key in keys.items():
            known = store.message(name, key)
            if known is not None and known.place.folder == status.folder:
                store.set_place(name, key, Place(status.folder, status.uidvalidity, uid))


def _changed(status: Selected, before: FolderState) -> bool:
    # Without CONDSTORE nothing tells whether flags were changed.
    return not status.modseq or (status.uidnext, status.modseq) != (before.uidnext, before.modseq)


def _retagged(visit: Visit, status: Selected, before: FolderState) -> list[Sighting]:
    store, name = visit.work.store, visit.work.account.name
    known = store.keys_in(name, status.folder, status.uidvalidity, newest=FLAGS_LOOKED_AT)
    uids = sorted(known)
    if status.modseq and before.modseq:
        changed = set(visit.box.changed_since(before.modseq))
        uids = [uid for uid in uids if uid in changed]
    return [
        Sighting(known[uid], Place(status.folder, status.uidvalidity, uid), flags)
        for uid, flags in visit.box.flags(uids, readable=True).items()
    ]


def _arrived(visit: Visit, status: Selected, new: Sequence[int]) -> list[Sighting]:
    uids = without_ours(visit, status, new)
    flags = visit.box.flags(uids, readable=True)
    gmail = visit.abilities.tags == "labels"
    labels = visit.box.labels(uids, readable=True) if gmail else {}
    return [
        Sighting(
            key,
            Place(status.folder, status.uidvalidity, uid),
            flags.get(uid, frozenset()),
            # Gmail does not name the folder that is selected.
            labels.get(uid, frozenset()) | {status.folder} if gmail else frozenset(),
        )
        for uid, key in visit.box.keys(uids, readable=True).items()
    ]


def _filed(visit: Visit, key: str) -> Filed | None:
    """How we left a message; at Gmail with our labels, which its row does not tell."""
    store, name = visit.work.store, visit.work.account.name
    filed = store.filed(name, key)
    if filed is None or visit.abilities.tags != "labels":
        return filed
    return replace(filed, tags=filed.tags | Ledger(store).labels_of(name, key))


def _correct(visit: Visit, seen: Sighting) -> None:
    work, store, name = visit.work, visit.work.store, visit.work.account.name
    known = store.message(name, seen.key)
    if known is not None and (how := _settling(visit, seen)) is not None:
        Ledger(store).add_answer(name, seen.key, work.clock(), how)
        if seen.place.folder != known.place.folder and seen.place.folder == visit.abilities.done:
            store.set_place(name, seen.key, seen.place)
            store.set_status(name, seen.key, "released", "moved by you")
    correction = find_correction(seen, _filed(visit, seen.key), visit.abilities)
    fetched = next(visit.box.read([seen.place.uid]), None) if correction is not None else None
    if correction is None or fetched is None:
        return
    (judged,) = judge(work, [fetched], words=True)
    # Gmail's web page labels a whole conversation, what the parent answered among it.
    if judged.ours or judged.from_self or judged.error:
        return
    visit.report.corrections += 1
    with store.transaction():
        if known is None:
            now = work.clock()
            kept = kept_as_school(judged)
            row = Stored(name, seen.key, judged.message_id, seen.place, None, now, "released", 0, "", seen.flags, kept)
            store.save_message(row)
        elif correction.labels is not None and _is_without_words(known):
            _keep_as_school(visit, known, judged)
        _learn(store, name, correction, judged, work.clock())
        store.set_tags(name, seen.key, seen.flags | seen.labels)
        if correction.how == "moved":
            store.set_place(name, seen.key, seen.place)
            store.set_status(name, seen.key, "released", "moved by you")
        elif known is not None and known.status in ("failed", "pending"):
            # It was to be tried again: what the parent tagged otherwise is not filed by our word any more.
            store.set_status(name, seen.key, "released", "tagged by you")


def _settling(visit: Visit, seen: Sighting) -> How | None:
    """Whether the parent answered a message, by the flag that clients set, or put it away."""
    if visit.abilities.done and seen.place.folder == visit.abilities.done:
        return "put away"
    return "marked" if "\\Answered" in seen.flags else None


def kept_of(judged: Judgement) -> dict[str, Any] | None:
    """What the state keeps of a judgement: of mail that is not the school's, no word, and who is to be asked about."""
    if judged.verdict is None:
        return None
    if not judged.verdict.school and not judged.verdict.unsure:
        kept: dict[str, Any] = {"verdict": {"school": False, "primary": "not_school", "labels": []}, "card": None}
        if judged.sender_address and not judged.from_self and perhaps_schools(judged.verdict):
            about = judged.verdict.subject
            kept["perhaps"] = {"name": judged.sender_name, "address": judged.sender_address, "about": about}
        return kept
    verdict = _VERDICT.dump_python(judged.verdict, mode="json")
    card = judged.card.to_json() if judged.card else None
    gist = asdict(judged.gist) if judged.gist else None
    people = {"to": list(judged.recipients), "from": [judged.sender_address, *judged.reply_to]}
    return {"verdict": verdict, "card": card, "gist": gist, "via": judged.via, **people}


def kept_as_school(judged: Judgement) -> dict[str, Any]:
    """What is kept of a mail that the parent says is the school's, whatever was made of it."""
    verdict = judged.told or judged.verdict
    if verdict is None:
        return {"verdict": {"school": True, "primary": "other_school", "labels": []}, "card": None}
    told = replace(judged, verdict=replace(verdict, school=True, unsure=False))
    return {**(kept_of(told) or {}), "card": None}


def _is_without_words(row: Stored) -> bool:
    """Whether it was taken for mail that is not the school's, of which no word is kept."""
    return row.judgement is not None and "subject" not in row.judgement["verdict"]


def _keep_as_school(visit: Visit, known: Stored, judged: Judgement) -> None:
    """What was taken for other mail is new to the record and the next digest, where the parent says what it is."""
    visit.work.store.save_message(replace(known, day=visit.work.clock(), judgement=kept_as_school(judged)))


def _learn(store: Store, account: str, correction: Correction, judged: Judgement, at: datetime) -> None:
    store.add_correction(account, correction, judged.own_words, at, applied=True)
    if correction.labels is None:
        return
    primary: Primary = next(iter(correction.labels), "other_school")
    labels: list[Label] = [label for label in LABELS if label in correction.labels]
    store.set_labels(account, correction.key, primary, labels)
    _learn_sender(store, primary, judged, at)


def _learn_sender(store: Store, primary: Primary, judged: Judgement, at: datetime) -> None:
    """Who writes for the school, by what the parent says of a mail of theirs."""
    if not judged.sender_address or judged.verdict is None or judged.verdict.warnings:
        return
    if primary == "not_school":
        store.forget_sender(judged.sender_address)
    elif judged.verdict.sender == "unknown":
        store.learn_sender(judged.sender_address, judged.sender_name, at)


def complete_corrections(visit: Visit) -> None:
    """Read the mails of corrections given by command, for their words and their senders."""
    store, name = visit.work.store, visit.work.account.name
    for number, key in store.pending_corrections(name):
        known = store.message(name, key)
        if known is None:
            store.complete_correction(number, "", visit.work.clock())
        else:
            look_into(visit, known.place.folder, "words", partial(_complete_correction, visit, number, known))


def _complete_correction(visit: Visit, number: int, known: Stored) -> None:
    store, name, words = visit.work.store, visit.work.account.name, ""
    fetched = _fetch_again(visit, known)
    if fetched is not None:
        (judged,) = judge(visit.work, [fetched], words=True)
        words = judged.own_words
        verdict: dict[str, Any] = known.judgement["verdict"] if known.judgement else {"primary": "other_school"}
        primary: Primary = verdict["primary"]
        if primary != "not_school" and judged.verdict is not None and _is_without_words(known):
            _keep_as_school(visit, known, judged)
            store.set_labels(name, known.key, primary, verdict["labels"])
        _learn_sender(store, primary, judged, visit.work.clock())
    store.complete_correction(number, words, visit.work.clock())


def _fetch_again(visit: Visit, known: Stored) -> Fetched | None:
    try:
        selected = visit.box.select(known.place.folder, readonly=True)
    except RefusedError:
        # The parent renamed or removed the folder: the correction stands, without the mail's words.
        return None
    if selected.uidvalidity != known.place.uidvalidity:
        return None
    fetched = next(visit.box.read([known.place.uid]), None)
    return fetched if fetched is not None and fetched.key == known.key else None


# --- Whom the parent answers -----------------------------------------------------------------------------


def observe_answers(visit: Visit) -> None:
    """Look into the folder of sent mail: a stranger who writes school mail is known once the parent has answered."""
    folder = visit.box.sent_folder()
    if folder:
        look_into(visit, folder, "answers", partial(_observe_sent, visit, folder))


def _observe_sent(visit: Visit, folder: str) -> None:
    box, store, name = visit.box, visit.work.store, visit.work.account.name
    status, before = box.status(folder), store.folder(name, folder)
    seen = status is not None and before is not None and before.uidvalidity == status.uidvalidity
    if status is None or not status.uidvalidity or (before is not None and seen and before.uidnext == status.uidnext):
        return
    box.select(folder, readonly=True)
    uids = box.starting_at(before.uidnext) if before is not None and seen else since_lookback(visit)
    answers = box.answers(uids)
    with store.transaction():
        for answer in answers.values():
            _note_answer(visit, answer)
        store.save_folder(name, folder, FolderState.of(status, visit.work.clock()))


def _note_answer(visit: Visit, answer: Answer) -> None:
    """What one sent mail settles: the mail that it answers waits no longer, and who wrote that is known."""
    store, account, now = visit.work.store, visit.work.account.name, visit.work.clock()
    # A clock that runs ahead does not answer tomorrow.
    ledger, at = Ledger(store), min(answer.at or now, now)
    rows = [row for row in _answered_rows(visit, answer, at) if _addresses(row) & answer.recipients]
    for row in rows:
        ledger.add_answer(row.account, row.key, at, "sent")
        person = newcomer_of(row)
        if person is not None and person.address in answer.recipients:
            store.learn_sender(person.address, person.name, now)
    to = _writer(rows[0]) if rows else _teacher_among(visit, answer.recipients)
    if answer.message_id and to is not None:
        key = rows[0].key if rows else ""
        sent = Sent(account, answer.message_id, at, answer.recipients, answer.subject, key)
        ledger.add_sent(sent)
        ledger.add_entry(sent_entry(sent, ledger.entry(rows[0].account, key) if rows else None, to))


def settle_thread(visit: Visit, judged: Judgement, received: datetime | None) -> None:
    """What somebody answered to whom the teacher's mail went, too (the other parent), waits no longer."""
    store = visit.work.store
    if judged.verdict is None or judged.verdict.school or judged.verdict.warnings:
        return
    for answered in (row for one in judged.answers for row in store.by_message_id(one)):
        if judged.sender_address in (answered.judgement or {}).get("to", ()):
            Ledger(store).add_answer(answered.account, answered.key, received or visit.work.clock(), "another")


def _writer(row: Stored) -> Person:
    """Who wrote a school mail."""
    teacher = ((row.judgement or {}).get("verdict") or {}).get("teacher") or {}
    return Person(teacher.get("name") or "", teacher.get("address") or "")


def _addresses(row: Stored) -> set[str]:
    """Where an answer to a mail may go: its sender, its Reply-To, and the teacher that is behind it."""
    kept = row.judgement or {}
    return {_writer(row).address, *kept.get("from", ())} - {""}


def _teacher_among(visit: Visit, recipients: frozenset[str]) -> Person | None:
    """The first known teacher to whom a mail was sent; forwards to the family are none of ours."""
    named = [teacher for teacher in visit.work.config.school.teachers if teacher.address in recipients]
    if named:
        return Person(named[0].name, named[0].address)
    learned = sorted(visit.work.store.learned_senders() & recipients)
    return Person("", learned[0]) if learned else None


def _answered_rows(visit: Visit, answer: Answer, at: datetime) -> list[Stored]:
    """The school mails that a sent mail answers: by its thread, else by subject and address."""
    store = visit.work.store
    threaded = [row for answered in sorted(answer.answered) for row in store.by_message_id(answered)]
    if threaded:
        return [row for row in threaded if is_worth_recording(row)]
    subject = bare_subject(answer.subject)
    recent = store.between(at - ANSWERED_WITHIN, visit.work.clock()) if subject else []
    return [
        row
        for row in recent
        if is_worth_recording(row)
        and (row.judgement or {})["verdict"].get("needs_reply")
        and bare_subject((row.judgement or {})["verdict"].get("subject") or "") == subject
    ]
