"""What the meter reports is hostile until it is read; and what is concluded from it."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.sandbox.training import (
    LossPoint,
    Part,
    Progress,
    Training,
    TrainingRun,
    falls,
    predict,
)

RUN: dict[str, Any] = {
    "number": 0,
    "cell": 3,
    "by_hand": False,
    "optimizer": "SGD",
    "model": "Net",
    "parameters": 1000,
    "groups": 1,
    "steps": 2814,
    "backwards": 2814,
    "cells": [{"cell": 3, "steps": 2814, "passes": 3}],
    "lr_first": 0.1,
    "lr_last": 0.1,
    "lr_least": 0.1,
    "lr_most": 0.1,
    "momentum": 0,
    "weight_decay": 0.0,
    "batch": 64,
    "batch_least": 32,
    "batch_most": 64,
    "losses": [[1, 2.301], [1400, 0.2], [2814, 0.08]],
    "losses_seen": 2814,
    "nonfinite": 0,
    "steps_per_epoch": 938,
    "rate": 50.0,
    "between_s": 2.0,
    "seconds": 60.0,
    "change": 0.5,
    "feeds": [
        {
            "loader": 0,
            "passes": 3,
            "complete": 3,
            "batches": 2814,
            "steps": 2814,
            "checked": 50,
            "proven": 50,
            "after_end": 0,
        }
    ],
}
MNIST: dict[str, Any] = {
    "name": "MNIST",
    "module": "torchvision",
    "items": 60000,
    "of": 60000,
    "train": True,
    "split": "",
    "folders": [],
    "like": "",
}
LOADER = {
    "number": 0,
    "cell": 1,
    "kind": "torch",
    "parts": [MNIST],
    "batches": 938,
    "batch": 64,
    "sampler": "RandomSampler",
}
REPORT: dict[str, Any] = {"version": 1, "runs": [RUN], "loaders": [LOADER], "evaluations": [], "errors": 0}


def the_run(**other: Any) -> TrainingRun:
    (run,) = Training.from_json(REPORT | {"runs": [RUN | other]}).runs
    return run


def test_a_right_report_is_read_whole() -> None:
    training = Training.from_json(json.loads(json.dumps(REPORT)))
    assert training.dropped == 0
    assert training.sentence(training.runs[0]) == (
        "trained 938 steps per epoch for 3 epochs with SGD, lr 0.1, batch 64, on MNIST train (60,000); "
        "loss 2.3 -> 0.08"
    )
    assert training.longest == training.runs[0]
    assert training.fed_by(training.runs[0], "train") == training.loaders


@pytest.mark.parametrize("value", [None, [], "junk", 3, math.nan, True])
def test_what_is_no_report_says_nothing(value: object) -> None:
    assert Training.from_json(value) == Training(dropped=1)
    assert Progress.from_json(value) is None


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("steps", True, 0),
        ("steps", -1, 0),
        ("steps", 10**30, 0),
        ("steps", 3.0, 0),
        ("steps", "3", 0),
        ("rate", math.nan, None),
        ("rate", math.inf, None),
        ("rate", 10**400, None),
        ("rate", "fast", None),
        ("by_hand", 1, False),
        ("optimizer", ["SGD"], ""),
        ("losses", {"1": 2}, ()),
        ("feeds", [3], ()),
    ],
)
def test_a_value_that_is_not_right_is_dropped_and_counted(name: str, value: object, kept: object) -> None:
    training = Training.from_json(REPORT | {"runs": [RUN | {name: value}]})
    assert getattr(training.runs[0], name) == kept
    assert training.dropped == 1


def test_points_that_are_not_right_are_dropped_one_by_one() -> None:
    losses = [[1, 2.0], [2, math.nan], [3], "x", [4, 1], [True, 1.0], [-1, 1.0]]
    training = Training.from_json(REPORT | {"runs": [RUN | {"losses": losses}]})
    assert training.runs[0].losses == (LossPoint(1, 2.0), LossPoint(4, 1.0))
    assert training.dropped == 5


def test_lists_that_are_too_long_are_cut() -> None:
    training = Training.from_json({"runs": [RUN] * 5000, "loaders": [LOADER | {"parts": [MNIST] * 3000}]})
    assert (len(training.runs), len(training.loaders[0].parts)) == (1000, 1000)
    assert training.dropped == 4000 + 2000


def test_a_name_that_would_steer_a_terminal_is_tamed() -> None:
    run = the_run(optimizer="S\x1b[31mG\u202eD\n" + "x" * 10_000)
    assert "\x1b" not in run.optimizer
    assert "\u202e" not in run.optimizer
    assert "\n" not in run.optimizer
    assert len(run.optimizer) <= 60


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*RUN, *LOADER, *MNIST, "runs", "loaders", "evaluations"]), JSON))
def test_no_junk_raises_or_gets_through(junk: dict[str, Any]) -> None:
    report = {"runs": [RUN | junk, junk], "loaders": [LOADER | junk], "evaluations": [junk], **junk}
    for value in (junk, report):
        training = Training.from_json(value)
        for run in training.runs:
            training.sentence(run)
            falls(run)
            assert all(math.isfinite(point.loss) for point in run.losses)
            assert type(run.steps) is int
            assert run.rate is None or math.isfinite(run.rate)
        progress = Progress.from_json(value)
        assert progress is not None
        left = predict(progress, 3)
        assert left is None or (math.isfinite(left) and left >= 0)


@pytest.mark.parametrize(
    ("part", "which"),
    [
        ({"train": False}, "test"),
        ({"train": None, "split": "valid"}, "valid"),
        ({"train": None, "split": "valid", "folders": ["testing"]}, "test"),
        ({"train": None, "split": "train", "folders": ["training", "testing"]}, "train"),
        ({"train": None, "like": "CIFAR10 test"}, "test"),
        ({"train": None}, ""),
        ({"train": None, "split": "letters"}, ""),
    ],
)
def test_which_half_a_data_set_is(part: dict[str, Any], which: str) -> None:
    training = Training.from_json({"loaders": [LOADER | {"parts": [MNIST | part]}]})
    got: Part = training.loaders[0].parts[0]
    assert got.which == which


def curve(begin: float, end: float, noise: float, steps: int = 400, scale: float = 40) -> TrainingRun:
    rng = random.Random(0)  # noqa: S311 - noise
    losses = [end + (begin - end) * math.exp(-at / scale) + rng.gauss(0, noise) for at in range(steps)]
    points = tuple(LossPoint(at + 1, loss) for at, loss in enumerate(losses))
    return replace(the_run(), losses=points, losses_seen=steps)


@pytest.mark.parametrize(
    "run",
    [
        curve(2.3, 0.1, 0.05),
        curve(2.3, 0.3, 0.3),  # small batches
        curve(2.3, 0.25, 0.1, scale=2),  # learnt long before the first tenth is over
        curve(0.5, 0.4, 0.02),
        curve(2.3026, 2.25, 0.002, scale=400),  # slow
        curve(2.3, 1.5, 0.01, steps=10, scale=5),  # ten steps with the whole set
        curve(-0.1, -0.9, 0.02),  # a loss without its logarithm
    ],
)
def test_a_loss_that_falls(run: TrainingRun) -> None:
    assert falls(run)


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.05, 0.5])
@pytest.mark.parametrize("level", [0.1, 2.3])
def test_a_loss_that_stays(level: float, noise: float) -> None:
    assert not falls(curve(level, level, noise))


def test_a_loss_that_stays_hardly_ever_falls_by_luck() -> None:
    rng = random.Random(1)  # noqa: S311 - noise
    lucky = 0
    for _ in range(500):
        points = tuple(LossPoint(at, 2.3 + rng.gauss(0, 0.3)) for at in range(400))
        lucky += falls(replace(the_run(), losses=points))
    assert lucky <= 2


def test_a_loss_that_rises_or_is_too_short_does_not_fall() -> None:
    assert not falls(curve(0.1, 2.3, 0.05))
    assert not falls(curve(2.3, 0.1, 0.0, steps=5, scale=1))


PROGRESS = {
    "run": 0,
    "cell": 3,
    "by_hand": False,
    "steps": 938,
    "steps_in_cell": 938,
    "passes_in_cell": 1,
    "steps_per_epoch": 938,
    "rate": 50.0,
    "between_s": 2.0,
    "elapsed_s": 20.0,
    "loss": 0.3,
}


def test_the_time_still_to_come() -> None:
    progress = Progress.from_json(PROGRESS)
    assert progress is not None
    assert predict(progress, 3) == pytest.approx(2 * 938 / 50 + 2 * 2.0)
    assert predict(progress, 3, steps_done=3 * 938) == 0
    assert predict(progress, 1) == 0
    assert predict(progress, 0) is None


@pytest.mark.parametrize("missing", ["rate", "steps_per_epoch"])
def test_no_time_is_told_where_none_can_be(missing: str) -> None:
    progress = Progress.from_json(PROGRESS | {missing: None})
    assert progress is not None
    assert predict(progress, 3) is None
