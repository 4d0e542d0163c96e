"""What every card must hold to, checked without looking at how it was made (docs/guidance.md)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pyphen

from triage.classify import Verdict, classify
from triage.config import LANGUAGES, Config, Language
from triage.corpus import Record
from triage.draft import other_children
from triage.facts import find_facts
from triage.history import Past
from triage.message import Message, parse_message
from triage.model import Model
from triage.prompts import Around, Card, Wording, make_card, relay_of, word_table
from triage.said import hear
from triage.sender import platform_of

WORDING = Path(__file__).parent.parent.parent / "triage" / "wording"

BANNED: dict[Language, str] = {
    "en": r"why did you|you always|you never|lazy|fault|blame|refus|ignor|singled out|diagnos|signs of|medicat|\blaw\b|"
    r"legal(?! or medical)|violat|lawyer|you should feel|must\b|demand|unacceptable|percent|%|studies|research|"
    r"don't worry|calm down|failing|bad child|adhd|autis|than other|unlike|compared (?:to|with) (?:other|his|her)|!",
    "es": r"por qué hizo|por qué usted|siempre hace|nunca hace|culpa|perezos|diagn|señales de|medicament|\bley\b|"
    r"abogad|violac|exig|inaceptable|por ciento|%|"
    r"estudios|no se preocupe|cálmese|reprob|tdah|autis|que otros|comparado|!",
}
CARD_WORDS, OPENER_WORDS, DRAFT_WORDS = 90, 25, 120
SENTENCE_WORDS, GRADE = 14.0, 7.0
_QUOTES = re.compile(r"“[^”]*”|«[^»]*»")


@dataclass(frozen=True, slots=True)
class Shown:
    """A card with all that it may speak of."""

    card: Card
    verdict: Verdict
    message: Message
    config: Config
    past: Sequence[Past] = ()


def violations(shown: Shown, wording: Wording) -> Iterator[str]:
    """One line for each rule that a card breaks."""
    card, verdict = shown.card, shown.verdict
    language = wording.language
    texts = [card.headline, card.pause, *card.ask_child, *card.ask_teacher, card.document, card.wait, card.next_step]
    everything = "\n".join([*texts, card.reply, card.where])
    plain = _QUOTES.sub("", everything)
    ours = plain
    for name in filter(None, (verdict.child, verdict.teacher.name if verdict.teacher else "")):
        ours = ours.replace(name, "")
    for found in re.finditer(BANNED[language], ours, re.IGNORECASE):
        yield f"says {found.group()!r}"
    yield from (f"{token!r} stands in neither mail nor template" for token in _invented(plain, shown, wording))
    yield from _shape(card)
    family = [*(child.name for child in shown.config.children), verdict.child or ""]
    quotes = _QUOTES.finditer("\n".join([card.reply, *card.ask_teacher]))
    if "praise" not in verdict.labels and any(other_children(quote.group(), family) for quote in quotes):
        yield "names another child to the teacher"
    yield from _quotes_the_wrong_thing(card, verdict)
    if re.search(r"(?i)\b(?:we|i)(?:['’]ll| will) \w+|\b(?:haremos|veremos|vamos a|voy a)\b", _unquoted(card.reply)):
        yield "a promise in the parent's name"
    yield from _hard_to_read(card, verdict, language)


def _hard_to_read(card: Card, verdict: Verdict, language: Language) -> Iterator[str]:
    texts = [card.headline, card.pause, *card.ask_child, *card.ask_teacher, card.document, card.wait, card.next_step]
    prose = [_unquoted(text) for text in texts]
    read = [card.headline, card.pause, *card.ask_child, *card.ask_teacher, card.next_step]
    if (count := len(_masked(map(_unquoted, read), verdict).split())) > CARD_WORDS:
        yield f"more than {CARD_WORDS} words ({card.situation}: {count})"
    for question in card.ask_teacher:
        if len(_unquoted(question).split()) > OPENER_WORDS:
            yield "a question of over 25 words"
    if len(card.reply.split()) > DRAFT_WORDS:
        yield f"a reply of {len(card.reply.split())} words"
    if (average := _sentence_words(_masked([*prose, _unquoted(card.reply)], verdict))) > SENTENCE_WORDS:
        yield f"sentences of {average:.0f} words on average ({card.situation})"
    if (grade := reading_grade(_masked(prose, verdict), language)) > GRADE:
        yield f"reading grade over {GRADE:.0f} ({card.situation}: {grade:.0f})"


def _unquoted(text: str) -> str:
    return _QUOTES.sub("", text)


def _quotes_the_wrong_thing(card: Card, verdict: Verdict) -> Iterator[str]:
    """An invitation to talk is not what happened."""
    if card.situation not in ("behavior_meeting", "homework_meeting", "second", "third"):
        return
    labels: dict[str, set[str]] = {}
    for item in verdict.evidence:
        labels.setdefault(_letters(item.text), set()).add(item.label)
    for quote in _QUOTES.finditer("\n".join([card.reply, *card.ask_teacher])):
        begins = _letters(quote.group().rstrip("”» …"))
        said = [kinds for text, kinds in labels.items() if begins and begins in text]
        if quote.group() in card.asked:
            continue
        if not said:
            yield "quotes what is no evidence"
        elif all(kinds <= {"meeting_request"} for kinds in said):
            yield f"quotes the invitation as what happened ({card.situation})"


def _letters(text: str) -> str:
    return "".join(re.findall(r"[^\W_]", text.lower()))


def _sentence_words(text: str) -> float:
    counts = [len(s.split()) for s in re.split(r"[.?!:;]+(?:\s|$)|\n", text) if re.search(r"\w", s)]
    return sum(counts) / len(counts) if counts else 0.0


def _shape(card: Card) -> Iterator[str]:
    if not card.next_step.strip() or "\n" in card.next_step:
        yield "not one next step"
    if re.search(r"[\"“”A-Z]{6,}", _QUOTES.sub("", card.headline)) or "“" in card.headline:
        yield "a headline that quotes or shouts"
    for question in card.ask_child:
        if re.match(r"(?i)(did|do|have|has|are|is|were|was|will|can|why)\b[^.]*\?", question):
            yield "a leading question for the child"
    for question in (*card.ask_teacher, card.reply):
        if re.search(r"(?i)\bwhy (?:did|do|would|was|is)\b|por qué (?:hizo|no)", question):
            yield "a why that accuses"


# --- Nothing invented ------------------------------------------------------------------------------------


def _invented(text: str, shown: Shown, wording: Wording) -> Iterator[str]:
    known = _known_words(shown) | _template_words(wording.language) | _calendar(wording)
    for token in re.findall(r"[^\W\d_][\w'’-]*", text):
        if token[0].isupper() and not {token.lower(), *re.split(r"[-'’]", token.lower())} & known:
            yield token
    numbers = set(re.findall(r"\d+", " ".join(_sources(shown)))) | _day_numbers(shown)
    yield from (number for number in re.findall(r"\d+", text) if number not in numbers)


def _sources(shown: Shown) -> Iterator[str]:
    message, verdict, config = shown.message, shown.verdict, shown.config
    yield from (
        message.subject,
        message.parts.own,
        message.parts.signature,
        message.parts.header,
        message.sender.name,
        message.sender.address,
    )
    yield from (person.name for person in message.reply_to)
    yield from verdict.warnings
    yield platform_of(message) or message.sender.domain
    for child in config.children:
        yield from (child.name, child.plan, *child.at_home)
    yield from (f"{teacher.name} {teacher.address}" for teacher in config.school.teachers)


def _known_words(shown: Shown) -> set[str]:
    return {word for text in _sources(shown) for word in re.findall(r"[^\W\d_]\w*", text.lower())}


@cache
def _template_words(language: Language) -> frozenset[str]:
    """Every word of our own sentences, taken from their files."""
    texts = [path.read_text(encoding="utf-8") for path in (WORDING / language).glob("*.j2")]
    texts += [str(value) for value in _leaves(word_table(language, "words"))]
    return frozenset(
        word
        for text in texts
        for word in re.findall(r"[^\W\d_][\w'’-]*", re.sub(r"\{[%#{].*?[%#}]\}", " ", text).lower())
    )


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    else:
        yield value


def _calendar(wording: Wording) -> set[str]:
    days = [date(2026, 1, 1) + timedelta(days=31 * month) for month in range(12)] + [
        date(2026, 1, day) for day in range(1, 8)
    ]
    return {word for day in days for word in re.findall(r"[^\W\d_]+", wording.day(day).lower())} | {"am", "pm", "iep"}


def _day_numbers(shown: Shown) -> set[str]:
    """Days that follow from the mail's own: the next, those by which to answer, of its dates and of earlier mails."""
    verdict = shown.verdict
    written = verdict.date.astimezone(shown.config.zone).date() if verdict.date else date(2026, 1, 7)
    days = [written + timedelta(days=ahead) for ahead in range(8)]
    days += [date.fromisoformat(shown.card.answer_by)] if shown.card.answer_by else []
    days += [date.fromisoformat(due.at[:10]) for due in verdict.due]
    days += [one.at.astimezone(shown.config.zone).date() for one in shown.past]
    clock = [part for due in verdict.due if "T" in due.at for part in _clock(due.at)]
    counts = {str(count) for count in range(len(shown.past) + 2)}
    return {str(day.day) for day in days} | set(clock) | counts | {"504"}


def _clock(at: str) -> Iterable[str]:
    hour, minute = int(at[11:13]), at[14:16]
    return (str(hour), at[11:13], str(hour % 12 or 12), minute)


# --- How hard it is to read ------------------------------------------------------------------------------


def _masked(texts: Iterable[str], verdict: Verdict) -> str:
    """Names and dates are not what makes a text hard."""
    text = " ".join(texts)
    names = [name for name in (verdict.child, verdict.teacher.name if verdict.teacher else "") if name]
    for name in names:
        text = text.replace(name, "Ann")
    text = re.sub(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \w+ \d+(?: at [\d: APM]+)?", "Friday", text)
    return re.sub(r"\b(?:lunes|martes|miércoles|jueves|viernes|sábado|domingo),? \d+ de \w+", "viernes", text)


@cache
def _hyphenator(language: Language) -> pyphen.Pyphen:
    return pyphen.Pyphen(lang={"en": "en_US", "es": "es"}[language])


def reading_grade(text: str, language: Language) -> float:
    """School grade: Flesch-Kincaid (1975) in English; in Spanish the same from Fernández Huerta's ease (1959)."""
    sentences = [s for s in re.split(r"[.?!:;]+(?:\s|$)", text) if re.search(r"\w", s)]
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text)
    if not sentences or not words:
        return 0.0
    syllables = sum(len(_hyphenator(language).positions(word)) + 1 for word in words)
    per_sentence, per_word = len(words) / len(sentences), syllables / len(words)
    if language == "en":
        return 0.39 * per_sentence + 11.8 * per_word - 15.59
    ease = 206.84 - 60 * per_word - 1.02 * per_sentence
    # Grade 7 of Flesch's ease table is 70 to 80.
    return (145 - ease) / 10


# --- The cards of the corpus -----------------------------------------------------------------------------

_NOBODY = Config(timezone="UTC")
_BATCH = 500


def cards_of(records: Sequence[Record], model: Model) -> Iterator[tuple[Record, Shown, Wording]]:
    """Each mail's card in each language, as the daemon makes it; three of four mails have worries before them."""
    wordings = [Wording(language) for language in LANGUAGES]
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        messages = [parse_message(record.to_bytes()) for record in batch]
        facts = [find_facts(message, _NOBODY) for message in messages]
        scores = model.score(messages, facts)
        for number, (record, message, fact, score) in enumerate(zip(batch, messages, facts, scores, strict=True)):
            verdict = classify(message, fact, score, model.thresholds)
            past = _worries(verdict, number % 4)
            around = Around(date(2026, 1, 7), past, relay_of(message, verdict.sender), hear(message.parts.own))
            for wording in wordings:
                card = make_card(verdict, _NOBODY, wording, around)
                yield record, Shown(card, verdict, message, _NOBODY, past), wording


def _worries(verdict: Verdict, count: int) -> list[Past]:
    """So many earlier mails of the same kind, a week apart."""
    if verdict.date is None:
        return []
    at, teacher = verdict.date, verdict.teacher.address if verdict.teacher else ""
    labels = tuple(label for label in verdict.labels if label in ("behavior", "homework")) or ("behavior",)
    return [Past(at - timedelta(days=7 * week), verdict.child or "", teacher, labels) for week in range(1, count + 1)]
