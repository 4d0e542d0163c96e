"""The state cannot be written from some commit on (disk full, locked by another program): nothing is done after it."""

import functools
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.dovecot import Dovecot
from tests.support.points import Days, look
from tests.support.some import LONG
from tests.test_servers import CHANGES
from triage.errors import StoreError

WORDS = ("database or disk is full", "database is locked", "attempt to write a readonly database", "disk I/O error")


def failing_from(commit: int, words: str, days: Days, failures: list[int]) -> type[sqlite3.Connection]:
    """A connection whose COMMITs fail, the `commit`-th (from 0) and all after it; notes how many commands were sent."""
    commits = iter(range(10**6))

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and next(commits) >= commit:
                failures.append(len(days.proxy.seen))
                super().execute("ROLLBACK")
                raise sqlite3.OperationalError(words)
            return super().execute(sql, *values)

    return Failing


def test_nothing_is_done_that_cannot_be_written_down(
    dovecot: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every fourteenth commit of a day on: an error, no command after it that changes anything, and a good end."""
    connect, stopped = sqlite3.connect, 0
    with Days(dovecot, tmp_path) as days:
        golden = days.good_day()
        for commit in range(4, 80, 4 if LONG else 14):
            user = days.new_household()
            days.proxy.begin(None)
            failures: list[int] = []
            failing = failing_from(commit, WORDS[commit // 8 % len(WORDS)], days, failures)
            monkeypatch.setattr(sqlite3, "connect", functools.partial(connect, factory=failing))
            with suppress(StoreError), days.session(user) as session:
                session.run(session.config.accounts[0], session.store.begin_run("once", days.now))
            monkeypatch.setattr(sqlite3, "connect", connect)
            if not failures:
                break
            stopped += 1
            assert not CHANGES & set(days.proxy.seen[failures[0] :])
            with days.session(user) as session:
                assert [days.attempt(session) is not None for _ in range(2)] == [True, True]
            assert look(dovecot, user) == golden
    assert stopped >= 3
