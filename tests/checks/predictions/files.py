"""Made-up truths and networks, for the tests of scoring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGES, CLASSES = 10_000, len(NAMES)


def truth(seed: int = 0, images: int = IMAGES) -> Labels:
    """As many images of each class, in random order."""
    return np.random.default_rng([seed, 1]).permutation(np.arange(images) % CLASSES)


def network(answers: Labels, accuracy: float, seed: int, *, world: int = 0) -> Labels:
    """What a training predicts. All of a ``world`` find the same images hard, and take them for the same.

    Agrees with another seed's about as real ones do: on half of their wrong answers.
    """
    shared, own = np.random.default_rng([world, 2]), np.random.default_rng([seed, 3])
    shape = len(answers)
    ease = shared.normal(size=shape) + 0.8 * own.normal(size=shape)
    easy = ease > np.quantile(ease, 1 - accuracy)
    likely = (answers + shared.choice([2, 2, 4, 6, 9, 5], size=shape)) % CLASSES
    other = (answers + own.integers(1, CLASSES, size=shape)) % CLASSES
    mistaken = np.where(own.random(shape) < 0.75, likely, other)
    return np.where(easy, answers, mistaken)


def redrawn(labels: Labels, share: float, seed: int = 0) -> Labels:
    """A copy, in which a share of the labels was drawn anew."""
    rng = np.random.default_rng([seed, 4])
    return np.where(rng.random(len(labels)) < share, rng.integers(0, CLASSES, len(labels)), labels)


def public_part(seed: int = 0, images: int = IMAGES, public: int = 1_000) -> Labels:
    return np.sort(np.random.default_rng([seed, 5]).choice(images, public, replace=False))
