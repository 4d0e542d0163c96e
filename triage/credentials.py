"""The secret of an account: from a command or file the user names, the service manager, or the system's keyring.

The only importer of keyring. A secret is never put into an argument, an environment variable, a log or an exception.
"""

import contextlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import keyring  # noqa: TID251 - the one place
import keyring.backend  # noqa: TID251 - the one place
import keyring.errors  # noqa: TID251 - the one place

from triage.config import Account
from triage.disk import write_whole
from triage.errors import CredentialError
from triage.oauth2 import AccessToken, Grant, renew

# Keyrings that a system keeps encrypted, and opens with the user's session. All others are refused: some keep plain
# text (keyrings.alt, taken without a word where it is installed), some nothing at all.
PROTECTING = {f"keyring.backends.{name}" for name in ("SecretService", "kwallet", "libsecret", "macOS", "Windows")}
SERVICE, GRANTS = "triage", "triage oauth2"
COMMAND_SECONDS = 60


def forbid_core_dumps() -> None:
    """Let no crash write this process's memory, and the secret in it, to the disk; nor that of those it starts."""
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def secret_of(account: Account) -> str:
    """The password, or with `auth = "oauth2"` the access token, of an account. Raises `CredentialError`."""
    if account.password_command is not None:
        return _from_command(account)
    if account.auth == "oauth2":
        return _access_token(account)
    given = _given(account)
    if given is None:
        return _from_keyring(SERVICE, account.name, f"triage password {account.name}")
    secret = given.split("\n", 1)[0].rstrip("\r")
    if not secret:
        raise CredentialError(
            f'account "{account.name}": {source_of(account)}: its first line is empty; '
            f"run `triage password {account.name}`"
        )
    return secret


def source_of(account: Account) -> str:
    """Where the secret comes from, in words."""
    if account.password_command is not None:
        return "password_command"
    if account.password_file is not None:
        return f"password_file ({account.password_file})"
    if (credential := _service_credential(account.name)) is not None:
        return f"the service manager's credential {credential.name}"
    return f"keyring ({backend_name()})"


_tokens: dict[str, AccessToken] = {}
# Grants that the keyring did not take yet.
_grants: dict[str, Grant] = {}
_renewing = threading.Lock()


def _access_token(account: Account) -> str:
    """An access token that lasts a while yet, renewed where it does not."""
    with _renewing:
        known = _tokens.get(account.name)
        if known is None or not known.fresh:
            try:
                grant = _grants.get(account.name) or Grant.from_text(_grant_text(account))
            except ValueError:
                raise CredentialError(
                    f'account "{account.name}": what {source_of(account)} holds is no sign-in; '
                    f"run `triage signin {account.name}`"
                ) from None
            known, newer = renew(account, grant)
            # First in memory: some providers take each refresh token only once.
            _tokens[account.name] = known
            if newer != grant:
                store_grant(account, newer)
        return known.text


def _grant_text(account: Account) -> str:
    given = _given(account)
    return given if given is not None else _from_keyring(GRANTS, account.name, f"triage signin {account.name}")


def drop_access_token(account: Account) -> bool:
    """Forget an access token that the server did not take; True where another can be had."""
    return _tokens.pop(account.name, None) is not None


def store_grant(account: Account, grant: Grant) -> None:
    """Keep what a sign-in gave. Raises `CredentialError`; the grant is then known for as long as this process lives."""
    _grants[account.name] = grant
    if account.password_file is not None:
        _write_private(account.password_file.expanduser(), grant.to_text(), f'account "{account.name}"')
    elif _service_credential(account.name) is not None:
        # It cannot be written; with the next start the service manager gives the first grant again.
        return
    else:
        _store(GRANTS, account.name, grant.to_text())
    _grants.pop(account.name, None)


def _from_command(account: Account) -> str:
    command = list(account.password_command or ())
    where = f'account "{account.name}": password_command ({command[0]})'
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError:
        raise CredentialError(f"{where}: no such program; install it, or write its whole path") from None
    except subprocess.TimeoutExpired:
        raise CredentialError(
            f"{where}: gave no answer within {COMMAND_SECONDS} seconds; run it yourself and see what it waits for"
        ) from None
    except OSError as error:
        raise CredentialError(f"{where}: cannot be run ({error.strerror}); see whether you may run it") from None
    if done.returncode != 0:
        raise CredentialError(f"{where}: failed with exit code {done.returncode}; run it yourself to see why")
    # Only the first line: `pass` and its like keep notes below the password.
    secret = done.stdout.decode("utf-8", "replace").split("\n", 1)[0].rstrip("\r")
    if not secret:
        raise CredentialError(f"{where}: printed nothing; its first line must be the secret")
    return secret


# --- Files and the service manager -----------------------------------------------------------------------

# Whatever is larger is no password and no grant.
_LARGEST = 64 * 1024


def _given(account: Account) -> str | None:
    """What the named file holds, or the service manager gave; None where there is neither."""
    path = account.password_file.expanduser() if account.password_file else _service_credential(account.name)
    if path is None:
        return None
    where = f'account "{account.name}": {source_of(account)}'
    try:
        # A pipe must not make it wait.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            _refuse_shared(os.fstat(descriptor), where, acl=account.password_file is None)
            return os.read(descriptor, _LARGEST).decode("utf-8", "replace")
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        how = "signin" if account.auth == "oauth2" else "password"
        raise CredentialError(f"{where}: no such file; run `triage {how} {account.name}`") from None
    except OSError as error:
        raise CredentialError(f"{where}: cannot be read ({error.strerror}); see that it is yours") from None


def _service_credential(name: str) -> Path | None:
    """The credential `triage-ACCOUNT` of systemd (systemd.exec(5), Credentials), where the service has one."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name:
        return None
    path = Path(folder) / f"triage-{name}"
    return path if path.exists() else None


def _refuse_shared(found: os.stat_result, where: str, *, acl: bool) -> None:
    """Refuse a file that others can read or own; `acl`: systemd lets a user in beside root, which shows as the group's.

    Windows has no such modes; there a file is as private as its folder.
    """
    if not stat.S_ISREG(found.st_mode):
        raise CredentialError(f"{where}: is no plain file; name one")
    if os.name == "nt":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise CredentialError(f"{where}: belongs to another user; make it your own with `chown`")
    others = stat.S_IRWXO if acl and (found.st_uid, found.st_gid) == (0, 0) else stat.S_IRWXG | stat.S_IRWXO
    if found.st_mode & others:
        raise CredentialError(f"{where}: others can read it; run `chmod 600` on it, and change the password")


def _write_private(path: Path, text: str, where: str) -> None:
    """Write a file whole or not at all, for its owner alone. Raises `CredentialError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise CredentialError(f"{where}: password_file ({path}): cannot be written ({error.strerror})") from None


# --- The keyring -----------------------------------------------------------------------------------------


def _from_keyring(service: str, name: str, how: str) -> str:
    _usable_backend(name)
    try:
        secret = keyring.get_password(service, name)
    except Exception as error:  # noqa: BLE001
        # Backends raise beyond keyring's own errors, and their texts are not for users.
        raise CredentialError(
            f'account "{name}": the keyring cannot be read ({type(error).__name__}); unlock it, or set password_command'
        ) from None
    if secret is None:
        what = "password" if service == SERVICE else "sign-in"
        raise CredentialError(f'account "{name}": no {what} stored; run `{how}`')
    return secret


def store_secret(account: Account, secret: str) -> None:
    """Keep an account's password in its file, or in the keyring and read it back. Raises `CredentialError`."""
    if account.password_file is not None:
        _write_private(account.password_file.expanduser(), secret, f'account "{account.name}"')
    else:
        _store(SERVICE, account.name, secret)


def keyring_trouble(account: str) -> str:
    """Why no keyring can keep an account's secret, empty where one can."""
    try:
        _usable_backend(account)
    except CredentialError as error:
        return str(error)
    return ""


def _store(service: str, name: str, secret: str) -> None:
    _usable_backend(name)
    try:
        keyring.set_password(service, name, secret)
        kept = keyring.get_password(service, name) == secret
    except Exception as error:  # noqa: BLE001 - as above
        raise CredentialError(
            f'account "{name}": the keyring cannot be written ({type(error).__name__}); '
            "unlock it, or set password_command"
        ) from None
    if not kept:
        raise CredentialError(f'account "{name}": the keyring did not keep the password; set password_command instead')


def backend_name() -> str:
    """The keyring in use, in words."""
    try:
        return str(keyring.get_keyring().name)
    except Exception as error:  # noqa: BLE001 - as below
        return type(error).__name__


def _usable_backend(name: str) -> None:
    """Refuse a keyring that is none, or that would keep a password for all to read."""
    try:
        backend = keyring.get_keyring()
    except Exception as error:  # noqa: BLE001 - a backend that is named and not there
        kind = type(error).__name__
        raise CredentialError(f'account "{name}": the keyring cannot be used ({kind}); {_keyring_hint()}') from None
    # The chainer passes over those that fail.
    modules = {type(one).__module__ for one in getattr(backend, "backends", [backend])} - {"keyring.backends.fail"}
    if not modules:
        problem = "this machine has no keyring"
    elif not modules <= PROTECTING:
        problem = f'the keyring "{backend.name}" is not known to protect passwords'
    else:
        return
    raise CredentialError(
        f'account "{name}": {problem}; {_keyring_hint()}, or set password_command or password_file in the configuration'
    )


def _keyring_hint() -> str:
    if sys.platform.startswith("linux"):
        return "install and unlock GNOME Keyring or KWallet"
    return "unlock the system's keyring"
