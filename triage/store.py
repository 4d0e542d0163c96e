"""SQLite: messages, journal, corrections, digests; with `rebuild` the only importer of sqlite3.

One file in a folder of its own (0700, 0600), WAL, `synchronous=FULL`: when a call returns, what it wrote is on
disk. Times are stored in UTC. The mailbox is the source of truth: a lost state is rebuilt, not mourned.
"""

import hmac
import json
import os
import secrets
import sqlite3  # noqa: TID251 - the one place
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from triage.classify import Label, Primary
from triage.errors import StoreError
from triage.lock import prepare_folder
from triage.plan import Action, Correction, Done, Filed, Known, Place, Status, Stored
from triage.rows import Delivery, FolderState, Op, OpState, delivery_of, op_of, stored_of, time_of, utc_text

# What each version of the state adds to the one before; what was released is never changed.
_SCHEMAS = tuple(Path(__file__).with_name(name) for name in ("schema.sql", "schema-2.sql"))
SCHEMA_VERSION = len(_SCHEMAS)
# After so many failed passes a message is left in peace, and named in the digest and by doctor.
MAX_TRIES = 3


class Store:
    """One connection to the state file."""

    def __init__(self, folder: Path) -> None:
        prepare_folder(folder)
        self.path = folder / "state.db"
        with reported(self.path):
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._db.execute(f"PRAGMA {setting}")
            self._migrate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(f"{self.path}: was written by a newer triage; update this one, or name another --state")
        for number, schema in enumerate(_SCHEMAS[version:], start=version + 1):
            with self.transaction():
                for statement in schema.read_text(encoding="utf-8").split(";\n"):
                    if statement.strip():
                        self._db.execute(statement)
                if number == 1:
                    self._db.execute("INSERT INTO meta VALUES ('install_key', ?)", (secrets.token_hex(32),))
                self._db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One commit for all that is written inside; nothing is kept if it raises. May be nested."""
        if self._db.in_transaction:
            yield
            return
        with reported(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def write(self, sql: str, *values: object) -> None:
        """Run one statement that changes something, in a transaction. For the parts of the state alone."""
        with self.transaction():
            self._db.execute(sql, values)

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """What a query finds. For the parts of the state alone."""
        with reported(self.path):
            return self._db.execute(sql, values).fetchall()

    def scrub(self) -> None:
        """Overwrite what was deleted, in the file and its log."""
        with reported(self.path):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- Identity of what we append ---

    def own_message_id(self, purpose: str) -> str:
        """A Message-ID that only this installation makes, the same each time for the same purpose."""
        key = self.rows("SELECT value FROM meta WHERE name = 'install_key'")[0]["value"]
        digest = hmac.new(bytes.fromhex(key), purpose.encode(), "sha256").hexdigest()
        return f"<{digest[:40]}@triage.invalid>"

    # --- What keeps an account from being looked after ---

    def set_trouble(self, account: str, text: str) -> None:
        """Why the last pass over an account did not act, empty where it did."""
        self.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", f"trouble {account}", text)

    def troubles(self) -> list[str]:
        """One sentence for each account that waits for a person."""
        rows = self.rows("SELECT value FROM meta WHERE name LIKE 'trouble %' AND value != '' ORDER BY name")
        return [row["value"] for row in rows]

    # --- Runs ---

    def begin_run(self, command: str, at: datetime) -> str:
        """A new run's id."""
        run = f"{at.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.write("INSERT INTO run VALUES (?, ?, ?, NULL)", run, command, utc_text(at))
        return run

    def end_run(self, run: str, at: datetime) -> None:
        """Mark a run as ended."""
        self.write("UPDATE run SET ended = ? WHERE id = ?", utc_text(at), run)

    def last_run(self) -> str | None:
        """The newest run that changed something and was not undone."""
        rows = self.rows(
            "SELECT run.id FROM run JOIN op ON op.run = run.id WHERE op.state = 'done' AND command != 'undo' "
            # What is done beside a draft is no filing.
            "AND op.kind != 'remove' AND op.key IN (SELECT key FROM message) "
            "ORDER BY run.started DESC, run.rowid DESC LIMIT 1"
        )
        return rows[0]["id"] if rows else None

    def has_run(self, run: str) -> bool:
        """Whether there is a run of that id."""
        return bool(self.rows("SELECT 1 FROM run WHERE id = ?", run))

    # --- Folders ---

    def folder(self, account: str, name: str) -> FolderState | None:
        """What was last seen of a folder, None if nothing."""
        rows = self.rows("SELECT * FROM folder WHERE account = ? AND name = ?", account, name)
        if not rows:
            return None
        row = rows[0]
        return FolderState(row["uidvalidity"], row["uidnext"], row["existed"], row["modseq"], time_of(row["looked_at"]))

    def save_folder(self, account: str, name: str, state: FolderState) -> None:
        """Remember how far a folder was looked at."""
        self.write(
            "INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?, ?, ?, ?)",
            account, name, state.uidvalidity, state.uidnext, state.existed, state.modseq, utc_text(state.looked_at),
        )  # fmt: skip

    # --- Messages ---

    def message(self, account: str, key: str) -> Stored | None:
        """One message, None if it is not known."""
        rows = self.rows("SELECT * FROM message WHERE account = ? AND key = ?", account, key)
        return stored_of(rows[0]) if rows else None

    def known(self, account: str, key: str) -> Known:
        """What `plan` needs to know of a message."""
        found = self.message(account, key)
        if found is None:
            return Known()
        hands_off = found.status in ("released", "quarantined") or self._half_moved(account, key)
        return Known(hands_off, found.status == "done", found.tags | self._tagged(account, key))

    def _tagged(self, account: str, key: str) -> frozenset[str]:
        """The tags and labels that the journal says we set, but for what was undone."""
        set_by_us = "SELECT tags FROM op WHERE account = ? AND key = ? AND kind IN ('tag', 'label') AND state = 'done'"
        return frozenset(tag for row in self.rows(set_by_us, account, key) for tag in json.loads(row["tags"]))

    def _half_moved(self, account: str, key: str) -> bool:
        # Perhaps moved, or copied and not yet removed from its source: recovery alone may touch it.
        of_key = "account = ? AND key = ? AND kind IN ('move', 'copy') AND state IN ('sent', 'copied', 'marked')"
        return bool(self.rows(f"SELECT 1 FROM op WHERE {of_key}", account, key))  # noqa: S608  # nosec B608

    def filed(self, account: str, key: str) -> Filed | None:
        """A message that we handled, as `find_correction` needs it."""
        found = self.message(account, key)
        if found is None or found.judgement is None:
            return None
        verdict = found.judgement["verdict"]
        return Filed(key, found.place, found.tags, verdict["primary"], tuple(verdict["labels"]))

    def save_message(self, stored: Stored) -> None:
        """Insert or replace one message, which takes the place of one that could not be read there."""
        place = stored.place.folder, stored.place.uidvalidity, stored.place.uid
        with self.transaction():
            self._db.execute(
                "DELETE FROM message WHERE account = ? AND folder = ? AND uidvalidity = ? AND uid = ? AND key != ? "
                "AND judgement IS NULL AND status IN ('failed', 'quarantined')",
                (stored.account, *place, stored.key),
            )
            self.write(
                "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                stored.account, stored.key, stored.message_id, *place,
                utc_text(stored.received) if stored.received else None, utc_text(stored.day), stored.status,
                stored.tries, stored.error, json.dumps(sorted(stored.tags)),
                json.dumps(stored.judgement) if stored.judgement is not None else None,
            )  # fmt: skip

    def set_place(self, account: str, key: str, place: Place) -> None:
        """A message was seen elsewhere than before."""
        self.write(
            "UPDATE message SET folder = ?, uidvalidity = ?, uid = ? WHERE account = ? AND key = ?",
            place.folder, place.uidvalidity, place.uid, account, key,
        )  # fmt: skip

    def set_status(self, account: str, key: str, status: Status, error: str = "", *, counts: bool = True) -> None:
        """How a message's handling ended; a failure that `counts` is one try more."""
        self.write(
            "UPDATE message SET status = CASE WHEN ? AND tries + 1 >= ? THEN 'quarantined' ELSE ? END, "
            "tries = tries + ?, error = ? WHERE account = ? AND key = ?",
            (more := counts and status == "failed"), MAX_TRIES, status, more, error, account, key,
        )  # fmt: skip

    def set_tags(self, account: str, key: str, tags: Iterable[str]) -> None:
        """Which of our tags a message carries now."""
        self.write("UPDATE message SET tags = ? WHERE account = ? AND key = ?", json.dumps(sorted(tags)), account, key)

    def set_labels(self, account: str, key: str, primary: Primary, labels: Sequence[Label]) -> None:
        """The parent's word on what a message is takes the place of ours."""
        found = self.message(account, key)
        if found is not None and found.judgement is not None:
            verdict = {**found.judgement["verdict"], "primary": primary, "labels": list(labels)}
            verdict |= {"school": primary != "not_school", "unsure": False, "reason": ""}
            judgement = json.dumps({**found.judgement, "verdict": verdict})
            self.write("UPDATE message SET judgement = ? WHERE account = ? AND key = ?", judgement, account, key)

    def to_retry(self, account: str, folder: str, uidvalidity: int) -> list[int]:
        """UIDs in the watched folder whose handling failed or was cut short, and may be tried again."""
        rows = self.rows(
            "SELECT uid FROM message WHERE account = ? AND folder = ? AND uidvalidity = ? "
            "AND status IN ('failed', 'pending') "
            "AND key NOT IN (SELECT key FROM op WHERE op.account = message.account "
            "AND kind IN ('move', 'copy') AND state IN ('sent', 'copied', 'marked'))",
            account, folder, uidvalidity,
        )  # fmt: skip
        return sorted(row["uid"] for row in rows)

    def unread(self, account: str, folder: str, uidvalidity: int) -> frozenset[int]:
        """UIDs of messages that could not be read the last time."""
        rows = self.rows(
            "SELECT uid FROM message WHERE account = ? AND folder = ? AND uidvalidity = ? AND status = 'failed' "
            "AND judgement IS NULL",
            account, folder, uidvalidity,
        )  # fmt: skip
        return frozenset(row["uid"] for row in rows)

    def settled_from(self, account: str, place: Place) -> frozenset[int]:
        """UIDs, from a place on, of messages of its folder with which nothing is to be done any more."""
        rows = self.rows(
            "SELECT uid FROM message WHERE account = ? AND folder = ? AND uidvalidity = ? AND uid >= ? "
            "AND status NOT IN ('failed', 'pending')",
            account, place.folder, place.uidvalidity, place.uid,
        )  # fmt: skip
        return frozenset(row["uid"] for row in rows)

    def pending(self, account: str) -> list[str]:
        """Keys of messages whose handling was begun, and whose end was not recorded."""
        return [
            row["key"] for row in self.rows("SELECT key FROM message WHERE account = ? AND status = 'pending'", account)
        ]

    def keys_in(self, account: str, folder: str, uidvalidity: int, *, newest: int) -> dict[int, str]:
        """UID to key of the newest messages of a folder that are settled, or were tried in vain and tagged before."""
        rows = self.rows(
            "SELECT uid, key FROM message WHERE account = ? AND folder = ? AND uidvalidity = ? "
            "AND status IN ('done', 'released', 'failed') ORDER BY uid DESC LIMIT ?",
            account, folder, uidvalidity, newest,
        )  # fmt: skip
        return {row["uid"]: row["key"] for row in rows}

    def by_message_id(self, message_id: str) -> list[Stored]:
        """Messages of that Message-ID, with or without its angle brackets."""
        wanted = f"<{message_id.strip('<>')}>"
        return [stored_of(row) for row in self.rows("SELECT * FROM message WHERE message_id = ?", wanted)]

    def between(self, start: datetime, end: datetime) -> list[Stored]:
        """Messages whose day lies in (start, end], oldest first."""
        rows = self.rows(
            "SELECT * FROM message WHERE day > ? AND day <= ? ORDER BY day, key", utc_text(start), utc_text(end)
        )
        return [stored_of(row) for row in rows]

    def troubled(self) -> list[Stored]:
        """Messages in quarantine."""
        return [stored_of(row) for row in self.rows("SELECT * FROM message WHERE status = 'quarantined' ORDER BY day")]

    # --- Journal ---

    def journal(self, run: str, account: str, actions: Sequence[Action]) -> list[Op]:
        """Write a group's intentions in one commit; the rows come back with their ids."""
        ids = []
        with self.transaction():
            for action in actions:
                cursor = self._db.execute(
                    "INSERT INTO op (run, account, key, kind, folder, uidvalidity, uid, target, tags, message_id, "
                    "payload, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        run, account, action.key, action.kind, action.place.folder, action.place.uidvalidity,
                        action.place.uid, action.target, json.dumps(action.tags), action.message_id, action.payload,
                        "held" if action.hold else "planned",
                    ),
                )  # fmt: skip
                ids.append(int(cursor.lastrowid or 0))
        nowhere = Place("", 0, 0)
        return [
            Op(id_, run, action, "held" if action.hold else "planned", nowhere, "")
            for id_, action in zip(ids, actions, strict=True)
        ]

    def mark_sent(self, ops: Iterable[Op], uidvalidity: int, uidnext: int) -> None:
        """The command is about to be sent; what arrives in the target will have a UID of at least `uidnext`."""
        with self.transaction():
            for op in ops:
                self._db.execute(
                    "UPDATE op SET state = 'sent', dst_uidvalidity = ?, dst_uidnext = ? WHERE id = ?",
                    (uidvalidity, uidnext, op.id),
                )

    def mark(self, op: Op, state: OpState, *, uid: int = 0, detail: str = "") -> None:
        """How far an action got; a finished one keeps no payload."""
        self.write(
            "UPDATE op SET state = ?, dst_uid = CASE WHEN ? THEN ? ELSE dst_uid END, detail = ?, "
            "payload = CASE WHEN ? IN ('done', 'failed', 'vanished') THEN x'' ELSE payload END WHERE id = ?",
            state, uid, uid, detail, state, op.id,
        )  # fmt: skip

    def close_held(self, account: str, key: str) -> None:
        """Notes of a message that wait for their time are not to come any more."""
        self.write(
            "UPDATE op SET state = 'failed', detail = 'planned anew', payload = x'' WHERE account = ? AND key = ? "
            "AND state = 'held'",
            account, key,
        )  # fmt: skip

    def give_up(self, account: str, key: str, reason: str) -> None:
        """Close what is still open for a message, which is in quarantine, but where our mark of deletion is left."""
        self.write(
            "UPDATE op SET state = 'failed', detail = ?, payload = x'' WHERE account = ? AND key = ? "
            "AND state IN ('planned', 'sent', 'copied')",
            reason, account, key,
        )  # fmt: skip

    def open_ops(self, account: str) -> list[Op]:
        """Actions that were begun and not ended, in the order in which they were journalled."""
        rows = self.rows(
            "SELECT * FROM op WHERE account = ? AND state IN ('planned', 'sent', 'copied', 'marked') ORDER BY id",
            account,
        )
        return [op_of(row) for row in rows]

    def last_ops_of(self, account: str, key: str) -> list[Op]:
        """The actions of the last run that acted on a message."""
        rows = self.rows(
            "SELECT * FROM op WHERE account = ? AND key = ? AND run = "
            "(SELECT run FROM op WHERE account = ? AND key = ? ORDER BY id DESC LIMIT 1) ORDER BY id",
            account, key, account, key,
        )  # fmt: skip
        return [op_of(row) for row in rows]

    def notes_in(self, account: str, folder: str) -> list[Op]:
        """Notes of ours that stand in a folder."""
        rows = self.rows(
            "SELECT * FROM op WHERE account = ? AND target = ? AND kind = 'note' AND state = 'done' ORDER BY id",
            account, folder,
        )  # fmt: skip
        return [op_of(row) for row in rows]

    def is_arrival(self, account: str, place: Place) -> bool:
        """Whether we ourselves put a message or note into this place."""
        rows = self.rows(
            "SELECT 1 FROM op WHERE account = ? AND state IN ('done', 'copied', 'marked', 'failed') AND target = ? "
            "AND dst_uidvalidity = ? AND dst_uid = ?",
            account, place.folder, place.uidvalidity, place.uid,
        )  # fmt: skip
        return bool(rows)

    def mark_undone(self, account: str, key: str, *, but: str) -> None:
        """What was done to this message was put back, by the run `but`."""
        self.write(
            "UPDATE op SET state = 'undone' WHERE account = ? AND key = ? AND state IN ('done', 'held') AND run != ?",
            account, key, but,
        )  # fmt: skip

    def accounts_of(self, run: str) -> list[str]:
        """The accounts on which a run did something."""
        return [
            row["account"] for row in self.rows("SELECT DISTINCT account FROM op WHERE run = ? ORDER BY account", run)
        ]

    def done_of(self, run: str, account: str) -> list[Done]:
        """What a run changed, as `plan_undo` needs it; also tags that an earlier run, cut short, had set before it."""
        rows = self.rows(
            "SELECT * FROM op WHERE account = ? AND state = 'done' AND (run = ? OR (kind IN ('tag', 'label') "
            "AND key IN (SELECT key FROM op WHERE run = ? AND account = ? AND state = 'done'))) ORDER BY id",
            account, run, run, account,
        )  # fmt: skip
        return [Done(op.action, op.arrival) for op in map(op_of, rows)]

    # --- Corrections and senders ---

    def add_correction(self, account: str, correction: Correction, text: str, at: datetime, *, applied: bool) -> None:
        """Remember what the parent said of a message; `text` is its own words, for training."""
        labels = json.dumps(correction.labels) if correction.labels is not None else None
        self.write(
            "INSERT INTO correction (account, key, labels, how, at, text, applied) VALUES (?, ?, ?, ?, ?, ?, ?)",
            account, correction.key, labels, correction.how, utc_text(at), text, int(applied),
        )  # fmt: skip

    def pending_corrections(self, account: str) -> list[tuple[int, str]]:
        """(id, key) of corrections given by command whose mail was not yet read for them."""
        rows = self.rows("SELECT id, key FROM correction WHERE account = ? AND applied = 0 ORDER BY id", account)
        return [(row["id"], row["key"]) for row in rows]

    def complete_correction(self, correction: int, text: str, at: datetime) -> None:
        """The mail's own words, read after the fact; only from then on can anything be learned from it."""
        self.write("UPDATE correction SET text = ?, at = ?, applied = 1 WHERE id = ?", text, utc_text(at), correction)

    def corrections(self) -> list[tuple[str, tuple[str, ...]]]:
        """(text, labels) of each corrected message that teaches something, the last word on each."""
        rows = self.rows(
            "SELECT text, labels FROM correction WHERE labels IS NOT NULL AND text != '' "
            "AND id IN (SELECT max(id) FROM correction GROUP BY account, key) ORDER BY id"
        )
        return [(row["text"], tuple(json.loads(row["labels"]))) for row in rows]

    def last_correction(self) -> datetime | None:
        """When the parent last said something that teaches a label."""
        rows = self.rows("SELECT max(at) AS at FROM correction WHERE labels IS NOT NULL AND text != ''")
        return time_of(rows[0]["at"]) if rows[0]["at"] else None

    def learn_sender(self, address: str, name: str, at: datetime) -> None:
        """The parent showed that this address writes for the school."""
        self.write("INSERT OR IGNORE INTO sender VALUES (?, ?, ?)", address, name, utc_text(at))

    def forget_sender(self, address: str) -> None:
        """The parent showed that this address does not write for the school."""
        self.write("DELETE FROM sender WHERE address = ?", address)

    def learned_senders(self) -> frozenset[str]:
        """Addresses made known by the parent."""
        return frozenset(row["address"] for row in self.rows("SELECT address FROM sender"))

    # --- Digests ---

    def delivery(self, day: date) -> Delivery | None:
        """The digest of a local date, if one was begun."""
        rows = self.rows("SELECT * FROM digest WHERE date = ?", day.isoformat())
        return delivery_of(rows[0]) if rows else None

    def last_delivery(self) -> Delivery | None:
        """The digest that covers the latest time."""
        rows = self.rows("SELECT * FROM digest WHERE state = 'done' ORDER BY covers_to DESC LIMIT 1")
        return delivery_of(rows[0]) if rows else None

    def mornings(self, start: datetime, end: datetime) -> list[datetime]:
        """The ends of the digests that were made, within (start, end], oldest first."""
        span = utc_text(start), utc_text(end)
        rows = self.rows("SELECT * FROM digest WHERE state = 'done' AND covers_to > ? AND covers_to <= ?", *span)
        return sorted(delivery_of(row).covers_to for row in rows)

    def save_delivery(self, delivery: Delivery) -> None:
        """Remember a digest before it is delivered, and again after."""
        self.write(
            "INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?, ?)",
            delivery.date.isoformat(), delivery.account, delivery.message_id, utc_text(delivery.covers_to),
            delivery.state, delivery.dst_uidvalidity, delivery.dst_uidnext,
        )  # fmt: skip


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """SQLite's errors as `StoreError`, with what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path}: the state cannot be written ({error}); check free space and permissions") from None
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: the state file is damaged ({error}); run `triage doctor --rebuild`") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})") from None
