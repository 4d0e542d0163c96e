"""An OAuth 2.0 provider on loopback: authorization with PKCE, tokens that end, device codes, introspection.

It speaks the protocols (RFC 6749, 7636, 8628, 7662) over TLS for the client and in the clear for the IMAP server.
"""

import base64
import hashlib
import itertools
import json
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

CLIENT = "triage-of-a-parent"


@dataclass
class Provider:
    """`lifetime` is of access tokens, in seconds; `user` is whose they are; `seen` counts the requests by kind."""

    folder: Path
    user: str
    lifetime: int = 3600
    secret: str = ""
    agreed: bool = False
    taken_back: bool = False
    broken: bool = False
    odd: tuple[int, bytes] | None = None
    dripping: bool = False
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._codes: dict[str, dict[str, str]] = {}
        self.refresh: set[str] = set()
        self.access: dict[str, bool] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.folder / "provider-ca.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        self._tls = self._serve()
        self._tls.socket = context.wrap_socket(self._tls.socket, server_side=True)
        self._plain = self._serve()
        for server in (self._tls, self._plain):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._tls.server_port}"

    @property
    def introspection_url(self) -> str:
        return f"http://127.0.0.1:{self._plain.server_port}/introspect"

    @property
    def ca_file(self) -> Path:
        return self.folder / "provider-ca.pem"

    def toml(self) -> str:
        """The provider's table for a configuration."""
        ends = {
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            "scope": "imap offline_access",
            "client_id": CLIENT,
        }
        return "{ " + ", ".join(f'{name} = "{value}"' for name, value in ends.items()) + " }"

    def stop(self) -> None:
        for server in (self._tls, self._plain):
            server.shutdown()
            server.server_close()

    def expire(self) -> None:
        """Every access token ends now."""
        self.access = dict.fromkeys(self.access, False)

    # --- What it answers ---

    def _serve(self) -> ThreadingHTTPServer:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                if url.path != "/authorize":
                    self.send_error(404)
                    return
                self.send_response(302)
                self.send_header("Location", provider.authorize(dict(urllib.parse.parse_qsl(url.query))))
                self.end_headers()

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                fields = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
                status, answer = provider.answer(self.path, fields)
                raw = b"<html>oops" if provider.broken else json.dumps(answer).encode()
                if provider.odd is not None:
                    status, raw = provider.odd
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{provider.introspection_url}")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                for octet in range(len(raw)) if provider.dripping else ():
                    self.wfile.write(raw[octet : octet + 1])
                    time.sleep(0.05)
                if not provider.dripping:
                    self.wfile.write(raw)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def authorize(self, query: dict[str, str]) -> str:
        """The address that the browser is sent to once the parent has agreed, or has not."""
        self.seen.append("authorize")
        back = query["redirect_uri"]
        if self.taken_back:
            return f"{back}?error=access_denied&state={query['state']}"
        code = f"code-{next(self._numbers)}"
        self._codes[code] = query
        return f"{back}?code={code}&state={query['state']}"

    def answer(self, path: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        kind = path.strip("/")
        self.seen.append(f"{kind} {fields.get('grant_type', '').rpartition(':')[2]}".strip())
        match kind:
            case "introspect":
                active = self.access.get(fields.get("token", ""), False)
                return 200, {"active": active, "username": self.user} if active else {"active": False}
            case "device":
                return 200, {
                    "device_code": "device-1", "user_code": "WDJB-MJHT", "verification_uri": f"{self.url}/go",
                    "interval": 1, "expires_in": 30,
                }  # fmt: skip
            case "token":
                return self._token(fields)
        return 404, {}

    def _token(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.secret and fields.get("client_secret") != self.secret:
            return 401, {"error": "invalid_client"}
        match fields.get("grant_type", "").rpartition(":")[2]:
            case "authorization_code":
                asked = self._codes.pop(fields.get("code", ""), None)
                if asked is None or not _proves(asked, fields):
                    return 400, {"error": "invalid_grant", "error_description": "canary-description"}
            case "refresh_token":
                if self.taken_back or fields.get("refresh_token") not in self.refresh:
                    return 400, {"error": "invalid_grant", "error_description": "canary-description"}
                # Each refresh token is taken once, as Microsoft does with rotation.
                self.refresh.discard(fields["refresh_token"])
            case "device_code":
                if not self.agreed:
                    self.agreed = True
                    return 400, {"error": "authorization_pending"}
            case _:
                return 400, {"error": "unsupported_grant_type"}
        number = next(self._numbers)
        access, refresh = f"access-canary-{number}", f"refresh-canary-{number}"
        self.access[access] = True
        self.refresh.add(refresh)
        return 200, {
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": self.lifetime,
            "scope": "imap",
        }  # fmt: skip


def _proves(asked: dict[str, str], fields: dict[str, str]) -> bool:
    """PKCE: the verifier's hash is the challenge (RFC 7636, 4.6)."""
    digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return asked.get("code_challenge_method") == "S256" and asked.get("code_challenge") == challenge
