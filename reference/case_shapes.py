"""The calls that are put to hand-written layers: their shapes, and random numbers that hide no slip.

Contract: the shapes that the course's own notebook tries. Extended: all else that the homework's statement
promises. Ties: pooling windows with several equal maxima. A window always fits the image a whole number of
times, because the homework leaves open what happens where it doesn't. A student's seven nested loops are
the cost of a case, so there are many small ones and no large one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from autograder.checks.cases import Case
from autograder.outcome import GraderFault
from reference.layers import Array

FORWARD = ("out",)
CONV_BACKWARD = ("dx", "dw", "db")
POOL_BACKWARD = ("dx",)


@dataclass(frozen=True, slots=True)
class ConvShape:
    x: tuple[int, int, int, int]  # N, C, H, W
    w: tuple[int, int, int, int]  # F, C, HH, WW
    stride: int
    pad: int
    outputs: tuple[str, ...] = FORWARD + CONV_BACKWARD

    def traits(self) -> tuple[str, ...]:
        height, width = self.w[2:]
        square = "square kernels" if height == width else "non-square kernels"
        traits = [
            f"stride {self.stride}",
            f"pad {self.pad}",
            "square images" if self.x[2] == self.x[3] else "non-square images",
            "1x1 kernels" if height == width == 1 else square,
        ]
        traits += ["a non-square output"] if self.size()[0] != self.size()[1] else []
        traits += ["a single image"] if self.x[0] == 1 else []
        traits += ["a single channel"] if self.x[1] == 1 else []
        return tuple(traits)

    def size(self) -> tuple[int, int]:
        """OH, OW"""
        height, width = (_fitting(self.x[k] + 2 * self.pad, self.w[k], self.stride) for k in (2, 3))
        return height, width


@dataclass(frozen=True, slots=True)
class PoolShape:
    x: tuple[int, int, int, int]  # N, C, H, W
    window: tuple[int, int]  # pool_height, pool_width
    stride: int
    outputs: tuple[str, ...] = FORWARD + POOL_BACKWARD
    ties: bool = False

    def traits(self) -> tuple[str, ...]:
        height, width = self.window
        overlap = "overlapping windows" if max(self.window) > self.stride else "windows that don't overlap"
        traits = [
            f"{height}x{width} windows",
            f"stride {self.stride}",
            overlap,
            "square windows" if height == width else "non-square windows",
            "square images" if self.x[2] == self.x[3] else "non-square images",
        ]
        traits += ["tied maxima"] if self.ties else []
        traits += ["a non-square output"] if self.size()[0] != self.size()[1] else []
        traits += ["a single image"] if self.x[0] == 1 else []
        return tuple(traits)

    def size(self) -> tuple[int, int]:
        """OH, OW"""
        height, width = (_fitting(self.x[k + 2], self.window[k], self.stride) for k in (0, 1))
        return height, width


CONV_CONTRACT = (
    ConvShape((2, 3, 4, 4), (3, 3, 4, 4), 2, 1, FORWARD),
    ConvShape((3, 3, 4, 4), (2, 3, 4, 4), 2, 1, FORWARD),
    ConvShape((2, 3, 5, 5), (2, 3, 3, 3), 1, 1, FORWARD),
    ConvShape((4, 3, 5, 5), (2, 3, 3, 3), 1, 1, CONV_BACKWARD),
    ConvShape((2, 3, 6, 6), (3, 3, 3, 3), 1, 1, CONV_BACKWARD),
)
CONV_EXTENDED = (
    ConvShape((2, 3, 5, 5), (3, 3, 3, 3), 1, 0),
    ConvShape((3, 2, 7, 7), (2, 2, 3, 3), 2, 0),
    ConvShape((2, 2, 4, 4), (3, 2, 3, 3), 1, 2),
    ConvShape((2, 2, 5, 5), (2, 2, 5, 5), 2, 3),
    ConvShape((2, 3, 7, 7), (2, 3, 3, 3), 3, 1),
    ConvShape((2, 2, 4, 7), (3, 2, 3, 3), 1, 1),
    ConvShape((2, 2, 9, 5), (2, 2, 3, 3), 2, 0),
    ConvShape((2, 2, 5, 5), (3, 2, 3, 2), 1, 1),
    ConvShape((2, 2, 6, 4), (2, 2, 4, 2), 1, 1),
    ConvShape((3, 4, 4, 4), (2, 4, 1, 1), 1, 0),
    ConvShape((2, 3, 5, 5), (4, 3, 1, 1), 2, 0),
    ConvShape((1, 3, 5, 5), (2, 3, 3, 3), 2, 1),
    ConvShape((2, 1, 5, 5), (2, 1, 2, 2), 1, 0),
    ConvShape((1, 2, 7, 13), (3, 2, 3, 5), 2, 2),
)
POOL_CONTRACT = (
    PoolShape((2, 3, 4, 4), (2, 2), 2, FORWARD),
    PoolShape((3, 2, 6, 6), (2, 2), 2, FORWARD),
    PoolShape((3, 2, 8, 8), (2, 2), 2, POOL_BACKWARD),
    PoolShape((2, 3, 6, 6), (2, 2), 2, POOL_BACKWARD),
)
POOL_EXTENDED = (
    PoolShape((2, 2, 7, 7), (3, 3), 2),
    PoolShape((2, 3, 4, 4), (2, 2), 1),
    PoolShape((1, 2, 5, 5), (3, 3), 1),
    PoolShape((2, 2, 7, 6), (3, 2), 2),
    PoolShape((2, 2, 6, 7), (2, 3), 1),
    PoolShape((2, 2, 4, 8), (2, 2), 2),
    PoolShape((2, 2, 8, 5), (2, 2), 3),
    PoolShape((2, 2, 6, 9), (3, 3), 3),
    PoolShape((1, 1, 6, 6), (2, 2), 2),
    PoolShape((2, 2, 8, 8), (4, 2), 2),
)
POOL_TIES = (
    PoolShape((2, 3, 4, 4), (2, 2), 2, POOL_BACKWARD, ties=True),
    PoolShape((1, 2, 6, 6), (3, 3), 3, POOL_BACKWARD, ties=True),
    PoolShape((2, 2, 5, 6), (2, 3), 3, POOL_BACKWARD, ties=True),
)


def conv_case(shape: ConvShape, rng: np.random.Generator) -> Case:
    inputs = {
        "x": frozen(_normal(shape.x, rng)),
        "w": frozen(_normal(shape.w, rng)),
        "b": frozen(_normal(shape.w[:1], rng)),
    }
    return Case(
        name=f"x {shape.x}, w {shape.w}, stride {shape.stride}, pad {shape.pad}",
        traits=shape.traits(),
        inputs=inputs,
        params={"stride": shape.stride, "pad": shape.pad},
        dout=frozen(_normal((shape.x[0], shape.w[0], *shape.size()), rng)),
        outputs=shape.outputs,
    )


def pool_case(shape: PoolShape, x: Array, rng: np.random.Generator) -> Case:
    height, width = shape.window
    return Case(
        name=f"x {shape.x}, window {height}x{width}, stride {shape.stride}",
        traits=shape.traits(),
        inputs={"x": frozen(x)},
        params={"pool_height": height, "pool_width": width, "stride": shape.stride},
        dout=frozen(_normal((*shape.x[:2], *shape.size()), rng)),
        outputs=shape.outputs,
    )


def _fitting(length: int, window: int, stride: int) -> int:
    """The number of windows along an axis, where they fit."""
    count, rest = divmod(length - window, stride)
    if rest or count < 0:
        raise GraderFault(
            f"windows of {window} with stride {stride} don't fit a length of {length}",
            remedy="Mend the shape in reference/conv_cases.py: the homework leaves such cases open.",
        )
    return count + 1


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Normal, a little off centre, and never near 0: a zero would hide a slip, as ReLU's zeros do."""
    values = rng.normal(0.25, 1.0, shape)
    away: Array = values + np.copysign(0.1, values)
    return away


def distinct(shape: PoolShape, rng: np.random.Generator) -> Array:
    """Values of a channel at least 0.06 apart and 0.03 from 0, so that no rounding makes a tie.

    The first channel is negative throughout, which shows a maximum that starts from 0.
    """
    images, channels, height, width = shape.x
    x = np.empty(shape.x)  # (N, C, H, W)
    for n, c in np.ndindex(images, channels):
        steps = rng.permutation(height * width) + rng.uniform(-0.2, 0.2, height * width)
        lowest = height * width if c == 0 else height * width // 2
        x[n, c] = 0.1 * (steps + 0.5 - lowest).reshape(height, width)
    return x


def tied(shape: PoolShape, rng: np.random.Generator) -> Array:
    """Windows in turn all 0 (as after ReLU), all equal, with two maxima, with two of 0, with their last
    column or their last row as maxima (so that no seed hides a window cut short), and by chance."""
    levels = np.arange(-1.5, 2.0, 0.5)  # few of them, so that chance makes ties as well
    x = levels[rng.integers(0, levels.size, shape.x)]  # (N, C, H, W)
    view = sliding_window_view(x, shape.window, axis=(2, 3), writeable=True)
    patches = view[:, :, :: shape.stride, :: shape.stride]  # (N, C, OH, OW, PH, PW), no two overlap
    for turn, index in enumerate(np.ndindex(*patches.shape[:4])):
        patch = patches[index]  # (PH, PW), and writes through to x
        two = np.unravel_index(rng.choice(patch.size, 2, replace=False), patch.shape)
        if turn % 7 == 0:
            patch[...] = 0.0
        elif turn % 7 == 1:
            patch[...] = rng.choice([-1.0, 0.5, 2.0])
        elif turn % 7 == 2:
            patch[two] = 2.5
        elif turn % 7 == 3:
            patch[...] = -0.5 - np.abs(patch)
            patch[two] = 0.0
        elif turn % 7 == 4:
            patch[:, -1] = 2.5
        elif turn % 7 == 5:
            patch[-1, :] = 2.5
    return x


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(array, order="C")
    array.setflags(write=False)
    return array
