"""What servers answer that Dovecot does not, or not in its usual way: from behind a proxy that rewrites its words."""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.conftest import account_on
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import FaultProxy, offering
from tests.support.mail import a_mail
from tests.support.wiretap import Wiretap
from triage import mailbox, reading
from triage.errors import LimitedError, MailboxError, RefusedError, TriageError
from triage.idling import Idling
from triage.mailbox import Mail, Mailbox

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)
GMAIL = "IMAP4rev1 UIDPLUS MOVE IDLE NAMESPACE X-GM-EXT-1"


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    return dovecot.new_user()


@pytest.fixture
def open_box(dovecot: Dovecot, proxy: FaultProxy, user: str) -> Callable[[], Mailbox]:
    account = account_on(dovecot, user, security="none", port=proxy.port)
    return lambda: Mailbox.connect(account, PASSWORD)


def deliver(dovecot: Dovecot, user: str, *mails: bytes, folder: str = "INBOX") -> None:
    with dovecot.client(user) as client:
        for raw in mails:
            client.append(folder, raw)


# --- Folders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rewrite",
    [
        [(rb"\* NAMESPACE [^\r]*", b"* NAMESPACE NIL NIL NIL")],
        [(rb" NAMESPACE", b"")],
        [(rb" NAMESPACE", b""), (rb'\* LIST \(([^)]*)\) "/" ""', rb'* LIST (\1) NIL ""')],
    ],
    ids=["no namespace of its own", "no NAMESPACE", "no hierarchy either"],
)
def test_without_a_namespace_folders_have_slashes(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], rewrite: list[tuple[bytes, bytes]]
) -> None:
    """No prefix, and the separator of the answer to LIST; where it tells none, a slash."""
    proxy.rewrite = rewrite
    with open_box() as box:
        assert box.folder_name("School/Homework") == "School/Homework"


def test_special_folders_are_found_by_their_use_or_a_usual_name(
    proxy: FaultProxy, open_box: Callable[[], Mailbox]
) -> None:
    """By RFC 6154; only that of sent mail also by its name, and none is made up."""
    with open_box() as box:
        assert (box.special_folder("\\Drafts"), box.special_folder("\\Archive")) == ("Drafts", "")
        proxy.rewrite = [(rb'(\* LIST [^\r]*)"?\bSent\b"?\r', b'\\1"Gesendet"\r')]
        assert box.sent_folder() == "Gesendet"
        proxy.rewrite = [(rb" ?\\Sent", b"")]
        assert box.sent_folder() == "Sent"
        proxy.rewrite = [(rb" ?\\Sent", b""), (rb"\bSent\b", b"Gesendet")]
        assert box.sent_folder() == ""


def test_a_folder_of_any_name_hides_no_other(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """A name that is no modified UTF-7, as old servers list them, is shown as it stands; digits are a name too."""
    with open_box() as box:
        for folder in ("2026", "Niños", "Karate"):
            box.create_folder(folder)
        proxy.rewrite = [(rb"\bKarate\b", b"R&D"), (rb'"?\b2026\b"?', b"2026")]
        assert {"R&D", "2026", "Niños", "INBOX"} <= set(box.folders())
        assert box.select("Niños").exists == 0


@pytest.mark.parametrize(
    ("reply", "raises"), [("NO [NONEXISTENT] none", False), ("NO [NOPERM] no", True), ("NO no", True)]
)
def test_a_folder_that_cannot_be_looked_into_is_not_taken_for_none(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], reply: str, raises: bool
) -> None:
    """Else it would be created."""
    with open_box() as box:
        proxy.replies = {"STATUS": reply}
        if raises:
            with pytest.raises(RefusedError):
                box.status("INBOX")
        else:
            assert box.status("INBOX") is None
        # A parent folder that only holds others, or one that is not listed, is none to look into.
        assert box.status("Nowhere") is None


def test_a_folder_that_others_own_is_looked_into(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """READ-ONLY is told, whether it was asked for or not, and the connection stands."""
    with open_box() as box:
        assert not box.select("INBOX").read_only
        proxy.rewrite = [(rb"\[READ-WRITE\]", b"[READ-ONLY]")]
        assert box.select("INBOX").read_only
        proxy.rewrite = []
        assert box.select("INBOX", readonly=True).read_only
        assert not box.select("INBOX").read_only


# --- Reading ---------------------------------------------------------------------------------------------


def test_messages_are_found_by_day_and_by_change(open_box: Callable[[], Mailbox]) -> None:
    """SINCE asks for the day of arrival, MODSEQ for what another client changed since."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW - timedelta(days=days)) for days in (9, 2, 0)])
        before = box.status("INBOX")
        assert before is not None
        box.select("INBOX")
        assert box.since((NOW - timedelta(days=2)).date()) == [2, 3]
        assert box.changed_since(before.modseq) == []
        box.add_keywords([2], ["triage-school"])
        assert box.changed_since(before.modseq) == [2]


def test_flags_of_any_name_are_words(dovecot: Dovecot, user: str, open_box: Callable[[], Mailbox]) -> None:
    """Another client's keyword may consist of digits or be NIL, and stands beside the others."""
    deliver(dovecot, user, a_mail())
    with dovecot.client(user) as other, open_box() as box:
        other.select_folder("INBOX")
        other.add_flags([1], ["2026", "NIL", b"\\Seen"])
        box.select("INBOX")
        assert box.flags([1])[1] >= {"2026", "NIL", "\\Seen"}
        assert sorted(box.summaries([1])[1].flags) == sorted(box.flags([1])[1])


def test_of_sent_mail_only_the_fields_are_read(dovecot: Dovecot, user: str, open_box: Callable[[], Mailbox]) -> None:
    """To whom, and what it answers; one without such fields answers nothing."""
    head = b"To: Ms. A <A@maplewood.k12.example>\r\nIn-Reply-To: <asked@x>\r\nReferences: <first@x>\r\n <asked@x>\r\n"
    deliver(dovecot, user, head + b"Message-ID: <mine@x>\r\n\r\nTo: nobody@x\r\n", b"X: y\r\n\r\n", folder="Sent")
    with open_box() as box:
        box.select("Sent", readonly=True)
        found = box.answers([1, 2, 77])
        assert box.message_ids([1, 2, 77]) == {1: "<mine@x>", 2: ""}
    assert found[1].recipients == {"a@maplewood.k12.example"}
    assert found[1].answered == {"<first@x>", "<asked@x>"}
    assert found.keys() == {1, 2}
    assert not found[2].recipients | found[2].answered


def test_an_answer_about_another_message_is_not_taken_for_what_was_asked(
    dovecot: Dovecot, user: str, proxy: FaultProxy, open_box: Callable[[], Mailbox]
) -> None:
    """Servers send flags that changed unasked, in the answer to any FETCH."""
    deliver(dovecot, user, a_mail(), a_mail())
    with open_box() as box:
        box.select("INBOX")
        proxy.rewrite = [(rb"\* 2 FETCH \(UID 2 [^\r]*\)\r", b"* 2 FETCH (UID 2 FLAGS (\\\\Seen))\r")]
        assert list(box.summaries([1, 2])) == [1]
        assert box.flags([1, 2])[2] == {"\\Seen"}


@pytest.mark.parametrize("size", [10, reading.WHOLE_LIMIT + 10], ids=["read whole", "read in parts"])
def test_a_message_that_goes_while_it_is_read_is_no_mail(
    dovecot: Dovecot, user: str, proxy: FaultProxy, open_box: Callable[[], Mailbox], size: int
) -> None:
    """Another client removes it between two commands, or servers give NIL for its parts: the others are read."""
    kept, gone = a_mail(), a_mail(extra="x" * size)
    deliver(dovecot, user, kept, gone, gone)
    with dovecot.client(user) as other, open_box() as box:
        other.select_folder("INBOX")
        box.select("INBOX")

        def remove(_number: int, verb: str) -> None:
            if verb == "UID FETCH" and proxy.seen.count(verb) == 2:
                other.delete_messages([2])
                other.uid_expunge([2])

        proxy.begin(None)
        proxy.before = remove
        proxy.rewrite = [(rb"(?s)(UID 3 .*?BODY\[HEADER\](?:<0>)?) \{\d+\}\r\n.*?\r\n\r\n", b"\\1 NIL")]
        assert [fetched.raw for fetched in box.read([1, 2, 3])] == [kept]


def test_many_large_mails_are_not_asked_for_at_once(
    dovecot: Dovecot, user: str, proxy: FaultProxy, open_box: Callable[[], Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One FETCH asks for so many octets at most, but for a mail at least, and each is read once."""
    mails = [a_mail(extra="x" * 2000) for _ in range(5)]
    monkeypatch.setattr(reading, "BATCH_BYTES", 2 * len(mails[0]) + 100)
    deliver(dovecot, user, *mails)
    with open_box() as box:
        box.select("INBOX")
        proxy.begin(None)
        assert [fetched.raw for fetched in box.read([1, 2, 3, 4, 5])] == mails
        # One for the sizes, then two mails, two, one.
        assert proxy.seen == ["UID FETCH"] * 4
        assert list(box.read([])) == []


@pytest.mark.parametrize(
    ("header", "parts", "read"),
    [(500, 9 * [200_000], 2), (500_000, [200_000], 1), (500, [50_000] * 3 + [120_000], 4), (500, 12 * [25_000], 8)],
    ids=["parts without end", "a header without end", "parts that fit", "more parts than are read"],
)
def test_of_a_mail_no_more_is_fetched_than_it_is_worth(
    dovecot: Dovecot,
    user: str,
    proxy: FaultProxy,
    open_box: Callable[[], Mailbox],
    header: int,
    parts: list[int],
    read: int,
) -> None:
    """Header block, text parts and their fields are bounded each and together, and so is what identity is proved by."""
    fields = "".join(f"X-Filler-{number}: {'x' * 900}\r\n" for number in range(header // 900))
    text = "".join(f"--b\r\nContent-Type: text/plain\r\n\r\n{'wörd ' * (size // 6)}\r\n" for size in parts)
    raw = f"Subject: Maya\r\n{fields}Content-Type: multipart/mixed; boundary=b\r\n\r\n{text}--b--\r\n".encode()
    deliver(dovecot, user, raw)
    with open_box() as box:
        box.select("INBOX")
        before = proxy.octets
        (fetched,) = box.read([1])
        after = proxy.octets
        assert after - before <= reading.MAIL_LIMIT + 4096
        assert len(fetched.raw) <= reading.MAIL_LIMIT
        assert fetched.raw.count("wörd".encode()) > 0
        assert fetched.raw.count(b"Content-Type: text/plain") == read
        assert box.keys([1]) == {1: fetched.key}
        assert list(box.answers([1])) == [1]
        assert proxy.octets - after <= reading.HEADER_LIMIT + 4096


# --- Changing --------------------------------------------------------------------------------------------


def test_gmails_labels_are_read_and_set_as_gmail_has_them(dovecot: Dovecot, user: str) -> None:
    """X-GM-LABELS, silently, in modified UTF-7; an unasked answer about another mail is none about its labels."""
    deliver(dovecot, user, a_mail(), a_mail())
    proxy = FaultProxy(dovecot.plain_port, rewrite=offering(GMAIL))
    wire = Wiretap(proxy.port)
    proxy.replies = {
        "UID FETCH": '* 1 FETCH (UID 1 X-GM-LABELS (\\Inbox "Tom & co" Ni&APE-os 2026))\r\n'
        "* 2 FETCH (UID 2 FLAGS ())\r\n{tag} OK done",
        "UID STORE": "OK done",
    }
    try:
        with Mailbox.connect(account_on(dovecot, user, security="none", port=wire.port), PASSWORD) as box:
            box.select("INBOX")
            assert box.labels([1, 2]) == {1: {"\\Inbox", "Tom & co", "Niños", "2026"}}
            assert box.labels([]) == {}
            box.add_labels([1], ["School/Niños"])
            box.remove_labels([1], ["2026"])
            with pytest.raises(RefusedError, match="control characters"):
                box.add_labels([1], ["a\r\nb"])
        said = bytes(wire.said[0])
    finally:
        wire.stop()
        proxy.stop()
    assert b'UID STORE 1 +X-GM-LABELS.SILENT ("School/Ni&APE-os")\r\n' in said
    assert b'UID STORE 1 -X-GM-LABELS.SILENT ("2026")\r\n' in said
    assert said.count(b"X-GM-LABELS") == 3


def test_a_copy_gets_its_originals_flags_but_never_the_mark_of_deletion(open_box: Callable[[], Mailbox]) -> None:
    r"""Nor \Recent, which is the server's, nor what is no flag at all."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.select("INBOX")
        box.add_flags(1, ["\\Seen", "Mine", "\\Deleted", "\\Recent", "no flag"])
        assert box.flags([1])[1] - {"\\Recent"} == {"\\Seen", "Mine"}


def test_where_the_server_will_not_expunge_the_mark_is_taken_back(
    proxy: FaultProxy, open_box: Callable[[], Mailbox]
) -> None:
    """A message that is not removed is left as it was."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.select("INBOX")
        proxy.replies = {"UID EXPUNGE": "NO [NOPERM] not you"}
        with pytest.raises(RefusedError):
            box.remove([1])
        assert "\\Deleted" not in box.flags([1])[1]
        assert not box.dead


def test_without_uidplus_nothing_is_removed(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """EXPUNGE would take what the parent marked as well."""
    proxy.rewrite = offering("IMAP4rev1")
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.select("INBOX")
        with pytest.raises(RefusedError, match="UIDPLUS"):
            box.remove([1])
        assert box.flags([1]).keys() == {1}
    assert not {"UID STORE", "EXPUNGE", "UID EXPUNGE"} & set(proxy.seen)


@pytest.mark.parametrize("lacking", ["", " LITERAL+", " MULTIAPPEND"])
def test_a_server_that_will_not_keep_our_mail_refuses_it_alone(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], lacking: str
) -> None:
    """NO to APPEND, before or after the mail was sent: the connection is as good as before."""
    proxy.rewrite = [(lacking.replace("+", r"\+").encode(), b"")] if lacking else []
    mails = [Mail(a_mail(), (), NOW), Mail(a_mail(), (), NOW)]
    with open_box() as box:
        proxy.replies = {"APPEND": "NO [OVERQUOTA] full"}
        with pytest.raises(RefusedError):
            box.append("INBOX", mails)
        with pytest.raises(RefusedError):
            box.append("INBOX", mails[:1])
        proxy.replies = {}
        box.append("INBOX", mails)
        assert box.select("INBOX").exists == 2


# --- Waiting, and ends -----------------------------------------------------------------------------------


def test_mail_that_came_just_before_idle_is_told_at_once(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """It is announced in one packet with the answer to IDLE, after which nothing more comes."""
    found: list[bool] = []
    with open_box() as box:
        box.select("INBOX", readonly=True)
        proxy.replies = {"IDLE": "+ idling\r\n* 7 EXISTS"}
        waiting = threading.Thread(target=lambda: found.append(box.wait(500)), daemon=True)
        waiting.start()
        waiting.join(30)
        assert found == [True]
        assert box.select("INBOX").exists == 0


def test_what_is_said_again_and_again_is_no_mail(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """Some servers tell the number of messages, or that they are there, whenever IDLE begins: no pass for that."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail("homework"), (), datetime.now(UTC))])
        box.select("INBOX", readonly=True)
        proxy.replies = {"IDLE": "+ idling\r\n* 1 EXISTS\r\n* 1 RECENT\r\n* OK Still here"}
        assert box.wait(1.2) is False
        assert proxy.seen.count("IDLE") == 1
        proxy.replies = {"IDLE": "+ idling\r\n* 1 EXPUNGE\r\n* 1 EXISTS"}
        assert box.wait(500) is True


def test_a_server_that_never_stops_talking_is_looked_at_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine minutes of it, on a clock of its own."""
    now, looks = 0.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def check(_seconds: float) -> list[tuple[object, ...]]:
        nonlocal looks
        looks += 1
        return [(b"OK", b"Still here"), (3, b"EXISTS"), (1, b"FETCH", (b"FLAGS", ()))]

    monkeypatch.setattr("triage.idling.time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    assert Idling("home", 3, check).grows(540) is False
    assert looks <= 2 * 540 + 1


@pytest.mark.parametrize("end", ["goodbye", "cut", "interrupted"])
def test_a_wait_ends_with_its_connection(proxy: FaultProxy, open_box: Callable[[], Mailbox], end: str) -> None:
    """BYE, a line that breaks, and one that another thread cuts: at once, and the connection is not used again."""
    with open_box() as box:
        box.select("INBOX", readonly=True)
        if end == "goodbye":
            proxy.replies = {"IDLE": "+ idling\r\n* BYE going down"}
        else:
            threading.Timer(0.2, proxy.cut if end == "cut" else box.interrupt).start()
        with pytest.raises(MailboxError):
            box.wait(500)
        assert box.dead
        with pytest.raises(MailboxError):
            box.status("INBOX")


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("STATUS", "* STATUS\r\n{tag} OK done"),
        ("STATUS", "* STATUS INBOX (MESSAGES x UIDNEXT y)\r\n{tag} OK done"),
        ("UID FETCH", "* 1 FETCH (UID 1 FLAGS)\r\n{tag} OK done"),
        ("LIST", "* LIST (\\HasNoChildren)\r\n{tag} OK done"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_ours(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], verb: str, answer: str
) -> None:
    """Whatever the library makes of it, the pass ends with one sentence, and the connection is not used again."""
    verbs: dict[str, Callable[[Mailbox], object]] = {
        "STATUS": lambda box: box.status("INBOX"),
        "UID FETCH": lambda box: box.flags([1]),
        "LIST": lambda box: box.folders(),
    }
    with open_box() as box:
        box.select("INBOX")
        proxy.replies = {verb: answer}
        with pytest.raises(MailboxError, match="home"):
            verbs[verb](box)
        assert box.dead


@pytest.mark.parametrize("rebuilt", [False, True])
def test_after_an_answer_without_sense_a_new_connection_goes_on(
    dovecot: Dovecot, proxy: FaultProxy, user: str, open_box: Callable[[], Mailbox], rebuilt: bool
) -> None:
    """In the same folder, with the others; but not in one that the server built anew meanwhile."""
    deliver(dovecot, user, *(a_mail("homework", number=n) for n in (41, 42, 43)))

    def reply_to(line: str) -> str:
        asked = re.search(r"UID FETCH ([\d,:]+) ", line)
        return "* 2 FETCH (UID 2 BODY[TEXT])\r\n{tag} OK done" if asked and ("2" in asked[1] or ":" in asked[1]) else ""

    with open_box() as box:
        box.select("INBOX", readonly=True)
        before = proxy.connections
        proxy.reply_to = reply_to
        if rebuilt:
            proxy.rewrite = [(rb"UIDVALIDITY \d+", b"UIDVALIDITY 7")]
            with pytest.raises(MailboxError, match="rebuilt"):
                box.keys([1, 2, 3], readable=True)
            return
        assert set(box.keys([1, 2, 3], readable=True)) == {1, 3}
        assert proxy.connections > before
        assert not box.dead


def test_what_a_cut_connection_had_under_way_is_given_time(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked again and again, so that it has done all before, and shows it."""
    monkeypatch.setattr(mailbox, "SETTLE_SECONDS", 0.04)
    with open_box() as box:
        proxy.begin(None)
        box.settle()
        assert proxy.seen == ["NOOP"] * mailbox.SETTLE_NOOPS


# --- What an error says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("{tag} NO [OVERQUOTA] Maya", "(OVERQUOTA)"),
        ("{tag} NO [NOPERM 4] Maya", "(NOPERM)"),
        ("{tag} BAD [CLIENTBUG] Maya", "(CLIENTBUG)"),
        ("* BYE [UNAVAILABLE] Maya", "(UNAVAILABLE)"),
        ("{tag} NO [MAYA] has an [IEP]", "(error)"),
        ("{tag} NO Maya [ALERT]", "(error)"),
        ("[IEP] of Maya", "(abort)"),
        ("[ALERT] of Maya", "(abort)"),
        ("of Maya: too many requests, [LIMIT] of bandwidth", "(abort)"),
        ("* 1 FETCH (UID 1 FLAGS () [ALERT] [IEP] bandwidth\r\n{tag} OK done", "(ProtocolError)"),
    ],
)
def test_an_error_names_a_known_code_of_a_status_and_nothing_of_the_data(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], answer: str, says: str
) -> None:
    """What a server says in place of an answer may be mail: neither is it told, nor taken for a wish of the server."""
    with open_box() as box:
        box.select("INBOX")
        proxy.replies = {"UID FETCH": f"* OK well\r\n{answer}"}
        with pytest.raises(TriageError) as caught:
            box.flags([1])
    assert says in str(caught.value)
    assert not any(word in str(caught.value) for word in ("Maya", "IEP"))
    assert not isinstance(caught.value, LimitedError)


def test_what_happened_meanwhile_is_no_refusal_of_idle(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """A server may tell of new mail before it goes on with the command; a wait that it does refuse is told as such."""
    with open_box() as box:
        box.select("INBOX", readonly=True)
        proxy.replies = {"IDLE": "* 7 EXISTS\r\n+ idling"}
        assert box.wait(500)
        proxy.replies = {"IDLE": "* 7 EXISTS\r\n{tag} NO [NOPERM] not here"}
        with pytest.raises(RefusedError, match="NOPERM"):
            box.wait(500)
        assert box.select("INBOX").exists == 0


# --- Whom an answer is about -----------------------------------------------------------------------------


def test_what_a_server_tells_of_one_message_is_not_taken_for_anothers(dovecot: Dovecot, user: str) -> None:
    """When another client changes flags, it may name the message by its sequence number, which is another's UID."""
    deliver(dovecot, user, *(a_mail(number=n) for n in range(6)))
    with Mailbox.connect(account_on(dovecot, user), PASSWORD) as box, dovecot.client(user) as parent:
        parent.select_folder("INBOX")
        parent.add_flags([1], [r"\Deleted"])
        parent.uid_expunge([1])
        box.select("INBOX")
        for flag in (r"\Answered", r"\Deleted", r"\Seen", "triage-praise"):
            parent.add_flags([5], [flag])
            # The message with the UID 5 is the fourth.
            found = box.flags([4, 5])
            assert flag not in found[4]
            assert flag in found[5]


def test_a_flag_may_be_called_uid(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """Only the item tells whose answer it is."""
    with open_box() as box:
        box.select("INBOX")
        proxy.replies = {
            "UID FETCH": r"* 2 FETCH (FLAGS (UID 3 \Seen))" + "\r\n* 2 FETCH (UID 7 FLAGS (UID))\r\n{tag} OK done"
        }
        assert box.flags([2, 7]) == {7: frozenset({"UID"})}


def test_a_servers_words_are_not_logged(
    proxy: FaultProxy, open_box: Callable[[], Mailbox], caplog: pytest.LogCaptureFixture
) -> None:
    """Not where the library cannot decode them, either: they may quote mail."""
    with open_box() as box:
        box.select("INBOX")
        proxy.rewrite = [(rb"OK Fetch completed[^\r]*", "NO Nachricht »Maya« beschädigt".encode())]
        with pytest.raises(RefusedError):
            box.flags([1])
    assert "Maya" not in caplog.text
