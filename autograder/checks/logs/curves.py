"""Losses and accuracies that don't belong together, and curves that no training draws.

Cross-entropy bounds accuracy from below: who is wrong gave the right class at most one half, which costs
ln 2, so at most loss / ln 2 of the images are wrong. Nothing bounds it from above as sharply, but a loss that
stands still at ln(classes) is that of a network which knows nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from autograder.checks.logs.found import LoggedEpoch, Suspicion, TrainingLog

FEWEST = 6  # epochs
RISE = 0.2  # of accuracy, before a loss must have moved
STANDS = 0.05  # of its first value
LEAST_SLACK = 0.005
COARSEST_DIGIT = 2.5e-4  # values printed more coarsely are smooth by their rounding
ORDERS = ((2, "straight line"), (3, "parabola"))


def impossible(log: TrainingLog) -> Iterator[Suspicion]:
    """More mistakes than the mean cross-entropy leaves room for."""
    off = [one for one in log.epochs if _too_many_wrong(one)]
    if off:
        one = off[0]
        least = 1 - (one.loss or 0) / math.log(2)
        yield Suspicion(
            f"In epoch {one.number} the loss on the evaluated images is {one.loss:.6g} and the "
            f"accuracy {100 * (one.top1 or 0):.6g} %. "
            f"With a mean cross-entropy of {one.loss:.6g}, at least {100 * least:.4g} % are "
            f"right ({len(off)} such epochs). "
            "Another loss, or one that was divided by the batch size twice, explains it too.",
            one.line,
            "moderate",
            "impossible loss",
        )


def _too_many_wrong(one: LoggedEpoch) -> bool:
    if one.loss is None or one.top1 is None or one.loss < 0:
        return False
    return one.top1 < 1 - one.loss / math.log(2) - LEAST_SLACK - (one.digit or 0.0)


def apart(log: TrainingLog) -> Iterator[Suspicion]:
    """An accuracy that rises while the loss stands still, or rises with it."""
    for name, quantity in (("evaluated", "loss"), ("training", "train_loss")):
        pairs = [
            (one, loss, one.top1)
            for one in log.epochs
            if (loss := getattr(one, quantity)) is not None and one.top1 is not None
        ]
        if len(pairs) < FEWEST:
            continue
        losses, accuracies = [loss for _, loss, _ in pairs], [top1 for _, _, top1 in pairs]
        rise = max(accuracies) - accuracies[0]
        if rise < RISE or losses[0] <= 0:
            continue
        line = pairs[accuracies.index(max(accuracies))][0].line
        moved = (max(losses) - min(losses)) / losses[0]
        text = (
            f"The accuracy rises from {100 * accuracies[0]:.4g} to {100 * max(accuracies):.4g} % "
            f"while the {name} loss "
        )
        if moved < STANDS:
            known = f", about ln({round(math.exp(losses[0])):,})" if losses[0] < 12 else ""
            yield Suspicion(f"{text}stays at {losses[0]:.4g}{known}.", line, "strong", "loss stands still")
        elif min(losses) >= losses[0] * (1 - STANDS) and correlation(losses, accuracies) > 0.6:
            yield Suspicion(f"{text}rises with it.", line, "moderate", "loss rises with accuracy")


def correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Of ranks; 0 where one of them doesn't change."""
    a, b = _ranks(one), _ranks(other)
    mean = (len(a) - 1) / 2
    above = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    spread = math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))
    return above / spread if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda at: values[at])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        stop = start
        while stop + 1 < len(order) and values[order[stop + 1]] == values[order[start]]:
            stop += 1
        for at in range(start, stop + 1):
            ranks[order[at]] = (start + stop) / 2
        start = stop + 1
    return ranks


def smooth(log: TrainingLog) -> Iterator[Suspicion]:
    """A curve that a formula draws: straight, a parabola, an exponential approach, within its rounding."""
    run = [one for one in log.evaluated if one.digit is not None or one.total]
    values = [one.top1 or 0.0 for one in run]
    digit = max((_digit(one) for one in run), default=1.0)
    steps = [after - before for before, after in itertools.pairwise(values)]
    if len(values) < FEWEST or digit > COARSEST_DIGIT or not steps:
        return
    typical = sorted(abs(step) for step in steps)[len(steps) // 2]
    if typical < 8 * digit:
        return  # a plateau: rounding hides what noise there is
    for order, shape in ORDERS:
        bound = 2 ** (order - 1) * digit * 1.01
        if len(values) > order + 2 and max(map(abs, _differences(values, order))) <= bound:
            yield Suspicion(
                f"The accuracies of {len(values)} epochs lie on a {shape} to their last printed digit.",
                run[0].line,
                "strong",
                "drawn by a formula",
            )
            return
    if (rate := _exponential(values, digit)) is not None:
        yield Suspicion(
            f"Each epoch closes the same part ({100 * (1 - rate):.3g} %) of what is left, to "
            "the last printed digit, in "
            f"{len(values)} epochs.",
            run[0].line,
            "strong",
            "drawn by a formula",
        )


def _digit(one: LoggedEpoch) -> float:
    """What rounding hides: the last digit; of counts nothing but the images themselves."""
    return one.digit if one.digit is not None else 1 / (one.total or 1)


def _differences(values: Sequence[float], order: int) -> list[float]:
    found = list(values)
    for _ in range(order):
        found = [after - before for before, after in itertools.pairwise(found)]
    return found


def _exponential(values: Sequence[float], digit: float) -> float | None:
    """The factor between successive steps, where one factor gives them all."""
    steps = _differences(values, 1)
    if abs(steps[0]) < 20 * digit:
        return None
    clear = [step for step in steps if abs(step) >= 8 * digit]
    if len(clear) < FEWEST - 1 or any(step * steps[0] <= 0 for step in clear):
        return None
    low, high = 0.0, math.inf
    for before, after in itertools.pairwise(steps):
        if abs(before) < 8 * digit:
            break
        low = max(low, (abs(after) - digit) / (abs(before) + digit))
        high = min(high, (abs(after) + digit) / (abs(before) - digit))
    return (low + high) / 2 if low <= high and 0.05 < low < 0.999 else None
