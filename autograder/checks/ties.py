"""The gradient of max pooling where a window has several equal maxima.

The maximum is not differentiable there, and any convex combination of the tied pixels' gradients is a
subgradient. So a student may credit the first, the last, or share between them: what counts is that nothing
goes to a pixel that is no maximum, no share is negative, and a window's shares add up to its dout. All of it
to each of them is wrong: the gradient would grow with the number of ties.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from autograder.checks.arrays import Kind, Mismatch, inspect_form
from autograder.checks.cases import Case


def compare_ties(actual: object, case: Case, rtol: float) -> Mismatch | None:
    """What is wrong with dx of a pooling layer whose windows don't overlap, or None."""
    x = case.inputs["x"]
    wrong_form = inspect_form(actual, x.shape)
    if wrong_form is not None:
        return wrong_form
    assert isinstance(actual, np.ndarray)
    dx = actual.astype(np.float64)
    pixels, gradient = _windows(x, case), _windows(dx, case)  # (N, C, OH, OW, PH, PW)
    allowed = rtol * float(np.abs(case.dout).max())
    is_maximum = pixels == pixels.max(axis=(4, 5), keepdims=True)
    share = gradient * np.sign(case.dout)[..., None, None]
    totals = gradient.sum(axis=(4, 5))  # (N, C, OH, OW)
    off = np.abs(np.where(is_maximum, 0.0, gradient)).max(axis=(4, 5)) > allowed
    negative = share.min(axis=(4, 5)) < -allowed
    uneven = ~(np.abs(totals - case.dout) <= allowed)
    rest = dx.copy()  # (N, C, H, W)
    _windows(rest, case)[...] = 0.0
    if off.any() or np.abs(rest).max() > allowed:
        return _mismatch("to a pixel that is not the window's maximum", off, gradient, case)
    if negative.any() or uneven.any():
        return _mismatch("whose shares don't add up to its dout", negative | uneven, gradient, case)
    return None


def _windows(image: NDArray[np.float64], case: Case) -> NDArray[np.float64]:
    size = case.params["pool_height"], case.params["pool_width"]
    stride = case.params["stride"]
    return sliding_window_view(image, size, axis=(2, 3), writeable=image.flags.writeable)[
        :, :, ::stride, ::stride
    ]


def _mismatch(what: str, where: NDArray[np.bool_], gradient: NDArray[np.float64], case: Case) -> Mismatch:
    count = int(np.count_nonzero(where))
    first = tuple(int(i) for i in np.argwhere(where)[0]) if count else None
    values = (
        f"window {first!r}: gradients {gradient[first].tolist()!r}, dout {float(case.dout[first])!r}"
        if first
        else "the pixels lie outside every window"
    )
    places = f"in {count} of {where.size} windows" if count else "outside every window"
    return Mismatch(Kind.VALUE, f"hands a gradient {what} ({places})", f"{count} windows; {values}")
