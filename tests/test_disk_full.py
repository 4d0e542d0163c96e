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


def run_within(home: Household, size: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command whose files may not grow beyond `size` octets; Python ignores SIGXFSZ: a write fails instead."""
    return subprocess.run(
        home.command(*arguments),
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
        done = run_within(home, step * 1024, "once")
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


def rows_of(home: Household) -> dict[str, int]:
    with closing(sqlite3.connect(home.state / "state.db")) as db:
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("message", "op", "record")}


@pytest.mark.parametrize("size", [0, 60, 130])
def test_a_state_that_cannot_be_made_anew_stands_as_it_was(dovecot: Dovecot, tmp_path: Path, size: int) -> None:
    """On a full disk the rebuilding ends with one sentence, and takes nothing away; with room it takes all over."""
    home = a_home(dovecot, tmp_path / "home")
    assert home.run("once").returncode == 0
    before = rows_of(home)
    done = run_within(home, size * 1024, "doctor", "--rebuild")
    assert done.returncode != 0
    assert "stands as it was" in done.stderr
    assert "Traceback" not in done.stderr
    assert rows_of(home) == before
    assert not [path for path in home.state.iterdir() if path.name.startswith(("rebuilding", "state.db."))]
    assert home.run("doctor", "--rebuild").returncode == 0
    assert rows_of(home) == before
