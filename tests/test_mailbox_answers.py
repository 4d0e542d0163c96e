"""What servers answer that Dovecot does not, or not in its usual way: from behind a proxy that rewrites its words."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.conftest import account_on
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import FaultProxy, offering
from tests.support.hostile import Wiretap
from tests.support.mail import a_mail
from triage.errors import MailboxError, RefusedError
from triage.mailbox import Mail, Mailbox

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)
GMAIL = "IMAP4rev1 UIDPLUS MOVE IDLE NAMESPACE X-GM-EXT-1"


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[FaultProxy]:
    standing = FaultProxy(dovecot.plain_port)
    yield standing
    standing.stop()


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


def test_a_folder_of_any_name_hides_no_other(proxy: FaultProxy, open_box: Callable[[], Mailbox]) -> None:
    """A name that is no modified UTF-7, as old servers list them, is shown as it stands; digits are a name too."""
    with open_box() as box:
        for folder in ("2026", "Niños", "Karate"):
            box.create_folder(folder)
        proxy.rewrite = [(rb"\bKarate\b", b"R&D"), (rb'"?\b2026\b"?', b"2026")]
        assert {"R&D", "2026", "Niños", "INBOX"} <= set(box.folders())
        assert box.select("Niños").exists == 0


def test_flags_of_any_name_are_words(dovecot: Dovecot, user: str, open_box: Callable[[], Mailbox]) -> None:
    """Another client's keyword may consist of digits or be NIL, and stands beside the others."""
    deliver(dovecot, user, a_mail())
    with dovecot.client(user) as other, open_box() as box:
        other.select_folder("INBOX")
        other.add_flags([1], ["2026", "NIL", b"\\Seen"])
        box.select("INBOX")
        assert box.flags([1])[1] >= {"2026", "NIL", "\\Seen"}
        assert sorted(box.summaries([1])[1].flags) == sorted(box.flags([1])[1])


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
