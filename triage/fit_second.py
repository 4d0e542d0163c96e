"""Learning the second layer, and from which probability on a thing is said. Used by `fit` and `fit_tone` alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: TID251 - part of the model
from sklearn.linear_model import LogisticRegression  # noqa: TID251 - part of the model
from sklearn.model_selection import GroupKFold  # noqa: TID251 - part of the model

from triage.second import Floats, Second, Trees

FOLDS = 5
_C = 0.05
# Few and small trees: what is left for them is little, and the file is to stay small.
ROUNDS = 40
# A wrong filing is to be no likelier than one in twenty; what is less sure goes to Review.
_RIGHT_WHEN_FILED = 0.95


def combined(features: Floats, truth: npt.NDArray[Any], rounds: int = ROUNDS) -> Second:
    """The second layer's part of one target; a tree for each class in each round."""
    linear = LogisticRegression(C=_C, max_iter=3000).fit(features, truth)
    trees = grow_trees(features, truth, rounds)
    coef, intercept = linear.coef_.astype(np.float32), linear.intercept_.astype(np.float32)
    return Second(coef, intercept, _packed_trees(trees))


def grow_trees(features: Floats, truth: npt.NDArray[Any], rounds: int = ROUNDS) -> HistGradientBoostingClassifier:
    """The trees of one target."""
    trees = HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=0.15,
        max_leaf_nodes=8,
        l2_regularization=10,
        max_bins=63,
        early_stopping=False,
        random_state=0,
    )
    return trees.fit(features, truth)


def _packed_trees(model: HistGradientBoostingClassifier) -> Trees:
    """The trees of a fitted model as arrays of one width; scikit-learn shrinks their values already.

    It has no public way to its trees; a test compares these arrays with its own probabilities.
    """
    rounds, baseline = model._predictors, model._baseline_prediction  # noqa: SLF001
    grown = [(column, tree.nodes) for trees in rounds for column, tree in enumerate(trees)]
    width = max(len(nodes) for _, nodes in grown)
    itself = np.tile(np.arange(width, dtype=np.int16), (len(grown), 1))
    feature, left, right = np.zeros_like(itself), itself.copy(), itself.copy()
    threshold, value = np.zeros(itself.shape, np.float32), np.zeros(itself.shape, np.float32)
    for row, (_, nodes) in enumerate(grown):
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        feature[row, inner] = nodes["feature_idx"][inner]
        threshold[row, inner] = nodes["num_threshold"][inner]
        left[row, inner], right[row, inner] = nodes["left"][inner], nodes["right"][inner]
        value[row, : len(nodes)] = nodes["value"]
    outcome = np.array([column for column, _ in grown], dtype=np.int16)
    depth = max(int(nodes["depth"].max()) for _, nodes in grown)
    return Trees(feature, threshold, left, right, value, outcome, baseline.ravel().astype(np.float32), depth)


def cross_probabilities(
    features: Floats, truth: npt.NDArray[Any], group: npt.NDArray[np.str_], rounds: int = ROUNDS
) -> npt.NDArray[np.float64]:
    """Probabilities (rows, classes) of each row by a model that did not see the row's author."""
    classes = np.unique(truth)
    found = np.zeros((len(truth), len(classes)))
    for learn, held in GroupKFold(min(FOLDS, len(set(group.tolist())))).split(features, groups=group):
        seen = np.unique(truth[learn])
        if len(seen) > 1:
            model = combined(features[learn], truth[learn], rounds)
            found[np.ix_(held, np.isin(classes, seen))] = model.probabilities(features[held])
    return found


def sure_from(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The confidence from which the primaries are right as often as is wanted of what is filed unasked."""
    order = np.argsort(-confidence)
    share_right = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share_right >= _RIGHT_WHEN_FILED)
    return round(float(confidence[order][enough[-1]]), 3) if len(enough) else 0.9


def best_threshold(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """The probability that gives the best F1."""
    grid = np.arange(0.2, 0.8, 0.01)
    hits = [((probability >= at) & truth).sum() for at in grid]
    named = [(probability >= at).sum() for at in grid]
    scores = [2 * hit / max(1.0, truth.sum() + count) for hit, count in zip(hits, named, strict=True)]
    # The middle of the plateau around the best value moves least from corpus to corpus.
    good = grid[np.array(scores) >= max(scores) - 0.003]
    return round(float(np.median(good)), 2)
