"""Reaching an IMAP server and signing in; TLS is always verified, and nothing is sent in the clear but on loopback.

With `mailbox`, the only importer of imapclient; here its exceptions become ours.
"""

import imaplib
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import imapclient  # noqa: TID251 - the other half of mailbox.py
from imapclient import exceptions as imap_errors  # noqa: TID251 - the other half of mailbox.py

from triage import __version__
from triage.config import Account
from triage.errors import (
    AnswerError,
    ConfigError,
    CredentialError,
    LimitedError,
    MailboxError,
    NotSignedInError,
    RefusedError,
    SignInRefusedError,
)

# At DEBUG imapclient logs the mail itself, as a warning what a server says of it.
logging.getLogger("imapclient").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 15
READ_SECONDS = 60
# All of the greeting, of STARTTLS, or of signing in: the socket's own timeout runs anew with each octet.
SIGN_IN_SECONDS = 80
# A peer that went away without a word is noticed after 40 + 4 * 10 seconds, in IDLE too.
KEEPALIVE = {"TCP_KEEPIDLE": 40, "TCP_KEEPALIVE": 40, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}
# How servers say that they were asked too much: Gmail, Yahoo, Exchange; and RFC 5530's code. To a command that changes
# something that code tells of another limit, such as the number of keywords: then the command alone is refused.
_WANTS_PAUSE = re.compile(
    r"\[THROTTLED\]|too many (?:\w+ )?(?:connections|requests|commands|sessions|logins?)|rate limit|throttl|bandwidth"
    r"|authenticated but not connected",
    re.IGNORECASE,
)
# A user name that LOGIN takes as it stands: imaplib puts no quotes around it.
_ATOM = re.compile(r'[^\x00-\x20\x7f-\uffff(){%*"\\]+')
# What imaplib says of a line of which it has read no more than the beginning.
_ENDLESS = re.compile(r"got more than \d+ bytes")
# imapclient and imaplib check little of what a server says before they take it apart: a literal of any size, parts in
# parts without end.
_UNFOUNDED = (ValueError, TypeError, LookupError, AttributeError, AssertionError, MemoryError, RecursionError)
_LIMIT = re.compile(r"\[LIMIT\]", re.IGNORECASE)
# How the libraries hand on what a server said of a command (NO, BAD) or of the connection (BYE); such a text begins
# with its response code. Everything else that they hand on is data, and may be mail.
_STATUS = re.compile(
    r"""(?:command:\ \w+\ =>\ )?(?:[\w ]+\ failed:\ |\w+\ command\ error:\ (?:NO|BAD)\ )?(?:\[?b['"](?:\*\ BYE\ )?)?"""
    r"""\[([A-Z-]+)[ \]]""",
    re.VERBOSE,
)
_DATA = re.compile(r"(?:command: \w+ => )?(?:unexpected|socket error|got more)", re.IGNORECASE)
# The response codes of RFC 9051, 5530, 7889 and of Yahoo that come with a refusal.
_CODES = {
    "ALERT", "ALREADYEXISTS", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "BADCHARSET", "CANNOT", "CLIENTBUG",
    "CLOSED", "CONTACTADMIN", "CORRUPTION", "EXPIRED", "EXPUNGEISSUED", "HASCHILDREN", "INUSE", "LIMIT",
    "NONEXISTENT", "NOPERM", "NOTSAVED", "OVERQUOTA", "PARSE", "PRIVACYREQUIRED", "READ-ONLY", "SERVERBUG",
    "THROTTLED", "TOOBIG", "TRYCREATE", "UIDNOTSTICKY", "UNAVAILABLE", "UNKNOWN-CTE",
}  # fmt: skip


class _Line(imaplib.IMAP4):
    """IMAP over a socket that is handed out before the greeting is read, which the constructor does."""

    def __init__(
        self, account: Account, context: ssl.SSLContext | None, opened: Callable[[socket.socket], None]
    ) -> None:
        self._context, self._opened = context, opened
        super().__init__(account.host, account.imap_port, CONNECT_SECONDS)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        line = socket.create_connection((self.host, self.port), timeout)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            # Each system knows some of them.
            if hasattr(socket, name):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._opened(line)
        return self._context.wrap_socket(line, server_hostname=self.host) if self._context else line

    def _untagged_response(self, typ: str, dat: list[Any], name: str) -> tuple[str, list[Any]]:
        # What a server tells of itself when another client changes flags may name the message by its sequence number
        # alone (RFC 9051, 7.5.2), which imapclient takes for a UID: it would be told of another message.
        typ, told = super()._untagged_response(typ, dat, name)  # type: ignore[misc]  # as in the library
        return typ, [one for one in told if name != "FETCH" or not _is_without_uid(one)]


# A flag may be called UID.
_FLAGS, _UID = re.compile(rb"FLAGS \([^()]*\)", re.IGNORECASE), re.compile(rb"[( ]UID \d", re.IGNORECASE)


def _is_without_uid(line: object) -> bool:
    """Whether a whole FETCH response names its message by its sequence number alone."""
    if not isinstance(line, bytes) or not re.match(rb"\d+ \(", line):
        return False
    return _UID.search(_FLAGS.sub(b"", line)) is None


class _Client(imapclient.IMAPClient):  # type: ignore[misc]  # it has no types
    """IMAPClient on such a line."""

    def __init__(self, account: Account, context: ssl.SSLContext, opened: Callable[[socket.socket], None]) -> None:
        tls = account.security == "tls"
        self._open_line: Callable[[], _Line] = lambda: _Line(account, context if tls else None, opened)
        timeout = imapclient.SocketTimeout(CONNECT_SECONDS, READ_SECONDS)
        super().__init__(account.host, account.imap_port, ssl=tls, ssl_context=context, timeout=timeout)
        self.normalise_times = False
        self._early: list[bytes] = []

    def idle(self) -> None:
        # A server may say what happened before it goes on with the command, which imapclient takes for a refusal.
        self._idle_tag = self._imap._command("IDLE")  # noqa: SLF001 - as in the library
        self._early = []
        while (line := self._imap._get_response()) is not None:  # noqa: SLF001 - as above
            if (done := self._imap.tagged_commands[self._idle_tag]) is not None:
                raise imap_errors.IMAPClientError(f"IDLE failed: {done[1][0].decode('ascii', 'replace')}")
            self._early.append(line)

    def idle_check(self, timeout: float | None = None) -> list[tuple[object, ...]]:
        early, self._early = self._early, []
        told = [re.match(rb"\* (\d+) (EXISTS|EXPUNGE)\b", line) for line in early]
        found: list[tuple[object, ...]] = [(int(match[1]), match[2]) for match in told if match]
        return found or list(super().idle_check(timeout))

    def _poll_socket(self, sock: socket.socket, timeout: float | None = None) -> object:
        # What came in one packet with the answer to IDLE was read with it, and no poll tells of it any more: asked
        # with no time at all, `idle_check` takes what is there.
        return timeout == 0 or super()._poll_socket(sock, timeout)

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - the library's own hook
        return self._open_line()


def connect(account: Account) -> imapclient.IMAPClient:
    """A connection, not yet signed in. Raises `MailboxError` where the server cannot be reached or trusted."""
    context = _tls(account)
    where = f'account "{account.name}": {account.host}:{account.imap_port}'
    lines: list[socket.socket] = []

    def cut() -> None:
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    try:
        with deadline(cut):
            # A second handle of the same connection: the first one is taken over by TLS.
            client = _Client(account, context, lambda line: lines.append(line.dup()))
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
    except (OSError, imap_errors.IMAPClientError, imaplib.IMAP4.error) as error:
        _raise_if_limited(where, error)
        raise MailboxError(
            f"{where}: cannot be reached ({_short(error)}); check host and port, and your connection"
        ) from None
    finally:
        for line in lines:
            line.close()
    return client


def _tls(account: Account) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if account.ca_file is not None:
        try:
            context.load_verify_locations(account.ca_file.expanduser())
        except (OSError, RuntimeError):
            named = f'account "{account.name}": ca_file {account.ca_file}'
            raise ConfigError([f"{named} is no readable PEM certificate; name a file that is"]) from None
    return context


def _start_tls(client: imapclient.IMAPClient, context: ssl.SSLContext, where: str) -> None:
    try:
        with deadline(lambda: shut(client)):
            client.starttls(context)
        # What was said before in the clear may be anybody's (RFC 9051, 11.1).
        client._imap.untagged_responses.clear()  # noqa: SLF001 - the library keeps it
    except ssl.SSLError:
        shut(client)
        raise
    except (imap_errors.IMAPClientError, OSError):
        shut(client)
        raise MailboxError(
            f'{where}: the server offers no STARTTLS; nothing was sent in the clear, try security = "tls"'
        ) from None


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
        elif not (secret.isascii() and _ATOM.fullmatch(account.username)):
            client.plain_login(account.username, secret)
        else:
            client.login(account.username, secret)
    except (imap_errors.IMAPClientError, OSError) as error:
        # The server may echo the command, secret and all: only its response code is looked at.
        _raise_if_limited(who, error)
        text = str(error).upper()
        broken = isinstance(error.__context__, imap_errors.IMAPClientAbortError | OSError) or isinstance(error, OSError)
        if broken or any(code in text for code in ("[UNAVAILABLE]", "[INUSE]", "[SERVERBUG]")):
            raise NotSignedInError(f"{who}: the server cannot sign anybody in just now; try again later") from None
        if account.auth == "oauth2" and account.password_command is None:
            raise SignInRefusedError(
                f"{who}: the server refused the sign-in; run `triage signin {account.name}` again"
            ) from None
        given = "by password_command" if account.password_command else f"with `triage password {account.name}`"
        raise SignInRefusedError(
            f"{who}: the server refused user name and password; "
            f"many providers want an app password here (given {given})"
        ) from None


def introduce(client: imapclient.IMAPClient, account: Account) -> None:
    """Tell name and version of this program where a server takes them (RFC 2971); Gmail asks for it, some insist.

    Raises `MailboxError` where the connection breaks.
    """
    # What a server says of itself is of no use here, whatever form it has; it was read to its end.
    with suppress(RefusedError), translated(account.name), suppress(imap_errors.ProtocolError):
        if client.has_capability("ID"):
            client.id_({"name": "triage", "version": __version__})


def shut(client: imapclient.IMAPClient) -> None:
    """Cut the connection at once; whatever waits on it wakes up."""
    with suppress(OSError, AttributeError):
        client.socket().shutdown(socket.SHUT_RDWR)
    with suppress(OSError, imap_errors.IMAPClientError):
        client.shutdown()


@contextmanager
def deadline(cut: Callable[[], None]) -> Iterator[None]:
    """Call `cut` if what is done here takes longer than `SIGN_IN_SECONDS`."""
    watchdog = threading.Timer(SIGN_IN_SECONDS, cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


@contextmanager
def translated(account: str, *, changing: bool = False) -> Iterator[None]:
    """Imaplib's exceptions to ours: `RefusedError` where the connection still stands, else `MailboxError`.

    A server that wants a pause is a `LimitedError`; `changing`: the command is not one that only reads.
    """
    where = f'account "{account}"'
    try:
        yield
    except imap_errors.IMAPClientReadOnlyError:
        # A subclass of "abort", but the connection stands.
        raise RefusedError(f"{where}: the folder is read-only") from None
    except (imap_errors.IMAPClientAbortError, OSError) as error:
        _raise_if_limited(where, error)
        raise MailboxError(f"{where}: the connection broke ({_short(error)})") from None
    except (imap_errors.IMAPClientError, imaplib.IMAP4.error) as error:
        if isinstance(error, imap_errors.ProtocolError) or _ENDLESS.match(str(error)):
            raise AnswerError(f"{where}: the server's answer makes no sense ({type(error).__name__})") from None
        _raise_if_limited(where, error, changing=changing)
        raise RefusedError(f"{where}: the server refused ({_short(error)})") from None
    except _UNFOUNDED as error:
        raise AnswerError(f"{where}: the server's answer makes no sense ({type(error).__name__})") from None


def _raise_if_limited(where: str, error: BaseException, *, changing: bool = False) -> None:
    if isinstance(error, imap_errors.ProtocolError) or _DATA.match(str(error)):
        return
    if _WANTS_PAUSE.search(str(error)) or (not changing and _LIMIT.search(str(error))):
        raise LimitedError(f"{where}: the server was asked too much and wants a pause") from None


def _short(error: BaseException) -> str:
    """An error without a server's free text, which may quote mail: its response code or its class."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return "no answer in time"
    match = _STATUS.match(str(error))
    return match.group(1) if match and match.group(1) in _CODES else type(error).__name__
