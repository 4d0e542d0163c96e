"""The whole job on an embedded IMAP server with a sample inbox: no account, no network, nothing of yours touched."""

import importlib.util
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from triage.config import Account, Config, load_config
from triage.daemon import Daemon
from triage.delivery import day_window, digest_of, write_files
from triage.digest import to_text
from triage.errors import TriageError
from triage.lock import prepare_folder
from triage.mailbox import Mail, Mailbox
from triage.prompts import Wording
from triage.session import Session, system_clock

_INBOX = Path(__file__).parent / "demo_inbox.jsonl"
USER = "jordan@rivera.example"
_START_SECONDS = 15
_WORK_SECONDS = 60

_CONFIG = """\
# The family of `triage demo`.

[[children]]
name = "Maya"
grade = "3"
plan = "504"

[[children]]
name = "Leo"
grade = "7"

[school]
domains = ["maplewood.k12.example"]

[[school.teachers]]
name = "Ms. Alvarez"
address = "alvarez@maplewood.k12.example"
children = ["Maya"]

[[school.teachers]]
name = "Mr. Okafor"
address = "okafor@maplewood.k12.example"
children = ["Leo"]

[[accounts]]
name = "demo"
host = "127.0.0.1"
port = {port}
security = "none"
username = "{user}"
lookback_days = 40

[digest]
at = "{now:%H:%M}"
"""


@dataclass(frozen=True, slots=True)
class DemoServer:
    """Where the server listens, and the password of its one user."""

    port: int
    password: str


def run_demo(*, keep: bool, serve: bool, write: Callable[[str], object]) -> None:
    """Run the demo and tell what happens through `write`. Raises `TriageError` where it cannot run."""
    if importlib.util.find_spec("pymap") is None:
        # Never by the name alone: the package index holds another program of that name.
        raise TriageError(
            "the demo needs the IMAP server pymap; in the folder of triage's source run `pip install '.[demo]'` "
            "(with pipx: `pipx inject triage 'pymap>=0.36.2'`)"
        )
    folder = Path(tempfile.mkdtemp(prefix="triage-demo-"))
    started = time.monotonic()
    try:
        with demo_server() as server:
            config = _config(server, folder)
            account = config.accounts[0]
            with Mailbox.connect(account, server.password) as box:
                mails = _fill(box, system_clock())
                write(f"1. An inbox of {mails} mails, on an IMAP server inside this program:\n")
                write(_folder_table(box))
            prepare_folder(folder / "state")
            session = Session.open(config, folder / "state", None)
            session.secret = lambda _account: server.password
            _work(session, account, server, folder, started, serve=serve, write=write)
    finally:
        if keep:
            write(f"Kept, to look around: triage --config {folder}/config.toml --state {folder}/state log")
        else:
            shutil.rmtree(folder / "state", ignore_errors=True)
            (folder / "config.toml").unlink(missing_ok=True)


def _work(
    session: Session,
    account: Account,
    server: DemoServer,
    folder: Path,
    started: float,
    *,
    serve: bool,
    write: Callable[[str], object],
) -> None:
    daemon = Daemon(session)
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        _wait_for_digest(session)
        with Mailbox.connect(account, server.password) as box:
            _tell(session, box, folder, write)
        write(f"All of it took {time.monotonic() - started:.1f} seconds.")
        if serve:
            write(
                f"\nThe server runs on: 127.0.0.1, port {server.port}, no encryption, user {USER}, password "
                f"{server.password}\nLook at it with a mail client; move a mail, and triage learns. Ctrl-C ends it."
            )
            threading.Event().wait()
    finally:
        daemon.end()
        thread.join(timeout=10)
        session.close()


def _wait_for_digest(session: Session) -> None:
    deadline = time.monotonic() + _WORK_SECONDS
    while time.monotonic() < deadline:
        delivery = session.store.last_delivery()
        if delivery is not None:
            return
        time.sleep(0.1)
    raise TriageError("the demo did not come to its end in time; run it again with -v")


def _tell(session: Session, box: Mailbox, folder: Path, write: Callable[[str], object]) -> None:
    store, wording = session.store, session.wording
    write("\n2. The daemon ran, and this is the mailbox now (a note of triage's own stands beside each filed mail):\n")
    write(_folder_table(box))
    write("\n   This server keeps no tags, so the folders alone show the kind; on yours, tags or labels come with it.")
    end = store.last_delivery()
    now = session.clock()
    rows = store.between(now - timedelta(days=40), now)
    write("\n3. One of the notes:\n")
    write(_indented(_one_note(rows, wording)))
    start, until = day_window(session.config, None, end.covers_to if end else now)
    digest = digest_of(store, session.config, wording, start, until)
    write("\n4. The digest that was put into the inbox:\n")
    write(_indented(to_text(digest, wording)))
    page = write_files(digest, wording, folder)
    write(f"\nThe same digest as a page: {page}")


def _one_note(rows: Any, wording: Wording) -> str:
    """The card that a parent would wish for most, in the words of the note."""
    cards = {row.judgement["card"]["situation"]: row for row in rows if row.judgement and row.judgement.get("card")}
    wanted = ("behavior", "behavior_meeting", "homework_behavior", "homework", *cards)
    best = next((cards[situation] for situation in wanted if situation in cards), None)
    if best is None or best.judgement is None:
        return "(no mail of the sample got a note)"
    verdict, card = best.judgement["verdict"], best.judgement["card"]
    names = {
        "teacher": (verdict["teacher"] or {}).get("name") or wording.words["the_teacher"],
        "child": verdict["child"] or wording.words["your_child"],
    }
    return f'Beside "{verdict["subject"]}" in {best.place.folder}:\n\n' + wording.page("note", {"card": card, **names})


def _indented(text: str) -> str:
    return "\n".join(f"   {line}".rstrip() for line in text.split("\n"))


def _folder_table(box: Mailbox) -> str:
    names = sorted(box.folders(), key=lambda name: (name != "INBOX", name))
    lines = []
    for name in names:
        status = box.status(name)
        if status is not None and (status.exists or name == "INBOX"):
            lines.append(f"   {name:<20}{status.exists:>4}")
    return "\n".join(lines)


# --- The server and its mail -----------------------------------------------------------------------------


@contextmanager
def demo_server() -> Iterator[DemoServer]:
    """pymap, in memory, in a process of its own, on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    password = secrets.token_urlsafe(12)
    # Its password is for a server that lives as long as this demo and listens on loopback only. It may begin with "-".
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--no-tls", "dict", "--demo-user", USER]
    process = subprocess.Popen(
        [sys.executable, "-c", "from pymap.main import main; main()", *arguments, f"--demo-password={password}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_listening(process, port)
        yield DemoServer(port, password)
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                if probe.recv(10):
                    return
        except OSError:
            time.sleep(0.05)
    raise TriageError("the demo's IMAP server (pymap) did not start; is the extra `demo` installed whole?")


def _config(server: DemoServer, folder: Path) -> Config:
    """The family's configuration, as a file that can be kept; its digest is due now, whenever the demo runs."""
    path = folder / "config.toml"
    now = system_clock().astimezone(Config().zone)
    path.write_text(_CONFIG.format(port=server.port, user=USER, now=now), encoding="utf-8")
    return load_config(path)


def _fill(box: Mailbox, now: datetime) -> int:
    """Append the sample inbox, the oldest mail first; what is older than a day has been read."""
    rows = [json.loads(line) for line in _INBOX.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: -row["hours_ago"])
    mails = []
    for number, row in enumerate(rows):
        at = (now - timedelta(hours=row["hours_ago"])).astimezone()
        flags = ("\\Seen",) if row["hours_ago"] > 24 else ()
        mails.append(Mail(_sample(row, at, number), flags, at))
    box.append("INBOX", mails)
    return len(mails)


def _sample(row: dict[str, Any], at: datetime, number: int) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = row["from"], row["to"], _dated(row["subject"], at)
    mail["Date"] = format_datetime(at)
    if row["reply_to"]:
        mail["Reply-To"] = row["reply_to"]
    for name, value in row["headers"].items():
        mail[name] = value
    if "Message-ID" not in mail:
        mail["Message-ID"] = f"<sample-{number}@rivera.example>"
    if row["text"]:
        mail.set_content(_dated(row["text"], at))
        if row["html"]:
            mail.add_alternative(_dated(row["html"], at), subtype="html")
    else:
        mail.set_content(_dated(row["html"], at), subtype="html")
    return mail.as_bytes()


def _dated(text: str, at: datetime) -> str:
    def day(match: re.Match[str]) -> str:
        then = at + timedelta(days=int(match.group(1)))
        return f"{then:%B} {then.day}"

    return re.sub(r"\{day\+(\d+)\}", day, text)
