"""The part of a test set that submissions never see.

Its places in the files that they are shown are taken by copies of images that they may see, so that the set
keeps its size: code divides by 10,000. A network is judged on all of the true test images, and one that was
trained on those it could see knows them better than the others (see checks/training.py).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from autograder.datasets.found import Split

OFFICIAL = 10_000  # test images of MNIST, FashionMNIST and CIFAR-10, which the number is meant for
_MOST = 3  # at most a third of a test set is hidden: the rest must still be one to learn something from


@dataclass(frozen=True, slots=True)
class Hiding:
    """How many of the official test images are hidden; which ones follows from the seed."""

    images: int = 0
    seed: int = 0

    def count(self, test_images: int) -> int:
        """How many of so many test images: proportionally less where it would be more than a third."""
        if self.images * _MOST <= test_images:
            return self.images
        return min(self.images * test_images // OFFICIAL, test_images // _MOST)

    def places(self, name: str, test_images: int) -> np.ndarray:
        """Which ones, as a bool each."""
        hidden = np.zeros(test_images, dtype=bool)
        hidden[self._generator(name).choice(test_images, self.count(test_images), replace=False)] = True
        return hidden

    def shown(self, name: str, test: Split) -> Split:
        """The test set with copies of visible images, and their labels, in the hidden ones' places."""
        hidden = self.places(name, len(test.labels))
        if not hidden.any():
            return test
        # Of any class: a copy of the same one would give the hidden image's label away.
        copied = self._generator(f"{name} copies").choice(np.flatnonzero(~hidden), int(hidden.sum()))
        origin = np.arange(len(test.labels))
        origin[hidden] = copied
        return Split(test.images[origin], test.labels[origin])

    def note(self, test_images: int) -> str:
        """What is said of it; nothing where nothing is hidden."""
        if not self.images:
            return ""
        count = self.count(test_images)
        told = f"; {count:,} of the {test_images:,} test images are hidden behind copies of the others"
        if count != self.images:
            told += f" (fewer than the {self.images:,} that are asked for, because the test set is small)"
        return told

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])
