"""What was said and answered: the record, mail that the parent sent, answers, nudges. A part of the state.

Entries are added and never changed; adding one again changes nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from triage.awaiting import speaks_of_danger
from triage.history import CONCERNS, Past, themes_in
from triage.plan import Selected, Stored
from triage.record import Entry, How, Sent, Settled, entry_of, is_worth_recording, names
from triage.rows import Op, op_of, stored_of, time_of, utc_text
from triage.store import Store

# Most of an inbox is not the school's: it is left out where it lies.
_OF_SCHOOL = "(json_extract(judgement, '$.verdict.school') OR json_extract(judgement, '$.verdict.unsure'))"
# A clock that ran ahead by more than this was not put right: the one that tells it is wrong itself.
_RAN_AHEAD = timedelta(days=7)


class Ledger:
    """The tables of a store that hold what the parent does next."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- What was set ---

    def labels_of(self, account: str, key: str) -> frozenset[str]:
        """The Gmail labels that we set on a message, or were about to set, and did not take back."""
        rows = self._store.rows(
            "SELECT tags FROM op WHERE account = ? AND key = ? AND kind = 'label' AND state != 'undone'", account, key
        )
        return frozenset(label for row in rows for label in json.loads(row["tags"]))

    # --- The record ---

    def add_entry(self, entry: Entry) -> None:
        """Record what was said; a second time of the same mail changes nothing."""
        self._store.write(
            "INSERT OR IGNORE INTO record (account, key, at, entry) VALUES (?, ?, ?, ?)",
            entry.account, entry.key, utc_text(datetime.fromisoformat(entry.at)), json.dumps(entry.to_json()),
        )  # fmt: skip

    def entries(self) -> list[Entry]:
        """The whole record, oldest first."""
        rows = self._store.rows("SELECT entry FROM record ORDER BY at, id")
        return [Entry.from_json(json.loads(row["entry"])) for row in rows]

    def complete(self, account: str) -> None:
        """Record what was handled and is not recorded yet: after a crash, or because the parent filed it."""
        rows = self._store.rows(
            f"SELECT * FROM message WHERE account = ? AND status IN ('done', 'released') AND {_OF_SCHOOL} "  # noqa: S608  # nosec B608
            "AND NOT EXISTS (SELECT 1 FROM record WHERE record.account = message.account AND record.key = message.key) "
            # An entry is made once: what was corrected by command is read for it first.
            "AND NOT EXISTS (SELECT 1 FROM correction WHERE correction.account = message.account "
            "AND correction.key = message.key AND NOT correction.applied)",
            account,
        )
        missing = [stored for stored in map(stored_of, rows) if is_worth_recording(stored)]
        with self._store.transaction():
            for stored in missing:
                self.add_entry(entry_of(stored))

    def entry(self, account: str, key: str) -> Entry | None:
        """The entry of one message, None where there is none."""
        rows = self._store.rows("SELECT entry FROM record WHERE account = ? AND key = ?", account, key)
        return Entry.from_json(json.loads(rows[0]["entry"])) if rows else None

    def verdicts(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The present verdict of every recorded message, by account and key."""
        rows = self._store.rows(
            "SELECT message.account, message.key, message.judgement FROM message JOIN record "
            "ON record.account = message.account AND record.key = message.key WHERE message.judgement IS NOT NULL"
        )
        return {(row["account"], row["key"]): json.loads(row["judgement"])["verdict"] for row in rows}

    # --- Answers ---

    def add_answer(self, account: str, key: str, at: datetime, how: How) -> None:
        """A message that waited was answered or settled; the first time counts."""
        self._store.write("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?)", account, key, utc_text(at), how)

    def answers(self) -> dict[tuple[str, str], Settled]:
        """When and how each message was answered or settled, by account and key."""
        rows = self._store.rows("SELECT * FROM answer")
        return {(row["account"], row["key"]): Settled(time_of(row["at"]), row["how"]) for row in rows}

    # --- What the parent sent ---

    def add_sent(self, sent: Sent) -> None:
        """Remember a mail to a teacher by its header fields."""
        self._store.write(
            "INSERT OR IGNORE INTO sent VALUES (?, ?, ?, ?, ?, ?)",
            sent.account, sent.message_id, utc_text(sent.at), json.dumps(sorted(sent.recipients)), sent.subject,
            sent.key,
        )  # fmt: skip

    def sent(self) -> list[Sent]:
        """Every mail to a teacher, oldest first."""
        rows = self._store.rows("SELECT * FROM sent ORDER BY at")
        return [
            Sent(
                row["account"], row["message_id"], time_of(row["at"]), frozenset(json.loads(row["recipients"])),
                row["subject"], row["key"],
            )
            for row in rows
        ]  # fmt: skip

    # --- What came before ---

    def past(self, since: datetime) -> tuple[Past, ...]:
        """School mail since then, as far as it changes what is said of the next."""
        rows = self._store.rows(
            f"SELECT judgement FROM message WHERE day > ? AND {_OF_SCHOOL} ORDER BY day",  # noqa: S608  # nosec B608
            utc_text(since),
        )
        return tuple(_pasts(row["judgement"] for row in rows))

    # --- Notes that wait ---

    def due_notes(self, account: str, now: datetime) -> list[Op]:
        """Notes and drafts that were held, and whose message may be shown now."""
        rows = self._store.rows(
            "SELECT op.* FROM op JOIN message ON message.account = op.account AND message.key = op.key "
            "WHERE op.account = ? AND op.state = 'held' AND message.day <= ? ORDER BY op.id",
            account, utc_text(now),
        )  # fmt: skip
        return [op_of(row) for row in rows]

    def held_drafts(self, account: str) -> list[Op]:
        """Drafts that wait for their time, or to be taken by the server."""
        return [
            op_of(row)
            for row in self._store.rows(
                "SELECT * FROM op WHERE account = ? AND kind = 'draft' AND state = 'held' ORDER BY id", account
            )
        ]

    def held(self, now: datetime) -> int:
        """How many messages wait for their time."""
        rows = self._store.rows(
            "SELECT DISTINCT op.account, op.key FROM op JOIN message ON message.account = op.account "
            "AND message.key = op.key WHERE op.state = 'held' AND message.day > ? AND message.received <= ?",
            utc_text(now), utc_text(now),
        )  # fmt: skip
        return len(rows)

    # --- A clock that was wrong ---

    def clock_is(self, now: datetime) -> None:
        """A clock that ran ahead was set back: what was read in times to come was read before now.

        What a digest showed of it does not come again, the rest comes with the next one. A clock that is far behind (a
        machine without a battery that has not asked a time server yet) changes nothing.
        """
        last = self._store.last_delivery()
        if last is None or not now < last.covers_to <= now + _RAN_AHEAD:
            return
        at, shown = utc_text(now), utc_text(now - timedelta(seconds=1))
        with self._store.transaction():
            self._store.write(
                "UPDATE message SET day = ? WHERE day > ? AND day <= ?", shown, at, utc_text(last.covers_to)
            )
            self._store.write(
                "UPDATE message SET day = ? WHERE day > ? AND day <= ? AND NOT EXISTS (SELECT 1 FROM op "
                "WHERE op.account = message.account AND op.key = message.key AND op.state = 'held')",
                at, at, utc_text(now + _RAN_AHEAD),
            )  # fmt: skip
            self._store.write("UPDATE digest SET covers_to = ? WHERE covers_to > ?", shown, at)

    # --- Nudges ---

    def add_nudge(self, kind: str, about: str, day: date) -> None:
        """A nudge was given on that day."""
        self._store.write("INSERT OR IGNORE INTO nudge VALUES (?, ?, ?)", kind, about, day.isoformat())

    def nudges(self) -> dict[tuple[str, str], date]:
        """When each kind of nudge about each person was last given."""
        rows = self._store.rows("SELECT kind, about, max(date) AS date FROM nudge GROUP BY kind, about")
        return {(row["kind"], row["about"]): date.fromisoformat(row["date"]) for row in rows}

    # --- Forgetting ---

    def keys_about(self, child: str, teacher: str, before: datetime | None) -> list[tuple[str, str]]:
        """(account, key) of every message and entry that is about a child or a teacher, or older than a time."""
        found = [
            (row["account"], row["key"])
            for row in self._store.rows("SELECT * FROM message")
            if _is_about(stored_of(row), child, teacher, before)
        ]
        entries = [
            (entry.account, entry.key)
            for entry in self.entries()
            if _matches(entry.children, f"{entry.who} {entry.address}", child, teacher)
            or (before is not None and datetime.fromisoformat(entry.at) < before)
        ]
        return list(dict.fromkeys([*found, *entries]))

    def forget(self, keys: Iterable[tuple[str, str]]) -> int:
        """Take out what is held of these messages; that they were handled stays, so that nothing is filed again."""
        number = 0
        with self._store.transaction():
            for account, key in keys:
                number += 1
                self._store.write(
                    "UPDATE message SET judgement = CASE WHEN judgement IS NULL THEN NULL ELSE ? END, error = '' "
                    "WHERE account = ? AND key = ?",
                    _HANDLED, account, key,
                )  # fmt: skip
                for table in ("record", "answer"):
                    self._store.write(f"DELETE FROM {table} WHERE account = ? AND key = ?", account, key)  # noqa: S608  # nosec B608
                self._store.write("UPDATE correction SET text = '' WHERE account = ? AND key = ?", account, key)
                self._store.write(
                    "UPDATE op SET payload = x'', state = CASE WHEN kind IN ('note', 'draft') AND state IN "
                    "('held', 'planned') THEN 'failed' ELSE state END WHERE account = ? AND key = ?",
                    account, key,
                )  # fmt: skip
                message_id = key.removeprefix("sent ") if key.startswith("sent ") else ""
                self._store.write(
                    "DELETE FROM sent WHERE account = ? AND (key = ? OR message_id = ?)", account, key, message_id
                )
        self._store.scrub()
        return number

    def forget_senders(self, teacher: str) -> None:
        """Take out the addresses that the parent made known, of a person of that name or address."""
        for row in self._store.rows("SELECT * FROM sender"):
            if _matches("", f"{row['name']} {row['address']}", "", teacher):
                self._store.forget_sender(row["address"])

    def forget_nudges(self, child: str, teacher: str) -> None:
        """Take out which lines were given about somebody."""
        for row in self._store.rows("SELECT DISTINCT about FROM nudge"):
            if _matches(row["about"], row["about"], child, teacher):
                self._store.write("DELETE FROM nudge WHERE about = ?", row["about"])

    def forget_everything(self) -> None:
        """Take out everything but that mail was handled and how far each folder was looked at: none is filed again."""
        every = [(row["account"], row["key"]) for row in self._store.rows("SELECT account, key FROM message")]
        self.forget(every)
        with self._store.transaction():
            for table in _TABLES:
                self._store.write(f"DELETE FROM {table}")  # noqa: S608  # nosec B608
            self._store.write("UPDATE message SET message_id = '', received = NULL")
        self._store.scrub()

    # --- What a pass that was cut short leaves to the next ---

    def looked_at(self, account: str, folder: Selected) -> list[tuple[int, bool]]:
        """What a look at a large intake that was cut short found: UIDs of what is to be dealt with, and which move."""
        return self._left(f"looked at {account}", folder)

    def set_looked_at(self, account: str, folder: Selected, found: Mapping[int, bool]) -> None:
        """Note it for a pass that takes up this one; nothing, when that is over."""
        self._leave(f"looked at {account}", folder, sorted(found.items()))

    def cut_off(self, account: str, folder: Selected) -> dict[int, int]:
        """UIDs that were being read when the line broke, and how often in a row."""
        return dict(self._left(f"cut off {account}", folder))

    def set_cut_off(self, account: str, folder: Selected, times: Mapping[int, int]) -> None:
        """Note them for the next pass; nothing, when all could be read."""
        self._leave(f"cut off {account}", folder, sorted(times.items()))

    def is_taken_up(self, account: str, folder: Selected) -> bool:
        """Whether what an earlier state left in the mailbox is known."""
        return bool(self._left(f"taken up {account}", folder))

    def set_taken_up(self, account: str, folder: Selected) -> None:
        """It is; a state that is rebuilt does not take over this."""
        self._leave(f"taken up {account}", folder, [(0, 1)])

    def _left(self, name: str, folder: Selected) -> list[tuple[int, Any]]:
        rows = self._store.rows("SELECT value FROM meta WHERE name = ?", name)
        noted = json.loads(rows[0]["value"]) if rows else {}
        same = noted.get("place") == [folder.folder, folder.uidvalidity]
        return [(uid, value) for uid, value in noted["found"]] if same else []

    def _leave(self, name: str, folder: Selected, found: Sequence[tuple[int, int]]) -> None:
        if found:
            noted = json.dumps({"place": [folder.folder, folder.uidvalidity], "found": found})
            self._store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, noted)
        elif self._store.rows("SELECT 1 FROM meta WHERE name = ?", name):
            self._store.write("DELETE FROM meta WHERE name = ?", name)


_TABLES = ("correction", "sender", "digest", "answer", "sent", "record", "nudge")
# What stays of a message that was forgotten.
_HANDLED = json.dumps({"verdict": {"school": False, "primary": "not_school", "labels": []}, "card": None})


def _is_about(row: Stored, child: str, teacher: str, before: datetime | None) -> bool:
    verdict = (row.judgement or {}).get("verdict") or {}
    person = verdict.get("teacher") or (row.judgement or {}).get("perhaps") or {}
    named = f"{person.get('name', '')} {person.get('address', '')}"
    old = before is not None and (row.received or row.day) < before
    told = (verdict.get("child") or "", *(row.judgement or {}).get("children", ()))
    return old or _matches(told, named, child, teacher)


def _matches(told: Iterable[str], person: str, child: str, teacher: str) -> bool:
    return bool(child and any(names(name, child) for name in told)) or bool(teacher and names(person, teacher))


def _pasts(judgements: Iterable[str]) -> Iterable[Past]:
    for text in judgements:
        verdict = json.loads(text)["verdict"]
        if verdict.get("school") and not verdict.get("unsure") and verdict.get("date"):
            teacher = verdict.get("teacher") or {}
            labels = () if "bulk" in verdict.get("flags", ()) else tuple(verdict["labels"])
            at = datetime.fromisoformat(verdict["date"])
            told = themes_in(one["text"] for one in verdict.get("evidence", ()) if one["label"] in CONCERNS)
            child, address, name = verdict.get("child") or "", teacher.get("address") or "", teacher.get("name") or ""
            yield Past(at, child, address, labels, name, told, speaks_of_danger(verdict))
