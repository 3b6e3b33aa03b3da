# ruff: noqa: ARG001  # a mutant takes what the function takes, also where its slip is not to look at it
"""Slips in the forward pass of max pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.layers import Array, max_pool_forward, windows
from reference.slips.parts import Pair, Registrar, Slip, first_image_only, hw, out_size, swapped

SLIPS: list[Slip] = []
slip = Registrar(SLIPS, "max_pool_forward", "out")


def _sliced(x: Array, window: Pair, grid: Pair, step: Pair) -> Array:
    """(N, C, H, W) -> (N, C, *grid). A slice that falls off the image is cut short, as NumPy does; one that
    lies wholly outside has no maximum, and raises ValueError.
    """
    out = np.zeros((*x.shape[:2], *grid))  # (N, C, *grid)
    for i, j in np.ndindex(*grid):
        top, left = i * step[0], j * step[1]
        out[:, :, i, j] = x[:, :, top : top + window[0], left : left + window[1]].max(axis=(2, 3))
    return out


@slip("""Each value is the average of its window. Max pooling takes the largest value.""")
def average(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    out: Array = windows(x, pool_height, pool_width, stride).mean(axis=(4, 5))  # (N, C, OH, OW)
    return out


@slip("""A window without any positive value gives 0. The largest of negative values is negative: don't start
    the search at 0.""")
def at_least_0(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return np.maximum(max_pool_forward(x, pool_height, pool_width, stride), 0.0)


@slip("""The maximum is taken over all channels together, so that they all come out alike. Pooling does each
    channel by itself.""")
def across_channels(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    out = max_pool_forward(x, pool_height, pool_width, stride)  # (N, C, OH, OW)
    return np.broadcast_to(out.max(axis=1, keepdims=True), out.shape).copy()


@slip("""pool_height and pool_width are swapped, in the window and in the size of out. Look at where you read
    them from pool_param.""")
def window_swapped(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, pool_width, pool_height, stride)


@slip("""out has the right size, but pool_height and pool_width are swapped where the window is cut out. Look
    at how far it reaches down and across.""")
def slice_swapped(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    grid = out_size(hw(x), (pool_height, pool_width), stride)
    return _sliced(x, (pool_width, pool_height), grid, (stride, stride))


@slip("""The window is as wide as it is high: pool_height is used where pool_width belongs.""")
def height_for_both(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, pool_height, pool_height, stride)


@slip("""The window is as high as it is wide: pool_width is used where pool_height belongs.""")
def width_for_both(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, pool_width, pool_width, stride)


@slip("""The window is 2 by 2 whatever pool_param says. Look for a 2 that stands where pool_height or
    pool_width belongs.""")
def window_fixed_2(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, 2, 2, stride)


@slip("""The window is as large as the stride. How large a window is and how far apart windows lie are two
    different things: pool_param gives both.""")
def window_from_stride(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, stride, stride, stride)


@slip("""The windows lie side by side whatever pool_param['stride'] says: the window's own size is taken for
    the stride.""")
def stride_from_window(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    step = pool_height, pool_width
    grid = 1 + (x.shape[2] - pool_height) // step[0], 1 + (x.shape[3] - pool_width) // step[1]
    return _sliced(x, step, grid, step)


@slip("""The stride is 2 whatever pool_param says. Look for a 2 that stands where the stride belongs.""")
def stride_fixed_2(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, pool_height, pool_width, 2)


@slip("""The windows move on by 1 whatever pool_param['stride'] says, though the size of out goes by it. Look
    at where the window for out[:, :, i, j] starts.""")
def stride_ignored(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    grid = out_size(hw(x), (pool_height, pool_width), stride)
    return _sliced(x, (pool_height, pool_width), grid, (1, 1))


@slip("""The size of out is the image's size divided by the stride. That holds only where the windows lie side
    by side: the last window has to fit into the image as well.""")
def size_without_window(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    grid = x.shape[2] // stride, x.shape[3] // stride
    return _sliced(x, (pool_height, pool_width), grid, (stride, stride))


@slip("""Rows and columns are swapped: the value at row i, column j of out comes from the window in row j,
    column i. Look at which index goes with the height, and which with the width.""")
def windows_transposed(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    grid = out_size(hw(x), (pool_height, pool_width), stride)
    return _sliced(x, (pool_height, pool_width), swapped(grid), (stride, stride)).transpose(0, 1, 3, 2)


@slip("""out is transposed: its rows are where its columns belong. Its axes are images, channels, height,
    width, in this order.""")
def out_transposed(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_forward(x, pool_height, pool_width, stride).transpose(0, 1, 3, 2)  # (N, C, OW, OH)


@slip("""Height and width of the image are swapped where the size of out is worked out. Look at where you take
    x's shape apart: it is images, channels, height, width.""")
def image_sizes_swapped(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    grid = out_size(swapped(hw(x)), (pool_height, pool_width), stride)
    return _sliced(x, (pool_height, pool_width), grid, (stride, stride))


@slip("""Height and width of out are swapped. Look at the two sizes that you work out, and at the order in
    which np.zeros and the loops take them.""")
def out_sizes_swapped(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    grid = out_size(hw(x), (pool_height, pool_width), stride)
    return _sliced(x, (pool_height, pool_width), swapped(grid), (stride, stride))


@slip("""Only the first image of the batch is done, and the others are zero. Look at how far the return, or
    the body of the loop over the images, is indented.""")
def only_first_image(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return first_image_only(max_pool_forward(x, pool_height, pool_width, stride))


@slip("""The values are cut to whole numbers, because out was made with an integer type. Make it with np.zeros
    and no dtype.""")
def whole_numbers(x: Array, pool_height: int, pool_width: int, stride: int) -> NDArray[Any]:
    return max_pool_forward(x, pool_height, pool_width, stride).astype(np.int64)
