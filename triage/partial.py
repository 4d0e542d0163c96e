"""Pure: mail of which only parts were fetched: a very large one without its attachments, the fields of a sent one."""

import email
import email.message
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from triage.message import OWN_FIELDS, own_kind
from triage.text import one_line

# What `answer_of` reads, as FETCH names it.
ANSWER_FIELDS = f"TO CC DATE SUBJECT IN-REPLY-TO REFERENCES {' '.join(OWN_FIELDS).upper()}"
# Parts that are nested more deeply are not looked for.
MOST_NESTED = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """A sent message: the addresses that it went to, in lower case, the Message-IDs that it answers, its own fields.

    `at` (aware) is None where its Date cannot be read; `ours` names what it is where this program wrote it.
    """

    recipients: frozenset[str]
    answered: frozenset[str]
    message_id: str
    subject: str
    at: datetime | None
    ours: str = ""


def answer_of(fields: bytes) -> Answer:
    """Read `ANSWER_FIELDS` (RFC 5322, 3.6); of recipients that a stranger made too odd to be read there are none."""
    read = email.message_from_bytes(fields)
    ids = re.findall(r"<[^<>\s]+>", " ".join(str(read.get(name, "")) for name in ("in-reply-to", "references")))
    own = re.findall(r"<[^<>\s]+>", str(read.get("message-id", "")))
    return Answer(
        _recipients(read),
        frozenset(ids),
        next(iter(own), ""),
        one_line(_decoded(str(read.get("subject", ""))), 200),
        _date(str(read.get("date", ""))),
        own_kind(read),
    )


def _recipients(read: email.message.Message) -> frozenset[str]:
    try:
        named = getaddresses([str(value) for name in ("to", "cc") for value in read.get_all(name, ())])
    except Exception:  # noqa: BLE001 - the library recurses for each bracket and raises what it does not document
        return frozenset()
    return frozenset(address.lower() for _name, address in named if address)


def bare_subject(subject: str) -> str:
    """A subject without the marks of answers and forwards, for comparison."""
    return re.sub(r"^(?:\s*(?:re|fwd?|rv|aw|wg|sv)\s*(?:\[\d+\])?:)+", "", subject, flags=re.IGNORECASE).strip().lower()


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return text


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def text_parts(structure: Any, number: str = "") -> Iterator[tuple[str, int]]:
    """Number and size in octets of the text parts of a BODYSTRUCTURE that are no attachments (RFC 9051, 7.5.2)."""
    if not isinstance(structure, tuple) or not structure or number.count(".") >= MOST_NESTED:
        return
    if isinstance(structure[0], list):
        for index, part in enumerate(structure[0], start=1):
            yield from text_parts(part, f"{number}.{index}" if number else str(index))
    elif _is_text(structure):
        dispositions = [
            item[0].lower() for item in structure[8:] if isinstance(item, tuple) and item and isinstance(item[0], bytes)
        ]
        if b"attachment" not in dispositions:
            yield number or "1", next((size for size in structure[6:7] if isinstance(size, int)), 0)


def _is_text(part: tuple[Any, ...]) -> bool:
    kind = [name.lower() for name in part[:2] if isinstance(name, bytes)]
    return kind in ([b"text", b"plain"], [b"text", b"html"])


def assembled(header: bytes, numbers: list[str], parts: Mapping[bytes, Any]) -> bytes:
    """A mail of the original header fields and the text parts alone."""
    boundary = b"triage-" + hashlib.sha256(header).hexdigest()[:32].encode()
    fields = re.split(rb"\r?\n(?![ \t])", header.rstrip(b"\r\n"))
    kept = [field for field in fields if not field.lower().startswith((b"content-", b"mime-version"))]
    kept += [b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="' + boundary + b'"']
    single = [field for field in fields if field.lower().startswith(b"content-")]
    lines = [b"\r\n".join(kept), b""]
    for number in numbers:
        mime = parts.get(f"BODY[{number}.MIME]<0>".encode()) or b"\r\n".join(single) + b"\r\n\r\n"
        body = parts.get(f"BODY[{number}]<0>".encode(), b"") or b""
        lines += [b"--" + boundary, mime.rstrip(b"\r\n") + b"\r\n", body]
    return b"\r\n".join([*lines, b"--" + boundary + b"--", b""])
