"""Predictions that are good once their classes are numbered otherwise.

The best renumbering is looked for on one half of the public images and tried on the other, and the other way
round. So one that only fits chance gains nothing, and what it gains is tested as if it had been given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autograder.text import quote

Labels = NDArray[np.integer]
Numbering = NDArray[np.int64]  # for each predicted class the one that is meant

_SURE = 1e-6
_ABOVE_GUESSING = 0.2  # of the way from guessing to all right
_MOSTLY = 0.95  # of the images are called a class that is mostly what it says
_SHARES_APART = 0.25  # how far the classes' shares may be from the true ones
_GAIN = 0.04  # of all images that must be right beyond those that are
_TIMES = 2.0  # as many images of a moved class must be right, at least, as without the move
_AS_GOOD = 0.97  # of the best renumbering's right answers: then the one with a name is meant
_MOST_TOLD = 6


@dataclass(frozen=True, slots=True)
class _Named:
    numbering: Numbering
    told: str


def renumbering(predicted: Labels, truth: Labels, classes: Sequence[str]) -> str | None:
    """What the student reads, if the classes seem to be numbered in another order; None else."""
    count = len(classes)
    table = _table(predicted, truth, count)
    best = _best(table)
    moved = np.flatnonzero(best != np.arange(count))
    if not len(moved) or not looks_trained(best[predicted], truth, count):
        return None
    if not _holds(predicted, truth, count):
        return None
    for named in _known(classes):
        if _hits(table, named.numbering) >= _AS_GOOD * _hits(table, best):
            return _told(named.told)
    pairs = [(int(c), int(best[c])) for c in moved if table[c, best[c]] >= max(5, _TIMES * table[c, c])]
    if not pairs:
        return None
    return _told(_listed(pairs, classes))


def looks_trained(predicted: Labels, truth: Labels, count: int) -> bool:
    """Whether these could be a trained network's labels in their right order, and not another's by chance.

    A network before its training tells images apart too, and some numbering of its classes fits far better
    than its own: by chance of its first weights it is right more often than by guessing, at times to 40 %.
    But then some classes are called too often, and others are mostly something else. Of networks trained on
    CIFAR-10, down to a linear one with 39 % right, none is like that.
    """
    table = _table(predicted, truth, count)
    images, guessed = len(truth), 1 / count
    if np.trace(table) < (guessed + _ABOVE_GUESSING * (1 - guessed)) * images:
        return False
    called, true = table.sum(axis=1), table.sum(axis=0)
    apart = np.abs(called - true).sum() / 2
    mostly = called[np.diagonal(table) >= table.max(axis=1)].sum()
    return bool(apart <= _SHARES_APART * images and mostly >= _MOSTLY * images)


def _told(how: str) -> str:
    return (
        f"The labels fit far better if the classes are numbered otherwise: {how}. Next: number the classes "
        "as the homework does, not as your data loader lists them."
    )


def _table(predicted: Labels, truth: Labels, count: int) -> NDArray[np.int64]:
    """How many images of a class (column) were given a class (row)."""
    codes = predicted.astype(np.int64) * count + truth
    return np.bincount(codes, minlength=count * count).reshape(count, count)


def _best(table: NDArray[np.int64]) -> Numbering:
    """The numbering, one to one, with the most right answers; of equals the one that moves least."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (slow to import)

    count = len(table)
    _, meant = linear_sum_assignment(table * (count + 1) + np.eye(count, dtype=np.int64), maximize=True)
    return np.asarray(meant, dtype=np.int64)


def _hits(table: NDArray[np.int64], numbering: Numbering) -> int:
    return int(table[np.arange(len(table)), numbering].sum())


def _holds(predicted: Labels, truth: Labels, count: int) -> bool:
    """Whether a renumbering found on half of the images is much better on the other half."""
    from scipy.stats import binom  # noqa: PLC0415  (slow to import)

    first = np.arange(len(truth)) % 2 == 0
    gained = lost = 0
    for half in (first, ~first):
        best = _best(_table(predicted[half], truth[half], count))
        as_is = predicted[~half] == truth[~half]
        moved = best[predicted[~half]] == truth[~half]
        # What a moved class gains must be much against what it had, or it is a network's honest confusion.
        concerned = best[predicted[~half]] != predicted[~half]
        if moved[concerned].sum() < _TIMES * as_is[concerned].sum():
            return False
        gained += int((moved & ~as_is).sum())
        lost += int((as_is & ~moved).sum())
    if gained - lost < _GAIN * len(truth):
        return False
    return float(binom.sf(gained - 1, gained + lost, 0.5)) < _SURE


def _known(classes: Sequence[str]) -> Iterator[_Named]:
    """Orders that happen, by what is told of them."""
    count = len(classes)
    numbers = np.arange(count)
    yield _Named((numbers - 1) % count, "each number seems to be one too high, as if counted from 1")
    yield _Named((numbers + 1) % count, "each number seems to be one too low")
    yield _Named(numbers[::-1].copy(), "they seem to be counted from the last class to the first")
    for told, key in (
        ("they seem to be in alphabetical order", lambda c: classes[c].casefold()),
        ("they seem to be in the order of their numbers as text, 0, 1, 10, 11, ...", str),
    ):
        listed = np.array(sorted(range(count), key=key), dtype=np.int64)
        if (listed != numbers).any():
            yield _Named(listed, told)


def _listed(pairs: Sequence[tuple[int, int]], classes: Sequence[str]) -> str:
    """Such as "'cat' and 'dog' are swapped"."""
    meant = dict(pairs)
    said = []
    for called, true in pairs:
        if meant.get(true) == called:
            if called < true:
                said.append(f"{quote(classes[called])} and {quote(classes[true])} seem to be swapped")
        else:
            said.append(f"what is called {quote(classes[called])} seems to be {quote(classes[true])}")
    more = f", and {len(said) - _MOST_TOLD} more" if len(said) > _MOST_TOLD else ""
    return "; ".join(said[:_MOST_TOLD]) + more
