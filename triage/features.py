"""Pure but for scikit-learn's vectorizers: from messages to numbers, sentence by sentence and whole.

Words and characters are hashed (Weinberger et al. 2009), so that there is no vocabulary to store or to leak.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model
from sklearn.preprocessing import normalize  # noqa: TID251 - part of the model

from triage.classify import ASKS, LABELS, PRIMARIES, Label, Primary
from triage.facts import Facts, Flag
from triage.lexicon import pattern, table
from triage.message import Message
from triage.people import writer_of
from triage.second import Floats, expit
from triage.text import sentences

_BITS = 20
# How much words, characters and the envelope weigh beside each other.
_SHARES = (1.0, 0.7, 0.3)
# The networks read words and, of a message, the envelope: characters made them worse.
_READ_BY_NETS, _NET_SHARES = (0, 2), (1.0, 0.3)
# A network's many weights are held in few steps, which costs nothing that the folds show, and half of their room.
UNIT_STEPS = 15
_WORD = r"(?u)\b\w+\b|[?!]"
_ANYTHING = r"\S+"
SCHOOL_PRIMARIES: tuple[Primary, ...] = PRIMARIES[:5]
# Whether mail is forged or the school's is learned from all mail, the rest from school mail.
OF_ALL_MAIL: tuple[str, ...] = ("forged", "school")
# Targets of the sentence layer; the last, whether the sentence's mail is school mail, is learned from all mail.
SPOKEN: tuple[Label | Flag, ...] = (*LABELS, "plan", "safety")
SENTENCE_TARGETS: tuple[str, ...] = (*SPOKEN, "school")
# Targets of the message layer: labels, primaries ("is it mostly this?"), asks, and those of all mail.
MESSAGE_TARGETS: tuple[str, ...] = (*LABELS, *(f"primary {p}" for p in SCHOOL_PRIMARIES), *ASKS, *OF_ALL_MAIL)
# Targets of the network that reads messages; that of sentences has those of the sentence layer.
NET_TARGETS: tuple[str, ...] = (*LABELS, *(f"primary {p}" for p in SCHOOL_PRIMARIES), "school")
STACK_TARGETS: tuple[str, ...] = (*LABELS, *ASKS, *OF_ALL_MAIL)

# Domains that hardly anybody but schools and their districts has; kinds of writer whose names others have too; titles.
_OF_A_DISTRICT = re.compile(r"(?:^|[.-])k-?12\b|(?:isd|usd|csd)\d*\.|\.sch\.|(?:^|\.)ceip|(?:^|\.)ies[.-]")
_LIKE_A_SCHOOL = ("school", "academy")
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Coach|Sr|Sra|Srta|Prof|Profa|Maestr[oa]|Seño)\b")

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
    """Messages cut into sentences (the subject is the first of each); `bounds[i]:bounds[i+1]` are message i's.

    `envelopes` are words about the sender; `dense` (messages, features) the plain features.
    """

    sentences: list[str]
    bounds: npt.NDArray[np.int64]
    envelopes: list[str]
    dense: Floats

    def owner(self) -> npt.NDArray[np.int64]:
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


def make_batch(messages: Sequence[Message], facts: Sequence[Facts]) -> Batch:
    """Cut messages into sentences and take their plain features."""
    pieces = [[message.subject, *(sentences(message.parts.own) or [""])] for message in messages]
    bounds = np.cumsum([0, *(len(found) for found in pieces)])
    dense = np.array([_plain(m, f) for m, f in zip(messages, facts, strict=True)], dtype=np.float32)
    envelopes = [_envelope(m, f) for m, f in zip(messages, facts, strict=True)]
    return Batch([s for found in pieces for s in found], bounds, envelopes, dense.reshape(len(messages), -1))


# What the receiving server writes stands on nearly all delivered mail and says nothing of the kind of mail.
_OF_THE_RECEIVER = ("authentication-results", "return-path")


def _envelope(message: Message, facts: Facts) -> str:
    """Who writes, in words: parts and kind of the address and of the name shown, kind of sender, fields that it set."""
    writer = writer_of(message, facts.standing.kind)
    domain = [f"domain:{part}" for part in re.split(r"[.\-_]", writer.domain) if part]
    # Schools' and districts' names end alike: "lincolnhs", "lakeusd", "northps".
    own = max(writer.domain.split(".")[:-1], key=len, default="")
    domain += [f"ends:{own[-2:]}", f"ends:{own[-3:]}"]
    domain += [
        f"within:{part}" for anywhere, _ in _kinds_of_writer().values() for part in anywhere.findall(writer.domain)
    ]
    name = [f"name:{part}" for part in re.findall(r"\w+", writer.name.lower())]
    local = writer.address.rpartition("@")[0]
    box = [f"box:{part}" for part in re.split(r"[\W\d_]+", local) if len(part) > 2]
    kinds = [
        f"of:{kind}"
        for kind, (anywhere, in_name) in _kinds_of_writer().items()
        if anywhere.search(writer.domain) or anywhere.search(local) or in_name.search(writer.name)
    ]
    fields = [f"field:{name}" for name in message.headers if name not in _OF_THE_RECEIVER]
    return " ".join([*domain, *name, *box, *kinds, *fields, f"kind:{facts.standing.kind}", f"via:{facts.standing.via}"])


@cache
def _kinds_of_writer() -> dict[str, tuple[re.Pattern[str], re.Pattern[str]]]:
    """For each kind how an address and the name shown call its writers: rare words of a kind speak as one."""
    return {
        kind: (re.compile(words, re.IGNORECASE), re.compile(rf"\b(?:{words})", re.IGNORECASE))
        for kind, words in table("writers").items()
    }


def _plain(message: Message, facts: Facts) -> list[float]:
    own, writer = message.parts.own, writer_of(message, facts.standing.kind)
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
        bool(_OF_A_DISTRICT.search(writer.domain)),
        any(_kinds_of_writer()[kind][0].search(writer.domain) for kind in _LIKE_A_SCHOOL),
        bool(_TITLE.search(f"{writer.name} {message.parts.signature} {own.rstrip()[-40:]}")),
        bool(pattern("posts").search(message.parts.signature)),
        "list-unsubscribe" in message.headers,
    ]


def _masked(sentence: str) -> str:
    for masked, word in _MASKS:
        sentence = masked.sub(word, sentence)
    return sentence


def make_vectorizers() -> tuple[HashingVectorizer, HashingVectorizer, HashingVectorizer]:
    """Hashed counts of words and word pairs, of characters within words, and of the envelope's words."""
    common: dict[str, Any] = {"n_features": 2**_BITS, "alternate_sign": False, "norm": None, "strip_accents": "unicode"}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=_WORD, dtype=np.float32, **common)
    characters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), dtype=np.float32, **common)
    return words, characters, HashingVectorizer(token_pattern=_ANYTHING, dtype=np.float32, **common)


Matrices = Sequence[sp.csr_matrix]


def frequent(counts: Matrices, least: int = 2) -> list[npt.NDArray[np.int32]]:
    """The columns of each matrix that at least so many rows use; the rest says nothing of other mail."""
    used = [np.bincount(matrix.indices, minlength=matrix.shape[1]) for matrix in counts]
    return [np.flatnonzero(number >= least).astype(np.int32) for number in used]


def idf_of(counts: Matrices, kept: Sequence[npt.NDArray[np.int32]]) -> list[Floats]:
    """Inverse document frequency of the columns that are kept."""
    found = []
    for matrix, columns in zip(counts, kept, strict=False):
        frequency = np.bincount(matrix.indices, minlength=matrix.shape[1])[columns]
        found.append((np.log((1 + matrix.shape[0]) / (1 + frequency)) + 1).astype(np.float32))
    return found


def _narrowed(matrix: sp.csr_matrix, columns: npt.NDArray[np.int32]) -> sp.csr_matrix:
    """The named columns alone."""
    # Looked up one by one: a table of all the hashes would take longer to fill than a single mail takes to judge.
    places = np.searchsorted(columns, matrix.indices).astype(np.int32)
    there = places < len(columns)
    there[there] = columns[places[there]] == matrix.indices[there]
    starts = np.concatenate([[0], np.cumsum(there)])[matrix.indptr]
    return sp.csr_matrix((matrix.data[there], places[there], starts), shape=(matrix.shape[0], len(columns)))


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear models over the same hashed features: `coef` (targets, features), `intercept` (targets,).

    `kept` and `idf` hold, for each matrix of counts, its columns that are features and their weights.
    """

    kept: Sequence[npt.NDArray[np.int32]]
    idf: Sequence[Floats]
    coef: Floats
    intercept: Floats

    def decide(self, counts: Matrices) -> Floats:
        """Logits, (rows, targets)."""
        return cast("Floats", np.asarray(weighed(counts, self.kept, self.idf) @ self.coef.T) + self.intercept)


def quantized(coef: Floats, steps: int = 127) -> tuple[npt.NDArray[np.int8], Floats]:
    """Coefficients in eight bits, by the square root of their size so that small ones keep their shape.

    The scale, (targets, 1), follows each target's largest, which is so many steps from zero; few of them pack well.
    """
    largest = np.maximum(np.abs(coef).max(axis=1, keepdims=True), np.float32(1e-9))
    codes = np.rint(np.sign(coef) * np.sqrt(np.abs(coef) / largest) * steps)
    return codes.astype(np.int8), largest * np.float32((127 / steps) ** 2)


def restored(codes: npt.NDArray[np.int8], scale: Floats) -> Floats:
    """Coefficients from what `quantized` made."""
    # Column by column in memory, as a product with sparse rows reads it; else each product would copy all of it.
    shares = np.asfortranarray(codes).astype(np.float32, order="F") / np.float32(127)
    return cast("Floats", np.sign(shares) * shares**2 * scale)


def weighed(
    counts: Matrices, kept: Sequence[npt.NDArray[np.int32]], idf: Sequence[Floats], shares: Sequence[float] = _SHARES
) -> sp.csr_matrix:
    """Presence times IDF, each matrix with rows of unit length times its share, side by side."""
    blocks = []
    for matrix, columns, weights, share in zip(counts, kept, idf, shares, strict=False):
        block = _narrowed(matrix, columns)
        block.data = weights[block.indices]
        blocks.append(normalize(block) * np.float32(share))
    return sp.hstack(blocks, format="csr")


@dataclass(frozen=True, slots=True)
class Net:
    """A network with one hidden layer of rectified units over words and, of a message, its envelope.

    `kept` and `idf` as in `Linear`; `units` (units, features), `bias` (units,), `out` (targets, units), `straight`
    (targets, features), which leads past the units and is 0 but for what corrections made of it, and `intercept`
    (targets,).
    """

    kept: Sequence[npt.NDArray[np.int32]]
    idf: Sequence[Floats]
    units: Floats
    bias: Floats
    out: Floats
    straight: Floats
    intercept: Floats

    def decide(self, counts: Matrices) -> Floats:
        """Logits, (rows, targets)."""
        features = net_features(counts, self.kept, self.idf)
        lit = np.maximum(features @ self.units.T + self.bias, 0)
        return cast("Floats", lit @ self.out.T + features @ self.straight.T + self.intercept)


def net_counts(counts: Matrices) -> Matrices:
    """Those of the counts that a network reads; sentences have no envelope."""
    return [counts[index] for index in _READ_BY_NETS if index < len(counts)]


def net_features(counts: Matrices, kept: Sequence[npt.NDArray[np.int32]], idf: Sequence[Floats]) -> sp.csr_matrix:
    """What a network sees of the counts."""
    return weighed(net_counts(counts), kept, idf, _NET_SHARES)


@dataclass(frozen=True, slots=True)
class Counts:
    """Hashed counts: of each sentence (words, characters), of each message (words, characters, envelope)."""

    sentence: Matrices
    message: Matrices


@dataclass(frozen=True, slots=True)
class First:
    """The readings of a mail, by its sentences and as a whole, by sums of weights and by networks."""

    sentence: Linear
    sentence_net: Net
    message: Linear
    message_net: Net

    def features(self, batch: Batch, counts: Counts) -> tuple[Floats, Floats]:
        """(what the second layer sees, logits of the sentences)."""
        by_sentence = self.sentence.decide(counts.sentence)
        lengths = np.array([len(sentence.split()) + 1 for sentence in batch.sentences], dtype=np.float32)
        seen = [
            _pooled(by_sentence, batch.bounds),
            _shared(by_sentence, lengths, batch.bounds),
            _pooled(self.sentence_net.decide(counts.sentence), batch.bounds),
            self.message.decide(counts.message),
            self.message_net.decide(counts.message),
            batch.dense,
        ]
        return np.hstack(seen), by_sentence


def count(batch: Batch, vectorizers: Sequence[HashingVectorizer]) -> Counts:
    """Count words and characters of each sentence; a message's are the sum of its sentences'."""
    by_sentence = count_sentences(batch.sentences, vectorizers)
    by_message = [_summed(matrix, batch.bounds) for matrix in by_sentence]
    return Counts(by_sentence, [*by_message, sp.csr_matrix(vectorizers[2].transform(batch.envelopes))])


def _summed(matrix: sp.csr_matrix, bounds: npt.NDArray[np.int64]) -> sp.csr_matrix:
    """The sums of rows `bounds[i]:bounds[i+1]`; what they have in common stands twice until it is added up."""
    shape = (len(bounds) - 1, matrix.shape[1])
    summed = sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr[bounds]), shape=shape, copy=True)
    summed.sum_duplicates()
    return summed


def count_sentences(sentences: Sequence[str], vectorizers: Sequence[HashingVectorizer]) -> list[sp.csr_matrix]:
    """Words and characters of each sentence; numbers, hours and addresses count as one word each."""
    masked = [_masked(sentence) for sentence in sentences]
    return [sp.csr_matrix(vectorizer.transform(masked)) for vectorizer in vectorizers[:2]]


def _pooled(logits: Floats, bounds: npt.NDArray[np.int64]) -> Floats:
    """Each message's sentence logits as one row: best, best two, mean, subject, opening, end, mean probability."""
    rows = []
    for start, stop in pairwise(bounds):
        mine = logits[start:stop]
        ordered = np.sort(mine, axis=0)
        places = (ordered[-1], ordered[-2:].mean(0), mine.mean(0), mine[0], mine[1:3].max(0), mine[-2:].max(0))
        rows.append(np.concatenate([*places, expit(mine).mean(0)]))
    return np.array(rows, dtype=np.float32)


def _shared(logits: Floats, lengths: Floats, bounds: npt.NDArray[np.int64]) -> Floats:
    """How each message is shared out among its sentences' targets, as one row.

    Where in it the best stands; how much of it, by sentences and by words, speaks of each; of how many sentences each
    label is the likeliest; how many sentences it has.
    """
    rows = []
    for start, stop in pairwise(bounds):
        mine, words, number = logits[start:stop], lengths[start:stop, None], stop - start
        likely, labels = expit(mine), mine[:, : len(LABELS)]
        spoken = labels.argmax(axis=1)[labels.max(axis=1) > 0]
        rows.append(
            np.concatenate(
                [
                    mine[1:].argmax(0) / number,
                    (likely > 0.5).sum(0),
                    (likely * words).sum(0) / words.sum(),
                    np.bincount(spoken, minlength=len(LABELS)) / number,
                    [np.log1p(number)],
                ]
            )
        )
    return np.array(rows, dtype=np.float32)
