"""A proxy in front of a real IMAP server that makes one command of a run go wrong, and a run that is held against it.

The faults are those of a network and of servers: the connection is cut before, inside or after a command (after: the
server has done it, and its answer is lost), or the server says NO or BAD to it.
"""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Literal

Kind = Literal["before", "inside", "after", "no", "bad"]
KINDS: tuple[Kind, ...] = ("before", "inside", "after", "no", "bad")
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n$")


def offering(capabilities: str) -> list[tuple[bytes, bytes]]:
    """For a proxy's `rewrite`: the server says that it has these capabilities alone."""
    return [(rb"CAPABILITY IMAP4rev1[^\]\r\n]*", b"CAPABILITY " + capabilities.encode())]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, at the so-manieth command of a run (over all its connections, from 0)."""

    at: int
    kind: Kind


@dataclass
class FaultProxy:
    """Listens on loopback; `seen` are the verbs of the commands that passed, in order.

    `replies` are what the server says to a verb in place of doing it ("NO [LIMIT] too fast"; several lines begin with
    "*" or "+", and may hold "{tag}"), `reply_to` what it says to one command, by its words, empty where it does it;
    `before` is called with each command's number and verb, as a second client may
    act just then; `rewrite` are replacements in what the server says, as for a server of another kind. `octets` counts
    what came from it, `most_at_once` how many connections stood at one time at most.
    """

    upstream: int
    fault: Fault | None = None
    seen: list[str] = field(default_factory=list)
    replies: Mapping[str, str] = field(default_factory=dict)
    reply_to: Callable[[str], str] = lambda _line: ""
    before: Callable[[int, str], None] = lambda _number, _verb: None
    rewrite: Sequence[tuple[bytes, bytes]] = ()
    connections: int = 0
    octets: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._served: list[_Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def cut(self) -> None:
        """The line breaks, for all that are connected."""
        for connection in self._served:
            connection.cut()

    def begin(self, fault: Fault | None) -> None:
        """Count anew, with another fault."""
        with self._lock:
            self.fault, self.seen = fault, []

    def let_be(self) -> None:
        """No fault and no meddling any more."""
        self.begin(None)
        self.replies, self.rewrite, self.before = {}, (), lambda _number, _verb: None
        self.reply_to = lambda _line: ""

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._served.append(_Connection(self, client))
                self.most_at_once = max(self.most_at_once, sum(not one.over for one in self._served))
                threading.Thread(target=self._served[-1].serve, daemon=True).start()

    def take(self, verb: str) -> Fault | None:
        """Note a command; its fault, if it is the one."""
        with self._lock:
            number = len(self.seen)
            self.seen.append(verb)
            fault = self.fault
        self.before(number, verb)
        return fault if fault is not None and fault.at == number else None


class _Connection:
    """One client and its server."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self._proxy, self._client = proxy, client
        self._server = socket.create_connection(("127.0.0.1", proxy.upstream), timeout=30)
        # What a server takes to think is between it and its client.
        self._server.settimeout(None)
        self._lost: bytes | None = None
        # The tag of an IDLE that the server knows nothing of.
        self._idle = b""
        self._done = threading.Event()
        # A client that logs out, or whose line is cut, may connect anew before this end of it is closed.
        self.over = False

    def serve(self) -> None:
        threading.Thread(target=self._answers, daemon=True).start()
        with suppress(OSError), self._client.makefile("rb") as lines:
            while line := lines.readline():
                if not self._command(line, lines):
                    break
        self.cut()

    def _command(self, line: bytes, lines: IO[bytes]) -> bool:
        """Pass a command on, or let it go wrong; False where the connection ends with it."""
        words = line.split()
        if len(words) < 2 or line.strip().upper() == b"DONE":
            if self._idle:
                self._client.sendall(self._idle + b" OK done\r\n")
            else:
                self._server.sendall(line)
            return True
        tag = words[0]
        verb = b" ".join(words[1:3] if words[1].upper() == b"UID" else words[1:2]).decode("ascii", "replace").upper()
        fault = self._proxy.take(verb)
        self.over |= verb == "LOGOUT"
        reply = self._proxy.replies.get(verb)
        if reply is None:
            reply = self._proxy.reply_to(line.decode("ascii", "replace")) or None
        if reply is not None:
            _swallow(line, lines)
            self._idle = tag if verb == "IDLE" and re.search(r"(?m)^\+", reply) else b""
            said = reply if reply.startswith(("*", "+")) else f"{{tag}} {reply}"
            self._client.sendall(said.replace("{tag}", tag.decode()).encode() + b"\r\n")
            return not reply.startswith("* BYE")
        match fault.kind if fault is not None else None:
            case "before":
                return False
            case "no" | "bad" as word if not _LITERAL.search(line):
                self._client.sendall(tag + f" {word.upper()} injected\r\n".encode())
                return True
            case "inside" if not _LITERAL.search(line):
                self._server.sendall(line[: max(1, len(line) // 2)])
                return False
            case "after":
                self._lost = tag
        return self._whole(line, lines, cut=fault is not None and fault.kind == "inside")

    def _whole(self, line: bytes, lines: IO[bytes], *, cut: bool) -> bool:
        """A command with its literals; with `cut`, only half of the first one."""
        self._server.sendall(line)
        while match := _LITERAL.search(line):
            size = int(match[1])
            data = lines.read(size)
            if cut:
                self._server.sendall(data[: size // 2])
                return False
            self._server.sendall(data)
            line = lines.readline()
            self._server.sendall(line)
        if self._lost is not None:
            self._done.wait(20)
            return False
        return True

    def _answers(self) -> None:
        rest = b""
        with suppress(OSError):
            while data := self._server.recv(65536):
                self._proxy.octets += len(data)
                for pattern, replacement in self._proxy.rewrite:
                    data = re.sub(pattern, replacement, data)
                if self._lost is None:
                    self._client.sendall(data)
                    continue
                # A continuation request still has to pass, or the command would never be whole.
                rest += data
                if rest.startswith(b"+ "):
                    self._client.sendall(rest)
                    rest = b""
                if re.search(rb"(?:^|\r\n)" + re.escape(self._lost) + rb" ", rest):
                    break
        self._done.set()
        self.cut()

    def cut(self) -> None:
        self.over = True
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()


def _swallow(line: bytes, lines: IO[bytes]) -> None:
    """What follows a line that is not passed on: literals that do not wait for the server's word."""
    while (match := _LITERAL.search(line)) and match[2]:
        lines.read(int(match[1]))
        line = lines.readline()


@dataclass
class Damage:
    """What faults did: counts over all points; all but `points` and `passes` are to be zero."""

    points: int = 0
    lost: int = 0
    doubled: int = 0
    misplaced: int = 0
    notes: int = 0
    drafts: int = 0
    digests: int = 0
    deleted: int = 0
    corrections: int = 0
    unfinished: int = 0
    passes: int = 0
    by_verb: Counter[str] = field(default_factory=Counter)

    def none(self) -> bool:
        """Whether everything ended as it does without a fault."""
        names = ("lost", "doubled", "misplaced", "notes", "drafts", "digests", "deleted", "corrections", "unfinished")
        return not any(getattr(self, name) for name in names)
