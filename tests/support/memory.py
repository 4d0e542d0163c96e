"""An IMAP server in memory, with faults on demand; it stands under the same contract tests as the real one.

`Server` lasts, `MemoryMailbox` is one connection to it. A fault plan makes the server die before or after any
numbered step, refuse commands, or lose a capability. A message that stands in several folders, as at Gmail one does
that has several labels, is one object with a UID in each.
"""

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal, Self, cast

from triage.errors import MailboxError, RefusedError
from triage.mailbox import Mail, Mailbox
from triage.partial import Answer, answer_of
from triage.plan import Selected
from triage.reading import Fetched, Summary, content_key


class Crash(BaseException):
    """The process died here; nothing after this line of the program ran."""


@dataclass
class Stored:
    raw: bytes
    flags: set[str]
    received: datetime

    @property
    def header(self) -> bytes:
        end = self.raw.find(b"\r\n\r\n")
        return self.raw[: end + 4] if end >= 0 else self.raw

    @property
    def key(self) -> str:
        return content_key(self.header, len(self.raw))

    @property
    def message_id(self) -> str:
        match = re.search(rb"(?im)^message-id:\s*(<[^>]+>)", self.header)
        return match.group(1).decode() if match else ""


@dataclass
class Folder:
    uidvalidity: int
    uidnext: int = 1
    messages: dict[int, Stored] = field(default_factory=dict)

    def add(self, message: Stored) -> int:
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.messages[uid] = message
        return uid

    def label(self, message: Stored) -> None:
        """Gmail: what carries the label stands in the folder of that name; a second time changes nothing."""
        if not self.holds(message):
            self.add(message)

    def unlabel(self, message: Stored) -> None:
        """Gmail: without the label it stands there no more."""
        self.messages = {uid: found for uid, found in self.messages.items() if found is not message}

    def holds(self, message: Stored) -> bool:
        """Whether this very message stands here; another of the same content is another."""
        return any(found is message for found in self.messages.values())


class Server:
    """Folders and their mail, and the faults that are planned."""

    def __init__(self, *capabilities: str, keywords: bool = True) -> None:
        self.capabilities = frozenset(capabilities or ("MOVE", "UIDPLUS", "IDLE"))
        self.keywords = keywords
        self._validity = itertools.count(1000)
        self.folders = {"INBOX": Folder(next(self._validity))}
        self.step = 0
        self.crash_at: int | None = None
        self.refuse: Callable[[str, int | None], str | None] = lambda _command, _uid: None
        # What another client does just then, by the number of the step.
        self.meanwhile: Callable[[int], object] = lambda _step: None
        # Folders with fewer rights than usual: "look" into them alone, or not even that.
        self.rights: dict[str, Literal["look", "none"]] = {}
        # What LIST says of a folder beside its name.
        self.attributes: dict[str, frozenset[str]] = {}

    def deliver(self, raw: bytes, folder: str = "INBOX") -> int:
        return self.folders[folder].add(Stored(raw, set(), datetime.now(UTC)))

    def make(self, name: str) -> Folder:
        return self.folders.setdefault(name, Folder(next(self._validity)))

    @property
    def gmail(self) -> bool:
        return "X-GM-EXT-1" in self.capabilities

    def labels_of(self, message: Stored) -> set[str]:
        """The folders in which a message stands, as Gmail's labels."""
        return {_label(name) for name, folder in self.folders.items() if folder.holds(message)}

    def tick(self) -> None:
        """A moment at which the process may die: before and after each effect."""
        self.step += 1
        if self.crash_at == self.step:
            raise Crash
        self.meanwhile(self.step)

    def everything(self) -> list[tuple[str, str, frozenset[str]]]:
        """(folder, key, flags) of every message there is."""
        return sorted(
            (name, message.key, frozenset(message.flags))
            for name, folder in self.folders.items()
            for message in folder.messages.values()
        )


class MemoryMailbox:
    """The verbs of `Mailbox`, on a `Server`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.capabilities = server.capabilities
        self.selected: Selected | None = None
        self.dead = self.interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.dead = True

    def close(self) -> None:
        self.dead = True

    def interrupt(self) -> None:
        self.dead = self.interrupted = True

    def has(self, capability: str) -> bool:
        return capability in self.capabilities

    def folder_name(self, path: str) -> str:
        return path

    def folders(self) -> dict[str, frozenset[str]]:
        return {name: self._server.attributes.get(name, frozenset()) for name in self._server.folders}

    def special_folder(self, _attribute: str) -> str:
        return ""

    def create_folder(self, folder: str) -> None:
        self._allowed("CREATE")
        self._server.tick()
        self._server.make(folder)
        self._server.tick()

    def status(self, folder: str) -> Selected | None:
        self._alive()
        found = self._server.folders.get(folder)
        return self._seen(folder, found) if found else None

    def select(self, folder: str, *, readonly: bool = False) -> Selected:
        self._alive()
        self.selected = None
        found, rights = self._server.folders.get(folder), self._server.rights.get(folder)
        if found is None or rights == "none":
            raise RefusedError("no such folder")
        seen, readonly = self._seen(folder, found), readonly or rights == "look"
        self.selected = Selected(
            folder, seen.uidvalidity, seen.uidnext, seen.exists, 0, self._server.keywords and not readonly, readonly
        )
        return self.selected

    def _seen(self, name: str, folder: Folder) -> Selected:
        return Selected(
            name, folder.uidvalidity, folder.uidnext, len(folder.messages), 0, keywords=False, read_only=False
        )

    def since(self, _day: date) -> list[int]:
        return sorted(self._messages())

    def starting_at(self, uid: int) -> list[int]:
        return sorted(found for found in self._messages() if found >= uid)

    def changed_since(self, _modseq: int) -> list[int]:
        return sorted(self._messages())

    def summaries(self, uids: Sequence[int]) -> dict[int, Summary]:
        return {uid: Summary(uid, len(m.raw), m.received, frozenset(m.flags)) for uid, m in self._chosen(uids).items()}

    def flags(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, frozenset[str]]:  # noqa: ARG002
        return {uid: frozenset(message.flags) for uid, message in self._chosen(uids).items()}

    def keys(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, str]:  # noqa: ARG002 - all can be read
        return {uid: message.key for uid, message in self._chosen(uids).items()}

    def message_ids(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, str]:  # noqa: ARG002
        return {uid: message.message_id for uid, message in self._chosen(uids).items()}

    def answers(self, uids: Sequence[int]) -> dict[int, Answer]:
        return {uid: answer_of(message.header) for uid, message in self._chosen(uids).items()}

    def read(self, uids: Sequence[int], *, proof: Sequence[int] = ()) -> Iterator[Fetched]:  # noqa: ARG002 - as above
        summaries = self.summaries(uids)
        for uid, message in self._chosen(uids).items():
            yield Fetched(summaries[uid], message.key, message.raw)

    def settle(self) -> None:
        self._alive()

    def add_keywords(self, uids: Sequence[int], keywords: Collection[str]) -> None:
        self._store("STORE", uids, lambda message: message.flags.update(keywords) if self._server.keywords else None)

    def remove_keywords(self, uids: Sequence[int], keywords: Collection[str]) -> None:
        self._store("STORE", uids, lambda message: message.flags.difference_update(keywords))

    def labels(self, uids: Sequence[int], *, readable: bool = False) -> dict[int, frozenset[str]]:  # noqa: ARG002
        # Gmail leaves out the label of the folder that is selected.
        here = {_label(self.selected.folder)} if self.selected else set()
        return {uid: frozenset(self._server.labels_of(message) - here) for uid, message in self._chosen(uids).items()}

    def add_labels(self, uids: Sequence[int], labels: Collection[str]) -> None:
        self._relabel(uids, labels, Folder.label)

    def remove_labels(self, uids: Sequence[int], labels: Collection[str]) -> None:
        self._relabel(uids, labels, Folder.unlabel)

    def _relabel(self, uids: Sequence[int], labels: Collection[str], verb: Callable[[Folder, Stored], None]) -> None:
        def change(message: Stored) -> None:
            for label in labels:
                verb(self._server.make(label), message)

        self._store("STORE", uids, change)

    def _store(self, command: str, uids: Sequence[int], change: Callable[[Stored], object]) -> None:
        self._writable()
        self._allowed(command, uids)
        self._server.tick()
        for message in self._chosen(uids).values():
            change(message)
        self._server.tick()

    def copy(self, uids: Sequence[int], folder: str) -> None:
        self._allowed("COPY", uids)
        target = self._target(folder)
        self._server.tick()
        # COPY is all or nothing (RFC 9051, 6.4.7).
        for message in self._chosen(uids).values():
            if self._server.gmail:
                target.label(message)
            else:
                target.add(Stored(message.raw, set(message.flags), message.received))
        self._server.tick()

    def move(self, uids: Sequence[int], folder: str) -> None:
        self._writable()
        self._allowed("MOVE", uids)
        target, source = self._target(folder), self._folder()
        for uid in sorted(self._chosen(uids)):
            # MOVE is atomic for each message, not for all (RFC 6851, 3.3).
            self._server.tick()
            if (message := source.messages.pop(uid, None)) is not None:
                target.label(message)
        self._server.tick()

    def add_flags(self, uid: int, flags: Collection[str]) -> None:
        self._store("STORE", [uid], lambda message: message.flags.update(set(flags) - {"\\Deleted"}))

    def remove_flags(self, uid: int, flags: Collection[str]) -> None:
        self._store("STORE", [uid], lambda message: message.flags.difference_update(set(flags) - {"\\Deleted"}))

    def unmark(self, uids: Sequence[int]) -> None:
        self._store("STORE", uids, lambda message: message.flags.discard("\\Deleted"))

    def remove(self, uids: Sequence[int]) -> dict[int, frozenset[str]]:
        self._writable()
        if not self.has("UIDPLUS"):
            raise RefusedError("no UIDPLUS")
        self._store("STORE", uids, lambda message: message.flags.add("\\Deleted"))
        try:
            self._allowed("EXPUNGE", uids)
        except RefusedError:
            self.unmark(uids)
            raise
        last = self.flags(uids)
        for uid, message in self._chosen(uids).items():
            del self._folder().messages[uid]
            # Where it stands under another label it carries no mark.
            message.flags.discard("\\Deleted")
        self._server.tick()
        return last

    def append(self, folder: str, mails: Sequence[Mail]) -> None:
        self._allowed("APPEND")
        target = self._target(folder)
        for mail in mails:
            self._server.tick()
            target.add(Stored(mail.raw, set(mail.flags), mail.at))
        self._server.tick()

    # --- Inside ---

    def _alive(self) -> None:
        if self.dead:
            raise MailboxError("the connection is closed")

    def _allowed(self, command: str, uids: Sequence[int] = ()) -> None:
        self._alive()
        for uid in uids or (None,):
            if reason := self._server.refuse(command, uid):
                raise RefusedError(reason)

    def _writable(self) -> None:
        if self.selected is None or self.selected.read_only:
            raise RefusedError("read-only")

    def _folder(self) -> Folder:
        self._alive()
        if self.selected is None:
            raise RefusedError("nothing selected")
        return self._server.folders[self.selected.folder]

    def _messages(self) -> dict[int, Stored]:
        return self._folder().messages

    def _chosen(self, uids: Sequence[int]) -> dict[int, Stored]:
        # Of no messages nothing is asked, so that no folder needs to be selected.
        return {uid: message for uid, message in self._messages().items() if uid in set(uids)} if uids else {}

    def _target(self, folder: str) -> Folder:
        if folder not in self._server.folders:
            raise RefusedError("[TRYCREATE] no such folder")
        return self._server.folders[folder]


def _label(folder: str) -> str:
    return "\\Inbox" if folder == "INBOX" else folder


def connected(server: Server) -> Mailbox:
    """A connection in the type that the program asks for; the contract tests show that it behaves as one."""
    return cast("Mailbox", MemoryMailbox(server))
