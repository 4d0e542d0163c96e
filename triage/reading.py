"""Reading mail in batches that no single message can spoil, with no more octets of one than it is worth.

Knows nothing of a connection but how to ask it. Where the answer about a batch fails, its messages are asked for one
by one: what fails alone is handed on as unread, with the reason, and the others are read.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any

from triage.errors import AnswerError, RefusedError
from triage.partial import assembled, text_parts

# A mail up to this size is fetched whole; of a larger one only the header fields and the text parts.
WHOLE_LIMIT = 256 * 1024
# Of a larger one: its header block, its text parts together, the fields of each part, and all of it.
HEADER_LIMIT = 256 * 1024
TEXT_LIMIT = 256 * 1024
FIELDS_LIMIT = 4 * 1024
MAIL_LIMIT = 320 * 1024
MOST_PARTS = 8
# One FETCH asks for no more than so many messages and bytes.
BATCH_MESSAGES = 400
BATCH_BYTES = 8 * 1024 * 1024
# After so many failures and nothing read, it is asked whether anything can be.
SUSPICIOUS = 20

SUMMARY_ITEMS = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
HEADER_ITEM = f"BODY.PEEK[HEADER]<0.{HEADER_LIMIT}>"

Data = Mapping[bytes, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be told of a message without reading it."""

    uid: int
    size: int
    received: datetime | None
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message as it was read: `raw` holds all of it, or header fields and text parts of a very large one.

    `error` says why it could not be read; then `raw` is empty, and where not even its header was to be had the key
    is made of its place.
    """

    summary: Summary
    key: str
    raw: bytes
    error: str = ""


def content_key(header: bytes, size: int) -> str:
    """A message's identity wherever it stands: SHA-256 over its raw header block and size in octets."""
    return hashlib.sha256(header + b"\0%d" % size).hexdigest()


def header_of(data: Data) -> bytes | None:
    """The header block in an answer to FETCH, whole or its beginning; None where it holds none."""
    found = data.get(b"BODY[HEADER]<0>", data.get(b"BODY[HEADER]"))
    return found if isinstance(found, bytes) else None


def summary_of(uid: int, data: Data) -> Summary | None:
    """A message's summary, None where the answer is about something else."""
    size, flags = data.get(b"RFC822.SIZE"), data.get(b"FLAGS") or ()
    if not isinstance(size, int):
        return None
    return Summary(uid, size, _moment(data.get(b"INTERNALDATE")), frozenset(map(text_of, flags)))


def _moment(at: object) -> datetime | None:
    """A date that can be told in any zone, None where there is none: some say that it is the end of the year 9999."""
    return at if isinstance(at, datetime) and MINYEAR < at.year < MAXYEAR else None


def text_of(value: bytes | str | int | None) -> str:
    """A name as the server gave it."""
    # Where a name consists of digits, or is NIL, imapclient gives what would stand for it elsewhere.
    if value is None:
        return "NIL"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the selected folder, named by `where` with its UIDVALIDITY.

    `fetch` asks for items of messages; `renew` puts a new connection in place of one whose answer made no sense.
    `proof` are messages that were read before: where not even they can be, it is the server that fails.
    """

    fetch: Callable[[Sequence[int], Sequence[str]], Mapping[int, Data]]
    renew: Callable[[], None]
    where: str
    proof: Sequence[int] = ()

    def read(self, uids: Sequence[int]) -> Iterator[Fetched]:
        """Each message, or why it cannot be read; one that is gone yields nothing.

        Raises `RefusedError` or `AnswerError` where it is the server that fails, `MailboxError` where the line breaks.
        """
        for start in range(0, len(uids), BATCH_MESSAGES):
            told, unread = self.each(uids[start : start + BATCH_MESSAGES], SUMMARY_ITEMS)
            for uid, reason in unread.items():
                yield self._unread(Summary(uid, 0, None, frozenset()), reason)
            summaries = [summary for uid, data in told.items() if (summary := summary_of(uid, data)) is not None]
            for batch in _by_bytes(summary for summary in summaries if summary.size <= WHOLE_LIMIT):
                yield from self._whole(batch)
            for summary in summaries:
                if summary.size > WHOLE_LIMIT:
                    yield from self._in_parts(summary)

    def _whole(self, summaries: Mapping[int, Summary]) -> Iterator[Fetched]:
        # Header and text are asked for apart, since their sum is the mail and the header alone its identity.
        found, unread = self.each(list(summaries), ("BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]"))
        for uid, data in found.items():
            header = header_of(data)
            if header is not None:
                raw = header + (data.get(b"BODY[TEXT]") or b"")
                yield Fetched(summaries[uid], content_key(header, summaries[uid].size), raw)
        for uid, reason in unread.items():
            yield self._unread(summaries[uid], reason)

    def _in_parts(self, summary: Summary) -> Iterator[Fetched]:
        uid = summary.uid
        found, unread = self.each([uid], (HEADER_ITEM, "BODYSTRUCTURE"))
        data = found.get(uid, {})
        header = header_of(data)
        if header is not None:
            shares = _shares(text_parts(data.get(b"BODYSTRUCTURE")), MAIL_LIMIT - len(header))
            wanted = [
                f"BODY.PEEK[{number}{item}"
                for number, octets in shares.items()
                for item in (f".MIME]<0.{FIELDS_LIMIT}>", f"]<0.{octets}>")
            ]
            parts, unread = self.each([uid], wanted) if wanted else ({}, {})
            if not unread:
                raw = assembled(header, list(shares), parts.get(uid, {}))
                yield Fetched(summary, content_key(header, summary.size), raw)
        if unread:
            yield self._unread(summary, unread[uid])

    def _unread(self, summary: Summary, reason: str) -> Fetched:
        found, _ = self.each([summary.uid], (HEADER_ITEM, "RFC822.SIZE"))
        data = found.get(summary.uid, {})
        header, size = header_of(data), data.get(b"RFC822.SIZE")
        if header is None or not isinstance(size, int):
            header, size = f"{self.where} {summary.uid}".encode(), summary.size
        return Fetched(summary, content_key(header, size), b"", reason)

    # --- Asking ---

    def each(self, uids: Sequence[int], items: Sequence[str]) -> tuple[dict[int, Data], dict[int, str]]:
        """The answer about each message, and the reason for each about which there is none even when asked alone."""
        found, unread = dict[int, Data](), dict[int, str]()
        for asked in (uids, *([uid] for uid in uids if len(uids) > 1)):
            try:
                found.update(self.fetch(asked, items))
                if asked is uids:
                    break
            except (RefusedError, AnswerError) as error:
                self._renew_after(error)
                if asked is uids and len(uids) > 1:
                    continue
                unread[asked[0]] = _reason(error)
                if not found and len(unread) in (SUSPICIOUS, len(uids)):
                    self._raise_if_nothing_can_be_read(uids, error)
        return found, unread

    def _renew_after(self, error: RefusedError | AnswerError) -> None:
        if isinstance(error, AnswerError):
            self.renew()

    def _raise_if_nothing_can_be_read(self, uids: Sequence[int], error: RefusedError | AnswerError) -> None:
        """A server that fails at every message is no fault of the messages: they are left for another time."""
        try:
            readable = any(header_of(data) for data in self.fetch(self.proof, (HEADER_ITEM,)).values())
        except (RefusedError, AnswerError) as another:
            self._renew_after(another)
            raise error from None
        if not readable and len(uids) > 1:
            raise error


def _reason(error: RefusedError | AnswerError) -> str:
    if isinstance(error, AnswerError):
        return "the mail server's answer about it makes no sense"
    return "the mail server does not hand it out"


def _shares(parts: Iterable[tuple[str, int]], octets: int) -> dict[str, int]:
    """How many octets of each text part are read, by its number: of the first ones as much as there is room for."""
    shares: dict[str, int] = {}
    for number, size in parts:
        left = min(octets - (len(shares) + 1) * FIELDS_LIMIT, TEXT_LIMIT) - sum(shares.values())
        if left <= 0 or len(shares) == MOST_PARTS:
            break
        # Some servers are not quite right about sizes.
        shares[number] = min(size + size // 8 + 1024, left)
    return shares


def _by_bytes(summaries: Iterable[Summary]) -> Iterator[dict[int, Summary]]:
    batch: dict[int, Summary] = {}
    total = 0
    for summary in summaries:
        if batch and total + summary.size > BATCH_BYTES:
            yield batch
            batch, total = {}, 0
        batch[summary.uid] = summary
        total += summary.size
    if batch:
        yield batch
