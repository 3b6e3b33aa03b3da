"""Batches of the data sets that are known, made of their arrays at once.

`torch.utils.data`'s fetcher is where a loader turns the indices of a batch into its tensors. The sampler that
gave them, the iterator, its base seed, and whoever watches them are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import data
from torch.utils.data._utils import collate
from torchvision import datasets  # type: ignore[import-untyped]  # ships no types

from autograder.sandbox.kernel.datapath_reading import Reading, read_transform
from autograder.sandbox.kernel.datapath_steps import Drawn, Step, draw_all
from autograder.sandbox.kernel.datapath_values import Unknown

_MOST_BYTES = 1 << 30  # of a data set's own array; CIFAR-10 has 154 MB. No copy of it is made
_MOST_SUBSETS = 4  # one within another
_TOGETHER = 256  # pictures that are worked on at once: they stay in the processor's cache
_OF_TENSORS = (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which data set, and all that is done to its pictures; equal where batches are made alike."""

    name: str
    shape: tuple[int, int, int]
    reading: Reading


@dataclass(frozen=True, slots=True)
class Order:
    """One batch to make: the recipe, and the data set's own pictures, labels and indices for it."""

    recipe: Recipe
    pictures: NDArray[np.uint8]
    labels: Any
    indices: list[int]

    def make(self) -> list[torch.Tensor]:
        """What the fetcher would give, and the random generator left as by it."""
        steps, indices = self.recipe.reading.steps, self.indices
        drawn = draw_all(steps, len(indices))
        labels = self._labels()
        parts = []
        for start in range(0, len(indices), _TOGETHER):
            chosen = slice(start, start + _TOGETHER)
            drawn_here = [[column[chosen] for column in columns] for columns in drawn]
            taken = self.pictures[indices[chosen]].reshape(-1, *self.recipe.shape)
            parts.append(_through(steps, taken, drawn_here))
        return [parts[0] if len(parts) == 1 else torch.cat(parts), labels]

    def _labels(self) -> torch.Tensor:
        if isinstance(self.labels, list):
            return torch.tensor(self._listed(self.labels))
        return torch.from_numpy(self.labels[self.indices].astype(np.int64))

    def _listed(self, labels: list[Any]) -> list[int]:
        taken = [labels[index] for index in self.indices]
        if not all(type(label) is int for label in taken):
            raise Unknown
        return taken


def _through(steps: Sequence[Step], images: Any, drawn: Sequence[Drawn]) -> torch.Tensor:
    for step, columns in zip(steps, drawn, strict=True):
        images = step.apply(images, columns)
    batch: torch.Tensor = images.contiguous()
    return batch


def read_order(fetcher: Any, indices: object) -> Order:
    """What a fetcher is asked for. Raises Unknown where that isn't known in every respect."""
    if not fetcher.auto_collation or fetcher.collate_fn is not collate.default_collate:
        raise Unknown
    if type(indices) is not list or not indices:
        raise Unknown
    dataset, within = _below_subsets(fetcher.dataset, [_index(one) for one in indices])
    kind = type(dataset)
    if kind in _OF_TENSORS:
        pictures, labels = _tensors(dataset)
    elif kind is datasets.CIFAR10:
        pictures, labels = dataset.data, dataset.targets
        if type(labels) is not list:
            raise Unknown
    else:
        raise Unknown
    if "__getitems__" in vars(dataset) or dataset.target_transform is not None:
        raise Unknown
    if type(pictures) is not np.ndarray or pictures.dtype != np.uint8 or pictures.nbytes > _MOST_BYTES:
        raise Unknown
    if pictures.ndim != (4 if kind is datasets.CIFAR10 else 3) or pictures.shape[3:] not in ((), (3,)):
        raise Unknown
    if not (min(within) >= 0 and max(within) < min(len(pictures), len(labels))):
        raise Unknown
    height, width, channels = (*pictures.shape[1:], 1)[:3]
    reading = read_transform(dataset.transform, channels, height, width)
    return Order(Recipe(kind.__name__, (height, width, channels), reading), pictures, labels, within)


def _index(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, np.integer) or (
        type(value) is torch.Tensor and value.dim() == 0 and value.dtype is torch.int64
    ):
        return int(value)
    raise Unknown


def _below_subsets(dataset: Any, indices: list[int]) -> tuple[Any, list[int]]:
    for _ in range(_MOST_SUBSETS):
        if type(dataset) is not data.Subset:
            return dataset, indices
        if vars(dataset).keys() != {"dataset", "indices"}:
            raise Unknown
        chosen = dataset.indices
        if type(chosen) not in (list, tuple, range, np.ndarray, torch.Tensor):
            raise Unknown
        if not (min(indices) >= 0 and max(indices) < len(chosen)):  # the list itself says what is wrong
            raise Unknown
        dataset, indices = dataset.dataset, [_index(chosen[index]) for index in indices]
    raise Unknown


def _tensors(dataset: Any) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    pictures, labels = dataset.data, dataset.targets
    for tensor in (pictures, labels):
        if type(tensor) is not torch.Tensor or tensor.device.type != "cpu":
            raise Unknown
    if labels.dim() != 1 or labels.dtype not in (torch.int64, torch.int32, torch.uint8):
        raise Unknown
    return pictures.numpy(), labels.numpy()
