"""Reaching an IMAP server and signing in; TLS is always verified, and nothing is sent in the clear but on loopback.

With `mailbox`, the only importer of imapclient; here its exceptions become ours.
"""

import imaplib
import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import imapclient  # noqa: TID251 - the other half of mailbox.py
from imapclient import exceptions as imap_errors  # noqa: TID251 - the other half of mailbox.py

from triage.config import Account
from triage.errors import CredentialError, MailboxError, RefusedError, SignInRefusedError

# At DEBUG imapclient logs the mail itself.
logging.getLogger("imapclient").setLevel(logging.WARNING)

CONNECT_SECONDS = 15
READ_SECONDS = 60
# All of STARTTLS, or all of signing in: the socket's own timeout runs anew with each octet.
SIGN_IN_SECONDS = 120


def connect(account: Account) -> imapclient.IMAPClient:
    """A connection, not yet signed in. Raises `MailboxError` where the server cannot be reached or trusted."""
    context = _tls(account)
    where = f'account "{account.name}": {account.host}:{account.imap_port}'
    try:
        client = imapclient.IMAPClient(
            account.host,
            port=account.imap_port,
            ssl=account.security == "tls",
            ssl_context=context,
            timeout=imapclient.SocketTimeout(CONNECT_SECONDS, READ_SECONDS),
        )
        client.normalise_times = False
        if account.security == "starttls":
            _start_tls(client, context, where)
    except ssl.SSLCertVerificationError as error:
        raise MailboxError(
            f"{where}: the server's certificate is not trusted ({error.verify_message}); "
            "check host, or name its authority with ca_file"
        ) from None
    except ssl.SSLError as error:
        raise MailboxError(f"{where}: no secure connection ({error.reason}); check port and security") from None
    except (socket.gaierror, UnicodeError):
        raise MailboxError(f"{where}: this name cannot be found; check host and your connection") from None
    except (OSError, imap_errors.IMAPClientError) as error:
        raise MailboxError(f"{where}: cannot be reached ({_short(error)})") from None
    return client


def _tls(account: Account) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if account.ca_file is not None:
        try:
            context.load_verify_locations(account.ca_file.expanduser())
        except (OSError, RuntimeError):
            named = f'account "{account.name}": ca_file {account.ca_file}'
            raise MailboxError(f"{named} is no readable PEM certificate") from None
    return context


def _start_tls(client: imapclient.IMAPClient, context: ssl.SSLContext, where: str) -> None:
    try:
        with deadline(client):
            client.starttls(context)
    except ssl.SSLError:
        shut(client)
        raise
    except (imap_errors.IMAPClientError, OSError):
        shut(client)
        raise MailboxError(f"{where}: the server offers no STARTTLS; nothing was sent in the clear") from None


def sign_in(client: imapclient.IMAPClient, account: Account, secret: str) -> None:
    """Log in. Raises `SignInRefusedError`, or `MailboxError` where the server cannot serve anybody now."""
    who = f'account "{account.name}"'
    if re.search(r"[\x00\r\n]", secret):
        raise CredentialError(f"{who}: the stored secret holds a line break; store it again")
    try:
        if account.auth == "oauth2":
            # OAUTHBEARER is the standard (RFC 7628); XOAUTH2 is what the two large providers have.
            if client.has_capability("AUTH=OAUTHBEARER") and not client.has_capability("AUTH=XOAUTH2"):
                client.oauthbearer_login(account.username, secret)
            else:
                client.oauth2_login(account.username, secret)
        elif not secret.isascii() or not account.username.isascii():
            client.plain_login(account.username, secret)
        else:
            client.login(account.username, secret)
    except (imap_errors.IMAPClientError, OSError) as error:
        # The server may echo the command, secret and all: only its response code is looked at.
        text = str(error).upper()
        broken = isinstance(error.__context__, imap_errors.IMAPClientAbortError | OSError) or isinstance(error, OSError)
        if broken or any(code in text for code in ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "TOO MANY")):
            raise MailboxError(f"{who}: the server cannot sign anybody in just now; try again later") from None
        if account.auth == "oauth2" and account.password_command is None:
            raise SignInRefusedError(
                f"{who}: the server refused the sign-in; run `triage signin {account.name}` again"
            ) from None
        given = "by password_command" if account.password_command else f"with `triage password {account.name}`"
        raise SignInRefusedError(
            f"{who}: the server refused user name and password; "
            f"many providers want an app password here (given {given})"
        ) from None


def shut(client: imapclient.IMAPClient) -> None:
    """Cut the connection at once; whatever waits on it wakes up."""
    with suppress(OSError, AttributeError):
        client.socket().shutdown(socket.SHUT_RDWR)
    with suppress(OSError, imap_errors.IMAPClientError):
        client.shutdown()


@contextmanager
def deadline(client: imapclient.IMAPClient) -> Iterator[None]:
    """Cut the connection if what is done here takes longer than `SIGN_IN_SECONDS`."""
    watchdog = threading.Timer(SIGN_IN_SECONDS, shut, (client,))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


@contextmanager
def translated(account: str) -> Iterator[None]:
    """Imaplib's exceptions to ours: `RefusedError` where the connection still stands, else `MailboxError`."""
    where = f'account "{account}"'
    try:
        yield
    except imap_errors.IMAPClientReadOnlyError:
        # A subclass of "abort", but the connection stands.
        raise RefusedError(f"{where}: the folder is read-only") from None
    except (imap_errors.IMAPClientAbortError, imap_errors.ProtocolError, OSError, MemoryError) as error:
        raise MailboxError(f"{where}: the connection broke ({_short(error)})") from None
    except (imap_errors.IMAPClientError, imaplib.IMAP4.error) as error:
        raise RefusedError(f"{where}: the server refused ({_short(error)})") from None


def _short(error: BaseException) -> str:
    """An error without a server's free text, which may quote mail: its response code or its class."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return "no answer in time"
    match = re.search(r"\[([A-Z]{3,20})\b[^\]]{0,40}\]", str(error))
    return match.group(1) if match else type(error).__name__
