"""A state that is damaged: set aside, and a new one begun with what can still be read of it."""

import shutil
import sqlite3  # noqa: TID251 - to read what the store cannot open
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from triage.errors import StoreError
from triage.store import Store, reported

_NAME = "state.db"


def rebuild(folder: Path, moment: datetime) -> tuple[Path, int]:
    """Set a state aside and begin a new one with every row of the old that can still be read: (the old, rows).

    How far the folders were looked at is not carried over, so that the next pass looks at everything anew; a message
    whose row was saved is known and not handled twice. Raises `StoreError`; the old state then stands as it was.
    """
    damaged, aside, begun = folder / _NAME, folder / f"{_NAME}.{moment:%Y%m%dT%H%M%S}", folder / "rebuilding"
    try:
        shutil.rmtree(begun, ignore_errors=True)
        with reported(damaged):
            with Store(begun) as new, closing(sqlite3.connect(damaged)) as old:
                rows = _take_over(old, new)
            if (begun / f"{_NAME}-wal").exists():
                # What could not be brought from the log into the file would be lost with the log.
                raise sqlite3.OperationalError("disk full")
            _take_place(begun / _NAME, damaged, aside)
    except StoreError as error:
        raise StoreError(f"{error}; the old state stands as it was") from None
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    return aside, rows


def _take_place(new: Path, old: Path, aside: Path) -> None:
    """The new file in place of the old one, at one stroke: at no moment is there none."""
    for end in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{old}{end}").rename(f"{aside}{end}")
    try:
        aside.hardlink_to(old)
    except OSError:
        # A file system without links.
        old.rename(aside)
    new.replace(old)


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
