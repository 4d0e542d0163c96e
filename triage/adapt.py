"""Learning from what the parent corrects: the shipped model, moved a little. Used by `train` alone.

The weights of the first layer become those under which the corrections are likely, each held to what it was by as much
as the corpus determined it: the prior is the model that there is (Chelba and Acero 2004), how firm it is follows the
diagonal of its Fisher information (Kirkpatrick et al. 2017), here how often the corpus used a word. So words that
thousands of mails have weighed hardly move, while those of one club's newsletter do, and no mail of the corpus is
needed. The networks get weights that lead past their units. What the second layer knows of combining is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import minimize

from triage.classify import LABELS, Label, Primary
from triage.facts import Facts
from triage.features import (
    MESSAGE_TARGETS,
    NET_TARGETS,
    SENTENCE_TARGETS,
    First,
    Linear,
    Matrices,
    Net,
    count,
    make_batch,
    net_features,
    quantized,
    restored,
    weighed,
)
from triage.message import Message
from triage.model import Model
from triage.second import Floats

# How many mails one correction counts as; how firmly a weight is held that the corpus says nothing of, and how much
# more firmly for each use. Chosen on authors that the model had not seen: docs/measurements.md.
_COUNTS_AS = 20.0
_LOOSE, _FIRM = 0.003, 0.001


@dataclass(frozen=True, slots=True)
class Corrected:
    """A message, and what the parent says it is."""

    message: Message
    facts: Facts
    labels: frozenset[Label]
    primary: Primary


def adapt(base: Model, corrected: Sequence[Corrected]) -> Model:
    """The base, moved by the parent's corrections. The same give the same model."""
    if not corrected:
        return base
    batch = make_batch([c.message for c in corrected], [c.facts for c in corrected])
    counts = count(batch, base.vectorizers)
    whole = np.array([[_truth(c, name) for name in MESSAGE_TARGETS] for c in corrected], np.int8)
    spoken = np.array([[_truth(c, name) for name in SENTENCE_TARGETS] for c in corrected], np.int8)[batch.owner()]
    likely = base.first.sentence.decide(counts.sentence)
    for start, stop in pairwise(batch.bounds):
        _told_by_one(spoken[start:stop, :-1], likely[start:stop, :-1])
    was = base.first
    of_net = whole[:, [MESSAGE_TARGETS.index(name) for name in NET_TARGETS]]
    first = First(
        _moved(was.sentence, counts.sentence, spoken),
        _moved_net(was.sentence_net, counts.sentence, spoken),
        _moved(was.message, counts.message, whole),
        _moved_net(was.message_net, counts.message, of_net),
    )
    return replace(base, first=first)


def _truth(corrected: Corrected, target: str) -> int:
    """1 or 0; -1 where a correction leaves it open: what a mail asks for, what one that is no school's is about."""
    if target == "school":
        return int(corrected.primary != "not_school")
    if corrected.primary == "not_school":
        return -1
    if target in LABELS:
        return int(target in corrected.labels)
    return int(target == f"primary {corrected.primary}") if target.startswith("primary ") else -1


def _told_by_one(truth: npt.NDArray[np.int8], likely: Floats) -> None:
    """Which of a mail's sentences makes it what it is, a correction does not say: it is taken to be the likeliest.

    The first is the subject. Of the others it is not known (multiple instances, Dietterich et al. 1997).
    """
    for column in np.flatnonzero(truth[0] == 1):
        best = likely[1:, column].argmax() + 1
        truth[:, column] = -1
        truth[best, column] = 1


def _moved(linear: Linear, counts: Matrices, truth: npt.NDArray[np.int8]) -> Linear:
    features = weighed(counts, linear.kept, linear.idf)
    return replace(linear, coef=_changed(linear.coef, features, linear.decide(counts), linear.idf, truth))


def _moved_net(net: Net, counts: Matrices, truth: npt.NDArray[np.int8]) -> Net:
    features = net_features(counts, net.kept, net.idf)
    return replace(net, straight=_changed(net.straight, features, net.decide(counts), net.idf, truth))


def _changed(
    coef: Floats, features: sp.csr_matrix, logits: Floats, idf: Sequence[Floats], truth: npt.NDArray[np.int8]
) -> Floats:
    """Weights (targets, features) after rows of these logits were learned; a truth of -1 is not known."""
    used = np.unique(features.indices)
    if not len(used):
        return coef
    weights = np.concatenate([*idf])[used].astype(np.float64)
    rarest = np.concatenate([np.full_like(part, part.max(initial=0)) for part in idf])[used]
    # Weights as their changes are measured: in steps that cost the same, so that a few iterations find the least.
    ease = (_LOOSE + _FIRM * np.exp(rarest - weights) * weights**2) ** -0.5
    eased = sp.csr_matrix(features.tocsc()[:, used] @ sp.diags(ease))
    changed = coef.copy(order="K")
    for target, known in enumerate(truth.T):
        rows = known >= 0
        sign = np.where(known[rows] == 1, 1.0, -1.0)
        changed[target, used] += ease * _step(eased[rows], logits[rows, target].astype(np.float64), sign)
    return restored(*quantized(changed))


def _step(
    features: sp.csr_matrix, start: npt.NDArray[np.float64], sign: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The change that makes logistic loss and half its own square least; `start` are the logits without it."""

    def loss(change: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (start + features @ change)
        pull = sign * np.exp(-np.logaddexp(0, margin))
        value = _COUNTS_AS * np.logaddexp(0, -margin).sum() + 0.5 * change @ change
        return float(value), change - _COUNTS_AS * (features.T @ pull)

    found = minimize(loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B")
    return cast("npt.NDArray[np.float64]", found.x)
