"""One contract for every mailbox: the real one on Dovecot, with and without MOVE, and the one in memory."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import account_on
from tests.support.damaged import damaged
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.mail import a_mail
from tests.support.memory import MemoryMailbox, Server
from triage import connection
from triage.config import Account
from triage.errors import MailboxError, RefusedError, SignInRefusedError
from triage.mailbox import Mail, Mailbox
from triage.partial import Answer, answer_of, bare_subject
from triage.reading import content_key

Open = Callable[[], Mailbox | MemoryMailbox]
NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)


@pytest.fixture(params=["dovecot", "without_move", "memory"])
def open_box(request: pytest.FixtureRequest) -> Open:
    if request.param == "memory":
        server = Server()
        return lambda: MemoryMailbox(server)
    name = {"dovecot": "dovecot", "without_move": "dovecot_without_move"}[request.param]
    dovecot: Dovecot = request.getfixturevalue(name)
    user = dovecot.new_user()
    return lambda: Mailbox.connect(account_on(dovecot, user), PASSWORD)


def test_what_is_appended_is_read_as_it_was(open_box: Open) -> None:
    """Reading gives the same bytes, and the key is that of header block and size."""
    raw = a_mail()
    with open_box() as box:
        box.append("INBOX", [Mail(raw, (), NOW)])
        selected = box.select("INBOX")
        (fetched,) = box.read(box.starting_at(1))
    assert fetched.raw == raw
    assert fetched.key == content_key(raw[: raw.index(b"\r\n\r\n") + 4], len(raw))
    assert (selected.exists, selected.uidnext, selected.read_only) == (1, 2, False)


def test_reading_marks_nothing_as_read(open_box: Open) -> None:
    r"""No verb that reads sets \\Seen."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.select("INBOX")
        list(box.read([1]))
        box.keys([1])
        box.message_ids([1])
    with open_box() as box:
        box.select("INBOX")
        assert "\\Seen" not in box.flags([1])[1]


def test_keywords_are_added_and_removed(open_box: Open) -> None:
    """Tags are kept for the next connection."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW), Mail(a_mail(), (), NOW)])
        assert box.select("INBOX").keywords
        box.add_keywords([1, 2], ["triage-homework", "triage-school"])
        box.remove_keywords([2], ["triage-school"])
    with open_box() as box:
        box.select("INBOX")
        found = box.flags([1, 2])
    assert found[1] >= {"triage-homework", "triage-school"}
    assert "triage-school" not in found[2]


def test_a_copy_keeps_the_key(open_box: Open) -> None:
    """A message is known again in another folder."""
    with open_box() as box:
        folder = box.folder_name("School/Homework")
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.create_folder(folder)
        box.select("INBOX")
        key = box.keys([1])[1]
        box.copy([1], folder)
        assert box.status(folder) is not None
        box.select(folder, readonly=True)
        assert list(box.keys(box.starting_at(1)).values()) == [key]


def test_remove_takes_only_what_it_is_told(open_box: Open) -> None:
    """What the parent marked as deleted stays until the parent expunges it."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), ("\\Deleted",), NOW), Mail(a_mail(), (), NOW)])
        box.select("INBOX")
        box.remove([2])
    with open_box() as box:
        box.select("INBOX")
        assert box.starting_at(1) == [1]
        assert "\\Deleted" in box.flags([1])[1]


def test_flags_are_given_and_taken_but_for_the_mark_of_deletion(open_box: Open) -> None:
    r"""A copy gets and loses what its original did; \Deleted has a verb of its own, which only takes it back."""
    with open_box() as box:
        box.select("INBOX")
        box.append("INBOX", [Mail(a_mail(), ("\\Seen", "\\Deleted"), NOW)])
        box.select("INBOX")
        (uid,) = box.starting_at(1)[-1:]
        box.add_flags(uid, ["\\Flagged", "\\Deleted"])
        box.remove_flags(uid, ["\\Seen", "\\Deleted"])
        assert box.flags([uid])[uid] - {"\\Recent"} == {"\\Flagged", "\\Deleted"}
        box.unmark([uid])
        assert box.flags([uid])[uid] - {"\\Recent"} == {"\\Flagged"}


def test_several_mails_are_appended_in_order_with_their_flags(open_box: Open) -> None:
    """One call, several mails."""
    mails = [Mail(a_mail(number=n), ("\\Seen",), NOW) for n in (901, 902, 903)]
    with open_box() as box:
        box.append("INBOX", mails)
        box.select("INBOX")
        assert list(box.message_ids([1, 2, 3]).values()) == [f"<homework-{n}@test.example>" for n in (901, 902, 903)]
        assert all("\\Seen" in flags for flags in box.flags([1, 2, 3]).values())


def test_what_is_not_there_is_not_in_the_answer(open_box: Open) -> None:
    """A UID that is gone is no error; a folder that is not there has no status; `n:*` does not give old mail."""
    with open_box() as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.select("INBOX")
        assert not any((box.keys([77]), box.flags([77]), box.summaries([77])))
        assert list(box.read([77])) == []
        assert box.starting_at(5) == []
        assert box.status(box.folder_name("Nowhere")) is None
        with pytest.raises(RefusedError):
            box.select(box.folder_name("Nowhere"))


def test_a_closed_connection_is_not_used_again(open_box: Open) -> None:
    """After `interrupt` every command fails at once."""
    box = open_box()
    box.select("INBOX")
    box.interrupt()
    with pytest.raises(MailboxError):
        box.status("INBOX")


# --- The real one alone ----------------------------------------------------------------------------------


def test_move_is_one_command(dovecot: Dovecot) -> None:
    """UID MOVE takes the message out of one folder and into another."""
    with Mailbox.connect(account_on(dovecot, dovecot.new_user()), PASSWORD) as box:
        box.append("INBOX", [Mail(a_mail(), (), NOW)])
        box.create_folder("School")
        box.select("INBOX")
        box.move([1], "School")
        assert box.starting_at(1) == []
        found = box.status("School")
        assert found is not None
        assert found.exists == 1


def test_folder_names_follow_the_servers_namespace(dovecot: Dovecot, dovecot_without_move: Dovecot) -> None:
    """Prefix and separator come from the server; a separator inside a name is not taken for one."""
    with Mailbox.connect(account_on(dovecot, dovecot.new_user()), PASSWORD) as box:
        assert box.folder_name("School/St. Mary") == "School/St. Mary"
    with Mailbox.connect(account_on(dovecot_without_move, dovecot_without_move.new_user()), PASSWORD) as box:
        assert box.folder_name("School/St. Mary") == "INBOX.School.St_ Mary"
        assert box.folder_name("INBOX/School") == "INBOX.School"


def test_other_letters_in_folder_names(dovecot: Dovecot) -> None:
    """Folder names are sent in modified UTF-7."""
    with Mailbox.connect(account_on(dovecot, dovecot.new_user()), PASSWORD) as box:
        box.create_folder("Escuela/Señora Núñez & co")
        assert "Escuela/Señora Núñez & co" in box.folders()


def test_a_very_large_mail_is_read_without_its_attachment(dovecot: Dovecot) -> None:
    """Of a mail over the limit only header fields and text parts are fetched; its key is still its own."""
    boundary = "==b=="
    attachment = ("QUJD" * 19 + "\r\n") * 60_000
    raw = (
        "From: Ms. Alvarez <alvarez@maplewood.k12.example>\r\nSubject: pictures\r\nMIME-Version: 1.0\r\n"
        f'Message-ID: <big@test.example>\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        "Se=C3=B1ora, the class was wonderful.\r\n"
        f"--{boundary}\r\nContent-Type: image/jpeg; name=a.jpg\r\nContent-Disposition: attachment; filename=a.jpg\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{attachment}--{boundary}--\r\n"
    ).encode()
    from triage.message import parse_message

    with Mailbox.connect(account_on(dovecot, dovecot.new_user()), PASSWORD) as box:
        box.append("INBOX", [Mail(raw, (), NOW)])
        box.select("INBOX")
        (fetched,) = box.read([1])
        assert fetched.key == box.keys([1])[1]
    assert len(raw) > 4_000_000
    assert len(fetched.raw) < 10_000
    message = parse_message(fetched.raw)
    assert (message.subject, message.parts.own) == ("pictures", "Señora, the class was wonderful.")


def test_idle_wakes_when_mail_arrives(dovecot: Dovecot) -> None:
    """`wait` tells an arrival from silence."""
    user = dovecot.new_user()
    with Mailbox.connect(account_on(dovecot, user), PASSWORD) as box, dovecot.client(user) as other:
        box.select("INBOX", readonly=True)
        assert box.wait(0.3) is False
        other.append("INBOX", a_mail())
        assert box.wait(10) is True


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_each_way_of_connecting(dovecot: Dovecot, security: str) -> None:
    """Implicit TLS, STARTTLS, and plain on loopback."""
    port = dovecot.tls_port if security == "tls" else dovecot.plain_port
    account = account_on(dovecot, dovecot.new_user(), security=security, port=port)
    with Mailbox.connect(account, PASSWORD) as box:
        assert box.select("INBOX").exists == 0


@pytest.mark.parametrize("name", ["anna b", 'an"na', "DOM\\anna", "(anna)"])
def test_a_user_may_have_any_name(dovecot: Dovecot, name: str) -> None:
    """LOGIN takes a name of plain letters as it stands; any other goes by PLAIN."""
    with Mailbox.connect(account_on(dovecot, name), PASSWORD) as box:
        assert box.select("INBOX").exists == 0


def test_a_certificate_that_nobody_vouches_for_is_refused(dovecot: Dovecot) -> None:
    """Never a fallback to plain; the sentence says what to do."""
    with pytest.raises(MailboxError, match=r"certificate is not trusted.*ca_file") as caught:
        Mailbox.connect(account_on(dovecot, dovecot.new_user(), ca_file=None), PASSWORD)
    assert caught.value.exit_code == 4


def test_a_certificate_for_another_host_is_refused(dovecot: Dovecot) -> None:
    """The name is checked too."""
    account = account_on(dovecot, dovecot.new_user(), host="127.0.0.2")
    with pytest.raises(MailboxError, match=r"not trusted|cannot be reached"):
        Mailbox.connect(account, PASSWORD)


def test_a_wrong_password_is_told_apart(dovecot: Dovecot) -> None:
    """Exit code 3, the account named, the password not."""
    with pytest.raises(SignInRefusedError, match='account "home"') as caught:
        Mailbox.connect(account_on(dovecot, dovecot.new_user()), "wrong-secret")
    assert caught.value.exit_code == 3
    assert "wrong-secret" not in str(caught.value)


def test_no_server_there(dovecot: Dovecot) -> None:
    """Exit code 4: trying again may help."""
    with pytest.raises(MailboxError, match="cannot be reached") as caught:
        Mailbox.connect(account_on(dovecot, "nobody", port=1), PASSWORD)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["a\r\nX LOGOUT", "a\x00b", "tab\tbed"])
def test_control_characters_never_reach_the_wire(dovecot: Dovecot, name: str) -> None:
    """Arguments that would end a command are refused before anything is sent."""
    with Mailbox.connect(account_on(dovecot, dovecot.new_user()), PASSWORD) as box:
        box.select("INBOX")
        for verb in (box.create_folder, box.status, box.select):
            with pytest.raises(RefusedError):
                verb(name)
        with pytest.raises(RefusedError):
            box.add_keywords([1], [name])
        assert box.select("INBOX").exists == 0


def test_tls_contexts_verify() -> None:
    """Nothing in the package turns verification off."""
    from tests.conftest import ROOT

    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "triage").glob("*.py"))
    for forbidden in ("CERT_NONE", "check_hostname = False", "_create_unverified_context"):
        assert forbidden not in sources
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


def test_an_answer_is_read_from_its_fields() -> None:
    """Folded fields, names, capitals; what answers nothing is an answer to nothing."""
    fields = (
        b"To: =?utf-8?q?Ms=2E_O?= <Ortega@X.example>,\r\n b@y.example\r\nCc: c@z.example\r\n"
        b"In-Reply-To: <one@x.example>\r\nReferences: <two@x.example>\r\n <one@x.example>\r\n\r\n"
    )
    answer = answer_of(fields)
    assert answer.recipients == {"ortega@x.example", "b@y.example", "c@z.example"}
    assert answer.answered == {"<one@x.example>", "<two@x.example>"}
    assert answer_of(b"\r\n") == Answer(frozenset(), frozenset(), "", "", None)


def test_an_answer_is_dated_and_named() -> None:
    """Its own Message-ID, its subject decoded, its date with an offset."""
    fields = (
        b"Subject: =?utf-8?q?Re=3A_ni=C3=B1o?=\r\nMessage-ID: <m@h>\r\nDate: Wed, 7 Jan 2026 15:04:00 -0500\r\n\r\n"
    )
    answer = answer_of(fields)
    assert (answer.message_id, answer.subject) == ("<m@h>", "Re: niño")
    assert answer.at is not None
    assert answer.at.isoformat() == "2026-01-07T15:04:00-05:00"
    assert bare_subject("RE: Fwd: re: Maya ") == bare_subject("Maya") == "maya"


@pytest.mark.parametrize("odd", [b"(" * 5_000, b"a:" * 5_000, b"<" * 5_000, b'"' * 5_000, b"=?x?q?" * 2_000])
def test_no_field_of_a_strangers_stops_the_reading_of_others(odd: bytes) -> None:
    """The library's reader of addresses goes one call deeper for each bracket; what else it says is read."""
    for field in (b"To: ", b"Cc: ", b"Subject: ", b"In-Reply-To: ", b"Date: "):
        answer = answer_of(field + odd + b"\r\nMessage-ID: <m@h>\r\nReferences: <r@h>\r\n\r\n")
        assert answer.message_id == "<m@h>"
        assert "<r@h>" in answer.answered


def test_every_damaged_letter_has_an_answer() -> None:
    """Its fields are read outside the worker."""
    assert all(isinstance(answer_of(damaged(number)), Answer) for number in range(1_000))


@given(st.binary(max_size=300))
def test_any_octets_are_an_answer(octets: bytes) -> None:
    """Nothing that a server sends as fields raises."""
    assert all("<" in name for name in answer_of(b"To: " + octets).answered)


@pytest.mark.parametrize(("security", "answered"), [("none", 0), ("none", 1), ("none", 2), ("tls", 0)])
def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, security: str, answered: int) -> None:
    """Each octet comes within the socket's timeout; greeting, handshake and sign-in as a whole have an end."""
    monkeypatch.setattr(connection, "SIGN_IN_SECONDS", 0.3)
    cut = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                lines = peer.makefile("rb")
                for greeting in [b"* OK ready\r\n", b""][:answered]:
                    peer.sendall(greeting)
                    peer.sendall(b"* CAPABILITY IMAP4rev1\r\n" + lines.readline().split()[0] + b" OK done\r\n")
                # A handshake record that announces more than will ever come, or the beginning of an answer.
                peer.sendall(b"\x16\x03\x03\x40\x00" if security == "tls" else b"* OK ")
                try:
                    for _ in range(600):
                        peer.sendall(b".")
                        time.sleep(0.05)
                except OSError:
                    cut.set()

        server = threading.Thread(target=drip, daemon=True)
        server.start()
        account = Account.model_validate(
            {"name": "home", "host": "127.0.0.1", "port": listener.getsockname()[1], "username": "ada"}
            | {"security": security}
        )
        with pytest.raises(MailboxError, match="home"):
            Mailbox.connect(account, "secret")
        server.join(40)
    assert cut.is_set()
