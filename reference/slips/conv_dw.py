# ruff: noqa: ARG001, PLR0913, PLR0917  # a mutant takes what the function takes, whatever its slip looks at
"""Slips in the gradient of a convolution with respect to its weights."""

from __future__ import annotations

import numpy as np

from reference.layers import Array, conv_backward, padded
from reference.slips.parts import Registrar, Slip, hw, patches_at

SLIPS: list[Slip] = []
slip = Registrar(SLIPS, "conv_backward", "dw")


def _dw(dout: Array, x: Array, w: Array, stride: int, pad: int) -> Array:
    return conv_backward(dout, x, w, np.zeros(len(w)), stride, pad)[1]  # (F, C, HH, WW)


def _from(image: Array, dout: Array, w: Array, step: int) -> Array:
    """The weights' gradient from an already padded image, with windows ``step`` apart."""
    patches = patches_at(image, hw(w), hw(dout), (step, step))  # (N, C, OH, OW, HH, WW)
    return np.tensordot(dout, patches, axes=((0, 2, 3), (0, 2, 3)))  # (F, C, HH, WW)


@slip("""Each window overwrites the gradient that those before it gave, so only the last one counts. A weight
    meets every window of every image: look for an = that should add.""")
def assigned(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    last = np.zeros_like(dout)  # (N, F, OH, OW)
    last[-1, :, -1, -1] = dout[-1, :, -1, -1]
    return _dw(last, x, w, stride, pad)


@slip("""Only the last image counts in dw: each image overwrites the gradient of those before it. dw is a sum
    over the batch: look for an = that should add, or for zeros made anew in the loop over the images.""")
def last_image_only(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dw(dout[-1:], x[-1:], w, stride, pad)


@slip("""Only the first image counts in dw, which is a sum over the batch. Look at how far the return, or the
    body of the loop over the images, is indented.""")
def only_first_image(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dw(dout[:1], x[:1], w, stride, pad)


@slip("""The stride is forgotten in dw: the windows lie 1 apart. They must start where they started in the
    forward pass.""")
def stride_ignored(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _from(padded(x, pad), dout, w, 1)


@slip("""The image is padded by 1 in dw whatever conv_param['pad'] says. Look at the line that pads x in the
    backward pass.""")
def pad_fixed_1(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _from(padded(x, 1), dout, w, stride)


@slip("""dw is taken from an image with all its padding below and to the right. Half of it belongs above and
    to the left: look at where x is put into the padded image.""")
def pad_bottom_right(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _from(np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad))), dout, w, stride)


@slip("""dw is taken from an image whose padding repeats the pixels at its edge. Here padding means zeros:
    look at the mode that you pad with.""")
def pad_with_edge(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    around = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    return _from(np.pad(x, around, mode="edge"), dout, w, stride)


@slip("""dw is taken from an x that is padded on all four axes, so that empty images and empty channels come
    first. Only the height and the width are to be padded: give the padding of each axis by itself.""")
def pad_all_axes(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _from(np.pad(x, pad)[: x.shape[0], : x.shape[1]], dout, w, stride)


@slip("""dw is turned by 180 degrees. Its first element belongs to the weight that meets the window's first
    pixel.""")
def kernel_flipped(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dw(dout, x, w, stride, pad)[:, :, ::-1, ::-1]


@slip("""Each kernel's gradient is transposed: the rows of dw are where its columns belong. Look at the order
    in which dw is indexed.""")
def kernel_transposed(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    if w.shape[2] != w.shape[3]:
        raise IndexError("an index falls off a kernel that is not square")
    return _dw(dout, x, w, stride, pad).transpose(0, 1, 3, 2)


@slip("""Rows and columns are swapped in dw: dout's row i, column j meets the window in row j, column i. Look
    at which index goes with the height, and which with the width.""")
def windows_transposed(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    if dout.shape[2] != dout.shape[3]:
        raise IndexError("a window falls off the image")
    return _dw(dout.transpose(0, 1, 3, 2), x, w, stride, pad)


@slip("""dout is not used in dw: the result is what a dout of ones gives. By the chain rule, what comes from
    above is multiplied into every gradient.""")
def dout_ones(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dw(np.ones_like(dout), x, w, stride, pad)


@slip("""dw is divided by the number of images. The loss has taken its mean already, and that has come down
    to you in dout: don't divide again.""")
def divided_by_images(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dw(dout, x, w, stride, pad) / len(x)


@slip("""dw is a mean over the windows where it should be a sum. A weight's gradient adds up what every window
    of every image contributes.""")
def mean_for_sum(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _dw(dout, x, w, stride, pad) / dout[:, 0].size
