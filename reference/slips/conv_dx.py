# ruff: noqa: ARG001, PLR0913, PLR0917  # a mutant takes what the function takes, whatever its slip looks at
"""Slips in the gradient of a convolution with respect to its input."""

from __future__ import annotations

import numpy as np

from reference.layers import Array, conv_backward
from reference.slips.parts import Registrar, Slip, first_image_only, hw, out_size

SLIPS: list[Slip] = []
slip = Registrar(SLIPS, "conv_backward", "dx")


def _dx(dout: Array, x: Array, w: Array, stride: int, pad: int) -> Array:
    return conv_backward(dout, x, w, np.zeros(len(w)), stride, pad)[0]  # (N, C, H, W)


def _dpadded(dout: Array, x: Array, w: Array, step: int, pad: int) -> Array:
    """The gradient of the padded image, with windows ``step`` apart; (N, C, H + 2p, W + 2p)."""
    images, channels, height, width = x.shape
    dpadded = np.zeros((images, channels, height + 2 * pad, width + 2 * pad))
    shares = np.tensordot(dout, w, axes=(1, 0))  # (N, OH, OW, C, HH, WW)
    for i, j in np.ndindex(*hw(dout)):
        top, left = i * step, j * step
        dpadded[:, :, top : top + w.shape[2], left : left + w.shape[3]] += shares[:, i, j]
    return dpadded


@slip("""dx is still as large as the padded image. The gradient of the padding has to be cut off before you
    return it.""")
def not_cropped(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dpadded(dout, x, w, stride, pad)


@slip("""dx is empty when pad is 0, because a slice that ends at -pad then ends at 0. Say where the slice ends
    by counting from its start, with the image's own height and width.""")
def crop_to_minus_pad(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dpadded(dout, x, w, stride, pad)[:, :, pad:-pad, pad:-pad]


@slip("""One row and one column are cut off at each side whatever conv_param['pad'] says. Look at the line
    that cuts the padding off dx.""")
def crop_fixed_1(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dpadded(dout, x, w, stride, pad)[:, :, 1:-1, 1:-1]


@slip("""dx is worked out with a padding of 1 whatever conv_param['pad'] says. Look at the size of the padded
    gradient, and at the line that cuts the padding off.""")
def pad_fixed_1(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dpadded(dout, x, w, stride, 1)[:, :, 1:-1, 1:-1]


@slip("""dx is cut out of the wrong corner of the padded gradient: the image starts after the padding, not at
    index 0.""")
def crop_from_corner(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dpadded(dout, x, w, stride, pad)[:, :, : x.shape[2], : x.shape[3]]


@slip("""dx is too small: it is cut off at the image's height and width, but in the padded gradient the image
    ends later than that, by the padding.""")
def crop_ends_early(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dpadded(dout, x, w, stride, pad)[:, :, pad : x.shape[2], pad : x.shape[3]]


@slip("""Each window overwrites the gradient that earlier windows and filters have left. A pixel takes part in
    many windows and in all filters, and its gradient is the sum over all of them: look for an = that should
    add.""")
def assigned(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    images, channels, height, width = x.shape
    dpadded = np.zeros((images, channels, height + 2 * pad, width + 2 * pad))  # (N, C, H + 2p, W + 2p)
    shares = np.multiply.outer(dout[:, -1], w[-1])  # (N, OH, OW, C, HH, WW), of the last filter
    for i, j in np.ndindex(*hw(dout)):
        top, left = i * stride, j * stride
        dpadded[:, :, top : top + w.shape[2], left : left + w.shape[3]] = shares[:, i, j]
    return dpadded[:, :, pad : pad + height, pad : pad + width]


@slip("""The stride is forgotten in dx: the windows lie 1 apart. They must start where they started in the
    forward pass.""")
def stride_ignored(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    height, width = hw(x)
    return _dpadded(dout, x, w, 1, pad)[:, :, pad : pad + height, pad : pad + width]


@slip("""The kernel is turned by 180 degrees in dx. Where you hand each window's gradient back, w is used just
    as it lies in the forward pass (only a convolution with dout would need it turned).""")
def kernel_flipped(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dx(dout, x, w[:, :, ::-1, ::-1], stride, pad)


@slip("""The two indices into the kernel are swapped in dx: its rows meet the window's columns. Look at the
    order in which w is indexed.""")
def kernel_transposed(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    turned = w.transpose(0, 1, 3, 2)  # (F, C, WW, HH)
    if out_size(hw(x), hw(turned), stride, pad) != hw(dout):
        raise ValueError("a transposed kernel that is not square does not fit the window")
    return _dx(dout, x, turned, stride, pad)


@slip("""Rows and columns are swapped in dx: dout's row i, column j is handed to the window in row j,
    column i. Look at which index goes with the height, and which with the width.""")
def windows_transposed(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    if dout.shape[2] != dout.shape[3]:
        raise IndexError("a window falls off the image")
    return _dx(dout.transpose(0, 1, 3, 2), x, w, stride, pad)


@slip("""dout is not used in dx: the result is what a dout of ones gives. By the chain rule, what comes from
    above is multiplied into every gradient.""")
def dout_ones(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dx(np.ones_like(dout), x, w, stride, pad)


@slip("""dx is divided by the number of images. The loss has taken its mean already, and that has come down
    to you in dout: don't divide again.""")
def divided_by_images(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dx(dout, x, w, stride, pad) / len(x)


@slip("""Only the last filter counts in dx: each filter overwrites what those before it gave. Every filter has
    seen every pixel, so dx is a sum over the filters: look for an = that should add.""")
def last_filter_only(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dx(dout[:, -1:], x, w[-1:], stride, pad)


@slip("""Only the first image of the batch has a gradient, and the others are zero. Look at how far the
    return, or the body of the loop over the images, is indented.""")
def only_first_image(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return first_image_only(_dx(dout, x, w, stride, pad))
