"""Pillow's affine transform of many small pictures at once, to the bit.

Pillow counts source positions in 16.16 fixed point where it takes the nearest pixel, and in doubles where it
interpolates, and tabulates positions where nothing turns. Each way is done here in the same order of
operations, so that the same pixel comes out. What leaves the range of the fixed point is left to Pillow.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]  # (N, H, W, C)
Matrices = NDArray[np.float64]  # (N, 6), from a place in the result to one in the source

_ONE = 65536.0  # in 16.16 fixed point
_RANGE = 32768.0


class OutOfRange(ValueError):
    """A matrix leads to where fixed point can't follow."""


def rotation(angle: float, center: tuple[float, float]) -> tuple[float, ...]:
    """The matrix that `Image.rotate` makes of an angle in degrees; its digits are rounded as Pillow's are.

    Pillow turns by right angles without a matrix, and these come out the same.
    """
    turn = -math.radians(angle % 360.0)
    cos, sin = round(math.cos(turn), 15), round(math.sin(turn), 15)
    x, y = center
    return cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y


def nearest(pictures: Pictures, matrices: Matrices, fill: tuple[int, ...]) -> Pictures:
    """`Image.transform` with AFFINE and NEAREST."""
    _count, height, width, _ = pictures.shape
    _check_range(matrices, height, width)
    across, down = _fixed_places(matrices, height, width)
    straight = (matrices[:, 1] == 0) & (matrices[:, 3] == 0)
    if straight.any():
        across[straight], down[straight] = _straight_places(matrices[straight], height, width)
    outside = (across < 0) | (across >= width) | (down < 0) | (down >= height)
    return _gather(pictures, down * width + across, outside, fill)


def _check_range(matrices: Matrices, height: int, width: int) -> None:
    for x, y in ((0, 0), (width, height), (0, height), (width, 0)):
        for a, b, c in (matrices[:, :3].T, matrices[:, 3:].T):
            if not (np.abs(x * a + y * b + c) < _RANGE - 1).all():
                raise OutOfRange


def _fixed_places(matrices: Matrices, height: int, width: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where each pixel comes from: column and row, (N, H, W)."""
    a, b, c, d, e, f = matrices.T
    c, f = c + a * 0.5 + b * 0.5, f + d * 0.5 + e * 0.5  # the middle of a pixel
    columns = np.arange(width, dtype=np.int32)
    rows = np.arange(height, dtype=np.int32)

    def places(
        start: NDArray[np.float64], right: NDArray[np.float64], down: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        along = _fixed(start)[:, None] + _fixed(right)[:, None] * columns
        found: NDArray[np.int32] = along[:, None, :] + (_fixed(down)[:, None] * rows)[:, :, None]
        found >>= 16
        return found

    return places(c, a, b), places(f, d, e)


def _fixed(values: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.floor(values * _ONE + 0.5).astype(np.int32)


def _straight_places(
    matrices: Matrices, height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Of pictures that are only moved and stretched: positions are summed up in doubles, step by step."""

    def places(start: NDArray[np.float64], step: NDArray[np.float64], count: int) -> NDArray[np.int32]:
        steps = np.repeat(step[:, None], count, axis=1)
        steps[:, 0] = start + step * 0.5
        summed = np.add.accumulate(steps, axis=1)
        return np.where(summed < 0.0, -1.0, summed).astype(np.int32)

    across = places(matrices[:, 2], matrices[:, 0], width)[:, None, :]
    down = places(matrices[:, 5], matrices[:, 4], height)[:, :, None]
    shape = (len(matrices), height, width)
    return np.broadcast_to(across, shape), np.broadcast_to(down, shape)


def _gather(
    pictures: Pictures, places: NDArray[np.int32], outside: NDArray[np.bool_], fill: tuple[int, ...]
) -> Pictures:
    count, height, width, channels = pictures.shape
    pixels = height * width
    places[outside] = 0
    within = places.reshape(count, pixels).astype(np.intp)
    within += np.arange(count)[:, None] * pixels
    flat = pictures.reshape(count * pixels, channels)
    taken: Pictures = (flat[:, 0].take(within) if channels == 1 else flat.take(within, axis=0)).reshape(
        pictures.shape
    )
    taken[outside] = fill
    return taken


def bilinear(pictures: Pictures, matrices: Matrices, fill: tuple[int, ...]) -> Pictures:
    """`Image.transform` with AFFINE and BILINEAR, in doubles as there."""
    count, height, width, _ = pictures.shape
    _check_range(matrices, height, width)
    a, b, c, d, e, f = matrices.T[:, :, None, None]
    x = np.arange(width)[None, None, :] + 0.5
    y = np.arange(height)[None, :, None] + 0.5
    across, down = a * x + b * y + c, d * x + e * y + f
    outside = (across < 0.0) | (across >= width) | (down < 0.0) | (down >= height)
    across -= 0.5
    down -= 0.5
    column, row = np.floor(across), np.floor(down)
    right, below = (across - column)[..., None], (down - row)[..., None]
    columns, rows = column.astype(np.intp), row.astype(np.intp)
    left, next_ = np.clip(columns, 0, width - 1), np.clip(columns + 1, 0, width - 1)
    upper, lower = np.clip(rows, 0, height - 1), np.clip(rows + 1, 0, height - 1)
    first = np.arange(count)[:, None, None] * height * width
    flat = pictures.reshape(count * height * width, -1).astype(np.float64)

    def between(line: NDArray[np.intp]) -> NDArray[np.float64]:
        start, end = flat[first + line * width + left], flat[first + line * width + next_]
        blended: NDArray[np.float64] = start + (end - start) * right
        return blended

    top = between(upper)
    # Beyond the last row Pillow takes the row above once more, as clipping does.
    value = top + (between(lower) - top) * below
    value[outside] = 0.0
    taken: Pictures = value.astype(np.uint8)
    taken[outside] = fill
    return taken
