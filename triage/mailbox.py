"""IMAP in typed verbs; with `connection`, the only importer of imapclient.

Every message is read with BODY.PEEK. A command has a deadline of its own; a connection that timed out, was cut
or answered nonsense is never used again. Arguments with control characters are refused, and no text from a
mail ever becomes part of a command.
"""

import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

import imapclient  # noqa: TID251 - the one place
from imapclient import exceptions as imap_errors  # noqa: TID251 - the one place
from imapclient import imap_utf7  # noqa: TID251 - the one place

from triage.config import Account
from triage.connection import connect, deadline, introduce, shut, sign_in, translated
from triage.errors import MailboxError, RefusedError
from triage.idling import Idling
from triage.partial import ANSWER_FIELDS, Answer, answer_of
from triage.plan import Selected
from triage.reading import (
    BATCH_MESSAGES,
    HEADER_ITEM,
    HEADER_LIMIT,
    SUMMARY_ITEMS,
    Fetched,
    Reader,
    Summary,
    content_key,
    header_of,
    summary_of,
    text_of,
)

COMMAND_SECONDS = 80
FETCH_SECONDS = 300
SETTLE_SECONDS, SETTLE_NOOPS = 2.0, 4

# What clients call the folder of sent mail where the server does not mark it.
SENT_NAMES = frozenset({"sent", "sent items", "sent messages", "sent mail", "enviados", "elementos enviados"})
# A flag as RFC 9051 has it: an atom, with a backslash before it where the standard names it.
_FLAG = re.compile(r"\\?[^\x00-\x20\x7f-\uffff(){%*\"\\\]]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of ours to append, with the flags that it gets."""

    raw: bytes
    flags: tuple[str, ...]
    at: datetime


class Mailbox:
    """One signed-in connection. Not to be shared between threads, but for `interrupt`."""

    def __init__(self, account: str, open_client: Callable[[], imapclient.IMAPClient]) -> None:
        self._account = account
        self._open_client = open_client
        self._client = open_client()
        self._dead = self._interrupted = False
        self.selected: Selected | None = None
        self._exists = 0
        try:
            with deadline(lambda: shut(self._client)), translated(account):
                self.capabilities = frozenset(str(name, "ascii", "replace") for name in self._client.capabilities())
                self._prefix, self._separator = self._namespace()
        except BaseException:
            shut(self._client)
            raise

    @classmethod
    def connect(cls, account: Account, secret: str) -> Self:
        """Sign in to an account.

        Raises `MailboxError` where the server cannot be reached or trusted, `SignInRefusedError` where it refuses
        the secret.
        """
        return cls(account.name, lambda: _signed_in(account, secret))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out; never CLOSE, which would remove what the parent marked as deleted."""
        if not self._dead:
            with suppress(MailboxError, RefusedError), self._command(5):
                self._client.logout()
        self._dead = True
        shut(self._client)

    @property
    def dead(self) -> bool:
        """Whether the connection was closed or broke."""
        return self._dead

    @property
    def interrupted(self) -> bool:
        """Whether it was we who cut the connection, without any fault of the server's."""
        return self._interrupted

    def interrupt(self) -> None:
        """Cut the connection from another thread; whatever waits on it ends at once with `MailboxError`."""
        self._interrupted = True
        self._give_up()

    def _give_up(self) -> None:
        self._dead = True
        shut(self._client)

    def _renew(self) -> None:
        """A new connection in place of one whose answer made no sense, with the same folder open."""
        before = self.selected
        shut(self._client)
        if not self._interrupted:
            self._client = self._open_client()
            self._dead = False
        if self._interrupted:
            self.interrupt()
        if before is None:
            return
        if self.select(before.folder, readonly=before.read_only).uidvalidity != before.uidvalidity:
            raise MailboxError(f'account "{self._account}": folder "{before.folder}" was rebuilt meanwhile')

    @contextmanager
    def _command(self, seconds: float = COMMAND_SECONDS, *, changing: bool = False) -> Iterator[None]:
        # The socket's own timeout runs anew with each octet; this one bounds the whole command.
        if self._dead:
            raise MailboxError(f'account "{self._account}": the connection is closed')
        watchdog = threading.Timer(seconds, self._give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            with translated(self._account, changing=changing):
                yield
        except MailboxError:
            self._dead = True
            raise
        finally:
            watchdog.cancel()

    def has(self, capability: str) -> bool:
        """Whether the server offers a capability, by its name in CAPABILITY."""
        return capability in self.capabilities

    # --- Folders ---

    def _namespace(self) -> tuple[str, str]:
        """Prefix and hierarchy separator of the personal namespace (RFC 2342), as the server tells them."""
        if self.has("NAMESPACE"):
            with self._command():
                personal = self._client.namespace().personal
            if personal:
                prefix, separator = personal[0]
                return prefix, separator or "/"
        with self._command():
            listed = self._client.list_folders("", "")
        separators = [bytes(separator).decode() for _, separator, _ in listed if separator]
        return "", separators[0] if separators else "/"

    def folder_name(self, path: str) -> str:
        """The server's name of a folder that the configuration writes with slashes."""
        parts = [part.strip().replace(self._separator, "_") for part in path.split("/")]
        if parts[0].upper() == "INBOX":
            return self._separator.join(["INBOX", *parts[1:]])
        return self._prefix + self._separator.join(parts)

    def folders(self) -> dict[str, frozenset[str]]:
        """Every folder's name and LIST attributes."""
        # imapclient raises at the first name that is no modified UTF-7.
        self._client.folder_encode = False
        try:
            with self._command():
                listed = self._client.list_folders()
        finally:
            self._client.folder_encode = True
        return {_name(name): frozenset(map(text_of, attributes)) for attributes, _, name in listed}

    def special_folder(self, attribute: str) -> str:
        r"""Name of the folder with a special use such as \Drafts (RFC 6154), empty where none has it."""
        return next((name for name, attributes in self.folders().items() if attribute in attributes), "")

    def sent_folder(self) -> str:
        """Name of the folder of sent mail, by its special use or else by a usual name; empty where there is none."""
        listed = self.folders()
        by_use = [name for name, attributes in listed.items() if "\\Sent" in attributes]
        return next(iter(by_use or [name for name in listed if self._last(name) in SENT_NAMES]), "")

    def _last(self, folder: str) -> str:
        return folder.rpartition(self._separator)[2].lower()

    def create_folder(self, folder: str) -> None:
        """Create and subscribe a folder, its parents with it where the server wants that."""
        self._check(folder)
        with self._command(changing=True):
            self._client.create_folder(folder)
        with suppress(RefusedError), self._command(changing=True):
            self._client.subscribe_folder(folder)

    def status(self, folder: str) -> Selected | None:
        """UIDVALIDITY, UIDNEXT and number of messages of a folder that need not be selected; None if absent."""
        self._check(folder)
        items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
        if self.has("CONDSTORE"):
            items.append("HIGHESTMODSEQ")
        try:
            with self._command():
                found = self._client.folder_status(folder, items)
                return _selected(folder, {**found, b"EXISTS": found.get(b"MESSAGES", 0)}, read_only=False)
        except RefusedError as error:
            # A folder that is there and cannot be looked into is something else than none.
            if "NONEXISTENT" not in str(error) and "\\Noselect" not in self.folders().get(folder, {"\\Noselect"}):
                raise
            return None

    def select(self, folder: str, *, readonly: bool = False) -> Selected:
        """SELECT, or EXAMINE with `readonly` or where others may only look into the folder (`read_only` tells)."""
        self._check(folder)
        # A SELECT that fails leaves no folder selected (RFC 9051, 6.3.2).
        self.selected = None
        try:
            with self._command():
                try:
                    found = self._client.select_folder(folder, readonly=readonly)
                except imap_errors.IMAPClientReadOnlyError:
                    readonly = True
                    found = self._client.select_folder(folder, readonly=True)
                self.selected = _selected(folder, found, read_only=readonly or b"READ-WRITE" not in found)
                self._exists = self.selected.exists
        except RefusedError:
            raise RefusedError(f'account "{self._account}": folder "{folder}" cannot be opened; is it there?') from None
        return self.selected

    # --- Reading ---

    def since(self, day: date) -> list[int]:
        """UIDs of messages that arrived on or after `day`."""
        return self._search(["SINCE", day])

    def starting_at(self, uid: int) -> list[int]:
        """UIDs from `uid` on, in order. `n:*` always names the last message (RFC 9051, 6.4.4); it is dropped."""
        return [found for found in self._search(["UID", f"{uid}:*"]) if found >= uid]

    def changed_since(self, modseq: int) -> list[int]:
        """UIDs of messages whose flags changed after `modseq` (CONDSTORE, RFC 7162)."""
        return self._search(["MODSEQ", str(modseq + 1)])

    def _search(self, criteria: list[Any]) -> list[int]:
        with self._command():
            return sorted(self._client.search(criteria))

    def summaries(self, uids: Sequence[int]) -> dict[int, Summary]:
        """Size, arrival and flags; a UID that is gone, or that alone cannot be read, is not in the result."""
        told = self._asked(uids, SUMMARY_ITEMS, readable=True)
        return {uid: summary for uid, data in told if (summary := summary_of(uid, data)) is not None}

    def flags(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, frozenset[str]]:
        """Flags and keywords; a UID that is gone is not in the result, nor with `readable` one as for `keys`."""
        told = self._asked(uids, ["FLAGS"], readable=readable)
        return {uid: _flags(data) for uid, data in told if b"FLAGS" in data}

    def labels(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, frozenset[str]]:
        """Gmail's labels (X-GM-EXT-1); what is not in the result as for `flags`."""
        told = self._asked(uids, ["X-GM-LABELS"], readable=readable)
        return {uid: frozenset(map(_name, data[b"X-GM-LABELS"])) for uid, data in told if b"X-GM-LABELS" in data}

    def keys(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, str]:
        """Each message's content key; a UID that is gone is not in the result.

        With `readable`, one that alone cannot be read is not in it either: for what proves nothing by its absence.
        """
        return {
            uid: content_key(header, data[b"RFC822.SIZE"])
            for uid, data in self._asked(uids, ["RFC822.SIZE", HEADER_ITEM], readable=readable)
            if (header := header_of(data)) is not None and isinstance(data.get(b"RFC822.SIZE"), int)
        }

    def _asked(
        self, uids: Sequence[int], items: Sequence[str], *, readable: bool
    ) -> Iterable[tuple[int, Mapping[bytes, Any]]]:
        return self._reader().each(uids, items)[0].items() if readable else self._fetch(uids, items)

    def message_ids(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, str]:
        """Each message's Message-ID field, empty where it has none; what is not in the result as for `keys`."""
        found: dict[int, str] = {}
        for uid, field in self._fields(uids, "MESSAGE-ID", readable=readable):
            match = re.search(rb"<[^<>\s]+>", field)
            found[uid] = match.group().decode("ascii", "replace") if match else ""
        return found

    def answers(self, uids: Sequence[int]) -> dict[int, Answer]:
        """What header fields of messages say: to whom, when, what they answer, whether ours; of what can be read."""
        return {uid: answer_of(value) for uid, value in self._fields(uids, ANSWER_FIELDS, readable=True)}

    def _fields(self, uids: Sequence[int], names: str, *, readable: bool) -> Iterator[tuple[int, bytes]]:
        items = [f"BODY.PEEK[HEADER.FIELDS ({names})]<0.{HEADER_LIMIT}>"]
        for uid, data in self._asked(uids, items, readable=readable):
            for item, value in data.items():
                if item.startswith(b"BODY[HEADER.FIELDS") and value is not None:
                    yield uid, value

    def read(self, uids: Sequence[int], *, proof: Sequence[int] = ()) -> Iterator[Fetched]:
        """Read messages in batches; nothing is marked as read. A UID that is gone yields nothing.

        One that alone cannot be read is told by its `error`; `proof` are messages of the folder that could be read.
        """
        return self._reader(proof).read(uids)

    def _reader(self, proof: Sequence[int] = ()) -> Reader:
        where = f"{self.selected.folder} {self.selected.uidvalidity}" if self.selected is not None else ""
        return Reader(lambda uids, items: dict(self._fetch(uids, items)), self._renew, where, proof)

    def _fetch(self, uids: Sequence[int], items: Sequence[str]) -> Iterator[tuple[int, Mapping[bytes, Any]]]:
        # Of a message that another client removes just then, servers send nothing, or NIL for its parts.
        for start in range(0, len(uids), BATCH_MESSAGES):
            with self._command(FETCH_SECONDS):
                found = self._client.fetch(list(uids[start : start + BATCH_MESSAGES]), list(items))
            yield from found.items()

    def settle(self) -> None:
        """Give the server time to end what a connection that was cut had still under way.

        A killed client's last command may be carried out after the next client has signed in.
        """
        for _ in range(SETTLE_NOOPS):
            time.sleep(SETTLE_SECONDS / SETTLE_NOOPS)
            with self._command():
                self._client.noop()

    # --- Changing ---

    def add_keywords(self, uids: Sequence[int], keywords: Collection[str]) -> None:
        """STORE +FLAGS.SILENT of our own keywords; the caller proves by `flags` that they were kept."""
        self._store(uids, [self._keyword(word) for word in keywords], self._client.add_flags)

    def remove_keywords(self, uids: Sequence[int], keywords: Collection[str]) -> None:
        """STORE -FLAGS.SILENT of our own keywords."""
        self._store(uids, [self._keyword(word) for word in keywords], self._client.remove_flags)

    def add_labels(self, uids: Sequence[int], labels: Collection[str]) -> None:
        """Add Gmail labels (X-GM-EXT-1)."""
        self._store(uids, [self._check(label) for label in labels], self._client.add_gmail_labels)

    def remove_labels(self, uids: Sequence[int], labels: Collection[str]) -> None:
        """Remove Gmail labels."""
        self._store(uids, [self._check(label) for label in labels], self._client.remove_gmail_labels)

    def _store(self, uids: Sequence[int], names: list[str], verb: Callable[..., object]) -> None:
        with self._command(changing=True):
            verb(list(uids), names, silent=True)

    def copy(self, uids: Sequence[int], folder: str) -> None:
        """UID COPY into an existing folder."""
        self._check(folder)
        with self._command(FETCH_SECONDS, changing=True):
            self._client.copy(list(uids), folder)

    def move(self, uids: Sequence[int], folder: str) -> None:
        """UID MOVE into an existing folder (RFC 6851); the server must offer MOVE."""
        self._check(folder)
        with self._command(FETCH_SECONDS, changing=True):
            self._client.move(list(uids), folder)

    def add_flags(self, uid: int, flags: Collection[str]) -> None:
        """STORE +FLAGS.SILENT: give a copy the flags that its original had; never the mark of deletion."""
        self._store([uid], _theirs(flags), self._client.add_flags)

    def remove_flags(self, uid: int, flags: Collection[str]) -> None:
        """STORE -FLAGS.SILENT: take off a copy what was taken off its original."""
        self._store([uid], _theirs(flags), self._client.remove_flags)

    def remove(self, uids: Sequence[int]) -> dict[int, frozenset[str]]:
        """Mark as deleted and UID EXPUNGE just these (UIDPLUS, RFC 4315).

        Only for messages whose copy was verified, or that are our own notes. Where the server refuses, the mark is
        taken back and `RefusedError` raised. Returns the flags of each at the last; a UID that was gone before is not
        in the result.
        """
        if not self.has("UIDPLUS"):
            raise RefusedError("the server cannot remove single messages (no UIDPLUS)")
        try:
            with self._command(changing=True):
                self._client.add_flags(list(uids), [imapclient.DELETED], silent=True)
            last = self.flags(uids)
            with self._command(changing=True):
                self._client.uid_expunge(list(uids))
        except RefusedError:
            self.unmark(uids)
            raise
        return last

    def unmark(self, uids: Sequence[int]) -> None:
        """STORE -FLAGS.SILENT of the mark of deletion, where it is ours."""
        with self._command(changing=True):
            self._client.remove_flags(list(uids), [imapclient.DELETED], silent=True)

    def append(self, folder: str, mails: Sequence[Mail]) -> None:
        """APPEND our own mails, in one command where the server offers MULTIAPPEND (RFC 3502)."""
        self._check(folder)
        # Without LITERAL+ (RFC 7888) imapclient takes a server that says no to one of several for one that broke.
        if len(mails) > 1 and self.has("MULTIAPPEND") and self.has("LITERAL+"):
            with self._command(FETCH_SECONDS, changing=True):
                sent = [{"msg": mail.raw, "flags": mail.flags, "date": mail.at} for mail in mails]
                typ, data = self._client.multiappend(folder, sent)
                if typ != "OK":
                    raise imap_errors.IMAPClientError(f"append failed: {data!r}")
            return
        for mail in mails:
            with self._command(changing=True):
                self._client.append(folder, mail.raw, mail.flags, mail.at)

    # --- Waiting ---

    def wait(self, seconds: float) -> bool:
        """IDLE (RFC 2177) on the selected folder for at most `seconds`; True when it has grown.

        Raises `MailboxError` when the connection is found dead.
        """
        with self._command():
            self._client.idle()
        idling = Idling(self._account, self._exists, lambda left: self._client.idle_check(timeout=left))
        try:
            # The watchdog of a command does not fit a wait; its polls have a timeout of their own.
            with translated(self._account):
                grown = idling.grows(seconds)
        except MailboxError:
            self._give_up()
            raise
        with self._command(30):
            _, late = self._client.idle_done()
        grown |= idling.told(late)
        self._exists = idling.exists
        return grown

    def _check(self, argument: str) -> str:
        if re.search(r"[\x00-\x1f\x7f]", argument):
            raise RefusedError("a folder or label name holds control characters")
        return argument

    def _keyword(self, word: str) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,60}", word):
            raise RefusedError("a keyword must be a plain word")
        return word


def _signed_in(account: Account, secret: str) -> imapclient.IMAPClient:
    client = connect(account)
    try:
        with deadline(lambda: shut(client)):
            sign_in(client, account, secret)
            introduce(client, account)
    except BaseException:
        shut(client)
        raise
    return client


def _name(value: bytes | str | int | None) -> str:
    """A folder's or label's name: in modified UTF-7 (RFC 3501, 5.1.3), or, where that cannot be, as it stands."""
    try:
        return text_of(imap_utf7.decode(value))
    except UnicodeError:
        return text_of(value)


def _theirs(flags: Collection[str]) -> list[str]:
    return [flag for flag in flags if flag not in ("\\Deleted", "\\Recent") and _FLAG.fullmatch(flag)]


def _flags(data: Mapping[bytes, Any]) -> frozenset[str]:
    return frozenset(map(text_of, data.get(b"FLAGS") or ()))


# RFC 7162, 3.1: a mod-sequence is a number of 63 bits.
_LARGEST_MODSEQ = 2**63 - 2


def _selected(folder: str, found: Mapping[bytes, Any], *, read_only: bool) -> Selected:
    return Selected(
        folder,
        int(found.get(b"UIDVALIDITY", 0)),
        int(found.get(b"UIDNEXT", 0)),
        int(found.get(b"EXISTS", 0)),
        min(int(found.get(b"HIGHESTMODSEQ", 0)), _LARGEST_MODSEQ),
        keywords=b"\\*" in found.get(b"PERMANENTFLAGS", ()),
        read_only=read_only,
    )
