"""Which training fits which limit: `python -m benchmarks.epochs`.

Some steps of each network are timed, in turns, and an epoch is that many times longer: batches come from
memory (see datapath.py), so the steps are nearly all there is. What fits is told for Gradescope's default
limit and its longest, less what a grading needs besides the training.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from autograder.sandbox import vision
from benchmarks.figures import median, spread, table
from benchmarks.machine import provenance

_WARM_UP, _SEED = 2, 3  # steps
_BESIDES_S = 180.0  # of a grading: its start, the export, all images of the test set, the report
_LIMITS_MIN = (10, 40)  # Gradescope's default and its longest


@dataclass(frozen=True)
class Training:
    """A homework's network, and what one epoch of it is."""

    name: str
    make: Callable[[], nn.Module]
    pictures: tuple[int, ...]
    images: int
    batch: int
    classes: int = 10
    steps: int = 10  # that are timed in a round
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    vision.install()
    models: Any = importlib.import_module("torchvision.models")
    trainings = [
        Training("7,764 parameters, MNIST", _under_8000, (1, 28, 28), 60_000, 128, steps=40),
        Training("convolution, pooling, 2 layers (32 filters), CIFAR-10", _convnet, (3, 32, 32), 50_000, 128),
        Training("ResNet-9 (6.6 million), CIFAR-10", _resnet9, (3, 32, 32), 50_000, 128, steps=3),
        Training("ResNet-18, ImageNet", models.resnet18, (3, 224, 224), 1_281_167, 16, 1000, steps=2),
    ]
    for _ in range(asked.rounds):
        for one in trainings:
            one.seconds.append(_epoch_s(one))
    notes = {"torch": torch.__version__, "threads": str(asked.threads)}
    print(provenance("Which training fits", notes, rounds=asked.rounds))
    head = ["network", "one epoch", *(f"epochs in {limit} minutes" for limit in _LIMITS_MIN)]
    print(table(head, [_row(one) for one in trainings]))


def _row(one: Training) -> list[str]:
    room = [60.0 * limit - _BESIDES_S for limit in _LIMITS_MIN]
    return [one.name, spread(one.seconds, "s"), *(str(int(left / median(one.seconds))) for left in room)]


def _epoch_s(one: Training) -> float:
    torch.manual_seed(_SEED)
    network = one.make()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    pictures = torch.randn(one.batch, *one.pictures)
    labels = torch.randint(one.classes, (one.batch,))
    began = 0.0
    for step in range(_WARM_UP + one.steps):
        if step == _WARM_UP:
            began = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pictures), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (time.perf_counter() - began) / one.steps * one.images / one.batch


def _block(before: int, after: int, size: int = 3, padding: int = 0) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, size, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]


def _under_8000() -> nn.Module:
    return nn.Sequential(
        *_block(1, 8),
        *_block(8, 16),
        nn.MaxPool2d(2),
        *_block(16, 8, 1),
        *_block(8, 12),
        *_block(12, 16),
        *_block(16, 14),
        *_block(14, 12, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(12, 10, 1, bias=False),
        nn.Flatten(),
    )


def _convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 256, 10)
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(*_block(width, width, padding=1), *_block(width, width, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = x + self.inner(x)
        return added


def _resnet9() -> nn.Module:
    return nn.Sequential(
        *_block(3, 64, padding=1),
        *_block(64, 128, padding=1),
        nn.MaxPool2d(2),
        _Residual(128),
        *_block(128, 256, padding=1),
        nn.MaxPool2d(2),
        *_block(256, 512, padding=1),
        nn.MaxPool2d(2),
        _Residual(512),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


if __name__ == "__main__":
    main()
