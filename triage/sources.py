"""Mail from files: .eml files, mbox files, folders of them, or one message on standard input."""

import mailbox
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from triage.errors import UsageError

_MBOX_ENDINGS = (".mbox", ".mbx", ".mbs")
# What a mail program keeps without an ending is an mbox where a header field follows the line between two mails.
_MBOX_START = re.compile(rb"From [^\r\n]*\r?\n[!-9;-~]+[ \t]*:")
# Reading a mail takes up to forty times its size; the process that does it may take no more than 2 GB.
LARGEST_MB = 50
_LARGEST = LARGEST_MB * 2**20
_TOO_LARGE = f"is larger than the {LARGEST_MB} MB of a mail that are read; without its attachments it may be read"
NO_MAIL = "holds no mail"


@dataclass(frozen=True, slots=True)
class Source:
    """One message and where it came from; `error` where the file cannot be read."""

    path: str
    raw: bytes = b""
    error: str = ""


def find_mails(paths: Sequence[str]) -> Iterator[Source]:
    """Every message of the named files and folders, in order; what is not there or holds none is told by an error.

    Raises `UsageError` at once, before anything is read, if none of the paths exists.
    """
    missing = [name for name in paths if name != "-" and not _may_exist(Path(name))]
    if missing and len(missing) == len(paths):
        raise UsageError("\n".join(f"{name}: no such file or folder" for name in missing))
    return _mails(paths, frozenset(missing))


def _may_exist(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # In a folder that may not be looked into: reading it tells why.
        return True


def _mails(paths: Sequence[str], missing: frozenset[str]) -> Iterator[Source]:
    for name in paths:
        if name in missing:
            yield Source(name, error="no such file or folder")
            continue
        number = 0
        for source in _of(name):
            number += 1
            yield source
        if not number:
            yield Source(name, error=NO_MAIL)


def _of(name: str) -> Iterator[Source]:
    if name == "-":
        raw = sys.stdin.buffer.read(_LARGEST + 1)
        yield Source("-", error=_TOO_LARGE) if len(raw) > _LARGEST else Source("-", raw)
    elif os.path.isdir(name):  # noqa: PTH112 - unlike Path's, never raises
        yield from _folder(name)
    else:
        yield from _file(Path(name))


def _folder(name: str) -> Iterator[Source]:
    closed: list[Source] = []

    def note(error: OSError) -> None:
        closed.append(_unreadable(str(error.filename), error))

    files = [Path(folder) / file for folder, _, names in os.walk(name, onerror=note) for file in names]
    yield from closed
    for path in sorted(files):
        try:
            wanted = path.is_file() and _is_mail(path)
        except OSError as error:
            yield _unreadable(str(path), error)
            continue
        if wanted:
            yield from _file(path)


def _unreadable(path: str, error: OSError) -> Source:
    return Source(path, error=f"cannot be read ({error.strerror})")


def _is_mail(path: Path) -> bool:
    """In a folder: .eml and mbox files, and the messages of a Maildir."""
    if path.suffix.lower() in (".eml", *_MBOX_ENDINGS) or path.parent.name in ("cur", "new"):
        return True
    try:
        with path.open("rb") as opened:
            return bool(_MBOX_START.match(opened.read(1000)))
    except OSError:
        # It may be one: so it is named.
        return not path.suffix


def _file(path: Path) -> Iterator[Source]:
    try:
        with path.open("rb") as opened:
            start = opened.read(5)
            if path.suffix.lower() not in _MBOX_ENDINGS and (start != b"From " or path.suffix.lower() == ".eml"):
                raw = start + opened.read(_LARGEST)
                if len(raw) > _LARGEST:
                    yield Source(str(path), error=_TOO_LARGE)
                    return
                # A single message saved from an mbox keeps its envelope line.
                yield Source(str(path), raw.partition(b"\n")[2] if start == b"From " else raw)
                return
    except OSError as error:
        yield _unreadable(str(path), error)
        return
    yield from _mbox(path)


def _mbox(path: Path) -> Iterator[Source]:
    box = mailbox.mbox(str(path), create=False)
    try:
        for number, key in enumerate(box.iterkeys(), start=1):
            with box.get_file(key) as opened:
                raw = opened.read(_LARGEST + 1)
            named = f"{path}:{number}"
            yield Source(named, error=_TOO_LARGE) if len(raw) > _LARGEST else Source(named, raw)
    finally:
        box.close()
