"""Better than guessing, better than the staff's model: verdicts of exact tests, not of two noisy numbers.

Both are decided on images that students never learn a score of. So what a student is told depends on the
verdict alone: the same sentence for a near miss as for a far one, or the sentence would be a second answer
about the hidden part that each submission could ask for. Staff read all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autograder.checks.statistics import interval

Rule = Literal["mcnemar", "plain"]


@dataclass(frozen=True, slots=True)
class Beaten:
    """``told`` is for the student and says no more than ``beaten`` does; ``staff`` has every figure.

    ``p_value``: how often what is to be beaten would look this good by chance. A plain comparison has one
    too, for staff to see how little it may mean.
    """

    beaten: bool
    p_value: float
    told: str
    staff: str


def chance_of(truth: NDArray[np.integer], classes: int) -> float:
    """The share that guessing gets right: one of all classes, or the commonest class if that is more."""
    if not len(truth):
        raise ValueError("there are no images to guess at")
    return max(1 / classes, float(np.bincount(truth, minlength=classes).max()) / len(truth))


def beats_chance(correct: int, total: int, chance: float, level: float) -> Beaten:
    """Whether so many right answers are more than guessing gives: the exact binomial test, one-sided."""
    from scipy.stats import binomtest  # noqa: PLC0415  (slow to import)

    p_value = float(binomtest(correct, total, chance, alternative="greater").pvalue)
    beaten = p_value <= level
    span = interval(correct, total)
    staff = (
        f"{correct:,} of {total:,} images right ({100 * correct / total:.2f} %; {span.describe()}). Guessing "
        f"gets {100 * chance:.2f} % right, and does this well with probability {_small(p_value)} (exact "
        f"binomial test, one-sided); {level:g} is allowed."
    )
    if beaten:
        return Beaten(True, p_value, "Your predictions beat guessing.", staff)
    if correct > chance * total:
        staff += " More are right than guessing gets on average, but so it could be chance."
    told = (
        "Your predictions are not surely better than guessing. Next: see that the labels stand beside the "
        "right ids (the test images in their order, shuffle=False), that the classes have the numbers that "
        "the homework gives them, and that the network was trained and is in eval mode when it predicts."
    )
    return Beaten(False, p_value, told, staff)


def beats_staff(
    ours: NDArray[np.bool_], theirs: NDArray[np.bool_], level: float, rule: Rule = "mcnemar"
) -> Beaten:
    """Whether ``ours``, right or wrong by image, is better than the staff's ``theirs`` on the same images.

    McNemar's test in its exact form (Q. McNemar, "Note on the sampling error of the difference between
    correlated proportions or percentages", 1947), one-sided: of the images that just one of the two has
    right, a model no better would have half. "plain" asks for more right answers and nothing else.
    """
    from scipy.stats import binomtest  # noqa: PLC0415  (slow to import)

    if ours.ndim != 1 or ours.shape != theirs.shape or not len(ours):
        raise ValueError(f"answers of shape {ours.shape} beside the staff's of shape {theirs.shape}")
    ours, theirs = ours.astype(bool), theirs.astype(bool)
    gained, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    apart = gained + lost
    p_value = float(binomtest(gained, apart, 0.5, alternative="greater").pvalue) if apart else 1.0
    beaten = gained > lost if rule == "plain" else p_value <= level
    staff = (
        f"{_share(ours)} right, and {_share(theirs)} by the staff's model, of the same {len(ours):,} images. "
        f"{gained:,} are right here alone, {lost:,} there alone: a model no better does this well with "
        f"probability {_small(p_value)} (exact McNemar test, one-sided)"
    )
    staff += "; more right answers are enough here." if rule == "plain" else f"; {level:g} is allowed."
    if gained > lost and p_value > level:
        staff += " More are right than by the staff's model, but so it could be chance."
    return Beaten(beaten, p_value, _told(beaten, rule), staff)


def _told(beaten: bool, rule: Rule) -> str:
    if beaten:
        return "Your predictions beat the staff's model."
    if rule == "plain":
        return "Your predictions don't beat the staff's model: more images would have to be right."
    return (
        "Your predictions don't beat the staff's model. To do so they must be better by more than chance "
        "explains: a few images more would not be enough."
    )


def _share(right: NDArray[np.bool_]) -> str:
    return f"{int(right.sum()):,} ({100 * float(right.mean()):.2f} %)"


def _small(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value >= 1e-6 else "under 0.000001"
