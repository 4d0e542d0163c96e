"""The commands for setting up: init, password, signin, service, doctor."""

import getpass
import sys
import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import tzlocal

from triage import explain, oauth2, setting_up
from triage import service as services
from triage.config import Account, Config
from triage.console import Settings, command, say
from triage.credentials import keyring_trouble, store_grant, store_secret
from triage.doctor import examine
from triage.errors import CredentialError, SignInRefusedError, UsageError
from triage.lock import StateLock, prepare_folder
from triage.mailbox import Mailbox
from triage.rebuild import rebuild as rebuild_state
from triage.session import Session, system_clock


@command("doctor")
def doctor(
    settings: Settings,
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Begin the state anew, with all that can be read of the old one.")
    ] = False,
) -> None:
    """Check everything that triage needs, and say what to do about each failure."""
    if rebuild:
        prepare_folder(settings.state_path)
        with StateLock(settings.state_path).acquire("doctor"):
            aside, rows = rebuild_state(settings.state_path, system_clock())
        say(f"the state was made anew with {rows} rows of the old one, which stands in {aside}")
    codes = []

    def open_session(config: Config, state: Path) -> Session:
        return Session.open(config, state, settings.overrides)

    for finding in examine(settings.config_path, settings.state_path, open_session):
        typer.echo(f"{finding.level:<5}{finding.what}: {finding.text}")
        if finding.level == "fail":
            codes.append(finding.code)
    if codes:
        raise typer.Exit(codes[0] if len(set(codes)) == 1 else 1)


@command("init")
def init(
    settings: Settings,
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME[:PORT]", help="The IMAP server; default: looked up.")
    ] = "",
    security: Annotated[str, typer.Option("--security", help="tls, starttls, or none on a loopback host.")] = "tls",
    ca_file: Annotated[str, typer.Option("--ca-file", metavar="FILE", help="Trust this authority as well.")] = "",
) -> None:
    """Set triage up: asks, signs in, writes the configuration, and shows what would be filed."""
    path = settings.config_path
    if path.exists():
        raise UsageError(f"{path}: is there already; change it by hand, or move it away first")
    console = setting_up.Console(_ask, _choose, _asked_secret, say)
    answers = setting_up.ask_account(console)
    if host:
        name, _, port = host.partition(":")
        answers.host, answers.port = name, int(port) if port.isdecimal() else 0
    answers.security, answers.ca_file = security, ca_file
    answers.zone = tzlocal.get_localzone_name()
    prepare_folder(settings.state_path)
    if trouble := keyring_trouble(setting_up.ACCOUNT):
        setting_up.ask_place(console, answers, trouble, path.resolve().with_name(f"{setting_up.ACCOUNT}.secret"))
    account = setting_up.account_of(answers, settings.state_path)
    given = _first_sign_in(account, console)
    try:
        _keep(account, given)
    except CredentialError:
        setting_up.write_config(answers, path)
        how = "signin" if account.auth == "oauth2" else "password"
        say(f"{path}: written, with the account alone; once the secret can be kept, run `triage {how} {account.name}`")
        raise
    setting_up.ask_family(console, answers, answers.zone)
    setting_up.write_config(answers, path)
    say(f"written to {path}")
    with settings.session("init") as session:
        report = session.run(session.config.accounts[0], "dry-run", dry_run=True, agreed=True)
    typer.echo("\n".join(explain.pass_lines(report, dry_run=True)))
    say("nothing was changed yet: `triage once` does it, `triage undo` takes it back")
    say("`triage service install` keeps doing it")


def _first_sign_in(account: Account, console: setting_up.Console) -> str | oauth2.Grant:
    """Sign in; the secret is to be kept only once the server has taken it."""
    if account.auth == "oauth2":
        return oauth2.sign_in_here(account, "", _open_browser)
    tries = 0
    while True:
        secret = console.secret(f"Password for {account.username}: ")
        if "gmail" in account.host or "yahoo" in account.host:
            # App passwords are shown in groups of four.
            secret = secret.replace(" ", "")
        try:
            Mailbox.connect(account, secret).close()
        except SignInRefusedError as error:
            tries += 1
            if tries == setting_up.TRIES:
                raise
            say(str(error))
        else:
            return secret


def _keep(account: Account, given: str | oauth2.Grant) -> None:
    if isinstance(given, str):
        store_secret(account, given)
    else:
        store_grant(account, given)


def _open_browser(url: str) -> None:
    say(f"agree in the browser; if none opens, go to {url}")
    webbrowser.open(url)


def _ask(question: str, usual: str) -> str:
    return str(typer.prompt(question, default=usual, err=True, show_default=bool(usual)))


def _choose(question: str, choices: tuple[str, ...], usual: str) -> str:
    named = f"{question} ({', '.join(choices)})"
    while (answer := _ask(named, usual).strip().lower()) not in choices:
        say(f'"{answer}": one of {", ".join(choices)}')
    return answer


@command("password")
def password(
    settings: Settings,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name in the configuration.")],
) -> None:
    """Store an account's password in its file or the keyring (asked for, or read from standard input)."""
    store_secret(_account_named(settings, account), _asked_secret(f"Password for {account}: "))
    say("stored")


@command("signin")
def sign_in(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name in the configuration.")],
    device: Annotated[bool, typer.Option("--device", help="Type a code on another device; no browser here.")] = False,
    with_secret: Annotated[
        bool, typer.Option("--client-secret", help="Ask for the client's secret (Google's desktop clients have one).")
    ] = False,
) -> None:
    """Sign in to an account with auth = "oauth2", and keep the grant in its file or the keyring."""
    account = _account_named(settings, name)
    if account.auth != "oauth2":
        raise UsageError(f'account "{name}": has auth = "{account.auth}"; run `triage password {name}`')
    client_secret = _asked_secret(f"Client secret for {name}: ") if with_secret else ""

    if device:
        grant = oauth2.sign_in_elsewhere(account, client_secret, say)
    else:
        grant = oauth2.sign_in_here(account, client_secret, _open_browser)
    store_grant(account, grant)
    say(f"signed in; the grant is kept in {account.password_file or 'the keyring'}")


def _account_named(settings: Settings, name: str) -> Account:
    config = settings.load()
    found = next((known for known in config.accounts if known.name == name), None)
    if found is None:
        names = ", ".join(known.name for known in config.accounts) or "none"
        raise UsageError(f'there is no account "{name}" in {settings.config_path}; there are: {names}')
    return found


def _asked_secret(prompt: str) -> str:
    secret = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise UsageError("nothing was given")
    return secret


class ServiceVerb(StrEnum):
    """What to do with the service."""

    install = "install"
    uninstall = "uninstall"
    status = "status"


@command("service")
def service_command(
    settings: Settings,
    verb: Annotated[ServiceVerb, typer.Argument(metavar="install|uninstall|status")],
) -> None:
    """The daemon as a service that starts with your session: systemd, launchd, or a Windows task."""
    service = services.service_for(
        sys.platform, settings.config_path.resolve(), settings.state_path.resolve(), Path.home()
    )
    match verb:
        case ServiceVerb.install:
            settings.accounts()
            prepare_folder(settings.state_path)
            services.install(service)
            typer.echo(f"installed and started: {service.path}")
        case ServiceVerb.uninstall:
            gone = services.uninstall(service)
            typer.echo(f"removed: {service.path}" if gone else "there was no service")
        case ServiceVerb.status:
            running, text = services.status(service)
            typer.echo(text)
            if not running:
                raise typer.Exit(1)
