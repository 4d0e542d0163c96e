"""From raw mail to judgements: message, facts, scores, verdict, card, as one pure function of its inputs.

This runs inside the worker process; nothing else reads strangers' mail.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from triage.calmer import findings_of
from triage.classify import Scores, Verdict, classify
from triage.config import Config
from triage.draft import Finding, own_spans, remarks
from triage.errors import ConfigError
from triage.facts import Facts, find_facts
from triage.forwards import passed_on, perhaps_passed_on
from triage.gist import Gist, find_gist
from triage.history import Past
from triage.message import Message, UnreadableError, parse_message
from triage.notes import draft_mail, note_mail
from triage.people import is_passed_on, why_not_to_lose
from triage.plan import deserves_card
from triage.prompts import Around, Card, Wording, make_card, note_text, relay_of, wording_of
from triage.said import hear
from triage.sender import platform_of
from triage.siblings import ALONE, Siblings, main_child, owners_of, part_of, pieces_of, told_of
from triage.situations import is_welcome

if TYPE_CHECKING:
    # Only the worker process pays for scikit-learn.
    from triage.model import Model
    from triage.tone import ToneModel


@dataclass(frozen=True, slots=True)
class RawMail:
    """One mail to judge; `received` (aware) stands in for a missing Date."""

    raw: bytes
    received: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that the rest of the program learns of one mail.

    `error` is set, and all else empty, where the mail could not be read. `note_text` is the card in plain words;
    `note` and `draft` are mails of ours without Message-ID and Date; `own_words` (subject line and own text) and
    `told` (the verdict where the parent says that it is the school's) are filled only where asked for. `answers` are
    the Message-IDs that the mail answers, `children` those of the family of whom it tells, where it has several.
    """

    message_id: str = ""
    ours: bool = False
    from_self: bool = False
    verdict: Verdict | None = None
    card: Card | None = None
    note_text: str = ""
    note: str = ""
    draft: str = ""
    own_words: str = ""
    told: Verdict | None = None
    sender_address: str = ""
    sender_name: str = ""
    gist: Gist | None = None
    answers: tuple[str, ...] = ()
    via: str = ""
    children: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What changes from batch to batch: the day, the senders whom the parent made known, earlier school mail, and the
    parent's own address on this account.
    """

    today: date
    learned: tuple[str, ...] = ()
    past: tuple[Past, ...] = ()
    own: str = ""

    def after(self, judged: Sequence[Judgement]) -> "Context":
        """The same, with what these judgements add to what came before."""
        added = [mine for one in judged if one.verdict is not None and (mine := Past.of(one.verdict)) is not None]
        return replace(self, past=(*self.past, *added))


@dataclass(frozen=True, slots=True)
class Household:
    """What judging needs besides the mail: configuration, learned senders, earlier mail, the parent's addresses.

    With `every_mail` each school mail gets a card, even one that a pass would leave without.
    """

    config: Config
    learned: Collection[str] = ()
    past: Sequence[Past] = ()
    own_addresses: Collection[str] = ()
    overrides: Path | None = None
    every_mail: bool = False


def judge(
    mails: Sequence[RawMail], household: Household, model: "Model", today: date, *, words: bool = False
) -> list[Judgement]:
    """One judgement for each mail, in order; a mail that cannot be read is told by its `error`."""
    read = [_read(mail, household) for mail in mails]
    scores = iter(_scores([entry for entry in read if not isinstance(entry, str)], model))
    wording = wording_of(household.config.language, household.overrides)
    past = list(household.past)
    found = []
    for entry in read:
        if isinstance(entry, str):
            found.append(Judgement(error=entry))
            continue
        (message, facts), its_scores = entry, next(scores)
        if isinstance(its_scores, Exception):
            found.append(Judgement(error=_odd(its_scores)))
            continue
        try:
            kept = why_not_to_lose(message, household.config, household.learned, facts.standing)
            verdict = classify(message, facts, its_scores, model.thresholds, kept)
            message, verdict = _otherwise(message, verdict, household, model)
            siblings = _siblings(message, facts, household.config, model) if verdict.school else ALONE
            verdict = replace(verdict, child=main_child(verdict, siblings))
            relay = relay_of(message, verdict.sender)
            around = Around(today, tuple(past), relay, hear(message.parts.own), siblings)
            judgement = _judgement(message, verdict, household, wording, around)
            if words:
                told = verdict if verdict.school else classify(message, facts, its_scores, model.thresholds, told=True)
                own = f"{message.subject}\n{message.parts.own}"
                judgement = replace(judgement, own_words=own, told=told, gist=judgement.gist or find_gist(message))
            past += [mine] if (mine := Past.of(verdict)) is not None else []
        except ConfigError:
            # A user's own wording is wrong: that is no mail's fault.
            raise
        except Exception as error:  # noqa: BLE001 - one mail's oddity must not cost the others their judgement
            found.append(Judgement(error=_odd(error)))
            continue
        found.append(judgement)
    return found


def _read(mail: RawMail, household: Household) -> tuple[Message, Facts] | str:
    try:
        message = passed_on(parse_message(mail.raw, mail.received), household.config, household.learned)
        return message, find_facts(message, household.config, household.learned)
    except UnreadableError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - as above
        return _odd(error)


def _otherwise(message: Message, verdict: Verdict, household: Household, model: "Model") -> tuple[Message, Verdict]:
    """Message and verdict by the words that it passes on, where its own have no label and these tell more."""
    other = perhaps_passed_on(message, household.config, household.learned) if not verdict.labels else None
    if other is None:
        return message, verdict
    facts = find_facts(other, household.config, household.learned)
    read = classify(other, facts, model.score([other], [facts])[0], model.thresholds)
    return (other, read) if read.labels or (read.school and not verdict.school) else (message, verdict)


def _siblings(message: Message, facts: Facts, config: Config, model: "Model") -> Siblings:
    """Who is told of what in a mail about several of the family's children, each child's part read by itself."""
    own = message.parts.own
    pieces = pieces_of(message.subject, own, config.children, facts.language) if len(config.children) > 1 else ()
    names = told_of(pieces)
    if len(names) <= 1:
        return Siblings(pieces)
    parts = [replace(message, subject="", parts=replace(message.parts, own=part_of(name, pieces))) for name in names]
    scores = model.score(parts, [replace(facts, due=())] * len(names))
    return Siblings(pieces, owners_of(dict(zip(names, scores, strict=True))))


def _scores(read: Sequence[tuple[Message, Facts]], model: "Model") -> list[Scores | Exception]:
    """Scores of all in one go; where that fails, of each alone."""
    try:
        return [*model.score([message for message, _ in read], [facts for _, facts in read])]
    except Exception as error:  # noqa: BLE001 - as above
        if len(read) == 1:
            return [error]
        return [score for entry in read for score in _scores([entry], model)]


def check_draft(raw: bytes, model: "ToneModel", config: Config) -> tuple[Finding, ...]:
    """What stands out in a draft that lies in the mailbox; nothing where it cannot be read."""
    try:
        return _remarked(raw, model, config)
    except Exception:  # noqa: BLE001 - an odd draft is left alone, and its text is in no traceback
        return ()


def _remarked(raw: bytes, model: "ToneModel", config: Config) -> tuple[Finding, ...]:
    own = parse_message(raw).parts
    text = "\n".join(filter(None, [own.own, own.signature]))
    scores = model.score([span.text for span in own_spans(text)])
    names = [name for child in config.children for name in (child.name, *child.aliases)]
    return tuple(findings_of(remarks(text, scores, model.limits, names), text, config.language, names))


def _odd(error: Exception) -> str:
    # The class alone: an exception's text may quote the mail.
    return f"this mail is too odd to be judged ({type(error).__name__})"


def _judgement(message: Message, verdict: Verdict, household: Household, wording: Wording, around: Around) -> Judgement:
    to = next(iter(household.own_addresses), "")
    worth = household.every_mail or deserves_card(verdict) or is_welcome(verdict, around.past, around.said)
    worth = worth and (verdict.school or verdict.unsure)
    card = make_card(verdict, household.config, wording, around) if worth else None
    text = note_text(card, verdict, wording) if card else ""
    wanted = household.config.prompts.deliver
    # Nothing is written beside a mail that may be forged; the digest warns of it.
    beside = card if not verdict.warnings else None
    note = note_mail(text, beside, message, to) if beside and "note" in wanted else None
    # An answer to a mail that was passed on would go to whoever passed it on.
    answerable = beside if not is_passed_on(message, verdict.sender) else None
    draft = draft_mail(answerable, message, to, wording) if answerable and "draft" in wanted else None
    return Judgement(
        message_id=message.message_id,
        ours=message.is_ours,
        from_self=message.sender.address in household.own_addresses,
        verdict=verdict,
        card=card,
        note_text=text,
        note=note.as_string() if note else "",
        draft=draft.as_string() if draft else "",
        sender_address=message.sender.address,
        sender_name=message.sender.name,
        via=platform_of(message),
        children=told_of(around.siblings.pieces),
        recipients=tuple(person.address for person in message.recipients[:10]),
        reply_to=tuple(person.address for person in message.reply_to[:3]),
        gist=find_gist(message) if verdict.school or verdict.unsure else None,
        answers=tuple(dict.fromkeys(filter(None, [message.in_reply_to, *message.references[-10:]]))),
    )
