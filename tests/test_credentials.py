"""Where the password comes from: the system's keyring (a real one), a command, or one sentence that says what to do."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
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

# keyring takes a backend by name from the environment, and whatever is installed into its chain.
BACKENDS = """
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.backends.SecretService import Keyring

class PlaintextKeyring(KeyringBackend):
    priority = 1
    def get_password(self, service, username): return None
    def set_password(self, service, username, password): pass

class Unknown(PlaintextKeyring): pass
Chain = type("Chain", (ChainerBackend,), {"backends": [Keyring(), PlaintextKeyring()], "priority": 10})
Empty = type("Empty", (ChainerBackend,), {"backends": [], "priority": 10})
"""
# How the Secret Service behaves where something is wrong with it, each as it was met in the world.
SICK = """
from keyring.backends.SecretService import Keyring
from keyring.errors import KeyringLocked

Keyring.priority = 5

def half_dead(*_): raise ZeroDivisionError("org.freedesktop.DBus.Error: secret-canary")
def locked(*_): raise KeyringLocked("canary")
def forgetful(*_): return None

Keyring.get_password = Keyring.set_password = {name}
"""


def with_backend(folder: Path, name: str) -> dict[str, str]:
    if "." in name:
        (folder / "strange_backends.py").write_text(BACKENDS)
    else:
        (folder / "sitecustomize.py").write_text(SICK.replace("{name}", name))
        name = "keyring.backends.SecretService.Keyring"
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
        ("strange_backends.Empty", "this machine has no keyring"),
        ("keyring.backends.null.Keyring", "is not known to protect passwords"),
        ("strange_backends.PlaintextKeyring", "is not known to protect passwords"),
        ("strange_backends.Unknown", "is not known to protect passwords"),
        ("strange_backends.Chain", "is not known to protect passwords"),
        ("half_dead", "(ZeroDivisionError)"),
        ("locked", "unlock it"),
        ("forgetful", "password"),
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


# --- A machine without a keyring -----------------------------------------------------------------------------

posix = pytest.mark.skipif(os.name == "nt", reason="there are no such modes")


def headless(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", **more}


def name_file(home: Household, path: Path) -> None:
    text = home.config_file.read_text()
    home.config_file.write_text(text.replace('name = "home"', f'name = "home"\npassword_file = "{path}"'))


@posix
@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_credential_of_systemd_is_found_by_its_name(keyring_home: Household, tmp_path: Path, mode: int) -> None:
    """No key names it; where the service has none, the keyring is asked as ever."""
    given = tmp_path / "given"
    given.mkdir(mode=0o700)
    environment = headless(CREDENTIALS_DIRECTORY=str(given))
    assert "this machine has no keyring" in run(keyring_home, environment, "once").stderr
    (given / "triage-home").write_text(f"{PASSWORD}\n")
    (given / "triage-home").chmod(mode)
    done = run(keyring_home, environment, "once")
    assert done.returncode == 0, done.stderr
    assert "credential triage-home" in run(keyring_home, environment, "doctor").stdout


@posix
def test_a_password_is_kept_in_a_file_of_ones_own(keyring_home: Household, tmp_path: Path) -> None:
    """`triage password` writes it, for its owner alone, over one that was open to all too."""
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    name_file(keyring_home, path)
    assert run(keyring_home, headless(), "password", "home").returncode == 0
    assert (path.read_text(), path.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)
    done = run(keyring_home, headless(), "once")
    assert done.returncode == 0, done.stderr
    assert f"password_file ({path})" in run(keyring_home, headless(), "doctor").stdout


def _as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


@posix
@pytest.mark.parametrize("source", ["file", "credential"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.chmod(0o604), "chmod 600"),
        (lambda path: path.chmod(0o602), "chmod 600"),
        (_as_pipe, "is no plain file"),
        (_as_folder, "is no plain file"),
        (lambda path: path.write_text(f"\n{PASSWORD}"), "first line is empty"),
    ],
)
def test_a_file_that_is_not_for_one_alone_is_refused(
    keyring_home: Household, tmp_path: Path, source: str, spoil: Callable[[Path], object], words: str
) -> None:
    """Exit code 3 and one sentence, without the secret."""
    path = tmp_path / "triage-home"
    path.write_text(PASSWORD)
    path.chmod(0o600)
    spoil(path)
    if source == "file":
        name_file(keyring_home, path)
    done = run(keyring_home, headless(CREDENTIALS_DIRECTORY=str(tmp_path)), "once")
    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    assert PASSWORD not in done.stderr
    assert sum(line.startswith("triage: ") for line in done.stderr.splitlines()) == 1


@posix
def test_a_file_that_a_group_reads_is_refused_and_a_missing_one_told(tmp_path: Path) -> None:
    """Of systemd's own the group's bits are those of its access list, where the file is root's."""
    path = tmp_path / "secret"
    mine = account().model_copy(update={"password_command": None, "password_file": path})
    with pytest.raises(CredentialError, match="no such file; run `triage password home`"):
        secret_of(mine)
    path.write_text("x")
    path.chmod(0o640)
    with pytest.raises(CredentialError, match="others can read it"):
        secret_of(mine)


@posix
def test_no_process_with_a_secret_dumps_core(household: Household, tmp_path: Path) -> None:
    """Told by a command that `triage` started: limits are inherited."""
    out = tmp_path / "limits"
    program = f"import resource; open({str(out)!r}, 'w').write(str(resource.getrlimit(resource.RLIMIT_CORE)))"
    text = household.config_file.read_text()
    household.config_file.write_text(text.replace("print('", f"{program}; print('"))
    assert household.run("once").returncode == 0
    assert out.read_text() == "(0, 0)"


def account(*command: str) -> Account:
    return Account(name="home", host="imap.example.com", username="x", password_command=command or None)


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
