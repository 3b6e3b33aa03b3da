"""Shares of points for a number."""

from __future__ import annotations

import pytest

from autograder.checks.scale import Scale

STEPS = ((0.5, 0.25), (0.6, 0.5), (0.75, 0.8), (0.96, 1.0))


@pytest.mark.parametrize(
    ("value", "share"), [(0.1, 0), (0.4999, 0), (0.5, 0.25), (0.7, 0.5), (0.96, 1.0), (1.0, 1.0)]
)
def test_steps(value: float, share: float) -> None:
    assert Scale(STEPS).share(value) == share


def test_a_value_in_doubt_reaches_the_step_above_it() -> None:
    scale = Scale(STEPS, doubt=0.004)
    assert scale.share(0.7461) == 0.8
    assert scale.share(0.7459) == 0.5
    assert scale.next_step(0.7461) == (0.96, 1.0)
    assert scale.next_step(0.97) is None


def test_between_steps_lies_a_line() -> None:
    scale = Scale(STEPS, linear=True, doubt=0.004)
    assert scale.share(0.55) == pytest.approx(0.375)
    assert scale.share(0.3) == 0
    assert scale.share(0.597) == 0.5  # in doubt: the step's own share, and never less than the line's
    assert scale.share(0.99) == 1
