"""Signing in by OAuth 2.0, against a provider on loopback and a Dovecot that asks that provider."""

import os
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot, start_dovecot
from tests.support.provider import CLIENT, Provider
from triage import credentials, oauth2
from triage.config import Account, load_config
from triage.errors import ConfigError, CredentialError, MailboxError, SignInRefusedError
from triage.mailbox import Mailbox
from triage.oauth2 import Grant, endpoints_of, renew, sign_in_elsewhere, sign_in_here
from triage.session import Session


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    found = Provider(tmp_path / "provider", user="parent-oauth")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(found.ca_file))
    monkeypatch.setattr(credentials, "_tokens", {})
    yield found
    found.stop()


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is kept under each name; the keyring itself is proved in test_credentials."""
    kept: dict[str, str] = {}

    def keep(_service: str, name: str, secret: str) -> None:
        kept[f"{name} oauth2"] = secret

    monkeypatch.setattr(credentials, "_store", keep)

    def read(_service: str, name: str, how: str) -> str:
        if f"{name} oauth2" not in kept:
            raise CredentialError(f"no sign-in stored; run `{how}`")
        return kept[f"{name} oauth2"]

    monkeypatch.setattr(credentials, "_from_keyring", read)
    return kept


def account(provider: Provider, **changes: object) -> Account:
    ends = {
        "authorization_endpoint": f"{provider.url}/authorize",
        "token_endpoint": f"{provider.url}/token",
        "device_authorization_endpoint": f"{provider.url}/device",
        "scope": "imap offline_access",
        "client_id": CLIENT,
    }
    values = {"name": "home", "host": "127.0.0.1", "username": provider.user, "auth": "oauth2", "oauth2_provider": ends}
    return Account.model_validate(values | changes)


def browser(provider: Provider) -> Callable[[str], None]:
    """Opens the address in another thread, as a browser does, and follows where it is sent."""

    def open_it(url: str) -> None:
        def follow() -> None:
            import ssl

            context = ssl.create_default_context(cafile=str(provider.ca_file))
            urllib.request.urlopen(url, context=context, timeout=10).read()

        threading.Thread(target=follow, daemon=True).start()

    return open_it


def test_the_parent_agrees_in_the_browser(provider: Provider) -> None:
    """PKCE over a loopback redirect; what comes back is a grant that gives access tokens."""
    grant = sign_in_here(account(provider), "", browser(provider))
    assert grant.refresh_token in provider.refresh
    token, newer = renew(account(provider), grant)
    assert provider.access[token.text]
    assert token.fresh
    assert newer.refresh_token != grant.refresh_token
    assert Grant.from_text(newer.to_text()) == newer
    assert provider.seen == ["authorize", "token authorization_code", "token refresh_token"]


def test_the_clients_secret_goes_along(provider: Provider) -> None:
    """Where a provider insists on one, at the first sign-in and at each renewal."""
    provider.secret = "shh"
    with pytest.raises(CredentialError, match="invalid_client"):
        sign_in_here(account(provider), "", browser(provider))
    grant = sign_in_here(account(provider), "shh", browser(provider))
    assert renew(account(provider), grant)[1].client_secret == "shh"


def test_a_code_is_typed_on_another_device(provider: Provider) -> None:
    """The address and the code are shown; it waits until the parent has agreed."""
    shown: list[str] = []
    grant = sign_in_elsewhere(account(provider), "", shown.append)
    assert "WDJB-MJHT" in shown[0]
    assert grant.refresh_token in provider.refresh
    assert provider.seen.count("token device_code") == 2


def test_refusals_are_told_in_one_sentence(provider: Provider) -> None:
    """Denied in the browser, a grant that was taken back, an answer that is none, a provider that is not there."""
    grant = sign_in_here(account(provider), "", browser(provider))
    provider.taken_back = True
    with pytest.raises(CredentialError, match="access_denied"):
        sign_in_here(account(provider), "", browser(provider))
    with pytest.raises(CredentialError, match="triage signin home") as refused:
        renew(account(provider), grant)
    assert "canary" not in str(refused.value)
    provider.broken = True
    with pytest.raises((MailboxError, CredentialError)) as unreadable:
        renew(account(provider), grant)
    assert "oops" not in str(unreadable.value)
    provider.stop()
    with pytest.raises(MailboxError, match="cannot be reached"):
        renew(account(provider), grant)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (502, b"<html>bad gateway", MailboxError),
        (200, b"[]", MailboxError),
        (200, b"null", MailboxError),
        (400, b'{"error": "temporarily_unavailable"}', MailboxError),
        (400, b'{"error": "bad refresh_token=refresh-canary\\u001b[2J"}', MailboxError),
        (400, b'{"error": "invalid_grant"}', CredentialError),
        (307, b"", MailboxError),
    ],
)
def test_odd_answers_are_told_apart(provider: Provider, status: int, body: bytes, error: type[Exception]) -> None:
    """An outage is no refusal; no redirect is followed; nothing of what is sent or said comes through."""
    provider.odd = (status, body)
    with pytest.raises(error) as told:
        renew(account(provider), Grant("refresh-canary"))
    assert "canary" not in str(told.value)
    assert "\x1b" not in str(told.value)
    assert provider.seen == ["token refresh_token"]


def test_an_answer_that_drips_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each octet comes in time, the whole does not."""
    monkeypatch.setattr(oauth2, "REQUEST_SECONDS", 0.3)
    provider.dripping, provider.odd = True, (200, b" " * 400 + b'{"access_token": "late"}')
    with pytest.raises(MailboxError, match="cannot be reached"):
        renew(account(provider), Grant("a"))


def test_an_idle_connection_does_not_block_the_answer(provider: Provider) -> None:
    """Browsers open connections that they never use."""
    import socket

    idle: list[socket.socket] = []

    def open_it(url: str) -> None:
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["redirect_uri"][0]
        idle.append(socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(back).port or 0)))
        browser(provider)(url)

    assert sign_in_here(account(provider), "", open_it).refresh_token in provider.refresh
    idle[0].close()


def test_a_grant_that_the_keyring_does_not_take_is_not_lost(
    provider: Provider, keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is used up: the new one is kept in memory until the keyring opens."""
    mine = account(provider)
    monkeypatch.setattr(credentials, "_grants", {})
    credentials.store_grant(mine, sign_in_here(mine, "", browser(provider)))

    def locked(*_: str) -> None:
        raise CredentialError("locked")

    with monkeypatch.context() as while_locked:
        while_locked.setattr(credentials, "_store", locked)
        with pytest.raises(CredentialError, match="locked"):
            credentials.secret_of(mine)
        assert credentials.secret_of(mine)
    credentials.drop_access_token(mine)
    assert credentials.secret_of(mine)
    assert Grant.from_text(keyring["home oauth2"]).refresh_token in provider.refresh


def test_a_grant_is_kept_in_a_file_of_ones_own(provider: Provider, tmp_path: Path) -> None:
    """Where there is no keyring; each renewed one too, for its owner alone."""
    path = tmp_path / "grant"
    mine = account(provider, password_file=path)
    credentials.store_grant(mine, sign_in_here(mine, "", browser(provider)))
    first = path.read_text()
    assert credentials.secret_of(mine)
    assert path.read_text() != first
    assert Grant.from_text(path.read_text()).refresh_token in provider.refresh
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("a password")
    credentials.drop_access_token(mine)
    with pytest.raises(CredentialError, match=r"password_file \(.*\) holds is no sign-in"):
        credentials.secret_of(mine)


def test_a_grant_may_be_a_credential_of_systemd(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never written; what a provider gives in its place is known as long as the process lives."""
    path = tmp_path / "triage-home"
    mine = account(provider)
    path.write_text(sign_in_here(mine, "", browser(provider)).to_text())
    path.chmod(0o400)
    first = path.read_text()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(credentials, "_grants", {})
    assert credentials.secret_of(mine)
    credentials.drop_access_token(mine)
    assert credentials.secret_of(mine)
    assert path.read_text() == first


def test_an_answer_that_is_not_ours_is_refused(provider: Provider) -> None:
    """Another page in the same browser cannot slip a code in (state, RFC 6749 section 10.12)."""

    def forge(url: str) -> None:
        back = url.partition("redirect_uri=")[2].partition("&")[0]
        address = urllib.parse.unquote(back)
        threading.Thread(
            target=lambda: urllib.request.urlopen(f"{address}?code=stolen&state=forged", timeout=10).read(), daemon=True
        ).start()

    with pytest.raises(CredentialError, match="not ours"):
        sign_in_here(account(provider), "", forge)


def test_a_token_is_renewed_before_it_ends(provider: Provider, keyring: dict[str, str]) -> None:
    """Once for an hour, each time for a minute; a rotated grant is kept at once."""
    mine = account(provider)
    credentials.store_grant(mine, sign_in_here(mine, "", browser(provider)))
    first = credentials.secret_of(mine)
    assert credentials.secret_of(mine) == first
    assert provider.seen.count("token refresh_token") == 1
    assert Grant.from_text(keyring["home oauth2"]).refresh_token in provider.refresh
    provider.lifetime = 60
    assert credentials.drop_access_token(mine)
    assert credentials.secret_of(mine) != credentials.secret_of(mine)
    keyring["home oauth2"] = "[]"
    credentials.drop_access_token(mine)
    with pytest.raises(CredentialError, match="is no sign-in"):
        credentials.secret_of(mine)


def test_the_configuration_says_enough(tmp_path: Path) -> None:
    """A named provider needs the parent's own client; endpoints are https; the built-in ones are there."""
    values = {"name": "home", "host": "imap.gmail.com", "username": "jo@gmail.com", "auth": "oauth2"}
    with pytest.raises(ConfigError, match="oauth2_provider"):
        endpoints_of(Account.model_validate(values | {"password_command": ("oama",)}))
    with pytest.raises(ConfigError, match="oauth2_client_id"):
        endpoints_of(Account.model_validate(values | {"oauth2_provider": "google"}))
    google = Account.model_validate(values | {"oauth2_provider": "google", "oauth2_client_id": "mine"})
    assert endpoints_of(google).token_endpoint.startswith("https://oauth2.googleapis.com/")
    file = tmp_path / "config.toml"
    file.write_text(
        '[[accounts]]\nname = "a"\nhost = "h"\nusername = "u"\nauth = "oauth2"\noauth2_provider = { '
        'authorization_endpoint = "http://x", token_endpoint = "https://x", scope = "s", client_id = "c" }\n'
    )
    with pytest.raises(ConfigError, match=r'authorization_endpoint must begin with "https://"'):
        load_config(file)


# --- With a real server ----------------------------------------------------------------------------------


@pytest.fixture(params=["xoauth2", "oauthbearer"])
def asking(request: pytest.FixtureRequest, tmp_path: Path, provider: Provider) -> Iterator[Dovecot]:
    """A Dovecot that asks the provider about each token."""
    settings = tmp_path / "oauth2.conf.ext"
    settings.write_text(
        f"introspection_mode = post\nintrospection_url = {provider.introspection_url}\n"
        "username_attribute = username\nactive_attribute = active\nactive_value = true\ntokeninfo_url =\n"
    )
    extra = (
        f"auth_mechanisms = plain login {request.param}\n"
        f"passdb {{\n  driver = oauth2\n  mechanisms = {request.param}\n  args = {settings}\n}}\n"
    )
    if os.getuid() == 0:
        settings.chmod(0o644)
    server = start_dovecot(tmp_path / "dovecot", extra=extra)
    yield server
    server.stop()


def test_a_server_takes_the_token(provider: Provider, keyring: dict[str, str], asking: Dovecot, tmp_path: Path) -> None:
    """Signed in by either mechanism; a token that was taken back is replaced once; then it is told what to do."""
    mine = account(provider, port=asking.tls_port, ca_file=asking.ca_file)
    credentials.store_grant(mine, sign_in_here(mine, "", browser(provider)))
    file = tmp_path / "config.toml"
    file.write_text("")
    config = load_config(file).model_copy(update={"accounts": (mine,)})
    session = Session.open(config, tmp_path / "state", None)
    try:
        with session.connect(mine) as box:
            assert box.select("INBOX").exists == 0
        provider.expire()
        with session.connect(mine) as box:
            assert box.select("INBOX").exists == 0
        provider.user = "somebody-else"
        with pytest.raises(SignInRefusedError, match="triage signin home"):
            session.connect(mine)
        provider.taken_back = True
        credentials.drop_access_token(mine)
        with pytest.raises(CredentialError, match="invalid_grant"):
            session.connect(mine)
    finally:
        session.close()
    assert sys.modules["triage.mailbox"].Mailbox is Mailbox
