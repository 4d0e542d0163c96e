"""What a client said on the wire: kept by a tap on loopback, and taken apart again."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

# What every injection carries: it may stand in a mail of ours, and in no command.
CANARY = "PWNED"


class Wiretap:
    """Passes octets between clients and a server on loopback, and keeps what each client said."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.said: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        # Closing alone would not wake the thread that waits in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.said.append(bytearray())
                threading.Thread(target=self._serve, args=(client, self.said[-1]), daemon=True).start()

    def _serve(self, client: socket.socket, kept: bytearray) -> None:
        with client, socket.create_connection(("127.0.0.1", self._upstream)) as server:
            back = threading.Thread(target=_pass_on, args=(server, client, bytearray()), daemon=True)
            back.start()
            _pass_on(client, server, kept)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while octets := source.recv(65536):
            kept += octets
            sink.sendall(octets)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


_FOLDER = r'"?(?:INBOX|Drafts|Sent|School(?:/(?:Homework|Behavior|Meetings|Praise|Other|Review|Done))?)"?'
_UIDS = r"\d+(?::(?:\d+|\*))?(?:,\d+(?::\d+)?)*"
_LITERAL = r"\((?:\\(?:Seen|Draft) ?)*\) \"[ \d]\d-\w{3}-\d{4} [\d:]{8} [+-]\d{4}\" \{\d+\+?\}"
# Every command that triage sends to a server with MOVE, whole.
_COMMAND = re.compile(
    rf"CAPABILITY|NOOP|LOGOUT|NAMESPACE|LOGIN \S+ \S+|LIST \"\" (?:\"\*\"|\"\")"
    rf"|ID \(\"name\" \"triage\" \"version\" \"[\d.]+\"\)"
    rf"|(?:SELECT|EXAMINE|CREATE|SUBSCRIBE) {_FOLDER}"
    rf"|STATUS {_FOLDER} \([A-Z ]+\)|UID SEARCH (?:SINCE \d+-\w{{3}}-\d{{4}}|UID {_UIDS}|MODSEQ \d+)"
    rf"|UID FETCH {_UIDS} \([A-Z0-9 .\[\]<>()-]+\)|UID STORE {_UIDS} [+-]FLAGS\.SILENT \((?:triage-[a-z-]+ ?)+\)"
    rf"|UID (?:MOVE|COPY) {_UIDS} {_FOLDER}|APPEND {_FOLDER}(?: {_LITERAL})+"
)


@dataclass
class Said:
    """A client's words: `strange` are lines that are none of our commands, `misnumbered` tags out of order."""

    verbs: Counter[str] = field(default_factory=Counter)
    strange: list[bytes] = field(default_factory=list)
    misnumbered: int = 0
    appended: list[bytes] = field(default_factory=list)


def understood(connections: Sequence[bytes | bytearray]) -> Said:
    """Read what clients said as a server reads it: lines and literals."""
    found = Said()
    for said in connections:
        before: tuple[str, int] | None = None
        for line, literals in _lines(bytes(said)):
            tag, _, rest = line.partition(b" ")
            shape = re.fullmatch(r"([A-Z]+)(\d+)", tag.decode("latin-1"))
            now = (shape[1], int(shape[2])) if shape else None
            found.misnumbered += now is None or (before is not None and now != (before[0], before[1] + 1))
            before = now
            if not _COMMAND.fullmatch(rest.decode("latin-1")) or CANARY.encode() in line:
                found.strange.append(line)
            found.verbs[rest.split(b" ")[0].decode("latin-1")] += 1
            found.appended += literals
    return found


def _lines(said: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    at = 0
    while at < len(said):
        line, literals = b"", []
        while True:
            # A server may take a bare line feed for the end of a line, so that one counts.
            end = said.find(b"\n", at)
            end = len(said) if end < 0 else end
            piece = said[at:end].removesuffix(b"\r")
            line, at = line + piece, end + 1
            announced = re.search(rb"\{(\d+)\+?\}$", piece)
            if announced is None:
                break
            literals.append(said[at : at + int(announced[1])])
            at += int(announced[1])
        yield line, literals
