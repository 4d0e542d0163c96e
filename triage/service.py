"""The daemon as a service of the user's own: systemd on Linux, launchd on macOS, a scheduled task on Windows.

Each runs `triage run` with the configuration and the state that were given, starts with the user's session, and starts
again a minute after a failure; systemd does not where the password is refused or the configuration is wrong. The daemon
itself waits an hour after a refusal, so that no account is locked.
"""

import os
import plistlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from triage.errors import TriageError

NAME = "triage"
_LABEL = "org.triage.daemon"
# Configuration wrong, sign-in refused, state held by another: trying again changes nothing.
_HOPELESS = "2 3 5"
_COMMAND_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service's description stands, what it says, and the commands that turn it on, off, and show it."""

    path: Path
    content: bytes
    on: tuple[tuple[str, ...], ...]
    off: tuple[tuple[str, ...], ...]
    show: tuple[str, ...]
    # Whether the system keeps a description of its own, of which the file is only where it was taken from.
    taken_over: bool = False


def service_for(platform: str, config: Path, state: Path, home: Path) -> Service:
    """The service of a platform (`sys.platform`). Raises `TriageError` where there is none."""
    # -P: the folder that a service starts in is no place to look for modules.
    command = (sys.executable, "-P", "-m", "triage", "--config", str(config), "--state", str(state), "run")
    if platform.startswith("linux"):
        return _systemd(command, home)
    if platform == "darwin":
        return _launchd(command, state, home)
    if platform == "win32":
        return _task(command, state)
    raise TriageError(f"{platform}: no service is known for this system; start `triage run` by its own means")


def _systemd(command: Sequence[str], home: Path) -> Service:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user"
    start = " ".join(_quoted(part) for part in command)
    unit = f"""[Unit]
Description=Sorts the mail that teachers write
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={start}
Restart=on-failure
RestartSec=60
RestartPreventExitStatus={_HOPELESS}
TimeoutStopSec=15
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""
    run = ("systemctl", "--user")
    return Service(
        folder / f"{NAME}.service",
        unit.encode(),
        on=((*run, "daemon-reload"), (*run, "enable", NAME), (*run, "restart", NAME)),
        off=((*run, "disable", "--now", NAME),),
        show=(*run, "--no-pager", "status", NAME),
    )


def _quoted(part: str) -> str:
    """A word of a unit file (systemd.syntax(7)): in quotes, with % and $ taken as they stand."""
    text = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"'


def _launchd(command: Sequence[str], state: Path, home: Path) -> Service:
    path = home / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
    content = plistlib.dumps(
        {
            "Label": _LABEL,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 60,
            "ProcessType": "Background",
            "Umask": 0o077,
            "StandardErrorPath": str(state / "daemon.log"),
        }
    )
    domain = f"gui/{os.getuid()}"
    return Service(
        path,
        content,
        on=(("launchctl", "bootstrap", domain, str(path)), ("launchctl", "kickstart", "-k", f"{domain}/{_LABEL}")),
        off=(("launchctl", "bootout", f"{domain}/{_LABEL}"),),
        show=("launchctl", "print", f"{domain}/{_LABEL}"),
    )


def _task(command: Sequence[str], state: Path) -> Service:
    program, *arguments = command
    task = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>10</Count></RestartOnFailure>
  </Settings>
  <Actions><Exec>
    <Command>{escape(program)}</Command>
    <Arguments>{escape(subprocess.list2cmdline(arguments))}</Arguments>
  </Exec></Actions>
</Task>
"""
    path = state / "triage-task.xml"
    return Service(
        path,
        task.encode("utf-16"),
        on=(("schtasks", "/create", "/f", "/tn", NAME, "/xml", str(path)), ("schtasks", "/run", "/tn", NAME)),
        off=(("schtasks", "/end", "/tn", NAME), ("schtasks", "/delete", "/f", "/tn", NAME)),
        show=("schtasks", "/query", "/tn", NAME, "/v", "/fo", "list"),
        taken_over=True,
    )


def install(service: Service) -> None:
    """Write the description and turn the service on. Raises `TriageError` naming what could not be done."""
    try:
        service.path.parent.mkdir(parents=True, exist_ok=True)
        service.path.write_bytes(service.content)
    except OSError as error:
        raise TriageError(f"{service.path}: cannot be written ({error.strerror})") from None
    for command in service.on:
        _run(command, f"{service.path} is written, but the service is not on")


def uninstall(service: Service) -> bool:
    """Turn the service off and take its description away; False where there was none.

    Raises `TriageError` where it could not be turned off; without its description it does not start again.
    """
    if not service.path.exists():
        return False
    try:
        for command in service.off:
            _run(command, "the service could not be turned off")
    except TriageError as error:
        if service.taken_over:
            raise
        service.path.unlink()
        raise TriageError(f"removed: {service.path}; but {error}; end `triage run` yourself if it runs") from None
    service.path.unlink()
    return True


def status(service: Service) -> tuple[bool, str]:
    """Whether the service is installed, and what the system says of it."""
    if not service.path.exists():
        return False, "not installed; run `triage service install`"
    done = _done(service.show)
    text = (done.stdout or done.stderr).strip() if done is not None else f"{service.show[0]}: no such program"
    return done is not None and done.returncode == 0, text


def _run(command: Sequence[str], trouble: str) -> None:
    done = _done(command)
    if done is None or done.returncode != 0:
        said = "no such program" if done is None else (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise TriageError(f"{trouble}: `{' '.join(command)}`: {said}")


def _done(command: Sequence[str]) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
