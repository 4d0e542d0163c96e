"""Pure: cards as mail of ours, a note beside the message or an unsent draft. Nothing here can send."""

from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from itertools import groupby
from typing import Any

from triage.draft import Finding
from triage.message import Message
from triage.prompts import Card, Wording
from triage.sender import answer_address, is_answerable, is_automatic, is_from_list
from triage.text import one_line

# What is longer is not quoted whole: the mail itself is at hand.
MOST_QUOTED = 120
NOTE_FROM = "triage <notes@triage.invalid>"


def note_mail(text: str, card: Card, message: Message, to: str) -> EmailMessage:
    """The note that stands beside a message, in its thread. Message-ID and Date are set by the caller."""
    mail = _answer(message)
    mail["From"] = NOTE_FROM
    mail["To"] = to
    mail["Subject"] = _field(card.headline)
    mail["X-Triage"] = "note"
    _set_text(mail, text)
    return mail


def draft_mail(card: Card, message: Message, to: str, wording: Wording) -> EmailMessage | None:
    """An unsent reply for the Drafts folder, the mail quoted beneath; None where it would reach nobody or too many."""
    if not is_answerable(message) or is_automatic(message) or is_from_list(message):
        return None
    mail = _answer(message)
    mail["From"] = to
    mail["To"] = _field(answer_address(message).address)
    subject = _field(message.subject)
    mail["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    mail["X-Triage"] = "draft"
    _set_text(mail, f"{card.reply}\n\n{_quoted(message, wording)}")
    return mail


def check_mail(findings: Sequence[Finding], wording: Wording, to: str, beside: str) -> EmailMessage:
    """The note beside a draft: what stands out in it. Message-ID and Date are set by the caller."""
    words = wording.words["check"]
    mail = EmailMessage(policy=SMTP.clone(max_line_length=998))
    if beside:
        mail["In-Reply-To"] = beside
        mail["References"] = beside
    mail["From"] = NOTE_FROM
    mail["To"] = to
    mail["Subject"] = words["subject"]
    mail["X-Triage"] = "note"
    footer = wording.words["digest"]["footer"]
    _set_text(mail, "\n".join([*finding_lines(findings, words), "", "--", footer, ""]))
    return mail


def finding_lines(findings: Sequence[Finding], words: Mapping[str, Any], draft: str = "") -> Iterator[str]:
    """Findings in words, those of one sentence together; with the draft, each with its line."""
    if not findings:
        yield words["clear"]
        return
    places = {start: list(here) for start, here in groupby(findings, key=lambda finding: finding.start)}
    yield words["count_one" if len(places) == 1 else "count"].format(count=len(places))
    for start, here in places.items():
        kinds = ", ".join(words["kind"][finding.kind] for finding in here)
        where = f"{words['line']} {draft.count(chr(10), 0, start) + 1}, " if draft else ""
        yield ""
        yield f"{where}{kinds}: “{one_line(here[0].text, 200)}”"
        yield from (f"  {finding.why}" for finding in here)
        yield f"  {words['instead']}: {here[0].instead}"


def _quoted(message: Message, wording: Wording) -> str:
    """The sender's own words as an answer quotes them."""
    who = one_line(message.sender.name or message.sender.address)
    day = wording.day(message.date.date()) if message.date else ""
    lines = message.parts.own.split("\n")
    quoted = "\n".join(f"> {line}".rstrip() for line in lines[:MOST_QUOTED])
    return f"{wording.words['wrote'].format(day=day, who=who)}\n{quoted}\n"


def _answer(message: Message) -> EmailMessage:
    mail = EmailMessage(policy=SMTP.clone(max_line_length=998))
    if message.message_id:
        mail["In-Reply-To"] = _field(message.message_id)
        mail["References"] = " ".join(map(_field, [*message.references[-10:], message.message_id]))
    return mail


def _field(text: str) -> str:
    """Text from a mail fit for a header field: one line, and nothing in it that `email` would decode once more."""
    return one_line(text, 998).replace("=?", "= ?")


def _set_text(mail: EmailMessage, text: str) -> None:
    # In ASCII, so that the mail passes as text through the worker's pipe and any server unchanged.
    mail.set_content(text, cte="quoted-printable")
