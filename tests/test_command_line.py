"""What stands on the command line, and where its results go."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.support.mail import a_mail
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


# --- Where results go ----------------------------------------------------------------------------------------


def to(place: str, *arguments: str, state: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """A command whose output a shell sends somewhere."""
    shell = ["bash", "-c", f'exec "$0" -m triage --state "$1" "${{@:2}}" {place}']
    return subprocess.run(
        [*shell, sys.executable, str(state), *arguments],
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A mail whose subject Latin-1 cannot show."""
    path = tmp_path / "odd.eml"
    path.write_bytes(a_mail().replace(b"Subject: Maya", "Subject: Maya \u2192 \u201cЖ\u201d é".encode()))
    return path


def test_letters_that_cannot_be_shown_break_nothing(odd: Path, tmp_path: Path) -> None:
    """They are written in another way; JSON stays JSON."""
    text = to("", "classify", str(odd), state=tmp_path / "s", PYTHONIOENCODING="latin-1")
    assert text.returncode == 0, text.stderr
    assert rb"Maya \u2192" in text.stdout
    as_json = to("", "classify", "--json", str(odd), state=tmp_path / "s", PYTHONIOENCODING="latin-1")
    assert as_json.returncode == 0, as_json.stderr
    assert json.loads(as_json.stdout.decode("latin-1"))["subject"].startswith("Maya \u2192 \u201cЖ\u201d é")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
@pytest.mark.parametrize(
    "arguments", [("classify",), ("classify", "--json"), ("--version",), ("log", "--format", "csv")]
)
def test_a_full_disk_behind_the_output_is_no_bug(arguments: tuple[str, ...], odd: Path, tmp_path: Path) -> None:
    """One sentence, code 1."""
    (tmp_path / "c.toml").write_text("", encoding="utf-8")
    what = (*arguments, str(odd)) if arguments[0] == "classify" else arguments
    done = to(">/dev/full", *what, state=tmp_path / "s", TRIAGE_CONFIG=str(tmp_path / "c.toml"))
    assert done.stderr == b"triage: standard output cannot be written (No space left on device)\n"
    assert done.returncode == 1


@pytest.mark.parametrize("place", [">&-", "<&- >&- 2>&-"])
def test_output_that_is_closed_breaks_nothing(place: str, odd: Path, tmp_path: Path) -> None:
    """Nobody wants to see it; the work is done all the same."""
    done = to(place, "prompts", "--json", str(odd), state=tmp_path / "s")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# --- Interrupted ---------------------------------------------------------------------------------------------


@contextmanager
def running(*arguments: str, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A command that heeds Ctrl-C, as in a terminal, even where the tests run in the background and do not."""
    # What is ignored is inherited, a handler is not.
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([sys.executable, "-m", "triage", *arguments], **how)
    finally:
        signal.signal(signal.SIGINT, ours)
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_an_interrupted_question_is_code_130(tmp_path: Path) -> None:
    """Ctrl-C at a question of `triage init`; where nobody can answer, that is said."""
    command = ("--config", str(tmp_path / "c.toml"), "init")
    ours, theirs = pty.openpty()
    with running(*command, stdin=theirs, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stderr is not None
        said = b""
        while b"address" not in said:
            said += process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read().endswith(b"triage: interrupted\n")
    os.close(ours)
    os.close(theirs)
    alone = triage("--config", str(tmp_path / "c.toml"), "init")
    assert alone.returncode == 1
    assert "standard input has ended" in alone.stderr
    assert "Aborted" not in alone.stderr


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        (["run"], signal.SIGTERM, 0),
        (["run"], signal.SIGINT, 0),
        (["-v", "--state=run", "--state", "once", "run"], signal.SIGTERM, 0),
        (["once"], signal.SIGINT, 130),
        (["classify", "run"], signal.SIGINT, 130),
        (["--state", "run", "once"], signal.SIGINT, 130),
    ],
)
def test_a_signal_while_the_program_is_loaded(
    command: list[str], number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """The daemon ends cleanly at any moment, and nothing prints a traceback."""
    (tmp_path / "c.toml").write_text("", encoding="utf-8")
    # A module that takes its time stands in for a slow disk.
    (tmp_path / "typer.py").write_text("import sys, time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    with running("--config", str(tmp_path / "c.toml"), *command, **pipes, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"loading\n"
        time.sleep(0.1)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (code, b"")


def test_a_byte_order_mark_counts_as_given(tmp_path: Path) -> None:
    """Offsets of a draft are into the text as it is."""
    text = "\ufeffYou ALWAYS ignore my son. Can we talk?"
    done = triage("check", "--json", "--state", str(tmp_path / "s"), stdin=text.encode())
    found = json.loads(done.stdout)["findings"]
    assert found
    for finding in found:
        assert text[finding["start"] : finding["end"]] == finding["text"]
