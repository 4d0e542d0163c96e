"""Pure: what the store's rows hold, as data, and how times stand in them (UTC, ISO 8601)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, Protocol

from triage.plan import Action, Place, Selected, Stored

# "held": journalled, to be done when the message may be shown. "copied": the copy was proved, the original stands;
# "marked": from then on a mark of deletion on that original is ours.
OpState = Literal["held", "planned", "sent", "copied", "marked", "done", "failed", "vanished", "undone"]
# Why an action failed that was cut short: its message is planned anew.
INTERRUPTED = "interrupted"


class Row(Protocol):
    """One row, by the names of its columns."""

    def __getitem__(self, key: str, /) -> Any:
        """A column's value."""


@dataclass(frozen=True, slots=True)
class Op:
    """One journalled action and how far it got."""

    id: int
    run: str
    action: Action
    state: OpState
    arrival: Place
    detail: str


@dataclass(frozen=True, slots=True)
class FolderState:
    """What was last seen of a folder: the first UID not yet looked at, and how many messages there were."""

    uidvalidity: int
    uidnext: int
    existed: int
    modseq: int
    looked_at: datetime

    @classmethod
    def of(cls, selected: Selected, at: datetime) -> "FolderState":
        """The state of a folder that was just looked at."""
        return cls(selected.uidvalidity, selected.uidnext, selected.exists, selected.modseq, at)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A digest on its way: where the scan for it begins."""

    date: date
    account: str
    message_id: str
    covers_to: datetime
    state: Literal["sent", "done"]
    dst_uidvalidity: int
    dst_uidnext: int


def utc_text(at: datetime) -> str:
    """A time as the store keeps it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def time_of(text: str) -> datetime:
    """The inverse of `utc_text`."""
    return datetime.fromisoformat(text)


def stored_of(row: Row) -> Stored:
    """A row of `message`."""
    return Stored(
        account=row["account"],
        key=row["key"],
        message_id=row["message_id"],
        place=Place(row["folder"], row["uidvalidity"], row["uid"]),
        received=time_of(row["received"]) if row["received"] else None,
        day=time_of(row["day"]),
        status=row["status"],
        tries=row["tries"],
        error=row["error"],
        tags=frozenset(json.loads(row["tags"])),
        judgement=json.loads(row["judgement"]) if row["judgement"] else None,
    )


def op_of(row: Row) -> Op:
    """A row of `op`; before it is known where the action arrived, `arrival` holds the UID to look from."""
    action = Action(
        kind=row["kind"],
        key=row["key"],
        place=Place(row["folder"], row["uidvalidity"], row["uid"]),
        target=row["target"],
        tags=tuple(json.loads(row["tags"])),
        message_id=row["message_id"],
        payload=row["payload"],
    )
    arrival = Place(row["target"], row["dst_uidvalidity"], row["dst_uid"] or row["dst_uidnext"])
    return Op(row["id"], row["run"], action, row["state"], arrival, row["detail"])


def delivery_of(row: Row) -> Delivery:
    """A row of `digest`."""
    return Delivery(
        date=date.fromisoformat(row["date"]),
        account=row["account"],
        message_id=row["message_id"],
        covers_to=time_of(row["covers_to"]),
        state=row["state"],
        dst_uidvalidity=row["dst_uidvalidity"],
        dst_uidnext=row["dst_uidnext"],
    )


def ending_of(ops: Sequence[Op]) -> str | None:
    """Why a message's own actions did not all succeed: None where they did, "" where somebody else took it."""
    own = [op for op in ops if op.action.kind not in ("note", "draft")]
    if any(op.state == "vanished" for op in own):
        return ""
    return next((op.detail for op in own if op.state == "failed"), None)
