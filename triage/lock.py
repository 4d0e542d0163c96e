"""The state folder: made for its owner alone, and held by one process at a time."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import filelock

from triage.errors import BusyError, StoreError


class StateLock:
    """Held by the one process that may act on a state folder; released by its death, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._holder = folder / "holder"
        self._lock = filelock.FileLock(folder / "lock", timeout=0)

    def acquire(self, command: str) -> Self:
        """Raises `BusyError` naming the holder."""
        try:
            self._lock.acquire()
        except filelock.Timeout:
            holder = ""
            with suppress(OSError):
                holder = self._holder.read_text(encoding="utf-8").strip()
            # Who has just begun has the lock, and its name is not written yet.
            raise BusyError(
                f"{self._holder.parent}: {holder or 'another triage'} is at work on this state folder; try again later"
            ) from None
        # On a full disk there is no name; the lock holds all the same.
        with suppress(OSError):
            self._holder.write_text(f"`triage {command}` (process {os.getpid()})\n", encoding="utf-8")
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._holder.unlink(missing_ok=True)
        self._lock.release()


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """One process at a time writes in this folder; others wait up to a minute. Raises `OSError`."""
    try:
        with filelock.FileLock(folder / "lock", timeout=60):
            yield
    except filelock.Timeout as error:
        raise OSError(errno.EBUSY, "another triage is writing there") from error


def prepare_folder(folder: Path) -> None:
    """Make the state folder, for its owner alone. Raises `StoreError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":
            folder.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"{folder}: the state folder cannot be made ({error.strerror}); name another with --state"
        ) from None
