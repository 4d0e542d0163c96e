"""SIGTERM at each step, with a server that then says nothing more; two starts at once: what is left is whole."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

import pytest

from tests.conftest import Household
from tests.support.dovecot import PASSWORD
from tests.support.faults import Fault, FaultProxy
from tests.support.mail import a_mail
from tests.support.points import KINDS, State, config_of, look
from tests.support.some import some
from tests.test_daemon import PATIENCE, running, until
from triage.config import load_config
from triage.delivery import deliver
from triage.errors import BusyError
from triage.judge import Household as Judged
from triage.lock import StateLock
from triage.resources import shipped_model_path
from triage.session import Session
from triage.store import Store
from triage.worker import Worker

# A bound that must hold, not a measurement.
EXIT_WITHIN = 7
FOLDERS = ("Homework", "Behavior", "Meetings", "Praise", "Other")
# A digest is due on every day from midnight on, so that the first pass is followed by one.
DIGEST_DUE = '[digest]\nat = "00:00"\nempty = true\n'


class Halting(FaultProxy):
    """Says when a command passes for the so-manieth time; from then on the server answers, is silent, or gone."""

    def __init__(
        self, upstream: int, verb: str, nth: int = 1, *, then: Literal["answers", "silent", "gone"] = "silent"
    ) -> None:
        self._verb, self._nth, self._then = verb, nth, then
        self.reached = threading.Event()
        self.over = threading.Event()
        super().__init__(upstream)

    def take(self, verb: str) -> Fault | None:
        found = super().take(verb)
        if verb == self._verb and self.seen.count(verb) >= self._nth:
            self.reached.set()
        if self.reached.is_set() and self._then == "silent":
            self.over.wait()
        return Fault(0, "before") if self.reached.is_set() and self._then == "gone" else found

    def close(self) -> None:
        self.over.set()
        self.stop()


def through(home: Household, port: int) -> None:
    """Let the household's program reach its server without TLS, by another port."""
    home.write_config(DIGEST_DUE)
    text = re.sub(r"(?m)^port = .*$", f'port = {port}\nsecurity = "none"', home.config_file.read_text())
    home.config_file.write_text(text)


def ended(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether SIGTERM ends the daemon in time, with 0, and without a word of what nobody expected."""
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=EXIT_WITHIN)
    text = log.read_text()
    return code == 0 and "Traceback" not in text and "unexpected" not in text


@pytest.fixture(name="reader", scope="module")
def _reader() -> Iterator[Worker]:
    """One process that reads mail, for all that comes after an end."""
    with Worker(Judged(config_of(1, "nobody")), shipped_model_path) as worker:
        yield worker


def completed(home: Household, reader: Worker) -> State:
    """The mailbox after one more pass and one more try at the digest, which nobody disturbs."""
    through(home, home.server.plain_port)
    config = load_config(home.config_file)
    # The lock is free.
    with StateLock(home.state).acquire("once"), Store(home.state) as store:
        session = Session(config, store, reader, None, secret=lambda _account: PASSWORD)
        report = session.run(config.accounts[0], store.begin_run("once", session.clock()))
        assert (report.failed, report.error) == (0, None)
        deliver(session, session.clock().astimezone(config.zone).date())
    return look(home.server, home.user)


def whole(state: State, kinds: tuple[str, ...]) -> bool:
    """Every mail once and in its folder, one note for each that gets one, one digest, nothing marked as deleted."""
    folder_of = dict(zip(KINDS, [f"School/{name}" for name in FOLDERS] + ["INBOX"], strict=True))
    expected = {(f"<{kind}-{number}@test.example>", folder_of[kind]): 1 for number, kind in enumerate(kinds)}
    return dict(state.places) == expected and (state.digests, state.deleted) == (1, 0)


@pytest.mark.parametrize(
    ("verb", "nth"),
    some(
        [
            ("LOGIN", 1),
            ("SELECT", 1),
            ("UID FETCH", 2),
            ("UID STORE", 1),
            ("UID MOVE", 2),
            ("APPEND", 1),
            # After the notes of four folders: the digest.
            ("APPEND", 5),
            ("LOGOUT", 1),
            ("IDLE", 1),
        ],
        3,
    ),
)
def test_the_end_comes_in_time_at_every_step(
    household: Household, tmp_path: Path, reader: Worker, verb: str, nth: int
) -> None:
    """The server says nothing from that command on; 0 within seconds, and the next start does the rest once."""
    household.deliver(*(a_mail(kind, number=number) for number, kind in enumerate(KINDS)))
    log = tmp_path / "log"
    with closing(Halting(household.server.plain_port, verb, nth)) as proxy:
        through(household, proxy.port)
        with running(household, log) as process:
            assert proxy.reached.wait(PATIENCE), proxy.seen
            assert ended(process, log)
    assert whole(completed(household, reader), KINDS)


@pytest.mark.parametrize(("verb", "nth"), some([("UID MOVE", 2), ("UID FETCH", 2), ("IDLE", 1), ("APPEND", 5)], 2))
def test_the_end_comes_in_time_while_the_server_answers(
    household: Household, tmp_path: Path, reader: Worker, verb: str, nth: int
) -> None:
    """In the middle of a pass, of the digest, in IDLE: the step under way is finished, and nothing is done twice."""
    household.deliver(*(a_mail(kind, number=number) for number, kind in enumerate(KINDS)))
    log = tmp_path / "log"
    with closing(Halting(household.server.plain_port, verb, nth, then="answers")) as proxy:
        through(household, proxy.port)
        with running(household, log) as process:
            assert proxy.reached.wait(PATIENCE), proxy.seen
            assert ended(process, log)
    assert whole(completed(household, reader), KINDS)


def test_the_end_does_not_wait_for_a_password_command(household: Household, tmp_path: Path) -> None:
    """Before the sign-in: a password manager that waits for a person does not hold the program up."""
    asked, log = tmp_path / "asked", tmp_path / "log"
    household.write_config()
    slow = f"import pathlib, time; pathlib.Path({str(asked)!r}).touch(); time.sleep({EXIT_WITHIN + 5})"
    line = f'password_command = [{str(sys.executable)!r}, "-c", "{slow}"]'
    text = household.config_file.read_text()
    household.config_file.write_text(re.sub(r"(?m)^password_command = .*$", lambda _: line, text))
    with running(household, log) as process:
        until(asked.exists)
        assert ended(process, log)


def test_the_end_does_not_wait_for_the_reader(household: Household, tmp_path: Path, reader: Worker) -> None:
    """While mail is read in the worker process, which takes however long: here it was stopped."""
    household.deliver(a_mail(KINDS[0], number=0))
    log = tmp_path / "log"
    with closing(Halting(household.server.plain_port, "never", then="answers")) as proxy:
        through(household, proxy.port)
        with running(household, log) as process:
            until(lambda: "IDLE" in proxy.seen and household.contents().get("School/Homework") is not None)
            (worker,) = _workers(process.pid)
            subprocess.run(["kill", "-STOP", str(worker)], check=True)
            fetched = proxy.seen.count("UID FETCH")
            household.deliver(a_mail(KINDS[1], number=1))
            until(lambda: proxy.seen.count("UID FETCH") >= fetched + 2)
            assert ended(process, log)
        assert not _workers(process.pid)
    assert whole(completed(household, reader), KINDS[:2])


def _workers(daemon: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
    fields = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, parent, command in fields if int(parent) == daemon and "triage.worker" in command]


def test_the_end_comes_in_time_during_a_pause(household: Household, tmp_path: Path, reader: Worker) -> None:
    """Pass and watcher both wait for a server that has gone."""
    household.deliver(a_mail(KINDS[0], number=0))
    log = tmp_path / "log"
    with closing(Halting(household.server.plain_port, "IDLE", then="gone")) as proxy:
        through(household, proxy.port)
        with running(household, log) as process:
            until(lambda: "waiting for mail again in" in log.read_text() and "trying again in" in log.read_text())
            assert ended(process, log)
    assert whole(completed(household, reader), KINDS[:1])


def test_asked_twice_it_ends_at_once(household: Household, tmp_path: Path, reader: Worker) -> None:
    """The second signal is not waited with; what the first had begun is made good by the next start."""
    household.deliver(*(a_mail(kind, number=number) for number, kind in enumerate(KINDS)))
    with closing(Halting(household.server.plain_port, "UID MOVE")) as proxy:
        through(household, proxy.port)
        with running(household, tmp_path / "log") as process:
            assert proxy.reached.wait(PATIENCE), proxy.seen
            process.send_signal(signal.SIGTERM)
            # Signals that come together are one.
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=EXIT_WITHIN) == 130
    assert whole(completed(household, reader), KINDS)


def test_of_two_starts_at_once_one_runs(household: Household, tmp_path: Path) -> None:
    """The other says in one sentence who is at work, and ends with the documented code; again and again."""
    household.write_config()
    for number in range(3):
        household.folder.joinpath("state").mkdir(exist_ok=True)
        logs = [tmp_path / f"log{number}{which}" for which in "ab"]
        with running(household, logs[0]) as first, running(household, logs[1]) as second:
            until(lambda: None not in (first.poll(), second.poll()) or _one_is_over(first, second))
            (over, said), (other, log) = sorted(
                [(first, logs[0]), (second, logs[1])], key=lambda pair: pair[0].poll() is None
            )
            assert over.returncode == BusyError.exit_code
            holder = r"(`triage run` \(process \d+\)|another triage)"
            assert re.fullmatch(rf"triage: \S+: {holder} is at work on this state folder; .*\n", said.read_text())
            until(lambda: "watching home" in log.read_text())  # noqa: B023 - asked at once
            assert ended(other, log)


def _one_is_over(first: "subprocess.Popen[bytes]", second: "subprocess.Popen[bytes]") -> bool:
    return (first.poll() is None) != (second.poll() is None)


def test_a_silent_server_at_the_start_and_the_end(household: Household, tmp_path: Path) -> None:
    """A connection that is taken and never greeted: the end comes in time all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        through(household, silent.getsockname()[1])
        with running(household, tmp_path / "log") as process:
            silent.settimeout(PATIENCE)
            connection, _address = silent.accept()
            assert ended(process, tmp_path / "log")
            connection.close()
