"""Counts at a threshold, intervals, and two shares held against each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from autograder.checks.statistics import (
    Standing,
    asked,
    exact,
    interval,
    judge,
    judge_seeds,
    needed,
    percent,
    same_share,
)


@pytest.mark.parametrize(
    ("threshold", "total", "count"),
    [
        (0.994, 10_000, 9_940),
        ("0.994", 10_000, 9_940),
        (np.float64(0.994), 10_000, 9_940),
        (0.65, 50_000, 32_500),
        (0.07, 100, 7),  # as floats the product is 7.000000000000001
        (0.29, 100, 29),  # and 28.999999999999996
        (0.9999, 1_000, 1_000),
        (0, 10, 0),
        (1, 10, 10),
        (Fraction(1, 3), 10, 4),
    ],
)
def test_a_threshold_is_a_count(threshold: float | str, total: int, count: int) -> None:
    assert needed(threshold, total) == count
    assert judge(count, total, threshold, whole=True).standing is Standing.MET
    if count:
        assert judge(count - 1, total, threshold, whole=True).standing is Standing.NOT_MET


@given(st.integers(1, 60_000), st.integers(0, 10_000))
def test_every_threshold_of_four_decimals(total: int, parts: int) -> None:
    threshold = parts / 10_000
    count = needed(threshold, total)
    assert 10_000 * count >= parts * total > 10_000 * (count - 1)


@pytest.mark.parametrize("wrong", [1.5, -0.1, "99.4", float("nan"), float("inf"), "much"])
def test_what_is_no_share_is_refused(wrong: float | str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        exact(wrong)


def test_what_the_student_reads() -> None:
    met = judge(9_943, 10_000, 0.994, whole=True)
    assert met.told == "9,943 of 10,000 images right: 99.43 %, and 99.4 % are asked for."
    missed = judge(9_938, 10_000, 0.994, whole=True)
    assert missed.told.endswith("99.38 %, and 99.4 % are asked for: 2 more would have to be right.")
    assert (missed.short, met.short) == (2, 0)
    assert met.share == 0.9943
    # A sample's share is rounded down: 59,639 of 60,000 is 99.398 %, and no "99.40 %".
    assert "99.39 %" in judge(59_639, 60_000, 0.994, whole=True).told
    assert percent(Fraction(1)) == "100.00 %"
    assert asked(0.994) == "99.4 %"
    assert asked("0.65") == "65 %"


def test_a_sample_may_be_too_close() -> None:
    close = judge(1_988, 2_000, 0.994, population=10_000)
    assert close.standing is Standing.TOO_CLOSE
    assert "They are a sample: the accuracy lies between 99.0" in close.told
    assert close.told.endswith("so this is too close to call.")
    assert judge(1_500, 2_000, 0.994).standing is Standing.NOT_MET
    assert judge(1_900, 2_000, 0.9).standing is Standing.MET
    assert judge(10_000, 10_000, 0.994, population=10_000).whole


def test_what_was_seen_of_a_finite_population_is_certain() -> None:
    # 9,000 of 10,000 seen and all right: 990 of the rest may be wrong, and it would still be 90 %.
    assert judge(9_000, 9_000, 0.9, population=10_000, confidence=1 - 1e-12).standing is Standing.MET
    assert judge(0, 9_000, 0.2, population=10_000, confidence=1 - 1e-12).standing is Standing.NOT_MET
    whole = interval(37, 100, population=100)
    assert whole.low == whole.high == 0.37


def test_intervals_are_those_of_the_tables() -> None:
    found = interval(8, 10)  # Clopper and Pearson, 95 %: 44.39 % to 97.48 %
    assert (round(found.low, 4), round(found.high, 4)) == (0.4439, 0.9748)
    assert interval(0, 10).low == 0.0
    assert round(interval(0, 10).high, 4) == 0.3085
    assert interval(10, 10).high == 1.0
    # A sample of a huge population is one of an endless one; of a small one it says more.
    large, small = interval(80, 100, population=10**9), interval(80, 100, population=150)
    endless = interval(80, 100)
    assert abs(large.low - endless.low) < 1e-6
    assert abs(large.high - endless.high) < 1e-6
    assert endless.low < small.low
    assert small.high < endless.high


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.data())
def test_intervals_hold_as_often_as_they_say(population: int, data: st.DataObject) -> None:
    """Over all samples of a population, by their exact chances."""
    right = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(1, population))
    missed = 0.0
    for correct in range(max(0, drawn - population + right), min(right, drawn) + 1):
        found = interval(correct, drawn, 0.9, population=population)
        if not round(found.low * population) <= right <= round(found.high * population):
            missed += float(hypergeom.pmf(correct, population, right, drawn))
    assert missed <= 0.1 + 1e-9


@pytest.mark.parametrize(
    ("correct", "total", "population"), [(3, 2, None), (-1, 2, None), (0, 0, None), (2, 9, 8)]
)
def test_no_such_count(correct: int, total: int, population: int | None) -> None:
    with pytest.raises(ValueError, match="no such count"):
        interval(correct, total, population=population)


def test_two_shares() -> None:
    """The lady tasting tea: three of four cups right by chance in 17 of 70."""
    tea = same_share(3, 4, 1, 4)
    assert tea.first_higher == pytest.approx(17 / 70)
    assert tea.either == pytest.approx(34 / 70)
    assert tea.second_higher == pytest.approx(69 / 70)
    same = same_share(10, 20, 10, 20)
    assert same.either == pytest.approx(1.0)


def test_trainings_with_several_seeds() -> None:
    one = judge_seeds([9_941], 10_000, 0.994, spread=0.0004)
    assert one.standing is Standing.TOO_CLOSE
    assert judge_seeds([9_960], 10_000, 0.994, spread=0.0004).standing is Standing.MET
    assert judge_seeds([9_900], 10_000, 0.994, spread=0.0004).standing is Standing.NOT_MET
    more = judge_seeds([9_944, 9_945, 9_946, 9_945], 10_000, 0.994, spread=0.0004)
    assert more.standing is Standing.MET
    assert more.told.startswith("4 trainings: 99.45 % right on average of 10,000 images")
    # Trainings that differ more than was known before speak for themselves.
    assert judge_seeds([9_990, 9_900], 10_000, 0.994, spread=0.0001).standing is Standing.TOO_CLOSE
