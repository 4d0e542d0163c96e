"""Pure arithmetic: the second layer, which combines both readings of a mail to probabilities.

Half of it is a logistic regression, half are boosted trees (Friedman 2001), which see what a sum of weights
cannot; their probabilities are averaged. Both are held as plain arrays, so that a file of them loads at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Scale:
    """Brings each feature to mean 0 and deviation 1 over the training part; both are (features,)."""

    mean: Floats
    deviation: Floats

    def apply(self, features: Floats) -> Floats:
        """(rows, features), of about the size of one."""
        return cast("Floats", (features - self.mean) / self.deviation)


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted trees, each a row of nodes; a leaf points to itself.

    `feature`, `threshold`, `left`, `right`, `value`: (trees, nodes). `outcome` (trees,) is the column of logits that a
    tree adds its value to, `baseline` (outcomes,) what they start from, `depth` the longest way to a leaf.
    """

    feature: Numbers
    threshold: Floats
    left: Numbers
    right: Numbers
    value: Floats
    outcome: Numbers
    baseline: Floats
    depth: int

    def decide(self, features: Floats) -> Floats:
        """Logits, (rows, outcomes)."""
        rows, trees = np.arange(len(features))[:, None], np.arange(len(self.feature))[None, :]
        at = np.zeros((len(features), len(self.feature)), dtype=np.int16)
        for _ in range(self.depth):
            is_left = features[rows, self.feature[trees, at]] <= self.threshold[trees, at]
            at = np.where(is_left, self.left[trees, at], self.right[trees, at])
        values = self.value[trees, at]
        logits = np.tile(self.baseline, (len(features), 1))
        for column in range(len(self.baseline)):
            logits[:, column] += values[:, self.outcome == column].sum(axis=1)
        return logits


@dataclass(frozen=True, slots=True)
class Second:
    """One target's part of the second layer: `coef` (outcomes, features), `intercept` (outcomes,), and the trees."""

    coef: Floats
    intercept: Floats
    trees: Trees

    def probabilities(self, features: Floats) -> Floats:
        """(rows, classes); with a single outcome the classes are no and yes."""
        linear = cast("Floats", features @ self.coef.T + self.intercept)
        return (_shares(linear) + _shares(self.trees.decide(features))) / np.float32(2)

    def to_arrays(self) -> dict[str, Any]:
        """Everything that it holds, by name."""
        names = ("feature", "threshold", "left", "right", "value", "outcome", "baseline", "depth")
        trees = {name: getattr(self.trees, name) for name in names}
        return {"coef": self.coef, "intercept": self.intercept, "trees": trees}

    @classmethod
    def from_arrays(cls, content: Mapping[str, Any]) -> "Second":
        """What `to_arrays` gave."""
        return cls(content["coef"], content["intercept"], Trees(**content["trees"]))


def _shares(logits: Floats) -> Floats:
    if logits.shape[1] == 1:
        yes = expit(logits)
        return np.hstack([1 - yes, yes])
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return cast("Floats", grown / grown.sum(axis=1, keepdims=True))


def expit(logits: Floats) -> Floats:
    """Logits to probabilities."""
    return cast("Floats", 1 / (1 + np.exp(-np.clip(logits, -30, 30))))
