"""Signing in by OAuth 2.0: the parent's own client, a browser on this machine or a code on another.

Authorization code with PKCE over a loopback redirect (RFC 6749, RFC 7636, RFC 8252), or a device code (RFC 8628).
Talks to the provider's own endpoints alone, over TLS; nothing of the mail goes there. What is kept is the refresh
token, and the client's secret where the provider insists on one; access tokens live in memory.
"""

import json
import secrets
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import oauthlib.oauth2
import requests
import urllib3

from triage.config import Account, OAuth2Endpoints
from triage.errors import ConfigError, CredentialError, MailboxError, SignInRefusedError, TriageError

PROVIDERS: Mapping[str, Mapping[str, str]] = {
    "google": {
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "scope": "https://mail.google.com/",
    },
    "microsoft": {
        "authorization_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        "token_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "device_authorization_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
        "scope": "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    },
}
# A token that ends so soon is renewed before it is used.
RENEW_SECONDS = 120
REQUEST_SECONDS = 30
# A token endpoint's answer is a few kilobytes.
ANSWER_BYTES = 256 * 1024
# How long a parent has to agree in the browser.
AGREE_SECONDS = 300
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PAGE = b"<!DOCTYPE html><title>triage</title><p>Thank you. You can close this page; triage says how it went."
# What a provider says where trying again changes nothing (RFC 6749, 5.2; RFC 8628, 3.5).
_REFUSALS = frozenset(
    {"invalid_grant", "invalid_client", "unauthorized_client", "access_denied", "invalid_scope", "expired_token"}
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What is kept in the keyring: it alone is enough to get access tokens."""

    refresh_token: str
    client_secret: str = ""

    def to_text(self) -> str:
        """As it is stored."""
        return json.dumps({"refresh_token": self.refresh_token, "client_secret": self.client_secret})

    @classmethod
    def from_text(cls, text: str) -> "Grant":
        """The inverse of `to_text`. Raises `ValueError` where it is something else."""
        values = json.loads(text)
        if not isinstance(values, dict) or not isinstance(values.get("refresh_token"), str):
            raise ValueError("no grant")  # noqa: TRY004 - as json.loads does
        return cls(values["refresh_token"], str(values.get("client_secret", "")))


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and when it ends, on the monotonic clock."""

    text: str
    ends: float

    @property
    def fresh(self) -> bool:
        """Whether it can still be used."""
        return time.monotonic() < self.ends - RENEW_SECONDS


def endpoints_of(account: Account) -> OAuth2Endpoints:
    """Where the account's provider is found. Raises `ConfigError` where the configuration does not say enough."""
    provider = account.oauth2_provider
    if isinstance(provider, OAuth2Endpoints):
        return provider
    where = f'account "{account.name}"'
    if provider is None:
        raise ConfigError([f'{where}: auth = "oauth2" needs oauth2_provider ("google", "microsoft" or a table)'])
    if account.oauth2_client_id is None:
        raise ConfigError(
            [f'{where}: oauth2_provider = "{provider}" needs oauth2_client_id; docs/accounts.md says how to get one']
        )
    return OAuth2Endpoints(**PROVIDERS[provider], client_id=account.oauth2_client_id)


# --- Renewing --------------------------------------------------------------------------------------------


def renew(account: Account, grant: Grant) -> tuple[AccessToken, Grant]:
    """A new access token, and the grant that may have changed with it.

    Raises `CredentialError` where the provider takes the grant no more, `MailboxError` where it cannot be asked.
    """
    ends = endpoints_of(account)
    fields = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "scope": ends.scope}
    token = _token(account, ends, fields, grant.client_secret)
    access = AccessToken(str(token["access_token"]), time.monotonic() + _seconds(token.get("expires_in"), 3600))
    return access, Grant(str(token.get("refresh_token") or grant.refresh_token), grant.client_secret)


def _token(account: Account, ends: OAuth2Endpoints, fields: Mapping[str, str], client_secret: str) -> dict[str, Any]:
    """What the token endpoint gives (RFC 6749, 5.1). Raises as `renew` does."""
    asked = {"client_id": ends.client_id, **fields, **({"client_secret": client_secret} if client_secret else {})}
    answer = _posted(account, ends.token_endpoint, asked)
    if "error" in answer:
        raise _refusal(account, answer["error"])
    if not isinstance(answer.get("access_token"), str):
        raise MailboxError(f'account "{account.name}": the provider gave no token')
    return answer


def _refusal(account: Account, error: object) -> TriageError:
    """A provider's no in our words, with its code alone: what else it says may quote what was sent."""
    where, word = f'account "{account.name}"', _word(error)
    if word in _REFUSALS:
        return SignInRefusedError(
            f"{where}: the provider refused the sign-in ({word}); run `triage signin {account.name}`"
        )
    return MailboxError(f"{where}: the provider cannot sign anybody in just now ({word}); try again later")


def _seconds(value: object, usual: float) -> float:
    try:
        return min(max(0.0, float(str(value))), 86400.0 * 365)
    except ValueError:
        return usual


def _posted(account: Account, url: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object that an endpoint answers with. A redirect is not followed: it would carry secrets elsewhere."""
    where = f'account "{account.name}"'
    try:
        answer = requests.post(url, data=dict(fields), timeout=REQUEST_SECONDS, allow_redirects=False, stream=True)
        with answer:
            raw = _read(answer.raw)
    except requests.exceptions.SSLError:
        raise MailboxError(f"{where}: the provider's certificate is not trusted") from None
    except (requests.exceptions.RequestException, OSError, urllib3.exceptions.HTTPError) as error:
        kind = type(error).__name__
        raise MailboxError(f"{where}: the provider cannot be reached ({kind}); try again later") from None
    try:
        content = json.loads(raw)
    except ValueError:
        content = None
    if not isinstance(content, dict) or 300 <= answer.status_code < 400:
        raise MailboxError(
            f"{where}: the provider's answer cannot be read (HTTP {answer.status_code}); try again later"
        )
    return content


def _read(body: urllib3.BaseHTTPResponse) -> bytes:
    """At most `ANSWER_BYTES`, within `REQUEST_SECONDS` in all: a socket's timeout runs anew with each octet."""
    raw, end = b"", time.monotonic() + REQUEST_SECONDS
    while len(raw) < ANSWER_BYTES and (data := body.read1(ANSWER_BYTES, decode_content=True)):
        raw += data
        if time.monotonic() > end:
            raise TimeoutError
    return raw


# --- In a browser on this machine ------------------------------------------------------------------------


def sign_in_here(account: Account, client_secret: str, show: Callable[[str], None]) -> Grant:
    """Let the parent agree in the browser; `show` is given the address to open. Raises as `renew` does."""
    ends = endpoints_of(account)
    # Microsoft knows its clients by "localhost" alone; RFC 8252 prefers the number.
    host = "localhost" if account.oauth2_provider == "microsoft" else "127.0.0.1"
    with _Listener(host) as listener:
        client = oauthlib.oauth2.WebApplicationClient(ends.client_id)
        verifier, state = client.create_code_verifier(64), secrets.token_urlsafe(24)
        url = client.prepare_request_uri(
            ends.authorization_endpoint,
            redirect_uri=listener.address,
            scope=ends.scope.split(),
            state=state,
            code_challenge=client.create_code_challenge(verifier, "S256"),
            code_challenge_method="S256",
            # Google gives a refresh token only when asked like this; others do not mind.
            access_type="offline",
            prompt="consent",
            login_hint=account.username,
        )
        show(url)
        answer = listener.wait()
    if answer is None:
        raise CredentialError(f'account "{account.name}": nobody agreed within {AGREE_SECONDS // 60} minutes')
    if not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise CredentialError(f'account "{account.name}": the answer in the browser was not ours; try again')
    if "code" not in answer:
        raise CredentialError(f'account "{account.name}": the provider refused ({_word(answer.get("error"))})')
    fields = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": listener.address,
        "code_verifier": verifier,
    }
    return _grant(account, _token(account, ends, fields, client_secret), client_secret)


def _grant(account: Account, token: Mapping[str, Any], client_secret: str) -> Grant:
    if not token.get("refresh_token"):
        raise CredentialError(f'account "{account.name}": the provider gave no lasting token; check the scope')
    return Grant(str(token["refresh_token"]), client_secret)


def _word(text: object) -> str:
    """A provider's error code, and nothing else that may stand there."""
    word = str(text or "no code")
    return word if word.replace("_", "").isalnum() and len(word) < 40 else "unknown error"


class _Listener:
    """Waits on a loopback port for the one request that the browser is sent to (RFC 8252, section 7.3)."""

    def __init__(self, host: str) -> None:
        self._answer: dict[str, str] | None = None
        arrived = threading.Event()
        self._arrived = arrived
        outer = self

        class Handler(BaseHTTPRequestHandler):
            # A browser opens connections that it may never use.
            timeout = 5

            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                known = url.path == "/" and "state" in query
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", "default-src 'none'")
                self.end_headers()
                self.wfile.write(_PAGE if known else b"")
                if known and not arrived.is_set():
                    outer._answer = query
                    arrived.set()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                # The request holds the code.
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> dict[str, str] | None:
        """The query of the browser's request, None where none came in time."""
        self._arrived.wait(AGREE_SECONDS)
        return self._answer


# --- With a code, on another device ----------------------------------------------------------------------


def sign_in_elsewhere(account: Account, client_secret: str, show: Callable[[str], None]) -> Grant:
    """Let the parent type a code on another device; `show` is given what to do. Raises as `renew` does."""
    ends = endpoints_of(account)
    if ends.device_authorization_endpoint is None:
        raise ConfigError([f'account "{account.name}": this provider has no device_authorization_endpoint'])
    started = _posted(account, ends.device_authorization_endpoint, {"client_id": ends.client_id, "scope": ends.scope})
    address = started.get("verification_uri") or started.get("verification_url")
    if not address or not started.get("user_code") or not started.get("device_code"):
        raise MailboxError(f'account "{account.name}": the provider gave no code ({_word(started.get("error"))})')
    show(f"On any device, open {address} and type the code {started['user_code']}")
    pause = max(1.0, _seconds(started.get("interval"), 5))
    until = time.monotonic() + min(_seconds(started.get("expires_in"), AGREE_SECONDS), 2 * AGREE_SECONDS)
    asked = {"grant_type": _DEVICE_GRANT, "client_id": ends.client_id, "device_code": str(started["device_code"])}
    if client_secret:
        asked["client_secret"] = client_secret
    while time.monotonic() < until:
        time.sleep(pause)
        answer = _posted(account, ends.token_endpoint, asked)
        match answer.get("error"):
            case None:
                return _grant(account, answer, client_secret)
            case "authorization_pending":
                pass
            case "slow_down":
                pause += 5
            case error:
                raise _refusal(account, error)
    raise CredentialError(f'account "{account.name}": nobody agreed in time; try again')
