"""TOML to a frozen `Config`; every mistake in the file is named at once."""

import difflib
import ipaddress
import json
import re
import tomllib
import typing
from collections.abc import Sequence
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import platformdirs
import tzlocal
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from triage.errors import ConfigError
from triage.resources import shipped

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = typing.get_args(Language)


def _invalid(message: str) -> PydanticCustomError:
    # The type "triage" marks an error whose text is already a sentence for the user.
    return PydanticCustomError("triage", "{message}", {"message": message})


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _invalid(f'"{name}" is not a time zone; write one like "America/New_York"') from None
    return name


def _bare_address(value: str) -> str:
    if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", value):
        raise _invalid(f'"{value}" is not an address; write it like "alvarez@maplewood.k12.example"')
    return value.lower()


def _bare_domain(value: str) -> str:
    if not re.fullmatch(r"(\*\.)?[^\s@/:*]+", value):
        raise _invalid(f'"{value}" is not a domain; write it like "maplewood.k12.example"')
    return value.lower().removeprefix("*.").strip(".")


def _one_line(value: str) -> str:
    if not value.strip() or re.search(r"[\x00-\x1f\x7f]", value):
        raise _invalid("must not be empty or hold control characters")
    return value.strip()


def _folder_name(value: str) -> str:
    if re.search(r"[*%\\\"]|^/|/$|//", value):
        raise _invalid(f'"{value}" cannot be a folder: leave out * % \\ " and a slash at either end')
    return _one_line(value)


Zone = Annotated[str, AfterValidator(_known_zone)]
Address = Annotated[str, AfterValidator(_bare_address)]
Domain = Annotated[str, AfterValidator(_bare_domain)]
Line = Annotated[str, AfterValidator(_one_line)]
FolderName = Annotated[str, AfterValidator(_folder_name)]


class Table(BaseModel):
    """A table of the file: frozen, strict in types, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Child(Table):
    """A child of the household."""

    name: Line
    aliases: tuple[Line, ...] = ()
    grade: Line | None = None
    # For the parent's own words in a reply or an introduction; nothing of it is ever guessed.
    likes: tuple[Line, ...] = ()
    hard: tuple[Line, ...] = ()
    at_home: tuple[Line, ...] = ()
    plan: Literal["none", "504", "iep"] = "none"


class OAuth2Endpoints(Table):
    """Where an OAuth2 provider that is not built in is found (names after RFC 8414)."""

    authorization_endpoint: Line
    token_endpoint: Line
    scope: Line
    client_id: Line
    device_authorization_endpoint: Line | None = None

    @model_validator(mode="after")
    def _encrypted(self) -> "OAuth2Endpoints":
        named = ("authorization_endpoint", "token_endpoint", "device_authorization_endpoint")
        for name in named:
            url = getattr(self, name)
            if url is not None and not url.startswith("https://"):
                raise _invalid(f'{name} must begin with "https://"')
        return self


_ENDPOINTS = "a table with authorization_endpoint, token_endpoint, scope and client_id"


def _provider_form(value: object) -> str:
    return "table" if isinstance(value, dict) else "name"


class Account(Table):
    """One IMAP login."""

    name: Line
    host: Line
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["tls", "starttls", "none"] = "tls"
    ca_file: Path | None = None
    username: Line
    auth: Literal["password", "oauth2"] = "password"
    oauth2_provider: (
        Annotated[
            Annotated[Literal["google", "microsoft"], Tag("name")] | Annotated[OAuth2Endpoints, Tag("table")],
            Discriminator(_provider_form),
        ]
        | None
    ) = None
    oauth2_client_id: Line | None = None
    password_command: Annotated[tuple[Line, ...], Field(min_length=1)] | None = None
    password_file: Path | None = None
    folder: Line = "INBOX"
    lookback_days: Annotated[int, Field(ge=0, le=3650)] = 30

    @property
    def imap_port(self) -> int:
        """The configured port, or the usual one of its security (RFC 8314: 993 for implicit TLS)."""
        return self.port or (993 if self.security == "tls" else 143)

    def is_same_mailbox(self, other: "Account") -> bool:
        """Whether both sign in to one mailbox, to watch two of its folders."""
        return (self.host.lower(), self.username.lower()) == (other.host.lower(), other.username.lower())

    @model_validator(mode="after")
    def _one_source(self) -> "Account":
        if self.password_command is not None and self.password_file is not None:
            raise _invalid("password_command and password_file exclude each other; keep the one that you use")
        return self

    @model_validator(mode="after")
    def _somebody_gives_tokens(self) -> "Account":
        if self.auth == "oauth2" and self.oauth2_provider is None and self.password_command is None:
            raise _invalid(
                f'auth = "oauth2" needs oauth2_provider ("google", "microsoft" or {_ENDPOINTS}), '
                "or a password_command that prints an access token"
            )
        return self

    @model_validator(mode="after")
    def _plain_only_on_loopback(self) -> "Account":
        if self.security == "none" and not _is_loopback(self.host):
            raise _invalid('security = "none" is only for a loopback host; use "tls" or "starttls"')
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


class Teacher(Table):
    """A teacher whom the parent has named."""

    name: Line
    address: Address
    children: tuple[Line, ...] = ()


class School(Table):
    """Who writes for the school."""

    domains: tuple[Domain, ...] = ()
    platforms: tuple[Domain, ...] = ()
    authserv_id: Line | None = None
    teachers: tuple[Teacher, ...] = ()


class Folders(Table):
    """Names of the filing folders, below `Filing.root`."""

    homework: FolderName = "Homework"
    behavior: FolderName = "Behavior"
    meeting_request: FolderName = "Meetings"
    praise: FolderName = "Praise"
    other_school: FolderName = "Other"
    review: FolderName = "Review"
    # Where the parent puts what is settled; nothing is filed there.
    done: FolderName = "Done"

    @model_validator(mode="after")
    def _all_different(self) -> "Folders":
        names = list(self.model_dump().values())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise _invalid(f'"{twice[0]}" stands for two kinds of mail; give each its own folder')
        return self


class Filing(Table):
    """What is done with a mail that was judged."""

    mode: Literal["move", "copy", "tag"] = "move"
    root: FolderName = "School"
    tags: bool = True
    keep_urgent_in_inbox: bool = True
    folders: Folders = Folders()


class PromptSettings(Table):
    """Where the calm-response prompts go."""

    deliver: tuple[Literal["digest", "note", "draft"], ...] = ("digest", "note")
    cooling_off: Literal["none", "evening", "always"] = "none"
    cooling_hours: Annotated[int, Field(ge=1, le=72)] | None = None
    check_drafts: bool = False


class DigestSettings(Table):
    """When and where the morning digest is delivered."""

    at: time = time(6, 30)
    deliver: tuple[Literal["inbox", "file"], ...] = ("inbox",)
    empty: bool = False

    @field_validator("at")
    @classmethod
    def _of_the_household(cls, at: time) -> time:
        if at.tzinfo is not None:
            raise _invalid('must be a time of day like "06:30", without an offset: it is of the file\'s timezone')
        return at


class DaemonSettings(Table):
    """How the daemon watches."""

    poll_minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    idle: bool = True


class Config(Table):
    """One household."""

    timezone: Zone = Field(default_factory=tzlocal.get_localzone_name)
    language: Language = "en"
    children: tuple[Child, ...] = ()
    accounts: tuple[Account, ...] = ()
    school: School = School()
    filing: Filing = Filing()
    prompts: PromptSettings = PromptSettings()
    digest: DigestSettings = DigestSettings()
    daemon: DaemonSettings = DaemonSettings()

    @model_validator(mode="after")
    def _names_agree(self) -> "Config":
        for what, names in (
            ("accounts", [account.name for account in self.accounts]),
            ("children", [child.name for child in self.children]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise _invalid(f'{what}: "{twice[0]}" stands there twice; give each its own name')
        known = {child.name for child in self.children}
        for teacher in self.school.teachers:
            if strange := sorted(set(teacher.children) - known):
                raise _invalid(
                    f'school.teachers: "{strange[0]}" is not among the configured children ({_listing(known)})'
                )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The household's time zone."""
        return ZoneInfo(self.timezone)

    def to_json(self) -> str:
        """The whole configuration as JSON, for the worker process; there is no secret in it."""
        return self.model_dump_json(exclude_unset=True)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The inverse of `to_json`."""
        return cls.model_validate_json(text)


def default_config_path() -> Path:
    """The platform's place for the user's configuration file."""
    return platformdirs.user_config_path("triage", appauthor=False) / "config.toml"


def default_state_path() -> Path:
    """The platform's place for the state folder."""
    return platformdirs.user_state_path("triage", appauthor=False)


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises `ConfigError` with one line for each mistake: file, key, and what is allowed.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: no such file; copy {shipped('config.example.toml')} there and fill in your mail account"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read ({_reason(error)})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: cannot be read as TOML: its lists or tables are nested too deeply"]) from None
    try:
        # Through JSON, since strict mode then takes a list for a tuple and text for a time, and nothing more.
        return Config.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        problems = [f"{path}: {_sentence(details)}" for details in _told(error.errors())]
        raise ConfigError(list(dict.fromkeys(problems))) from None


def _reason(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "not UTF-8 text"


_SECRET_KEYS = {"password", "passwd", "pass", "secret", "token", "access_token", "refresh_token"}

_TYPES = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list in brackets",
    "model_type": "must be a table",
    "time_type": 'must be a time of day like "06:30"',
    "time_parsing": 'must be a time of day like "06:30"',
    "path_type": "must be a path in quotes",
    "missing": "is missing",
    "too_short": "must not be empty",
}


def _told(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are only called empty because none of what they hold is right."""
    inside = {details["loc"][:-1] for details in errors}
    return [details for details in errors if details["type"] != "too_short" or details["loc"] not in inside]


def _sentence(details: ErrorDetails) -> str:
    loc, kind, context = _keys_alone(details["loc"]), details["type"], details.get("ctx", {})
    key = _key_path(loc)
    if kind == "extra_forbidden":
        return f"{key}: {_unknown_key(loc)}"
    if kind == "literal_error":
        table = f", or {_ENDPOINTS}" if loc[-1] == "oauth2_provider" else ""
        return f"{key}: must be one of {context['expected'].replace(chr(39), chr(34))}{table}"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound, word = context.get("ge", context.get("le")), "least" if "ge" in context else "most"
        return f"{key}: must be at {word} {bound}"
    text = details["msg"] if kind == "triage" else _TYPES.get(kind, details["msg"])
    if kind == "tuple_type" and isinstance(details["input"], dict) and loc and isinstance(loc[-1], str):
        text = f"write [[{key}]], with two brackets: there may be several"
    return f"{key}: {text}" if key else text


def _keys_alone(loc: Sequence[int | str]) -> list[int | str]:
    """The location without the tag that the union of provider name and table adds to it."""
    return [
        part
        for before, part in zip(("", *loc), loc, strict=False)
        if before != "oauth2_provider" or part not in ("name", "table")
    ]


def _key_path(loc: Sequence[int | str]) -> str:
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def _unknown_key(loc: Sequence[int | str]) -> str:
    name = str(loc[-1])
    if name in _SECRET_KEYS:
        return (
            "a password does not belong in this file; take the line out, "
            "then run `triage password ACCOUNT` to keep it in the system's keyring, or set password_command"
        )
    allowed = sorted(_table_at(loc[:-1]).model_fields)
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    return f"unknown key; {hint}allowed here: {', '.join(allowed)}"


def _table_at(loc: Sequence[int | str]) -> type[Table]:
    table: type[Table] = Config
    for part in loc:
        if isinstance(part, str) and part in table.model_fields:
            table = _table_in(table.model_fields[part].annotation) or table
    return table


def _table_in(annotation: Any) -> type[Table] | None:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next(filter(None, map(_table_in, typing.get_args(annotation))), None)


def _listing(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none are configured"
