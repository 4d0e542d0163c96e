"""Where the password comes from: the system's keyring (a real one), a command, or one sentence that says what to do."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Household
from tests.support.dovecot import PASSWORD
from triage.config import Account
from triage.credentials import secret_of
from triage.errors import CredentialError

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="gnome-keyring is Linux's; elsewhere the keyring is the user's"
)

# keyring takes a backend by name from the environment; each of these behaves as one that was met in the world.
BACKENDS = """
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

class _Kept(KeyringBackend):
    priority = 1
    def get_password(self, service, username): return None
    def set_password(self, service, username, password): pass
    def delete_password(self, service, username): pass

class PlaintextKeyring(_Kept): pass
class Forgetful(_Kept): pass
class HalfDead(_Kept):
    def get_password(self, service, username): raise ZeroDivisionError("org.freedesktop.DBus.Error: secret-canary")
    set_password = get_password
class Locked(_Kept):
    def get_password(self, service, username): raise KeyringLocked("canary")
    set_password = get_password
"""


def with_backend(folder: Path, name: str) -> dict[str, str]:
    (folder / "strange_backends.py").write_text(BACKENDS)
    path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return {**os.environ, "PYTHONPATH": path, "PYTHON_KEYRING_BACKEND": name}


def run(home: Household, environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        home.command(*arguments),
        input=PASSWORD,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )


@pytest.fixture
def keyring_home(household: Household) -> Household:
    """A household whose password is in no command."""
    text = household.config_file.read_text()
    lines = [line for line in text.split("\n") if not line.startswith("password_command")]
    household.config_file.write_text("\n".join(lines))
    return household


@linux
def test_a_password_is_kept_in_a_real_keyring(keyring_home: Household, tmp_path: Path) -> None:
    """`triage password` stores it in GNOME Keyring, `triage once` finds it there; nothing of it stands in a file."""
    (tmp_path / "run").mkdir(mode=0o700)
    store = shlex.join(keyring_home.command("password", "home"))
    once = shlex.join(keyring_home.command("once"))
    missing = shlex.join(keyring_home.command("password", "work"))
    script = (
        "printf unlock | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; "
        f"{once}; echo before $?; printf '%s\\n' {PASSWORD} | {store}; echo stored $?; {once}; echo after $?; "
        f"echo x | {missing}; echo missing $?"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    environment |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    environment.pop("PYTHON_KEYRING_BACKEND", None)
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert "before 3" in done.stdout, done.stderr
    assert "no password stored; run `triage password home`" in done.stderr
    assert "stored 0" in done.stdout
    assert "after 0" in done.stdout
    assert "missing 2" in done.stdout
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("keyrings" in path.parts for path in kept)
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("keyring.backends.fail.Keyring", "this machine has no keyring"),
        ("keyring.backends.null.Keyring", "does not protect passwords"),
        ("strange_backends.PlaintextKeyring", "does not protect passwords"),
        ("strange_backends.HalfDead", "cannot be"),
        ("strange_backends.Locked", "unlock it"),
        ("strange_backends.Forgetful", "password"),
    ],
)
def test_a_keyring_that_is_none_is_told_in_one_sentence(
    keyring_home: Household, tmp_path: Path, backend: str, words: str
) -> None:
    """Exit code 3, what to do, and no word of the backend's own error; the same when storing."""
    environment = with_backend(tmp_path, backend)
    for arguments in (("once",), ("password", "home")):
        done = run(keyring_home, environment, *arguments)
        assert done.returncode == 3
        assert words in done.stderr
        assert "password_command" in done.stderr or "triage password" in done.stderr
        assert "Traceback" not in done.stderr
        assert "canary" not in done.stderr
        # The keyring may say something of its own; ours is one line.
        assert sum(line.startswith("triage: ") for line in done.stderr.splitlines()) == 1


def account(*command: str) -> Account:
    return Account(name="home", host="imap.example.com", username="x", password_command=command)


def test_the_first_line_of_a_command_is_the_secret() -> None:
    """`pass` keeps notes below it; spaces and other letters belong to the secret."""
    program = "print('gehe im pässchen ');print('user: x')"
    assert secret_of(account(sys.executable, "-c", program)) == "gehe im pässchen "


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/nonexistent/program",), "no such program"),
        (("/",), "cannot be run"),
        ((sys.executable, "-c", "import sys; print('canary'); sys.exit(7)"), "failed with exit code 7"),
        ((sys.executable, "-c", "pass"), "printed nothing"),
    ],
)
def test_a_command_that_fails_is_told(command: tuple[str, ...], words: str) -> None:
    """The account and the program are named, its output is not."""
    with pytest.raises(CredentialError, match=words) as caught:
        secret_of(account(*command))
    assert 'account "home"' in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_command_may_print_an_access_token() -> None:
    """What helpers for OAuth 2.0 do; our own sign-in is proved in test_oauth2."""
    mine = account(sys.executable, "-c", "print('token')").model_copy(update={"auth": "oauth2"})
    assert secret_of(mine) == "token"
