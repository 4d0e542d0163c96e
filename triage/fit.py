"""Learning: from labelled messages to a model. Used by `train` alone; scoring does not need it."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning  # noqa: TID251 - part of the model
from sklearn.feature_extraction.text import HashingVectorizer  # noqa: TID251 - part of the model
from sklearn.linear_model import LogisticRegression  # noqa: TID251 - part of the model
from sklearn.model_selection import GroupKFold  # noqa: TID251 - part of the model
from sklearn.neural_network import MLPClassifier  # noqa: TID251 - part of the model
from sklearn.preprocessing import StandardScaler  # noqa: TID251 - part of the model
from sklearn.utils.parallel import Parallel, delayed  # noqa: TID251 - part of the model

from triage.classify import ASKS, LABELS, PRIMARIES, Ask, Label, Primary, Thresholds
from triage.date_view import DATE_CLASSES, DATE_TARGETS, date_clues, date_view
from triage.dates import What
from triage.errors import ModelError
from triage.facts import Facts, Flag
from triage.features import (
    MESSAGE_TARGETS,
    NET_TARGETS,
    OF_ALL_MAIL,
    SCHOOL_PRIMARIES,
    SENTENCE_TARGETS,
    SPOKEN,
    STACK_TARGETS,
    UNIT_STEPS,
    Batch,
    Counts,
    First,
    Linear,
    Matrices,
    Net,
    count,
    count_sentences,
    frequent,
    idf_of,
    make_batch,
    make_vectorizers,
    net_counts,
    net_features,
    quantized,
    restored,
    weighed,
)
from triage.fit_second import FOLDS, ROUNDS, best_threshold, combined, cross_probabilities, sure_from
from triage.message import Message
from triage.model import Model
from triage.second import Floats, Scale, Second

# Fits of the first layer at a time: six are to be made, and the corpus stands in the memory of each.
_AT_A_TIME = 2
# How much a span of evidence, which is learned from a second time, weighs beside a sentence.
_SPAN_WEIGHT = 0.5
_FIRST_C = 10.0
# Of the words around dates there are more for each example, and so they are held more firmly.
_DATE_C = 3.0
# The networks' units, how often each sees all there is, and in what portions.
_MESSAGE_NET, _SENTENCE_NET = (32, 6, 200), (16, 6, 400)
# A word says something of mail to come when so many mails, or sentences, use it; where there are few of them, two.
_LEAST, _DATE_LEAST = 8, 6
_FEW = 1000
# How many mails, or sentences, must use a word for a network to learn with it, and for its file to hold it. The words
# of two mails take up what is particular to those, so that the common ones need not; they need not be held for that.
_MESSAGE_USES, _SENTENCE_USES = (2, 3), (6, 6)
# The share of school mail that is to be seen; the threshold is as high as that allows.
_SCHOOL_SEEN = 0.96
# What tells school mail from other mail depends on more of what is seen together than anything else does.
_SCHOOL_ROUNDS = 120
# The share of mails about a plan or about danger that is to be seen; 0.98 is the goal on mail by other authors.
_NOT_TO_MISS = 0.985
# The share of honest mail that may be taken for forged on its words alone.
_HONEST_ACCUSED = 0.005


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled message to learn from. `evidence` are (label or flag, words of the message) pairs,
    `due` its dates to keep (ISO, local) and what they are for, None where that is not known.

    `group` keeps an author's mails together when folds are made.
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

    @property
    def school(self) -> bool:
        """Whether the message is school mail."""
        return self.primary != "not_school"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence by itself, without a mail around it, and what it speaks of."""

    text: str
    speaks_of: frozenset[Label | Flag]
    school: bool


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What the sentence layer learns from: the sentences of all messages, spans of evidence, sentences by themselves.

    `truth` (rows, targets) is 1 where a sentence speaks of a target, 0 where it does not, -1 where that is not known;
    `owner` is the number of the sentence's message, -1 where it has none.
    """

    counts: Matrices
    truth: npt.NDArray[np.int8]
    owner: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Targets:
    """Labels of messages as arrays."""

    message: npt.NDArray[np.bool_]
    primary: npt.NDArray[np.int64]
    school: npt.NDArray[np.bool_]
    group: npt.NDArray[np.str_]


def fit(examples: Sequence[Example], said: Sequence[Said] = ()) -> Model:
    """Learn from labelled messages of at least two groups, and from single sentences. The same give the same model.

    Raises `ModelError` where there is too little to learn from.
    """
    if len({example.group for example in examples}) < 2 or not {e.primary for e in examples} >= set(PRIMARIES):
        raise ModelError("too little to learn from: the corpus needs several authors and mail of every kind")
    batch = make_batch([e.message for e in examples], [e.facts for e in examples])
    vectorizers = make_vectorizers()
    counts = count(batch, vectorizers)
    targets = _targets(examples)
    spoken = _spoken(examples, said, batch, counts, vectorizers)
    if missing := [name for name, truth in zip(MESSAGE_TARGETS, targets.message.T, strict=True) if not truth.any()]:
        raise ModelError(f"too little to learn from: the corpus holds no mail of this kind: {', '.join(missing)}")
    first, unseen = _fit_and_look(batch, counts, spoken, targets)
    standard = StandardScaler().fit(unseen)
    scale = Scale(standard.mean_.astype(np.float32), standard.scale_.astype(np.float32))
    view = scale.apply(unseen)
    second, thresholds = _fit_second(view, targets)
    dates, keep, from_probability = _fit_dates(examples, vectorizers[2], view)
    return Model(vectorizers, first, scale, second, dates, keep, replace(thresholds, dates=from_probability))


def _spoken(
    examples: Sequence[Example],
    said: Sequence[Said],
    batch: Batch,
    counts: Counts,
    vectorizers: Sequence[HashingVectorizer],
) -> _Spoken:
    owner = batch.owner()
    spans = [(index, label, text) for index, e in enumerate(examples) for label, text in e.evidence if label in SPOKEN]
    of_spans = np.array([[1 if name == label else -1 for name in SENTENCE_TARGETS] for _, label, _ in spans], np.int8)
    of_said = np.array(
        [[name in s.speaks_of if s.school else -1 for name in SPOKEN] + [s.school] for s in said], np.int8
    )
    alone = count_sentences([*(text for _, _, text in spans), *(s.text for s in said)], vectorizers)
    width = len(SENTENCE_TARGETS)
    return _Spoken(
        [sp.csr_matrix(sp.vstack(pair)) for pair in zip(counts.sentence, alone, strict=True)],
        np.vstack([_of_sentences(examples, batch), of_spans.reshape(-1, width), of_said.reshape(-1, width)]),
        np.concatenate([owner, np.array([index for index, _, _ in spans], np.int64), np.full(len(said), -1)]),
        np.concatenate([np.ones(len(owner)), np.full(len(spans), _SPAN_WEIGHT), np.ones(len(said))]),
    )


def _of_sentences(examples: Sequence[Example], batch: Batch) -> npt.NDArray[np.int8]:
    """The truth of every message's sentences: of a label that the message has, only its evidence is known."""
    truth = np.full((len(batch.sentences), len(SENTENCE_TARGETS)), -1, dtype=np.int8)
    for row, (index, sentence) in enumerate(zip(batch.owner(), batch.sentences, strict=True)):
        example, words = examples[index], _plain_words(sentence)
        truth[row, -1] = example.school
        for column, name in enumerate(SPOKEN if example.school else ()):
            if name not in example.labels and name not in example.asks:
                truth[row, column] = 0
            elif any(_overlap(words, _plain_words(text)) for label, text in example.evidence if label == name):
                truth[row, column] = 1
    return truth


def _targets(examples: Sequence[Example]) -> _Targets:
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
        message,
        np.array([PRIMARIES.index(e.primary) for e in examples]),
        np.array([e.school for e in examples]),
        np.array([e.group for e in examples]),
    )


def _plain_words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _overlap(sentence: str, span: str) -> bool:
    return bool(span) and (span in sentence or (len(sentence) > 8 and sentence in span))


def _fit_first(spoken: _Spoken, counts: Counts, targets: _Targets, learn: npt.NDArray[np.bool_]) -> First:
    alone = spoken.owner < 0
    rows = alone | learn[spoken.owner]
    school = targets.school
    sentence_sets = [(rows & (truth != -1), truth == 1) for truth in spoken.truth.T]
    words_alone = [matrix[alone] for matrix in spoken.counts]
    whole = [sp.vstack([m[learn], a]) for m, a in zip(counts.message, words_alone, strict=False)]
    kept = frequent([*map(sp.csr_matrix, whole), counts.message[-1][learn]], _least(learn, _LEAST))
    sentence = _fit_linear(spoken.counts, rows, kept[:2], (sentence_sets, spoken.weight))
    message_sets = [
        (learn if name in OF_ALL_MAIL else learn & school, targets.message[:, column])
        for column, name in enumerate(MESSAGE_TARGETS)
    ]
    # What a sentence may speak of and nobody marked the linear model guesses: the network cannot leave a target out.
    guessed = np.where(spoken.truth == -1, sentence.decide(spoken.counts) > 0, spoken.truth == 1)
    of_net = targets.message[:, [MESSAGE_TARGETS.index(name) for name in NET_TARGETS]]
    return First(
        sentence,
        fit_net(spoken.counts, guessed, rows, _SENTENCE_NET, _SENTENCE_USES),
        _fit_linear(counts.message, learn, kept, (message_sets, np.ones(len(learn)))),
        fit_net(counts.message, of_net, learn, _MESSAGE_NET, _MESSAGE_USES),
    )


def _least(rows: npt.NDArray[np.bool_], least: int) -> int:
    return least if rows.sum() > _FEW else 2


_Sets = Sequence[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]


def _fit_linear(
    counts: Matrices,
    rows: npt.NDArray[np.bool_],
    kept: Sequence[npt.NDArray[np.int32]],
    task: tuple[_Sets, npt.NDArray[np.float64]],
    c: float = _FIRST_C,
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
            model = LogisticRegression(C=c, class_weight="balanced", max_iter=200)
            model.fit(features[learn], truth[learn], weight[learn])
            coef[row], intercept[row] = model.coef_[0], model.intercept_[0]
    # Rounded as the file holds it, so that a model gives the same scores before and after it was saved.
    return Linear(kept, [_rounded(weights) for weights in idf], restored(*quantized(coef)), intercept)


def _rounded(weights: Floats) -> Floats:
    """To a sixteenth, which the file holds exactly and in little room."""
    return (np.round(weights * 16) / 16).astype(np.float32)


def fit_net(
    counts: Matrices,
    truth: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.bool_],
    size: tuple[int, int, int],
    uses: tuple[int, int],
) -> Net:
    """What words mean together, where a sum of weights sees each by itself; it stops before it knows all by heart."""
    units_number, epochs, batch = size
    to_learn, to_keep = (_least(rows, least) for least in uses)
    read = [matrix[rows] for matrix in net_counts(counts)]
    learned = frequent(read, to_learn)
    idf = [_rounded(weights) for weights in idf_of(read, learned)]
    net = MLPClassifier(
        (units_number,),
        alpha=1e-4,
        batch_size=min(batch, int(rows.sum())),
        learning_rate_init=2e-3,
        max_iter=epochs,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(net_features(counts, learned, idf)[rows], truth[rows].astype(np.int8))
    kept = frequent(read, to_keep)
    stays = [np.isin(columns, few, assume_unique=True) for columns, few in zip(learned, kept, strict=True)]
    units, out = (part.T.astype(np.float32) for part in net.coefs_)
    units = restored(*quantized(units[:, np.concatenate(stays)], UNIT_STEPS))
    bias, intercept = (part.astype(np.float32) for part in net.intercepts_)
    straight = np.zeros((truth.shape[1], units.shape[1]), dtype=np.float32)
    of_kept = [weights[there] for weights, there in zip(idf, stays, strict=True)]
    return Net(kept, of_kept, units, bias, out, restored(*quantized(straight)), intercept)


def _fit_and_look(batch: Batch, counts: Counts, spoken: _Spoken, targets: _Targets) -> tuple[First, Floats]:
    """The first layer, and its view of each message, learned without the message's own author."""
    everything = np.arange(len(targets.school))
    number = min(FOLDS, len(set(targets.group.tolist())))
    folds = GroupKFold(number).split(targets.message, groups=targets.group)
    learn = [np.isin(everything, rows) for rows in (everything, *(learned for learned, _ in folds))]
    first, *others = Parallel(_AT_A_TIME)(delayed(_fit_first)(spoken, counts, targets, rows) for rows in learn)
    views = [other.features(batch, counts)[0] for other in others]
    unseen = sum(view * ~rows[:, None] for view, rows in zip(views, learn[1:], strict=True))
    return first, unseen


def _fit_second(scaled: Floats, targets: _Targets) -> tuple[dict[str, Second], Thresholds]:
    school = targets.school
    columns = {name: targets.message[:, MESSAGE_TARGETS.index(name)] for name in STACK_TARGETS}
    second: dict[str, Second] = {}
    best: dict[str, float] = {}
    likely_school = np.ones(len(school))
    for name, truth in columns.items():
        learn = np.ones_like(school) if name in OF_ALL_MAIL else school
        rounds = _SCHOOL_ROUNDS if name == "school" else ROUNDS
        second[name] = combined(scaled[learn], truth[learn], rounds)
        unseen = cross_probabilities(scaled[learn], truth[learn], targets.group[learn], rounds)[:, 1]
        if name == "school":
            likely_school = unseen
        if name == "school":
            # What is missed stays in the inbox, where the parent looks; what is taken by mistake is moved away.
            seen_from = float(np.quantile(unseen[truth[learn]], 1 - _SCHOOL_SEEN))
            best[name] = max(seen_from, best_threshold(unseen, truth[learn]))
        elif name == "forged":
            best[name] = float(np.quantile(unseen[~truth[learn]], 1 - _HONEST_ACCUSED))
        elif name in ("plan", "safety"):
            # Missing one is worse than a false alarm.
            best[name] = float(np.quantile(unseen[truth[learn]], 1 - _NOT_TO_MISS))
        else:
            best[name] = best_threshold(unseen, truth[learn])
    second["primary"] = combined(scaled[school], targets.primary[school])
    primary = cross_probabilities(scaled[school], targets.primary[school], targets.group[school])
    right = np.unique(targets.primary[school])[primary.argmax(axis=1)] == targets.primary[school]
    thresholds = Thresholds(
        school=best["school"],
        forged=best["forged"],
        labels={label: best[label] for label in LABELS},
        sure=sure_from(primary.max(axis=1) * likely_school[school], right),
        asks={ask: best[ask] for ask in ASKS},
    )
    return second, thresholds


# --- Dates -----------------------------------------------------------------------------------------------


def _fit_dates(
    examples: Sequence[Example], vectorizer: HashingVectorizer, view: Floats
) -> tuple[Linear, Second, float]:
    """Which dates of school mail are to be kept, and what for; and the probability from which one is kept.

    `view` is what the second layer sees of each example.
    """
    numbers = [index for index, e in enumerate(examples) if e.school and e.due is not None]
    told = [examples[index] for index in numbers]
    facts = [e.facts for e in told]
    counts = [sp.csr_matrix(vectorizer.transform(date_clues(facts)))]
    truth = np.array([what for example in told for what in _date_truth(example)])
    if missing := set(DATE_CLASSES) - set(truth.tolist()):
        raise ModelError(f"too little to learn from: the corpus holds no date for: {', '.join(sorted(missing))}")
    group = np.array([example.group for example in told for _ in example.facts.due])
    weight = np.ones(len(truth))
    everything = np.ones(len(truth), dtype=bool)

    def learned(rows: npt.NDArray[np.bool_]) -> Linear:
        sets = [(rows, truth != ""), *((rows & (truth != ""), truth == what) for what in DATE_TARGETS[1:])]
        return _fit_linear(counts, rows, frequent([counts[0][rows]], _DATE_LEAST), (sets, weight), _DATE_C)

    logits = np.zeros((len(truth), len(DATE_TARGETS)), dtype=np.float32)
    for learn, held in GroupKFold(min(FOLDS, len(set(group.tolist())))).split(truth, groups=group):
        rows = np.zeros(len(truth), dtype=bool)
        rows[learn] = True
        logits[held] = learned(rows).decide([counts[0][held]])
    seen = date_view([e.message for e in told], facts, logits, view[numbers])
    classes = np.array([DATE_CLASSES.index(what) for what in truth])
    kept = 1 - cross_probabilities(seen, classes, group)[:, 0]
    return learned(everything), combined(seen, classes), best_threshold(kept, truth != "")


def _date_truth(example: Example) -> list[str]:
    """For each date of a message what it is to be kept for, "" where it is not; a coarser reading counts if alone."""
    due = example.due or {}
    found = [_moment(date.at) for date in example.facts.due]
    exact = {at[:10] for at in found if at in due}
    by_day = {at[:10]: what for at, what in due.items() if at[:10] not in exact}
    return [due.get(at) or by_day.get(at[:10]) or "" for at in found]


def _moment(at: date | datetime) -> str:
    return at.isoformat()[:16]
