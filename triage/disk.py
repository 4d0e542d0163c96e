"""Files that are there whole or not at all, whatever happens while they are written."""

import os
import time
from contextlib import suppress
from pathlib import Path

# What a killed process left beside a file is in nobody's way for so many seconds.
_LEFT_BEHIND = 3600


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file beside its place, then put it there; when this returns its name is on disk, too. Raises `OSError`.

    `mode` holds from the first octet on. Two that write the same file do not meet: each writes one of its own.
    """
    _sweep(path)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    sync_name(path)


def sync_whole(path: Path) -> None:
    """When this returns, what a file holds is on disk. Raises `OSError`."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_name(path: Path) -> None:
    """When this returns, the name of a file is on disk. Raises `OSError`."""
    if os.name == "posix":
        # Else a machine that loses its power may still know the old file by that name.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _sweep(path: Path) -> None:
    for left in path.parent.glob(f"{path.name}.*.new"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND or left.name == f"{path.name}.{os.getpid()}.new":
                left.unlink()
