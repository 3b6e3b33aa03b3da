"""The reference layers agree with torch's autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from reference.layers import (
    Array,
    conv_backward,
    conv_forward,
    max_pool_backward,
    max_pool_forward,
    padded,
    windows,
)

RTOL = 1e-13  # measured: 4e-15 at most over these shapes
SEEDS = st.integers(0, 2**32 - 1)
FEW = st.integers(1, 3)


@st.composite
def window_axes(draw: st.DrawFn, pads: tuple[int, ...]) -> tuple[int, int, tuple[int, int], tuple[int, int]]:
    """stride, pad, image and window such that windows fit the padded image a whole number of times."""
    stride, pad = draw(st.integers(1, 3)), draw(st.sampled_from(pads))
    image, window = [], []
    for _ in range(2):
        reach = draw(st.integers(1, 4))
        steps = draw(st.integers(0, 3))
        length = (steps * stride + reach) - 2 * pad
        while length < 1:
            length += stride
        image.append(length)
        window.append(reach)
    return stride, pad, (image[0], image[1]), (window[0], window[1])


def assert_close(actual: Array, expected: torch.Tensor) -> None:
    wanted = expected.detach().numpy()
    assert actual.dtype == np.float64
    assert actual.shape == wanted.shape
    assert np.abs(actual - wanted).max() <= RTOL * max(np.abs(wanted).max(), 1.0)


@settings(deadline=None, max_examples=150)
@given(axes=window_axes((0, 1, 2, 3)), images=FEW, channels=FEW, filters=FEW, seed=SEEDS)
def test_convolution_is_torchs(
    axes: tuple[int, int, tuple[int, int], tuple[int, int]],
    images: int,
    channels: int,
    filters: int,
    seed: int,
) -> None:
    stride, pad, image, kernel = axes
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(images, channels, *image))
    w = rng.normal(size=(filters, channels, *kernel))
    b = rng.normal(size=filters)
    tx, tw, tb = (torch.tensor(array, requires_grad=True) for array in (x, w, b))
    tout = functional.conv2d(tx, tw, tb, stride=stride, padding=pad)
    out = conv_forward(x, w, b, stride, pad)
    assert_close(out, tout)
    dout = rng.normal(size=out.shape)
    tdx, tdw, tdb = torch.autograd.grad(tout, (tx, tw, tb), torch.tensor(dout))
    for actual, expected in zip(conv_backward(dout, x, w, b, stride, pad), (tdx, tdw, tdb), strict=True):
        assert_close(actual, expected)


@settings(deadline=None, max_examples=150)
@given(axes=window_axes((0,)), images=FEW, channels=FEW, tied=st.booleans(), seed=SEEDS)
def test_max_pooling_is_torchs_with_and_without_ties(
    axes: tuple[int, int, tuple[int, int], tuple[int, int]], images: int, channels: int, tied: bool, seed: int
) -> None:
    stride, _, image, window = axes
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(images, channels, *image))
    if tied:
        x = np.maximum(np.round(x), 0.0)
    tx = torch.tensor(x, requires_grad=True)
    tout = functional.max_pool2d(tx, window, stride=stride)
    out = max_pool_forward(x, *window, stride)
    assert_close(out, tout)
    dout = rng.normal(size=out.shape)
    (tdx,) = torch.autograd.grad(tout, tx, torch.tensor(dout))
    assert_close(max_pool_backward(dout, x, *window, stride), tdx)


def test_a_large_convolution_is_torchs() -> None:
    rng = np.random.default_rng(3)
    x, w, b = rng.normal(size=(4, 3, 33, 30)), rng.normal(size=(5, 3, 7, 4)), rng.normal(size=5)
    tx, tw, tb = (torch.tensor(array, requires_grad=True) for array in (x, w, b))
    tout = functional.conv2d(tx, tw, tb, stride=2, padding=3)
    out = conv_forward(x, w, b, 2, 3)
    assert_close(out, tout)
    dout = rng.normal(size=out.shape)
    gradients = torch.autograd.grad(tout, (tx, tw, tb), torch.tensor(dout))
    for actual, expected in zip(conv_backward(dout, x, w, b, 2, 3), gradients, strict=True):
        assert np.abs(actual - expected.numpy()).max() <= 1e-12 * np.abs(expected.numpy()).max()


def test_the_first_of_tied_maxima_is_credited() -> None:
    x = np.array([[[[1.0, 3.0], [3.0, 3.0]]]])  # (1, 1, 2, 2)
    dx = max_pool_backward(np.array([[[[5.0]]]]), x, 2, 2, 1)
    assert dx.tolist() == [[[[0.0, 5.0], [0.0, 0.0]]]]


def test_the_inputs_are_left_alone() -> None:
    rng = np.random.default_rng(5)
    x, w, b = rng.normal(size=(2, 2, 4, 4)), rng.normal(size=(2, 2, 3, 3)), rng.normal(size=2)
    dout = rng.normal(size=(2, 2, 4, 4))
    for array in (x, w, b, dout):
        array.setflags(write=False)
    conv_backward(dout, x, w, b, 1, 1)
    max_pool_backward(dout[:, :, :2, :2], x, 2, 2, 2)
    assert conv_forward(x, w, b, 1, 1).flags.c_contiguous
    assert padded(x, 0).tobytes() == x.tobytes()


def test_windows_are_a_view() -> None:
    x = np.zeros((1, 1, 6, 6))
    assert np.shares_memory(windows(x, 2, 3, 1), x)


def test_a_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="window shape cannot be larger"):
        max_pool_forward(np.zeros((1, 1, 2, 2)), 3, 3, 1)
