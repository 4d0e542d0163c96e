"""Bytes of one mail to a frozen `Message`; the only importer of mail-parser.

Damage (bad charsets, missing boundaries, broken dates) becomes `defects`; only what is no mail at all
raises `UnreadableError`.
"""

import email
import email.message
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

import mailparser  # noqa: TID251 - the one place

from triage.errors import TriageError
from triage.ical import Invitation, read_invitation
from triage.text import LONGEST_BLOCK, Parts, clean, html_to_text, one_line, split_parts

# mail-parser and email warn about every oddity of a mail, and would quote it.
logging.getLogger("mailparser").setLevel(logging.CRITICAL)

# A mail is understood from its first words; more text than this is an attack or a mistake.
TEXT_LIMIT = 256 * 1024
# Of the text that an HTML part shows, and of a plain one, so many characters are read.
READ_LIMIT = 32 * 1024
# A calendar file of one meeting is small.
CALENDAR_LIMIT = 64 * 1024

_KEPT_HEADERS = (
    "authentication-results",
    "auto-submitted",
    "list-id",
    "list-unsubscribe",
    "precedence",
    "return-path",
    "sender",
)
# A server puts its findings before all else, and may find many signatures: what is cut off may be the failure.
_LONGEST_FIELD = {"authentication-results": 256 * 1024}
# What a server adds to a mail that is sent to somebody; what is put into a folder bears none of it.
_DELIVERED = ("received", "return-path", "authentication-results")
# What `own_kind` looks at.
OWN_FIELDS = ("message-id", "x-triage", *_DELIVERED)
_SINGLE_HEADERS = ("from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "subject", "date")


class UnreadableError(TriageError):
    """These bytes are no mail, or a mail damaged beyond reading; they are left where they are."""


@dataclass(frozen=True, slots=True)
class Person:
    """A display name (may be empty) and an address in lower case."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What follows the last @."""
        return self.address.rpartition("@")[2]


NOBODY = Person("", "")


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, read. Text fields hold no control characters but newlines in `parts`.

    `is_ours` tells a note, draft or digest that triage itself put into the mailbox, `delivered` a mail that bears a
    trace of having been sent to somebody.
    """

    message_id: str
    subject: str
    date: datetime | None
    sender: Person
    reply_to: tuple[Person, ...]
    recipients: tuple[Person, ...]
    in_reply_to: str
    references: tuple[str, ...]
    headers: Mapping[str, tuple[str, ...]]
    parts: Parts
    attachments: tuple[str, ...]
    defects: tuple[str, ...]
    invitation: Invitation | None = None
    is_ours: bool = False
    delivered: bool = False

    def header(self, name: str) -> str:
        """First value of one of the kept header fields, empty where there is none."""
        return next(iter(self.headers.get(name, ())), "")


def own_kind(fields: email.message.Message) -> str:
    """What a mail is where this program wrote it (note, draft, digest), else empty.

    Anybody can send a mail that says so, but none that bears no trace of having been sent. A draft that the parent
    changed has another Message-ID, and is theirs.
    """
    message_id = str(fields.get("message-id", "")).strip().lower()
    if not message_id.endswith("@triage.invalid>") or _was_delivered(fields):
        return ""
    return str(fields.get("x-triage", "")).strip().lower()


def _was_delivered(fields: email.message.Message) -> bool:
    return any(name in fields for name in _DELIVERED)


def parse_message(raw: bytes, received: datetime | None = None) -> Message:
    """Read one mail.

    `received` (aware) stands in for a Date field that is missing or broken.
    Raises `UnreadableError`.
    """
    tree = _tree(raw)
    try:
        damage = {type(defect).__name__ for part in tree.walk() for defect in part.defects}
        invitation = _invitation(tree)
        attachments = tuple(_prune(tree))
        message = _from_parser(mailparser.MailParser(tree), attachments, damage, received)
        return replace(message, invitation=invitation)
    except (Exception, RecursionError) as error:  # noqa: BLE001
        # Parsers raise outside their own hierarchies on hostile input; the class says enough for a report.
        raise UnreadableError(f"this mail is damaged beyond reading ({type(error).__name__})") from None


def _tree(raw: bytes) -> email.message.Message:
    try:
        tree = email.message_from_bytes(raw)
        has_fields = any(name in tree for name in ("From", "Subject", "Date", "Message-ID", "To"))
    except (Exception, RecursionError):  # noqa: BLE001 - as above
        has_fields = False
    if not has_fields:
        raise UnreadableError("this is no e-mail: it has no header fields")
    return tree


def _invitation(tree: email.message.Message) -> Invitation | None:
    """The meeting of the first part of type text/calendar (RFC 6047), small ones alone."""
    for part in tree.walk():
        if part.get_content_type() in ("text/calendar", "application/ics") and not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and len(payload) <= CALENDAR_LIMIT:
                return read_invitation(payload)
    return None


def _prune(tree: email.message.Message) -> Iterator[str]:
    """Empty everything that is not the sender's text; yield the attachments' names."""
    for part in list(tree.walk()):
        kind = part.get_content_maintype()
        if kind == "message" and part is not tree:
            part.set_payload("")
            part.set_type("text/x-attached-message")
            part["Content-Disposition"] = "attachment"
            yield "message.eml"
        elif part.is_multipart():
            continue
        elif kind == "multipart":
            # The boundary is not to be found: what is there is read as it stands.
            del part["Content-Type"]
            part["Content-Type"] = "text/plain"
            part.defects.clear()
            _mend_charset(part)
        elif (
            kind != "text"
            or part.get_content_subtype() == "calendar"
            or part.get_content_disposition() == "attachment"
            or part.get_filename()
        ):
            yield one_line(str(part.get_filename() or part.get_content_type()), 100)
            part.set_payload("")
        else:
            _mend_charset(part)


def _mend_charset(part: email.message.Message) -> None:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return
    if len(payload) > TEXT_LIMIT:
        payload = payload[:TEXT_LIMIT]
        del part["Content-Transfer-Encoding"]
        part.set_payload(payload.decode("ascii", "surrogateescape"))
    if not _decodes(payload, part.get_content_charset() or "utf-8") and not _decodes(payload, "utf-8"):
        part.set_param("charset", "windows-1252")


def _decodes(payload: bytes, charset: str) -> bool:
    try:
        payload.decode(charset)
    except (LookupError, UnicodeError, ValueError):
        return False
    return True


def _from_parser(
    mail: mailparser.MailParser, attachments: tuple[str, ...], damage: set[str], received: datetime | None
) -> Message:
    tree = mail.message
    senders = _people(mail.from_)
    subject = one_line(_first(mail.subject), 500)
    doubled = [name for name in _SINGLE_HEADERS if len(tree.get_all(name, [])) > 1]
    fields = [f"{name} field" for name in doubled]
    fields += ["from address"] if len({person.address for person in senders if "@" in person.address}) > 1 else []
    damage = damage | {str(kind) for kind in mail.defects_categories}
    return Message(
        message_id=one_line(_first(mail.message_id), 998),
        subject=subject,
        date=_date(mail) or received,
        sender=senders[0] if senders else NOBODY,
        reply_to=_people(mail.reply_to),
        recipients=_people(mail.to) + _people(mail.cc),
        in_reply_to=next(iter(_message_ids(mail.in_reply_to)), ""),
        references=tuple(_message_ids(mail.references)),
        headers={
            name: tuple(one_line(str(value), _LONGEST_FIELD.get(name, 2000)) for value in tree.get_all(name, []))
            for name in _KEPT_HEADERS
            if name in tree
        },
        parts=split_parts(_body(mail.text_plain, mail.text_html), forward=bool(_FORWARDED.match(subject))),
        attachments=attachments,
        defects=(*(f"more than one {name}" for name in fields), *sorted(damage)),
        is_ours=bool(own_kind(tree)),
        delivered=_was_delivered(tree),
    )


_FORWARDED = re.compile(r"(fwd?|rv|reenv\w*|tr|wg)\s*:", re.IGNORECASE)


# A Date outside of these is broken, or meant to break something.
_FIRST_YEAR, _LAST_YEAR = 1980, 2100


def _date(mail: mailparser.MailParser) -> datetime | None:
    if mail.date is None or not _FIRST_YEAR <= mail.date.year <= _LAST_YEAR:
        return None
    at: datetime = mail.date if mail.date.tzinfo else mail.date.replace(tzinfo=UTC)
    try:
        return at.astimezone(timezone(timedelta(hours=float(mail.timezone or 0))))
    except (ValueError, OverflowError):
        return at


def _first(value: object) -> str:
    # mail-parser gives a list where a field stands more than once.
    return str(value[0] if isinstance(value, list) and value else value or "")


def _people(pairs: object) -> tuple[Person, ...]:
    if not isinstance(pairs, list):
        return ()
    return tuple(
        Person(name=one_line(str(name), 200), address=one_line(str(address), 320).lower())
        for name, address in pairs
        if address
    )


def _message_ids(value: object) -> list[str]:
    return re.findall(r"<[^<>\s]{1,990}>", clean(str(value or "")))[:100]


def _body(plain_parts: list[str], html_parts: list[str]) -> str:
    """The plain part, unless it is a stub beside a full HTML part."""
    plain = clean("\n\n".join(plain_parts)[:TEXT_LIMIT])
    html = html_to_text("\n".join(html_parts)[:TEXT_LIMIT]) if html_parts else ""
    text = html if len(plain.split()) * 3 < len(html.split()) else plain
    return re.sub(rf"[^\n]{{{LONGEST_BLOCK}}}(?=[^\n])", "\\g<0>\n", text[:READ_LIMIT])
