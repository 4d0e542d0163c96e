"""The classifier: fit, calibrate, save, load, score; the only importer of scikit-learn and skops.

A mail is read twice: sentence by sentence, each sentence scored for each label by a linear model that learned
from the evidence spans of the corpus, and whole, as the sum of its sentences. A second layer of logistic
regressions combines both with a few plain features (length, question marks, dates, kind of sender) to the
probability of each label. It learns from scores that the first layer gave to authors it had not seen
(stacked generalisation, Wolpert 1992), which also calibrates it.

Words and characters are hashed (Weinberger et al. 2009), so that there is no vocabulary to store or to leak.
"""

import hashlib
import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import sklearn  # noqa: TID251 - the one place
import skops.io  # noqa: TID251 - the one place
from sklearn.exceptions import InconsistentVersionWarning  # noqa: TID251 - the one place
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - the one place
from sklearn.linear_model import LogisticRegression  # noqa: TID251 - the one place
from sklearn.model_selection import GroupKFold  # noqa: TID251 - the one place
from sklearn.preprocessing import StandardScaler, normalize  # noqa: TID251 - the one place

from triage.classify import ASKS, LABELS, PRIMARIES, Ask, Label, Primary, Scores, Thresholds
from triage.errors import ModelError
from triage.facts import Facts, Flag
from triage.message import Message
from triage.text import sentences

Floats = npt.NDArray[np.float32]

FORMAT = 1
_BITS = 16
_CHAR_WEIGHT = 0.7
_SCHOOL_PRIMARIES: tuple[Primary, ...] = PRIMARIES[:5]
# Targets of the sentence layer; the last, whether the sentence's mail is school mail, is learned from all mail.
_SENTENCE_TARGETS: tuple[str, ...] = (*LABELS, "plan", "safety", "school")
# Targets of the message layer: labels, then primaries ("is it mostly this?"), then asks, then school.
_MESSAGE_TARGETS: tuple[str, ...] = (*LABELS, *(f"primary {p}" for p in _SCHOOL_PRIMARIES), *ASKS, "school")
_STACK_TARGETS: tuple[str, ...] = (*LABELS, *ASKS, "school")
_FOLDS = 5
_FIRST_C, _SECOND_C = 10.0, 0.05

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
class Example:
    """One labelled message to learn from. `evidence` are (label or flag, words of the message) pairs.

    `group` keeps an author's mails together when folds are made; `weight` counts the example so many times.
    """

    message: Message
    facts: Facts
    labels: frozenset[Label]
    primary: Primary
    asks: frozenset[Ask]
    evidence: tuple[tuple[Label | Flag, str], ...]
    group: str
    weight: float = 1.0

    @property
    def school(self) -> bool:
        """Whether the message is school mail."""
        return self.primary != "not_school"


# --- From messages to numbers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages cut into sentences (the subject is the first of each); `bounds[i]:bounds[i+1]` are message i's."""

    sentences: list[str]
    bounds: npt.NDArray[np.int64]
    dense: Floats

    def owner(self) -> npt.NDArray[np.int64]:
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


def _batch(messages: Sequence[Message], facts: Sequence[Facts]) -> _Batch:
    pieces = [[message.subject, *(sentences(message.parts.own) or [""])] for message in messages]
    bounds = np.cumsum([0, *(len(found) for found in pieces)])
    dense = np.array([_plain(m, f) for m, f in zip(messages, facts, strict=True)], dtype=np.float32)
    return _Batch([sentence for found in pieces for sentence in found], bounds, dense.reshape(len(messages), -1))


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
        bool(re.search(r"\b(?:Mr|Mrs|Ms|Miss|Coach|Sr|Sra|Maestr[oa])\b", f"{message.sender.name} {message.parts.signature}")),
        "list-unsubscribe" in message.headers,
    ]


def _masked(sentence: str) -> str:
    for pattern, word in _MASKS:
        sentence = pattern.sub(word, sentence)
    return sentence


def _vectorizers() -> tuple[HashingVectorizer, HashingVectorizer]:
    common: dict[str, Any] = {"n_features": 2**_BITS, "alternate_sign": False, "norm": None, "strip_accents": "unicode"}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b|[?!]", dtype=np.float32, **common)
    characters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), dtype=np.float32, **common)
    return words, characters


def _weights(counts: sp.csr_matrix) -> Floats:
    """Inverse document frequency; 0 for what stands in one document alone."""
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log((1 + counts.shape[0]) / (1 + frequency)) + 1
    return np.where(frequency >= 2, idf, 0).astype(np.float32)


def _tfidf(counts: Sequence[sp.csr_matrix], idf: Sequence[Floats]) -> sp.csr_matrix:
    """Sublinear TF times IDF, words and characters each of unit length, side by side."""
    halves = []
    for matrix, weights, share in zip(counts, idf, (1.0, _CHAR_WEIGHT), strict=True):
        scaled = matrix.copy()
        scaled.data = (1 + np.log(scaled.data)) * weights[scaled.indices]
        halves.append(normalize(scaled) * np.float32(share))
    return sp.hstack(halves, format="csr")


@dataclass(frozen=True, slots=True)
class _Linear:
    """Linear models over the same hashed features: `coef` (targets, features), `intercept` (targets,)."""

    idf: tuple[Floats, Floats]
    coef: Floats
    intercept: Floats

    def decide(self, counts: Sequence[sp.csr_matrix]) -> Floats:
        """Logits, (rows, targets)."""
        return cast(Floats, np.asarray(_tfidf(counts, self.idf) @ self.coef.T) + self.intercept)


@dataclass(frozen=True, slots=True)
class _First:
    """Both readings of a mail."""

    sentence: _Linear
    message: _Linear

    def features(self, batch: _Batch, counts: Sequence[sp.csr_matrix]) -> tuple[Floats, Floats]:
        """(what the second layer sees, logits of the sentences)."""
        by_sentence = self.sentence.decide(counts)
        by_message = self.message.decide(_summed(counts, batch))
        return np.hstack([_pooled(by_sentence, batch.bounds), by_message, batch.dense]), by_sentence


def _counts(batch: _Batch, vectorizers: Sequence[HashingVectorizer]) -> list[sp.csr_matrix]:
    masked = [_masked(sentence) for sentence in batch.sentences]
    return [sp.csr_matrix(vectorizer.transform(masked)) for vectorizer in vectorizers]


def _summed(counts: Sequence[sp.csr_matrix], batch: _Batch) -> list[sp.csr_matrix]:
    rows, count = len(batch.bounds) - 1, len(batch.sentences)
    sums = sp.csr_matrix((np.ones(count, np.float32), (batch.owner(), np.arange(count))), shape=(rows, count))
    return [sp.csr_matrix(sums @ matrix) for matrix in counts]


def _pooled(logits: Floats, bounds: npt.NDArray[np.int64]) -> Floats:
    """Each message's sentence logits as one row: best, best two, mean, subject, opening, end, mean probability."""
    rows = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        mine = logits[start:stop]
        ordered = np.sort(mine, axis=0)
        rows.append(
            np.concatenate(
                [ordered[-1], ordered[-2:].mean(0), mine.mean(0), mine[0], mine[1:3].max(0), mine[-2:].max(0), _expit(mine).mean(0)]
            )
        )
    return np.array(rows, dtype=np.float32)


def _expit(logits: Floats) -> Floats:
    return cast(Floats, 1 / (1 + np.exp(-np.clip(logits, -30, 30))))


# --- The model -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that scoring needs. `second` holds one logistic regression a target, "primary" a multinomial one."""

    vectorizers: tuple[HashingVectorizer, HashingVectorizer]
    first: _First
    scaler: StandardScaler
    second: Mapping[str, LogisticRegression]
    thresholds: Thresholds

    def score(self, messages: Sequence[Message], facts: Sequence[Facts]) -> list[Scores]:
        """Scores of each message, in order."""
        if not messages:
            return []
        batch = _batch(messages, facts)
        features, by_sentence = self.first.features(batch, _counts(batch, self.vectorizers))
        scaled = self.scaler.transform(features)
        single = {name: self.second[name].predict_proba(scaled)[:, 1] for name in _STACK_TARGETS}
        primary = self.second["primary"].predict_proba(scaled)
        likely = _expit(by_sentence)
        spans = zip(batch.bounds, batch.bounds[1:], strict=False)
        return [
            Scores(
                labels={label: float(single[label][row]) for label in LABELS},
                school=float(single["school"][row]),
                primary=_six(float(single["school"][row]), primary[row]),
                asks={ask: float(single[ask][row]) for ask in ASKS},
                evidence=_evidence(batch.sentences[start:stop], likely[start:stop]),
            )
            for row, (start, stop) in enumerate(spans)
        ]


def _six(school: float, among: npt.NDArray[np.float64]) -> dict[Primary, float]:
    found: dict[Primary, float] = {
        name: school * float(share) for name, share in zip(_SCHOOL_PRIMARIES, among, strict=True)
    }
    found["not_school"] = 1 - school
    return found


def _evidence(spoken: Sequence[str], likely: Floats) -> dict[Label, tuple[tuple[str, float], ...]]:
    """For each label the sentence that speaks for it most, and others that do so plainly; the subject last."""
    found: dict[Label, tuple[tuple[str, float], ...]] = {}
    for column, label in enumerate(LABELS):
        ranked = sorted(range(1, len(spoken)), key=lambda row: -likely[row, column]) or [0]
        ranked = [row for row in ranked if spoken[row]] or [0]
        kept = [row for place, row in enumerate(ranked[:3]) if place == 0 or likely[row, column] >= 0.5]
        found[label] = tuple((spoken[row], float(likely[row, column])) for row in kept)
    return found


# --- Learning --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Targets:
    """Labels as arrays: `sentence` is 1 evidence, 0 not of this label, -1 not to be learned from."""

    sentence: npt.NDArray[np.int8]
    message: npt.NDArray[np.bool_]
    primary: npt.NDArray[np.int64]
    school: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]
    group: npt.NDArray[np.str_]


def fit(examples: Sequence[Example]) -> Model:
    """Learn from labelled messages of at least two groups. The same examples give the same model.

    Raises `ModelError` where there is too little to learn from.
    """
    if len({example.group for example in examples}) < 2 or not {e.primary for e in examples} >= set(PRIMARIES):
        raise ModelError("too little to learn from: the corpus needs several authors and mail of every kind")
    batch = _batch([e.message for e in examples], [e.facts for e in examples])
    vectorizers = _vectorizers()
    counts = _counts(batch, vectorizers)
    targets = _targets(examples, batch)
    everything = np.ones(len(examples), dtype=bool)
    first = _fit_first(batch, counts, targets, everything)
    unseen = _out_of_fold(batch, counts, targets)
    scaler = StandardScaler().fit(unseen)
    second, thresholds = _fit_second(scaler.transform(unseen), targets)
    return Model(vectorizers, first, scaler, second, thresholds)


def _targets(examples: Sequence[Example], batch: _Batch) -> _Targets:
    owner = batch.owner()
    plain = [_plain_words(sentence) for sentence in batch.sentences]
    sentence = np.zeros((len(plain), len(_SENTENCE_TARGETS) - 1), dtype=np.int8)
    for column, name in enumerate(_SENTENCE_TARGETS[:-1]):
        for row, words in enumerate(plain):
            example = examples[owner[row]]
            if name in example.labels or name in example.asks:
                spans = [_plain_words(text) for label, text in example.evidence if label == name]
                sentence[row, column] = 1 if any(_overlap(words, span) for span in spans) else -1
    message = np.array(
        [
            [label in e.labels for label in LABELS]
            + [e.primary == name for name in _SCHOOL_PRIMARIES]
            + [ask in e.asks for ask in ASKS]
            + [e.school]
            for e in examples
        ]
    )
    return _Targets(
        sentence,
        message,
        np.array([PRIMARIES.index(e.primary) for e in examples]),
        np.array([e.school for e in examples]),
        np.array([e.weight for e in examples]),
        np.array([e.group for e in examples]),
    )


def _plain_words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _overlap(sentence: str, span: str) -> bool:
    return bool(span) and (span in sentence or (len(sentence) > 8 and sentence in span))


def _fit_first(
    batch: _Batch, counts: list[sp.csr_matrix], targets: _Targets, learn: npt.NDArray[np.bool_]
) -> _First:
    owner = batch.owner()
    rows = learn[owner]
    school = targets.school
    sentence_sets = [
        (rows & school[owner] & (targets.sentence[:, column] != -1), targets.sentence[:, column] == 1)
        for column in range(targets.sentence.shape[1])
    ]
    sentence_sets.append((rows, school[owner]))
    sentence = _fit_linear(counts, rows, sentence_sets, targets.weight[owner])
    message_sets = [(learn & school, targets.message[:, column]) for column in range(len(_MESSAGE_TARGETS) - 1)]
    message_sets.append((learn, school))
    return _First(sentence, _fit_linear(_summed(counts, batch), learn, message_sets, targets.weight))


def _fit_linear(
    counts: Sequence[sp.csr_matrix],
    rows: npt.NDArray[np.bool_],
    sets: Sequence[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]],
    weight: npt.NDArray[np.float64],
) -> _Linear:
    idf = (_weights(counts[0][rows]), _weights(counts[1][rows]))
    features = _tfidf(counts, idf)
    coef = np.zeros((len(sets), features.shape[1]), dtype=np.float32)
    intercept = np.full(len(sets), -5.0, dtype=np.float32)
    for row, (learn, truth) in enumerate(sets):
        if not truth[learn].any():
            continue
        # liblinear draws at random only for the dual of large problems; the seed keeps builds alike.
        model = LogisticRegression(
            C=_FIRST_C, class_weight="balanced", solver="liblinear", max_iter=1000, random_state=0
        ).fit(features[learn], truth[learn], weight[learn])
        coef[row], intercept[row] = model.coef_[0], model.intercept_[0]
    # Half precision halves the file and moves no probability by more than rounding shows.
    return _Linear(idf, coef.astype(np.float16).astype(np.float32), intercept)


def _out_of_fold(batch: _Batch, counts: list[sp.csr_matrix], targets: _Targets) -> Floats:
    """The first layer's view of each message, learned without the message's own author."""
    folds = min(_FOLDS, len(set(targets.group.tolist())))
    found: Floats | None = None
    for learn_rows, held_rows in GroupKFold(folds).split(targets.message, groups=targets.group):
        learn = np.zeros(len(targets.school), dtype=bool)
        learn[learn_rows] = True
        features, _ = _fit_first(batch, counts, targets, learn).features(batch, counts)
        found = np.zeros_like(features) if found is None else found
        found[held_rows] = features[held_rows]
    if found is None:
        raise ModelError("too little to learn from: the corpus needs several authors")
    return found


def _fit_second(scaled: Floats, targets: _Targets) -> tuple[dict[str, LogisticRegression], Thresholds]:
    school = targets.school
    columns = {name: targets.message[:, _MESSAGE_TARGETS.index(name)] for name in _STACK_TARGETS}
    second: dict[str, LogisticRegression] = {}
    best: dict[str, float] = {}
    for name, truth in columns.items():
        learn = np.ones_like(school) if name == "school" else school
        second[name] = _logistic(scaled[learn], truth[learn], targets.weight[learn])
        unseen = _cross_probabilities(scaled[learn], truth[learn], targets.weight[learn], targets.group[learn])
        best[name] = _best_threshold(unseen, truth[learn], recall_first=name in ("plan", "safety"))
    second["primary"] = _logistic(scaled[school], targets.primary[school], targets.weight[school])
    thresholds = Thresholds(
        school=best["school"],
        labels={label: best[label] for label in LABELS},
        sure=0.5,
        asks={ask: best[ask] for ask in ASKS},
    )
    return second, thresholds


def _logistic(features: Floats, truth: npt.NDArray[Any], weight: npt.NDArray[np.float64]) -> LogisticRegression:
    return LogisticRegression(C=_SECOND_C, max_iter=3000).fit(features, truth, weight)


def _cross_probabilities(
    features: Floats, truth: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64], group: npt.NDArray[np.str_]
) -> npt.NDArray[np.float64]:
    found = np.zeros(len(truth))
    for learn, held in GroupKFold(min(_FOLDS, len(set(group.tolist())))).split(features, groups=group):
        found[held] = _logistic(features[learn], truth[learn], weight[learn]).predict_proba(features[held])[:, 1]
    return found


def _best_threshold(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], *, recall_first: bool) -> float:
    """The probability that gives the best F1, or F3 where missing is worse than a false alarm."""
    beta = 9.0 if recall_first else 1.0
    grid = np.arange(0.05 if recall_first else 0.2, 0.8, 0.01)
    hits = [((probability >= at) & truth).sum() for at in grid]
    named = [(probability >= at).sum() for at in grid]
    scores = [(1 + beta) * hit / max(1.0, beta * truth.sum() + count) for hit, count in zip(hits, named, strict=True)]
    # The middle of the plateau around the best value moves least from corpus to corpus.
    good = grid[np.array(scores) >= max(scores) - 0.003]
    return round(float(np.median(good)), 2)


# --- Keeping ---------------------------------------------------------------------------------------------


def save(model: Model, path: Path) -> None:
    """Write the model beside its place and then into it, with a manifest of hash and library version."""
    content = {
        "format": FORMAT,
        "vectorizers": list(model.vectorizers),
        "first": {name: _packed(part) for name, part in (("sentence", model.first.sentence), ("message", model.first.message))},
        "scaler": model.scaler,
        "second": dict(model.second),
        "thresholds": {
            "school": model.thresholds.school,
            "labels": dict(model.thresholds.labels or {}),
            "sure": model.thresholds.sure,
            "asks": dict(model.thresholds.asks or {}),
        },
    }
    raw = skops.io.dumps(content, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    manifest = {"format": FORMAT, "sha256": hashlib.sha256(raw).hexdigest(), "scikit-learn": sklearn.__version__}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, data in ((path, raw), (_manifest(path), (json.dumps(manifest, indent=1) + "\n").encode())):
            beside = target.with_name(f"{target.name}.new")
            beside.write_bytes(data)
            beside.replace(target)
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be written ({error.strerror}); name another file with -o") from None


def _packed(linear: _Linear) -> dict[str, Any]:
    return {
        "idf": [weights.astype(np.float16) for weights in linear.idf],
        "coef": linear.coef.astype(np.float16),
        "intercept": linear.intercept,
    }


def load(path: Path) -> Model:
    """Read a model that `save` wrote.

    Raises `ModelError` where it is missing, damaged, of another format, or holds types that no model of ours has.
    """
    try:
        raw = path.read_bytes()
        manifest = json.loads(_manifest(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path}: no readable model there") from None
    if manifest.get("format") != FORMAT or hashlib.sha256(raw).hexdigest() != manifest.get("sha256"):
        raise ModelError(f"{path}: is damaged or not the file that belongs to its manifest")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            # No types besides those that skops itself knows to be harmless.
            content = skops.io.loads(raw, trusted=[])
        return _unpacked(content)
    except Exception as error:
        raise ModelError(f"{path}: cannot be used here ({type(error).__name__})") from None


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _unpacked(content: Mapping[str, Any]) -> Model:
    def linear(part: Mapping[str, Any]) -> _Linear:
        words, characters = (weights.astype(np.float32) for weights in part["idf"])
        return _Linear((words, characters), part["coef"].astype(np.float32), part["intercept"])

    words, characters = content["vectorizers"]
    return Model(
        vectorizers=(words, characters),
        first=_First(linear(content["first"]["sentence"]), linear(content["first"]["message"])),
        scaler=content["scaler"],
        second=content["second"],
        thresholds=Thresholds(**content["thresholds"]),
    )
