"""`triage init`: a few questions, each with an answer to take as it is, to a configuration that works.

Nothing is written before the sign-in has worked, and nothing in the mailbox is changed: the end is a preview.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triage.config import Account, Config, Language, load_config
from triage.errors import CredentialError, StoreError, TriageError
from triage.lexicon import table

# A mistyped password is asked for again so often; some servers lock the account after more.
TRIES = 3
# The name of the account that is set up.
ACCOUNT = "home"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where an address's mail is, and what its owner has to know; `oauth2` names a provider of `triage.oauth2`."""

    host: str
    hint: str = ""
    oauth2: str = ""


def provider_of(address: str) -> Provider | None:
    """The provider of an address, by its domain alone and without asking any network; None if it is not known."""
    domain = address.rpartition("@")[2].lower()
    for row in table("providers").values():
        if domain in row["domains"]:
            return Provider(row["host"], row["hint"], row.get("oauth2", ""))
    return None


@dataclass(slots=True)
class Answers:
    """What was answered; what stays empty is left out of the file."""

    address: str
    host: str
    port: int = 0
    security: str = "tls"
    ca_file: str = ""
    password_file: str = ""
    oauth2: str = ""
    client_id: str = ""
    children: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    zone: str = ""
    language: Language = "en"
    digest_at: str = "06:30"
    mode: str = "move"

    def to_toml(self) -> str:
        """The configuration file. TOML's basic strings are JSON's (TOML 1.0, String)."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# Written by `triage init`; config.example.toml explains every key."
        yield f"timezone = {_string(self.zone)}"
        yield f"language = {json.dumps(self.language)}"
        for child in self.children:
            yield f"\n[[children]]\nname = {_string(child)}"
        yield f"\n[[accounts]]\nname = {_string(ACCOUNT)}"
        values: dict[str, Any] = {"host": self.host, "username": self.address, "security": self.security}
        values |= {"port": self.port} if self.port else {}
        values |= {"ca_file": self.ca_file} if self.ca_file else {}
        values |= {"password_file": self.password_file} if self.password_file else {}
        if self.oauth2:
            values |= {"auth": "oauth2", "oauth2_provider": self.oauth2, "oauth2_client_id": self.client_id}
        yield from (f"{key} = {_string(value) if isinstance(value, str) else value}" for key, value in values.items())
        if self.domains:
            yield f"\n[school]\ndomains = {json.dumps(self.domains)}"
        yield f"\n[filing]\nmode = {json.dumps(self.mode)}"
        yield f"\n[digest]\nat = {json.dumps(self.digest_at)}"


def _string(text: str) -> str:
    # JSON leaves one control character as it is that TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class Console:
    """How questions are put: `ask` (question, usual answer), `choose` (question, choices, usual), `secret`, `tell`."""

    ask: Callable[[str, str], str]
    choose: Callable[[str, tuple[str, ...], str], str]
    secret: Callable[[str], str]
    tell: Callable[[str], None]


def ask_account(console: Console) -> Answers:
    """Whose mail, and where it is."""
    address = _asked(console, "Your e-mail address", "", r"[^@\s<>]+@[^@\s<>]+", "write it like jo@example.com")
    known = provider_of(address)
    if known is not None:
        console.tell(f"Server: {known.host}. {known.hint}.")
        client_id = _asked(console, "Client id", "", r"\S+", "paste it") if known.oauth2 else ""
        return Answers(address, known.host, oauth2=known.oauth2, client_id=client_id)
    usual = f"imap.{address.rpartition('@')[2]}"
    question = "Its IMAP server (your mail program's settings show it)"
    host = _asked(console, question, usual, r"[^\s/@]+", "a name like imap.example.com")
    name, _, port = host.partition(":")
    return Answers(address, name, int(port) if port.isdecimal() else 0)


def ask_place(console: Console, answers: Answers, trouble: str, file: Path) -> Answers:
    """Where the secret is kept on a machine whose keyring has `trouble`: asked before anything secret is.

    Raises `CredentialError` where the parent does not want the file.
    """
    console.tell(trouble)
    if console.choose(f"Keep the secret in {file}, a file that you alone can read", ("yes", "no"), "yes") == "no":
        raise CredentialError(
            "nothing was written; run `triage init` again once there is a keyring, or copy config.example.toml and "
            "set password_command there (docs/accounts.md)"
        )
    answers.password_file = str(file)
    return answers


def ask_family(console: Console, answers: Answers, zone: str) -> Answers:
    """Children, school, and how the day goes; every question can be passed over."""
    answers.children = _listed(console.ask("Your children's first names, with commas between (may be empty)", ""))
    domains = _listed(console.ask("The school's mail domain, such as maplewood.k12.example (may be empty)", ""))
    answers.domains = [domain.rpartition("@")[2].lower() for domain in domains]
    answers.language = "es" if console.choose("Language of notes and digest", ("en", "es"), "en") == "es" else "en"
    answers.zone = console.ask("Time zone", zone)
    hour = r"([01]\d|2[0-3]):[0-5]\d"
    answers.digest_at = _asked(console, "When the digest comes", "06:30", hour, "write it like 06:30")
    question = "What to do with school mail: move it to folders, copy it, or only tag it"
    answers.mode = console.choose(question, ("move", "copy", "tag"), "move")
    return answers


def _asked(console: Console, question: str, usual: str, form: str, how: str) -> str:
    while True:
        answer = console.ask(question, usual).strip()
        if re.fullmatch(form, answer):
            return answer
        console.tell(f'"{answer}": {how}')


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def write_config(answers: Answers, path: Path) -> Config:
    """Write the file for its owner alone, and read it back. Raises `StoreError`, or what is wrong with an answer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(f"{path.name}.new")
        beside.touch(mode=0o600)
        beside.write_text(answers.to_toml(), encoding="utf-8")
        config = load_config(beside)
        beside.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from None
    except TriageError:
        beside.unlink(missing_ok=True)
        raise
    return config


def account_of(answers: Answers, folder: Path) -> Account:
    """The account as the configuration will hold it; `folder` is for a file that is read and taken away again."""
    probe = folder / "init-probe.toml"
    try:
        return write_config(answers, probe).accounts[0]
    finally:
        probe.unlink(missing_ok=True)
