"""The mails that the model learns from: JSON Lines, one file for each author group.

A record holds a mail as it was written and what a careful reader says of it; models/corpus/README.md
documents the fields. Records are turned into real mail before they are read, so that training sees
exactly what the daemon sees.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, getaddresses
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from triage.classify import Label, Primary
from triage.dates import What
from triage.draft import Span, Tone, own_spans
from triage.errors import UsageError
from triage.facts import Flag
from triage.text import clean, html_to_text, split_parts

Split = Literal["train", "heldout"]
_ADDRESS_HEADERS = {"from", "to", "cc", "reply-to", "sender"}


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DueSpan(_Row):
    """A date that the mail asks the reader to keep; `text` is its words in the mail."""

    at: str
    what: What
    text: str


class EvidenceSpan(_Row):
    """Words of the mail that show a label or flag."""

    label: Label | Flag
    text: str


class Record(_Row):
    """One mail of the corpus with its labels."""

    id: str
    author: str
    split: Split
    kind: Literal["teacher", "school", "platform", "ordinary", "forged"]
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    labels: tuple[Label | Literal["other_school", "not_school"], ...] = Field(min_length=1)
    primary: Primary
    needs_reply: bool
    urgent: bool
    flags: tuple[Flag, ...]
    due: tuple[DueSpan, ...]
    child: str | None
    teacher: str | None
    evidence: tuple[EvidenceSpan, ...]
    language: Literal["en", "es"]

    @property
    def school(self) -> bool:
        """Whether the mail comes from the school."""
        return self.primary != "not_school"

    def to_bytes(self) -> bytes:
        """The record as the mail that it was."""
        mail = self._body()
        mail["Message-ID"] = f"<{self.id}@corpus.example>"
        for name, value in self.headers:
            mail[name] = _encoded(name, value)
        return mail.as_bytes()

    def _body(self) -> MIMEBase:
        if not self.html:
            return MIMEText(self.text, "plain", "utf-8")
        if not self.text:
            return MIMEText(self.html, "html", "utf-8")
        both = MIMEMultipart("alternative", boundary=f"=={self.id}==")
        both.attach(MIMEText(self.text, "plain", "utf-8"))
        both.attach(MIMEText(self.html, "html", "utf-8"))
        return both


class Sentence(_Row):
    """A sentence of the corpus of sentences: `marks` are what it speaks of, or `other`, or `not_school`."""

    author: str
    language: Literal["en", "es"]
    text: str
    marks: tuple[Label | Flag | Literal["other", "not_school"], ...] = Field(min_length=1)


class DraftSpan(_Row):
    """A place in a draft, `text[start:end]`, and how it sounds."""

    start: int
    end: int
    kinds: tuple[Tone, ...] = Field(min_length=1)


class Draft(_Row):
    """A parent's draft of the corpus, or (not `whole`) one sentence of such a draft."""

    id: str
    author: str
    split: Split
    language: Literal["en", "es"]
    whole: bool
    text: str
    spans: tuple[DraftSpan, ...]
    no_question: bool = False

    def sentences(self) -> Iterator[tuple[Span, frozenset[Tone]]]:
        """Each sentence with its tones; a sentence has those of the spans that it mostly shares."""
        spans = own_spans(self.text) if self.whole else [Span(0, len(self.text), self.text)]
        for span in spans:
            yield span, frozenset(kind for mark in self.spans if _mostly(span, mark) for kind in mark.kinds)


def _mostly(span: Span, mark: DraftSpan) -> bool:
    shared = min(span.end, mark.end) - max(span.start, mark.start)
    return shared > 0.5 * min(span.end - span.start, mark.end - mark.start)


def _encoded(name: str, value: str) -> str:
    if value.isascii():
        return value
    pairs = getaddresses([value])
    if name.lower() in _ADDRESS_HEADERS and all(address.isascii() for _, address in pairs):
        return ", ".join(formataddr(pair, "utf-8") for pair in pairs)
    return Header(value, "utf-8").encode()


def load_corpus(folder: Path) -> list[Record]:
    """Every record of every .jsonl file in `folder`, in the order of file names.

    Raises `UsageError` naming file and line where one is not as documented.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise UsageError(f"{folder}: no .jsonl files there; name the folder that holds the corpus")
    return [record for file in files for record in _load(file, Record)]


def load_sentences(folder: Path) -> list[Sentence]:
    """Every sentence of every .jsonl file in the corpus' folder `sentences`, in the order of file names.

    Raises `UsageError` as `load_corpus` does; a corpus need not have sentences.
    """
    return [sentence for file in sorted((folder / "sentences").glob("*.jsonl")) for sentence in _load(file, Sentence)]


def load_drafts(folder: Path) -> list[Draft]:
    """Every draft of every .jsonl file in the corpus' folder `drafts`. Raises `UsageError` as `load_corpus` does."""
    return [draft for file in sorted((folder / "drafts").glob("*.jsonl")) for draft in _load(file, Draft)]


_AnyRow = TypeVar("_AnyRow", bound=_Row)


def _load(file: Path, kind: type[_AnyRow]) -> Iterable[_AnyRow]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"{file}: line {number}: {where}: {first['msg']}") from None


# --- Checks that keep the corpus honest ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two records that share more than chance would have it; `share` is of the shorter one's word runs."""

    one: str
    other: str
    share: float


def near_duplicates(records: Sequence[Record], limit: float = 0.25, run: int = 5) -> list[Likeness]:
    """Pairs whose own words share more than `limit` of their runs of `run` words (Broder 1997, shingling)."""
    shingles = {record.id: _shingles(_own_words(record), run) for record in records}
    holders: dict[str, list[str]] = {}
    for name, runs in shingles.items():
        for words in runs:
            holders.setdefault(words, []).append(name)
    # Of a run that many mails share not every pair is counted; of many copies those next to each other still show.
    shared = Counter(
        pair
        for names in map(sorted, holders.values())
        for pair in (combinations(names, 2) if len(names) <= 8 else pairwise(names))
    )
    found = []
    for (one, other), count in shared.items():
        share = count / min(len(shingles[one]), len(shingles[other]))
        # Shorter runs of shared words are idioms ("keep his hands to himself on the carpet").
        if count >= 10 and share > limit:
            found.append(Likeness(one, other, share))
    return sorted(found, key=lambda likeness: -likeness.share)


def _own_words(record: Record) -> str:
    return split_parts(clean(record.text) or html_to_text(record.html)).own


def _shingles(text: str, run: int) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[start : start + run]) for start in range(len(words) - run + 1)}


def problems(records: Sequence[Record]) -> list[str]:
    """What is wrong with the corpus as a whole, one line each: ids used twice, authors in both splits, copies."""
    found = [f"{name}: id used {count} times" for name, count in Counter(r.id for r in records).items() if count > 1]
    splits: dict[str, set[Any]] = {}
    for record in records:
        splits.setdefault(record.author, set()).add(record.split)
    found += [f"{author}: stands in both splits" for author, names in splits.items() if len(names) > 1]
    found += [f"{pair.one} and {pair.other} share {pair.share:.0%} of their words" for pair in near_duplicates(records)]
    return found
