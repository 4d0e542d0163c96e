"""The daemon as a process, against a real Dovecot: wakes when mail comes, survives the server, ends when asked."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Household, account_on
from tests.support.dovecot import PASSWORD, Dovecot, start_dovecot
from tests.support.faults import FaultProxy
from tests.support.mail import a_mail
from triage.config import load_config
from triage.connection import READ_SECONDS
from triage.daemon import Daemon
from triage.errors import MailboxError, SignInRefusedError
from triage.judge import Context, RawMail
from triage.mailbox import Mailbox
from triage.resources import shipped_model_path
from triage.session import Session
from triage.watcher import LONGEST_PAUSE, REFUSED_PAUSE, SHORTEST_PAUSE, Pause

PATIENCE = 40.0


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the daemon is to do; the limit only keeps a broken one from hanging the tests."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "the daemon did not come to it"
        time.sleep(0.1)


@contextmanager
def running(home: Household, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as out:
        process = subprocess.Popen(home.command("run"), stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def count(home: Household, folder: str) -> int:
    return home.contents().get(folder, 0)


def quiet(home: Household, **changes: object) -> None:
    """A configuration without notes, whose digest is not due before the night."""
    extra = '[prompts]\ndeliver = ["digest"]\n[digest]\nat = "23:59"\n'
    home.write_config(extra, **changes)  # type: ignore[arg-type]


def digests(home: Household) -> int:
    with Mailbox.connect(account_on(home.server, home.user), PASSWORD) as box:
        box.select("INBOX", readonly=True)
        return sum(b"X-Triage: digest" in fetched.raw for fetched in box.read(box.starting_at(1)))


def test_mail_that_arrives_is_filed_and_the_end_is_clean(household: Household, tmp_path: Path) -> None:
    """What was there at the start, what arrives later; one daemon a state; SIGTERM ends it with 0."""
    quiet(household)
    log = tmp_path / "log"
    household.deliver(a_mail("homework"))
    with running(household, log) as process:
        until(lambda: count(household, "School/Homework") == 1)
        household.deliver(a_mail("behavior"), a_mail("not_school"))
        until(lambda: count(household, "School/Behavior") == 1)
        assert count(household, "INBOX") == 1
        second = household.run("once")
        assert second.returncode == 5
        assert "`triage run`" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
    text = log.read_text()
    assert "Traceback" not in text
    assert "missing assignments" not in text
    assert household.run("once").returncode == 0


def test_a_server_that_goes_away_and_comes_back(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """No crash, a pause, another try; what came meanwhile is filed."""
    server = start_dovecot(tmp_path_factory.mktemp("restarted"))
    try:
        home = Household(server, server.new_user(), tmp_path)
        quiet(home)
        log = tmp_path / "log"
        with running(home, log) as process:
            home.deliver(a_mail("homework"))
            until(lambda: count(home, "School/Homework") == 1)
            server.stop()
            until(lambda: "waiting for mail again" in log.read_text())
            server.start()
            home.deliver(a_mail("praise"))
            until(lambda: count(home, "School/Praise") == 1)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=PATIENCE) == 0
    finally:
        server.stop()


def test_a_refused_password_is_no_storm(household: Household, tmp_path: Path) -> None:
    """One try, one sentence with the account, then silence for an hour; SIGTERM still ends it."""
    quiet(household, password="wrong")
    log = tmp_path / "log"
    with running(household, log) as process:
        until(lambda: "refused user name and password" in log.read_text())
        time.sleep(3)
        assert log.read_text().count("refused user name and password") == 1
        assert 'account "home"' in log.read_text()
        assert "60 minutes" in log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0


def test_ended_in_the_middle_of_a_pass_nothing_is_lost(household: Household, tmp_path: Path) -> None:
    """SIGTERM while 300 mails are being filed; the next pass does the rest, and nothing is there twice."""
    quiet(household)
    household.deliver(*(a_mail("homework") for _ in range(300)))
    for starts in (1, 2, 3):
        with running(household, tmp_path / "log") as process:
            # Before that it holds nothing, and a signal ends it as it ends any program.
            until(lambda: (tmp_path / "log").read_text().count("watching") == starts)  # noqa: B023 - asked at once
            time.sleep(1.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
    assert household.run("once").returncode == 0
    assert household.contents() == {"School/Homework": 300}


def test_one_digest_a_day_whatever_restarts(household: Household, tmp_path: Path) -> None:
    """Due at the start, it is delivered once; a second start, and `digest --deliver`, find it there."""
    due = (datetime.now(UTC).astimezone(load_config(household.config_file).zone) - timedelta(minutes=1)).time()
    household.write_config(f'[digest]\nat = "{due:%H:%M}"\nempty = true\n')
    household.deliver(a_mail("praise"))
    for starts in (1, 2):
        with running(household, tmp_path / "log") as process:
            until(lambda: (tmp_path / "log").read_text().count("watching") == starts)  # noqa: B023 - asked at once
            until(lambda: digests(household) == 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
    again = household.run("digest", "--deliver")
    assert again.returncode == 0
    assert "delivered before" in again.stderr
    assert digests(household) == 1


SIGNALLED = """
import os, random, signal, sys, threading, time
from pathlib import Path
from triage.config import Config
from triage.daemon import Daemon
from triage.session import Session

def busy():
    while True:
        sum(range(20_000))

def shoot():
    time.sleep(random.uniform(0, 0.004))
    os.kill(os.getpid(), signal.SIGTERM)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
# Other threads that want the interpreter stretch the moments in which a signal can fall between two locks.
sys.setswitchinterval(1e-4)
for _ in range(3):
    threading.Thread(target=busy, daemon=True).start()
session = Session.open(Config(timezone="UTC"), Path(sys.argv[1]), None)
deaf = 0
for _ in range(400):
    daemon = Daemon(session)
    daemon._schedule = threading.Thread(target=shoot).start
    rescue = threading.Timer(5, daemon.end)
    rescue.start()
    daemon.run()
    deaf += rescue.finished.is_set()
    rescue.cancel()
print(deaf)
sys.stdout.flush()
os._exit(0)
"""


def test_a_signal_at_any_moment_is_heard(tmp_path: Path) -> None:
    """Also one that falls just before the main thread begins to wait, which a lock would sleep through."""
    command = [sys.executable, "-c", SIGNALLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) == 0


def test_an_end_does_not_wait_for_a_server_that_says_nothing(household: Household, tmp_path: Path) -> None:
    """The first line of a server can take a minute; SIGTERM ends the program within seconds all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        quiet(household)
        text = household.config_file.read_text()
        port = silent.getsockname()[1]
        household.config_file.write_text(re.sub(r"(?m)^port = .*$", f"port = {port}", text))
        with running(household, tmp_path / "log") as process:
            silent.settimeout(PATIENCE)
            connection, _address = silent.accept()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=READ_SECONDS / 2) == 0
            connection.close()


def test_without_idle_the_folder_is_polled(dovecot_without_move: Dovecot, tmp_path: Path) -> None:
    """A server that announces nothing is asked every few minutes (here: seconds)."""
    home = Household(dovecot_without_move, dovecot_without_move.new_user(), tmp_path)
    quiet(home)
    config = load_config(home.config_file)
    often = config.daemon.model_copy(update={"poll_minutes": 0.01})
    home.state.mkdir()
    session = Session.open(config, home.state, None)
    session.config = config.model_copy(update={"daemon": often})
    daemon = Daemon(session)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        time.sleep(1)
        home.deliver(a_mail("homework"))
        until(lambda: count(home, "INBOX.School.Homework") == 1)
    finally:
        daemon.end()
        thread.join(timeout=PATIENCE)
        session.close()
    assert not thread.is_alive()


def test_pauses_grow_and_begin_anew() -> None:
    """Full jitter below a doubling limit; an hour after a refused password; short again after success."""
    pause = Pause()
    lengths = [pause.after(MailboxError("x")) for _ in range(30)]
    assert all(SHORTEST_PAUSE <= length <= LONGEST_PAUSE for length in lengths)
    assert lengths[0] <= 2 * SHORTEST_PAUSE
    assert max(lengths) > 60
    assert pause.after(SignInRefusedError("x")) == REFUSED_PAUSE
    assert pause.failing
    pause.reset()
    assert not pause.failing
    assert pause.after(MailboxError("x")) <= 2 * SHORTEST_PAUSE


def test_it_learns_once_from_a_correction(household: Household) -> None:
    """The daily job makes the parent's own model where something was corrected since, and only then."""
    quiet(household)
    household.deliver(a_mail("homework", number=9001))
    assert household.run("once").returncode == 0
    assert household.run("correct", "homework-9001@test.example", "praise").returncode == 0
    assert household.run("once").returncode == 0
    session = Session.open(load_config(household.config_file), household.state, None)
    try:
        daemon = Daemon(session)
        trainer = daemon.learn()
        assert trainer is not None
        assert daemon.learn() is trainer
        assert trainer.wait(timeout=900) == 0
        assert (household.state / "model" / "triage.skops").exists()
        assert daemon.learn() is None
    finally:
        session.close()


def test_it_makes_an_unfit_model_anew(household: Household) -> None:
    """Whatever was corrected and when: a model that is damaged while the daemon runs is made anew with the next day."""
    quiet(household)
    own = household.state / "model" / "triage.skops"
    own.parent.mkdir(parents=True)
    own.write_bytes(shipped_model_path().read_bytes()[:-5000])
    own.with_suffix(".json").write_bytes(shipped_model_path().with_suffix(".json").read_bytes())
    session = Session.open(load_config(household.config_file), household.state, None)
    try:
        daemon = Daemon(session)
        trainer = daemon.learn()
        assert trainer is not None
        assert trainer.wait(timeout=900) == 0
        assert daemon.learn() is None
        session.worker.judge([RawMail(a_mail())], Context(date(2026, 1, 7)))
        assert session.worker.unfit == ""
    finally:
        session.close()


def test_no_secret_is_left_anywhere(household: Household, tmp_path: Path) -> None:
    """A server that echoes the sign-in: neither log, state, digest, command line nor environment holds the secret."""
    secret = "canary-4711-secret"
    given = tmp_path / "given"
    given.mkdir(mode=0o700)
    (given / "secret").write_text(secret)
    proxy = FaultProxy(household.server.plain_port)
    proxy.replies = {"LOGIN": f"NO [AUTHENTICATIONFAILED] LOGIN {household.user} {secret} is wrong"}
    household.write_config()
    text = household.config_file.read_text()
    text = re.sub(r"password_command = .*", f'password_command = ["cat", "{given / "secret"}"]', text)
    text = re.sub(r"port = .*", f'port = {proxy.port}\nsecurity = "none"', text)
    household.config_file.write_text(re.sub(r"ca_file = .*\n", "", text))
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(household.command("run", "-v"), stdout=out, stderr=out)
        try:
            until(lambda: "refused user name and password" in log.read_text())
            if sys.platform == "linux":
                for name in ("cmdline", "environ"):
                    assert secret.encode() not in Path(f"/proc/{process.pid}/{name}").read_bytes()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            proxy.stop()
    done = household.run("doctor")
    assert secret not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and given not in path.parents]
    assert kept
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []
