"""Pure but for scikit-learn's vectorizers: from messages to numbers, sentence by sentence and whole.

Words and characters are hashed (Weinberger et al. 2009), so that there is no vocabulary to store or to leak.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model
from sklearn.preprocessing import normalize  # noqa: TID251 - part of the model

from triage.classify import ASKS, LABELS, PRIMARIES, Primary
from triage.facts import Facts
from triage.message import Message
from triage.text import sentences

Floats = npt.NDArray[np.float32]

_BITS = 16
_CHAR_WEIGHT = 0.7
_WORD = r"(?u)\b\w+\b|[?!]"
SCHOOL_PRIMARIES: tuple[Primary, ...] = PRIMARIES[:5]
# Targets of the sentence layer; the last, whether the sentence's mail is school mail, is learned from all mail.
SENTENCE_TARGETS: tuple[str, ...] = (*LABELS, "plan", "safety", "school")
# Targets of the message layer: labels, then primaries ("is it mostly this?"), then asks, then school.
MESSAGE_TARGETS: tuple[str, ...] = (*LABELS, *(f"primary {p}" for p in SCHOOL_PRIMARIES), *ASKS, "school")
STACK_TARGETS: tuple[str, ...] = (*LABELS, *ASKS, "school")

_MASKS = tuple(
    (re.compile(pattern, re.IGNORECASE), f" {word} ")
    for pattern, word in (
        (r"https?://\S+|\S+@\S+", "xxlink"),
        (r"\b\d{1,2}[:.]\d\d\b(?:\s*[ap]\.?m\b\.?)?|\b\d{1,2}\s?[ap]\.?m\b\.?", "xxtime"),
        (r"[$£€₹]\s?\d[\d,.]*", "xxmoney"),
        (r"\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b", "xxdate"),
        (r"\b(?!504\b)\d+\b", "xxnum"),
    )
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages cut into sentences (the subject is the first of each); `bounds[i]:bounds[i+1]` are message i's."""

    sentences: list[str]
    bounds: npt.NDArray[np.int64]
    dense: Floats

    def owner(self) -> npt.NDArray[np.int64]:
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


def make_batch(messages: Sequence[Message], facts: Sequence[Facts]) -> Batch:
    """Cut messages into sentences and take their plain features."""
    pieces = [[message.subject, *(sentences(message.parts.own) or [""])] for message in messages]
    bounds = np.cumsum([0, *(len(found) for found in pieces)])
    dense = np.array([_plain(m, f) for m, f in zip(messages, facts, strict=True)], dtype=np.float32)
    return Batch([sentence for found in pieces for sentence in found], bounds, dense.reshape(len(messages), -1))


def _plain(message: Message, facts: Facts) -> list[float]:
    own = message.parts.own
    return [
        float(np.log1p(len(own.split()))),
        min(own.count("?"), 5),
        min(own.count("!"), 5),
        min(len(facts.due), 5),
        any(due.what == "meeting" for due in facts.due),
        "bulk" in facts.flags,
        facts.standing.kind == "platform",
        facts.child is not None,
        facts.asks,
        facts.today,
        bool(message.parts.quoted),
        "plan" in facts.flags,
        "safety" in facts.flags,
        bool(re.search(r"k12|school|isd|\bsch\b|edu|academy|college|escuela|colegio", message.sender.domain)),
        bool(
            re.search(
                r"\b(?:Mr|Mrs|Ms|Miss|Coach|Sr|Sra|Maestr[oa])\b", f"{message.sender.name} {message.parts.signature}"
            )
        ),
        "list-unsubscribe" in message.headers,
    ]


def _masked(sentence: str) -> str:
    for pattern, word in _MASKS:
        sentence = pattern.sub(word, sentence)
    return sentence


def make_vectorizers() -> tuple[HashingVectorizer, HashingVectorizer]:
    """Hashed counts of words and word pairs, and of characters within words."""
    common: dict[str, Any] = {"n_features": 2**_BITS, "alternate_sign": False, "norm": None, "strip_accents": "unicode"}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=_WORD, dtype=np.float32, **common)
    characters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), dtype=np.float32, **common)
    return words, characters


def idf_of(counts: sp.csr_matrix) -> Floats:
    """Inverse document frequency; 0 for what stands in one document alone."""
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log((1 + counts.shape[0]) / (1 + frequency)) + 1
    return np.where(frequency >= 2, idf, 0).astype(np.float32)


def tfidf(counts: Sequence[sp.csr_matrix], idf: Sequence[Floats]) -> sp.csr_matrix:
    """Sublinear TF times IDF, words and characters each of unit length, side by side."""
    halves = []
    for matrix, weights, share in zip(counts, idf, (1.0, _CHAR_WEIGHT), strict=True):
        scaled = matrix.copy()
        scaled.data = (1 + np.log(scaled.data)) * weights[scaled.indices]
        halves.append(normalize(scaled) * np.float32(share))
    return sp.hstack(halves, format="csr")


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear models over the same hashed features: `coef` (targets, features), `intercept` (targets,)."""

    idf: tuple[Floats, Floats]
    coef: Floats
    intercept: Floats

    def decide(self, counts: Sequence[sp.csr_matrix]) -> Floats:
        """Logits, (rows, targets)."""
        return cast("Floats", np.asarray(tfidf(counts, self.idf) @ self.coef.T) + self.intercept)


@dataclass(frozen=True, slots=True)
class First:
    """Both readings of a mail."""

    sentence: Linear
    message: Linear

    def features(self, batch: Batch, counts: Sequence[sp.csr_matrix]) -> tuple[Floats, Floats]:
        """(what the second layer sees, logits of the sentences)."""
        by_sentence = self.sentence.decide(counts)
        by_message = self.message.decide(summed(counts, batch))
        return np.hstack([_pooled(by_sentence, batch.bounds), by_message, batch.dense]), by_sentence


def count(batch: Batch, vectorizers: Sequence[HashingVectorizer]) -> list[sp.csr_matrix]:
    """Hashed counts of each sentence: (words, characters)."""
    masked = [_masked(sentence) for sentence in batch.sentences]
    return [sp.csr_matrix(vectorizer.transform(masked)) for vectorizer in vectorizers]


def summed(counts: Sequence[sp.csr_matrix], batch: Batch) -> list[sp.csr_matrix]:
    """The counts of each message: the sum of its sentences' counts."""
    rows, count = len(batch.bounds) - 1, len(batch.sentences)
    sums = sp.csr_matrix((np.ones(count, np.float32), (batch.owner(), np.arange(count))), shape=(rows, count))
    return [sp.csr_matrix(sums @ matrix) for matrix in counts]


def _pooled(logits: Floats, bounds: npt.NDArray[np.int64]) -> Floats:
    """Each message's sentence logits as one row: best, best two, mean, subject, opening, end, mean probability."""
    rows = []
    for start, stop in pairwise(bounds):
        mine = logits[start:stop]
        ordered = np.sort(mine, axis=0)
        rows.append(
            np.concatenate(
                [
                    ordered[-1],
                    ordered[-2:].mean(0),
                    mine.mean(0),
                    mine[0],
                    mine[1:3].max(0),
                    mine[-2:].max(0),
                    expit(mine).mean(0),
                ]
            )
        )
    return np.array(rows, dtype=np.float32)


def expit(logits: Floats) -> Floats:
    """Logits to probabilities."""
    return cast("Floats", 1 / (1 + np.exp(-np.clip(logits, -30, 30))))
