"""Columns of probabilities: taken where each row is a distribution, give or take its rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from autograder.checks.predictions.cells import MOST_SHOWN
from autograder.checks.predictions.defects import Kind
from autograder.checks.predictions.form import stripped
from autograder.text import quote

Shares = NDArray[np.float64]

SUM_OFF = 0.05  # what rounding to two decimals may add up to over the classes
BEYOND = 1e-6  # single precision's 1.0000001 is 1


def shares_of(columns: Sequence[Sequence[str]]) -> Shares | None:
    """The rows of these columns, where each is a distribution; else None."""
    try:
        flat = np.fromiter(map(float, chain.from_iterable(columns)), np.float64)
    except (ValueError, OverflowError):
        return None
    shares = flat.reshape(len(columns), -1).T
    fine = np.isfinite(shares).all() and (shares >= -BEYOND).all() and (shares <= 1 + BEYOND).all()
    return shares if fine and (abs(shares.sum(axis=1) - 1) <= SUM_OFF).all() else None


def share_defect(fields: Sequence[str]) -> tuple[Kind, str, str]:
    """Why ``fields`` are no distribution: the kind, the words, and the field that is meant, if it is one."""
    values = []
    for field in fields:
        value, plain = _value(field), stripped(field)
        if value is None or not math.isfinite(value):
            return Kind.PROBABILITY, f"{quote(field, MOST_SHOWN)} is no probability", plain
        if not -BEYOND <= value <= 1 + BEYOND:
            return Kind.PROBABILITY, f"{quote(field, MOST_SHOWN)} is not between 0 and 1", plain
        values.append(value)
    return Kind.SUM, f"the probabilities add up to {math.fsum(values):.4g}", ""


def normalised(shares: Shares) -> Shares:
    """Rows that add up to 1, as scikit-learn's log loss wants them."""
    kept = np.clip(shares, 0, 1)
    total: Shares = kept / kept.sum(axis=1, keepdims=True)
    return total


def _value(field: str) -> float | None:
    try:
        return float(stripped(field))
    except (ValueError, OverflowError):
        return None
