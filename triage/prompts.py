"""Pure: a verdict to calm-response prompts, in the family's language.

The sentences stand in `wording/LANGUAGE/*.j2`, one file for each situation, one block for each slot; a file of
the same name in the folder `wording/LANGUAGE` beside the configuration takes its place. What a prompt says of
the mail (child, teacher, date, quotation) comes from the verdict and nowhere else.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from babel.dates import format_date, format_time
from jinja2.sandbox import SandboxedEnvironment

from triage.classify import Primary, Verdict
from triage.config import Config, Language
from triage.errors import ConfigError
from triage.facts import names_plan
from triage.message import Message
from triage.sender import answer_address
from triage.text import one_line

_HERE = Path(__file__).parent / "wording"
# School days that an answer may take, by situation (docs/prompts.md); safety is never a matter of days.
_ANSWER_DAYS = {"meeting_request": 1, "behavior_meeting": 1, "homework_meeting": 1, "praise": 3}
_DEFAULT_ANSWER_DAYS = 2
_LISTS = ("ask_child", "ask_teacher")


@dataclass(frozen=True, slots=True)
class Card:
    """The prompts for one message. `known` are quotations; `unknown` is what the mail does not state."""

    primary: Primary
    situation: str
    headline: str
    pause: str
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    ask_child: tuple[str, ...]
    ask_teacher: tuple[str, ...]
    reply: str
    document: str
    wait: str
    next_step: str

    def to_json(self) -> dict[str, Any]:
        """The documented object of `triage prompts --json`."""
        return asdict(self)


class Wording:
    """The sentences of one language, with a user's own files before ours."""

    def __init__(self, language: Language, overrides: Path | None = None) -> None:
        self.language = language
        own = [jinja2.FileSystemLoader(overrides / language)] if overrides is not None else []
        loader = jinja2.ChoiceLoader([*own, jinja2.FileSystemLoader(_HERE / language)])
        # Texts are plain; what is shown as HTML is escaped there.
        self._environment = SandboxedEnvironment(
            loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=False, autoescape=False
        )
        self._environment.filters["first_upper"] = lambda text: text[:1].upper() + text[1:]
        self.words = _words(language)

    def slots(self, situation: str, context: Mapping[str, Any]) -> dict[str, str]:
        """Every slot of a situation's file, rendered. Raises `ConfigError` where a user's file is wrong."""
        _, *pieces = re.split(r"(?m)^## (\w+)\n", self.page(situation, context))
        return {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}

    def page(self, name: str, context: Mapping[str, Any]) -> str:
        """A whole file, rendered."""
        try:
            return self._environment.get_template(f"{name}.j2").render(context)
        except (jinja2.TemplateError, TypeError) as error:
            raise ConfigError([f"wording/{self.language}/{name}.j2: {error}"]) from None

    def day(self, at: date) -> str:
        """A date in words: "Friday, January 9"."""
        return format_date(at, self.words["day"], locale=self.language)

    def moment(self, at: str) -> str:
        """An ISO date or date-time in words: "Friday, January 9 at 3:15 PM"."""
        if "T" not in at:
            return self.day(date.fromisoformat(at))
        when = datetime.fromisoformat(at)
        hour = _spaced(format_time(when.time(), "short", locale=self.language))
        return str(self.words["at"]).format(day=self.day(when.date()), hour=hour)

    def quoted(self, text: str, limit: int = 140) -> str:
        """The teacher's own words, marked as such, cut at a word."""
        plain = re.sub(r"[“”\"«»]", "'", one_line(text, 2000)).strip(" .,;:-–—'")
        if len(plain) > limit:
            plain = plain[:limit].rsplit(" ", 1)[0].rstrip(",;:") + " …"
        return str(self.words["quote"]).format(text=plain)


@cache
def _words(language: Language) -> dict[str, Any]:
    return tomllib.loads((_HERE / language / "words.toml").read_text(encoding="utf-8"))


def _spaced(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


def situation_of(verdict: Verdict) -> str:
    """Which file of wording fits: danger before doubt, doubt before plan, then the label or mixture."""
    labels, primary = set(verdict.labels), verdict.primary
    talk = "meeting_request" in labels and primary != "praise"
    bulk = "bulk" in verdict.flags or not labels
    # Words for a plan on a mail that names none would puzzle more than help.
    named = "plan" in verdict.flags and names_plan(item.text for item in verdict.evidence if item.label == "plan")
    choices = (
        ("safety", "safety" in verdict.flags),
        ("suspicious", verdict.sender == "suspicious"),
        ("unsure", verdict.unsure),
        ("plan", named and primary not in ("praise", "not_school")),
        ("other_school", bulk and primary not in labels),
        (primary, bulk or len(labels) == 1),
        ("behavior_meeting", talk and "behavior" in labels),
        ("homework_meeting", talk and "homework" in labels),
        ("meeting_request", talk),
        ("praise_concern", "praise" in labels and (primary != "praise" or "behavior" in labels)),
        ("homework_behavior", {"homework", "behavior"} <= labels),
        (primary, True),
    )
    return next(situation for situation, fits in choices if fits)


def make_card(verdict: Verdict, config: Config, wording: Wording, today: date) -> Card:
    """The prompts for one message; `today` stands in where the mail has no date."""
    situation = situation_of(verdict)
    views = _views(verdict, config, wording, situation, today)
    slots: dict[str, Any] = {}
    for view, names in (
        ("parent", ("headline", "pause", "document", "wait", "next_step")),
        ("child", ("ask_child",)),
        ("teacher", ("ask_teacher", "reply")),
    ):
        rendered = wording.slots(situation, views[view])
        slots |= {name: rendered[name] for name in names}
    for name in _LISTS:
        slots[name] = tuple(line.strip() for line in slots[name].split("\n") if line.strip())
    return Card(
        primary=verdict.primary,
        situation=situation,
        known=tuple(wording.quoted(item.text, 200) for item in _distinct(verdict, situation)),
        unknown=_unknown(verdict, situation, wording),
        **slots,
    )


def _distinct(verdict: Verdict, situation: str) -> list[Any]:
    """What the mail says, that which the card is about first."""
    ordered = sorted(verdict.evidence, key=lambda item: item.label != situation)
    by_text = {item.text: item for item in reversed(ordered)}
    return list(reversed(by_text.values()))[:4]


def _views(
    verdict: Verdict, config: Config, wording: Wording, situation: str, today: date
) -> dict[str, dict[str, Any]]:
    """The same values as seen by the parent, and as said to the child and to the teacher."""
    words = wording.words
    name = verdict.teacher.name if verdict.teacher else ""
    written = verdict.date.date() if verdict.date else today
    profile = next((child for child in config.children if child.name == verdict.child), None)
    concern = next((label for label in ("behavior", "homework") if label in verdict.labels), verdict.primary)
    about = {"plan": "plan", "safety": "safety", "praise_concern": concern}.get(situation, verdict.primary)
    by = _answer_by(verdict, situation, written)
    parent = {
        "teacher": name or words["the_teacher"],
        "child": verdict.child or words["your_child"],
        "named": verdict.child is not None,
        "greeting": words["greeting_named"].format(name=name) if name else words["greeting"],
        "said": _evidence(verdict, about, wording),
        "good": _evidence(verdict, "praise", wording),
        "written": wording.day(written),
        "when": _when(verdict, wording),
        "answer_from": wording.day(written + timedelta(days=1)),
        "answer_by": wording.day(by),
        "plan": {"504": "504", "iep": "IEP"}.get(profile.plan, "") if profile else "",
        "asks_meeting": "meeting_request" in verdict.labels,
        "warning": "; ".join(verdict.warnings),
    }
    return {
        "parent": parent,
        "child": parent | {"teacher": name or words["your_teacher"]},
        "teacher": parent | {"child": verdict.child or words["my_child"]},
    }


def _evidence(verdict: Verdict, label: str, wording: Wording) -> str:
    # Short, since it is repeated; the whole sentence stands among what the mail says.
    return next((wording.quoted(item.text, 80) for item in verdict.evidence if item.label == label), "")


def _when(verdict: Verdict, wording: Wording) -> str:
    """The date that matters most: a talk where one is asked for, work where work is meant, else the first."""
    wanted = {"meeting_request": ("meeting",), "homework": ("assignment", "test")}.get(verdict.primary, ())
    due = next((due for due in verdict.due if due.what in wanted), next(iter(verdict.due), None))
    return wording.moment(due.at) if due else ""


def _answer_by(verdict: Verdict, situation: str, written: date) -> date:
    day = written
    for _ in range(_ANSWER_DAYS.get(situation, _DEFAULT_ANSWER_DAYS)):
        day += timedelta(days=1)
        while day.weekday() >= 5:
            day += timedelta(days=1)
    asked = [date.fromisoformat(due.at[:10]) for due in verdict.due if due.what in ("reply", "meeting")]
    return min([day, *(at for at in asked if at > written)])


_CAUSE = re.compile(
    r"\b(before|after|because|when|during|started|porque|antes|después|cuando|durante)\b", re.IGNORECASE
)


def _unknown(verdict: Verdict, situation: str, wording: Wording) -> tuple[str, ...]:
    names = []
    said = " ".join(item.text for item in verdict.evidence)
    if "behavior" in verdict.labels and not _CAUSE.search(said):
        names.append("before")
    if "meeting_request" in verdict.labels:
        names += [] if len(verdict.labels) > 1 or "plan" in verdict.flags else ["purpose"]
        names += [] if any(due.what == "meeting" for due in verdict.due) else ["time"]
    elif verdict.labels == ("homework",) and not verdict.due:
        names.append("date")
    return tuple(wording.words["unknown"][name] for name in names) if situation != "safety" else ()


# --- Cards as mail ---------------------------------------------------------------------------------------

NOTE_FROM = "triage <notes@triage.invalid>"


def note_text(card: Card, verdict: Verdict, wording: Wording) -> str:
    """The card as plain text."""
    names = {
        "teacher": verdict.teacher.name if verdict.teacher else wording.words["the_teacher"],
        "child": verdict.child or wording.words["your_child"],
    }
    return wording.page("note", {"card": card, **names})


def note_mail(text: str, card: Card, message: Message, to: str) -> EmailMessage:
    """The note that stands beside a message, in its thread. Message-ID and Date are set by the caller."""
    mail = _answer(message)
    mail["From"] = NOTE_FROM
    mail["To"] = to
    mail["Subject"] = one_line(card.headline)
    mail["X-Triage"] = "note"
    _set_text(mail, text)
    return mail


def draft_mail(card: Card, message: Message, to: str) -> EmailMessage | None:
    """An unsent reply for the Drafts folder; None where an answer by mail reaches nobody."""
    person = answer_address(message)
    if not person.address or re.match(r"(?i)(no-?reply|do-?not-?reply|donotreply|notifications?)\b", person.address):
        return None
    mail = _answer(message)
    mail["From"] = to
    mail["To"] = person.address
    mail["Subject"] = message.subject if message.subject.lower().startswith("re:") else f"Re: {message.subject}"
    mail["X-Triage"] = "draft"
    _set_text(mail, card.reply)
    return mail


def _answer(message: Message) -> EmailMessage:
    mail = EmailMessage(policy=SMTP.clone(max_line_length=998))
    if message.message_id:
        mail["In-Reply-To"] = message.message_id
        mail["References"] = " ".join([*message.references[-10:], message.message_id])
    return mail


def _set_text(mail: EmailMessage, text: str) -> None:
    # In ASCII, so that the mail passes as text through the worker's pipe and any server unchanged.
    mail.set_content(text, cte="quoted-printable")
