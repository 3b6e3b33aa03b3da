"""Any share among tied maxima that adds up is right, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autograder.checks.arrays import Kind
from autograder.checks.gradients import Case, Observed, Opaque, judge_ties
from autograder.checks.ties import compare_ties
from autograder.outcome import CheckFailed
from reference.conv_cases import build_pack
from tests.checks.packs import TOLERANCES

RTOL = 1e-9
PACK = build_pack("pool", "ties", 3)


def shared(case: Case, rng: np.random.Generator, weights: str) -> NDArray[np.float64]:
    """dx with each window's dout shared among its maxima by this rule."""
    x = case.inputs["x"]
    dx = np.zeros_like(x)
    height, width, stride = (case.params[key] for key in ("pool_height", "pool_width", "stride"))
    for n, c, i, j in np.ndindex(*case.dout.shape):
        at = n, c, slice(i * stride, i * stride + height), slice(j * stride, j * stride + width)
        tied = np.flatnonzero(x[at] == x[at].max())
        share = {
            "first": np.eye(tied.size)[0],
            "last": np.eye(tied.size)[-1],
            "even": np.ones(tied.size) / tied.size,
            "random": rng.dirichlet(np.ones(tied.size)),
            "all": np.ones(tied.size),
            "none": np.zeros(tied.size) if tied.size > 1 else np.ones(1),
            "beyond": np.eye(tied.size)[0] * 2 - np.eye(tied.size)[-1],
        }[weights]
        window = np.zeros(height * width)
        window[tied] = share * case.dout[n, c, i, j]
        dx[at] = window.reshape(height, width)
    return dx


@settings(deadline=None)
@given(st.sampled_from(["first", "last", "even", "random"]), st.integers(0, 2**32 - 1))
def test_any_fair_share_is_right(weights: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for case in PACK.cases:
        dx = shared(case, rng, weights)
        assert compare_ties(dx, case, RTOL) is None
        assert compare_ties(dx.astype(np.float32), case, 1e-4) is None


@pytest.mark.parametrize("weights", ["all", "none", "beyond"])
def test_an_unfair_share_is_wrong(weights: str) -> None:
    for case in PACK.cases:
        mismatch = compare_ties(shared(case, np.random.default_rng(1), weights), case, RTOL)
        assert mismatch is not None
        assert mismatch.kind is Kind.VALUE
        assert "whose shares don't add up to its dout (in " in mismatch.student
        assert "dout " in mismatch.staff


def test_a_gradient_on_another_pixel_is_wrong() -> None:
    for case, expected in zip(PACK.cases, PACK.expected["dx"], strict=True):
        dx = expected.copy()
        dx[np.unravel_index(case.inputs["x"].argmin(), dx.shape)] += 1.0
        mismatch = compare_ties(dx, case, RTOL)
        assert mismatch is not None
        assert "to a pixel that is not the window's maximum" in mismatch.student


def test_a_gradient_outside_every_window_is_wrong() -> None:
    case, expected = PACK.cases[2], PACK.expected["dx"][2]
    assert case.params["stride"] > case.params["pool_height"]
    dx = expected.copy()
    dx[0, 0, case.params["pool_height"], 0] = 0.5
    mismatch = compare_ties(dx, case, RTOL)
    assert mismatch is not None
    assert mismatch.student.endswith("(outside every window)")


@pytest.mark.parametrize("index", [(0, 0, 0, 0), (1, 2, 3, 3)])
def test_nan_does_not_slip_through(index: tuple[int, ...]) -> None:
    dx = PACK.expected["dx"][0].copy()
    dx[index] = np.nan
    mismatch = compare_ties(dx, PACK.cases[0], RTOL)
    assert mismatch is not None
    assert mismatch.kind is Kind.FINITE


def test_a_wrong_shape_is_wrong() -> None:
    mismatch = compare_ties(PACK.expected["dx"][0][0], PACK.cases[0], RTOL)
    assert mismatch is not None
    assert mismatch.kind is Kind.SHAPE


def test_all_credited_is_named() -> None:
    rng = np.random.default_rng(1)
    observed = [Observed(shared(case, rng, "all")) for case in PACK.cases]
    with pytest.raises(CheckFailed) as caught:
        judge_ties("f_naive", observed, PACK, TOLERANCES)
    assert caught.value.message == (
        "f_naive: dx is wrong in all 3 cases.\n"
        "Where several pixels of a window are its maximum, each gets the whole gradient, so that it grows "
        "with their number. Give it to one of them, or share it out between them."
    )


def test_a_value_that_stays_in_the_sandbox() -> None:
    with pytest.raises(CheckFailed, match="dx is of type 'Tensor', and should be a NumPy array of shape"):
        judge_ties("f_naive", [Observed(Opaque("object: Tensor"))] * 3, PACK, TOLERANCES)
