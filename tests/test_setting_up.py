"""`triage init`: from an address to a working configuration, with a real keyring and a real server."""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Household
from tests.support.dovecot import PASSWORD
from tests.support.mail import a_mail
from triage.config import load_config
from triage.errors import ConfigError
from triage.setting_up import Answers, Console, ask_account, ask_family, provider_of, write_config

linux = pytest.mark.skipif(sys.platform != "linux", reason="gnome-keyring is Linux's")


def console(*answers: str) -> tuple[Console, list[str]]:
    """A console that gives these answers in turn, and what it was told."""
    left, told = list(answers), list[str]()

    def ask(_question: str, usual: str) -> str:
        return left.pop(0) or usual

    return Console(ask, lambda question, _choices, usual: ask(question, usual), lambda _: "s", told.append), told


@pytest.mark.parametrize(
    ("address", "host", "oauth2"),
    [
        ("jo@gmail.com", "imap.gmail.com", ""),
        ("Jo@ICLOUD.com", "imap.mail.me.com", ""),
        ("jo@outlook.com", "outlook.office365.com", "microsoft"),
    ],
)
def test_a_provider_is_known_by_its_domain(address: str, host: str, oauth2: str) -> None:
    """Whatever its letters; others are asked for."""
    found = provider_of(address)
    assert found is not None
    assert (found.host, found.oauth2) == (host, oauth2)
    assert found.hint
    assert provider_of("jo@somewhere.example") is None


def test_the_questions_have_usual_answers() -> None:
    """A wrong form is asked again; the server of an unknown domain is guessed; everything else may be passed over."""
    asked, told = console("nonsense", "jo@rivera.example", "", "", "", "", "", "25:00", "07:15", "")
    answers = ask_family(asked, ask_account(asked), "America/New_York")
    assert (answers.address, answers.host, answers.digest_at) == ("jo@rivera.example", "imap.rivera.example", "07:15")
    assert (answers.children, answers.domains, answers.zone, answers.mode) == ([], [], "America/New_York", "move")
    assert any("nonsense" in line for line in told)
    outlook, _ = console("jo@hotmail.com", "client-1")
    assert ask_account(outlook).client_id == "client-1"


@given(st.lists(st.text(min_size=1, max_size=30), max_size=3, unique=True))
def test_any_name_is_written_as_it_is(names: list[str]) -> None:
    """Quotes, backslashes and other letters come back from TOML unchanged."""
    answers = Answers("jo@x.example", "imap.x.example", children=names, zone="UTC")
    children = tomllib.loads(answers.to_toml()).get("children", [])
    assert [child["name"] for child in children] == names


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """For its owner alone; a wrong answer is named, and no file is left."""
    path = tmp_path / "new" / "config.toml"
    good = Answers("jo@x.example", "imap.x.example", children=["Maya"], domains=["school.example"], zone="UTC")
    config = write_config(good, path)
    assert config == load_config(path)
    assert path.stat().st_mode & 0o777 == 0o600
    bad = Answers("jo@x.example", "imap.x.example", zone="Mars/Olympus")
    with pytest.raises(ConfigError, match="Mars/Olympus"):
        write_config(bad, tmp_path / "bad.toml")
    assert list(tmp_path.glob("bad*")) == []


def without_keyring(household: Household, *answers: str) -> "subprocess.CompletedProcess[str]":
    """`triage init` where there is none."""
    server = f"127.0.0.1:{household.server.tls_port}"
    command = household.command("init", "--host", server, "--ca-file", str(household.server.ca_file))
    environment = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "TZ": "UTC"}
    said = "\n".join([household.user, "", *answers, ""])
    return subprocess.run(
        command, input=said, capture_output=True, text=True, timeout=120, check=False, env=environment
    )


def test_init_without_a_keyring_says_so_before_the_password(household: Household) -> None:
    """And keeps it in a file for the owner alone, or writes nothing."""
    household.user += "@localhost"
    household.deliver(a_mail("homework", number=1))
    household.config_file.unlink()
    kept = household.config_file.with_name("home.secret")
    done = without_keyring(household, "no", PASSWORD)
    assert (done.returncode, household.config_file.exists(), kept.exists()) == (3, False, False)
    assert "this machine has no keyring" in done.stderr
    assert "nothing was written" in done.stderr
    assert "Password" not in done.stderr
    done = without_keyring(household, "", PASSWORD, "Maya", "", "", "", "", "")
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("no keyring") < done.stderr.index("written to")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)
    assert load_config(household.config_file).accounts[0].password_file == kept
    assert household.run("once").returncode == 0


def test_init_loses_nothing_where_the_secret_cannot_be_kept(household: Household) -> None:
    """The account is written, and what is still to do is said."""
    household.user += "@localhost"
    household.config_file.unlink()
    # A folder stands where the file should.
    household.config_file.with_name("home.secret").mkdir()
    done = without_keyring(household, "", PASSWORD)
    assert done.returncode == 3
    assert "written, with the account alone" in done.stderr
    assert "run `triage password home`" in done.stderr
    assert load_config(household.config_file).accounts[0].username == household.user


@linux
def test_init_ends_with_a_preview(household: Household, tmp_path: Path) -> None:
    """Wrong password first, then the right one: kept in the keyring; configuration written; nothing filed yet."""
    household.user += "@localhost"
    household.deliver(a_mail("homework", number=1), a_mail("not_school", number=2))
    household.config_file.unlink()
    (tmp_path / "run").mkdir(mode=0o700)
    answers = [household.user, "", "wrong-password", PASSWORD, "Maya", "maplewood.k12.example", "", "", "", ""]
    server = f"127.0.0.1:{household.server.tls_port}"
    init = household.command("init", "--host", server, "--ca-file", str(household.server.ca_file))
    piped = "\\n".join(answers)
    script = (
        "printf unlock | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; "
        f"printf '{piped}\\n' | {shlex.join(init)}; echo init $?; "
        f"printf 'x\\n' | {shlex.join(init)}; echo again $?; {shlex.join(household.command('once'))}; echo once $?"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "TZ": "UTC"}
    environment |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    environment.pop("PYTHON_KEYRING_BACKEND", None)
    command = ["dbus-run-session", "--", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment)
    assert "init 0" in done.stdout, done.stderr
    assert "refused user name and password" in done.stderr
    assert "again 2" in done.stdout
    assert "once 0" in done.stdout
    assert household.contents().get("School/Homework") == 2
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]
    assert load_config(household.config_file).children[0].name == "Maya"
