"""What the slips are made of: the steps of a hand-written layer, each of which can be got wrong.

Positions are given explicitly here (a grid of windows, and the step between them), because most slips are
a wrong grid or a wrong step. A window that falls off the image raises IndexError, as a student's does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reference.layers import Array

Pair: TypeAlias = tuple[int, int]
Mutant: TypeAlias = Callable[..., NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Slip:
    """``mutant`` takes what the function in reference.layers takes, and returns this one ``output``.

    ``ties_only`` marks the slips that show only where a pooling window has several equal maxima.
    """

    id: str
    function: str
    output: str
    sentence: str
    mutant: Mutant
    ties_only: bool = False


class Registrar:
    """A decorator that files a mutant under its own name: ``conv_backward.dx.assigned``."""

    def __init__(self, slips: list[Slip], function: str, output: str) -> None:
        self._slips, self._function, self._output = slips, function, output

    def __call__(self, sentence: str, *, ties_only: bool = False) -> Callable[[Mutant], Mutant]:
        def file(mutant: Mutant) -> Mutant:
            name = f"{self._function}.{self._output}.{mutant.__name__}"
            text = " ".join(sentence.split())
            self._slips.append(Slip(name, self._function, self._output, text, mutant, ties_only))
            return mutant

        return file


def out_size(image: Pair, window: Pair, stride: int, pad: int = 0) -> Pair:
    """The number of windows down and across."""
    height, width = (1 + (image[k] + 2 * pad - window[k]) // stride for k in (0, 1))
    return height, width


def hw(array: Array) -> Pair:
    """The last two lengths of (., ., H, W)."""
    return array.shape[2], array.shape[3]


def swapped(pair: Pair) -> Pair:
    return pair[1], pair[0]


def patches_at(image: Array, window: Pair, grid: Pair, step: Pair) -> Array:
    """(N, C, H, W) -> (N, C, *grid, *window): window (i, j) starts at (i * step[0], j * step[1])."""
    view = sliding_window_view(image, window, axis=(2, 3))  # (N, C, every start, window)
    rows, columns = np.arange(grid[0]) * step[0], np.arange(grid[1]) * step[1]
    patches: Array = view[:, :, rows[:, None], columns]
    return patches


def correlate(patches: Array, w: Array) -> Array:
    """(N, C, OH, OW, HH, WW) with (F, C, HH, WW) -> (N, F, OH, OW)."""
    return np.tensordot(w, patches, axes=((1, 2, 3), (1, 4, 5))).transpose(1, 0, 2, 3)


def first_image_only(array: Array) -> Array:
    """What a ``return`` inside the loop over the images leaves: zeros after the first."""
    result = np.zeros_like(array)
    result[0] = array[0]
    return result
