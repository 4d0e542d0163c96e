"""The classifier: load, score, save. Beside it `features`, `keeping`, `tone` and what `fit`s import scikit-learn.

A mail is read sentence by sentence, each sentence scored for each label by a linear model that learned from the
evidence spans of the corpus and from single sentences, and whole, as the sum of its sentences, by linear models and by
a small network that sees what words mean together. A second layer combines these with a few plain features (length,
question marks, dates, kind of sender) to the probability of each label. It learns from scores that the first layer gave
to authors it had not seen (stacked generalisation, Wolpert 1992), which also calibrates it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model

from triage.classify import ASKS, LABELS, DateScore, Label, Primary, Scores, Thresholds
from triage.date_view import date_clues, date_view
from triage.dates import What
from triage.errors import ModelError
from triage.facts import Facts, Flag
from triage.features import (
    SCHOOL_PRIMARIES,
    SPOKEN,
    STACK_TARGETS,
    First,
    Linear,
    count,
    make_batch,
    make_vectorizers,
)
from triage.keeping import load_content, packed, packed_first, save_content, unpacked, unpacked_first
from triage.message import Message
from triage.resources import MODEL_FORMAT
from triage.second import Floats, Scale, Second, expit


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that scoring needs. `second` holds a part for each target; that of "primary" has a class for each.

    `keep` has the classes of `DATE_CLASSES`.
    """

    vectorizers: tuple[HashingVectorizer, HashingVectorizer, HashingVectorizer]
    first: First
    scale: Scale
    second: Mapping[str, Second]
    dates: Linear
    keep: Second
    thresholds: Thresholds

    def score(self, messages: Sequence[Message], facts: Sequence[Facts]) -> list[Scores]:
        """Scores of each message, in order."""
        if not messages:
            return []
        batch = make_batch(messages, facts)
        features, by_sentence = self.first.features(batch, count(batch, self.vectorizers))
        scaled = self.scale.apply(features)
        single = {name: self.second[name].probabilities(scaled)[:, 1] for name in STACK_TARGETS}
        primary = self.second["primary"].probabilities(scaled)
        likely = expit(by_sentence)
        dates = self._score_dates(messages, facts, scaled)
        return [
            Scores(
                labels={label: float(single[label][row]) for label in LABELS},
                school=float(single["school"][row]),
                forged=float(single["forged"][row]),
                primary=_six(float(single["school"][row]), primary[row]),
                asks={ask: float(single[ask][row]) for ask in ASKS},
                evidence=_evidence(batch.sentences[start:stop], likely[start:stop]),
                dates=dates[row],
            )
            for row, (start, stop) in enumerate(pairwise(batch.bounds))
        ]

    def _score_dates(
        self, messages: Sequence[Message], facts: Sequence[Facts], view: Floats
    ) -> list[tuple[DateScore, ...]]:
        clues = date_clues(facts)
        if not clues:
            return [()] * len(facts)
        logits = self.dates.decide([self.vectorizers[2].transform(clues)])
        shares = self.keep.probabilities(date_view(messages, facts, logits, view))
        whats: tuple[What, ...] = get_args(What)
        scores = iter([DateScore(1 - float(row[0]), whats[int(row[1:].argmax())]) for row in shares])
        return [tuple(next(scores) for _ in found.due) for found in facts]


def _six(school: float, among: npt.NDArray[np.float64]) -> dict[Primary, float]:
    found: dict[Primary, float] = {
        name: school * float(share) for name, share in zip(SCHOOL_PRIMARIES, among, strict=True)
    }
    found["not_school"] = 1 - school
    return found


def _evidence(spoken: Sequence[str], likely: Floats) -> dict[Label | Flag, tuple[tuple[str, float], ...]]:
    """For each label and flag the sentence that speaks for it most, and others that do so plainly; the subject last."""
    found: dict[Label | Flag, tuple[tuple[str, float], ...]] = {}
    for column, label in enumerate(SPOKEN):
        ranked = sorted(range(1, len(spoken)), key=lambda row: -likely[row, column]) or [0]
        ranked = [row for row in ranked if spoken[row]] or [0]
        kept = [row for place, row in enumerate(ranked[:3]) if place == 0 or likely[row, column] >= 0.5]
        found[label] = tuple((spoken[row], float(likely[row, column])) for row in kept)
    return found


# --- Keeping ---------------------------------------------------------------------------------------------


def save(model: Model, path: Path, base: Path | None = None) -> None:
    """Write the model to a file, whole or not at all; `base` is the file of the model that it was moved away from."""
    content = {
        "first": packed_first(model.first),
        "dates": packed(model.dates),
        "keep": model.keep.to_arrays(),
        "scale": {"mean": model.scale.mean, "deviation": model.scale.deviation},
        "second": {name: second.to_arrays() for name, second in model.second.items()},
        "thresholds": {
            "school": model.thresholds.school,
            "forged": model.thresholds.forged,
            "labels": dict(model.thresholds.labels or {}),
            "sure": model.thresholds.sure,
            "asks": dict(model.thresholds.asks or {}),
            "dates": model.thresholds.dates,
        },
    }
    save_content(content, MODEL_FORMAT, path, base)


def load(path: Path) -> Model:
    """Read a model that `save` wrote. Raises `ModelError` as `load_content` does."""
    content = load_content(MODEL_FORMAT, path)
    try:
        return Model(
            vectorizers=make_vectorizers(),
            first=unpacked_first(content["first"]),
            scale=Scale(**content["scale"]),
            second={name: Second.from_arrays(part) for name, part in content["second"].items()},
            dates=unpacked(content["dates"]),
            keep=Second.from_arrays(content["keep"]),
            thresholds=Thresholds(**content["thresholds"]),
        )
    except Exception as error:  # noqa: BLE001 - whatever parts that do not fit make the libraries raise
        raise ModelError(f"{path}: cannot be used here ({type(error).__name__})") from None
