"""Error rates under an accuracy's name, and top-1 and top-5 under each other's.

Older code prints "top1: 33.2" for the share that is wrong. It is told by the curve: top-5 lies below top-1,
or what should rise falls from the first epoch to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autograder.checks.logs.curves import correlation
from autograder.checks.logs.found import LoggedEpoch

FEWEST, FEWEST_PAIRS = 8, 3
FALLS = 0.2  # of all images, from the first epoch to the last
STEADILY = -0.8  # rank correlation with the epochs' numbers
MARGIN = 0.005
MOST_ODD = 0.1  # of the epochs

Epochs = tuple[LoggedEpoch, ...]


def as_accuracies(epochs: Epochs) -> tuple[Epochs, list[str]]:
    """The epochs with what is wrong counted as wrong, and notes where that was to be guessed."""
    notes = []
    crossed = _crossed([(one.top1, one.top5) for one in epochs])
    falls = _falls([one.top1 for one in epochs])
    if falls or (crossed and _rises([one.top1 for one in epochs]) is False):
        epochs = tuple(map(_turned, epochs))
        notes.append("What it calls top-1 falls as the training goes on: taken as the share that is wrong.")
        if _falls([one.train_top1 for one in epochs]):
            epochs = tuple(map(_train_turned, epochs))
    elif crossed:
        epochs = tuple(replace(one, top1=one.top5, top5=one.top1, correct=None) for one in epochs)
        notes.append(
            "What it calls top-5 is below its top-1 in every epoch: the lower one is taken as top-1."
        )
    return epochs, notes


def _values(values: Sequence[float | None]) -> list[float]:
    return [one for one in values if one is not None]


def _falls(values: Sequence[float | None]) -> bool:
    there = _values(values)
    if len(there) < FEWEST or there[0] - there[-1] < FALLS:
        return False
    return correlation(list(range(len(there))), there) < STEADILY


def _rises(values: Sequence[float | None]) -> bool | None:
    there = _values(values)
    return there[-1] >= there[0] if len(there) > 1 else None


def _crossed(pairs: Sequence[tuple[float | None, float | None]]) -> bool:
    """Whether top-5 is below top-1, but for a few epochs."""
    both = [(one, five) for one, five in pairs if one is not None and five is not None]
    odd = sum(1 for one, five in both if five >= one - MARGIN)
    return len(both) >= FEWEST_PAIRS and odd <= MOST_ODD * len(both)


def _wrong(share: float | None) -> float | None:
    return None if share is None else round(1 - share, 12)


def _turned(one: LoggedEpoch) -> LoggedEpoch:
    counted = one.total - one.correct if one.total is not None and one.correct is not None else None
    return replace(one, top1=_wrong(one.top1), top5=_wrong(one.top5), correct=counted, also=())


def _train_turned(one: LoggedEpoch) -> LoggedEpoch:
    return replace(one, train_top1=_wrong(one.train_top1), train_top5=_wrong(one.train_top5))
