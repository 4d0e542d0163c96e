"""Pure: mail that somebody in the family passes on, with a word of their own above the school's.

A forwarded mail proves nothing of who wrote it: what it says is read, and the sender stays who passed it on.
"""

import re
from collections.abc import Collection
from dataclasses import replace

from triage.config import Config
from triage.message import Message, Person
from triage.people import author_of, mentions
from triage.sender import Standing, sender_standing, within
from triage.text import Parts, forwarded_parts, is_forward

# A comment of more words is a letter of its own, unless it stands above a mail of the family's own school.
LONGEST_COMMENT = 60
# Above a colleague's note a teacher who writes no more than this leaves the telling to the note.
_POINTER = 15
# What asks to be clicked is the sender's own doing, whatever stands below.
_LINK = re.compile(r"(?i)https?://|\bwww\.")


def passed_on(message: Message, config: Config, learned: Collection[str] = ()) -> Message:
    """The message with the forwarded words as its own, where a stranger to the school passes on the school's mail."""
    inner = _inner(message)
    if inner is None or _is_of_school(message, config, learned):
        return message
    author = author_of(inner.header).address
    return replace(message, parts=inner) if _is_schools(author, config) or author in learned else message


def perhaps_passed_on(message: Message, config: Config, learned: Collection[str] = ()) -> Message | None:
    """How a message may be read whose own words say nothing; None where it can be read in one way only.

    Only what names a child of this household: what a friend's teacher wrote about a friend's child is talk among
    friends. Of a teacher who passes something on the teacher's own words stay.
    """
    parts, inner = message.parts, _inner(message)
    if inner is None:
        return None
    comment = len(parts.own.split())
    if _is_of_school(message, config, learned):
        both = replace(parts, own=f"{parts.own}\n\n{inner.own}")
        return replace(message, parts=both) if comment <= _POINTER else None
    short = comment <= LONGEST_COMMENT and comment < len(inner.own.split())
    named = any(mentions(f"{message.subject}\n{parts.own}\n{inner.own}", child) for child in config.children)
    return replace(message, parts=inner) if short and named else None


def _inner(message: Message) -> Parts | None:
    """What a message passes on beneath a comment, unless it is the recipient's own mail or the comment has a link."""
    parts = message.parts
    if parts.header or _LINK.search(f"{parts.own}\n{parts.boilerplate}") or not is_forward(message.subject, parts):
        return None
    inner = forwarded_parts(parts)
    by_recipient = _is_one_of(author_of(inner.header), message.recipients)
    return inner if inner.own and inner.header and not by_recipient else None


def _is_one_of(author: Person, people: Collection[Person]) -> bool:
    """Whether the author is one of these people, by address or, where the header has none, by name."""
    if author.address:
        return author.address in {person.address for person in people}
    name = set(re.findall(r"\w{2,}", author.name.lower()))
    shown = (set(re.findall(r"[^\W_]{2,}", f"{p.name} {p.address.partition('@')[0]}".lower())) for p in people)
    return any(name and name <= one for one in shown)


def _is_of_school(message: Message, config: Config, learned: Collection[str]) -> bool:
    kind = sender_standing(message, config, learned).kind
    # Whoever the parent made known by filing what they passed on is still no teacher.
    return kind in ("school", "platform") or (kind == "known" and _is_schools(message.sender.address, config))


def _is_schools(address: str, config: Config) -> bool:
    domain = address.rpartition("@")[2]
    return any(address == teacher.address for teacher in config.school.teachers) or (
        bool(domain) and any(within(domain, school) for school in config.school.domains)
    )


def author_standing(message: Message, standing: Standing, config: Config) -> Standing:
    """The standing with the configured teacher whose mail was passed on: whom it is from, not how far it is trusted."""
    address = author_of(message.parts.header).address
    teacher = next((one for one in config.school.teachers if address and one.address == address), None)
    return replace(standing, teacher=standing.teacher or teacher)
