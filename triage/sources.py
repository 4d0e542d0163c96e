"""Mail from files: .eml files, mbox files, folders of them, or one message on standard input."""

import mailbox
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from triage.errors import UsageError

_MBOX_ENDINGS = (".mbox", ".mbx", ".mbs")


@dataclass(frozen=True, slots=True)
class Source:
    """One message and where it came from; `error` where the file cannot be read."""

    path: str
    raw: bytes = b""
    error: str = ""


def find_mails(paths: Sequence[str]) -> Iterator[Source]:
    """Every message of the named files and folders, in order.

    Raises `UsageError` at once, before anything is read, if one of the paths does not exist.
    """
    for name in paths:
        if name != "-" and not Path(name).exists():
            raise UsageError(f"{name}: no such file or folder")
    return _mails(paths)


def _mails(paths: Sequence[str]) -> Iterator[Source]:
    for name in paths:
        if name == "-":
            yield Source("-", sys.stdin.buffer.read())
        elif Path(name).is_dir():
            for path in sorted(Path(name).rglob("*")):
                if path.is_file() and _is_mail(path):
                    yield from _file(path)
        else:
            yield from _file(Path(name))


def _is_mail(path: Path) -> bool:
    """In a folder: .eml and mbox files, and the messages of a Maildir."""
    return path.suffix.lower() in (".eml", *_MBOX_ENDINGS) or path.parent.name in ("cur", "new")


def _file(path: Path) -> Iterator[Source]:
    try:
        with path.open("rb") as opened:
            start = opened.read(5)
            if path.suffix.lower() not in _MBOX_ENDINGS and (start != b"From " or path.suffix.lower() == ".eml"):
                raw = start + opened.read()
                # A single message saved from an mbox keeps its envelope line.
                yield Source(str(path), raw.partition(b"\n")[2] if start == b"From " else raw)
                return
    except OSError as error:
        yield Source(str(path), error=f"cannot be read ({error.strerror})")
        return
    box = mailbox.mbox(str(path), create=False)
    try:
        for number, key in enumerate(box.iterkeys(), start=1):
            yield Source(f"{path}:{number}", box.get_bytes(key))
    finally:
        box.close()
