"""Logs of real trainings: a tiny network on 4,000 of MNIST's images, its loop written after each format."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.checks.logs.describe import describe
from autograder.checks.logs.forensics import forensics
from autograder.checks.logs.reading import parse_log

SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize(
    ("name", "form", "first", "top1", "train"),
    [
        ("bars.log", "progress bars", 0, [0.152, 0.158, 0.175, 0.213], 0.209),
        ("homework.log", "MNIST example", 1, [0.195, 0.167, 0.262, 0.395], None),
        ("meters.log", "ImageNet example", 0, [0.186, 0.211, 0.22, 0.294], 0.326),
    ],
)
def test_a_real_log(name: str, form: str, first: int, top1: list[float], train: float | None) -> None:
    (log,) = parse_log((SAMPLES / name).read_bytes(), name)
    assert form in log.format
    assert [one.number for one in log.epochs] == list(range(first, first + 4))
    assert [one.top1 for one in log.epochs] == top1
    assert log.epochs[-1].train_top1 == train
    assert log.images is not None
    assert log.images.holds(1000)
    assert forensics(log) == ()
    assert f"{100 * top1[-1]:.4g} %" in describe(log)


def test_the_homeworks_log_ends_with_the_test() -> None:
    (log,) = parse_log((SAMPLES / "homework.log").read_bytes(), "log.txt")
    assert log.split == "valid"
    assert log.final_test == 0.395
    assert log.train_images is not None
    assert log.train_images.exact == 4000
