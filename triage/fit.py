"""Learning: from labelled messages to a model. Used by `train` alone; scoring does not need it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model
from sklearn.linear_model import LogisticRegression  # noqa: TID251 - part of the model
from sklearn.model_selection import GroupKFold  # noqa: TID251 - part of the model
from sklearn.preprocessing import StandardScaler  # noqa: TID251 - part of the model

from triage.classify import ASKS, LABELS, PRIMARIES, Ask, Label, Primary, Thresholds
from triage.dates import What
from triage.errors import ModelError
from triage.facts import Facts, Flag
from triage.features import (
    DATE_TARGETS,
    MESSAGE_TARGETS,
    OF_ALL_MAIL,
    SCHOOL_PRIMARIES,
    SENTENCE_TARGETS,
    STACK_TARGETS,
    Batch,
    Counts,
    First,
    Floats,
    Linear,
    Matrices,
    count,
    date_clues,
    expit,
    frequent,
    idf_of,
    make_batch,
    make_vectorizers,
    quantized,
    restored,
    weighed,
)
from triage.message import Message
from triage.model import Model

_FOLDS = 5
_FIRST_C, _SECOND_C = 10.0, 0.05
# The share of honest mail that may be taken for forged on its words alone.
_HONEST_ACCUSED = 0.003


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled message to learn from. `evidence` are (label or flag, words of the message) pairs,
    `due` its dates to keep (ISO, local) and what they are for, None where that is not known.

    `group` keeps an author's mails together when folds are made; `weight` counts the example so many times.
    """

    message: Message
    facts: Facts
    labels: frozenset[Label]
    primary: Primary
    asks: frozenset[Ask]
    evidence: tuple[tuple[Label | Flag, str], ...]
    due: Mapping[str, What] | None
    group: str
    forged: bool = False
    weight: float = 1.0

    @property
    def school(self) -> bool:
        """Whether the message is school mail."""
        return self.primary != "not_school"


@dataclass(frozen=True, slots=True)
class _Targets:
    """Labels as arrays: `sentence` is 1 evidence, 0 not of this label, -1 not to be learned from."""

    sentence: npt.NDArray[np.int8]
    message: npt.NDArray[np.bool_]
    primary: npt.NDArray[np.int64]
    school: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]
    group: npt.NDArray[np.str_]


def fit(examples: Sequence[Example], base: Model | None = None) -> Model:
    """Learn from labelled messages of at least two groups. The same examples give the same model.

    With a `base`, only the first layer is learned anew, and what the base knows of combining it is kept: some more
    examples do not change that, and it is most of the work.
    Raises `ModelError` where there is too little to learn from.
    """
    if len({example.group for example in examples}) < 2 or not {e.primary for e in examples} >= set(PRIMARIES):
        raise ModelError("too little to learn from: the corpus needs several authors and mail of every kind")
    batch = make_batch([e.message for e in examples], [e.facts for e in examples])
    vectorizers = make_vectorizers()
    counts = count(batch, vectorizers)
    targets = _targets(examples, batch)
    if missing := [name for name, truth in zip(MESSAGE_TARGETS, targets.message.T, strict=True) if not truth.any()]:
        raise ModelError(f"too little to learn from: the corpus holds no mail of this kind: {', '.join(missing)}")
    everything = np.ones(len(examples), dtype=bool)
    first = _fit_first(batch, counts, targets, everything)
    if base is not None:
        return replace(base, first=first)
    unseen = _out_of_fold(batch, counts, targets)
    scaler = StandardScaler().fit(unseen)
    second, thresholds = _fit_second(scaler.transform(unseen), targets)
    dates, keep = _fit_dates(examples, vectorizers[2])
    return Model(vectorizers, first, scaler, second, dates, replace(thresholds, dates=keep))


def _targets(examples: Sequence[Example], batch: Batch) -> _Targets:
    owner = batch.owner()
    plain = [_plain_words(sentence) for sentence in batch.sentences]
    sentence = np.zeros((len(plain), len(SENTENCE_TARGETS) - 1), dtype=np.int8)
    for column, name in enumerate(SENTENCE_TARGETS[:-1]):
        for row, words in enumerate(plain):
            example = examples[owner[row]]
            if name in example.labels or name in example.asks:
                spans = [_plain_words(text) for label, text in example.evidence if label == name]
                sentence[row, column] = 1 if any(_overlap(words, span) for span in spans) else -1
    message = np.array(
        [
            [label in e.labels for label in LABELS]
            + [e.primary == name for name in SCHOOL_PRIMARIES]
            + [ask in e.asks for ask in ASKS]
            + [e.forged, e.school]
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


def _fit_first(batch: Batch, counts: Counts, targets: _Targets, learn: npt.NDArray[np.bool_]) -> First:
    owner = batch.owner()
    rows = learn[owner]
    school = targets.school
    sentence_sets = [
        (rows & school[owner] & (targets.sentence[:, column] != -1), targets.sentence[:, column] == 1)
        for column in range(targets.sentence.shape[1])
    ]
    sentence_sets.append((rows, school[owner]))
    kept = frequent([matrix[learn] for matrix in counts.message])
    sentence = _fit_linear(counts.sentence, rows, kept[:2], (sentence_sets, targets.weight[owner]))
    message_sets = [
        (learn if name in OF_ALL_MAIL else learn & school, targets.message[:, column])
        for column, name in enumerate(MESSAGE_TARGETS)
    ]
    return First(sentence, _fit_linear(counts.message, learn, kept, (message_sets, targets.weight)))


_Sets = Sequence[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]


def _fit_linear(
    counts: Matrices,
    rows: npt.NDArray[np.bool_],
    kept: Sequence[npt.NDArray[np.int32]],
    task: tuple[_Sets, npt.NDArray[np.float64]],
) -> Linear:
    """One logistic regression for each (rows to learn from, truth) of a task, whose rows weigh as given."""
    sets, weight = task
    idf = idf_of([matrix[rows] for matrix in counts], kept)
    features = weighed(counts, kept, idf)
    coef = np.zeros((len(sets), features.shape[1]), dtype=np.float32)
    intercept = np.full(len(sets), -5.0, dtype=np.float32)

    for row, (learn, truth) in enumerate(sets):
        if truth[learn].any():
            # L-BFGS draws nothing at random, so that the same corpus gives the same model.
            model = LogisticRegression(C=_FIRST_C, class_weight="balanced", max_iter=200)
            model.fit(features[learn], truth[learn], weight[learn])
            coef[row], intercept[row] = model.coef_[0], model.intercept_[0]
    # Rounded as the file holds them, so that a model gives the same scores before and after it was saved.
    rounded = [weights.astype(np.float16).astype(np.float32) for weights in idf]
    return Linear(kept, rounded, restored(*quantized(coef)), intercept)


def _out_of_fold(batch: Batch, counts: Counts, targets: _Targets) -> Floats:
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
    columns = {name: targets.message[:, MESSAGE_TARGETS.index(name)] for name in STACK_TARGETS}
    second: dict[str, LogisticRegression] = {}
    best: dict[str, float] = {}
    for name, truth in columns.items():
        learn = np.ones_like(school) if name in OF_ALL_MAIL else school
        second[name] = _logistic(scaled[learn], truth[learn], targets.weight[learn])
        unseen = _cross_probabilities(scaled[learn], truth[learn], targets.weight[learn], targets.group[learn])
        if name == "forged":
            best[name] = float(np.quantile(unseen[~truth[learn]], 1 - _HONEST_ACCUSED))
        else:
            best[name] = _best_threshold(unseen, truth[learn], recall_first=name in ("plan", "safety"))
    second["primary"] = _logistic(scaled[school], targets.primary[school], targets.weight[school])
    thresholds = Thresholds(
        school=best["school"],
        forged=best["forged"],
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
        if truth[learn].any():
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


# --- Dates -----------------------------------------------------------------------------------------------


def _fit_dates(examples: Sequence[Example], vectorizer: HashingVectorizer) -> tuple[Linear, float]:
    """Which dates of school mail are to be kept, and what for; and the probability from which one is kept."""
    told = [example for example in examples if example.school and example.due is not None]
    clues = date_clues([e.facts for e in told], [e.primary for e in told])
    counts = [sp.csr_matrix(vectorizer.transform(clues))]
    truth = np.array([what for example in told for what in _date_truth(example)])
    group = np.array([example.group for example in told for _ in example.facts.due])
    weight = np.ones(len(truth))
    everything = np.ones(len(truth), dtype=bool)

    def learned(rows: npt.NDArray[np.bool_]) -> Linear:
        sets = [(rows, truth != ""), *((rows & (truth != ""), truth == what) for what in DATE_TARGETS[1:])]
        return _fit_linear(counts, rows, frequent([counts[0][rows]]), (sets, weight))

    unseen = np.zeros(len(truth))
    for learn, held in GroupKFold(min(_FOLDS, len(set(group.tolist())))).split(truth, groups=group):
        rows = np.zeros(len(truth), dtype=bool)
        rows[learn] = True
        unseen[held] = expit(learned(rows).decide([counts[0][held]]))[:, 0]
    return learned(everything), _best_threshold(unseen, truth != "", recall_first=False)


def _date_truth(example: Example) -> list[str]:
    """For each date of a message what it is to be kept for, "" where it is not; a coarser reading counts if alone."""
    due = example.due or {}
    found = [_moment(date.at) for date in example.facts.due]
    exact = {at[:10] for at in found if at in due}
    by_day = {at[:10]: what for at, what in due.items() if at[:10] not in exact}
    return [due.get(at) or by_day.get(at[:10]) or "" for at in found]


def _moment(at: date | datetime) -> str:
    return at.isoformat()[:16]
