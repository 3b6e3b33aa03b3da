"""What is shown of the public part says no more than its step."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.predictions.metrics import Metric, measure
from autograder.checks.predictions.rounding import published, rounded, shown_score, step_of
from autograder.checks.statistics import interval

NAMES = tuple("abcde")


@pytest.mark.parametrize(
    ("n", "step"),
    [(1, 0.5), (25, 0.1), (24, 0.1), (100, 0.05), (101, 0.02), (1_000, 0.01), (2_499, 0.01), (2_500, 0.01),
     (2_501, 0.005), (9_000, 0.005), (10_000, 0.005), (1_000_000, 0.0005)],
)  # fmt: skip
def test_steps(n: int, step: float) -> None:
    assert step_of(n) == step


@given(st.integers(1, 10**9), st.sampled_from([0.5, 1.0, 0.3]))
def test_a_step_is_a_round_number_just_below_the_standard_error(n: int, spread: float) -> None:
    step = step_of(n, spread)
    error = spread / math.sqrt(n)
    assert step <= error * (1 + 1e-12)
    assert step * 2.5 > error * (1 - 1e-12)
    assert f"{step:e}"[0] in "125"


@pytest.mark.parametrize(
    ("correct", "shown"),
    [(720, 0.72), (724, 0.72), (725, 0.73), (735, 0.74), (1_000, 1.0), (0, 0.0), (5, 0.01)],
)
def test_halves_go_up(correct: int, shown: float) -> None:
    assert rounded(correct / 1_000, 1_000) == shown


@given(st.integers(1, 10**6), st.data())
def test_a_rounded_score_is_a_near_multiple_and_stays(n: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, n)) / n
    shown = rounded(value, n)
    assert 0 <= shown <= 1
    assert abs(shown - value) <= step_of(n) / 2 + 1e-12
    assert rounded(shown, n) == shown
    assert abs(shown / step_of(n) - round(shown / step_of(n))) < 1e-6


def test_no_images_no_score() -> None:
    with pytest.raises(ValueError, match="needs images"):
        step_of(0)


def public(correct: int, seed: int = 0, n: int = 1_000) -> tuple[np.ndarray, np.ndarray]:
    truth = np.arange(n) % 5
    wrong = np.random.default_rng(seed).permutation(n)[correct:]
    called = truth.copy()
    called[wrong] = (truth[wrong] + 1) % 5
    return called, truth


def show(correct: int, name: str = "accuracy", seed: int = 0) -> Metric:
    called, truth = public(correct, seed)
    return published(measure([name], called, None, truth, NAMES)[0], NAMES)


def test_scores_of_one_step_are_shown_alike() -> None:
    """Every field: an interval or a sentence from the exact score would undo the rounding."""
    assert {show(correct) for correct in range(715, 725)} == {show(720)}
    assert show(714) != show(720) != show(725)
    shown = show(723)
    assert shown.value == 0.72
    assert shown.told == (
        "accuracy 72 % on the 1,000 public images, rounded to 1 %: so few images can't tell closer"
    )
    assert shown.low is not None
    assert shown.high is not None
    # Wide enough for every count that is shown so.
    assert shown.low == interval(715, 1_000).low
    assert shown.high == interval(725, 1_000).high


def test_no_figure_of_a_published_metric_is_finer_than_its_step() -> None:
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):
        shown = show(723, name)
        assert shown.value is not None
        assert abs(shown.value * 100 - round(shown.value * 100)) < 1e-9
        assert not re.search(r"\d\.\d", shown.told)


def test_classes_are_rounded_by_their_own_number_of_images() -> None:
    shown = show(723, "per_class")
    assert all(share is not None and abs(share * 50 - round(share * 50)) < 1e-9 for share in shown.per_class)
    assert shown.value == min(share for share in shown.per_class if share is not None)
    assert shown.told.startswith("accuracy by class, on the public images, rounded: a ")
    exact = measure(["per_class"], *_three(public(723)), NAMES)[0]
    other = dataclasses.replace(exact, per_class=tuple((s or 0) + 1e-6 for s in exact.per_class))
    assert published(other, NAMES) == shown


def _three(drawn: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, None, np.ndarray]:
    return drawn[0], None, drawn[1]


def test_the_share_of_a_class_with_few_images_is_not_shown() -> None:
    truth = np.array([0] * 40 + [1, 2, 3, 4])
    exact = measure(["per_class"], truth, None, truth, NAMES)[0]
    shown = published(exact, NAMES)
    assert shown.per_class == (1.0, None, None, None, None)
    few = measure(["per_class"], truth[36:], None, truth[36:], NAMES)[0]
    hidden = published(few, NAMES)
    assert hidden.value is None
    assert set(hidden.per_class) == {None}
    assert "can't be shown" in hidden.told


def test_log_loss_is_shown_up_to_a_guess() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 1_000)
    good = np.eye(5)[truth] * 2 + rng.random((1_000, 5))
    bad = good.copy()
    bad[:300] = np.eye(5)[(truth[:300] + 1) % 5]  # 34.5 each
    first, second = (measure(["log_loss"], truth, one, truth, NAMES)[0] for one in (good, bad))
    shown = published(first, NAMES)
    assert shown.value is not None
    assert shown.value == rounded(first.value or 0, 1_000, spread=1.0)
    assert round(shown.value / 0.02, 6) % 1 == 0
    assert (shown.low, shown.high) == (None, None)
    assert second.value is not None
    assert second.value > 5
    # However bad: the score of one that is worse by a single image is the same.
    capped = published(second, NAMES)
    assert capped.value == rounded(math.log(5), 1_000, spread=1.0)
    assert "as much as a uniform guess" in capped.told
    lacking = measure(["log_loss"], truth, None, truth, NAMES)[0]
    assert published(lacking, NAMES) == lacking
    assert shown_score(lacking, 5) is None
