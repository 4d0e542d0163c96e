"""A state that is damaged: set aside, and a new one put in its place with what can still be read of it."""

import shutil
import sqlite3  # noqa: TID251 - to read what the store cannot open
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from triage.disk import sync_name, sync_whole
from triage.errors import StoreError
from triage.store import Store, reported

_NAME = "state.db"
# Where the new state is made; what a killed rebuilding left there is made anew by the next.
_BESIDE = "rebuilding"
# What the file itself is to blame for; any other trouble (no room, no permission) may be over the next time.
_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}


def rebuild(folder: Path, moment: datetime) -> tuple[Path, int]:
    """Make the state anew with every row of the old that can still be read, and set that aside: (the old, rows).

    How far the folders were looked at is not carried over, so that the next pass looks at everything anew; a message
    whose row was saved is known and not handled twice. Raises `StoreError`; the old state then stands untouched.
    """
    aside, beside = folder / f"{_NAME}.{moment:%Y%m%dT%H%M%S}", folder / _BESIDE
    try:
        with reported(beside):
            _discard(beside)
            rows = _make(folder / _NAME, beside)
            _exchange(folder / _NAME, beside / _NAME, aside)
    except StoreError as error:
        raise StoreError(f"{error}; the old state stands as it was") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return aside, rows


def _make(path: Path, beside: Path) -> int:
    with Store(beside) as new, closing(sqlite3.connect(path)) as old:
        rows = _take_over(old, new)
        # One file alone can take another's place in one step.
        new.scrub()
    if (beside / f"{_NAME}-wal").exists():
        raise StoreError(f"{beside}: the new state was not written to its end")
    sync_whole(beside / _NAME)
    return rows


def _exchange(path: Path, new: Path, aside: Path) -> None:
    """Keep the old state by another name, too, before the new one takes its own: there is one at any moment."""
    ends = [end for end in ("", "-wal") if Path(f"{path}{end}").exists()]
    kept = list[Path]()
    try:
        for end in ends:
            _keep(Path(f"{path}{end}"), Path(f"{aside}{end}"))
            kept.append(Path(f"{aside}{end}"))
        # The old log beside the new file would be taken for its own.
        for end in ("-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
        new.replace(path)
    except OSError:
        if "-wal" in ends and not Path(f"{path}-wal").exists():
            Path(f"{aside}-wal").rename(f"{path}-wal")
        for one in kept:
            one.unlink(missing_ok=True)
        raise
    # It has taken its place, whether or not the disk says so.
    with suppress(OSError):
        sync_name(path)


def _keep(path: Path, other: Path) -> None:
    """The same file by another name; where there are no such names, a copy."""
    try:
        other.hardlink_to(path)
    except FileExistsError:
        raise
    except OSError:
        try:
            shutil.copy2(path, other)
            sync_whole(other)
        except OSError:
            other.unlink(missing_ok=True)
            raise


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
        found = _rows(old, f"SELECT rowid, {names} FROM {table} ORDER BY rowid {order}")  # noqa: S608  # nosec B608
        for number, *values in found:
            if order == "DESC" and number in seen:
                break
            seen.add(number)
            yield values


def _rows(old: sqlite3.Connection, query: str) -> Iterator[Any]:
    """What a query finds, as far as the damage lets it; what is no damage is raised, and not taken for no rows."""
    try:
        yield from old.execute(query)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code not in _UNREADABLE and code & 0xFF not in _DAMAGE:
            raise


def drop_set_aside(folder: Path) -> None:
    """Delete every state that was set aside. Raises `StoreError`."""
    with reported(folder):
        _discard(folder / _BESIDE)
        for path in folder.glob(f"{_NAME}.*"):
            path.unlink()


def _discard(beside: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(beside)
