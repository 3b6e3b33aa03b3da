"""compare() lets nothing through that is not the array, and nothing out that is hidden."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from autograder.checks.arrays import Kind, compare, rtol_for, unmodified
from autograder.outcome import GraderFault

unhurried = settings(deadline=None)  # machines that run this are shared
RTOL = 1e-9
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)
NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)
ARRAYS = hnp.arrays(np.float64, SHAPES, elements=NUMBERS)
ANYTHING = hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
TRUTH = np.array([[1.25, -2.5, 3.75], [4.125, 5.0, -6.625]])


def kind_of(actual: object, expected: NDArray[np.float64] = TRUTH) -> Kind | None:
    mismatch = compare(actual, expected, RTOL)
    return mismatch.kind if mismatch else None


@unhurried
@given(ARRAYS)
def test_an_array_is_itself(array: NDArray[np.float64]) -> None:
    assert compare(array.copy(), array, RTOL) is None
    assert compare(np.asarray(array, order="F"), array, RTOL) is None
    assert compare(array.astype(">f8"), array, RTOL) is None


@unhurried
@given(ARRAYS, st.data())
def test_rounding_passes_and_an_error_does_not(array: NDArray[np.float64], data: st.DataObject) -> None:
    scale = float(np.abs(array).max())
    index = data.draw(st.tuples(*(st.integers(0, side - 1) for side in array.shape)))
    for factor, right in ((0.5, True), (2.0, scale == 0.0)):
        actual = array.copy()
        actual[index] += factor * RTOL * scale
        assert (compare(actual, array, RTOL) is None) is right


@unhurried
@given(ARRAYS, st.data(), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_one_value_that_is_not_finite_is_enough(
    array: NDArray[np.float64], data: st.DataObject, value: float
) -> None:
    actual = array.copy()
    actual[data.draw(st.tuples(*(st.integers(0, side - 1) for side in array.shape)))] = value
    assert kind_of(actual, array) is Kind.FINITE


@unhurried
@given(ARRAYS, SHAPES)
def test_a_shape_that_only_broadcasts_is_wrong(array: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    other = np.full(shape, array.flat[0])
    if shape != array.shape:
        assert kind_of(other, array) is Kind.SHAPE
    assert kind_of(array[None], array) is Kind.SHAPE


@unhurried
@given(ANYTHING, ARRAYS)
def test_whatever_is_let_through_is_close(actual: NDArray[np.generic], array: NDArray[np.float64]) -> None:
    if compare(actual, array, RTOL) is None:
        assert actual.dtype.kind == "f"
        assert actual.shape == array.shape
        error = np.abs(actual.astype(np.float64) - array).max()
        assert error <= RTOL * max(np.abs(array).max(), np.finfo(np.float64).tiny)


@pytest.mark.parametrize(
    "actual",
    [
        TRUTH.astype(complex),
        TRUTH.astype(object),
        TRUTH.astype(int),
        TRUTH > 0,
        TRUTH.astype(str),
        TRUTH.astype(np.float16),
        TRUTH.astype(np.longdouble),
        TRUTH.astype("datetime64[s]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_only_float64_and_float32_are_numbers(actual: NDArray[np.generic]) -> None:
    assert kind_of(actual) is Kind.DTYPE


class Liar(np.ndarray[tuple[int, ...], np.dtype[np.float64]]):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


@pytest.mark.parametrize(
    ("actual", "text"),
    [
        (None, "is None, and should be a NumPy array of shape (2, 3)"),
        (TRUTH.tolist(), "is of type 'list', and should be a NumPy array of shape (2, 3)"),
        (4.0, "is a single number, and should be a NumPy array of shape (2, 3)"),
        (np.float64(4.0), "is a single number, and should be a NumPy array of shape (2, 3)"),
        (TRUTH.view(Liar), "is of type 'Liar', and should be a NumPy array of shape (2, 3)"),
        (np.ma.masked_array(TRUTH), "is of type 'MaskedArray', and should be a NumPy array of shape (2, 3)"),
        (np.zeros((0, 3)), "has shape (0, 3), and should have shape (2, 3)"),
        (TRUTH.T, "has shape (3, 2), and should have shape (2, 3)"),
        (TRUTH.astype(int), "holds numbers of type int64, and should hold float64"),
        (TRUTH * np.nan, "holds all 6 values that are not finite (NaN or infinity)"),
        (TRUTH * 2, "has the right shape, but all 6 values are wrong"),
        (TRUTH * 0, "has the right shape, but it is zero everywhere"),
        (np.where(TRUTH < 5, TRUTH, 0), "has the right shape, but 1 of its 6 values is wrong"),
        (np.where(TRUTH < 4, TRUTH, np.inf), "holds 2 of its 6 values that are not finite (NaN or infinity)"),
    ],
)
def test_what_the_student_reads(actual: object, text: str) -> None:
    mismatch = compare(actual, TRUTH, RTOL)
    assert mismatch is not None
    assert mismatch.student == text


@unhurried
@given(ARRAYS, ARRAYS)
def test_the_student_reads_no_value_and_staff_do(
    actual: NDArray[np.float64], array: NDArray[np.float64]
) -> None:
    mismatch = compare(actual, array, RTOL)
    if mismatch is not None:
        assert not re.search(r"\d\.|\de|nan|inf\b", mismatch.student)
        if mismatch.kind is Kind.VALUE:
            worst = int(np.abs(actual - array).argmax())
            assert f"expected {float(array.flat[worst])!r}" in mismatch.staff


def test_float32_is_taken_with_its_own_tolerance() -> None:
    tolerances = {"conv_float64_rtol": 1e-9, "conv_float32_rtol": 1e-4}
    third = np.array([1 / 3, -2 / 3])
    assert rtol_for(third, tolerances) == 1e-9
    assert rtol_for(third.astype(np.float32), tolerances) == 1e-4
    assert rtol_for(third.astype(">f4"), tolerances) == 1e-4
    assert rtol_for(None, tolerances) == 1e-9
    assert compare(third.astype(np.float32), third, 1e-4) is None
    assert compare(third.astype(np.float32), third, 1e-9) is not None


def test_a_missing_tolerance_is_our_fault() -> None:
    with pytest.raises(
        GraderFault, match="the tolerance 'conv_float64_rtol' is missing; there are \\['x'\\]"
    ):
        rtol_for(TRUTH, {"x": 1.0})


@pytest.mark.parametrize("expected", [np.zeros((0, 2)), np.array([1.0, np.nan]), np.array(np.inf)])
def test_a_bad_truth_is_our_fault(expected: NDArray[np.float64]) -> None:
    with pytest.raises(GraderFault, match="the expected array is empty or not finite"):
        compare(expected, expected, RTOL)


@pytest.mark.parametrize(
    ("actual", "kind"),
    [
        (2.5, None),
        (np.asarray(2.5), None),
        (2, Kind.VALUE),
        (10**400, Kind.FINITE),
        (float("nan"), Kind.FINITE),
        (True, Kind.TYPE),
        ("2.5", Kind.TYPE),
        (np.array([2.5]), Kind.SHAPE),
    ],
)
def test_a_number_may_be_plain(actual: object, kind: Kind | None) -> None:
    assert kind_of(actual, np.asarray(2.5)) is kind


def test_huge_numbers_of_opposite_sign_are_far_apart() -> None:
    assert kind_of(np.array([1.7e308]), np.array([-1.7e308])) is Kind.VALUE


@unhurried
@given(ARRAYS)
def test_an_input_that_came_through_is_unmodified(array: NDArray[np.float64]) -> None:
    assert unmodified(array, array.copy()) is None


@unhurried
@given(hnp.arrays(np.float64, SHAPES, elements=st.floats()), st.data())
def test_any_changed_bit_is_seen(array: NDArray[np.float64], data: st.DataObject) -> None:
    after = array.copy()
    index = data.draw(st.tuples(*(st.integers(0, side - 1) for side in array.shape)))
    after.view(np.uint64)[index] ^= np.uint64(1) << np.uint64(data.draw(st.integers(0, 63)))
    mismatch = unmodified(array, after)
    assert mismatch is not None
    assert mismatch.kind is Kind.CHANGED
    assert repr(tuple(int(i) for i in index)) in mismatch.staff


def test_a_sign_of_zero_counts_and_an_untouched_nan_does_not() -> None:
    before = np.array([0.0, np.nan])
    assert unmodified(before, before.copy()) is None
    assert unmodified(before, np.array([-0.0, np.nan])) is not None


@pytest.mark.parametrize("after", [None, TRUTH.astype(np.float32), TRUTH.ravel(), TRUTH.tolist()])
def test_an_input_of_another_form_is_changed(after: object) -> None:
    mismatch = unmodified(TRUTH, after)
    assert mismatch is not None
    assert mismatch.student == "has another shape or type after the call"


def test_what_the_student_reads_of_a_changed_input() -> None:
    after = TRUTH.copy()
    after[0, :2] = 0.0
    mismatch = unmodified(TRUTH, after)
    assert mismatch is not None
    assert mismatch.student == "is not what it was: 2 of its 6 values are different after the call"
    assert mismatch.staff == "2 of 6 changed, first at index (0, 0)"
