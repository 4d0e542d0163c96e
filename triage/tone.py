"""The model of how a parent's sentences sound: fit, score, save, load.

A linear model over the words and characters of one sentence, with a few cues beside them (who is the subject, how it
begins); it learns from single sentences and from whole drafts by several authors.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model
from sklearn.linear_model import LogisticRegression  # noqa: TID251 - part of the model
from sklearn.model_selection import GroupKFold  # noqa: TID251 - part of the model

from triage.draft import TONES, Limits, Tone, Tones
from triage.errors import ModelError
from triage.features import (
    Linear,
    count_sentences,
    frequent,
    idf_of,
    make_vectorizers,
    quantized,
    restored,
    weighed,
)
from triage.keeping import load_content, packed, save_content, unpacked
from triage.lexicon import table
from triage.second import Floats, expit

FORMAT = 1
TARGETS: tuple[str, ...] = ("charged", *TONES)
_C = 10.0
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Uttered:
    """A parent's sentence to learn from: its tones (none where it charges nobody), and whose it is."""

    text: str
    tones: frozenset[Tone]
    author: str


@dataclass(frozen=True, slots=True)
class ToneModel:
    """Scores sentences. `slope` and `offset` (targets,) turn its logits into probabilities (Platt 1999)."""

    vectorizers: tuple[HashingVectorizer, HashingVectorizer, HashingVectorizer]
    linear: Linear
    slope: Floats
    offset: Floats
    limits: Limits

    def score(self, sentences: Sequence[str]) -> list[Tones]:
        """Probabilities of each sentence, in order."""
        if not sentences:
            return []
        logits = self.linear.decide(_count(sentences, self.vectorizers))
        likely = expit(logits * self.slope + self.offset)
        return [
            Tones(float(row[0]), {tone: float(value) for tone, value in zip(TONES, row[1:], strict=True)})
            for row in likely
        ]


def _count(sentences: Sequence[str], vectorizers: Sequence[HashingVectorizer]) -> list[sp.csr_matrix]:
    folded = [" ".join(sentence.replace("’", "'").split()) for sentence in sentences]
    cues = sp.csr_matrix(vectorizers[2].transform([" ".join(_cues(sentence)) for sentence in folded]))
    return [*count_sentences(folded, vectorizers), cues]


def _cues(sentence: str) -> Iterator[str]:
    """What a sentence is made of, beside its words: how it begins and ends, whose deeds it tells."""
    lower = sentence.lower()
    plain = re.findall(r"[\w']+", lower)
    yield f"first:{'_'.join(plain[:1])}"
    yield f"firsttwo:{'_'.join(plain[:2])}"
    yield f"end:{sentence.rstrip(_CLOSING)[-1:]}"
    yield f"length:{min(len(plain) // 6, 5)}"
    for name, expression in _CUES.items():
        if expression.search(lower):
            yield f"cue:{name}"


_CLOSING = ' )”"'
_CUES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(expression) for name, expression in table("tone_cues")["cues"].items()
}


# --- Learning --------------------------------------------------------------------------------------------


def fit(uttered: Sequence[Uttered]) -> ToneModel:
    """Learn from sentences of at least two authors. The same sentences give the same model.

    Raises `ModelError` where there is too little to learn from.
    """
    truth = np.array([[bool(u.tones), *(tone in u.tones for tone in TONES)] for u in uttered])
    group = np.array([u.author for u in uttered])
    if len(set(group.tolist())) < 2 or not truth.any(axis=0).all():
        raise ModelError("too little to learn from: the drafts need several authors and sentences of every tone")
    vectorizers = make_vectorizers()
    counts = _count([u.text for u in uttered], vectorizers)
    unseen = np.zeros(truth.shape, dtype=np.float32)
    for learn, held in GroupKFold(min(_FOLDS, len(set(group.tolist())))).split(truth, groups=group):
        linear = _fit_linear([m[learn] for m in counts], truth[learn])
        unseen[held] = linear.decide([m[held] for m in counts])
    slope, offset = _calibrated(unseen, truth)
    likely = expit(unseen * slope + offset)
    limits = Limits(
        charged=_limit(likely[:, 0], truth[:, 0]),
        tones={tone: _limit(likely[:, 1 + column], truth[:, 1 + column]) for column, tone in enumerate(TONES)},
    )
    return ToneModel(vectorizers, _fit_linear(counts, truth), slope, offset, limits)


def _fit_linear(counts: Sequence[sp.csr_matrix], truth: npt.NDArray[np.bool_]) -> Linear:
    kept = frequent(counts)
    idf = [weights.astype(np.float16).astype(np.float32) for weights in idf_of(counts, kept)]
    features = weighed(counts, kept, idf)
    models = [LogisticRegression(C=_C, class_weight="balanced", max_iter=300).fit(features, t) for t in truth.T]
    coef = np.vstack([model.coef_ for model in models]).astype(np.float32)
    intercept = np.concatenate([model.intercept_ for model in models]).astype(np.float32)
    return Linear(kept, idf, restored(*quantized(coef)), intercept)


def _calibrated(logits: Floats, truth: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    models = [LogisticRegression().fit(column[:, None], t) for column, t in zip(logits.T, truth.T, strict=True)]
    slope = np.array([model.coef_[0, 0] for model in models], dtype=np.float32)
    return slope, np.array([model.intercept_[0] for model in models], dtype=np.float32)


def _limit(probability: Floats, truth: npt.NDArray[np.bool_]) -> float:
    """The lowest probability from which nine of ten findings are right; where none is, that of the best F1."""
    order = np.argsort(-probability)
    right = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero((right >= _RIGHT) & (np.arange(len(order)) > 20))
    if len(enough):
        return round(float(probability[order][enough[-1]]), 3)
    grid = np.arange(0.2, 0.8, 0.01)
    scores = [2 * ((probability >= at) & truth).sum() / ((probability >= at).sum() + truth.sum()) for at in grid]
    return round(float(grid[int(np.argmax(scores))]), 3)


_RIGHT = 0.9


# --- Keeping ---------------------------------------------------------------------------------------------


def save(model: ToneModel, path: Path) -> None:
    """Write the model to a file, whole or not at all."""
    content = {
        "vectorizers": list(model.vectorizers),
        "linear": packed(model.linear),
        "slope": model.slope,
        "offset": model.offset,
        "limits": {"charged": model.limits.charged, "tones": dict(model.limits.tones or {})},
    }
    save_content(content, FORMAT, path)


def load(path: Path) -> ToneModel:
    """Read a model that `save` wrote. Raises `ModelError` as `load_content` does."""
    content = load_content(FORMAT, path)
    try:
        words, characters, cues = content["vectorizers"]
        limits = Limits(**content["limits"])
        linear = unpacked(content["linear"])
        return ToneModel((words, characters, cues), linear, content["slope"], content["offset"], limits)
    except Exception as error:  # noqa: BLE001 - whatever parts that do not fit make the libraries raise
        raise ModelError(f"{path}: cannot be used here ({type(error).__name__})") from None
