"""Mail that means harm: it is read or named, gives no order, is no markup, and does nothing to a terminal."""

import json
import os
import pty
import random
import re
import shutil
import subprocess
import sys
import tty
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.header import Header
from pathlib import Path
from select import select
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import Household
from tests.support.cases import verdict
from tests.support.damaged import DAMAGES, LETTERS, TODAY, Readings, damaged, letter, nasty, of_parts, part, push
from tests.support.dovecot import Dovecot
from tests.support.hostile import FIELDS_OF_OURS, MARKUP, ORDERS, Filed, file_all, oddities, ordering
from tests.support.mail import BODIES
from tests.support.wiretap import CANARY, understood
from tests.test_digest import CONFIG, END, FRIDAY, row
from tests.test_partnership import BASE
from tests.test_worker import worker
from triage.awaiting import Waiting
from triage.classify import Evidence
from triage.config import Child
from triage.digest import Day, build_digest
from triage.digest import to_html as digest_page
from triage.judge import Context, RawMail
from triage.message import Person
from triage.observe import kept_of
from triage.prompts import Wording
from triage.record import Entry, entry_of
from triage.record_pages import make_page
from triage.record_pages import to_html as record_page

# --- Garbage ---------------------------------------------------------------------------------------------


def test_damaged_mail_is_read_or_named_and_what_comes_later_is_reached() -> None:
    """No damage costs more than its own mail; the long form is `python -m bench.hostile`."""
    found = Readings()
    mails = [*(damaged(number) for number in range(300)), *nasty(2_000).values()]
    with worker() as judge:
        push(judge, mails, found)
    assert found.read + found.unreadable == len(mails)
    assert (found.killed, found.unanswered, found.missed) == (0, 0, 0)
    assert found.later == -(-len(mails) // 100)
    assert found.read > found.unreadable


def test_every_way_of_damaging_is_used_and_is_the_same_again() -> None:
    """The sample is no sample of one kind, and a number names one mail for ever."""
    assert len({damaged(number) for number in range(300)}) > 250
    assert [damaged(number) for number in range(20)] == [damaged(number) for number in range(20)]
    for damage in DAMAGES:
        assert any(damage(random.Random(number), raw) != raw for number in range(9) for raw in LETTERS), damage


# --- Injection -------------------------------------------------------------------------------------------


def assert_no_order_was_taken(filed: Filed, mails: int) -> None:
    """Only our own commands, in order; every mail is there; what we appended has the fields that it should have."""
    assert filed.said.strange == []
    assert filed.said.misnumbered == 0
    assert (filed.mails, filed.deleted) == (mails, 0)
    assert not any(CANARY in name for name in filed.folders)
    assert len(filed.said.appended) == filed.ours
    assert {ours: wrong for ours in filed.said.appended if (wrong := oddities(ours))} == {}


def test_mail_gives_no_orders(dovecot: Dovecot, tmp_path: Path) -> None:
    """Through every field, in every spelling; the long form is `python -m bench.hostile`."""
    filed = file_all(dovecot, tmp_path / "state", [ordering(number) for number in range(400)])
    assert_no_order_was_taken(filed, 400)
    assert (filed.report.seen, filed.report.failed) == (400, 0)
    assert filed.report.filed + filed.report.review > 300
    assert filed.ours > 300


def test_a_childs_name_gives_no_orders(dovecot: Dovecot, tmp_path: Path) -> None:
    """The configuration refuses what would end a line; all else is text."""
    names = []
    for order in ORDERS:
        try:
            names.append(Child(name=order).name)
        except ValidationError:
            assert re.search(r"[\x00-\x1f\x7f]", order)
    assert len(names) > 8
    mails = [
        letter(f"{name} pushed a classmate. Could we talk about {name} on Friday?", Message_ID=f"<{number}@x>")
        for number, name in enumerate(names)
    ]
    filed = file_all(dovecot, tmp_path / "state", mails, names)
    assert_no_order_was_taken(filed, len(mails))
    assert any(CANARY.encode() in ours for ours in filed.said.appended)


def test_an_order_on_the_wire_would_be_seen() -> None:
    """The control: the same reading finds commands that are not ours, and fields that were smuggled in."""
    ours = b"A1 SELECT INBOX\r\nA2 UID STORE 1:3 +FLAGS.SILENT (triage-school)\r\n"
    assert understood([ours]).strange == []
    assert understood([ours + b'A3 SELECT "x"\r\nA1 CREATE PWNED\r\n"\r\n']).strange
    assert understood([ours + b"A2 NOOP\r\n"]).misnumbered == 1
    assert understood([ours + b"A3 UID STORE 1:* +FLAGS (\\Deleted)\r\n"]).strange
    assert understood([b"A1 NOOP\nA2 NOOP\r\n"]).verbs == {"NOOP": 2}
    appended = b'A1 APPEND INBOX (\\Seen) " 7-Jan-2026 15:04:00 +0000" {16}\r\nA2 CREATE PWNED\n\r\n'
    assert (understood([appended]).strange, understood([appended]).appended) == ([], [b"A2 CREATE PWNED\n"])
    head = "".join(f"{name}: x\r\n" for name in FIELDS_OF_OURS[0]).encode()
    assert oddities(head + b"\r\n") == []
    assert oddities(head.replace(b"Subject: x", b"Subject: x\r\nBcc: y") + b"\r\n")
    assert oddities(head.replace(b"Subject: x", b"Subject: x\rBcc: y") + b"\r\n")
    assert oddities(head.replace(b"To: x", b"To: x@y, z@y") + b"\r\n")
    assert oddities(head.replace(b"Subject: x", b"Subject: \x1b[31m") + b"\r\n")


def test_what_was_encoded_twice_is_not_decoded_twice(dovecot: Dovecot, tmp_path: Path) -> None:
    """`email` decodes what a field is set to; before Python 3.11.10 a line break in it became a new field."""
    inner = f"=?utf-8?q?x=0D=0ABcc=3A_{CANARY}=40evil.example?="
    fields = {
        "From": f"{_encoded(inner)} <a@maplewood.k12.example>",
        "Subject": _encoded(inner),
        "Message_ID": f"<{inner}>",
        "References": f"<{inner}.2>",
        "Reply_To": f"{_encoded(inner)} <a@maplewood.k12.example>",
    }
    # Each a thread of its own.
    own = [
        {"Message_ID": f"<{number}@x.example>"} | {name: value} for number, (name, value) in enumerate(fields.items())
    ]
    mails = [letter(BODIES["meeting_request"], **named) for named in own]
    filed = file_all(dovecot, tmp_path / "state", mails)
    assert_no_order_was_taken(filed, len(mails))
    # Of each a note and a draft, and the digest.
    assert filed.ours == 2 * len(mails) + 1


def _encoded(text: str) -> str:
    return str(Header(text, "utf-8", maxlinelen=900).encode())


# --- Markup ----------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
SKELETON = """[...document.querySelectorAll('*')].map(element => [element.tagName, ...[...element.attributes].map(one =>
    one.name + '=' + (one.name == 'href' ? new URL(one.value).protocol + new URL(one.value).host : one.value))])"""


@dataclass
class Seen:
    """What a browser made of a page: elements with their attributes, code that ran, what was asked for elsewhere."""

    elements: list[list[str]] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)


class Browser:
    """A Chromium that is spoken to over pipes (DevTools protocol); code that runs calls `pwn` or opens a dialog."""

    def __init__(self, folder: Path) -> None:
        asked, self._write = os.pipe()
        self._read, answered = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        move = "import os, sys; r, w = map(int, sys.argv[1:3]); os.dup2(r, 13); os.dup2(w, 14); os.dup2(13, 3); "
        move += "os.dup2(14, 4); os.execv(sys.argv[3], sys.argv[3:])"
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder}",
            "--remote-debugging-pipe",
        ]
        quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", move, str(asked), str(answered), str(CHROMIUM), *options, *quiet],
            pass_fds=(asked, answered),
            stderr=subprocess.DEVNULL,
        )
        os.close(asked)
        os.close(answered)
        self._rest, self._number, self._session = b"", 0, ""
        self._page = Seen()
        self._loaded = False
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self._call(f"{domain}.enable")
        self._call("Runtime.addBinding", name="pwn")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def look_at(self, page: Path) -> Seen:
        self._page, self._loaded = Seen(), False
        self._call("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._take(self._next())
        # What a timer or a refresh does comes after the page has loaded.
        wait = "new Promise(done => setTimeout(done, 30))"
        self._call("Runtime.evaluate", expression=wait, awaitPromise=True)
        found = self._call("Runtime.evaluate", expression=SKELETON, returnByValue=True)
        self._page.elements = found["result"]["value"]
        self._page.requests = [url for url in self._page.requests if url != page.as_uri()]
        return self._page

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = self._send(method, **params)
        while (message := self._next()).get("id") != number:
            self._take(message)
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def _send(self, method: str, **params: Any) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select([self._read], [], [], 60)[0], "Chromium does not answer"
            octets = os.read(self._read, 65536)
            assert octets, "Chromium has ended"
            self._rest += octets
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _take(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Page.javascriptDialogOpening":
                self._page.ran.append(f"dialog {params['message']}")
                self._send("Page.handleJavaScriptDialog", accept=True)
            case "Runtime.bindingCalled":
                self._page.ran.append(params["payload"])
            case "Network.requestWillBeSent":
                self._page.requests.append(params["request"]["url"])
            case "Network.loadingFailed" if params.get("blockedReason") == "csp":
                self._page.blocked.append(params["requestId"])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.stop()


def a_digest(text: str) -> str:
    """A digest with everything in it, and `text` wherever a mail's, a teacher's or a child's words are shown."""
    who = Person(text, "x@y.example")
    said = verdict(
        subject=text, child=text, teacher=who, evidence=(Evidence("homework", text),), due=(replace(FRIDAY, text=text),)
    )
    kinds: tuple[dict[str, Any], ...] = (
        {"needs_reply": True}, {"flags": ("safety",), "evidence": (Evidence("safety", text),)}, {"unsure": True},
        {"labels": ("praise",), "primary": "praise"}, {"sender": "unknown"},
    )  # fmt: skip
    rows = [row(number, replace(said, **kind)) for number, kind in enumerate(kinds)]
    waiting = Waiting("home", "<w@x>", text, text, text, "2026-01-05", "2026-01-07", ("2026-01-08", "2026-01-09"))
    day = Day(END - timedelta(days=1), END, rows, troubles=(text,), waiting=(waiting,), nudge=text)
    built = build_digest(day, CONFIG, Wording("en"))
    assert all((built.sections, built.dates, built.reminders, built.offers, built.nudge))
    return digest_page(built, Wording("en"))


def a_record(text: str) -> str:
    """A record with `text` in every entry."""
    entry = replace(
        BASE, at="2026-01-07T15:04:00-05:00", key="a", message_id=text, subject=text, child=text, who=text,
        address=text, summary=text, asked=(f"{text} ?",), agreed=(text,), dues=(("2026-01-09", "meeting", text),),
        needs_reply=True, channel=text,
    )  # fmt: skip
    sent = replace(entry, at="2026-01-08T15:04:00-05:00", key="b", direction="out")
    return record_page(make_page([entry, sent], CONFIG, Wording("en"), text), Wording("en"))


@pytest.fixture(params=[a_digest, a_record], ids=["digest", "record"])
def page_of(request: pytest.FixtureRequest) -> Callable[[str], str]:
    chosen: Callable[[str], str] = request.param
    return chosen


@in_a_browser
def test_no_words_become_markup(browser: Browser, page_of: Callable[[str], str], tmp_path: Path) -> None:
    """For each of a hundred strings the page has the elements and attributes of a harmless one, and does nothing."""
    assert len(set(MARKUP)) >= 100
    page = tmp_path / "page.html"
    page.write_text(page_of("harmless words"), encoding="utf-8")
    harmless = browser.look_at(page)
    assert any("http-equiv=Content-Security-Policy" in element for element in harmless.elements)
    for text in MARKUP:
        page.write_text(page_of(text), encoding="utf-8", errors="surrogatepass")
        seen = browser.look_at(page)
        assert (text, seen.elements) == (text, harmless.elements)
        assert (text, seen.ran, seen.requests) == (text, [], [])


@in_a_browser
def test_no_mail_becomes_markup(browser: Browser, tmp_path: Path) -> None:
    """The whole way: such mail is judged, and digest and record of it are made of the templates' elements alone."""
    mails = [
        of_parts(
            "mixed",
            part(f"text/{form}; charset=utf-8", f"{BODIES[kind]} {text} {BODIES[kind]}"),
            part("text/plain", "x", f'Content-Disposition: attachment; filename="{text}"'),
            Subject=f"Maya {text}",
            From=f"{text} <t@maplewood.k12.example>",
            Message_ID=f"<{number}{text}@x>",
        )
        for number, text in enumerate(re.sub(r"[\0\n\t]", " ", one) for one in MARKUP)
        for kind, form in (("meeting_request", "html"), ("homework", "plain"))
    ]
    with worker() as judge:
        judged = judge.judge([RawMail(raw) for raw in mails], Context(TODAY))
    rows = [replace(row(n, None), message_id=one.message_id, judgement=kept_of(one)) for n, one in enumerate(judged)]
    assert sum(bool(one.verdict and one.verdict.school) for one in judged) > len(mails) // 2
    built = build_digest(Day(END - timedelta(days=1), END, rows), CONFIG, Wording("en"))
    entries = [Entry.from_json(entry_of(one).to_json()) for one in rows if one.judgement]
    pages = {
        a_digest: digest_page(built, Wording("en")),
        a_record: record_page(make_page(entries, CONFIG, Wording("en")), Wording("en")),
    }
    for harmless, html in pages.items():
        (tmp_path / "page.html").write_text(harmless("harmless words"), encoding="utf-8")
        known = {_shape(element) for element in browser.look_at(tmp_path / "page.html").elements}
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        seen = browser.look_at(tmp_path / "page.html")
        assert {_shape(element) for element in seen.elements} <= known
        assert len(seen.elements) > 500
        assert (seen.ran, seen.requests) == ([], [])


def _shape(element: list[str]) -> tuple[str, ...]:
    """An element's name, its attributes' names, and where a link leads."""
    return tuple(one if one.startswith("href=") else one.partition("=")[0] for one in element)


@in_a_browser
def test_the_policy_of_the_page_stops_what_would_get_into_it(
    browser: Browser, page_of: Callable[[str], str], tmp_path: Path
) -> None:
    """The control: a page with markup in it does nothing under its policy, and all of it without."""
    page = tmp_path / "page.html"
    harm = (
        "<script>pwn('script')</script><img src=http://127.0.0.1:9/a onerror=\"pwn('handler')\">"
        "<iframe srcdoc=\"<script>parent.pwn('frame')</script>\"></iframe><p style='background:url(http://127.0.0.1:9/b)'>x"
    )
    html = page_of("harmless words").replace("</body>", f"{harm}</body>")
    page.write_text(html, encoding="utf-8")
    guarded = browser.look_at(page)
    assert guarded.ran == []
    assert len(guarded.blocked) == len(guarded.requests)
    page.write_text(re.sub(r"<meta http-equiv[^>]*>", "", html), encoding="utf-8")
    bare = browser.look_at(page)
    assert set(bare.ran) == {"script", "handler", "frame"}
    assert {"http://127.0.0.1:9/a", "http://127.0.0.1:9/b"} <= set(bare.requests)
    assert bare.blocked == []


# --- The terminal ----------------------------------------------------------------------------------------

# They clear the screen, set a link, fill the clipboard, change the title, some in their one-octet form; go back over
# what was written; ask for an answer; shift the character set; turn the direction of writing.
SPELLS = (
    "\x1b[2J", "\x1b[31;1m", "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\", "\x1b]52;c;cm0gLXJm\x07",
    "\x1b]0;title\x07", "\x1bP+q544e\x1b\\", "\x1b[6n", "\x9b2J", "\x9d52;c;cm0gLXJm\x9c", "\x90+q544e\x9c",
    "\x7f\x7f\x7f", "\b\b\b", "\rok", "\x0e", "\x05", "\x0b", "\x0c", "\x85", "\u2028", "\u202egpj.", "\u2066x\u2069",
    "\u200f", "\u200b", "\ufeff", "\x00",
)  # fmt: skip


def control_characters(shown: str) -> set[str]:
    """What is no text: controls other than the line feed, marks of direction, what is not seen."""
    return {char for char in shown if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")}


def on_a_terminal(command: list[str], **environment: str) -> tuple[str, str]:
    """Standard output of a command whose standard output is a terminal, and its standard error."""
    outer, inner = pty.openpty()
    # Else the terminal itself would add a carriage return to each line.
    tty.setraw(inner)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=inner,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", **environment},
    ) as process:
        os.close(inner)
        shown = b""
        while select([outer], [], [], 120)[0]:
            try:
                octets = os.read(outer, 65536)
            except OSError:
                # The other end is closed: this is how Linux says that nothing more comes.
                break
            if not octets:
                break
            shown += octets
        os.close(outer)
        assert process.stderr is not None
        told = process.stderr.read()
    return shown.decode(), told.decode()


def spelled(number: int, spell: str) -> bytes:
    """A school mail with a spell wherever words may stand, as it is and encoded."""
    kind = ("homework", "behavior", "meeting_request", "praise", "other_school")[number % 5]
    raw = re.sub(r"[\r\n\0\x85\u2028\x0b\x0c]", " ", spell)
    name = (_encoded(f"Ms. {spell}Alvarez"), f'"Ms. {raw}Alvarez"')[number % 2]
    return letter(
        f"{spell}{BODIES[kind]} {spell} Could we talk{spell} about Maya{spell} on Friday at 3{spell}pm? {BODIES[kind]}",
        Subject=(_encoded(f"Maya {spell}homework"), f"Maya {raw}homework")[number % 2],
        From=f"{name} <t{number}{raw.strip()}@maplewood.k12.example>",
        Message_ID=f"<{number}{raw}@x.example>",
        References=f"<a{raw}@x.example>",
    )


def test_no_name_of_a_file_reaches_into_the_terminal(tmp_path: Path) -> None:
    """An attachment may have been saved under the name that a stranger gave it."""
    folder = tmp_path / "mails"
    folder.mkdir()
    for number, spell in enumerate(spell for spell in SPELLS if not {"/", "\0"} & set(spell)):
        (folder / f"{number}{spell}.eml").write_bytes((letter(), b"no mail")[number % 2])
    command = [sys.executable, "-m", "triage", "--state", str(tmp_path / "state"), "classify", str(folder)]
    shown, told = on_a_terminal(command, XDG_CONFIG_HOME=str(tmp_path))
    assert shown.count("school mail") >= 5
    assert told.count("no e-mail") >= 5
    assert (control_characters(shown), control_characters(told)) == (set(), set())


@pytest.mark.parametrize(
    "arguments",
    [("classify",), ("classify", "--json"), ("prompts",), ("prompts", "--json"), ("check",), ("check", "--json")],
    ids=" ".join,
)
def test_no_file_of_mail_reaches_into_the_terminal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Whatever stands in a mail, what is printed of it is text; of a draft that quotes one, too."""
    folder = tmp_path / "mails"
    folder.mkdir()
    for number, spell in enumerate(SPELLS):
        (folder / f"{number:02}.eml").write_bytes(spelled(number, spell))
    draft = tmp_path / "draft.txt"
    draft.write_text(
        "".join(f"You never {spell} listen, and it is your {spell} fault that she fails.\n" for spell in SPELLS),
        newline="",
    )
    paths = {"classify": [folder], "prompts": sorted(folder.iterdir())[1:4:2], "check": [draft]}[arguments[0]]
    shown = ""
    for path in paths:
        command = [sys.executable, "-m", "triage", "--state", str(tmp_path / "state"), *arguments, str(path)]
        more, told = on_a_terminal(command, XDG_CONFIG_HOME=str(tmp_path))
        assert control_characters(told) == set()
        shown += more
    assert len(shown) > 300
    assert control_characters(shown) == set()


def test_no_mail_of_the_mailbox_reaches_into_the_terminal(household: Household) -> None:
    """Every command that prints what the state holds of mail, in every form that is for reading."""
    household.write_config("[prompts]\ndeliver = ['digest', 'note', 'draft']\n[digest]\nat = '23:59'\n")
    household.deliver(
        *(spelled(number, spell) for number, spell in enumerate(SPELLS)), b"From: \x1b[2J\r\nSubject: \x9b2J\r\n\r\n"
    )
    commands = (
        ("once", "--dry-run"), ("once", "--dry-run", "--json"), ("once", "-v"), ("digest",),
        ("digest", "--format", "json"), ("log",), ("log", "--format", "csv"),
        ("log", "--format", "json"), ("log", "--format", "ics"), ("undo", "--dry-run"),
        ("doctor",), ("undo",),
    )  # fmt: skip
    for arguments in commands:
        shown, told = on_a_terminal(household.command(*arguments))
        assert shown, (arguments, told)
        csv_or_ics = arguments[-1] in ("csv", "ics")
        assert (arguments, control_characters(shown) - ({"\r"} if csv_or_ics else set())) == (arguments, set())
        assert (arguments, control_characters(told)) == (arguments, set())


def test_a_spell_on_the_terminal_would_be_seen(tmp_path: Path) -> None:
    """The control: what a command writes comes through the terminal of the tests as it is."""
    for spell in SPELLS:
        code = f"import sys; sys.stdout.buffer.write({spell.encode()!r})"
        shown, _ = on_a_terminal([sys.executable, "-c", code])
        assert shown == spell
        assert control_characters(shown)
