"""Resizing as torchvision does it: pictures by Pillow, tensors by torch's interpolation.

Pillow's own code is run on our own arrays. The interpolation of tensors is written out here, as the trusted
side has no torch; it agrees with torch's to a unit in float32's last place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal[
    "bilinear",
    "tensor bilinear",
    "nearest",
    "bicubic",
    "tensor antialiased",
    "lanczos",
    "box",
    "tensor nearest",
]
KINDS: tuple[Kind, ...] = (
    "bilinear",
    "bicubic",
    "tensor antialiased",
    "tensor bilinear",
    "nearest",
    "tensor nearest",
    "lanczos",
    "box",
)


@dataclass(frozen=True, slots=True)
class Resizing:
    kind: Kind
    height: int
    width: int

    @property
    def rounds(self) -> bool:
        """Whether it computes in float32, where pictures stay whole numbers."""
        return self.kind in ("tensor bilinear", "tensor antialiased")

    def resize(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 to (N, height, width, C) float64, shares of 255."""
        if self.kind == "tensor bilinear":
            return self._weighed(images, _between)
        if self.kind == "tensor antialiased":
            return self._weighed(images, _triangles)
        if self.kind == "tensor nearest":
            rows, columns = (
                np.floor(np.arange(new) * (old / new)).astype(int)
                for new, old in ((self.height, images.shape[1]), (self.width, images.shape[2]))
            )
            return images[:, rows][:, :, columns] / 255.0
        return self._by_pillow(images)

    def _by_pillow(self, images: np.ndarray) -> np.ndarray:
        from PIL import Image  # noqa: PLC0415  (few preparations resize)

        way = Image.Resampling[self.kind.upper()]
        made = np.empty((len(images), self.height, self.width, images.shape[3]), dtype=np.uint8)
        for at, image in enumerate(images):
            picture = Image.fromarray(image if image.shape[2] > 1 else image[..., 0])
            resized = np.asarray(picture.resize((self.width, self.height), way))
            made[at] = resized if resized.ndim == 3 else resized[..., None]
        return made / 255.0

    def _weighed(self, images: np.ndarray, weights_of: type | object) -> np.ndarray:
        assert callable(weights_of)
        rows = weights_of(images.shape[1], self.height)
        columns = weights_of(images.shape[2], self.width)
        made: np.ndarray = np.einsum("yh,nhwc,xw->nyxc", rows, images / 255.0, columns, optimize=True)
        return made


def _between(old: int, new: int) -> np.ndarray:
    """Two neighbours each, pixels' centres at halves: torch's align_corners=False."""
    # The scale is rounded to float32, and then the sum is, once: torch multiplies and adds in one step.
    scale = float(np.float32(old) / np.float32(new))
    at = np.maximum((scale * (np.arange(new) + 0.5) - 0.5).astype(np.float32), np.float32(0))
    low = np.minimum(at.astype(int), old - 1)
    high = np.minimum(low + 1, old - 1)
    share = (at - low.astype(np.float32)).astype(np.float64)
    weights = np.zeros((new, old))
    np.add.at(weights, (np.arange(new), low), 1.0 - share)
    np.add.at(weights, (np.arange(new), high), share)
    return weights


def _triangles(old: int, new: int) -> np.ndarray:
    """All pixels within reach of a triangle that is as wide as the reduction; in float32, as torch has it."""
    one, half = np.float32(1), np.float32(0.5)
    scale = np.float32(old) / np.float32(new)
    support = max(scale, one)
    centres = scale * (np.arange(new, dtype=np.float32) + half)
    distance = np.abs(np.arange(old, dtype=np.float32)[None, :] - centres[:, None] + half) * (one / support)
    weights = np.maximum(one - distance, np.float32(0))
    made: np.ndarray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float64)
    return made
