"""A state that is damaged: set aside, and a new one begun with what can still be read of it."""

import sqlite3  # noqa: TID251 - to read what the store cannot open
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from triage.store import Store, reported

_NAME = "state.db"


def rebuild(folder: Path, moment: datetime) -> tuple[Path, int]:
    """Set a state aside and begin a new one with every row of the old that can still be read: (the old, rows).

    How far the folders were looked at is not carried over, so that the next pass looks at everything anew; a message
    whose row was saved is known and not handled twice. Raises `StoreError`.
    """
    aside = folder / f"{_NAME}.{moment:%Y%m%dT%H%M%S}"
    with reported(aside):
        for end in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                (folder / f"{_NAME}{end}").rename(f"{aside}{end}")
        with Store(folder) as new, closing(sqlite3.connect(aside)) as old:
            return aside, _take_over(old, new)


def _take_over(old: sqlite3.Connection, new: Store) -> int:
    tables = [row["name"] for row in new.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    taken = 0
    with new.transaction():
        for table in tables:
            if table == "folder":
                continue
            # Names are this version's own: what a damaged file calls its columns is no statement to run.
            columns = [str(row["name"]) for row in new.rows(f"PRAGMA table_info({table})")]
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            add = f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # nosec B608
            for values in _readable(old, table, names):
                # A row of the wrong types was hit by the damage.
                with suppress(sqlite3.IntegrityError):
                    new.write(add, *values)
                    taken += 1
        # What is missing is to be found in the mailbox.
        new.write("DELETE FROM meta WHERE name LIKE 'taken up %'")
    return taken


def _readable(old: sqlite3.Connection, table: str, names: str) -> Iterator[list[object]]:
    """Rows from both ends of a table: a damaged page stops what lies behind it."""
    seen: set[int] = set()
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            for number, *values in old.execute(f"SELECT rowid, {names} FROM {table} ORDER BY rowid {order}"):  # noqa: S608  # nosec B608
                if order == "DESC" and number in seen:
                    break
                seen.add(number)
                yield values


def drop_set_aside(folder: Path) -> None:
    """Delete every state that was set aside. Raises `StoreError`."""
    with reported(folder):
        for path in folder.glob(f"{_NAME}.*"):
            path.unlink()
