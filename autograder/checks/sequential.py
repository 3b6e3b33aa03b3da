"""A threshold decided on as few images as it takes, where evaluating all of them is too dear.

The images are drawn in a random order and none twice. After each, or after some, the test says "met", "not
met", or nothing yet. However often it is asked, a wrong answer comes with a chance of at most ``error``. Once
all images were seen it decides by their count; if the budget ends before that, undecided is what it is.

The evidence against "K of the N images are right" is how much better a guess that knew nothing beforehand
foretold what was seen than this K did: the prior-posterior-ratio martingale of I. Waudby-Smith and A. Ramdas,
"Confidence sequences for sampling without replacement" (NeurIPS 2020), section 2. Under the true K it is a
martingale that begins at 1, so by Ville's inequality it ever reaches 1 / error with a chance of at most
``error``. As a threshold is wrongly called met only if each K below it has been refuted, the true one among
them, that bounds the errors of the test, each of its two kinds for itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from autograder.checks.statistics import Interval, Standing, Threshold, asked, exact, needed, percent

# How many images' worth the guess beforehand leans towards the threshold. It costs no certainty, only images:
# simulated at 65 % of 50,000 (benchmarks/sequential.py), 40 need a fifth fewer than an even guess (2) for
# true shares five points off, and as many for those far off.
_LEANING = 40


@dataclass(frozen=True, slots=True)
class Decision:
    """How it ended, and after how many images; ``told`` says both. Undecided is `Standing.TOO_CLOSE`."""

    standing: Standing
    correct: int
    seen: int
    interval: Interval
    told: str


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """Whether at least the share ``threshold`` of ``population`` images is right.

    ``error`` is the chance of a wrong "met", and that of a wrong "not met", whichever the truth makes wrong.
    """

    population: int
    threshold: Threshold
    error: float = 0.01
    needed: int = field(init=False)
    _prior: tuple[float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.population < 1 or not 0 < self.error < 1:
            raise ValueError(
                f"no test of {self.population!r} images with a chance of error of {self.error!r}"
            )
        share = float(exact(self.threshold))
        prior = max(1.0, _LEANING * share), max(1.0, _LEANING * (1 - share))
        object.__setattr__(self, "needed", needed(self.threshold, self.population))
        object.__setattr__(self, "_prior", prior)

    def look(self, correct: int, seen: int) -> Decision | None:
        """The decision after ``seen`` images, ``correct`` of them right; None where it needs more."""
        standing = self._standing(correct, seen)
        return None if standing is Standing.TOO_CLOSE else self._decision(standing, correct, seen)

    def finish(self, correct: int, seen: int) -> Decision:
        """The decision where no more images can be afforded: it may be that there is none."""
        return self._decision(self._standing(correct, seen), correct, seen)

    def _standing(self, correct: int, seen: int) -> Standing:
        if not 0 <= correct <= seen <= self.population:
            raise ValueError(f"there is no such count: {correct!r} of {seen!r}, of {self.population!r}")
        left = self.population - seen
        if correct >= self.needed:
            return Standing.MET
        if correct + left < self.needed:
            return Standing.NOT_MET
        likeliest = self._likeliest(correct, seen)
        # The likelihood has one top, so all K below the threshold are refuted if the nearest of them is.
        if likeliest >= self.needed and self._refuted(self.needed - 1, correct, seen):
            return Standing.MET
        if likeliest < self.needed and self._refuted(self.needed, correct, seen):
            return Standing.NOT_MET
        return Standing.TOO_CLOSE

    def _likeliest(self, correct: int, seen: int) -> int:
        """The number of right images in the population under which this count is likeliest."""
        return min(self.population, (self.population + 1) * correct // seen) if seen else self.needed

    def _refuted(self, right: int, correct: int, seen: int, error: float | None = None) -> bool:
        return self._evidence(right, correct, seen) >= -math.log(error or self.error)

    def _evidence(self, right: int, correct: int, seen: int) -> float:
        """The logarithm of the martingale against ``right`` right images in the population."""
        wrong, left = seen - correct, self.population - seen
        if not 0 <= right - correct <= left:
            return math.inf  # what was seen rules it out
        first, second = self._prior
        foretold = _log_beta(first + correct, second + wrong) - _log_beta(first, second)
        return foretold - (_log_choose(left, right - correct) - _log_choose(self.population, right))

    def interval(self, correct: int, seen: int) -> Interval:
        """The shares that aren't refuted, each side by ``error``; it holds however often it is asked for."""
        top = min(max(self._likeliest(correct, seen), correct), correct + self.population - seen)
        low = _first(correct, top, lambda right: not self._refuted(right, correct, seen))
        high = _first(top, correct + self.population - seen + 1, lambda k: self._refuted(k, correct, seen))
        return Interval(low / self.population, (high - 1) / self.population)

    def _decision(self, standing: Standing, correct: int, seen: int) -> Decision:
        found = self.interval(correct, seen)
        of = "all" if seen == self.population else f"{seen:,} of"
        told = f"{correct:,} of {seen:,} images right" if seen else "No image was evaluated"
        if seen:
            told += f" ({percent(Fraction(correct, seen))})"
        told += f", where {asked(self.threshold)} of {self.population:,} are asked for: "
        if standing is Standing.TOO_CLOSE:
            told += (
                f"undecided. With {of} {self.population:,} images seen, the accuracy lies between "
                f"{found.describe().replace(' to ', ' and ')}."
            )
        else:
            told += f"{standing.value}, decided on {of} {self.population:,} images"
            told += "." if seen == self.population else f", wrong at most {100 * self.error:g} times in 100."
        return Decision(standing, correct, seen, found, told)


def drawn_order(population: int, seed: int) -> np.ndarray:
    """The order in which images are to be looked at: the test holds for a random one alone."""
    return np.random.default_rng(seed).permutation(population)


def _first(low: int, high: int, true: Callable[[int], bool]) -> int:
    """The first number from ``low`` on for which it is true, and stays true; ``high`` where there is none."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle + 1, high)
    return low


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
