"""The secret of an account: from a command the user names, or the system's keyring; the only importer of keyring.

A secret is never put into an argument, an environment variable, a log or an exception.
"""

import subprocess
import sys
import threading

import keyring  # noqa: TID251 - the one place
import keyring.backend  # noqa: TID251 - the one place
import keyring.errors  # noqa: TID251 - the one place

from triage.config import Account
from triage.errors import CredentialError
from triage.oauth2 import AccessToken, Grant, renew

SERVICE, GRANTS = "triage", "triage oauth2"
COMMAND_SECONDS = 60


def secret_of(account: Account) -> str:
    """The password, or with `auth = "oauth2"` the access token, of an account. Raises `CredentialError`."""
    if account.password_command is not None:
        return _from_command(account)
    if account.auth == "oauth2":
        return _access_token(account)
    return _from_keyring(SERVICE, account.name, f"triage password {account.name}")


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
                grant = _grants.get(account.name) or Grant.from_text(
                    _from_keyring(GRANTS, account.name, f"triage signin {account.name}")
                )
            except ValueError:
                how = f"triage signin {account.name}"
                raise CredentialError(
                    f'account "{account.name}": what the keyring holds is no sign-in; run `{how}`'
                ) from None
            known, newer = renew(account, grant)
            # First in memory: some providers take each refresh token only once.
            _tokens[account.name] = known
            if newer != grant:
                store_grant(account, newer)
        return known.text


def drop_access_token(account: Account) -> bool:
    """Forget an access token that the server did not take; True where another can be had."""
    return _tokens.pop(account.name, None) is not None


def store_grant(account: Account, grant: Grant) -> None:
    """Keep what a sign-in gave. Raises `CredentialError`; the grant is then known for as long as this process lives."""
    _grants[account.name] = grant
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
        raise CredentialError(f"{where}: no such program") from None
    except subprocess.TimeoutExpired:
        raise CredentialError(f"{where}: gave no answer within {COMMAND_SECONDS} seconds") from None
    except OSError as error:
        raise CredentialError(f"{where}: cannot be run ({error.strerror})") from None
    if done.returncode != 0:
        raise CredentialError(f"{where}: failed with exit code {done.returncode}")
    # Only the first line: `pass` and its like keep notes below the password.
    secret = done.stdout.decode("utf-8", "replace").split("\n", 1)[0].rstrip("\r")
    if not secret:
        raise CredentialError(f"{where}: printed nothing")
    return secret


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


def store_secret(name: str, secret: str) -> None:
    """Keep an account's password in the keyring, and read it back. Raises `CredentialError`."""
    _store(SERVICE, name, secret)


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
    backends = getattr(backend, "backends", [backend])
    kinds = {f"{type(one).__module__}.{type(one).__name__}" for one in backends}
    if all(".fail." in kind for kind in kinds):
        raise CredentialError(
            f'account "{name}": this machine has no keyring; {_keyring_hint()}, '
            "or set password_command in the configuration"
        )
    if any(".null." in kind or "Plaintext" in kind for kind in kinds):
        raise CredentialError(
            f'account "{name}": the keyring "{backend.name}" does not protect passwords; '
            f"{_keyring_hint()}, or set password_command in the configuration"
        )


def _keyring_hint() -> str:
    if sys.platform.startswith("linux"):
        return "install and unlock GNOME Keyring or KWallet"
    return "unlock the system's keyring"
