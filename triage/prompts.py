"""Pure: a verdict to calm-response prompts, in the family's language.

The sentences stand in `wording/LANGUAGE/*.j2`, one file for each situation, one block for each slot; a file of
the same name in the folder `wording/LANGUAGE` beside the configuration takes its place. What a prompt says of
the mail (child, teacher, date, quotation) comes from the verdict and nowhere else.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jinja2
from babel.dates import format_date, format_time
from babel.lists import format_list
from jinja2.sandbox import SandboxedEnvironment

from triage.choosing import choices
from triage.classify import DueDate, Primary, Verdict
from triage.config import Config, Language
from triage.draft import other_children
from triage.errors import ConfigError
from triage.history import Past, answer_by, concerns_before
from triage.lexicon import pattern
from triage.message import Message
from triage.quoting import about, concern_of, distinct, evidence_of, reproaches
from triage.said import NOTHING, Said, numbers, plain
from triage.sender import SenderKind, is_answerable, platform_of
from triage.siblings import ALONE, Siblings, of_main_child, others_told
from triage.situations import is_of_a_day, is_worry, of_plan, situation_of, speaks_of_a_plan
from triage.text import one_line

_HERE = Path(__file__).parent / "wording"
# From this hour on a mail is late: nobody has to deal with it today.
_EVENING = 20
# What is the same in every language: the digest and the record, as text and as HTML.
PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE),
    undefined=jinja2.StrictUndefined,
    autoescape=jinja2.select_autoescape(["html.j2"], default=False),
    trim_blocks=True,
    lstrip_blocks=True,
)
_LISTS = ("ask_child", "ask_teacher")
# Beside danger and forgery nothing else counts, and what goes to many is no talk with anybody.
_BARE = frozenset({"safety", "suspicious", "newsletter"})
_SLOTS = {"headline", "pause", "ask_child", "ask_teacher", "reply", "document", "wait", "next_step"}


@dataclass(frozen=True, slots=True)
class Card:
    """The prompts for one message. `known` and `asked` are quotations; `unknown` is what the mail does not state.

    `answer_by` is a date (ISO), empty where no answer is a matter of days; `where` says where to answer if not by mail.
    `others` are those of `known` that are about another child of the family than the card.
    """

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
    answer_by: str
    where: str = ""
    asked: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The documented object of `triage prompts --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Around:
    """What a card depends on besides the mail: `today` stands in where the mail has no date, `past` are earlier mails.

    `relay` names the platform where to answer if an answer by mail reaches nobody, empty where there is none to name;
    `said` is what the mail's own sentences ask, `siblings` which of them are about which of several children.
    """

    today: date
    past: Sequence[Past] = ()
    relay: str | None = None
    said: Said = NOTHING
    siblings: Siblings = ALONE


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
        self.words = word_table(language, "words")

    def slots(self, situation: str, context: Mapping[str, Any]) -> dict[str, str]:
        """Every slot of a situation's file, rendered. Raises `ConfigError` where a user's file is wrong."""
        _, *pieces = re.split(r"(?m)^## (\w+)\n", self.page(situation, context))
        found = {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}
        if missing := sorted(_SLOTS - set(found)):
            file, named = f"wording/{self.language}/{situation}.j2", ", ".join(missing)
            raise ConfigError([f'{file}: has no {named}; begin it with {{% extends "base.j2" %}}'])
        return found

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

    def listed(self, items: Sequence[str], style: Literal["standard", "or"] = "standard") -> str:
        """Items in a row, with "and" or "or" before the last."""
        return format_list(list(items), style, locale=self.language)

    def quoted(self, text: str, limit: int = 140) -> str:
        """The teacher's own words, marked as such, cut at a word."""
        plain = re.sub(r"[“”\"«»]", "'", one_line(text, 2000)).strip(" .,;:-–—")
        if plain[:1] == plain[-1:] == "'" and plain.count("'") == 2:
            plain = plain[1:-1]
        if len(plain) > limit:
            plain = plain[:limit].rsplit(" ", 1)[0].rstrip(",;:") + " …"
        return str(self.words["quote"]).format(text=plain)


def wording_of(language: Language, overrides: Path | None) -> Wording:
    """A user's own files are read anew each time, for they change; ours once."""
    own = overrides is not None and (overrides / language).is_dir()
    return Wording(language, overrides) if own else _shipped_wording(language)


@cache
def _shipped_wording(language: Language) -> Wording:
    return Wording(language)


@cache
def word_table(language: Language, name: str) -> dict[str, Any]:
    """Words and phrases of one language: `wording/LANGUAGE/NAME.toml`."""
    return tomllib.loads((_HERE / language / f"{name}.toml").read_text(encoding="utf-8"))


def _spaced(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


def make_card(verdict: Verdict, config: Config, wording: Wording, around: Around) -> Card:
    """The prompts for one message."""
    if verdict.date is not None:
        # Days are the household's.
        verdict = replace(verdict, date=verdict.date.astimezone(config.zone))
    filed_under, verdict = verdict.primary, of_main_child(verdict, around.siblings)
    situation = situation_of(verdict, around.past, around.said)
    by = answer_by(verdict, situation, _written(verdict, around))
    values = _values(verdict, config, wording, situation)
    offered = choices(verdict.due, around.said.sentences) if situation != "confirmed" else ()
    values |= _asked(verdict, config, around.said, wording, offered)
    worry = is_worry(verdict, around.said)
    values |= {"worry": worry, "event": worry and is_of_a_day(verdict)}
    values |= _support(verdict, around.said, values["plan"])
    values |= _times(verdict, wording, around, by) | _dates(verdict, situation, wording, offered)
    views = _views(values, verdict, wording)
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
    if _is_late(verdict, situation):
        slots["pause"] = f"{slots['pause']} {wording.words['evening']}"
    if speaks_of_a_plan(verdict) and situation not in ("plan", *_BARE):
        slots["document"] = f"{slots['document']} {wording.words['plan_papers']}"
    may_be = "safety" in verdict.doubted and any(item.label == "safety" for item in verdict.evidence)
    if may_be and situation != "suspicious":
        slots["next_step"] = wording.words["may_be_safety"]
    if situation == "newsletter":
        verdict, around = _of_many(verdict), replace(around, said=NOTHING, siblings=ALONE)
    known = _known(verdict, situation, around.said, wording)
    told = _told(verdict, situation, around, wording)
    others = tuple(line for line in told.values() if line)
    slots = _with_others(slots, told, situation, wording) if told else slots
    return Card(
        primary=filed_under,
        situation=situation,
        known=(*known[:1], *others, *known[1:]),
        others=others,
        asked=tuple(wording.quoted(text, 200) for text in around.said.asked),
        unknown=_unknown(verdict, situation, wording, around.said, event=values["event"]),
        answer_by="" if situation in _BARE else by.isoformat(),
        where=_where(around.relay, situation, wording),
        **slots,
    )


def _of_many(verdict: Verdict) -> Verdict:
    """Of what goes to many the dates alone, and a line that may concern safety."""
    return replace(verdict, evidence=tuple(item for item in verdict.evidence if item.label == "safety"))


def _known(verdict: Verdict, situation: str, said: Said, wording: Wording) -> tuple[str, ...]:
    """What the mail says, without what it asks, which stands apart."""
    found = [item.text for item in distinct(verdict, situation)]
    apart = [text for text in found if plain(text) not in said.asked]
    return tuple(wording.quoted(text, 200) for text in apart)


def _told(verdict: Verdict, situation: str, around: Around, wording: Wording) -> dict[str, str]:
    """What the mail says of each other child, under that child's name; empty where it stands on the card already."""
    shown = [*around.said.asked, *(plain(item.text) for item in distinct(verdict, situation))]
    told = others_told(verdict, around.siblings, shown)
    line = wording.words["of_child"]
    return {
        name: line.format(child=name, text=" ".join(wording.quoted(text, 140) for text in texts)) if texts else ""
        for name, texts in told.items()
    }


def _with_others(slots: dict[str, Any], told: Mapping[str, str], situation: str, wording: Wording) -> dict[str, Any]:
    """The card's texts with a line for the other children; beside danger there is nothing else to say."""
    if situation in _BARE:
        return slots
    words, names = wording.words["siblings"], wording.listed(list(told))
    greeting, *paragraphs = slots["reply"].split("\n\n")
    # The thanks for what is told of them stand behind the first, which name what the card is about.
    paragraphs.insert(1, words["reply"].format(child=names))
    return slots | {
        "headline": f"{slots['headline']} {words['headline'].format(child=names)}",
        "ask_child": (*slots["ask_child"], *(words["ask_child"].format(child=name) for name in told)),
        "reply": "\n\n".join([greeting, *paragraphs]),
    }


def _asked(
    verdict: Verdict, config: Config, said: Said, wording: Wording, offered: Sequence[DueDate]
) -> dict[str, Any]:
    """What the parent is to do first (not where nobody knows who it is that asks), and what a reply has to answer."""
    # A stranger who speaks of danger does not say what to do first, nor which number is the school's.
    trusted = verdict.sender in ("known", "school", "platform") and not verdict.warnings
    ask = said.first_of_all if trusted else ""
    open_ones = [text for text in said.to_answer if not _is_of_the_talk(text, verdict, offered)]
    family = _family(verdict, config)
    # Repeated, a "why" reproaches, and no other family's child is named.
    apt = [text for text in open_ones if not (reproaches(text) or other_children(text, family))]
    whole = [text for text in apt if len(text) <= _WHOLE][:_MOST_ANSWERS]
    return {
        "ask": wording.quoted(ask, 240) if ask else "",
        "number": next(iter(numbers(ask)), ""),
        "questions": [{"text": wording.quoted(text, _WHOLE), "asks": text.endswith("?")} for text in whole],
        "answer": bool(open_ones) or (verdict.primary == "praise" and _is_awaited(verdict)),
    }


def _support(verdict: Verdict, said: Said, plan: str) -> dict[str, bool]:
    """Whether a mail about a plan asks for a talk, whether it is about a child who has no plan yet, or asks nothing."""
    told = [text for text in said.sentences if pattern("plan").search(text)] or of_plan(verdict)
    stands = bool(plan) or any(pattern("plan_stands").search(text) for text in (verdict.subject, *told))
    talk = any(due.what == "meeting" for due in verdict.due) or any(map(_invites, said.sentences))
    quiet = not (talk or verdict.needs_reply or said.asked or _is_awaited(verdict))
    return {
        "meets": talk,
        "starts": not stands and any(pattern("plan_starts").search(text) for text in told),
        "quiet": quiet,
    }


def _invites(text: str) -> bool:
    offered = pattern("offers_talk").search(text) or pattern("courtesies").search(text)
    return bool(pattern("invites").search(text)) and not offered


# What is repeated in a reply is repeated whole; more answers than these make a letter.
_WHOLE, _MOST_ANSWERS = 140, 2


def _is_awaited(verdict: Verdict) -> bool:
    return verdict.needs_reply or any(due.what in ("reply", "form") for due in verdict.due)


def _is_of_the_talk(text: str, verdict: Verdict, offered: Sequence[DueDate]) -> bool:
    """Whether a question is answered by the times that a reply about a talk offers or takes."""
    meets = "meeting_request" in verdict.labels
    invites = meets and bool(pattern("invites").search(text) or pattern("offers_talk").search(text))
    return invites or bool(offered and pattern("which_time").search(text)) or any(due.text in text for due in offered)


def _written(verdict: Verdict, around: Around) -> date:
    return verdict.date.date() if verdict.date else around.today


def _where(relay: str | None, situation: str, wording: Wording) -> str:
    if relay is None or situation in ("suspicious", "newsletter"):
        return ""
    return str(wording.words["where"].format(relay=relay) if relay else wording.words["nowhere"])


def relay_of(message: Message, sender: SenderKind) -> str | None:
    """`Around.relay` of a mail: a school's own address that takes no answer is no place to answer in."""
    if is_answerable(message):
        return None
    return platform_of(message) or ("" if sender in ("known", "school") else message.sender.domain)


def _is_late(verdict: Verdict, situation: str) -> bool:
    return (
        verdict.date is not None
        and verdict.date.hour >= _EVENING
        and not verdict.urgent
        and bool({"behavior", "homework"} & set(verdict.labels))
        and situation not in _BARE
    )


def _views(values: dict[str, Any], verdict: Verdict, wording: Wording) -> dict[str, dict[str, Any]]:
    """The same values as seen by the parent, and as said to the child and to the teacher."""
    name = verdict.teacher.name if verdict.teacher else ""
    return {
        "parent": values,
        "child": values | {"teacher": name or wording.words["your_teacher"]},
        "teacher": values | {"child": verdict.child or wording.words["my_child"]},
    }


def _values(verdict: Verdict, config: Config, wording: Wording, situation: str) -> dict[str, Any]:
    """Who and what: from the mail and the configuration."""
    words = wording.words
    name = verdict.teacher.name if verdict.teacher else ""
    profile = next((child for child in config.children if child.name == verdict.child), None)
    family = _family(verdict, config)
    return {
        "teacher": name or words["the_school" if situation == "newsletter" else "the_teacher"],
        "child": verdict.child or words["your_child"],
        "named": verdict.child is not None,
        "greeting": words["greeting_named"].format(name=name) if name else words["greeting"],
        "said": _quote(evidence_of(verdict, about(verdict, situation), family), wording),
        "good": _quote(evidence_of(verdict, "praise", family), wording),
        "plan": {"504": "504", "iep": "IEP"}.get(profile.plan, "") if profile else "",
        "at_home": next(iter(profile.at_home), "") if profile else "",
        "fixed": any(due.what == "meeting" and "T" in due.at for due in verdict.due),
        "asks_meeting": "meeting_request" in verdict.labels,
        "optional": _is_optional(verdict),
        "asks": verdict.needs_reply or any(due.what in ("form", "reply", "assignment") for due in verdict.due),
        "work": concern_of(verdict) == "homework",
        "signed": bool(name),
        "warning": "; ".join(verdict.warnings),
        "forged": verdict.sender == "suspicious",
    }


def _is_optional(verdict: Verdict) -> bool:
    """Whether a talk is only offered: the parent may take it up or not."""
    said = [item.text for item in verdict.evidence if item.label == "meeting_request"]
    fixed = any(due.what == "meeting" for due in verdict.due)
    return bool(said) and not fixed and all(pattern("offers_talk").search(text) for text in said)


def _family(verdict: Verdict, config: Config) -> list[str]:
    return [name for child in config.children for name in (child.name, *child.aliases)] + [verdict.child or ""]


def _quote(text: str, wording: Wording) -> str:
    return wording.quoted(text, 140) if text else ""


def _times(verdict: Verdict, wording: Wording, around: Around, by: date) -> dict[str, Any]:
    """When: from the mail, and from those before it."""
    earlier = concerns_before(verdict, around.past)
    written = _written(verdict, around)
    return {
        "written": wording.day(written),
        "dates": [{"day": wording.moment(due.at), "what": wording.words["what"][due.what]} for due in verdict.due],
        "answer_from": wording.day(written + timedelta(days=1)),
        "answer_by": wording.day(by),
        "pressing": by <= written + timedelta(days=1),
        "count": len(earlier) + 1,
        "earlier": wording.listed([wording.day(day) for day in earlier[-3:]]),
        "last": wording.day(earlier[-1]) if earlier else "",
        "all_days": wording.listed([wording.day(day) for day in (*earlier[-3:], written)]),
    }


def _first(verdict: Verdict, wording: Wording, *kinds: str) -> str:
    """The first date of these kinds, in the order of the kinds; of any kind where none is named."""
    ranked = [due for kind in kinds for due in verdict.due if due.what == kind] if kinds else verdict.due
    return wording.moment(ranked[0].at) if ranked else ""


def _dates(verdict: Verdict, situation: str, wording: Wording, offered: Sequence[DueDate]) -> dict[str, Any]:
    """The date of the talk and of nothing else, the date that matters most, and one of another kind beside a talk."""
    named = wording.listed([wording.moment(due.at) for due in offered], "or")
    # So many times are not named in a line: they stand among the dates.
    one = named if len(named.split()) <= _MOST_WORDS else ""
    talk, first = one if offered else _first(verdict, wording, "meeting"), _first(verdict, wording)
    work = _first(verdict, wording, *_OF_WORK)
    when = {"homework": work or first, "plan": talk or first}.get(situation, first)
    of_talk = situation in _OF_TALKS
    return {
        "talk": talk,
        "when": talk if of_talk else when,
        "besides": work if of_talk else "",
        "choice": bool(offered),
    }


_OF_TALKS = frozenset({"meeting_request", "confirmed", "behavior_meeting", "homework_meeting"})
_OF_WORK = ("assignment", "test", "form", "reply")
_MOST_WORDS = 20


_CAUSE = re.compile(
    r"\b(before|after|because|when|during|started|porque|antes|después|cuando|durante)\b", re.IGNORECASE
)
_SOON = re.compile(r"\b(?:today|tonight|tomorrow|hoy|mañana|esta (?:noche|tarde))\b", re.IGNORECASE)
_PURPOSE = re.compile(
    r"\b(?:about|regarding|concerning|discuss\w*|go(?:ing)? (?:over|through)|review\w*|plan(?:ning)? for"
    r"|sobre|acerca de|respecto|revisar|comentar(?:le)?|tratar|(?:hablar|platicar|conversar) de(?:l)?|para ver)\b",
    re.IGNORECASE,
)


def _unknown(verdict: Verdict, situation: str, wording: Wording, asks: Said, *, event: bool) -> tuple[str, ...]:
    if situation in _OF_NO_WORRY:
        return ()
    names = []
    said = " ".join(item.text for item in verdict.evidence)
    if event and not _CAUSE.search(said):
        names.append("before")
    if "meeting_request" in verdict.labels:
        told = len(verdict.labels) > 1 or "plan" in verdict.flags or _PURPOSE.search(said)
        names += [] if told else ["purpose"]
        timed = any(due.what == "meeting" for due in verdict.due) or any(map(pattern("windows").search, asks.asked))
        names += [] if timed else ["time"]
    elif verdict.labels == ("homework",) and not verdict.due and not _SOON.search(said):
        names.append("date")
    return tuple(wording.words["unknown"][name] for name in names)


# Beside danger nothing else counts, and what is good, settled or news leaves nothing to find out.
_OF_NO_WORRY = _BARE | {"resolved", "settled", "confirmed", "praise", "other_school"}


def note_text(card: Card, verdict: Verdict, wording: Wording) -> str:
    """The card as plain text."""
    names = {
        "teacher": verdict.teacher.name if verdict.teacher else wording.words["the_teacher"],
        "child": verdict.child or wording.words["your_child"],
    }
    return wording.page("note", {"card": card, **names})
