"""A disk that is full at any moment: the pass ends with one sentence, and the next one puts everything right."""

import resource
import subprocess
import sys
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


def once_within(home: Household, size: int) -> "subprocess.CompletedProcess[str]":
    """A pass whose files may not grow beyond `size` octets; Python ignores SIGXFSZ, so that a write fails instead."""
    return subprocess.run(
        home.command("once"),
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
