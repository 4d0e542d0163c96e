"""A man in the middle who cannot break TLS, and speaks before it begins."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.conftest import account_on
from tests.support.dovecot import PASSWORD, Dovecot
from triage.mailbox import Mailbox


class _Between:
    """Hands on what both say, and puts words of its own before the server's consent to TLS."""

    def __init__(self, upstream: int, words: bytes) -> None:
        self._upstream, self._words = upstream, words
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while said := one.recv(65536):
                other.sendall(self._words + said if b"Begin TLS" in said else said)
            other.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=[b'* LIST (\\Noselect) "^" ""\r\n', b'* NAMESPACE (("Stolen/" "/")) NIL NIL\r\n'])
def between(dovecot: Dovecot, request: pytest.FixtureRequest) -> Iterator[_Between]:
    one = _Between(dovecot.plain_port, request.param)
    yield one
    one.stop()


def test_what_was_said_in_the_clear_is_forgotten(dovecot: Dovecot, between: _Between) -> None:
    """Prefix and separator of folder names are those that the server tells behind TLS (RFC 9051, 11.1)."""
    account = account_on(dovecot, dovecot.new_user(), security="starttls", port=between.port)
    with Mailbox.connect(account, PASSWORD) as box:
        assert box.folder_name("School/Homework") == "School/Homework"
        assert box.select("INBOX").exists == 0
