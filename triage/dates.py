"""Pure: dates that a mail states, resolved against the day it was written.

Which of them ask for something (work that is due, a test, a form, a talk, an event to attend) and which only tell
("on Monday he will have music") the model judges; what it learns from stands in `Due.clues`.

A date is read from tokens (`date_words`) that stand next to each other, or that belong together in another way:
the hour of "Monday or Tuesday at 3" is Monday's too. What they mean `day_and_hour` says. Where two readings are
possible both are given, and the model tells which is to be kept.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal

from triage.clues import Place, clues_of
from triage.date_patterns import PERIODS, WEEKDAYS
from triage.date_words import Token, tokens
from triage.day_and_hour import Around, resolve
from triage.lexicon import table
from triage.text import sentences

What = Literal["meeting", "assignment", "test", "form", "reply", "event"]

# A year's calendar pasted into a mail has fewer; each is weighed against all others.
MOST_DATES = 200


@dataclass(frozen=True, slots=True)
class Due:
    """A date in a mail: `at` is a date, or an aware date-time where the mail gives an hour.

    `what` is a first guess by the words of its sentence; `clues` are what the model learns from (words before and
    after it, its form, how far ahead it lies).
    """

    at: date | datetime
    what: What
    text: str
    clues: tuple[str, ...] = ()

    @property
    def day(self) -> date:
        """The calendar day."""
        return self.at.date() if isinstance(self.at, datetime) else self.at


def find_dates(text: str, written: datetime, *, day_first: bool) -> tuple[Due, ...]:
    """Dates in `text` that lie ahead of the day it was written, in order; whether each is one to keep is judged later.

    `written` (aware) is the mail's own Date; `day_first` reads 9/12 as the 9th of December.
    """
    reader = _Reader(written, day_first=day_first)
    spoken = [piece for whole in sentences(text) for piece in _pieces(whole)]
    for number, sentence in enumerate(spoken):
        after = spoken[number + 1] if number + 1 < len(spoken) else ""
        reader.read(Place(sentence, reader.before, after, number, len(spoken) - 1 - number))
        if len(reader.found) >= MOST_DATES:
            break
    return tuple(reader.found)


# No sentence is longer; each token of a piece is weighed against the others.
_LONGEST_PIECE = 1000


def _pieces(sentence: str) -> Iterator[str]:
    yield from (sentence[at : at + _LONGEST_PIECE] for at in range(0, len(sentence), _LONGEST_PIECE))


@dataclass(slots=True)
class _Reader:
    """Reads sentence after sentence, and knows what the ones before spoke of."""

    written: datetime
    day_first: bool
    found: list[Due] = field(default_factory=list)
    before: str = ""
    # The day that was named last, the sentence that named it (counted from the end), and the hour that was named last.
    last_day: date | None = None
    age: int = 0
    last_hour: time | None = None
    exact: list[date] = field(default_factory=list)

    def read(self, place: Place) -> None:
        """Add the dates of the next sentence."""
        sentence = place.sentence
        self.age += 1
        spoken = tokens(sentence)
        if spoken:
            dated = self._dated(sentence, _candidates(spoken, sentence))
            for candidate, at in dated:
                self._add(candidate, at, place)
        self.before = sentence

    def _dated(self, sentence: str, candidates: Sequence["_Candidate"]) -> list[tuple["_Candidate", date | datetime]]:
        earlier: date | None = None
        found: list[tuple[_Candidate, date | datetime]] = []
        for candidate in candidates:
            for near, around in self._readings(candidate, sentence, earlier):
                at = resolve(candidate.group, around) if candidate.has_day else _hour_on(candidate, around)
                if at is None or (isinstance(at, datetime) and candidate.is_of_any(sentence)):
                    continue
                found.append((candidate.noting(near), at))
                if candidate.has_day:
                    earlier = at.date() if isinstance(at, datetime) else at
                    self.last_day, self.age = earlier, 0
                    if any(token.kind in _EXACT for token in candidate.group):
                        self.exact.append(earlier)
                if isinstance(at, datetime):
                    self.last_hour = at.time()
        return found

    def _readings(self, candidate: "_Candidate", sentence: str, earlier: date | None) -> Iterator[tuple[str, Around]]:
        """What the candidate may be read against, each with what the model is to know of it."""
        around = Around(self.written, self.day_first, sentence, same_hour=self.last_hour)
        last = self.last_day if self.age <= _LASTS else None
        if not candidate.has_day:
            # An hour alone is today's, or on the day that the talk is of.
            if last is not None:
                yield "hour of the day before", replace(around, earlier=last)
            if last != self.written.date():
                yield "hour of today", replace(around, earlier=self.written.date())
        elif any(token.kind == "same_day" for token in candidate.group):
            yield "", replace(around, earlier=earlier or last)
        elif earlier is not None and candidate.leads_on:
            yield "", replace(around, earlier=earlier)
        elif candidate.is_plain_weekday and (named := self._named(candidate.group)):
            yield "as named", replace(around, earlier=named)
            yield "not as named", around
        elif candidate.is_plain_weekday and _NEXT_WEEK.search(f"{self.before} {sentence}"):
            yield "of next week", replace(around, next_week=True)
            yield "not of next week", around
        else:
            yield "", around

    def _named(self, group: Sequence[Token]) -> date | None:
        """A later day of that weekday that the mail gave in full: its "Thursday" may be that one."""
        weekday = next(token.numbers[0] for token in group if token.kind == "weekday")
        soon = self.written.date() + timedelta(days=7)
        return next((day for day in self.exact if day.weekday() == weekday and day > soon), None)

    def _add(self, candidate: "_Candidate", at: date | datetime, place: Place) -> None:
        what, spoken = _what(place.sentence, place.before), _words(place.sentence, candidate.group)
        clues = (*candidate.notes, f"guess:{what}", *clues_of(candidate.group, at, self.written, place))
        self.found.append(Due(at, what, spoken, clues))


# How many sentences later an hour alone may still be of the day that was named.
_LASTS = 4
_NEXT_WEEK = re.compile(r"\bne?xt w(?:ee)?k\b|próxima semana|semana (?:próxima|entrante|que viene)", re.IGNORECASE)


def _hour_on(candidate: "_Candidate", around: Around) -> datetime | None:
    """An hour without a day, on the day of `around.earlier`, if it is still to come."""
    at = resolve([*candidate.group, Token("same_day", "", candidate.group[0].start, candidate.group[0].end)], around)
    return at if isinstance(at, datetime) and at > around.written else None


def chosen(kept: Sequence[Due]) -> tuple[Due, ...]:
    """Each day and hour once; of a day with and without its hour the one that comes first. Give the likelier first."""
    found: dict[date | datetime, Due] = {}
    for due in kept:
        # "Friday" and "Friday at 3:15" are two readings of one date; 3:15 and 4:00 may both be offered.
        rivals = [other for other in found if isinstance(other, datetime) != isinstance(due.at, datetime)]
        if due.at not in found and due.day not in {found[other].day for other in rivals}:
            found[due.at] = due
    return tuple(found.values())


# --- Which tokens belong together ------------------------------------------------------------------------

# What may stand between two tokens of one date.
_GLUE = re.compile(
    r"[\s,.()@–—-]*(?:\b(?:the|el|la|on|at|by|from|around|about|before|after|and|to|until|till|starting|promptly|sharp|or|o|"
    r"between|a|las|de|del|día|este|desde|entre|as|in|morning|afternoon|evening|night|por|tarde|noche|mañana|either|right|"
    r"any\s?time|sometime|say|then|antes|después|hasta|next|coming|this)\b[\s,.()@–—-]*)*",
    re.IGNORECASE,
)
# What stands between days of which each may be chosen, or each counts.
_LIST = re.compile(
    r"\s*(?:[,/&]\s*)?(?:\b(?:or|and|o|u|y|then|either|are|both|on|el|the|of|next week|"
    r"next|this|este|próximo|próxima)\b\s*)*",
    re.IGNORECASE,
)
_DAYS_BETWEEN = re.compile(r"\s*(?:[-–—]|\b(?:to|through|thru|until|al?|hasta)\b)\s*(?:the\s+|el\s+)?", re.IGNORECASE)
_OR = re.compile(r"\bor\b|\bo\b|\band\b|\by\b|[,/]")
_STRETCHES = ("this week", "next week", "end of day")
_DAY_FOLLOWS = re.compile(
    rf"\s+(?:on\s+)?(?:the\s+|this\s+|next\s+|el\s+)?(?:today|tomorrow|hoy|mañana|{'|'.join(WEEKDAYS)}|\d+(?:st|nd|rd|th))\b"
)
_EXACT = {"month_day", "numeric", "ordinal", "weekday_day"}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Tokens that speak of one date. `leads_on`: its weekday is told from the date before it."""

    group: tuple[Token, ...]
    leads_on: bool = False
    notes: tuple[str, ...] = ()

    @property
    def has_day(self) -> bool:
        return any(not token.is_hour for token in self.group)

    @property
    def is_plain_weekday(self) -> bool:
        return all(token.kind == "weekday" or token.is_hour for token in self.group)

    def is_of_any(self, sentence: str) -> bool:
        """Whether it is one of many days: "any morning next week before 8:30" is no appointment."""
        first = min(self.group, key=lambda token: token.start)
        return first.kind in ("period", "relative") and bool(_ANY.search(sentence[: first.start]))

    def noting(self, note: str) -> "_Candidate":
        return replace(self, notes=(*self.notes, note)) if note else self


_ANY = re.compile(r"\b(?:any|whichever|whatever|cualquier|alg[uú]n)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)


def _candidates(spoken: Sequence[Token], sentence: str) -> list[_Candidate]:
    if any(not (token.is_hour or token.kind == "period") for token in spoken):
        # "Tuesday of next week", "by end of day Friday": the day says more.
        spoken = [token for token in spoken if token.kind != "period" or PERIODS[token.numbers[0]] not in _STRETCHES]
    groups = _adjacent(spoken, sentence)
    days = [group for group in groups if any(not token.is_hour for token in group)]
    hours = [group for group in groups if all(token.is_hour for token in group)]
    if not days:
        return [_Candidate((clock,)) for group in hours for clock in group if _stands_alone(clock)]
    spare: list[_Candidate] = []
    apart: set[int] = set()
    for group in hours:
        whose = _whose(group, days)
        if any(token.is_hour for token in whose):
            day = [token for token in whose if not token.is_hour]
            spare += [_Candidate((*day, clock), notes=("another hour",)) for clock in group]
        else:
            whose.extend(group)
            apart.add(id(whose))
    apart |= _share_hours(days, sentence)
    found: list[_Candidate] = []
    for place, group in enumerate(days):
        leads_on = _leads_on(days, place)
        is_apart = id(group) in apart or any(_TO_THE_END.search(token.lead) for token in group if token.is_hour)
        if is_apart:
            found.append(_Candidate(tuple(t for t in group if not t.is_hour), leads_on, ("without its hour",)))
        notes = ("hour apart",) if is_apart else ()
        found += [_Candidate(tuple(choice), leads_on, notes) for choice in _choices(group, sentence)]
    return found + spare


_TO_THE_END = re.compile(r"\b(?:until|till|up to|hasta|before|between)\s+(?:las\s+)?$")


def _adjacent(spoken: Sequence[Token], sentence: str) -> list[list[Token]]:
    """Tokens that stand next to each other and so speak of one date."""
    groups: list[list[Token]] = []
    dropped = -_NEAR
    for token in spoken:
        if _put_off(token) or (token.start - dropped < _NEAR and not token.is_hour):
            # "Not Friday, October 9" takes back both.
            dropped = token.end
            continue
        previous = groups[-1] if groups else None
        gap = sentence[previous[-1].end : token.start] if previous else ""
        if token.part == "weak" and (previous is None or previous[-1].is_hour or not _GLUE.fullmatch(gap)):
            continue
        if previous and len(gap) <= 24 and _GLUE.fullmatch(gap) and _adds(previous, token, gap):
            previous.append(token)
        else:
            groups.append([token])
    return groups


# A day so near to one that is taken back is the same one.
_NEAR = 3
_TAKEN_BACK = r"\b(?:instead of|rather than|(?<!if )(?<!why )not|en vez de|en lugar de)\s+"
_HOUR_TAKEN_BACK = re.compile(rf"(?:{_TAKEN_BACK}|\b(?:not at|was|were)\s+)(?:las\s+|at\s+)?$")
_DAY_TAKEN_BACK = re.compile(
    rf"(?:{_TAKEN_BACK}|\b(?:en vez del|en lugar del)\s+"
    r"|\b(?:moved|moving|changed|changing|rescheduled|postponed|switched|shifted|pushed(?: back)?)\s+from\s+"
    r"|\b(?:se (?:cambia|cambió|pasa|pasó|mueve|movió|recorre|recorrió)|cambiad[oa]|recorrid[oa])\s+del?\s+)"
    r"(?:on\s+|the\s+|this\s+|el\s+)*$"
)


def _put_off(token: Token) -> bool:
    """The hour or day that something is no longer on: "3:45 instead of 3:15", "moved from Thursday to Monday"."""
    return (_HOUR_TAKEN_BACK if token.is_hour else _DAY_TAKEN_BACK).search(token.lead) is not None


def _stands_alone(clock: Token) -> bool:
    """An hour without a day in its sentence, if it is surely an hour."""
    return (
        clock.kind == "same_time"
        or re.search(r":|past|half|clock|quarter", clock.text) is not None
        or clock.numbers[4] > 0
        or bool(re.search(_HOUR_AHEAD, clock.lead))
    )


_HOUR_AHEAD = r"(?:\b(?:at|by|before|until|till|around|about|from|between|say|las|la|entre|after|de)|@)\s*$"


def _whose(hours: Sequence[Token], days: list[list[Token]]) -> list[Token]:
    """The day that an hour standing apart belongs to: one without an hour, the nearest; before it rather than after."""
    before = [day for day in days if day[0].start < hours[0].start]
    after = [day for day in days if day[0].start > hours[0].start]
    if before and not any(token.is_hour for token in before[-1]):
        return before[-1]
    if after and not any(token.is_hour for token in after[0]):
        return after[0]
    return before[-1] if before else after[0]


def _share_hours(days: list[list[Token]], sentence: str) -> set[int]:
    """The hour of "Thursday or Friday at 3:10", and of "at 3:10 on Thursday or Friday", is that of both.

    Gives the identities of those that were given one.
    """
    given: set[int] = set()
    for first, second in [*reversed(list(pairwise(days))), *pairwise(days)]:
        one = [token for token in first if token.is_hour]
        other = [token for token in second if token.is_hour]
        gap = sentence[
            max(token.end for token in first if not token.is_hour) : min(t.start for t in second if not t.is_hour)
        ]
        if bool(one) == bool(other) or not (_LIST.fullmatch(gap) or _DAYS_BETWEEN.fullmatch(gap)):
            continue
        if other:
            first.extend(other)
            given.add(id(first))
        else:
            second.extend(one)
            given.add(id(second))
    return given


def _leads_on(days: list[list[Token]], place: int) -> bool:
    """Whether a weekday is the one after the date before it: "the 23rd or the Friday"."""
    group = days[place]
    if place == 0 or any(token.kind != "weekday" and not token.is_hour for token in group):
        return False
    return (
        re.search(
            r"(?:\b(?:or|and|o|u|y|to|then)|[,/])\s*(?:the\s+|el\s+)?(?:following\s+)?$|\bthe\s+(?:following\s+)?$",
            group[0].lead,
        )
        is not None
    )


def _choices(group: list[Token], sentence: str) -> Iterator[list[Token]]:
    """Each hour of "Monday at 7:30 or 3:20" is a date by itself; "3:00 to 3:20" is one."""
    clocks = sorted((token for token in group if token.is_hour), key=lambda token: token.start)
    day = [token for token in group if not token.is_hour]
    gaps = [sentence[one.end : other.start] for one, other in pairwise(clocks)]
    if len(clocks) > 1 and day and all(_OR.search(gap) or len(gap) > 12 for gap in gaps):
        yield from ([*day, clock] for clock in clocks)
    else:
        yield group


def _adds(group: Sequence[Token], token: Token, gap: str) -> bool:
    kinds = {member.kind for member in group}
    if token.is_hour:
        # "3:10 today and 8:00 tomorrow": that hour belongs to the day after it.
        return not (_OR.search(gap) and _DAY_FOLLOWS.match(token.follow))
    if token.kind in kinds:
        # "Monday and Tuesday" are two.
        return False
    if all(member.is_hour for member in group):
        # "2:40 or 3:20 and Thursday at 8:00": that hour belongs to the day before it.
        return _OR.search(gap) is None
    alternatives = re.search(r"\b(and|or|to|until|y|o)\b", gap) is not None
    return (kinds & {"weekday", "relative"} != set() or token.kind == "weekday") and not (
        alternatives or (token.kind in _EXACT and kinds & _EXACT)
    )


def _words(sentence: str, group: Sequence[Token]) -> str:
    group = sorted(group, key=lambda token: token.start)
    start, end = group[0].start, max(token.end for token in group)
    if end - start > 60 or re.search(r"\bor\b|\bo\b", sentence[group[0].end : end]):
        # Day and hour stand far apart: the day's own words are enough.
        own = [token for token in group if not token.is_hour] or group
        start, end = own[0].start, own[0].end
    lead = re.search(r"\b(this coming|this|next|coming|este|esta|próximo|próxima)\s+$", sentence[:start], re.IGNORECASE)
    words = sentence[start - (len(lead.group()) if lead else 0) : end]
    # The stop that ends the sentence is none of an abbreviation's.
    return words if words.lower().endswith("m.") else words.rstrip(".")


# --- What the date is for --------------------------------------------------------------------------------

_CUES: dict[What, re.Pattern[str]] = {
    what: re.compile(rf"(?<!\w)(?:{'|'.join(table('due')[what])})(?!\w)", re.IGNORECASE)
    for what in ("reply", "meeting", "test", "form", "assignment")
}


def _what(sentence: str, before: str) -> What:
    for text in (sentence, before):
        for what, cue in _CUES.items():
            if cue.search(text):
                return what
    return "event"
