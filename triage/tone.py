"""The model of how a parent's sentences sound: score, save, load. `fit_tone` makes it.

Each sentence of a draft is first read by itself, by a linear model over its words and characters with a few cues beside
them (who is the subject, how it begins). A second layer sees that reading beside those of the draft's other sentences:
what is meant as a charge seldom stands alone, and a hard fact in a fair letter is no charge.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model

from triage.draft import TONES, Limits, Tones
from triage.errors import ModelError
from triage.features import Linear, count_sentences, make_vectorizers
from triage.keeping import load_content, packed, save_content, unpacked
from triage.lexicon import table
from triage.resources import TONE_FORMAT
from triage.second import Floats, Second

TARGETS: tuple[str, ...] = ("charged", *TONES)
_CLOSING = ' )”"'
_CUES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(expression) for name, expression in table("tone_cues")["cues"].items()
}


@dataclass(frozen=True, slots=True)
class ToneModel:
    """Scores the sentences of a draft. `second` holds a part for each target."""

    vectorizers: tuple[HashingVectorizer, HashingVectorizer, HashingVectorizer]
    linear: Linear
    second: Mapping[str, Second]
    limits: Limits

    def score(self, sentences: Sequence[str]) -> list[Tones]:
        """Probabilities of the sentences of one draft, in order."""
        if not sentences:
            return []
        logits = self.linear.decide(count_tones(sentences, self.vectorizers))
        view = in_context(logits, np.zeros(len(sentences), dtype=np.int64))
        likely = {name: second.probabilities(view)[:, 1] for name, second in self.second.items()}
        return [
            Tones(float(likely["charged"][row]), {tone: float(likely[tone][row]) for tone in TONES})
            for row in range(len(sentences))
        ]


def count_tones(sentences: Sequence[str], vectorizers: Sequence[HashingVectorizer]) -> list[sp.csr_matrix]:
    """Hashed words, characters and cues of each sentence."""
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


def in_context(logits: Floats, draft: npt.NDArray[np.int64]) -> Floats:
    """What the second layer sees of each sentence: its own logits, and how charged the draft's others are.

    `logits` (sentences, targets) are divided by three to be of about the size of one; the sentences of a draft stand
    together, and `draft` says which they belong to.
    """
    starts = np.flatnonzero(np.r_[True, draft[1:] != draft[:-1]])
    rows = []
    for start, stop in zip(starts, np.r_[starts[1:], len(draft)], strict=True):
        mine = logits[start:stop] / np.float32(3)
        for at in range(stop - start):
            others = np.delete(mine[:, 0], at)
            alone = not len(others)
            ordered = np.sort(others) if not alone else np.zeros(1, np.float32)
            around = [
                ordered[-1],
                ordered[-2:].mean(),
                ordered.mean(),
                float(alone),
                np.log(stop - start),
                mine[at - 1, 0] if at else 0.0,
                mine[at + 1, 0] if at + 1 < len(mine) else 0.0,
                float(at == 0),
            ]
            rows.append(np.concatenate([mine[at], np.array(around, dtype=np.float32)]))
    return np.array(rows, dtype=np.float32)


# --- Keeping ---------------------------------------------------------------------------------------------


def save(model: ToneModel, path: Path) -> None:
    """Write the model to a file, whole or not at all."""
    content = {
        "linear": packed(model.linear),
        "second": {name: second.to_arrays() for name, second in model.second.items()},
        "limits": {
            "charged": model.limits.charged,
            "letter": model.limits.letter,
            "tones": dict(model.limits.tones or {}),
        },
    }
    save_content(content, TONE_FORMAT, path)


def load(path: Path) -> ToneModel:
    """Read a model that `save` wrote. Raises `ModelError` as `load_content` does."""
    content = load_content(TONE_FORMAT, path)
    try:
        second = {name: Second.from_arrays(part) for name, part in content["second"].items()}
        return ToneModel(make_vectorizers(), unpacked(content["linear"]), second, Limits(**content["limits"]))
    except Exception as error:  # noqa: BLE001 - whatever parts that do not fit make the libraries raise
        raise ModelError(f"{path}: cannot be used here ({type(error).__name__})") from None
