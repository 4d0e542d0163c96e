"""What an earlier state left in the mailbox, taken up where there is none: nothing is filed, noted or copied again.

A state that was lost, or begun anew because it was damaged, is made from the mailbox itself. What stands in a folder of
ours was filed. What stands in the watched folder with our tag, or beside a note of ours, was dealt with there, or the
parent took it back: either way it is theirs. So is what stands there while its note stands in a folder of ours.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import partial

from triage.classify import LABELS, Label, Primary
from triage.errors import MailboxError
from triage.judge import Judgement
from triage.ledger import Ledger
from triage.looking import OFTEN_CUT, line_broke
from triage.observe import Visit, judge, kept_as_school, kept_of, look_into, since_lookback
from triage.partial import Answer
from triage.plan import TAGS, Place, Role, Selected, Status, Stored
from triage.reading import BATCH_MESSAGES, Fetched

# So many are read, judged and recorded before the next: what a line that drops then cannot take back.
_STRETCH = 200
# So many are asked for at once, the fewer the more often the line broke at them.
_TOGETHER = (BATCH_MESSAGES, 50, 6, 1)


def take_up(visit: Visit, watched: Selected) -> None:
    """Record what was filed and what was dealt with before there was this state, once."""
    ledger, name = Ledger(visit.work.store), visit.work.account.name
    if ledger.is_taken_up(name, watched):
        return
    # First what is settled: at Gmail it may stand under another label of ours, too.
    folders: dict[str, Role | None] = {visit.abilities.done: None} if visit.abilities.done else {}
    folders |= {folder: role for role, folder in visit.abilities.folders.items()}
    left = set[str]()
    for folder, role in folders.items():
        _take_up_folder(visit, folder, role, left)
    _take_up_watched(visit, left)
    ledger.set_taken_up(name, watched)


def _take_up_folder(visit: Visit, folder: str, role: Role | None, left: set[str]) -> None:
    """A filing folder, whose `role` says what its mail is; without one, the folder of what is settled.

    To `left` is added beside which messages the notes there were put.
    """
    new: list[int] = []

    def look() -> None:
        if visit.box.status(folder) is not None:
            selected = visit.box.select(folder, readonly=True)
            new.extend(_unknown(visit, selected, visit.box.starting_at(1)) if selected.uidvalidity else ())

    look_into(visit, folder, "traces", look)
    for start in range(0, len(new), _STRETCH):
        # Where the line breaks in one stretch, the others are taken up all the same.
        uids = new[start : start + _STRETCH]
        look_into(visit, folder, f"traces from {uids[0]}", partial(_take_up_filed, visit, uids, role, left))


def _take_up_filed(visit: Visit, uids: Sequence[int], role: Role | None, left: set[str]) -> None:
    store, name, selected = visit.work.store, visit.work.account.name, visit.box.selected
    if selected is None:
        return
    labelled = visit.box.labels(uids, readable=True) if visit.abilities.tags == "labels" else {}
    for fetched, judged in _judged(visit, uids):
        if judged.ours:
            # The message itself; what it answers in its turn may be new.
            left.update(one.strip("<>") for one in judged.answers[:1])
        if not _is_new(visit, fetched, judged):
            continue
        tags = fetched.summary.flags | labelled.get(fetched.summary.uid, frozenset())
        with store.transaction():
            _save(visit, selected, fetched, judged, "done" if role else "released", filed=role not in (None, "review"))
            store.set_tags(name, fetched.key, tags)
            if role is None:
                Ledger(store).add_answer(name, fetched.key, _day(visit, fetched), "put away")
            elif role != "review":
                labels = _labels(visit, judged, tags, role)
                store.set_labels(name, fetched.key, _primary(visit, judged, tags, role), labels)


def _take_up_watched(visit: Visit, left: Collection[str]) -> None:
    selected, box = visit.box.select(visit.work.account.folder), visit.box
    headers, tags = dict[int, Answer](), dict[int, frozenset[str]]()

    def look(uids: Sequence[int]) -> None:
        headers.update(box.answers(uids))
        tags.update(_tags_in(visit, uids))

    def record(uids: Sequence[int]) -> None:
        for fetched, judged in _read(visit, _unknown(visit, selected, uids)):
            _save(visit, selected, fetched, judged, "released")
        _was_never_moved(visit, selected, uids)

    _in_turn(visit, selected, since_lookback(visit), look, shown=False)
    noted = frozenset[str]().union(*(header.answered for header in headers.values() if header.ours == "note"))
    ours = _tags_of(visit)
    tagged = {uid for uid, flags in tags.items() if flags & ours}
    noted |= {one for one in {header.message_id for header in headers.values()} if _was_taken_back(visit, one, left)}
    dealt_with = [uid for uid, header in headers.items() if uid in tagged or header.message_id in noted - {""}]
    _in_turn(visit, selected, dealt_with, record, shown=bool(headers))


def _was_taken_back(visit: Visit, message_id: str, left: Collection[str]) -> bool:
    """Whether a note for it was `left` in a folder of ours, and the message itself stands in none: not its copy."""
    name, watched = visit.work.account.name, visit.work.account.folder
    rows = visit.work.store.by_message_id(message_id) if message_id.strip("<>") in left else None
    return rows is not None and all(row.place.folder == watched for row in rows if row.account == name)


def _was_never_moved(visit: Visit, watched: Selected, uids: Sequence[int]) -> None:
    """What was found in a filing folder, too, was copied there, or at Gmail labelled: it was not taken back from it."""
    store, name = visit.work.store, visit.work.account.name
    with store.transaction():
        for uid, key in visit.box.keys(uids, readable=True).items():
            store.set_place(name, key, Place(watched.folder, watched.uidvalidity, uid))


def _in_turn(
    visit: Visit, selected: Selected, uids: Sequence[int], read: Callable[[Sequence[int]], None], *, shown: bool
) -> None:
    """Read messages of the watched folder; what was being read when the line broke comes last, in ever smaller numbers.

    What breaks it alone, too, is left to the intake, which names it; not before it is `shown` that others can be read.
    """
    ledger, name = Ledger(visit.work.store), visit.work.account.name
    times = ledger.cut_off(name, selected)
    by_times = defaultdict[int, list[int]](list)
    for uid in uids:
        by_times[max(0, times.get(uid, 0) - OFTEN_CUT + 1)].append(uid)
    for often, members in sorted(by_times.items()):
        if often >= len(_TOGETHER) and (shown or often > min(by_times)):
            break
        number = _TOGETHER[min(often, len(_TOGETHER) - 1)]
        for start in range(0, len(members), number):
            asked = members[start : start + number]
            try:
                read(asked)
            except MailboxError as error:
                if line_broke(visit.box, error):
                    ledger.set_cut_off(name, selected, times | {uid: times.get(uid, 0) + 1 for uid in asked})
                raise


def _tags_of(visit: Visit) -> frozenset[str]:
    labels = visit.abilities.tags == "labels"
    return frozenset(visit.abilities.folders.values() if labels else TAGS.values())


def _tags_in(visit: Visit, uids: Sequence[int]) -> dict[int, frozenset[str]]:
    if visit.abilities.tags == "labels":
        return visit.box.labels(uids, readable=True)
    return visit.box.flags(uids, readable=True)


def _unknown(visit: Visit, selected: Selected, uids: Sequence[int]) -> list[int]:
    known = visit.work.store.settled_from(visit.work.account.name, Place(selected.folder, selected.uidvalidity, 1))
    return [uid for uid in uids if uid not in known]


def _read(visit: Visit, uids: Sequence[int]) -> Iterator[tuple[Fetched, Judgement]]:
    """What is not known yet, judged; notes, digests and what cannot be read are none of it."""
    return ((fetched, judged) for fetched, judged in _judged(visit, uids) if _is_new(visit, fetched, judged))


def _judged(visit: Visit, uids: Sequence[int]) -> Iterator[tuple[Fetched, Judgement]]:
    for start in range(0, len(uids), _STRETCH):
        visit.work.progress(start, len(uids))
        batch = [one for one in visit.box.read(uids[start : start + _STRETCH]) if not one.error]
        # With their words: what the parent filed here may not read like the school's.
        yield from zip(batch, judge(visit.work, batch, words=True), strict=True)


def _is_new(visit: Visit, fetched: Fetched, judged: Judgement) -> bool:
    unknown = visit.work.store.message(visit.work.account.name, fetched.key) is None
    return unknown and judged.verdict is not None and not judged.ours


def _save(
    visit: Visit, selected: Selected, fetched: Fetched, judged: Judgement, status: Status, *, filed: bool = False
) -> None:
    """Keep what is known of a message; where it is `filed`, it is the school's whatever is made of it."""
    place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
    missed = filed and judged.verdict is not None and not (judged.verdict.school or judged.verdict.unsure)
    visit.work.store.save_message(
        Stored(
            account=visit.work.account.name,
            key=fetched.key,
            message_id=judged.message_id,
            place=place,
            received=fetched.summary.received,
            day=_day(visit, fetched),
            status=status,
            tries=0,
            error="",
            tags=fetched.summary.flags,
            judgement=kept_as_school(judged) if missed else kept_of(judged),
        )
    )


def _day(visit: Visit, fetched: Fetched) -> datetime:
    now = visit.work.clock()
    return min(fetched.summary.received or now, now)


def _labels(visit: Visit, judged: Judgement, tags: frozenset[str], role: Role) -> list[Label]:
    """What a filed mail is: by its tags or Gmail's labels, else by the model; where it stands holds in any case."""
    tagged = {label for label in LABELS if {TAGS[label], visit.abilities.folders[label]} & tags}
    held = tagged or set(judged.verdict.labels if judged.verdict is not None else ())
    return [label for label in LABELS if label in held | {role}]


def _primary(visit: Visit, judged: Judgement, tags: frozenset[str], role: Primary) -> Primary:
    """What a mail is first of all: at Gmail it may stand in several folders, and the model says which was meant."""
    here = [label for label in LABELS if visit.abilities.folders[label] in tags]
    return judged.verdict.primary if judged.verdict is not None and judged.verdict.primary in here else role
