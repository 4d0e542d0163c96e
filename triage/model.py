"""The classifier: load, score, save. With `features` and `fit`, the only importer of scikit-learn and skops.

A mail is read twice: sentence by sentence, each sentence scored for each label by a linear model that learned
from the evidence spans of the corpus and from single sentences, and whole, as the sum of its sentences. A second
layer combines both with a few plain features (length, question marks, dates, kind of sender) to the probability
of each label. It learns from scores that the first layer gave to authors it had not seen (stacked
generalisation, Wolpert 1992), which also calibrates it.
"""

import hashlib
import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import sklearn  # noqa: TID251 - part of the model
import skops.io  # noqa: TID251 - part of the model
from sklearn.exceptions import InconsistentVersionWarning  # noqa: TID251 - part of the model
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model
from sklearn.preprocessing import StandardScaler  # noqa: TID251 - part of the model

from triage.classify import ASKS, LABELS, DateScore, Label, Primary, Scores, Thresholds
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
    date_clues,
    date_view,
    make_batch,
    quantized,
    restored,
)
from triage.message import Message
from triage.second import Floats, Second, expit

FORMAT = 3


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that scoring needs. `second` holds a part for each target; that of "primary" has a class for each."""

    vectorizers: tuple[HashingVectorizer, HashingVectorizer, HashingVectorizer]
    first: First
    scaler: StandardScaler
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
        scaled = self.scaler.transform(features)
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
        kept = self.keep.probabilities(date_view(messages, facts, logits[:, 0], view))[:, 1]
        whats: tuple[What, ...] = get_args(What)
        scores = iter([DateScore(float(p), whats[int(row[1:].argmax())]) for p, row in zip(kept, logits, strict=True)])
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


def save(model: Model, path: Path) -> None:
    """Write the model beside its place and then into it, with a manifest of hash and library version."""
    content = {
        "format": FORMAT,
        "vectorizers": list(model.vectorizers),
        "first": {
            name: _packed(part) for name, part in (("sentence", model.first.sentence), ("message", model.first.message))
        },
        "dates": _packed(model.dates),
        "keep": model.keep.to_arrays(),
        "scaler": model.scaler,
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
    raw = skops.io.dumps(content, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    manifest = {
        "format": FORMAT,
        "sha256": hashlib.sha256(raw).hexdigest(),
        # Between the two writes below the old file stands beside the new manifest.
        "before": _hash_of(path),
        "scikit-learn": sklearn.__version__,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, data in ((_manifest(path), (json.dumps(manifest, indent=1) + "\n").encode()), (path, raw)):
            beside = target.with_name(f"{target.name}.new")
            beside.write_bytes(data)
            beside.replace(target)
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be written ({error.strerror}); name another file with -o") from None


def _hash_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _packed(linear: Linear) -> dict[str, Any]:
    codes, scale = quantized(linear.coef)
    return {
        # Rising numbers are small as differences, and pack well.
        "kept": [np.diff(columns, prepend=0).astype(np.int32) for columns in linear.kept],
        "idf": [weights.astype(np.float16) for weights in linear.idf],
        "codes": codes,
        "scale": scale,
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
    known = (manifest.get("sha256"), manifest.get("before"))
    if manifest.get("format") != FORMAT or hashlib.sha256(raw).hexdigest() not in known:
        raise ModelError(f"{path}: is damaged or not the file that belongs to its manifest")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            # No types besides those that skops itself knows to be harmless.
            content = skops.io.loads(raw, trusted=[])
        return _unpacked(content)
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes the libraries raise
        raise ModelError(f"{path}: cannot be used here ({type(error).__name__})") from None


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _unpacked(content: Mapping[str, Any]) -> Model:
    def linear(part: Mapping[str, Any]) -> Linear:
        kept = [np.cumsum(steps, dtype=np.int32) for steps in part["kept"]]
        idf = [weights.astype(np.float32) for weights in part["idf"]]
        return Linear(kept, idf, restored(part["codes"], part["scale"]), part["intercept"])

    words, characters, envelope = content["vectorizers"]
    return Model(
        vectorizers=(words, characters, envelope),
        first=First(linear(content["first"]["sentence"]), linear(content["first"]["message"])),
        scaler=content["scaler"],
        second={name: Second.from_arrays(part) for name, part in content["second"].items()},
        dates=linear(content["dates"]),
        keep=Second.from_arrays(content["keep"]),
        thresholds=Thresholds(**content["thresholds"]),
    )
