# ruff: noqa: ARG001  # a mutant takes what the function takes, whatever its slip looks at
"""Slips in the gradient of max pooling.

The last four show only where a maximum is not the only one of its value: in the pack of ties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from reference.layers import Array, max_pool_backward
from reference.slips.parts import Pair, Registrar, Slip, first_image_only, hw

SLIPS: list[Slip] = []
slip = Registrar(SLIPS, "max_pool_backward", "dx")


def _slices(dout: Array, window: Pair, step: Pair) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    for i, j in np.ndindex(*hw(dout)):
        top, left = i * step[0], j * step[1]
        everything = slice(None)
        yield i, j, (everything, everything, slice(top, top + window[0]), slice(left, left + window[1]))


def _is_maximum(pixels: Array) -> NDArray[np.bool_]:
    """(N, C, PH, PW) -> the same: where each channel's maximum is. Nothing at all to choose from raises."""
    where: NDArray[np.bool_] = pixels == pixels.max(axis=(2, 3), keepdims=True)
    return where


def _handed(dout: Array, x: Array, window: Pair, step: Pair, share: Callable[[Array], Array]) -> Array:
    """dx where each window's pixels get the shares of dout that ``share`` gives them."""
    dx = np.zeros_like(x)  # (N, C, H, W)
    for i, j, at in _slices(dout, window, step):
        dx[at] += share(x[at]) * dout[:, :, i, j, None, None]
    return dx


def _to_maximum(dout: Array, x: Array, window: Pair, step: Pair) -> Array:
    return _handed(dout, x, window, step, lambda pixels: _is_maximum(pixels).astype(np.float64))


@slip("""Each window overwrites what others have left in dx, zeros and all. Where windows overlap, a pixel's
    gradient is the sum over them: look for an = that should add.""")
def window_assigned(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    dx = np.zeros_like(x)  # (N, C, H, W)
    for i, j, at in _slices(dout, (pool_height, pool_width), (stride, stride)):
        dx[at] = _is_maximum(x[at]) * dout[:, :, i, j, None, None]
    return dx


@slip("""A pixel that is the maximum of several windows keeps the gradient of the last one alone. Where
    windows overlap, its gradient is the sum over them: look for an = that should add.""")
def maximum_assigned(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    dx = np.zeros_like(x)  # (N, C, H, W)
    for i, j, at in _slices(dout, (pool_height, pool_width), (stride, stride)):
        dx[at] = np.where(_is_maximum(x[at]), dout[:, :, i, j, None, None], dx[at])
    return dx


@slip("""All channels use the first channel's maxima. Pooling does each channel by itself: find each channel's
    own maximum.""")
def mask_of_first_channel(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _handed(
        dout,
        x,
        (pool_height, pool_width),
        (stride, stride),
        lambda pixels: _is_maximum(pixels[:, :1]).astype(np.float64),
    )


@slip("""The mask is shared over the channels: only the largest value of all channels together gets a
    gradient. Pooling does each channel by itself: find each channel's own maximum.""")
def mask_across_channels(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _handed(
        dout,
        x,
        (pool_height, pool_width),
        (stride, stride),
        lambda pixels: (pixels == pixels.max(axis=(1, 2, 3), keepdims=True)) + 0.0,
    )


@slip("""The gradient is spread evenly over each window, which belongs to average pooling. In max pooling all
    of it goes to the pixel that was the maximum.""")
def average(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    size = pool_height * pool_width
    return _handed(
        dout, x, (pool_height, pool_width), (stride, stride), lambda pixels: np.full(pixels.shape, 1 / size)
    )


@slip("""Every pixel of a window gets the whole gradient. It belongs to the pixel that was the maximum, and
    the others get none.""")
def mask_forgotten(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _handed(dout, x, (pool_height, pool_width), (stride, stride), np.ones_like)


@slip("""dout is not used in dx: the maxima get what a dout of ones gives. By the chain rule, what comes from
    above is handed to the maximum.""")
def dout_ones(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_backward(np.ones_like(dout), x, pool_height, pool_width, stride)


@slip("""The gradient is multiplied by the maximum itself. A maximum passes its gradient on unchanged: only
    its place matters, and not its value.""")
def times_value(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return max_pool_backward(dout, x, pool_height, pool_width, stride) * x


@slip("""The maximum's place inside its window is taken for its place in the image, so all gradients land in
    the top left corner. Add the place where the window starts.""")
def window_start_forgotten(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    dx = np.zeros_like(x)  # (N, C, H, W)
    for i, j, at in _slices(dout, (pool_height, pool_width), (stride, stride)):
        dx[:, :, :pool_height, :pool_width] += _is_maximum(x[at]) * dout[:, :, i, j, None, None]
    return dx


@slip("""Rows and columns are swapped: the window in row i, column j gets dout's row j, column i. Look at
    which index goes with the height, and which with the width.""")
def windows_transposed(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    if dout.shape[2] != dout.shape[3]:
        raise IndexError("an index falls off dout")
    return max_pool_backward(dout.transpose(0, 1, 3, 2), x, pool_height, pool_width, stride)


@slip("""pool_height and pool_width are swapped where the window is cut out. Look at where you read them from
    pool_param, and at how far a window reaches down and across.""")
def window_swapped(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_width, pool_height), (stride, stride))


@slip("""The window is as wide as it is high: pool_height is used where pool_width belongs.""")
def height_for_both(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_height, pool_height), (stride, stride))


@slip("""The window is as high as it is wide: pool_width is used where pool_height belongs.""")
def width_for_both(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_width, pool_width), (stride, stride))


@slip("""The window is 2 by 2 whatever pool_param says. Look for a 2 that stands where pool_height or
    pool_width belongs.""")
def window_fixed_2(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (2, 2), (stride, stride))


@slip("""The window is as large as the stride. How large a window is and how far apart windows lie are two
    different things: pool_param gives both.""")
def window_from_stride(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (stride, stride), (stride, stride))


@slip("""The windows lie side by side whatever pool_param['stride'] says: the window's own size is taken for
    the stride.""")
def stride_from_window(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_height, pool_width), (pool_height, pool_width))


@slip("""The stride is 2 whatever pool_param says. Look for a 2 that stands where the stride belongs.""")
def stride_fixed_2(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_height, pool_width), (2, 2))


@slip("""The windows move on by 1 whatever pool_param['stride'] says. They must start where they started in
    the forward pass.""")
def stride_ignored(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_height, pool_width), (1, 1))


@slip("""Only the first image of the batch has a gradient, and the others are zero. Look at how far the
    return, or the body of the loop over the images, is indented.""")
def only_first_image(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return first_image_only(max_pool_backward(dout, x, pool_height, pool_width, stride))


@slip(
    """Where several pixels of a window are its maximum, each gets the whole gradient, so that it grows with
    their number. Give it to one of them, or share it out between them.""",
    ties_only=True,
)
def all_tied_credited(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return _to_maximum(dout, x, (pool_height, pool_width), (stride, stride))


@slip(
    """Where several pixels of a window are its maximum, none of them gets a gradient: 1 divided by their
    number is 0 in whole numbers. Look for an integer division.""",
    ties_only=True,
)
def tied_share_divided_whole(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    def share(pixels: Array) -> Array:
        tied = _is_maximum(pixels)
        whole: Array = (tied // tied.sum(axis=(2, 3), keepdims=True)).astype(np.float64)
        return whole

    return _handed(dout, x, (pool_height, pool_width), (stride, stride), share)


@slip(
    """The gradient goes to every pixel of the image that equals the maximum, also outside the window. Look
    for the maximum only in the window that it came from.""",
    ties_only=True,
)
def found_in_whole_image(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    dx = np.zeros_like(x)  # (N, C, H, W)
    for i, j, at in _slices(dout, (pool_height, pool_width), (stride, stride)):
        dx += (x == x[at].max(axis=(2, 3), keepdims=True)) * dout[:, :, i, j, None, None]
    return dx


@slip(
    """A window whose maximum is 0 passes no gradient on. That belongs to ReLU: max pooling hands the
    gradient to the maximum whatever its value is.""",
    ties_only=True,
)
def zero_passes_nothing(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    return np.where(x == 0, 0.0, max_pool_backward(dout, x, pool_height, pool_width, stride))
