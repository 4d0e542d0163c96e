"""Pure: what a message itself states, as against what it probably means.

Facts are exact and quote their source: who writes, about which child, which dates, whether it speaks of a
plan or of danger. Probable things (what kind of mail it is) come from the model as scores.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from triage.config import Config
from triage.dates import Due, find_dates
from triage.message import Message, Person
from triage.people import find_child, find_teacher
from triage.sender import Standing, sender_standing
from triage.text import sentences

Flag = Literal["plan", "safety", "bulk"]
FLAGS: tuple[Flag, ...] = get_args(Flag)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message states. `quotes` gives the sentence behind each flag."""

    standing: Standing
    teacher: Person | None
    child: str | None
    due: tuple[Due, ...]
    flags: frozenset[Flag]
    quotes: tuple[tuple[Flag, str], ...]
    asks: bool
    today: bool
    language: str


def find_facts(message: Message, config: Config, learned: Collection[str] = ()) -> Facts:
    """Read the facts off one message; `learned` as in `sender_standing`."""
    standing = sender_standing(message, config, learned)
    own = f"{message.subject}.\n{message.parts.own}"
    quotes = tuple(_flag_quotes(own))
    language = detect_language(own)
    return Facts(
        standing=standing,
        teacher=find_teacher(message, standing),
        child=find_child(message, config, standing),
        due=_due(message, config, language),
        flags=frozenset(flag for flag, _ in quotes) | _bulk(message),
        quotes=quotes,
        asks=bool(_ASKS.search(own)),
        today=bool(_TODAY.search(own)),
        language=language,
    )


# --- Plan and safety: written for recall, a false alarm costs less than a missed one ----------------------

_PLAN = re.compile(
    r"\bI\.?E\.?P\.?s?\b|\b504\b(?! ?(?:error|points|pages|students|gateway))|\bEHCP?\b|\bSEN(?:D|CO|Co)?\b|\bARD\b|"
    r"(?i:individuali[sz]ed education|education(?:,| and)? health (?:and|&) care plan|special[- ]education|special[- ]ed\b|"
    r"accommodations?\b(?! (?:in|at) (?:a|the) hotel)|reasonable adjustments?|learning support|resource room|case ?manager|"
    r"speech (?:and language |therap|patholog|services|session|goal|evaluation)|occupational therap|psycho-?educational|"
    r"(?:psychological|educational|academic|reading|speech|school|initial|re-?)\s?evaluation|evaluation (?:team|meeting|results|report)|"
    r"eligibility (?:meeting|determination)|behaviou?r (?:intervention )?plan|\bBIP\b|individual (?:learning|support|education|health) plan|"
    r"(?:learning|support|care|safety) plan\b|modified (?:assignments|curriculum)|extended time|paraprofessional|shadow teacher|remedial|"
    r"educational psychologist|programa educativo individuali[sz]ado|educación especial|plan 504|adaptaci(?:ón|ones) curricular|"
    r"necesidades educativas|evaluación psicopedagógica|acomodaciones|terapia (?:del|de) (?:habla|lenguaje))"
)
_SAFETY = re.compile(
    r"(?i)\b(?:injur(?:y|ies|ed)|concussion|head (?:injury|bump)|(?:bump|hit|bang|knock|bonk|struck|cut|whack)\w*\b[^.!?]{0,30}\b(?:head|forehead|face|eye|mouth|nose|chin)\b|"
    r"bleed\w*|blood|stitches|fractur\w*|broken (?:arm|wrist|leg|bone|finger|ankle)|ambulance|paramedics?|\b911\b|\b999\b|hospital|emergency room|\bA&E\b|"
    r"urgent care|unconscious|passed out|faint(?:ed|ing)|seizure|allerg(?:ic|y) reaction|anaphyla\w*|epi-?pen|hives|asthma attack|inhaler|chok(?:ed|ing)|"
    r"suicid\w*|self-?harm\w*|harm(?:ing)? (?:himself|herself|themsel\w+|him|her|self)|hurt(?:ing)? (?:himself|herself|themsel\w+)|(?:kill|killing) (?:himself|herself|themsel\w+|me|you)|"
    r"(?:wants?|wanted|wish\w*|wishing) (?:to (?:die|be dead|disappear)|(?:he|she|they) (?:was|were) dead|not to be here)|(?:not|n't) want to (?:live|be alive|be here)|end (?:his|her|their) life|"
    r"threat(?:en\w*|s)?\b|weapon|knife|\bgun\b|\bguns\b|pocket ?knife|\bblade\b|lockdown|lock-down|intruder|evacuat\w*|abus(?:e|ed|ive)|neglect|child protect\w*|"
    r"\bCPS\b|safeguarding|missing (?:child|student|from (?:class|school|the group|line))|(?:could not|couldn't|can't|cannot|unable to) (?:find|locate)|ran (?:off|away|out of)|left (?:the )?(?:campus|school grounds|building|premises|group)|"
    r"wandered (?:off|away)|eloped?\b|touched (?:him|her|them) inappropriately|inappropriate(?:ly)? touch\w*|assault\w*|fell (?:off|from|down|and)|fall from|"
    r"ingest\w*|swallow\w*|overdos\w*|vap(?:e|ing) (?:pen|device)|poison\w*|burn(?:ed|t)? (?:his|her|their)|sprain\w*|"
    r"lesi[óo]n\w*|golpe\w*\b[^.!?]{0,25}\b(?:cabeza|cara|frente|ojo)|sangr\w*|ambulancia|urgencias|reacción alérgica|suicid\w*|autolesi\w*|"
    r"hacerse daño|quitarse la vida|se quería morir|quiere morir|amenaz\w*|navaja|cuchillo|arma\b|pistola|abuso|maltrato|se perdió|extraviad\w*|desapareci\w*|se cayó)\b"
)


def _flag_quotes(own: str) -> Iterator[tuple[Flag, str]]:
    patterns: tuple[tuple[Flag, re.Pattern[str]], ...] = (("plan", _PLAN), ("safety", _SAFETY))
    for sentence in sentences(own):
        for flag, pattern in patterns:
            if pattern.search(sentence):
                yield flag, sentence


def _bulk(message: Message) -> frozenset[Flag]:
    marks = ("list-id", "list-unsubscribe")
    by_header = any(mark in message.headers for mark in marks)
    by_header |= message.header("precedence").lower() in ("bulk", "list", "junk")
    return frozenset({"bulk"}) if by_header or _TO_MANY.search(message.parts.own[:400]) else frozenset()


_TO_MANY = re.compile(
    r"(?i)\b(?:dear|hello|hi|good (?:morning|afternoon|evening)|greetings|hey)[, ]+(?:\w+ ){0,4}?"
    r"(?:famil(?:y|ies)|parents|guardians|carers|caregivers|community|all|everyone|folks|room \w+ families)\b|"
    r"\b(?:estimad[ao]s|querid[ao]s|apreciad[ao]s|buenos días|buenas tardes)[, ]+(?:\w+ ){0,3}?(?:familias|padres|papás|todos)\b"
)

# --- What it asks for ------------------------------------------------------------------------------------

_ASKS = re.compile(
    r"(?i)\b(?:please|kindly|could you|can you|would you|will you)\b[^.!?\n]{0,60}\b(?:reply|respond|confirm|let (?:me|us) know|call|"
    r"phone|email|e-mail|get (?:back|in touch)|contact|rsvp|choose|pick|select|sign up|book|tell me|advise|send me)\b|"
    r"\blet (?:me|us) know (?:if|when|what|which|whether|by|your|how|a)\b(?! you have (?:any )?(?:questions|concerns))|\brsvp\b|"
    r"\b(?:what|which|when|how|are|is|do|does|did|would|could|can|have|has|was|were)\b[^.!?\n]{4,160}\?|"
    r"\b(?:call me|give me a (?:call|ring)|get back to me|reply (?:to this|by|with))\b|"
    r"¿[^?]{4,200}\?|\b(?:por favor|favor de)\b[^.!?\n]{0,60}\b(?:respond|confirm|llam|avis|contest)"
)
_TODAY = re.compile(
    r"(?i)\b(?:as soon as (?:possible|you can)|right away|immediately|urgent(?:ly)?|asap|straight ?away|at once)\b|"
    r"\b(?:call|phone|pick (?:him|her|them|\w+) up|collect (?:him|her|them|\w+)|come (?:and )?(?:get|collect|pick))\b[^.!?\n]{0,60}\b(?:today|now|this (?:morning|afternoon)|tonight)\b|"
    r"\b(?:today|tonight|this afternoon|tomorrow morning)\b[^.!?\n]{0,60}\b(?:call|pick|collect|bring|needs?)\b|"
    r"\b(?:lo antes posible|de inmediato|urgente|cuanto antes|venga a recoger|pase a recoger|recoger(?:lo|la))\b"
)

# --- Dates and language ----------------------------------------------------------------------------------


def _due(message: Message, config: Config, language: str) -> tuple[Due, ...]:
    if message.date is None:
        return ()
    written = message.date
    here = written.astimezone(config.zone)
    # Relays stamp UTC; the hours in the text are the family's.
    if here.utcoffset() == written.utcoffset() or written.utcoffset() == timedelta(0):
        written = here if "timezone" in config.model_fields_set else written
    return find_dates(f"{message.subject}.\n{message.parts.own}", written, day_first=_day_first(written, language))


def _day_first(written: datetime, language: str) -> bool:
    """Only North America writes the month first; its offsets from UTC are -10 to -3.5 hours."""
    offset = written.utcoffset() or timedelta(0)
    american = timedelta(hours=-10) <= offset <= timedelta(hours=-3, minutes=-30)
    return not american or (language == "es" and offset == timedelta(hours=-3))


_FUNCTION_WORDS = {
    "en": "the and to of is that you for in it with was are this have on be not we will your at from he she they my please",
    "es": "el la los las de que y en un una por con para su se no es lo del al como más pero está ha sus le hoy favor",
    "fr": "le la les de des et est que vous pour dans une un sur pas avec nous votre ce il elle au du je merci",
    "de": "der die das und ist nicht sie wir mit für auf ein eine zu den ich von haben im bitte dass auch ihr",
    "pt": "o a os as de que e em um uma para com não do da no na por se seu sua está mais foi você obrigado",
    "it": "il lo la gli le di che e in un una per con non del della è sono si al da più anche grazie nel",
    "vi": "và của là có không được cho các một những trong với này đã để con em lớp",
    "tl": "ang ng sa na mga ay ko po ako siya kung hindi para at niya ito",
    "ht": "nan ak pou yo li se ki sa pa gen nou m ou lekòl timoun",
    "pl": "i w nie na się z do to że jest o jak po co za ale od dla proszę",
}


def detect_language(text: str) -> str:
    """ISO 639-1 code of the language that most of the text is in; "en" where it is too short to tell."""
    letters = [char for char in text if char.isalpha()]
    foreign = sum(ord(char) > 0x24F and not 0x1E00 <= ord(char) < 0x2000 for char in letters)
    if letters and foreign / len(letters) > 0.4:
        return _script(letters)
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {code: sum(word in known for word in words) for code, known in _WORD_SETS.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] > counts["en"] and counts[best] >= 3 else "en"


_WORD_SETS = {code: frozenset(words.split()) for code, words in _FUNCTION_WORDS.items()}
_SCRIPTS = (
    (0x400, 0x52F, "ru"),
    (0x590, 0x5FF, "he"),
    (0x600, 0x6FF, "ar"),
    (0x900, 0x97F, "hi"),
    (0xE00, 0xE7F, "th"),
    (0x3040, 0x30FF, "ja"),
    (0xAC00, 0xD7AF, "ko"),
    (0x4E00, 0x9FFF, "zh"),
    (0x370, 0x3FF, "el"),
)


def _script(letters: list[str]) -> str:
    counts = {code: sum(low <= ord(char) <= high for char in letters) for low, high, code in _SCRIPTS}
    if counts["ja"]:
        return "ja"
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else "und"
