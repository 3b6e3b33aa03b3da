"""Metrics of predictions, each with a confidence interval. The numbers are scikit-learn's.

Labels go to scikit-learn as the cells of the confusion matrix with their counts as weights. That is the same
metric to the last bits, and a million rows cost milliseconds in place of half a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autograder.checks.predictions.confusion import Cells, pull_on_f1, pull_on_recall, stretched
from autograder.checks.statistics import CONFIDENCE, Interval, interval
from autograder.manifest_challenge import METRICS, TOP_K
from autograder.text import one_line

_FLOOR = 1e-15  # of a probability: a sure answer that is wrong costs 34.5, and not infinitely much

Labels = NDArray[np.integer]
Probabilities = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric over ``n`` images.

    ``told`` has all the figures in full: of a hidden part it is for staff alone, and of the public part
    students get what `rounding.published` makes of it. ``value`` is None where the file doesn't hold what the
    metric needs; ``told`` says then what is missing. The three tuples go by the classes' numbers and are
    empty but for ``per_class``, whose ``value`` is the lowest class's. A class without images has None.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    higher_is_better: bool
    told: str
    per_class: tuple[float | None, ...] = ()
    class_intervals: tuple[Interval | None, ...] = ()
    class_images: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Data:
    predicted: Labels
    probabilities: Probabilities | None
    truth: Labels
    classes: tuple[str, ...]
    cells: Cells
    confidence: float


def known_metrics() -> tuple[str, ...]:
    """The names that a manifest may ask for; top_K stands for top_2, top_5 and so on."""
    return (*METRICS, "top_K")


def higher_is_better(name: str) -> bool:
    """Whether more of it is better; of log loss it is less."""
    return name != "log_loss"


def measure(  # noqa: PLR0913  (what was predicted, in two forms, the truth, and what is asked of them)
    names: Sequence[str],
    predicted: Labels,
    probabilities: Probabilities | None,
    truth: Labels,
    classes: Sequence[str],
    *,
    confidence: float = CONFIDENCE,
) -> tuple[Metric, ...]:
    """Each of the metrics ``names``, of predictions for the images whose classes are ``truth``."""
    _check(predicted, probabilities, truth, len(classes))
    cells = Cells.of(predicted, truth, len(classes))
    data = _Data(predicted, probabilities, truth, tuple(classes), cells, confidence)
    return tuple(_measure(name, data) for name in names)


def _measure(name: str, data: _Data) -> Metric:
    if name in _METRICS:
        return _METRICS[name](data)
    if (found := TOP_K.fullmatch(name)) is None:
        raise ValueError(f"there is no metric {name!r}; there are {', '.join(known_metrics())}")
    return _top(int(found[1]), data)


def _accuracy(data: _Data) -> Metric:
    from sklearn.metrics import accuracy_score  # noqa: PLC0415  (slow to import)

    cells = data.cells
    value = float(accuracy_score(cells.true, cells.predicted, sample_weight=cells.images))
    return _share("accuracy", value, interval(cells.correct, cells.total, data.confidence), data)


def _balanced(data: _Data) -> Metric:
    from sklearn.metrics import recall_score  # noqa: PLC0415  (slow to import)

    cells = data.cells
    # Not balanced_accuracy_score, the same number: it warns of every class that is predicted and never true.
    value = recall_score(
        cells.true,
        cells.predicted,
        sample_weight=cells.images,
        labels=np.unique(cells.true),
        average="macro",
        zero_division=0,
    )
    return _share(
        "balanced_accuracy",
        float(value),
        stretched(value, pull_on_recall(data.cells), data.cells, data.confidence),
        data,
    )


def _macro_f1(data: _Data) -> Metric:
    from sklearn.metrics import f1_score  # noqa: PLC0415  (slow to import)

    cells = data.cells
    value = f1_score(cells.true, cells.predicted, sample_weight=cells.images, average="macro")
    return _share(
        "macro_f1", float(value), stretched(value, pull_on_f1(data.cells), data.cells, data.confidence), data
    )


def _per_class(data: _Data) -> Metric:
    from sklearn.metrics import recall_score  # noqa: PLC0415  (slow to import)

    cells, count = data.cells, len(data.classes)
    of, right = cells.of_class, cells.right
    recalls = recall_score(
        cells.true,
        cells.predicted,
        sample_weight=cells.images,
        labels=np.arange(count),
        average=None,
        zero_division=0,
    )
    shares = tuple(float(share) if n else None for share, n in zip(recalls, of, strict=True))
    spans = tuple(
        interval(int(k), int(n), data.confidence) if n else None for k, n in zip(right, of, strict=True)
    )
    worst = min((i for i in range(count) if of[i]), key=lambda i: float(recalls[i]))
    span = spans[worst]
    assert span is not None
    told = "accuracy by class: " + ", ".join(
        f"{one_line(name)} {100 * share:.1f} % of {n:,} ({spread.describe()})"
        for name, share, n, spread in zip(data.classes, shares, of, spans, strict=True)
        if share is not None and spread is not None
    )
    return Metric(
        "per_class",
        shares[worst],
        span.low,
        span.high,
        cells.total,
        True,
        told,
        shares,
        spans,
        tuple(map(int, of)),
    )


def _top(k: int, data: _Data) -> Metric:
    name, count = f"top_{k}", len(data.classes)
    if data.probabilities is None:
        return _needs_probabilities(name, data)
    if k >= count:
        raise ValueError(f"{name} is always right with {count} classes")
    from sklearn.metrics import top_k_accuracy_score  # noqa: PLC0415  (slow to import)

    scores = data.probabilities
    if count == 2:  # it wants one number then, and takes half of 1 for the border
        scores = scores[:, 1] / np.maximum(scores.sum(axis=1), _FLOOR)
    right = round(
        float(top_k_accuracy_score(data.truth, scores, k=k, labels=np.arange(count), normalize=False))
    )
    n = len(data.truth)
    return _share(name, right / n, interval(right, n, data.confidence), data)


def _log_loss(data: _Data) -> Metric:
    if data.probabilities is None:
        return _needs_probabilities("log_loss", data)
    from scipy.stats import norm  # noqa: PLC0415  (slow to import)
    from sklearn.metrics import log_loss  # noqa: PLC0415  (likewise)

    n = len(data.truth)
    # What was rounded for the file doesn't add up to 1, and scikit-learn warns of that.
    given = np.maximum(data.probabilities.astype(np.float64), _FLOOR)
    given /= given.sum(axis=1, keepdims=True)
    value = float(log_loss(data.truth, given, labels=np.arange(len(data.classes))))
    losses = -np.log(given[np.arange(n), data.truth])
    reach = float(norm.ppf((1 + data.confidence) / 2)) * float(losses.std()) / math.sqrt(n)
    low, high = max(0.0, value - reach), value + reach
    told = f"log loss {value:.4f} ({n:,} images; {_sure(data)} {low:.4f} to {high:.4f}; less is better)"
    return Metric("log_loss", value, low, high, n, False, told)


_METRICS: dict[str, Callable[[_Data], Metric]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "macro_f1": _macro_f1,
    "per_class": _per_class,
    "log_loss": _log_loss,
}


def spoken(name: str) -> str:
    """A metric's name as a sentence has it: "macro F1", "top-5 accuracy"."""
    if (found := TOP_K.fullmatch(name)) is not None:
        return f"top-{found[1]} accuracy"
    return name.replace("_", " ").replace("f1", "F1")


def _share(name: str, value: float, span: Interval, data: _Data) -> Metric:
    n = len(data.truth)
    told = f"{spoken(name)} {100 * value:.2f} % ({n:,} images; {_sure(data)} {span.describe()})"
    return Metric(name, value, span.low, span.high, n, True, told)


def _sure(data: _Data) -> str:
    return f"{100 * data.confidence:g} % interval"


def _needs_probabilities(name: str, data: _Data) -> Metric:
    told = f"{spoken(name)} needs a probability for each class, and the file has one label for each image"
    return Metric(name, None, None, None, len(data.truth), higher_is_better(name), told)


def _check(predicted: Labels, probabilities: Probabilities | None, truth: Labels, classes: int) -> None:
    """Raises ValueError for what no reader of ours lets through, so that it is our fault and no score."""
    if truth.ndim != 1 or predicted.shape != truth.shape or not len(truth):
        raise ValueError(f"predictions of shape {predicted.shape} for labels of shape {truth.shape}")
    if probabilities is not None and probabilities.shape != (len(truth), classes):
        raise ValueError(f"probabilities of shape {probabilities.shape}, not {(len(truth), classes)}")
    for labels in (predicted, truth):
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= classes:
            raise ValueError(f"labels that are no numbers from 0 to {classes - 1}")
