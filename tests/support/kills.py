"""A day that is killed before its so-manieth commit or write to the wire, and what the next one makes of it.

Run as a module it is that process: it prints how many such points it passed, if it lives to the end.
"""

import functools
import imaplib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import Damage
from tests.support.mail import a_mail
from tests.support.points import KINDS, TRIES, State, config_of, count_damage, look
from triage.delivery import deliver
from triage.judge import Household
from triage.resources import shipped_model_path
from triage.session import Session
from triage.store import Store
from triage.worker import Worker

# Fewer would mean that the day has shrunk and the test with it.
LEAST_POINTS = 80


def killed_day(server: Dovecot, folder: Path, at: int) -> tuple[State, int, int]:
    """The mailbox after a day killed at a point (-1: at none) and others that are not, points seen, passes needed."""
    user = server.new_user()
    with server.client(user) as client:
        for number, kind in enumerate(KINDS):
            client.append("INBOX", a_mail(kind, number=number))
    for passes in range(1, TRIES + 1):
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, str(server.plain_port), user, str(folder / user), str(at)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode == 0:
            return look(server, user), int(done.stdout), passes
        if done.returncode != -signal.SIGKILL:
            raise AssertionError(done.stderr)
        at = -1
    return look(server, user), 0, 0


def held_against_kills(server: Dovecot, folder: Path, step: int, first: int = 0) -> Damage:
    """What kills at every `step`-th point did. Raises `AssertionError` where there are fewer than `LEAST_POINTS`."""
    golden, points, _ = killed_day(server, folder, -1)
    assert points >= LEAST_POINTS, points
    found = Damage()
    for at in range(first, points, step):
        state, _, passes = killed_day(server, folder, at)
        count_damage(found, golden, state)
        found.unfinished += passes == 0
        found.passes = max(found.passes, passes)
    return found


def _live(port: int, user: str, state: Path, at: int) -> int:
    points = itertools.count()
    passed = 0

    def point() -> None:
        nonlocal passed
        passed += 1
        if next(points) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    class Counted(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                point()
            return super().execute(sql, *values)

    def counted_send(self: imaplib.IMAP4, data: bytes) -> None:
        point()
        send(self, data)

    send = imaplib.IMAP4.send
    imaplib.IMAP4.send = counted_send  # type: ignore[assignment,method-assign]
    sqlite3.connect = functools.partial(sqlite3.connect, factory=Counted)  # type: ignore[assignment]
    config, now = config_of(port, user), datetime.now(UTC)
    household = Household(config, own_addresses=("parent@mailbox.example",))
    with Worker(household, shipped_model_path) as worker, Store(state) as store:
        session = Session(config, store, worker, None, clock=lambda: now, secret=lambda _: PASSWORD)
        report = session.run(config.accounts[0], store.begin_run("once", now))
        assert not report.failed
        assert not report.error
        deliver(session, now.date())
    return passed


if __name__ == "__main__":
    sys.stdout.write(str(_live(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
