"""Points for a number that may be better or worse: in steps, or along the lines between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Scale:
    """Which share of a question's points a value earns.

    ``steps`` are pairs of a value and a share, both rising. ``doubt`` is how far below a step a value still
    counts as reaching it, in the value's own unit: a training repeated elsewhere comes out a bit different,
    and near a threshold the doubt is the student's.
    """

    steps: Sequence[tuple[float, float]]
    linear: bool = False
    doubt: float = 0.0

    def share(self, value: float) -> float:
        """The share of the points, from 0 to the last step's."""
        reached = self.reached(value)
        earned = reached[1] if reached is not None else 0.0
        if not self.linear:
            return earned
        for (low, low_share), (high, high_share) in pairwise(self.steps):
            if low <= value < high:
                between = low_share + (high_share - low_share) * (value - low) / (high - low)
                return max(earned, between)
        return earned

    def reached(self, value: float) -> tuple[float, float] | None:
        """The highest step that the value reaches; None below the first."""
        return next((step for step in reversed(self.steps) if value >= step[0] - self.doubt), None)

    def next_step(self, value: float) -> tuple[float, float] | None:
        """The lowest step that it doesn't reach; None above the last."""
        return next((step for step in self.steps if value < step[0] - self.doubt), None)
