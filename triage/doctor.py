"""The list of checks: each says what it found and, where something is wrong, what to do."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from triage.config import Account, Config, load_config
from triage.credentials import source_of
from triage.cycle import abilities_of
from triage.errors import LimitedError, RefusedError, TriageError
from triage.judge import Context, RawMail
from triage.lock import prepare_folder
from triage.mailbox import Mailbox
from triage.plan import ROLES, Abilities
from triage.resources import model_path
from triage.session import Session

Level = Literal["ok", "warn", "fail"]
# So many folders are named where the one that is configured is not there.
_NAMED = 8
_PROBE = b"From: a@b.example\r\nSubject: Homework\r\n\r\nThe spelling list is due on Friday.\r\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `code` is the exit code that the failure means."""

    level: Level
    what: str
    text: str
    code: int = 1


def examine(path: Path, state: Path, open_session: Callable[[Config, Path], Session]) -> Iterator[Finding]:
    """Every check, in the order in which one depends on the other."""
    try:
        config = load_config(path)
    except TriageError as error:
        for line in str(error).split("\n"):
            yield Finding("fail", "configuration", line, error.exit_code)
        return
    yield Finding("ok", "configuration", f"{path}: {_people(config)}")
    with ExitStack() as until_done:
        usable = True
        try:
            prepare_folder(state)
            session = open_session(config, state)
        except TriageError as error:
            usable, step = False, "see that it is yours, or name another with --state"
            yield Finding("fail", "state", _with_step(error, step), error.exit_code)
            try:
                # Everything else can be looked at without it.
                state = Path(until_done.enter_context(TemporaryDirectory(prefix="triage-doctor-")))
                session = open_session(config, state)
            except (OSError, TriageError):
                return
        until_done.callback(session.close)
        if usable:
            yield from _state(session, state)
        yield _model(session, state)
        yield _clock(session)
        if not config.accounts:
            yield Finding("fail", "accounts", f"{path}: no [[accounts]] yet; copy that part of config.example.toml", 2)
        for account in config.accounts:
            yield from _account(session, account)


def _with_step(error: TriageError, step: str) -> str:
    """An error, and what to do about it where it does not say so itself."""
    return str(error) if ";" in str(error) else f"{error}; {step}"


def _people(config: Config) -> str:
    counts = {"account": len(config.accounts), "child": len(config.children), "teacher": len(config.school.teachers)}
    plural = {"child": "children"}
    return ", ".join(f"{n} {name if n == 1 else plural.get(name, name + 's')}" for name, n in counts.items())


def _state(session: Session, state: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(state).free // 2**20
    yield Finding("ok" if free > 100 else "warn", "state", f"{state}: usable, {free:,} MB free")
    for text in session.store.troubles():
        yield Finding("warn", "last pass", text)
    for message in session.store.troubled():
        yield Finding(
            "warn",
            "quarantine",
            f'account "{message.account}": message {message.place.uid} in {message.place.folder}, Message-ID '
            f"{message.message_id or 'none'}: {message.error}; it stays where it is, look at it yourself",
        )


def _model(session: Session, state: Path) -> Finding:
    path = model_path(state)
    try:
        (judged,) = session.worker.judge([RawMail(_PROBE)], Context(session.clock().date()))
    except TriageError as error:
        return Finding("fail", "model", str(error))
    if judged.verdict is None:
        return Finding("fail", "model", f"{path}: {judged.error}")
    if session.worker.unfit:
        return Finding("warn", "model", session.worker.unfit)
    return Finding("ok", "model", f"{path}: judges mail")


def _clock(session: Session) -> Finding:
    now = session.clock().astimezone(session.config.zone)
    return Finding(
        "ok", "clock", f"{now:%Y-%m-%d %H:%M} in {session.config.timezone}; digest at {session.config.digest.at:%H:%M}"
    )


def _account(session: Session, account: Account) -> Iterator[Finding]:
    name = _named(account)
    try:
        session.secret(account)
    except TriageError as error:
        yield _failed(account, error)
        return
    yield Finding("ok", name, f"secret found by {source_of(account)}")
    try:
        with session.connect(account) as box:
            yield Finding("ok", name, f"signed in to {account.host}:{account.imap_port} ({account.security})")
            try:
                selected = box.select(account.folder, readonly=True)
            except RefusedError:
                there = ", ".join(f'"{folder}"' for folder in list(box.folders())[:_NAMED])
                text = f'folder "{account.folder}" cannot be opened; set folder to one that is there, such as {there}'
                yield Finding("fail", name, text)
                return
            yield Finding("ok", name, f"folder {account.folder}: {selected.exists} messages")
            # Keywords are a matter of SELECT: EXAMINE announces no permanent flags.
            selected = box.select(account.folder)
            abilities = abilities_of(box, selected, session.config)
            if selected.read_only:
                text = f"folder {account.folder}: you may only look into it; its mail is in the digest, and stays there"
                yield Finding("warn", name, text)
            else:
                yield from _powers(box, account, abilities)
            yield from _folders(box, account, abilities)
    except TriageError as error:
        yield _failed(account, error)


def _named(account: Account) -> str:
    return f'account "{account.name}"'


def _failed(account: Account, error: TriageError) -> Finding:
    """An error of an account, which is named in front of it."""
    step = "try again in an hour" if isinstance(error, LimitedError) else "try again in some minutes"
    text = _with_step(error, step).removeprefix(f"{_named(account)}: ")
    return Finding("fail", _named(account), text, error.exit_code)


def _powers(box: Mailbox, account: Account, abilities: Abilities) -> Iterator[Finding]:
    name = _named(account)
    tags = {
        "keywords": "tags are kept as IMAP keywords (Thunderbird and others can show them)",
        "labels": "tags are Gmail labels, shown wherever you read Gmail",
        "none": "this server keeps no tags; mail is sorted by folder alone",
    }
    yield Finding("ok" if abilities.tags != "none" else "warn", name, tags[abilities.tags])
    if abilities.filing == "none":
        yield Finding(
            "warn", name, "this server cannot move mail safely (no MOVE, no UIDPLUS); mail is tagged, not moved"
        )
    else:
        yield Finding("ok", name, f"mail is moved by {'MOVE' if box.has('MOVE') else 'copy, check and UID EXPUNGE'}")
    if not box.has("IDLE"):
        yield Finding("warn", name, "this server does not announce new mail (no IDLE); it is asked every few minutes")


def _folders(box: Mailbox, account: Account, abilities: Abilities) -> Iterator[Finding]:
    there = box.folders()
    names = [abilities.folders[role] for role in ROLES]
    missing = [folder for folder in names if folder not in there]
    text = f"filing folders: {', '.join(names)}"
    yield Finding("ok", _named(account), text + (f"; {len(missing)} are made when needed" if missing else ""))
