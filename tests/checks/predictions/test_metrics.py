"""Metrics are scikit-learn's, and their intervals hold as often as they say."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from autograder.checks.predictions.confusion import Cells
from autograder.checks.predictions.metrics import Metric, known_metrics, measure

CLASSES = ("cat", "dog", "frog")
TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
CALLED = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
SCORES = np.eye(3)[CALLED] * 0.5 + np.array([0.3, 0.1, 0.1])


def one(name: str, called: np.ndarray = CALLED, truth: np.ndarray = TRUTH) -> Metric:
    return measure([name], called, None, truth, CLASSES)[0]


def test_known_values() -> None:
    accuracy, balanced, f1 = measure(
        ["accuracy", "balanced_accuracy", "macro_f1"], CALLED, None, TRUTH, CLASSES
    )
    assert accuracy.value == pytest.approx(0.8)
    assert balanced.value == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert f1.value == pytest.approx((6 / 7 + 2 / 3 + 6 / 7) / 3)
    assert accuracy.told == "accuracy 80.00 % (10 images; 95 % interval 44.39 to 97.48 %)"
    assert (round(accuracy.low or 0, 4), round(accuracy.high or 0, 4)) == (0.4439, 0.9748)
    assert f1.told.startswith("macro F1 79.37 % (10 images; ")
    assert accuracy.n == 10
    assert accuracy.higher_is_better


def test_each_class_by_itself() -> None:
    found = one("per_class")
    assert found.per_class == pytest.approx((3 / 4, 2 / 3, 1.0))
    assert found.class_images == (4, 3, 3)
    assert found.value == pytest.approx(2 / 3)  # the lowest
    assert "dog 66.7 % of 3 (9.43 to 99.16 %)" in found.told
    assert found.class_intervals[2] is not None
    assert found.class_intervals[2].high == 1.0


def test_a_class_without_images_has_no_share() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = one("per_class", np.array([0, 2, 1]), np.array([0, 0, 1]))
        balanced = one("balanced_accuracy", np.array([0, 2, 1]), np.array([0, 0, 1]))
    assert found.per_class == (0.5, 1.0, None)
    assert found.class_intervals[2] is None
    assert "frog" not in found.told
    assert balanced.value == pytest.approx(0.75)


def test_probabilities_and_where_they_lack() -> None:
    loss, top = measure(["log_loss", "top_2"], CALLED, SCORES, TRUTH, CLASSES)
    normal = SCORES / SCORES.sum(axis=1, keepdims=True)
    assert loss.value == pytest.approx(-np.log(normal[np.arange(10), TRUTH]).mean())
    assert not loss.higher_is_better
    assert loss.low is not None
    assert loss.high is not None
    assert loss.value is not None
    assert 0 <= loss.low < loss.value < loss.high
    assert top.value == sk.top_k_accuracy_score(TRUTH, SCORES, k=2)
    for name, better in (("log_loss", False), ("top_2", True)):
        lacking = one(name)
        assert (lacking.value, lacking.low, lacking.high) == (None, None, None)
        assert lacking.higher_is_better is better
        assert "needs a probability for each class" in lacking.told
        assert "the file has one label for each image" in lacking.told


def test_a_sure_wrong_answer_costs_much_and_not_infinitely_much() -> None:
    sure = np.eye(3)[[1] * 10]
    found = measure(["log_loss"], np.ones(10, dtype=int), sure, TRUTH, CLASSES)[0]
    assert found.value == pytest.approx(0.7 * -math.log(1e-15), rel=1e-3)


def test_two_classes() -> None:
    truth, scores = np.array([0, 1, 1, 0]), np.array([[0.1, 0.9], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    found = measure(["top_1", "log_loss"], scores.argmax(axis=1), scores, truth, ("no", "yes"))
    assert found[0].value == 0.75
    # A margin between 0 and 1 for each row is no reason to ask for more than a half.
    assert measure(["top_1"], scores[:3].argmax(axis=1), scores[:3], truth[:3], ("no", "yes"))[
        0
    ].value == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="always right"):
        measure(["top_2"], scores.argmax(axis=1), scores, truth, ("no", "yes"))


@pytest.mark.parametrize(
    ("called", "truth"),
    [
        ([0, 1], [0, 1, 2]),
        ([], []),
        ([0, 3], [0, 1]),
        ([0, -1], [0, 1]),
        ([0, 1], [0, 3]),
        ([0.0, 1.0], [0, 1]),
    ],
)
def test_what_no_reader_lets_through_is_our_fault(called: list[int], truth: list[int]) -> None:
    with pytest.raises(ValueError, match=r"shape|no numbers from 0 to 2"):
        measure(["accuracy"], np.array(called), None, np.array(truth), CLASSES)


def test_unknown_names_and_shapes() -> None:
    for name in ("acuracy", "top_0", "top_k", "top_K", ""):
        with pytest.raises(ValueError, match="there is no metric"):
            one(name)
    assert set(known_metrics()) == {
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "per_class",
        "log_loss",
        "top_K",
    }
    with pytest.raises(ValueError, match="probabilities of shape"):
        measure(["log_loss"], CALLED, SCORES[:, :2], TRUTH, CLASSES)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 8), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_they_are_scikit_learns_on_the_images_themselves(classes: int, images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, called = rng.integers(0, classes, (2, images))
    scores = rng.random((images, classes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(
            ["accuracy", "balanced_accuracy", "macro_f1", "per_class", "log_loss", "top_1"],
            called,
            scores,
            truth,
            [str(c) for c in range(classes)],
        )
    accuracy, balanced, f1, per_class, loss, top = found
    assert accuracy.value == pytest.approx(sk.accuracy_score(truth, called))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert balanced.value == pytest.approx(sk.balanced_accuracy_score(truth, called))
    assert f1.value == pytest.approx(sk.f1_score(truth, called, average="macro"))
    normal = scores / scores.sum(axis=1, keepdims=True)
    assert loss.value == pytest.approx(sk.log_loss(truth, normal, labels=list(range(classes))))
    assert top.value == pytest.approx((scores.argmax(axis=1) == truth).mean())
    for metric in found:
        assert metric.value is not None
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low - 1e-9 <= metric.value <= metric.high + 1e-9
    assert sum(
        n * (share or 0) for n, share in zip(per_class.class_images, per_class.per_class, strict=True)
    ) == (pytest.approx(int((truth == called).sum())))


@pytest.mark.parametrize("accuracy", [0.15, 0.72, 0.97, 0.997])
@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy"])
def test_intervals_hold(name: str, accuracy: float) -> None:
    """Of 150 samples, 95 % intervals miss 7.5 on average, and 17 or more once in 500 times."""
    rng = np.random.default_rng(4)
    classes, images, rounds = 5, 800, 150
    skills = np.clip(accuracy + (1 - accuracy) * np.linspace(-0.5, 0.5, classes), 0, 1)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.integers(0, classes, n)
        wrong = (truth + rng.integers(1, classes, n)) % classes
        return np.where(rng.random(n) < skills[truth], truth, wrong), truth

    names = [str(c) for c in range(classes)]
    real = measure([name], *_apart(draw(1_000_000)), names)[0].value
    assert real is not None
    missed = 0
    for _ in range(rounds):
        found = measure([name], *_apart(draw(images)), names)[0]
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= real <= found.high
    assert missed < 17


def _apart(drawn: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, None, np.ndarray]:
    return drawn[0], None, drawn[1]


@pytest.mark.parametrize("name", ["macro_f1", "balanced_accuracy"])
def test_intervals_are_as_wide_as_resampling_says(name: str) -> None:
    rng = np.random.default_rng(6)
    truth = rng.choice(5, 2_000, p=[0.5, 0.3, 0.1, 0.06, 0.04])
    called = np.where(rng.random(2_000) < 0.6, truth, rng.integers(0, 5, 2_000))
    names = [str(c) for c in range(5)]
    drawn = []
    for _ in range(300):
        some = rng.integers(0, 2_000, 2_000)
        drawn.append(measure([name], called[some], None, truth[some], names)[0].value or 0.0)
    found = measure([name], called, None, truth, names)[0]
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.std(drawn), rel=0.15)


def test_where_all_is_right_there_is_still_doubt() -> None:
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):
        found = one(name, TRUTH)
        assert found.value == 1.0
        assert found.high == 1.0
        assert found.low is not None
        assert found.low < 0.75
        nothing = one(name, (TRUTH + 1) % 3)
        assert nothing.value == 0.0
        assert nothing.high is not None
        assert nothing.high > 0.25


def test_cells_count() -> None:
    cells = Cells.of(CALLED.astype(np.int16), TRUTH, 3)
    assert (cells.total, cells.correct) == (10, 8)
    assert cells.images.tolist() == [3, 1, 2, 1, 3]
