"""A confusion matrix by its cells, and how much a mean over classes varies by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autograder.checks.statistics import Interval, interval

_DENSE = 1 << 20  # cells that are counted in a table, which is quick; beyond that by sorting

Labels = NDArray[np.integer]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a confusion matrix that aren't empty: true class, predicted class, how many images."""

    true: Counts
    predicted: Counts
    images: Counts
    classes: int

    @classmethod
    def of(cls, predicted: Labels, truth: Labels, classes: int) -> Cells:
        codes = truth.astype(np.int64) * classes + predicted
        if classes**2 <= _DENSE:
            counts = np.bincount(codes, minlength=classes**2)
            codes = np.flatnonzero(counts)
            images = counts[codes]
        else:
            codes, images = np.unique(codes, return_counts=True)
        true, called = np.divmod(codes, classes)
        return cls(true, called, images.astype(np.int64), classes)

    @property
    def total(self) -> int:
        return int(self.images.sum())

    @property
    def correct(self) -> int:
        return int(self.images[self.true == self.predicted].sum())

    @property
    def of_class(self) -> Counts:
        """How many images each class has."""
        return self._summed(self.true, self.images)

    @property
    def called(self) -> Counts:
        """How many images are given each class."""
        return self._summed(self.predicted, self.images)

    @property
    def right(self) -> Counts:
        """How many images of each class are right."""
        return self._summed(self.true, self.images * (self.true == self.predicted))

    def _summed(self, classes: Counts, images: Counts) -> Counts:
        return np.bincount(classes, weights=images, minlength=self.classes).astype(np.int64)


def stretched(value: float, pull: Floats, cells: Cells, confidence: float) -> Interval:
    """The interval of a mean over classes: accuracy's exact one, stretched by their standard errors' ratio.

    ``pull`` is each cell's influence on the metric, so that their weighted variance is the metric's by the
    delta method (for macro F1 this is Takahashi and others', "Confidence interval for micro-averaged F1 and
    macro-averaged F1 scores", 2022). Alone it would know no doubt at all where every answer is right, and
    too little where few are wrong; the exact interval does. It needs no resampling, so a million images cost
    no more than a hundred.
    """
    correct, total = cells.correct, cells.total
    share = correct / total
    own = math.sqrt(float((cells.images * pull**2).sum()) / total)
    accuracy_own = math.sqrt(share * (1 - share))
    ratio = own / accuracy_own if accuracy_own else 1.0
    exact = interval(correct, total, confidence)
    low, high = value - ratio * (share - exact.low), value + ratio * (exact.high - share)
    return Interval(max(0.0, low), min(1.0, high))


def pull_on_recall(cells: Cells) -> Floats:
    """Each cell's influence on balanced accuracy: its derivative by the cell's share of images."""
    of = cells.of_class
    recall = cells.right / np.maximum(of, 1)
    hit = (cells.true == cells.predicted).astype(np.float64)
    pull: Floats = (hit - recall[cells.true]) / of[cells.true]
    return pull * cells.total / np.count_nonzero(of)


def pull_on_f1(cells: Cells) -> Floats:
    """Each cell's influence on macro F1."""
    both = cells.of_class + cells.called
    per_image = 2 * cells.right / np.maximum(both, 1) ** 2
    hit = (cells.true == cells.predicted).astype(np.float64)
    pull: Floats = 2 * hit / both[cells.true] - per_image[cells.true] - per_image[cells.predicted]
    return pull * cells.total / np.count_nonzero(both)
