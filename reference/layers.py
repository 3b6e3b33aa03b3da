"""Convolution and max pooling by hand: forward and backward side by side, in float64 NumPy.

The forms are those of the course notes: a layer slides a window over a padded image. Writing the windows
as a view with six axes turns each gradient into one contraction. Everything is proved against torch
autograd in the tests, so that a grading never has to import torch.

Letters: N images, C channels, H x W pixels, F filters of HH x WW, OH x OW outputs, p padding, s stride.
Every array is float64. The caller sees to it that windows divide the padded image:
(H + 2p - HH) % s == 0, and the same for the width.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


def padded(x: Array, pad: int) -> Array:
    """(N, C, H, W) -> (N, C, H + 2p, W + 2p), with zeros around each channel."""
    images, channels, height, width = x.shape
    result = np.zeros((images, channels, height + 2 * pad, width + 2 * pad))  # (N, C, H + 2p, W + 2p)
    result[:, :, pad : pad + height, pad : pad + width] = x  # (N, C, H, W)
    return result


def windows(x: Array, height: int, width: int, stride: int) -> Array:
    """(N, C, H, W) -> (N, C, OH, OW, height, width): a view of every window, without a copy."""
    return sliding_window_view(x, (height, width), axis=(2, 3))[:, :, ::stride, ::stride]


def conv_forward(x: Array, w: Array, b: Array, stride: int, pad: int) -> Array:
    """The cross-correlation that deep learning calls convolution.

    x (N, C, H, W), w (F, C, HH, WW), b (F,) -> out (N, F, OH, OW), all float64, with
    OH = 1 + (H + 2p - HH) / s and OW = 1 + (W + 2p - WW) / s.

    Formula (the homework's own statement):
    out[n, f, i, j] = b[f] + sum over c, h, v of padded[n, c, i*s + h, j*s + v] * w[f, c, h, v].
    """
    patches = windows(padded(x, pad), w.shape[2], w.shape[3], stride)  # (N, C, OH, OW, HH, WW)
    out = np.tensordot(patches, w, axes=((1, 4, 5), (1, 2, 3)))  # (N, OH, OW, F)
    return np.ascontiguousarray((out + b).transpose(0, 3, 1, 2))  # (N, F, OH, OW)


def conv_backward(  # noqa: PLR0913, PLR0917  # the formula's own six letters
    dout: Array, x: Array, w: Array, b: Array, stride: int, pad: int
) -> tuple[Array, Array, Array]:
    """The gradients of a loss whose gradient with respect to conv_forward's out is dout.

    dout (N, F, OH, OW), x (N, C, H, W), w (F, C, HH, WW), b (F,)
    -> dx (N, C, H, W), dw (F, C, HH, WW), db (F,), all float64.

    Formula (chain rule on conv_forward's sum, which is linear in each of x, w and b):
    dw[f, c, h, v] = sum over n, i, j of dout[n, f, i, j] * padded[n, c, i*s + h, j*s + v];
    db[f] = sum over n, i, j of dout[n, f, i, j];
    dpadded[n, c, i*s + h, j*s + v] += sum over f of dout[n, f, i, j] * w[f, c, h, v], then the rim is cut.
    """
    kernel_height, kernel_width = w.shape[2:]
    patches = windows(padded(x, pad), kernel_height, kernel_width, stride)  # (N, C, OH, OW, HH, WW)
    dw = np.tensordot(dout, patches, axes=((0, 2, 3), (0, 2, 3)))  # (F, C, HH, WW)
    db = dout.sum(axis=(0, 2, 3)).reshape(b.shape)  # (F,)
    dpatches = np.tensordot(w, dout, axes=(0, 1))  # (C, HH, WW, N, OH, OW)
    dx = _scatter(dpatches.transpose(3, 0, 4, 5, 1, 2), x.shape, stride, pad)  # (N, C, H, W)
    return dx, dw, db


def _scatter(dpatches: Array, shape: tuple[int, ...], stride: int, pad: int) -> Array:
    """The transpose of padded() and windows(): adds each window's gradient up where it was taken from.

    dpatches (N, C, OH, OW, HH, WW) -> (N, C, H, W), which is shape.
    """
    images, channels, height, width = shape
    rows, columns = dpatches.shape[2] * stride, dpatches.shape[3] * stride
    dpadded = np.zeros((images, channels, height + 2 * pad, width + 2 * pad))  # (N, C, H + 2p, W + 2p)
    for i in range(dpatches.shape[4]):
        for j in range(dpatches.shape[5]):
            dpadded[:, :, i : i + rows : stride, j : j + columns : stride] += dpatches[..., i, j]
    return dpadded[:, :, pad : pad + height, pad : pad + width].copy()  # (N, C, H, W)


def max_pool_forward(x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    """The maximum of each window, channel by channel.

    x (N, C, H, W) -> out (N, C, OH, OW), float64, with OH = 1 + (H - pool_height) / s, OW likewise.

    Formula (the homework's own statement): out[n, c, i, j] = the largest of
    x[n, c, i*s : i*s + pool_height, j*s : j*s + pool_width].
    """
    patches = windows(x, pool_height, pool_width, stride)  # (N, C, OH, OW, PH, PW)
    out: Array = patches.max(axis=(4, 5))  # (N, C, OH, OW)
    return out


def max_pool_backward(dout: Array, x: Array, pool_height: int, pool_width: int, stride: int) -> Array:
    """The gradient of a loss whose gradient with respect to max_pool_forward's out is dout.

    dout (N, C, OH, OW), x (N, C, H, W) -> dx (N, C, H, W), float64.

    Formula (subgradient of the maximum): each window hands its dout to its maximum; among equals to the
    first in reading order, as torch does. A pixel that several windows share adds up what they hand it.
    """
    patches = windows(x, pool_height, pool_width, stride)  # (N, C, OH, OW, PH, PW)
    first = patches.reshape(*dout.shape, -1).argmax(axis=-1)  # (N, C, OH, OW): index into a window
    dx = np.zeros_like(x, dtype=np.float64)  # (N, C, H, W)
    n, c, i, j = np.indices(dout.shape)  # each (N, C, OH, OW)
    rows, columns = i * stride + first // pool_width, j * stride + first % pool_width  # (N, C, OH, OW)
    np.add.at(dx, (n, c, rows, columns), dout)
    return dx
