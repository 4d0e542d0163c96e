"""What stands on the command line, and where its results go."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from triage import demo
from triage.errors import TriageError


def triage(
    *arguments: str, stdin: bytes = b"", environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command as a process, with these additions to the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "triage", *arguments],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | (environment or {}),
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


# --- Options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "wins"),
    [
        ((), (), "environment"),
        (("before",), (), "before"),
        (("before",), ("after",), "after"),
        ((), ("after",), "after"),
    ],
)
def test_what_is_typed_beats_the_environment(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...], wins: str
) -> None:
    """After the command, then before it, then the environment: which folder is emptied must not be a surprise."""
    environment = {
        "TRIAGE_STATE": str(tmp_path / "environment"),
        "TRIAGE_CONFIG": str(tmp_path / "environment.toml"),
    }

    def named(places: tuple[str, ...]) -> list[str]:
        return [
            part
            for place in places
            for part in ("--state", str(tmp_path / place), "--config", str(tmp_path / f"{place}.toml"))
        ]

    for place in ("environment", "before", "after"):
        (tmp_path / f"{place}.toml").write_text("", encoding="utf-8")
    done = triage(*named(before), "forget", "--all", *named(after), environment=environment)
    assert (done.returncode, done.stderr) == (0, f"triage: {tmp_path / wins}: holds nothing\n")
    (tmp_path / f"{wins}.toml").write_text("nonsense = 1", encoding="utf-8")
    done = triage(*named(before), "forget", "--all", *named(after), environment=environment)
    assert done.returncode == 2
    assert str(tmp_path / f"{wins}.toml") in done.stderr


def test_what_the_demo_needs_is_installed_from_our_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package index holds another program of our name: nobody is told to install by it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(TriageError) as told:
        demo.run_demo(keep=False, serve=False, write=print)
    needed = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("demo = "))
    assert "pip install '.[demo]'" in str(told.value)
    assert f"pipx inject triage '{needed.split(chr(34))[1]}'" in str(told.value)
    assert "triage[demo]" not in str(told.value)
    assert "pipx install '.[demo]'" in (ROOT / "README.md").read_text(encoding="utf-8")
