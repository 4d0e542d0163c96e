"""Pure: a parent's draft to findings, each a place in the text that may inflame and a calmer way to say it.

What words do together is judged by a small model (`tone`), sentence by sentence; what rules do better (capitals,
length, blanks, other children's names, a concern with nothing to go on) stands here. Offsets are characters of the
text as given. Only the parent's own words count: quoted mail and what stands below a forwarded header do not.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from triage.lexicon import pattern, word_sets, words
from triage.text import sentence_spans, without_quoted

Tone = Literal["accusation", "absolute", "demand", "threat", "sarcasm", "blame", "assumption", "sensitive"]
Kind = Tone | Literal["shouting", "too_long", "no_question", "blank"]

TONES: tuple[Tone, ...] = get_args(Tone)
# A teacher has dozens of families; what is longer is better said than written.
LONGEST_WORDS = 300
# A sentence's first so many findings are told; a fourth says nothing more.
MOST_OF_A_SENTENCE = 3
# From so many sentences on a draft is a letter.
LETTER = 3
# From this probability of a charge on, any raised voice is heard as one.
_WARM = 0.15


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence of the draft: `text` is `draft[start:end]`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Tones:
    """What the model makes of one sentence: the probability that it charges, and that of each tone."""

    charged: float
    tones: Mapping[Tone, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where probability becomes a finding: in a sentence or two, and in a letter, where one in many is too much."""

    charged: float = 0.5
    letter: float = 0.5
    tones: Mapping[Tone, float] | None = None

    def tone(self, tone: Tone) -> float:
        """Probability from which a charged sentence has this tone."""
        return (self.tones or {}).get(tone, 0.5)


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding before it is put into words."""

    start: int
    end: int
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, as `triage check --json` prints it: `why` and `instead` are ours."""

    text: str
    start: int
    end: int
    kind: Kind
    why: str
    instead: str

    def to_json(self) -> dict[str, Any]:
        """One object of `findings`."""
        return asdict(self)


def own_spans(draft: str) -> list[Span]:
    """The sentences that the parent wrote, with their places; none of quoted mail."""
    found = sentence_spans(without_quoted(draft)) or sentence_spans(draft)
    return [Span(a, b, draft[a:b]) for start, stop in found for a, b in _asked_apart(draft, start, stop)]


def _asked_apart(draft: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """A sentence cut where Spanish marks that a question begins: what is said before it is said, not asked."""
    for mark in _ASKS.finditer(draft, start, stop):
        if len(draft[start : mark.start()].split()) >= _STATEMENT:
            yield start, mark.start()
            start = mark.start(1)
    yield start, stop


_ASKS, _STATEMENT = re.compile(r"[,;:] +(¿)"), 3


def remarks(draft: str, scores: Sequence[Tones], limits: Limits, children: Iterable[str] = ()) -> list[Remark]:
    """What stands out in a draft, in the order of the text; `scores` go with `own_spans`."""
    spans = own_spans(draft)
    found: list[Remark] = []
    strangers = other_children(draft, children)
    for span, score in zip(spans, scores, strict=True):
        kinds: list[Kind] = list(tones_of(score, limits, letter=len(spans) >= LETTER))
        if not kinds and (plain := _said_plainly(span.text)):
            kinds.append(plain)
        if "sensitive" not in kinds and _names_badly(span.text, strangers):
            kinds.append("sensitive")
        if shouts(span.text, warm=score.charged >= _WARM):
            kinds.append("shouting")
        found += [Remark(span.start, span.end, span.text, kind) for kind in kinds[:MOST_OF_A_SENTENCE]]
    found += _blanks(without_quoted(draft))
    found += _whole(spans, {remark.start for remark in found if remark.kind in TONES})
    return sorted(found, key=lambda remark: remark.start)


def tones_of(score: Tones, limits: Limits, *, letter: bool = False) -> list[Tone]:
    """The tones of a sentence, the plainest first; none where it charges nobody."""
    if score.charged < (limits.letter if letter else limits.charged):
        return []
    ordered = sorted(TONES, key=lambda tone: -score.tones[tone])
    return [tone for tone in ordered if score.tones[tone] >= limits.tone(tone)] or ordered[:1]


# --- What rules do better --------------------------------------------------------------------------------

# "Move her seat.": a few words that tell the teacher what to do with the child.
_ORDER = re.compile(
    r"(?i)(?:just )?(?:move|fix|change|remove|stop|switch|cancel|drop|undo|erase|reverse)"
    r" (?:her|his|their|him|them|my \w+(?:['’]s)?|that|this)"
    r"\b(?! (?:if|when|once)\b)[^,?:;]*[.!]*$"
)
_LONGEST_ORDER = 7


def _said_plainly(sentence: str) -> Tone | None:
    """The tone of a few idioms and of a bare order, which are the same in whatever letter they stand."""
    if pattern("contempt").search(sentence):
        return "sarcasm"
    said = sentence.strip()
    bare = len(said.split()) <= _LONGEST_ORDER and not re.search(r"(?i)\b(?:please|thanks?|would|could)\b", said)
    return "demand" if bare and _ORDER.match(said) else None


_CAPITALS = re.compile(r"(?<![\w@/.-])[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'’]+(?![\w@/.-])")
_RUN = re.compile(r"!\s?!|[?!]{3,}|\?!|!\?")
# What nobody types by habit. "Hi!!" and "He's five!!" are only lively.
_LONG_RUN = re.compile(r"(?:!\s?){3,}|[?!]{4,}")
# So many words in capitals are a raised voice by themselves, if they are more than a name or a heading.
_MANY_LOUD = 3


def shouts(sentence: str, *, warm: bool) -> bool:
    """Words in capitals that are no abbreviation, or a row of exclamation marks, where nobody is glad.

    What is said in a `warm` sentence, or with a worry, is shouted sooner.
    """
    loud = [word for word in _CAPITALS.findall(sentence) if word.lower() not in words("acronyms") and len(word) > 1]
    # One word in capitals is stress ("did NOT"); two are a raised voice.
    raised = len(loud) >= 2 or bool(_RUN.search(sentence))
    if warm or not raised:
        return raised
    if pattern("concern").search(sentence):
        return True
    if pattern("glad").search(sentence):
        return False
    small = {word.lower() for word in loud} & (word_sets("function_words")["en"] | word_sets("function_words")["es"])
    return bool(_LONG_RUN.search(sentence)) or (len(loud) >= _MANY_LOUD and bool(small))


# A line of nothing but underscores is what a mail program draws.
_BLANK = re.compile(
    r"(?<!_)(?!(?m:^_{5,}\s*$))_{3,}|\[[^\]\n]*\b(?:your|name|day|date|time|su|nombre|día|fecha|hora)\b[^\]\n]*\]",
    re.IGNORECASE,
)


def _blanks(own: str) -> Iterator[Remark]:
    """Blanks of a card that were not filled."""
    for match in _BLANK.finditer(own):
        yield Remark(match.start(), match.end(), match.group(), "blank")


def _whole(spans: Sequence[Span], charged: Collection[int]) -> Iterator[Remark]:
    """What is amiss with the draft as one; `charged` are the beginnings of the sentences that charge somebody."""
    if not spans:
        return
    count = sum(len(span.text.split()) for span in spans)
    first = spans[0]
    if count > LONGEST_WORDS:
        yield Remark(first.start, first.end, first.text, "too_long")
    text = " ".join(span.text for span in spans)
    worried = (s for s in spans if pattern("concern").search(s.text) and not pattern("no_concern").search(s.text))
    concerned = next(worried, None) or next((span for span in spans if span.start in charged), None)
    if concerned is not None and not any(pattern(name).search(text) for name in ("seeks", "example")):
        yield Remark(concerned.start, concerned.end, concerned.text, "no_question")


# --- Other children --------------------------------------------------------------------------------------

_NAME = r"[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+"
_TITLED = r"\b(?:Mr|Mrs|Ms|Miss|Dr|Coach|Principal|Sra?|Srta|(?i:maestr[oa])|(?i:profe)|(?i:profesora?))\.?"
_OWN = re.compile(
    rf"\b(?i:my|our|mi|nuestr[oa]) (?:little |older |younger |youngest |oldest )?"
    rf"(?:son|daughter|child|kid|boy|girl|grandson|granddaughter|hij[oa]|niet[oa]|niñ[oa]),? ({_NAME})"
    rf"|({_NAME})['’]s (?:mom|mum|mother|dad|father|parents?|grand\w+|guardian)\b"
    rf"|(?:mam[aá]|pap[aá]|madre|padre|abuel[oa]) de ({_NAME})"
)


def other_children(draft: str, children: Iterable[str]) -> frozenset[str]:
    """First names in a draft that are not the family's: empty where nothing tells which child is the writer's."""
    own = {word for name in children for word in name.split()}
    own |= {next(filter(None, match.groups())) for match in _OWN.finditer(draft)}
    if not own:
        return frozenset()
    named = set(re.findall(rf"(?<=[a-zß-öø-ÿ,;] )({_NAME})\b", draft))
    named |= set(re.findall(rf"(?m)^({_NAME})(?= (?:l[aeo]s? |se )?\w+(?:s|ed|ó|aron)\b)", draft))
    titled = set(re.findall(rf"{_TITLED} ({_NAME})", draft))
    # A capital that follows a name of the family is its surname.
    titled |= {surname for name in own for surname in re.findall(rf"\b{re.escape(name)} ({_NAME})", draft)}
    usual = words("not_names") | words("common_words")
    return frozenset(name for name in named - titled - own if name.lower() not in usual)


def _names_badly(sentence: str, strangers: frozenset[str]) -> bool:
    """Whether somebody else's child is said to have done harm: as the one who did it, or by whom it was done."""
    harm = rf"(?:{pattern('deeds').pattern}|{pattern('called').pattern})"
    return any(re.search(form, sentence) for name in strangers for form in _forms(name, harm))


def _forms(name: str, harm: str) -> tuple[str, ...]:
    harm = f"(?i:{harm})"
    return (
        rf"\b{name}\b(?: \w+){{0,3}}? {harm}",
        rf"{harm}[^.!?]{{0,40}}\b(?i:by|por) {name}\b",
        rf"\b(?i:l[aeo]s?) {harm} (?:un tal )?{name}\b",
    )


_VICTIM = r"(?i: (?:my|our|him|her|them|me|us)\b| a (?:mi|mis|nuestr\w+)\b)"


def doers(sentence: str) -> frozenset[str]:
    """Names of those who did harm to the writer's child, by the sentence alone."""
    first, *others = _forms(f"({_NAME})", pattern("deeds").pattern)
    found = {name for form in (first + _VICTIM, *others) for name in re.findall(form, sentence)}
    found |= {name for other in found for name in re.findall(rf"\b({_NAME}),? (?:and|y|e) {other}\b", sentence)}
    titled = set(re.findall(rf"{_TITLED} ({_NAME})", sentence))
    return frozenset(name for name in found - titled if name.lower() not in words("not_names") | words("common_words"))
