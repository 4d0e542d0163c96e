"""Pure: the longer view, one quiet line a morning at most: thanks, a first hello, patterns, when to talk.

Counts and dates of the family's own record, in neutral words. Nobody is rated; nothing is said after one mail; a third
person comes up only after weeks of trying. Every kind of line has its own rest before it comes again.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from triage.config import Config, Teacher
from triage.lexicon import pattern
from triage.prompts import Wording
from triage.record import Entry

# How long each kind of line rests before it is said of the same person again.
_RESTS: Mapping[str, timedelta] = {
    "third_person": timedelta(days=60),
    "evaluation": timedelta(days=365),
    "talk": timedelta(days=30),
    "pattern": timedelta(days=30),
    "thanks": timedelta(days=30),
    "strategy": timedelta(days=3650),
    "channel": timedelta(days=365),
    "hello": timedelta(days=300),
    "gap": timedelta(days=60),
    "term": timedelta(days=120),
}
_CONCERNS = frozenset({"behavior", "homework"})
_RECENT, _WEEKS = timedelta(days=56), timedelta(days=42)
_GAP = timedelta(days=56)
_LONG_VIEW = timedelta(days=150)


@dataclass(frozen=True, slots=True)
class Nudge:
    """A line for the digest; `about` is what it must not be repeated about."""

    kind: str
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What a morning's line is chosen from: the record up to `today`, and when each line was given before."""

    today: date
    entries: Sequence[Entry]
    given: Mapping[tuple[str, str], date]

    def of_teacher(self, address: str) -> list[Entry]:
        """What was written by and to one person."""
        return [entry for entry in self.entries if entry.address == address]


def nudge_of(view: View, config: Config, wording: Wording) -> Nudge | None:
    """The one line of this morning, None where there is nothing to say."""
    rested = (nudge for nudge in _nudges(view, config, wording) if _is_rested(nudge, view))
    return next(rested, None)


def _is_rested(nudge: Nudge, view: View) -> bool:
    last = view.given.get((nudge.kind, nudge.about))
    return last is None or view.today - last >= _RESTS[nudge.kind]


def _nudges(view: View, config: Config, wording: Wording) -> Iterator[Nudge]:
    """Every line that would be true, the most useful first."""
    yield from _patterns(view, config, wording)
    yield from _thanks(view, wording)
    yield from _strategies(view, config, wording)
    yield from _channels(view, wording)
    for teacher in config.school.teachers:
        yield from _hello(view, teacher, wording)
    for teacher in config.school.teachers:
        yield from _gap(view, teacher, wording)
    yield from _term(view, wording)


def _day(entry: Entry) -> date:
    return datetime.fromisoformat(entry.at).date()


def _is_concern(entry: Entry) -> bool:
    kind = entry.direction == "in" and bool(_CONCERNS & set(entry.labels)) and "praise" not in entry.labels
    # What happened to the child, and what is over, is no worry of the teacher's about the child.
    return kind and "safety" not in entry.flags and not pattern("settled").search(entry.summary)


# --- Patterns --------------------------------------------------------------------------------------------


def _patterns(view: View, config: Config, wording: Wording) -> Iterator[Nudge]:
    """Several concerns of one teacher about one child: a talk; after weeks of talks and mails, a third person."""
    words = wording.words["nudge"]
    pairs = {(e.child, e.address) for e in view.entries if _is_concern(e) and e.address}
    for child, address in sorted(pairs):
        mine = [e for e in view.of_teacher(address) if e.child == child]
        concerns = [e for e in mine if _is_concern(e) and view.today - _day(e) <= _RECENT]
        if len(concerns) < 3 or view.today - _day(concerns[-1]) > timedelta(days=2):
            continue
        about = f"{child} {address}"
        named = {
            "child": child or wording.words["your_child"],
            "teacher": concerns[-1].who or wording.words["the_teacher"],
            "count": len(concerns),
            "since": wording.day(_day(concerns[0])),
            "shared": _shared(concerns, wording),
        }
        weeks = _day(concerns[-1]) - _day(concerns[0])
        written = sum(e.direction == "out" for e in mine)
        talked = any("meeting_request" in e.labels and view.today - _day(e) <= _LONG_VIEW for e in mine)
        if len(concerns) >= 5 and weeks >= _WEEKS and written >= 2 and talked:
            yield Nudge("third_person", about, words["third_person"].format(**named))
            profile = next((known for known in config.children if known.name == child), None)
            if profile is None or profile.plan == "none":
                yield Nudge("evaluation", about, words["evaluation"].format(**named))
        if not talked:
            yield Nudge("talk", about, words["talk"].format(**named))
        elif named["shared"]:
            yield Nudge("pattern", about, words["pattern"].format(**named))


def _shared(concerns: Sequence[Entry], wording: Wording) -> str:
    """What most of these mails, three at least, speak of; empty where nothing stands out."""
    texts = [" ".join((e.subject, e.summary, *e.asked)) for e in concerns]
    counts = {
        topic: sum(re.search(pattern, text, re.IGNORECASE) is not None for text in texts)
        for topic, pattern in wording.words["topic"].items()
    }
    topic = max(counts, key=lambda one: counts[one])
    number = counts[topic]
    if number < 3 or number * 2 <= len(texts):
        return ""
    return str(wording.words["nudge"]["shared"].format(number=number, topic=topic))


def _thanks(view: View, wording: Wording) -> Iterator[Nudge]:
    """Whoever wrote to a teacher about worries alone may have something good to say, too."""
    sent = [e for e in view.entries if e.direction == "out" and view.today - _day(e) <= timedelta(days=30)]
    for address in sorted({e.address for e in sent if e.address}):
        mine = [e for e in sent if e.address == address]
        worries = sum(bool(_CONCERNS & set(e.labels)) for e in mine)
        if worries >= 3 and not any("praise" in e.labels for e in mine):
            who = next((e.who for e in reversed(mine) if e.who), wording.words["the_teacher"])
            yield Nudge("thanks", address, wording.words["nudge"]["thanks"].format(teacher=who))


# --- What teachers tell ----------------------------------------------------------------------------------


def _strategies(view: View, config: Config, wording: Wording) -> Iterator[Nudge]:
    """What works in class, in the teacher's words, for the parent to take up at home or not."""
    known = " ".join(text.lower() for child in config.children for text in child.at_home)
    for entry in reversed(view.entries):
        for text in entry.strategies:
            if view.today - _day(entry) <= timedelta(days=14) and text.lower() not in known:
                named = {
                    "teacher": entry.who or wording.words["the_teacher"],
                    "child": entry.child or wording.words["your_child"],
                    "text": wording.quoted(text, 160),
                }
                yield Nudge("strategy", _mark(text), wording.words["nudge"]["strategy"].format(**named))


def _channels(view: View, wording: Wording) -> Iterator[Nudge]:
    for entry in reversed(view.entries):
        if entry.reach and view.today - _day(entry) <= timedelta(days=14):
            who = entry.who or wording.words["the_teacher"]
            text = wording.words["nudge"]["channel"].format(teacher=who, text=wording.quoted(entry.reach, 160))
            yield Nudge("channel", entry.address, text)


def _mark(text: str) -> str:
    """Which text a line was about, without the text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


# --- Keeping in touch ------------------------------------------------------------------------------------


def school_year(day: date) -> int:
    """The calendar year in which the school year of a day began (northern, August to July)."""
    return day.year if day.month >= 8 else day.year - 1


def _hello(view: View, teacher: Teacher, wording: Wording) -> Iterator[Nudge]:
    """In the first weeks of a year, to a teacher who has not heard from the parent yet."""
    if view.today.month not in (8, 9):
        return
    year = school_year(view.today)
    sent = [e for e in view.of_teacher(teacher.address) if e.direction == "out" and school_year(_day(e)) == year]
    if not sent:
        text = wording.words["nudge"]["hello"].format(teacher=teacher.name)
        yield Nudge("hello", f"{teacher.address} {year}", text)


def _gap(view: View, teacher: Teacher, wording: Wording) -> Iterator[Nudge]:
    """Weeks without a word, in the months of school; only where there was one before."""
    if view.today.month in (6, 7, 8):
        return
    # Summer is no silence.
    began = date(school_year(view.today), 9, 1)
    days = [max(_day(e), began) for e in view.of_teacher(teacher.address)]
    if days and view.today - max(days) >= _GAP:
        weeks = (view.today - max(days)).days // 7
        text = wording.words["nudge"]["gap"].format(teacher=teacher.name, weeks=weeks)
        yield Nudge("gap", teacher.address, text)


def _term(view: View, wording: Wording) -> Iterator[Nudge]:
    """Before the long holidays: what the months held, the good first."""
    if (view.today.month, view.today.day) < (12, 14) and view.today.month != 6:
        return
    mine = [e for e in view.entries if e.direction == "in" and view.today - _day(e) <= _LONG_VIEW]
    if len(mine) < 5:
        return
    counts = _counts(mine)
    good = counts.get("praise", 0)
    open_ones = sum(e.needs_reply and not e.answered for e in mine)
    listed = wording.listed([f"{n} {wording.words['label'][k]}" for k, n in counts.items() if k != "praise"])
    besides = wording.words["nudge"]["besides"].format(listed=listed) if listed else ""
    text = wording.words["nudge"]["term"].format(count=len(mine), good=good, besides=besides, open=open_ones)
    yield Nudge("term", f"{view.today:%Y-%m}", text)


def _counts(entries: Iterable[Entry]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in entries:
        for label in entry.labels:
            counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
