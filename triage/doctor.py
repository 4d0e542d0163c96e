"""The list of checks: each says what it found and, where something is wrong, what to do."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triage.config import Account, Config, load_config
from triage.credentials import source_of
from triage.cycle import abilities_of
from triage.errors import TriageError
from triage.judge import Context, RawMail
from triage.mailbox import Mailbox
from triage.plan import ROLES, Abilities
from triage.resources import model_path
from triage.session import Session

Level = Literal["ok", "warn", "fail"]
_PROBE = b"From: a@b.example\r\nSubject: Homework\r\n\r\nThe spelling list is due on Friday.\r\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `code` is the exit code that the failure means."""

    level: Level
    what: str
    text: str
    code: int = 1


def examine(path: Path, state: Path, open_session: Callable[[Config], Session]) -> Iterator[Finding]:
    """Every check, in the order in which one depends on the other."""
    try:
        config = load_config(path)
    except TriageError as error:
        for line in str(error).split("\n"):
            yield Finding("fail", "configuration", line, error.exit_code)
        return
    yield Finding("ok", "configuration", f"{path}: {_people(config)}")
    try:
        session = open_session(config)
    except TriageError as error:
        yield Finding("fail", "state", str(error), error.exit_code)
        return
    try:
        yield from _state(session, state)
        yield _model(session, state)
        yield _clock(session)
        if not config.accounts:
            yield Finding("fail", "accounts", f"{path}: no [[accounts]] yet; copy that part of config.example.toml", 2)
        for account in config.accounts:
            yield from _account(session, account)
    finally:
        session.close()


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
    name = f"account {account.name}"
    try:
        session.secret(account)
    except TriageError as error:
        yield Finding("fail", name, str(error), error.exit_code)
        return
    yield Finding("ok", name, f"secret found by {source_of(account)}")
    try:
        with session.connect(account) as box:
            yield Finding("ok", name, f"signed in to {account.host}:{account.imap_port} ({account.security})")
            selected = box.select(account.folder, readonly=True)
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
        yield Finding("fail", name, str(error), error.exit_code)


def _powers(box: Mailbox, account: Account, abilities: Abilities) -> Iterator[Finding]:
    name = f"account {account.name}"
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
    yield Finding("ok", f"account {account.name}", text + (f"; {len(missing)} are made when needed" if missing else ""))
