"""Whether two students handed in the same curve.

A fingerprint is the values of each curve with the digits they were printed with, without names, formats or
epoch numbers. Two are compared at every offset, so that a log whose first epochs were cut away, whose epochs
count from another number, which says shares where the other says per cent, or in which some values were
changed is still found; and so is one to which a constant was added.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.logs.found import TrainingLog

FEWEST = 5  # values that must agree
LEAST_SHARE = 0.6  # of those that lie beside each other
LEAST_BITS = 25.0  # how surprising they must be together; some 200 offsets are tried
LEAST_NOISE = (
    5e-4  # two trainings differ by at least so much, also where a curve is flat or drawn by a formula
)
MOST_NOISE = 1e-2
MOST_VALUES = 2_000
MOST_OFFSET = 100
MOST_CHARS = 200_000
_CURVES = ("top1", "top5", "loss", "train_loss", "train_top1")
_LOSS_DIGIT = 1e-4


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    values: tuple[float, ...]
    digit: float


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``label`` says whose it is, in whatever way the staff name submissions."""

    curves: tuple[Curve, ...]
    label: str = ""

    def dumps(self) -> str:
        """As text, to be kept beside a submission."""
        curves = {one.name: [one.digit, *one.values] for one in self.curves}
        return json.dumps({"label": self.label, "curves": curves})

    @classmethod
    def loads(cls, text: str) -> Fingerprint:
        """What `dumps` wrote; ValueError for anything else."""
        if len(text) > MOST_CHARS:
            raise ValueError("too long for a fingerprint")
        try:
            said = json.loads(text)
            curves = tuple(
                Curve(str(name), tuple(map(float, numbers[1:])), float(numbers[0]))
                for name, numbers in said["curves"].items()
            )
            label = str(said["label"])
        except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise ValueError(f"no fingerprint: {error}") from error
        numbers = [number for curve in curves for number in (*curve.values, curve.digit)]
        if not all(map(math.isfinite, numbers)):
            raise ValueError("a fingerprint's numbers are finite")
        return cls(curves, label)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two curves agree: ``same`` of ``beside`` values, the second's epochs ``offset`` later."""

    curve: str
    same: int
    beside: int
    offset: int
    shifted: bool = False  # a constant was added

    @property
    def share(self) -> float:
        return self.same / self.beside if self.beside else 0.0


def fingerprint(log: TrainingLog, label: str = "") -> Fingerprint:
    curves = []
    for name in _CURVES:
        values = [value for one in log.epochs if (value := getattr(one, name)) is not None][:MOST_VALUES]
        digits = [one.digit for one in log.epochs if one.digit is not None]
        digit = max(digits, default=1e-6) if name.endswith(("top1", "top5")) else _loss_digit(values)
        if len(values) >= FEWEST:
            curves.append(Curve(name, tuple(round(value, 9) for value in values), digit))
    return Fingerprint(tuple(curves), label)


def _loss_digit(values: Sequence[float]) -> float:
    """The coarsest power of ten that all values are multiples of."""
    for places in range(1, 7):
        if all(abs(value - round(value, places)) < 1e-9 * max(abs(value), 1) for value in values):
            return 10.0**-places
    return _LOSS_DIGIT / 100


def compare(one: Fingerprint, other: Fingerprint) -> Likeness | None:
    """The best agreement of any of their curves, or None where they are two trainings."""
    found = []
    for curve in one.curves:
        for beside in other.curves:
            # Only the names of what was evaluated may differ; a loss is no accuracy.
            if curve.name == beside.name:
                found += [
                    like
                    for like in (_alike(curve, beside, shifted=False), _alike(curve, beside, shifted=True))
                    if like
                ]
    return max(found, key=lambda like: (like.share, like.same, not like.shifted), default=None)


def _alike(one: Curve, other: Curve, *, shifted: bool) -> Likeness | None:
    a, b = list(one.values), list(other.values)
    tolerance = (one.digit + other.digit) / 2 * 1.01
    if shifted:
        a, b = _steps(a), _steps(b)
        tolerance *= 2
    noise = min(max(_roughness(a), _roughness(b), LEAST_NOISE), MOST_NOISE)
    bits = math.log2(max(noise / tolerance, 1.0))
    best: Likeness | None = None
    reach = min(MOST_OFFSET, max(len(a), len(b)) - FEWEST)
    for offset in range(-reach, reach + 1):
        beside = list(zip(a[max(offset, 0) :], b[max(-offset, 0) :], strict=False))
        if len(beside) < max(FEWEST, LEAST_SHARE * min(len(a), len(b))):
            continue
        same = sum(1 for x, y in beside if abs(x - y) <= tolerance)
        likeness = Likeness(one.name, same, len(beside), offset, shifted)
        enough = same >= FEWEST and same * bits >= LEAST_BITS and likeness.share >= LEAST_SHARE
        if enough and (best is None or likeness.share > best.share):
            best = likeness
    return best


def _roughness(values: Sequence[float]) -> float:
    """How much a curve jumps from point to point, beside where it is going: the median second difference."""
    jumps = sorted(map(abs, _steps(_steps(values))))
    return jumps[len(jumps) // 2] if jumps else 0.0


def _steps(values: Sequence[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(values)]
