"""Learning how sentences sound: from marked drafts to a model, and from a model to remarks on drafts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression  # noqa: TID251 - part of the model
from sklearn.model_selection import GroupKFold  # noqa: TID251 - part of the model

from triage.corpus import Draft
from triage.draft import LETTER, TONES, Limits, own_spans, remarks
from triage.draft_figures import Read
from triage.errors import ModelError
from triage.features import Linear, frequent, idf_of, make_vectorizers, quantized, restored, weighed
from triage.fit_second import combined
from triage.tone import TARGETS, ToneModel, count_tones, in_context

_C = 10.0
_FOLDS = 6
# Of ten sentences that are pointed at, so many are to be charged indeed.
_RIGHT = 0.9
# The share of firm and fair letters in which nothing is to be found.
_LEFT_ALONE = 0.97


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Every sentence of the drafts to learn from: words, truth (sentences, targets), author, number of the draft."""

    texts: Sequence[str]
    truth: npt.NDArray[np.bool_]
    author: npt.NDArray[np.str_]
    draft: npt.NDArray[np.int64]


def _sentences(drafts: Sequence[Draft]) -> _Sentences:
    rows = [(span.text, tones, number) for number, draft in enumerate(drafts) for span, tones in draft.sentences()]
    return _Sentences(
        [text for text, _, _ in rows],
        np.array([[bool(tones), *(tone in tones for tone in TONES)] for _, tones, _ in rows]),
        np.array([drafts[number].author for _, _, number in rows]),
        np.array([number for _, _, number in rows], dtype=np.int64),
    )


def fit(drafts: Sequence[Draft]) -> ToneModel:
    """Learn from the drafts of at least two authors. The same drafts give the same model.

    Raises `ModelError` where there is too little to learn from.
    """
    said = _sentences(drafts)
    if len(set(said.author.tolist())) < 2 or not said.truth.any(axis=0).all():
        raise ModelError("too little to learn from: the drafts need several authors and sentences of every tone")
    vectorizers = make_vectorizers()
    counts = count_tones(said.texts, vectorizers)
    unseen = np.zeros(said.truth.shape, dtype=np.float32)
    for learn, held in _folds(said):
        linear = _fit_linear([matrix[learn] for matrix in counts], said.truth[learn])
        unseen[held] = linear.decide([matrix[held] for matrix in counts])
    view = in_context(unseen, said.draft)
    likely = np.zeros(said.truth.shape)
    for learn, held in _folds(said):
        for column in range(len(TARGETS)):
            part = combined(view[learn], said.truth[learn, column])
            likely[held, column] = part.probabilities(view[held])[:, 1]
    limits = Limits(
        charged=(charged := _limit(likely[:, 0], said.truth[:, 0])),
        letter=max(charged, _letter_limit(likely[:, 0], said, drafts)),
        tones={tone: _best(likely[:, column], said.truth[:, column]) for column, tone in enumerate(TONES, start=1)},
    )
    second = {name: combined(view, said.truth[:, column]) for column, name in enumerate(TARGETS)}
    return ToneModel(vectorizers, _fit_linear(counts, said.truth), second, limits)


def _folds(said: _Sentences) -> Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    folds = GroupKFold(min(_FOLDS, len(set(said.author.tolist()))))
    yield from folds.split(said.truth, groups=said.author)


def _fit_linear(counts: Sequence[sp.csr_matrix], truth: npt.NDArray[np.bool_]) -> Linear:
    kept = frequent(counts)
    idf = [weights.astype(np.float16).astype(np.float32) for weights in idf_of(counts, kept)]
    features = weighed(counts, kept, idf)
    models = [LogisticRegression(C=_C, class_weight="balanced", max_iter=300).fit(features, t) for t in truth.T]
    coef = np.vstack([model.coef_ for model in models]).astype(np.float32)
    intercept = np.concatenate([model.intercept_ for model in models]).astype(np.float32)
    return Linear(kept, idf, restored(*quantized(coef)), intercept)


def _limit(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """The lowest probability from which nine of ten findings are right."""
    order = np.argsort(-probability)
    right = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(right >= _RIGHT)
    return round(float(probability[order][enough[-1]]), 3) if len(enough) else 0.9


def _letter_limit(probability: npt.NDArray[np.float64], said: _Sentences, drafts: Sequence[Draft]) -> float:
    """The probability below which nearly every fair letter stays."""
    counts = np.bincount(said.draft)
    fair = [n for n, draft in enumerate(drafts) if draft.whole and not draft.spans and counts[n] >= LETTER]
    worst = [float(probability[said.draft == number].max()) for number in fair]
    return round(float(np.quantile(worst, _LEFT_ALONE)), 3) if worst else 0.0


def _best(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """The probability of the best F1."""
    grid = np.arange(0.1, 0.8, 0.01)
    hits = [2 * ((probability >= at) & truth).sum() / ((probability >= at).sum() + truth.sum()) for at in grid]
    return round(float(grid[int(np.argmax(hits))]), 3)


def read(drafts: Sequence[Draft], model: ToneModel) -> list[Read]:
    """What a model remarks in drafts of the corpus; a single sentence is read as a draft of its own."""
    return [
        Read(draft, remarks(draft.text, model.score([span.text for span in own_spans(draft.text)]), model.limits))
        for draft in drafts
    ]
