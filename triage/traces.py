"""What an earlier state left in the mailbox, taken up where there is none: nothing is filed, noted or copied again.

A state that was lost, or begun anew because it was damaged, is made from the mailbox itself. What stands in a folder of
ours was filed. What stands in the watched folder with our tag, or beside a note of ours, was dealt with there, or the
parent took it back: either way it is theirs.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from triage.classify import LABELS, Label, Primary
from triage.errors import RefusedError
from triage.judge import Judgement
from triage.ledger import Ledger
from triage.observe import Visit, judge, kept_of, since_lookback
from triage.plan import TAGS, Place, Role, Selected, Status, Stored
from triage.reading import Fetched

# So many are read, judged and recorded before the next: what a line that drops then cannot take back.
_STRETCH = 200


def take_up(visit: Visit, watched: Selected) -> None:
    """Record what was filed and what was dealt with before there was this state, once."""
    ledger, name = Ledger(visit.work.store), visit.work.account.name
    if ledger.is_taken_up(name, watched):
        return
    # First what is settled: at Gmail it may stand under another label of ours, too.
    if visit.abilities.done:
        _take_up_folder(visit, visit.abilities.done, None)
    for role, folder in visit.abilities.folders.items():
        _take_up_folder(visit, folder, role)
    _take_up_watched(visit)
    ledger.set_taken_up(name, watched)


def _take_up_folder(visit: Visit, folder: str, role: Role | None) -> None:
    """A filing folder, whose `role` says what its mail is; without one, the folder of what is settled."""
    try:
        selected = visit.box.select(folder, readonly=True) if visit.box.status(folder) is not None else None
    except RefusedError:
        return
    if selected is None or not selected.uidvalidity:
        return
    store, name = visit.work.store, visit.work.account.name
    uids = visit.box.starting_at(1)
    labelled = visit.box.labels(uids, readable=True) if visit.abilities.tags == "labels" else {}
    for fetched, judged in _read(visit, selected, uids):
        tags = fetched.summary.flags | labelled.get(fetched.summary.uid, frozenset())
        with store.transaction():
            _save(visit, selected, fetched, judged, "done" if role else "released")
            store.set_tags(name, fetched.key, tags)
            if role is None:
                Ledger(store).add_answer(name, fetched.key, _day(visit, fetched), "put away")
            elif role != "review":
                labels = _labels(visit, judged, tags, role)
                store.set_labels(name, fetched.key, _primary(visit, judged, tags, role), labels)


def _take_up_watched(visit: Visit) -> None:
    selected, box = visit.box.select(visit.work.account.folder), visit.box
    uids = since_lookback(visit)
    headers = box.answers(uids)
    noted = frozenset[str]().union(*(header.answered for header in headers.values() if header.ours == "note"))
    ours = _tags_of(visit)
    tagged = {uid for uid, flags in _tags_in(visit, uids).items() if flags & ours}
    dealt_with = [uid for uid, header in headers.items() if uid in tagged or header.message_id in noted - {""}]
    for fetched, judged in _read(visit, selected, dealt_with):
        _save(visit, selected, fetched, judged, "released")
    _was_never_moved(visit, selected, dealt_with)


def _was_never_moved(visit: Visit, watched: Selected, uids: Sequence[int]) -> None:
    """What was found in a filing folder, too, was copied there, or at Gmail labelled: it was not taken back from it."""
    store, name = visit.work.store, visit.work.account.name
    with store.transaction():
        for uid, key in visit.box.keys(uids, readable=True).items():
            store.set_place(name, key, Place(watched.folder, watched.uidvalidity, uid))


def _tags_of(visit: Visit) -> frozenset[str]:
    labels = visit.abilities.tags == "labels"
    return frozenset(visit.abilities.folders.values() if labels else TAGS.values())


def _tags_in(visit: Visit, uids: Sequence[int]) -> dict[int, frozenset[str]]:
    if visit.abilities.tags == "labels":
        return visit.box.labels(uids, readable=True)
    return visit.box.flags(uids, readable=True)


def _read(visit: Visit, selected: Selected, uids: Sequence[int]) -> Iterator[tuple[Fetched, Judgement]]:
    """What is not known yet, judged; notes, digests and what cannot be read are none of it."""
    store, name = visit.work.store, visit.work.account.name
    known = store.settled_from(name, Place(selected.folder, selected.uidvalidity, 1))
    new = [uid for uid in uids if uid not in known]
    for start in range(0, len(new), _STRETCH):
        visit.work.progress(start, len(new))
        batch = [one for one in visit.box.read(new[start : start + _STRETCH]) if not one.error]
        for fetched, judged in zip(batch, judge(visit.work, batch), strict=True):
            if judged.verdict is not None and not judged.ours and store.message(name, fetched.key) is None:
                yield fetched, judged


def _save(visit: Visit, selected: Selected, fetched: Fetched, judged: Judgement, status: Status) -> None:
    place = Place(selected.folder, selected.uidvalidity, fetched.summary.uid)
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
            judgement=kept_of(judged),
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
