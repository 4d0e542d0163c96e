"""A disk that is full at any moment: the pass ends with one sentence, and the next one puts everything right."""

import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Household
from tests.support.dovecot import Dovecot
from tests.support.mail import a_mail
from tests.test_cycle import KINDS, note_count, places

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits a file's size as Linux does")


def a_home(server: Dovecot, folder: Path) -> Household:
    folder.mkdir()
    home = Household(server, server.new_user(), folder)
    home.write_config('[prompts]\ndeliver = ["digest", "note"]')
    home.deliver(*(a_mail(kind, number=n) for n, kind in enumerate(KINDS, start=100)))
    return home


def once_within(home: Household, size: int, *command: str) -> "subprocess.CompletedProcess[str]":
    """A pass, or another command, whose files may not grow beyond `size` octets.

    Python ignores SIGXFSZ, so that a write fails instead.
    """
    return subprocess.run(
        home.command(*(command or ("once",))),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        ),
    )


def test_a_full_disk_loses_nothing(dovecot: Dovecot, tmp_path: Path) -> None:
    """From no room at all to enough, in steps: each failed pass says so and is made good by the next."""
    whole = a_home(dovecot, tmp_path / "whole")
    assert whole.run("once").returncode == 0
    golden, notes = places(whole), note_count(whole)
    failed = 0
    for step in range(0, 200, 40):
        home = a_home(dovecot, tmp_path / str(step))
        done = once_within(home, step * 1024)
        assert "Traceback" not in done.stderr
        assert set(places(home)) == set(golden)
        if done.returncode:
            failed += 1
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        again = home.run("once")
        assert again.returncode == 0, again.stderr
        assert places(home) == golden
        assert note_count(home) == notes
    assert failed >= 3, failed


def held(home: Household) -> dict[str, list[tuple[object, ...]]]:
    """What a state tells that no mailbox does."""
    with closing(sqlite3.connect(home.state / "state.db")) as state:
        return {
            table: state.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
            for table in ("message", "op", "correction", "record", "sender")
        }


def test_a_rebuilding_on_a_full_disk_leaves_the_old_state(dovecot: Dovecot, tmp_path: Path) -> None:
    """Wherever it stops, the old one stands in its place; once there is room, no row of it is missing."""
    home = a_home(dovecot, tmp_path / "home")
    assert home.run("once").returncode == 0
    with dovecot.client(home.user) as client:
        client.select_folder("School/Homework")
        client.move(client.search(["NOT", "HEADER", "X-Triage", "note"]), "School/Praise")
    assert home.run("once").returncode == 0
    before, failed = held(home), 0
    assert before["correction"]
    for step in range(0, 200, 40):
        done = once_within(home, step * 1024, "doctor", "--rebuild")
        assert "Traceback" not in done.stderr
        assert held(home) == before
        assert not (home.state / "rebuilding").exists()
        if "was made anew" not in done.stderr:
            failed += 1
            assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1), done.stderr
            assert done.stderr.strip().endswith("the old state stands as it was")
            assert not list(home.state.glob("state.db.*"))
    assert failed >= 3, failed
    assert home.run("doctor", "--rebuild").returncode == 0
    assert held(home) == before
