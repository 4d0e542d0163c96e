"""The daemon as a service: what is written for each system, and what is run; systemctl is a script that notes it."""

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Household
from triage.errors import TriageError
from triage.service import Service, service_for

CONFIG, STATE, HOME = Path("/home/jo/my config/%u.toml"), Path("/home/jo/state"), Path("/home/jo")


def service(platform: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return service_for(platform, CONFIG, STATE, HOME)


def test_a_systemd_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own; odd characters in paths are taken as they stand; hopeless errors do not start it again."""
    found = service("linux", monkeypatch)
    assert found.path == HOME / ".config/systemd/user/triage.service"
    text = found.content.decode()
    assert '"--config" "/home/jo/my config/%%u.toml" "--state" "/home/jo/state" "run"' in text
    assert "RestartPreventExitStatus=2 3 5" in text
    assert '"-P" "-m" "triage"' in text
    assert "UMask=0077" in text
    assert all(command[0] == "systemctl" and "--user" in command for command in (*found.on, *found.off, found.show))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's own checker")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Its own checker finds nothing wrong."""
    found = service_for("linux", tmp_path / "my config.toml", tmp_path / "my state", tmp_path)
    unit = tmp_path / found.path.name
    unit.write_bytes(found.content)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert unit.name not in done.stderr, done.stderr


def test_a_launch_agent_and_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Well-formed, with the whole command line."""
    agent = plistlib.loads(service("darwin", monkeypatch).content)
    assert agent["ProgramArguments"][-1] == "run"
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    task = service("win32", monkeypatch)
    tree = ET.fromstring(task.content.decode("utf-16"))
    arguments = next(node.text for node in tree.iter() if node.tag.endswith("Arguments"))
    assert '"' + str(CONFIG) + '"' in str(arguments)
    with pytest.raises(TriageError, match="no service is known"):
        service("plan9", monkeypatch)


def test_install_status_and_uninstall(household: Household, tmp_path: Path) -> None:
    """The unit is written and turned on, shown, and taken away again; without systemctl one sentence says so."""
    if os.uname().sysname != "Linux":
        pytest.skip("systemd is Linux's")
    tools = tmp_path / "bin"
    tools.mkdir()
    calls = tmp_path / "calls"
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {calls}\necho shown\n')
    (tools / "systemctl").chmod(0o755)

    def run(*arguments: str, path: str = f"{tools}:{os.environ['PATH']}") -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "PATH": path}
        command = household.command("service", *arguments)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert run("status").returncode == 1
    assert run("install").returncode == 0
    unit = tmp_path / "xdg/systemd/user/triage.service"
    assert str(household.config_file) in unit.read_text()
    assert run("status").stdout == "shown\n"
    assert run("uninstall").returncode == 0
    assert not unit.exists()
    assert [line.partition(" ")[2] for line in calls.read_text().splitlines()] == [
        "daemon-reload",
        "enable triage",
        "restart triage",
        "--no-pager status triage",
        "disable --now triage",
    ]
    (tools / "systemctl").write_text("#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n")
    assert run("install").returncode == 1
    assert unit.exists()
    off = run("uninstall")
    assert (off.returncode, unit.exists()) == (1, False)
    assert f"removed: {unit}; but the service could not be turned off" in off.stderr
    assert "connect to bus" in off.stderr
    assert run("uninstall").stdout == "there was no service\n"
    failed = run("install", path=str(tmp_path / "nothing"))
    assert failed.returncode == 1
    assert "no such program" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run("dance").returncode == 2
