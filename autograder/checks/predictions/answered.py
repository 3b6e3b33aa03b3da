"""A whole file of predictions beside the answers of the public part, and what is found in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from autograder.text import quote

Labels = NDArray[np.integer]
Rows = NDArray[np.int64]

FEWEST = 100  # public images that say enough of an order
_AT_CHANCE = 0.01  # how likely so many right answers must be for a file whose labels tell nothing
_SHUFFLES, _ALONE = 200, 0.01  # how often the truth is shuffled; how many must go as well with the labels
_FEWEST_TO_SAY_NOTHING = 500  # and of labels that have nothing to do with the images
_ALMOST_ONE_CLASS = 0.9  # right by guessing: then right and wrong answers look the same


class Pattern(Enum):
    """What was seen."""

    CONSTANT = "constant"
    SORTED = "sorted"
    PERIODIC = "periodic"
    BLOCKS = "blocks"
    SHIFTED = "shifted"
    REVERSED = "reversed"
    TEXT_ORDER = "text order"
    SHUFFLED = "shuffled"
    RENUMBERED = "renumbered"
    CLASS_MISSING = "class missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """A pattern, and what the student reads about it."""

    pattern: Pattern
    told: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The whole file's labels by the ids' order, and the answers to the images ``public`` of it."""

    predicted: Labels
    public: Rows
    truth: Labels
    classes: tuple[str, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.equal(self.predicted[self.public], self.truth)

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def called(self) -> NDArray[np.float64]:
        """How much of the file each class is."""
        return np.bincount(self.predicted, minlength=len(self.classes)) / len(self.predicted)

    @property
    def true(self) -> NDArray[np.float64]:
        return np.bincount(self.truth, minlength=len(self.classes)) / len(self.truth)

    @property
    def guessed(self) -> float:
        """The share that would be right if these labels had nothing to do with the images."""
        return float(self.called @ self.true)

    @property
    def at_chance(self) -> bool:
        return at_least(int(self.right.sum()), len(self.truth), self.guessed) > _AT_CHANCE

    @property
    def tells_nothing(self) -> bool:
        """Whether the labels have nothing to do with the images, whatever the classes are numbered.

        A network before its training isn't right more often than by chance, and yet calls like images alike.
        So what says more than accuracy is whether the truth, shuffled, goes with the labels as well.
        """
        could_tell = len(self.truth) >= _FEWEST_TO_SAY_NOTHING and self.guessed < _ALMOST_ONE_CLASS
        return could_tell and self.at_chance and _independent(self.predicted[self.public], self.truth)

    def shown(self, number: int) -> str:
        """A class, for a message."""
        return f"{quote(self.classes[number])} ({number})"


def _independent(predicted: Labels, truth: Labels) -> bool:
    """A permutation test of the chi-square statistic; few images to a cell do it no harm."""
    rng = np.random.default_rng(0)
    count = 1 + int(max(predicted.max(), truth.max()))
    codes = predicted.astype(np.int64) * count
    expected = np.bincount(predicted)[:, None] * np.bincount(truth)[None, :]

    def association(answers: Labels) -> float:
        cells, images = np.unique(codes + answers, return_counts=True)
        return float((images**2 / expected[cells // count, cells % count]).sum())

    seen = association(truth)
    return sum(association(rng.permutation(truth)) >= seen for _ in range(_SHUFFLES)) >= _SHUFFLES * _ALONE


def at_least(successes: int, of: int, share: float) -> float:
    """The chance of so many or more."""
    from scipy.stats import binom  # noqa: PLC0415  (slow to import)

    return float(binom.sf(successes - 1, of, share))
