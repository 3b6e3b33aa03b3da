"""How sure an accuracy is, and whether it reaches a threshold: met, not met, or too close to call.

Everything at a threshold is done in whole images and exact fractions. 99.4 % of 10,000 is 9,940 images, and a
product of floats may land on either side of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import numpy as np

CONFIDENCE = 0.95  # of an interval, two-sided: each side is wrong once in 40 times
Threshold = float | str | Fraction


class Standing(Enum):
    """How a result stands to its threshold."""

    MET = "met"
    NOT_MET = "not met"
    TOO_CLOSE = "too close to call"


@dataclass(frozen=True, slots=True)
class Interval:
    """Shares between which the true one lies, with the confidence that was asked for."""

    low: float
    high: float

    def describe(self) -> str:
        """Such as "99.21 to 99.58 %"."""
        return f"{100 * self.low:.2f} to {100 * self.high:.2f} %"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A count of right answers, held against a threshold; ``told`` is for the student.

    ``needed`` of ``total`` images would have to be right. ``whole``: all images were counted on which the
    threshold is defined, so that the count is the accuracy itself and no estimate of it.
    """

    standing: Standing
    correct: int
    total: int
    needed: int
    threshold: Fraction
    interval: Interval
    whole: bool
    told: str

    @property
    def share(self) -> float:
        return self.correct / self.total

    @property
    def short(self) -> int:
        """How many more images would have to be right; 0 where none."""
        return max(0, self.needed - self.correct)


def exact(threshold: Threshold) -> Fraction:
    """The number as it is written: 0.994 is 994 thousandths, not the float nearest to them.

    Raises ValueError for what is no share from 0 to 1.
    """
    share = Fraction(repr(float(threshold))) if isinstance(threshold, float) else Fraction(threshold)
    if not 0 <= share <= 1:
        raise ValueError(f"a threshold is a share from 0 to 1, and this is {threshold!r}")
    return share


def needed(threshold: Threshold, total: int) -> int:
    """The least number of right answers, of ``total``, that reaches the threshold."""
    return math.ceil(exact(threshold) * total)


def percent(share: Fraction, decimals: int = 2) -> str:
    """Such as "99.43 %". Rounded down, so that what misses a threshold isn't told as the threshold itself."""
    scaled = share * 100 * 10**decimals
    return f"{math.floor(scaled) / 10**decimals:.{decimals}f} %"


def asked(threshold: Threshold) -> str:
    """A threshold as its manifest says it: "99.4 %"."""
    return f"{float(exact(threshold) * 100):.10g} %"


def interval(
    correct: int, total: int, confidence: float = CONFIDENCE, *, population: int | None = None
) -> Interval:
    """Where the share of right answers lies, of which ``correct`` of ``total`` images are a sample.

    ``population``: how many images the sample was drawn from without putting any back; None for a sample
    of endlessly many. Both are exact: Clopper and Pearson's ("The use of confidence or fiducial limits
    illustrated in the case of the binomial", 1934), with the hypergeometric distribution in the binomial's
    place where the population is finite. So they hold at 10,000 of 10,000 too, and are never too narrow.
    """
    _check(correct, total, population)
    tail = (1 - confidence) / 2
    if population is not None:
        fewest, most = _counts_within(correct, total, population, tail)
        return Interval(fewest / population, most / population)
    from scipy.stats import beta  # noqa: PLC0415  (slow to import, and few gradings need it)

    low = float(beta.ppf(tail, correct, total - correct + 1)) if correct else 0.0
    high = float(beta.ppf(1 - tail, correct + 1, total - correct)) if correct < total else 1.0
    return Interval(low, high)


def _counts_within(correct: int, total: int, population: int, tail: float) -> tuple[int, int]:
    """The least and the most right answers in the population that could well have given this sample."""
    from scipy.stats import hypergeom  # noqa: PLC0415  (likewise)

    least, most = correct, population - (total - correct)  # what was seen is certain

    def too_few(right: int) -> bool:
        return float(hypergeom.sf(correct - 1, population, right, total)) <= tail

    def too_many(right: int) -> bool:
        return float(hypergeom.cdf(correct, population, right, total)) <= tail

    low, high = least, most
    while low < high:  # the first that isn't too few
        middle = (low + high) // 2
        low, high = (middle + 1, high) if too_few(middle) else (low, middle)
    first = low
    low, high = first, most
    while low < high:  # the last that isn't too many
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if too_many(middle) else (middle, high)
    return first, low


def judge(  # noqa: PLR0913  (the count, the threshold, and what the count is of: each is its own question)
    correct: int,
    total: int,
    threshold: Threshold,
    *,
    whole: bool = False,
    population: int | None = None,
    confidence: float = CONFIDENCE,
) -> Judgement:
    """Whether ``correct`` of ``total`` reaches the threshold.

    ``whole``: these are all the images that the threshold is defined on, so the count decides and nothing
    is too close to call. Else they are a sample, of ``population`` images or of endlessly many, and where
    the interval has the threshold within it, it is too close.
    """
    whole = whole or population == total
    of = total if whole else population
    found = interval(correct, total, confidence, population=of)
    share = exact(threshold)
    least = needed(share, total)
    if whole:
        standing = Standing.MET if correct >= least else Standing.NOT_MET
    elif _reaches(found.low, share, of):
        standing = Standing.MET
    elif not _reaches(found.high, share, of):
        standing = Standing.NOT_MET
    else:
        standing = Standing.TOO_CLOSE
    told = f"{correct:,} of {total:,} images right: {percent(Fraction(correct, total))}, "
    told += f"and {asked(share)} are asked for"
    if whole:
        short = least - correct
        told += "." if short <= 0 else f": {short:,} more would have to be right."
    else:
        told += f". They are a sample: the accuracy lies between {found.describe().replace(' to ', ' and ')}"
        told += f", so this is {standing.value}." if standing is Standing.TOO_CLOSE else "."
    return Judgement(standing, correct, total, least, share, found, whole, told)


def _reaches(end: float, threshold: Fraction, population: int | None) -> bool:
    """Whether an interval's end reaches the threshold; of a finite population it is a count."""
    if population is None:
        return end >= threshold
    return round(end * population) >= math.ceil(threshold * population)


@dataclass(frozen=True, slots=True)
class SameShare:
    """Chances of a difference at least as large, were the two shares the same (Fisher's exact test)."""

    first_higher: float  # the first at least so much above the second
    second_higher: float
    either: float  # two-sided


def same_share(first_correct: int, first_total: int, second_correct: int, second_total: int) -> SameShare:
    """Fisher's exact test of two counts (R. A. Fisher, "Statistical methods for research workers")."""
    from scipy.stats import fisher_exact, hypergeom  # noqa: PLC0415  (slow to import)

    _check(first_correct, first_total, None)
    _check(second_correct, second_total, None)
    both, right = first_total + second_total, first_correct + second_correct
    higher = float(hypergeom.sf(first_correct - 1, both, right, first_total))
    lower = float(hypergeom.cdf(first_correct, both, right, first_total))
    table = [
        [first_correct, first_total - first_correct],
        [second_correct, second_total - second_correct],
    ]
    return SameShare(min(higher, 1.0), min(lower, 1.0), float(fisher_exact(table).pvalue))


def judge_seeds(
    corrects: list[int] | tuple[int, ...],
    total: int,
    threshold: Threshold,
    *,
    spread: float,
    confidence: float = CONFIDENCE,
) -> Judgement:
    """Whether trainings that differ in their seed alone reach the threshold on average.

    Each is counted on all ``total`` images, so what varies is the training. Of one training nothing says how
    much: then ``spread`` does, the standard deviation between seeds as a share of images, measured before. Of
    several, Student's t takes what they themselves show, if that is more.
    """
    from scipy.stats import norm, t  # noqa: PLC0415  (slow to import)

    for correct in corrects:
        _check(correct, total, None)
    shares = np.array(corrects, dtype=float) / total
    runs, mean = len(shares), Fraction(sum(corrects), total * len(corrects))
    reach = float(norm.ppf((1 + confidence) / 2)) * spread / math.sqrt(runs)
    if runs > 1:
        own = float(shares.std(ddof=1)) / math.sqrt(runs)
        reach = max(reach, float(t.ppf((1 + confidence) / 2, runs - 1)) * own)
    low, high = max(0.0, float(mean) - reach), min(1.0, float(mean) + reach)
    share = exact(threshold)
    standing = Standing.MET if low >= share else Standing.NOT_MET if high < share else Standing.TOO_CLOSE
    told = f"{_trainings(runs)}: {percent(mean)} right on average of {total:,} images"
    told += f", and {asked(share)} are asked for. Between trainings that differ in their seed alone the "
    told += f"average lies between {100 * low:.2f} and {100 * high:.2f} %"
    told += f", so this is {standing.value}." if standing is Standing.TOO_CLOSE else "."
    correct = math.floor(mean * total)
    return Judgement(standing, correct, total, needed(share, total), share, Interval(low, high), False, told)


def _trainings(count: int) -> str:
    return "One training" if count == 1 else f"{count} trainings"


def _check(correct: int, total: int, population: int | None) -> None:
    if not (0 <= correct <= total and total > 0) or (population is not None and population < total):
        of = f", drawn from {population!r}" if population is not None else ""
        raise ValueError(f"there is no such count: {correct!r} of {total!r} right{of}")
