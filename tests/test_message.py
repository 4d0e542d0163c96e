"""Bytes to a message: damage is survived, and what is no mail is told as such."""

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED_MAIL
from tests.support.mail import a_mail
from triage.message import Message, UnreadableError, parse_message
from triage.partial import answer_of


def mail(body: str | bytes = "Hello", **headers: str) -> bytes:
    fields = {"From": "Dana Alvarez <Alvarez@Maplewood.k12.example>", "To": "jo@rivera.example", "Subject": "Maya"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    return head + b"\r\n" + (body.encode() if isinstance(body, str) else body)


def test_the_fields_of_a_plain_mail() -> None:
    """Names, addresses in lower case, date with its own offset, threads."""
    message = parse_message(
        mail(
            Date="Wed, 07 Jan 2026 15:04:00 -0500",
            Message_ID="<x@y>",
            In_Reply_To="<w@y>",
            References="<v@y> <w@y>",
            Reply_To="office@maplewood.k12.example",
            List_Id="<families.maplewood.k12.example>",
        )
    )
    assert (message.sender.name, message.sender.address) == ("Dana Alvarez", "alvarez@maplewood.k12.example")
    assert message.date is not None
    assert message.date.isoformat() == "2026-01-07T15:04:00-05:00"
    assert (message.message_id, message.in_reply_to, message.references) == ("<x@y>", "<w@y>", ("<v@y>", "<w@y>"))
    assert message.reply_to[0].address == "office@maplewood.k12.example"
    assert message.header("list-id") == "<families.maplewood.k12.example>"
    assert message.parts.own == "Hello"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain; charset=utf-8", "señor".encode(), "señor"),
        ("text/plain; charset=iso-8859-1", "señor".encode("latin-1"), "señor"),
        ("text/plain; charset=utf-8", "señor".encode("latin-1"), "señor"),
        ("text/plain", "señor".encode("latin-1"), "señor"),
        ("text/plain; charset=no-such-thing", "señor".encode(), "señor"),
        ("text/plain; charset=idna", b"hello", "hello"),
        ("text/html; charset=utf-8", b"<p>hello</p>", "hello"),
        ("multipart/mixed; boundary=lost", b"hello anyway", "hello anyway"),
        ("multipart/alternative", b"hello anyway", "hello anyway"),
        ("nonsense", b"hello", "hello"),
    ],
)
def test_text_survives_wrong_charsets_and_types(content_type: str, body: bytes, expected: str) -> None:
    """What is declared is tried first; then what fits."""
    assert parse_message(mail(body, Content_Type=content_type)).parts.own == expected


def test_the_html_part_counts_where_the_plain_one_is_a_stub() -> None:
    """A plain part that only says "view in HTML" is not the mail."""
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nHTML only\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        "<p>Maya was kind to a new classmate today, and I wanted you to know it.</p>\r\n--b--\r\n"
    )
    assert (
        "kind to a new classmate"
        in parse_message(mail(body, Content_Type='multipart/alternative; boundary="b"')).parts.own
    )


def test_attachments_and_attached_mails_are_not_read() -> None:
    """Their names are kept, their words are not the sender's."""
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nsee the note\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y\r\nSubject: inner\r\n\r\nBEHAVIOR WORDS\r\n"
        "--b\r\nContent-Type: text/plain; name=log.txt\r\nContent-Disposition: attachment; filename=log.txt\r\n\r\n"
        "MORE WORDS\r\n--b--\r\n"
    )
    message = parse_message(mail(body, Content_Type='multipart/mixed; boundary="b"'))
    assert message.parts.own == "see the note"
    assert message.attachments == ("message.eml", "log.txt")


def test_doubled_fields_are_defects() -> None:
    """The second From of a forger is not overlooked."""
    raw = b"From: a@b.example\r\n" + mail()
    assert "more than one from field" in parse_message(raw).defects


def test_encoded_headers_cannot_break_out() -> None:
    """A decoded subject holds no line break, whatever was encoded in it."""
    message = parse_message(mail(Subject="=?utf-8?q?hello=0D=0ABcc=3A_x=40y?="))
    assert "\n" not in message.subject
    assert "\r" not in message.subject


@pytest.mark.parametrize("raw", [b"", b"\x00" * 50, b"\xff\xd8\xff\xe0" * 99, b"just words, no fields\n", b"\n\nbody"])
def test_what_is_no_mail_is_unreadable(raw: bytes) -> None:
    """One sentence, and none of the content in it."""
    with pytest.raises(UnreadableError, match=r"no e-mail|damaged"):
        parse_message(raw)


def test_depth_and_number_of_parts_are_survived() -> None:
    """Thousands of levels or parts are read or told unreadable, never a crash."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    wide = b"--b\r\n\r\nx\r\n" * 20_000
    for body, kind in ((deep, "multipart/mixed; boundary=top"), (wide, "multipart/mixed; boundary=b")):
        try:
            parse_message(mail(body, Content_Type=kind))
        except UnreadableError as error:
            assert "damaged" in str(error)


@given(st.binary(max_size=400))
def test_any_bytes_give_a_message_or_a_sentence(raw: bytes) -> None:
    """Nothing else comes out."""
    with contextlib.suppress(UnreadableError):
        assert isinstance(parse_message(raw), Message)


def test_mutated_mail_gives_a_message_or_a_sentence() -> None:
    """Ten thousand damaged variants of real structures."""
    chance = random.Random(7)
    body = (
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--b--\r\n"
    )
    whole = mail(body, Content_Type='multipart/alternative; boundary="b"', Date="Wed, 07 Jan 2026 15:04:00 -0500")
    read = 0
    for _ in range(10_000):
        raw = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            position = chance.randrange(len(raw))
            match chance.randrange(3):
                case 0:
                    raw[position] = chance.randrange(256)
                case 1:
                    del raw[position : position + chance.randrange(1, 20)]
                case _:
                    raw[position:position] = chance.choice([b"\r\n", b"\x00", b"=?x?q?", b'"', b";", b"\xff"])
        try:
            parse_message(bytes(raw))
            read += 1
        except UnreadableError:
            pass
    assert read > 9_500


ODD = sorted((SHARED_MAIL / "odd").glob("*.eml")) if SHARED_MAIL.exists() else []


@pytest.mark.parametrize("path", ODD, ids=[path.stem for path in ODD])
def test_odd_real_mail(path: Path) -> None:
    """Broken mail of the real world: read, or told unreadable."""
    try:
        message = parse_message(path.read_bytes())
    except UnreadableError as error:
        assert "no e-mail" in str(error)
    else:
        assert "\n" not in message.subject


def test_our_own_mail_is_known() -> None:
    """A note or digest is told by its field and its Message-ID, and that nobody sent it."""
    ours = {"X_Triage": "note", "Message_ID": "<4711@triage.invalid>"}
    assert parse_message(mail(**ours)).is_ours
    assert answer_of(mail(**ours)).ours == "note"
    assert not parse_message(a_mail()).is_ours


@pytest.mark.parametrize(
    "changed",
    [
        {"Message_ID": "<4711@mailprogram.example>"},
        {"Message_ID": "<4711@triage.invalid.evil.example>"},
        {"Message_ID": ""},
        {"Received": "from evil.example by mx.example; Wed, 7 Jan 2026 15:04:00 -0500"},
        {"Return_Path": "<evil@evil.example>"},
        {"Authentication_Results": "mx.example; none"},
    ],
)
def test_what_was_sent_or_changed_is_not_ours(changed: dict[str, str]) -> None:
    """A stranger may write the field, and a draft that the parent changed is the parent's."""
    raw = mail(**{"X_Triage": "note", "Message_ID": "<4711@triage.invalid>", **changed})
    assert not parse_message(raw).is_ours
    assert answer_of(raw).ours == ""
