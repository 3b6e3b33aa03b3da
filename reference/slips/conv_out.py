# ruff: noqa: ARG001, PLR0913, PLR0917  # a mutant takes what the function takes, whatever its slip looks at
"""Slips in the forward pass of a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.layers import Array, conv_forward, padded
from reference.slips.parts import (
    Pair,
    Registrar,
    Slip,
    correlate,
    first_image_only,
    hw,
    out_size,
    patches_at,
    swapped,
)

SLIPS: list[Slip] = []
slip = Registrar(SLIPS, "conv_forward", "out")


def _size(x: Array, w: Array, stride: int, pad: int) -> Pair:
    return out_size(hw(x), hw(w), stride, pad)


def _from(image: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    """The right windows, taken from a wrongly padded image."""
    patches = patches_at(image, hw(w), _size(x, w, stride, pad), (stride, stride))  # (N, C, OH, OW, HH, WW)
    return correlate(patches, w) + b[:, None, None]  # (N, F, OH, OW)


def _on(grid: Pair, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    """The right windows, on a wrong grid."""
    patches = patches_at(padded(x, pad), hw(w), grid, (stride, stride))  # (N, C, *grid, HH, WW)
    return correlate(patches, w) + b[:, None, None]  # (N, F, *grid)


@slip("""The padding is 1 whatever conv_param['pad'] says, both around the image and in the size of out.
    Look for a 1 that stands where the padding belongs.""")
def pad_fixed_1(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, b, stride, 1)


@slip("""The image is padded by 1 whatever conv_param['pad'] says, though the size of out goes by it.
    Look at the line that pads x.""")
def image_pad_fixed_1(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _from(padded(x, 1), x, w, b, stride, pad)


@slip("""conv_param['pad'] is not used: out is what no padding gives, in its size and in its values.
    Pad the image before you take windows from it, and let the size of out go by the padding too.""")
def pad_ignored(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, b, stride, 0)


@slip("""The size of out is worked out without the padding, though the image is padded, so the last rows and
    columns are missing. Padding adds to the height and to the width, once on each side.""")
def size_without_pad(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _on(_size(x, w, stride, 0), x, w, b, stride, pad)


@slip("""All the padding is below and to the right of the image, which sits in the top left corner.
    Half of it belongs above and to the left: look at where x is put into the padded image.""")
def pad_bottom_right(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    image = np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))  # (N, C, H + 2p, W + 2p)
    return _from(image, x, w, b, stride, pad)


@slip("""The padding repeats the pixels at the image's edge. Here padding means zeros: look at the mode that
    you pad with.""")
def pad_with_edge(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    around = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    return _from(np.pad(x, around, mode="edge"), x, w, b, stride, pad)


@slip("""The padding mirrors the image. Here padding means zeros: look at the mode that you pad with.""")
def pad_with_reflection(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    around = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    return _from(np.pad(x, around, mode="reflect"), x, w, b, stride, pad)


@slip("""All four axes of x are padded, so that empty images and empty channels come first. Only the height
    and the width are to be padded: give the padding of each axis by itself.""")
def pad_all_axes(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    image = np.pad(x, pad)[: x.shape[0], : x.shape[1]]  # (N, C, H + 2p, W + 2p), the wrong N and C
    return _from(image, x, w, b, stride, pad)


@slip("""The windows move on by 1 whatever conv_param['stride'] says, though the size of out goes by it.
    Look at where the window for out[:, :, i, j] starts.""")
def stride_ignored(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    patches = patches_at(padded(x, pad), hw(w), _size(x, w, stride, pad), (1, 1))  # (N, C, OH, OW, HH, WW)
    return correlate(patches, w) + b[:, None, None]  # (N, F, OH, OW)


@slip("""conv_param['stride'] is not used: out is what stride 1 gives, in its size and in its values.""")
def stride_fixed_1(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, b, 1, pad)


@slip("""out is one row and one column short: 1 is missing from its size. Count the windows of a small image
    by hand: there is one more than there are steps between them.""")
def size_without_one(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    height, width = _size(x, w, stride, pad)
    return _on((height - 1, width - 1), x, w, b, stride, pad)


@slip("""out is one row and one column short when the stride is not 1. In the formula of its size the 1 is
    added after the division by the stride, not before: look at the brackets.""")
def one_added_before_division(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    height, width = ((hw(x)[k] + 2 * pad - hw(w)[k] + 1) // stride for k in (0, 1))
    return _on((height, width), x, w, b, stride, pad)


@slip("""The kernel is turned by 180 degrees, as mathematicians convolve. In deep learning the kernel lies on
    the window as it is: its first element meets the window's first.""")
def kernel_flipped(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w[:, :, ::-1, ::-1], b, stride, pad)


@slip("""The two indices into the kernel are swapped: its rows meet the window's columns. Look at the order in
    which w is indexed.""")
def kernel_transposed(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    patches = patches_at(padded(x, pad), hw(w), _size(x, w, stride, pad), (stride, stride))
    return correlate(patches, w.transpose(0, 1, 3, 2)) + b[:, None, None]  # (N, F, OH, OW)


@slip("""Rows and columns are swapped when windows are taken: the value at row i, column j of out comes from
    the window in row j, column i. Look at which index goes with the height, and which with the width.""")
def windows_transposed(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    grid = swapped(_size(x, w, stride, pad))
    out = conv_forward(x, w, b, stride, pad).transpose(0, 1, 3, 2)  # (N, F, OW, OH)
    return _needing(grid[0] == grid[1], out)


@slip("""out is transposed: its rows are where its columns belong. Its axes are images, filters, height,
    width, in this order.""")
def out_transposed(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, b, stride, pad).transpose(0, 1, 3, 2)  # (N, F, OW, OH)


@slip("""Height and width of the image are swapped, so non-square images break. Look at where you take x's
    shape apart: it is images, channels, height, width.""")
def image_sizes_swapped(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _needing(x.shape[2] == x.shape[3], conv_forward(x, w, b, stride, pad))


@slip("""Height and width of the kernel are swapped, so non-square kernels break. Look at where you take w's
    shape apart (it is filters, channels, height, width), and at how far a window reaches down and across.""")
def kernel_sizes_swapped(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _needing(w.shape[2] == w.shape[3], conv_forward(x, w, b, stride, pad))


@slip("""Height and width of out are swapped, so it breaks wherever they differ. Look at the two sizes that
    you work out, and at the order in which np.zeros and the loops take them.""")
def out_sizes_swapped(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    out = conv_forward(x, w, b, stride, pad)  # (N, F, OH, OW)
    return _needing(out.shape[2] == out.shape[3], out)


@slip("""The bias is left out. Each filter f adds its b[f] to every value that it gives.""")
def bias_left_out(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, np.zeros_like(b), stride, pad)


@slip("""The bias is added once for every input channel. It belongs to the filter: add it once, outside the
    loop over the channels.""")
def bias_per_channel(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, b * w.shape[1], stride, pad)


@slip("""The bias is added with every single product. Add it once to each value of out, after the sum over
    the window is complete.""")
def bias_per_product(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w, b * w[0].size, stride, pad)


@slip("""Only the last input channel counts: each channel overwrites the sum of those before. Look for an =
    that should add.""")
def last_channel_only(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x[:, -1:], w[:, -1:], b, stride, pad)


@slip("""Only the last product of each window counts: each one overwrites the sum of those before. Look for
    an = that should add.""")
def last_product_only(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    last = np.zeros_like(w)  # (F, C, HH, WW)
    last[:, -1, -1, -1] = w[:, -1, -1, -1]
    return conv_forward(x, last, b, stride, pad)


@slip("""Each value is the mean of the products in its window. A convolution adds them up.""")
def mean_for_sum(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return conv_forward(x, w / w[0].size, b, stride, pad)


@slip("""Only the first image of the batch is done, and the others are zero. Look at how far the return, or
    the body of the loop over the images, is indented.""")
def only_first_image(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return first_image_only(conv_forward(x, w, b, stride, pad))


@slip("""The values are cut to whole numbers, because out was made with an integer type. Make it with
    np.zeros and no dtype.""")
def whole_numbers(x: Array, w: Array, b: Array, stride: int, pad: int) -> NDArray[Any]:
    return conv_forward(x, w, b, stride, pad).astype(np.int64)


def _needing(fits: bool, array: Array) -> Array:
    """A swap does no harm where the two lengths are equal, and runs off the array where they aren't."""
    if not fits:
        raise IndexError("a window falls off the image")
    return array
