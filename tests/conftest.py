"""Servers, mailboxes and state folders for all tests."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from tests.support.dovecot import PASSWORD, Dovecot, start_dovecot
from tests.support.faults import FaultProxy
from triage.config import Account, Config

hypothesis.settings.register_profile(
    "default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], max_examples=60
)
hypothesis.settings.register_profile("long", parent=hypothesis.settings.get_profile("default"), max_examples=1500)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ROOT = Path(__file__).parent.parent
SHARED_MAIL = ROOT.parent / "shared" / "mail"


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """A server with everything: MOVE, UIDPLUS, IDLE, CONDSTORE, keywords."""
    server = start_dovecot(tmp_path_factory.mktemp("dovecot"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def dovecot_without_move(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """UIDPLUS but no MOVE, no CONDSTORE, no IDLE; folders below INBOX with a dot, as Courier has them."""
    server = start_dovecot(
        tmp_path_factory.mktemp("dovecot-courier"),
        capability="IMAP4rev1 LITERAL+ UIDPLUS NAMESPACE CHILDREN",
        namespace="prefix = INBOX.\n  separator = .",
    )
    yield server
    server.stop()


@pytest.fixture(scope="session")
def dovecot_bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """Neither MOVE nor UIDPLUS: nothing can leave a folder safely."""
    server = start_dovecot(tmp_path_factory.mktemp("dovecot-bare"), capability="IMAP4rev1")
    yield server
    server.stop()


def account_on(server: Dovecot, user: str, **changes: object) -> Account:
    """An account on a test server, over TLS."""
    values: dict[str, object] = {
        "name": "home",
        "host": "127.0.0.1",
        "port": server.tls_port,
        "ca_file": server.ca_file,
        "username": user,
    }
    return Account.model_validate(values | changes)


@dataclass
class Household:
    """A parent's machine: configuration, state folder, a mailbox on a server, and the `triage` command."""

    server: Dovecot
    user: str
    folder: Path

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def write_config(self, extra: str = "", *, account: str = "", password: str = PASSWORD) -> None:
        """A configuration for this mailbox; `account` are further lines of its table, `extra` of the file."""
        self.config_file.write_text(
            f"""
timezone = "America/New_York"
[[children]]
name = "Maya"
[[accounts]]
name = "home"
host = "127.0.0.1"
port = {self.server.tls_port}
ca_file = "{self.server.ca_file}"
username = "{self.user}"
password_command = ["{sys.executable}", "-c", "print('{password}')"]
{account}
[school]
domains = ["maplewood.k12.example"]
{extra}
""",
            encoding="utf-8",
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line, to be run by hand."""
        return [
            sys.executable,
            "-m",
            "triage",
            "--config",
            str(self.config_file),
            "--state",
            str(self.state),
            *arguments,
        ]

    def run(self, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        done = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, timeout=900, check=False)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def deliver(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Put mail into the mailbox, as the world does."""
        with self.server.client(self.user) as client:
            for raw in mails:
                client.append(folder, raw)

    def contents(self) -> dict[str, int]:
        """Number of messages of each folder that has any."""
        with self.server.client(self.user) as client:
            names = [name for flags, _, name in client.list_folders() if b"\\Noselect" not in flags]
            found = {name: int(client.folder_status(name, ["MESSAGES"])[b"MESSAGES"]) for name in names}
        return {name: count for name, count in sorted(found.items()) if count}


@pytest.fixture
def household(dovecot: Dovecot, tmp_path: Path) -> Household:
    """A new parent with an empty mailbox on the server that has everything."""
    home = Household(dovecot, dovecot.new_user(), tmp_path)
    home.write_config()
    return home


@pytest.fixture
def config() -> Config:
    """A household with two children and a known school."""
    return Config.model_validate_json(
        """{"timezone": "America/New_York",
            "children": [{"name": "Maya", "aliases": ["Maya R."], "plan": "504"}, {"name": "Leo"}],
            "school": {"domains": ["maplewood.k12.example"],
                       "teachers": [{"name": "Ms. Alvarez", "address": "alvarez@maplewood.k12.example",
                                     "children": ["Maya"]}]}}"""
    )


@pytest.fixture
def run_triage(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """`triage` as a process, with no configuration and a state folder of its own."""

    def run(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "none"), "TRIAGE_STATE": str(tmp_path / "state")}
        done = subprocess.run(
            [sys.executable, "-m", "triage", *arguments],
            input=stdin,
            capture_output=True,
            timeout=600,
            check=False,
            env=environment,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def has_program(name: str) -> bool:
    """Whether a program is installed."""
    return shutil.which(name) is not None


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[FaultProxy]:
    """A line to the server on which every command may fail."""
    standing = FaultProxy(dovecot.plain_port)
    yield standing
    standing.stop()
