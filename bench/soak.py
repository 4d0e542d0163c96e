"""The daemon for a while behind a network that drops every connection each 20 s, while mail comes in all the time.

`python -m bench.soak [MINUTES]` (default 20, 100 mails a minute, school mail and other). Afterwards the line is good
and nothing comes: what an idle daemon costs. Linux alone, for /proc. Exit code 1 where a mail was lost, doubled or
misplaced, or the daemon died.
"""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.support import corpus_mails, household
from tests.conftest import Household
from tests.support.cases import abilities, case
from tests.support.points import look
from triage.config import Config, load_config
from triage.daemon import HEARTBEAT_SECONDS, WORKER_IDLE_SECONDS
from triage.judge import Context, Judgement, RawMail
from triage.judge import Household as Judged
from triage.plan import plan
from triage.resources import shipped_model_path
from triage.session import system_clock
from triage.worker import Worker

MAILS_A_MINUTE = 100
DROP_SECONDS = 20.0
SAMPLE_SECONDS = 2.0
# A figure of a moment is the highest of the samples of so many seconds before it.
WINDOW_SECONDS = 30.0
IDLE_SECONDS = 60.0
# How long the daemon may take for what the last drop left over.
PATIENCE, SETTLE_SECONDS = 300.0, 5.0


class Dropping:
    """A line to a server on loopback that drops every connection each `DROP_SECONDS`, until it is `good`."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.good = threading.Event()
        self.dropped = 0
        self._open: set[socket.socket] = set()
        for work in (self._accept, self._drop):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """No connection more."""
        self.good.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                self._open.add(client)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        self._open.discard(source)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        source.close()

    def _drop(self) -> None:
        while not self.good.wait(DROP_SECONDS):
            for one in list(self._open):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                self.dropped += 1


@dataclass(frozen=True)
class Sample:
    """What the kernel says of the daemon and its worker."""

    at: float
    handles: int
    threads: int
    daemon_kb: int
    worker_kb: int

    @classmethod
    def of(cls, pid: int) -> "Sample":
        """Of this moment; a process that is not there has nothing."""
        pids = [pid, *_children(pid)]
        handles = sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in pids)
        threads = sum(_status(one, "Threads") for one in pids)
        return cls(
            time.monotonic(), handles, threads, _status(pid, "VmRSS"), sum(_status(p, "VmRSS") for p in pids[1:])
        )


def _children(pid: int) -> list[int]:
    """The daemon's workers; a password command is there for a moment only."""
    found = []
    for one in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in one.read_text().split()]
    return [child for child in found if b"triage.worker" in _read(Path(f"/proc/{child}/cmdline"))]


def _read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def _status(pid: int, name: str) -> int:
    match = re.search(rb"(?m)^%s:\s+(\d+)" % name.encode(), _read(Path(f"/proc/{pid}/status")))
    return int(match[1]) if match else 0


def _cost(pid: int) -> tuple[float, int]:
    """(CPU seconds, times that a thread was woken up) of a process since it began."""
    seconds, woken = 0.0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        seconds += int(_read(task / "schedstat").split()[0]) / 1e9
        woken += int(re.search(rb"(?m)^voluntary_ctxt_switches:\s+(\d+)", _read(task / "status"))[1])  # type: ignore[index]
    return seconds, woken


@dataclass
class Soak:
    """A daemon under way, and what was seen of it."""

    home: Household
    process: "subprocess.Popen[bytes]"
    samples: list[Sample]

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass and take samples; True where `until` came true meanwhile. Ends with the daemon."""
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end and self.process.poll() is None:
            if not self.samples or time.monotonic() - self.samples[-1].at >= SAMPLE_SECONDS:
                self.samples.append(Sample.of(self.process.pid))
            time.sleep(max(0.0, min(0.2, end - time.monotonic())))
        return until()

    def highest(self, at: float) -> Sample:
        """The highest figures around a moment."""
        near = [one for one in self.samples if at - WINDOW_SECONDS <= one.at <= at]
        return Sample(at, *(max(getattr(one, name) for one in near) for name in FIGURES))


FIGURES = {
    "handles": "file handles",
    "threads": "threads",
    "daemon_kb": "daemon RSS, KB",
    "worker_kb": "worker RSS, KB",
}


@contextmanager
def _running(home: Household, log: Path) -> Iterator[Soak]:
    with log.open("wb") as out:
        process = subprocess.Popen(home.command("run"), stdout=out, stderr=out)
        try:
            yield Soak(home, process, [])
        finally:
            process.kill()
            process.wait()


def main(minutes: float) -> int:
    """Soak, count, print."""
    half = round(minutes * MAILS_A_MINUTE / 2)
    pairs = zip(corpus_mails(half, school=True), corpus_mails(half, school=False), strict=True)
    mails = [mail for pair in pairs for mail in pair]
    with household() as direct, closing(Dropping(direct.server.tls_port)) as line:
        home = replace(direct, server=replace(direct.server, tls_port=line.port))
        home.write_config()
        expected = _expected(home, mails)
        log = home.folder / "log"
        with _running(home, log) as soak:
            moments = _soak(soak, mails, minutes * 60)
            line.good.set()
            for _ in range(round(PATIENCE / SETTLE_SECONDS)):
                if _places(home) == expected:
                    break
                soak.wait(SETTLE_SECONDS)
            _figures(soak, [*moments, time.monotonic()])
            alive = _idle(soak)
            soak.process.send_signal(signal.SIGTERM)
            code = soak.process.wait(timeout=PATIENCE)
        text = log.read_text()
        print(f"connections dropped: {line.dropped}; tries put off: {text.count('trying again in')}; ", end="")
        print(f"unexpected: {text.count('unexpected') + text.count('Traceback')}; exit code {code}")
        damaged = _damage(expected, _places(home))
    return int(damaged or not alive or code != 0 or "Traceback" in text)


def _soak(soak: Soak, mails: Sequence[bytes], seconds: float) -> tuple[float, float]:
    """Deliver at an even pace; the moments just after the first passes and in the middle."""
    started, first = time.monotonic(), 0.0
    with soak.home.server.client(soak.home.user) as client:
        for number, mail in enumerate(mails):
            client.append("INBOX", mail)
            soak.wait(started + seconds * (number + 1) / len(mails) - time.monotonic())
            if not first and time.monotonic() - started >= WINDOW_SECONDS + 5:
                first = time.monotonic()
    return first, (started + time.monotonic()) / 2


def _expected(home: Household, mails: Sequence[bytes]) -> Counter[tuple[str, str]]:
    """Where each mail belongs, by Message-ID, as a judge says that nobody disturbs."""
    config = load_config(home.config_file)
    today = system_clock().astimezone(config.zone).date()
    with Worker(Judged(config, own_addresses=(home.user,)), shipped_model_path) as worker:
        judged = worker.judge([RawMail(mail) for mail in mails], Context(today, own=home.user))
    return Counter((one.message_id, _folder(one, config)) for one in judged)


def _folder(judged: Judgement, config: Config) -> str:
    if judged.verdict is None:
        return "INBOX"
    actions = plan(case(verdict=judged.verdict), abilities(), config.filing, config.prompts)
    return next((action.target for action in actions if action.kind == "move"), "INBOX")


def _places(home: Household) -> Counter[tuple[str, str]]:
    """Where each mail of the world stands; what is ours is left out."""
    return look(home.server, home.user).places


def _figures(soak: Soak, moments: Sequence[float]) -> None:
    """The table of what the processes hold, at the moments."""
    print("| | after the first passes | in the middle | at the end | growth |\n|---|---|---|---|---|")
    found = [soak.highest(moment) for moment in moments]
    for name, title in FIGURES.items():
        values = [getattr(one, name) for one in found]
        growth = f"{100 * (values[-1] / values[0] - 1):+.1f} %" if values[0] else "-"
        print(f"| {title} | {' | '.join(str(value) for value in values)} | {growth} |", flush=True)


def _idle(soak: Soak) -> bool:
    """Print what the daemon costs with a good line, no mail and no worker; whether it is still alive."""
    gone = soak.wait(WORKER_IDLE_SECONDS + 3 * HEARTBEAT_SECONDS, lambda: not _children(soak.process.pid))
    if soak.process.poll() is not None:
        print("the daemon died")
        return False
    seconds, woken = _cost(soak.process.pid)
    time.sleep(IDLE_SECONDS)
    after, woken_after = _cost(soak.process.pid)
    print(
        f"idle (worker {'ended' if gone else 'still there'}): {after - seconds:.3f} s of CPU in {IDLE_SECONDS:.0f} s, "
        f"{(woken_after - woken) / IDLE_SECONDS:.2f} wake-ups a second, {Sample.of(soak.process.pid).daemon_kb} KB"
    )
    return True


def _damage(expected: Counter[tuple[str, str]], found: Counter[tuple[str, str]]) -> int:
    """Print what became of the mails; how many did not end well."""
    wanted, there = Counter(key for key, _ in expected.elements()), Counter(key for key, _ in found.elements())
    lost, doubled = (wanted - there).total(), (there - wanted).total()
    right = (expected & found).total()
    misplaced = (found - expected).total() - doubled
    filed = sum(folder != "INBOX" for _, folder in (expected & found).elements())
    print("| messages in | in their place | of these filed | lost | doubled | misplaced |\n|---|---|---|---|---|---|")
    print(f"| {wanted.total()} | {right} | {filed} | {lost} | {doubled} | {misplaced} |")
    return lost + doubled + misplaced


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
