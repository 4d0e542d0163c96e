"""What servers answer that Dovecot does not, or not in its usual way: from behind a proxy that rewrites its words."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.conftest import account_on
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import FaultProxy
from triage.errors import MailboxError
from triage.mailbox import Mailbox

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
