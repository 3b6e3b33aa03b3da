"""Trained on the test set, a test loader that is the training set, and what too close to call means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from autograder.checks.statistics import Standing
from autograder.checks.training import (
    PROVEN,
    TOLD_STAFF,
    begun_trained,
    evaluated_on_training,
    fed_by_test,
    judge_official,
    seen_and_hidden,
    settle,
)
from autograder.outcome import Evidence
from autograder.sandbox.training import Training
from autograder.sandbox.training_weights import Beginning, Begun, Load
from tests.checks.trainings import Metered, pretrained


def masks(seen_right: int, hidden_right: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of 10,000 are right and which 2,000 are hidden, mixed."""
    total, hidden = 10_000, 2_000
    right, unseen = np.zeros(total, dtype=bool), np.zeros(total, dtype=bool)
    unseen[:hidden] = True
    right[:hidden_right] = True
    right[hidden : hidden + seen_right] = True
    order = np.random.default_rng(0).permutation(total)
    return right[order], unseen[order]


def test_whoever_trains_on_the_test_set_is_found() -> None:
    """All that it could see by heart, and of the hidden part what any such network has right."""
    found = seen_and_hidden(*masks(8_000, 1_985))
    assert found is not None
    assert found.certain
    assert found.evidence is Evidence.VERIFIED
    assert "8,000 of 8,000 right (100.00 %) against 1,985 of 2,000 (99.25 %)" in found.text


def test_a_difference_that_may_be_chance_is_nothing() -> None:
    assert seen_and_hidden(*masks(7_960, 1_990)) is None  # 99.5 % of both
    assert seen_and_hidden(*masks(7_960, 1_984)) is None
    assert seen_and_hidden(*masks(7_900, 2_000)) is None  # better on what it never saw


def test_between_the_two_it_is_for_staff() -> None:
    found = seen_and_hidden(*masks(7_976, 1_981))
    assert found is not None
    assert not found.certain
    assert "By chance that happens once in" in found.text


def test_honest_networks_are_suspected_as_rarely_as_it_says() -> None:
    generator = np.random.default_rng(1)
    _, hidden = masks(0, 0)
    networks = (generator.random(10_000) < 0.994 for _ in range(300))
    suspected = sum(seen_and_hidden(one, hidden, error=0.05) is not None for one in networks)
    assert suspected <= 25  # 15 are expected at most
    assert PROVEN < TOLD_STAFF < 0.05


def test_where_nothing_is_hidden_nothing_can_be_told() -> None:
    right = np.ones(1_000, dtype=bool)
    assert seen_and_hidden(right, np.zeros(1_000, dtype=bool)) is None
    with pytest.raises(ValueError, match="two masks"):
        seen_and_hidden(right, np.zeros(999, dtype=bool))
    with pytest.raises(ValueError, match="two masks"):
        seen_and_hidden(right.astype(int), right)


def test_an_official_test_set_is_judged_whole_unless_its_parts_disagree() -> None:
    whole = judge_official(*masks(7_952, 1_988), 0.994)
    assert (whole.standing, whole.whole, whole.total) == (Standing.MET, True, 10_000)
    assert judge_official(*masks(7_951, 1_988), 0.994).standing is Standing.NOT_MET
    disagreeing = judge_official(*masks(8_000, 1_960), 0.994)  # 9,960 in all
    assert (disagreeing.standing, disagreeing.whole) == (Standing.NOT_MET, False)
    assert (disagreeing.correct, disagreeing.total) == (1_960, 2_000)


# --- loaders ------------------------------------------------------------------------------------------


def test_a_test_loader_that_is_the_training_set() -> None:
    metered = Metered()
    metered.run(4, 15, metered.loader())
    metered.evaluated(metered.loader(train=True))
    found = evaluated_on_training(metered.read())
    assert found is not None
    assert found.certain
    assert found.text.startswith(
        "While it ran, every evaluation went over the training set: MNIST train (60,000)."
    )
    assert "train=False" in found.hint


def test_training_images_may_be_evaluated_beside_test_images() -> None:
    metered = Metered()
    metered.evaluated(metered.loader(train=True))
    metered.evaluated(metered.loader(train=False, items=10_000))
    metered.evaluated(1)
    assert evaluated_on_training(metered.read()) is None
    assert evaluated_on_training(Metered().read()) is None


def test_what_is_not_known_to_be_training_images_is_not_taken_for_them() -> None:
    metered = Metered()
    metered.evaluated(metered.loader(train=None))
    assert evaluated_on_training(metered.read()) is None
    left_half_way = Metered()  # a look at a batch, to plot it
    left_half_way.evaluated(left_half_way.loader(train=True), complete=0)
    assert evaluated_on_training(left_half_way.read()) is None
    without_network = Metered()  # mean and standard deviation, counted before
    without_network.evaluated(without_network.loader(train=True), model="")
    assert evaluated_on_training(without_network.read()) is None


def test_a_part_split_off_the_training_set_is_for_staff() -> None:
    metered = Metered()
    metered.evaluated(metered.loader(train=True, items=10_000, of=60_000))
    found = evaluated_on_training(metered.read())
    assert found is not None
    assert not found.certain
    assert "a part of the training set: MNIST train (10,000 of 60,000)" in found.text


def test_a_training_on_test_images() -> None:
    metered = Metered()
    metered.run(4, 2, [metered.loader(), metered.loader(train=False, items=10_000)])
    found = fed_by_test(metered.read())
    assert found is not None
    assert found.text == "While it ran, the network was trained on MNIST test (10,000)."
    honest = Metered()
    honest.run(4, 2, honest.loader())
    assert fed_by_test(honest.read()) is None


# --- how networks began -------------------------------------------------------------------------------


def began(tensors: Sequence[Beginning], steps: int = 0, model: str = "Net") -> Training:
    metered = Metered()
    metered.run(4, 2, metered.loader())
    loads = (Load("torch.load", "best.pt", 3, steps), Load("torch.load", "later.pt", 9, 10**6))
    return replace(metered.read(), beginnings=(Begun(4, steps, model, tuple(tensors)),), loads=loads)


def test_a_network_that_came_trained() -> None:
    found = begun_trained(began(pretrained()))
    assert found is not None
    assert found.certain
    assert (found.evidence, found.where) == (Evidence.MEASURED, "cell 4")
    assert found.text.endswith(" Loaded before that: 'best.pt' in cell 3.")


def test_weights_that_may_be_of_a_training_that_was_seen_are_for_staff() -> None:
    found = begun_trained(began(pretrained(), steps=500))
    assert found is not None
    assert not found.certain
    # Averaged weights have a name of their own, and are never trained.
    assert begun_trained(began(pretrained(), model="AveragedModel")) is None
    fresh = began([])
    copied = replace(fresh, beginnings=(*fresh.beginnings, Begun(6, 900, "Net", tuple(pretrained()))))
    assert begun_trained(copied) is None
    assert begun_trained(Training()) is None


# --- too close to call --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "rule", "runs", "left_s", "action"),
    [
        (Standing.MET, "staff", 1, 0.0, "met"),
        (Standing.NOT_MET, "more_seeds", 1, 9_999.0, "not met"),
        (Standing.TOO_CLOSE, "student", 1, 9_999.0, "met"),
        (Standing.TOO_CLOSE, "staff", 1, 9_999.0, "staff"),
        (Standing.TOO_CLOSE, "more_seeds", 1, 9_999.0, "train again"),
        (Standing.TOO_CLOSE, "more_seeds", 1, 610.0, "met"),  # a training takes 600, or a little longer
        (Standing.TOO_CLOSE, "more_seeds", 3, 9_999.0, "met"),
        (Standing.TOO_CLOSE, "more_seeds", 1, -5.0, "met"),
    ],
)
def test_what_too_close_means(standing: Standing, rule: str, runs: int, left_s: float, action: str) -> None:
    found = settle(standing, rule, runs=runs, most_runs=3, run_s=600.0, left_s=left_s)  # type: ignore[arg-type]
    assert found.action == action
    assert found.told.endswith(".")
