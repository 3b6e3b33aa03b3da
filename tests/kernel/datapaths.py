"""Made-up data sets, and loaders' batches with the random states after each, for the data path's tests."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.data._utils.fetch import _MapDatasetFetcher

from autograder.sandbox import vision
from autograder.sandbox.kernel.context import Context

vision.install()  # the torch and torchvision of the tests' environment aren't built for each other
datasets: Any = importlib.import_module("torchvision.datasets")
T: Any = importlib.import_module("torchvision.transforms")
v2: Any = importlib.import_module("torchvision.transforms.v2")
affine: Any = importlib.import_module("autograder.sandbox.kernel.datapath_affine")
steps: Any = importlib.import_module("autograder.sandbox.kernel.datapath_steps")
trust: Any = importlib.import_module("autograder.sandbox.kernel.datapath_trust")

COUNT = 90


def made_up(kind: Any, transform: Any, *, count: int = COUNT, **named: Any) -> Any:
    """A data set of torchvision's own class, with pictures of noise that no file holds."""
    dataset: Any = object.__new__(kind)
    datasets.VisionDataset.__init__(dataset, "", transform=transform, **named)
    dataset.train = True
    draws = np.random.default_rng(7)
    labels = draws.integers(0, 10, count)
    if issubclass(kind, datasets.CIFAR10):
        # As torchvision holds it: channels first in memory.
        dataset.data = draws.integers(0, 256, (count, 3, 32, 32), np.uint8).transpose(0, 2, 3, 1)
        dataset.targets = labels.tolist()
    else:
        dataset.data = torch.from_numpy(draws.integers(0, 256, (count, 28, 28), np.uint8))
        dataset.targets = torch.from_numpy(labels)
    return dataset


def mnist(transform: Any, **named: Any) -> Any:
    return made_up(datasets.MNIST, transform, **named)


def cifar(transform: Any, **named: Any) -> Any:
    return made_up(datasets.CIFAR10, transform, **named)


@dataclass(slots=True)
class Counted:
    """A path that stands in place of the fetcher's own; how many batches went the student's way."""

    context: Context
    path: Any = None
    plain: int = 0

    @property
    def uses(self) -> list[tuple[str, str]]:
        return [(use.kind, use.detail) for use in self.context.uses]


@contextmanager
def in_memory(*, tested: int = 0, spot_every: int = 1 << 30) -> Iterator[Counted]:
    """With the path in place; by default no batch is tested, so that all that is seen is its own."""
    counted = Counted(Context(Path()))
    usual: Any = _MapDatasetFetcher.fetch

    def plain(fetcher: Any, indices: Any) -> Any:
        counted.plain += 1
        return usual(fetcher, indices)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trust, "_TESTED", tested)
        patch.setattr(trust, "_SPOT_EVERY", spot_every)
        counted.path = trust.DataPath(counted.context, plain)
        patch.setattr(
            _MapDatasetFetcher,
            "fetch",
            lambda fetcher, indices: counted.path.fetch(fetcher, indices),  # noqa: PLW0108  (a method)
        )
        yield counted


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return bool(trust._same_bits(one, other))
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A batch, and what the random generators were after it: torch's, Python's and the loader's own."""

    batch: Any
    generator: torch.Tensor
    python: object
    own: torch.Tensor | None

    def is_as(self, other: Taken) -> bool:
        mine, theirs = ((one.batch, one.generator, one.own) for one in (self, other))
        return _same(mine, theirs) and self.python == other.python


def all_as(found: list[Taken], expected: list[Taken]) -> bool:
    return len(found) == len(expected) and all(map(Taken.is_as, found, expected))


def take(
    make: Callable[[], DataLoader[Any]], seed: int = 3, most: int = 1 << 30, passes: int = 1
) -> list[Taken]:
    """The batches of a fresh loader, from a seed; ``most`` of a pass, then it is left."""
    torch.manual_seed(seed)
    random.seed(seed)
    loader = make()
    taken = []
    for _ in range(passes):
        for number, batch in enumerate(loader):
            own = loader.generator.get_state() if loader.generator is not None else None
            taken.append(Taken(batch, torch.get_rng_state(), random.getstate(), own))
            if number + 1 >= most:
                break
        taken.append(Taken([], torch.get_rng_state(), random.getstate(), None))
    return taken


def same_both_ways(make: Callable[[], DataLoader[Any]], **named: int) -> Counted:
    """Asserts that a loader's batches are the same with the path and without."""
    expected = take(make, **named)
    with in_memory() as counted:
        found = take(make, **named)
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one.is_as(other), f"batch {number} or the random state after it"
    assert counted.context.uses == {}
    return counted
