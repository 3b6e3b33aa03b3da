# ruff: noqa: ARG001, PLR0913, PLR0917  # a mutant takes what the function takes, whatever its slip looks at
"""Slips in the gradient of a convolution with respect to its bias."""

from __future__ import annotations

import numpy as np

from reference.layers import Array
from reference.slips.parts import Registrar, Slip

SLIPS: list[Slip] = []
slip = Registrar(SLIPS, "conv_backward", "db")


def _db(dout: Array) -> Array:
    total: Array = dout.sum(axis=(0, 2, 3))  # (F,)
    return total


@slip("""db is summed over the wrong axes: there is one value for each image. It needs one for each filter,
    and the filters are dout's second axis: sum over all the others.""")
def one_for_each_image(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    total: Array = dout.sum(axis=(1, 2, 3))  # (N,)
    return total


@slip("""db is summed over the images alone, as in a fully connected layer. A filter's bias is added at every
    position too: sum over height and width as well.""")
def summed_over_images_alone(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    total: Array = dout.sum(axis=0)  # (F, OH, OW)
    return total


@slip("""db is summed over height and width alone, and still has one row for each image. All images share the
    bias: sum over them as well.""")
def summed_over_positions_alone(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    total: Array = dout.sum(axis=(2, 3))  # (N, F)
    return total


@slip("""Every value of db is the sum over all of dout. Each filter's bias gets the sum over its own part of
    dout only.""")
def summed_over_everything(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return np.full(b.shape, dout.sum())  # (F,)


@slip("""db has the right numbers in the wrong shape: it keeps an axis of length 1 for each axis that was
    summed over. Its shape is that of b.""")
def axes_kept(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout)[None, :, None, None]  # (1, F, 1, 1)


@slip("""db is a mean where it should be a sum: a bias is added to every value of its filter, so its gradient
    adds all of them up.""")
def mean_for_sum(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout) / dout[:, 0].size


@slip("""db is divided by the number of images. The loss has taken its mean already, and that has come down
    to you in dout: don't divide again.""")
def divided_by_images(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout) / len(dout)


@slip("""Only the last image counts in db: each image overwrites what those before it gave. Look for an = that
    should add, or for zeros made anew in the loop over the images.""")
def last_image_only(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout[-1:])


@slip("""Only the last position of the last image counts in db: each one overwrites what those before it gave.
    Look for an = that should add.""")
def assigned(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return dout[-1, :, -1, -1].copy()  # (F,)


@slip("""Only the first image counts in db, which is a sum over the batch. Look at how far the return, or the
    body of the loop over the images, is indented.""")
def only_first_image(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout[:1])


@slip("""dout is not used in db: the result just counts the positions, as a dout of ones gives. By the chain
    rule, what comes from above is what you add up.""")
def dout_ones(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(np.ones_like(dout))


@slip("""db is added up once for every input channel. The bias does not belong to a channel: take the line for
    db out of the loop over the channels.""")
def once_per_channel(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout * w.shape[1])


@slip("""db is added up once for every weight of the kernel. The bias is added once to each value of out: take
    the line for db out of the loops over the kernel.""")
def once_per_weight(dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    return _db(dout * w[0].size)
