"""Against pymap, the server of the demo: it keeps no keywords, so that folders alone show the kind of a mail."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.mail import a_mail
from triage.config import Account
from triage.cycle import abilities_of
from triage.demo import USER, DemoServer, demo_server
from triage.mailbox import Mail, Mailbox
from triage.reading import content_key

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with demo_server() as running:
        yield running


def account_on(server: DemoServer) -> Account:
    return Account(name="demo", host="127.0.0.1", port=server.port, security="none", username=USER)


def test_the_demo_starts_with_any_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in 64 begins with a dash, as options do."""
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: "-Vx_8")
    with demo_server() as server, Mailbox.connect(account_on(server), server.password) as box:
        assert box.select("INBOX", readonly=True).exists == 0


def write_config(folder: Path, server: DemoServer) -> Path:
    path = folder / "config.toml"
    path.write_text(
        f"""
timezone = "America/New_York"
[[children]]
name = "Maya"
[[accounts]]
name = "home"
host = "127.0.0.1"
port = {server.port}
security = "none"
username = "{USER}"
password_command = ["{sys.executable}", "-c", "print('{server.password}')"]
[school]
domains = ["maplewood.k12.example"]
"""
    )
    return path


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "triage", "--config", str(folder / "config.toml"), "--state", str(folder / "s")]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_the_verbs_work_on_a_second_server(server: DemoServer) -> None:
    """Read, key, copy, move, remove and append as on Dovecot; no keyword is promised."""
    raw = a_mail()
    with Mailbox.connect(account_on(server), server.password) as box:
        box.append("INBOX", [Mail(raw, (), NOW), Mail(a_mail(), (), NOW)])
        selected = box.select("INBOX")
        assert not selected.keywords
        first, second = box.starting_at(1)
        (fetched,) = box.read([first])
        assert fetched.raw == raw
        assert fetched.key == content_key(raw[: raw.index(b"\r\n\r\n") + 4], len(raw))
        assert "\\Seen" not in box.flags([first])[first]
        box.create_folder("School/Homework")
        box.copy([first], "School/Homework")
        box.remove([first])
        assert box.starting_at(1) == [second]
        box.move([second], "School/Homework")
        assert box.starting_at(1) == []
        box.select("School/Homework")
        assert set(box.keys(box.starting_at(1)).values()) >= {fetched.key}


def test_without_keywords_the_folder_alone_shows_the_kind(server: DemoServer, tmp_path: Path) -> None:
    """Filed, noted, undone; `doctor` says that there are no tags."""
    config = write_config(tmp_path, server)
    kinds = ("homework", "behavior", "praise", "not_school")
    with Mailbox.connect(account_on(server), server.password) as box:
        box.append("INBOX", [Mail(a_mail(kind), (), datetime.now(UTC)) for kind in kinds])
        from triage.config import load_config

        assert abilities_of(box, box.select("INBOX"), load_config(config)).tags == "none"
    done = run(tmp_path, "once", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accounts"][0]["filed"] == 3
    assert "keeps no tags" in run(tmp_path, "doctor").stdout
    folders = ("INBOX", "School/Homework", "School/Behavior", "School/Praise")
    with Mailbox.connect(account_on(server), server.password) as box:
        counts = {name: status.exists for name in folders if (status := box.status(name)) is not None}
        # Each filed mail has its note beside it.
        assert counts == {"INBOX": 1, "School/Homework": 2, "School/Behavior": 2, "School/Praise": 2}
    assert run(tmp_path, "undo").returncode == 0
    with Mailbox.connect(account_on(server), server.password) as box:
        assert [box.status(name).exists for name in folders] == [4, 0, 0, 0]  # type: ignore[union-attr]
