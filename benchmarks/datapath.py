"""The in-memory data path against the loader's own: `python -m benchmarks.datapath`.

One student's loop (MNIST, some 8,000 parameters, batches of 128) in turns with the path and without, over the
same batches from the same seed: the losses must be equal to the bit, or there are no figures. MNIST is read
where AUTOGRADER_DATA names it; else the pictures are noise, which costs as much.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from autograder.datasets import mnist
from autograder.sandbox import vision
from autograder.sandbox.kernel import datapath
from autograder.sandbox.kernel.context import Context
from benchmarks.figures import ratios, spread, table
from benchmarks.machine import provenance

_BATCH, _SEED, _EPOCH = 128, 11, 60_000
_WARM_UP = 3  # batches; two of them are tested by being made both ways
_AIM = 0.1  # of the steps' time


@dataclass(slots=True)
class Seconds:
    """Processor time of a number of batches: with the path, without, and what a network does with them."""

    memory: list[float]
    plain: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=60, help="in each round, of an epoch's 469")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    vision.install()
    context = Context(Path())
    datapath.install(context)
    transforms: Any = importlib.import_module("torchvision.transforms")
    last = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    kinds = {
        "ToTensor, Normalize": [],
        "RandomRotation": [transforms.RandomRotation((-7.0, 7.0), fill=(1,))],
        "RandomAffine": [transforms.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5)],
        "RandomCrop": [transforms.RandomCrop(28, padding=2)],
    }
    rows = []
    for name, first in kinds.items():
        loader = _loader(transforms.Compose([*first, *last]))
        _in_turns(context, functools.partial(_batches, loader, _WARM_UP), 1)
        data = _in_turns(context, functools.partial(_batches, loader, asked.batches), asked.rounds)
        loop = _in_turns(context, functools.partial(_loop, loader, asked.batches), asked.rounds)
        rows.append(_row(name, data, loop, asked.batches))
    print(provenance("Data path", {"torch": torch.__version__}, rounds=asked.rounds, batches=asked.batches))
    print(table(_HEAD, rows))
    print()
    print(f"Parameters: {sum(one.numel() for one in _network().parameters()):,}. All losses were equal.")


_HEAD = [
    "transform",
    "batches of an epoch, loader's own",
    "… in memory",
    "times less",
    "the whole loop: times faster",
    f"in memory, of the steps (aim: {_AIM:g})",
]


def _row(name: str, data: Seconds, loop: Seconds, batches: int) -> list[str]:
    epoch = _EPOCH / _BATCH / batches
    steps = [whole - part for whole, part in zip(loop.memory, data.memory, strict=True)]
    return [
        name,
        spread(data.plain, "s", scale=epoch),
        spread(data.memory, "s", scale=epoch),
        spread(ratios(data.plain, data.memory)),
        spread(ratios(loop.plain, loop.memory)),
        spread(ratios(data.memory, steps)),
    ]


def _in_turns(context: Context, run: Callable[[], list[float]], rounds: int) -> Seconds:
    """With and without, each round from the same seed; what the rounds come to must be the same."""
    seconds = Seconds([], [])
    for _ in range(rounds):
        found = []
        for into, is_on in ((seconds.memory, True), (seconds.plain, False)):
            context.in_memory = is_on
            torch.manual_seed(_SEED)
            began = time.process_time()
            found.append(run())
            into.append(time.process_time() - began)
        if found[0] != found[1]:
            raise SystemExit("The data path's batches are not the loader's own: no figures.")
    return seconds


def _batches(loader: Iterable[Any], count: int) -> list[float]:
    """The sum of each batch."""
    return [float(pictures.sum()) for pictures, _ in islice(loader, count)]


def _loop(loader: Iterable[Any], count: int) -> list[float]:
    """The loss of each step."""
    network = _network()
    optimizer = torch.optim.SGD(network.parameters(), 0.02, momentum=0.9)
    losses = []
    for pictures, labels in islice(loader, count):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(pictures), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def _network() -> nn.Sequential:
    def block(before: int, after: int, size: int = 3) -> list[nn.Module]:
        return [
            nn.Conv2d(before, after, size, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Dropout(0.02),
        ]

    return nn.Sequential(
        *block(1, 10),
        *block(10, 16),
        *block(16, 20),
        nn.MaxPool2d(2),
        *block(20, 10, 1),
        *block(10, 14),
        *block(14, 14),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(14, 10, 1),
        nn.Flatten(),
        nn.LogSoftmax(1),
    )


def _loader(transform: Any) -> DataLoader[Any]:
    datasets: Any = importlib.import_module("torchvision.datasets")
    dataset: Any = object.__new__(datasets.MNIST)
    datasets.VisionDataset.__init__(dataset, "", transform=transform)
    dataset.data, dataset.targets = _pictures()
    return DataLoader(dataset, _BATCH, shuffle=True)


def _pictures() -> tuple[torch.Tensor, torch.Tensor]:
    folder = os.environ.get("AUTOGRADER_DATA")
    found = mnist.find("mnist", Path(folder)) if folder else None
    if found is not None:
        training, _, _ = mnist.read("mnist", found, print)
        images, labels = np.array(training.images), np.array(training.labels, np.int64)
    else:
        draws = np.random.default_rng(_SEED)
        images, labels = draws.integers(0, 256, (_EPOCH, 28, 28), np.uint8), draws.integers(0, 10, _EPOCH)
    return torch.from_numpy(images), torch.from_numpy(labels)


if __name__ == "__main__":
    main()
