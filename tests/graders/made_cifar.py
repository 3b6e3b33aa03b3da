"""Made-up images in CIFAR-10's layout, a colour for each class: a small network knows them after seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autograder.datasets import cifar, pickles

TRAIN, TEST = 100, 200  # images of a batch, and of the test set


def batches() -> dict[str, dict[str, Any]]:
    """The batches by their files' names: images as CIFAR-10 has them, and labels."""
    draws = np.random.default_rng(3)
    return {name: _batch(draws, TEST if name == "test_batch" else TRAIN) for name in cifar.BATCHES}


def write_cifar(course: Path) -> list[int]:
    """Write them where a course's data folder has them; returns the test images' labels."""
    folder = course / cifar.FOLDER
    folder.mkdir()
    made = batches()
    for name, batch in made.items():
        (folder / name).write_bytes(pickles.write(batch))
    (folder / cifar.META).write_bytes(pickles.write({"label_names": cifar.NAMES}))
    labels: list[int] = made["test_batch"]["labels"]
    return labels


def _batch(draws: np.random.Generator, count: int) -> dict[str, Any]:
    """A batch of images of ten colours, with some noise."""
    labels = draws.integers(0, 10, count)
    colours = np.random.default_rng(7).integers(40, 216, (10, 3, 1))
    noise = draws.normal(0, 12, (count, 3, 1024))
    return {"data": np.clip(colours[labels] + noise, 0, 255).astype(np.uint8).reshape(count, 3072),
            "labels": labels.tolist()}  # fmt: skip
