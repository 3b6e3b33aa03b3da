"""Is this array the array that it should be?

What comes out of the sandbox is untrusted: a subclass that lies, a NaN that no comparison catches, a shape
that broadcasts into the right one. So the order is fixed: the exact type, the exact shape, the kind of
number, finiteness, and only then the values, by the norm: max|actual - expected| <= rtol * max|expected|.
(By the norm and not element by element: an element that cancels to nearly nothing carries the rounding of
the large terms it came from.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from autograder.outcome import GraderFault

ACCEPTED = (np.dtype(np.float64), np.dtype(np.float32))


class Kind(Enum):
    """Which of the checks an array failed, in the order in which they are made."""

    TYPE = "type"
    SHAPE = "shape"
    DTYPE = "dtype"
    FINITE = "finite"
    VALUE = "value"
    CHANGED = "changed"  # an input, after the call


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why an array is not the expected one.

    ``student`` continues a sentence that begins with the array's name ("out has shape ..."); it quotes
    shapes, types and counts and never a value. ``staff`` has the values.
    """

    kind: Kind
    student: str
    staff: str


def compare(actual: object, expected: NDArray[np.float64], rtol: float) -> Mismatch | None:
    """The first thing wrong with ``actual``, or None where it is right.

    ``expected`` of shape () is met by a plain number as well.
    """
    if expected.size == 0 or not np.isfinite(expected).all():
        raise GraderFault(
            f"the expected array is empty or not finite (shape {expected.shape!r})",
            remedy="Mend the reference or the cases: every expected value must be a finite number.",
        )
    if expected.shape == () and type(actual) in (int, float):
        actual = _number(actual)
    wrong_form = inspect_form(actual, expected.shape)
    if wrong_form is not None:
        return wrong_form
    assert isinstance(actual, np.ndarray)
    return _compare_values(actual.astype(np.float64), expected, rtol)


def inspect_form(actual: object, shape: tuple[int, ...]) -> Mismatch | None:
    """Everything but the values: type, shape, kind of number, finiteness."""
    if type(actual) is not np.ndarray:
        return Mismatch(Kind.TYPE, _wrong_type(actual, shape), f"type {type(actual).__name__!r}")
    if actual.shape != shape:
        return Mismatch(
            Kind.SHAPE,
            f"has {_shown(actual.shape)}, and should have shape {shape!r}",
            f"shape {actual.shape!r}, expected {shape!r}, dtype {actual.dtype!s}",
        )
    if actual.dtype.newbyteorder("=") not in ACCEPTED:
        return Mismatch(
            Kind.DTYPE,
            f"holds numbers of type {actual.dtype!s}, and should hold float64",
            f"dtype {actual.dtype!s}, shape {actual.shape!r}",
        )
    finite = np.isfinite(actual)
    if not finite.all():
        bad = int(actual.size - np.count_nonzero(finite))
        return Mismatch(
            Kind.FINITE,
            f"holds {_count(bad, actual.size)} that {_are(bad)} not finite (NaN or infinity)",
            f"{bad} of {actual.size} not finite, first at index {_first(~finite)}",
        )
    return None


def rtol_for(actual: object, tolerances: Mapping[str, float]) -> float:
    """The manifest's tolerance for the precision that this array has."""
    single = isinstance(actual, np.ndarray) and actual.dtype.newbyteorder("=") == np.float32
    key = "conv_float32_rtol" if single else "conv_float64_rtol"
    if key not in tolerances:
        raise GraderFault(
            f"the tolerance {key!r} is missing; there are {sorted(tolerances)!r}",
            remedy=f"Add {key} to [tolerances] in assignment.toml.",
        )
    return tolerances[key]


def unmodified(before: NDArray[np.float64], after: object) -> Mismatch | None:
    """None where an input came through the call bit for bit, else what happened to it."""
    if type(after) is not np.ndarray or after.shape != before.shape or after.dtype != before.dtype:
        form = f"{type(after).__name__!r} {getattr(after, 'shape', '')!r} {getattr(after, 'dtype', '')!s}"
        return Mismatch(Kind.CHANGED, "has another shape or type after the call", f"it became {form}")
    if before.tobytes() == after.tobytes():
        return None
    changed = before.view(np.uint64) != after.view(np.uint64)  # bits, so that NaN and -0.0 count as they are
    count = int(np.count_nonzero(changed))
    return Mismatch(
        Kind.CHANGED,
        f"is not what it was: {_count(count, before.size)} {_are(count)} different after the call",
        f"{count} of {before.size} changed, first at index {_first(changed)}",
    )


def _compare_values(
    actual: NDArray[np.float64], expected: NDArray[np.float64], rtol: float
) -> Mismatch | None:
    allowed = rtol * max(float(np.abs(expected).max()), float(np.finfo(np.float64).tiny))
    with np.errstate(over="ignore"):  # two huge numbers of opposite sign are infinitely far apart
        error = np.abs(actual - expected)
    right = error <= allowed
    if right.all():
        return None
    bad = int(right.size - np.count_nonzero(right))
    worst = np.unravel_index(int(error.argmax()), error.shape)
    at = tuple(int(i) for i in worst)
    what = f"{_count(bad, actual.size)} {_are(bad)} wrong" if actual.any() else "it is zero everywhere"
    return Mismatch(
        Kind.VALUE,
        f"has the right shape, but {what}",
        f"worst at index {at!r}: got {float(actual[worst])!r}, expected {float(expected[worst])!r}, "
        f"error {float(error[worst]):.3g}, allowed {allowed:.3g}; {bad} of {actual.size} wrong",
    )


def _number(value: object) -> object:
    try:
        return np.asarray(float(value))  # type: ignore[arg-type]  # the caller saw int or float
    except OverflowError:  # an int beyond every float
        return np.asarray(np.inf)


def _wrong_type(actual: object, shape: tuple[int, ...]) -> str:
    wanted = f"should be a NumPy array of shape {shape!r}" if shape else "should be a number"
    if isinstance(actual, (bool, int, float, np.number)):
        return f"is a single number, and {wanted}" if shape else f"is {type(actual).__name__!r}, and {wanted}"
    return (
        f"is None, and {wanted}" if actual is None else f"is of type {type(actual).__name__!r}, and {wanted}"
    )


def _shown(shape: tuple[int, ...]) -> str:
    """A shape for the student's eyes. An empty array's axes may be of any length, and spell out what the
    function was given; so only such as a real answer could have are shown."""
    plausible = len(shape) <= _MOST_AXES and all(length <= _LONGEST_AXIS for length in shape)
    return f"shape {shape!r}" if plausible else f"a shape of {len(shape)} axes"


_MOST_AXES, _LONGEST_AXIS = 8, 9999  # as in harmless.py


def _first(where: NDArray[np.bool_]) -> str:
    index = np.unravel_index(int(where.argmax()), where.shape)
    return repr(tuple(int(i) for i in index))


def _count(bad: int, size: int) -> str:
    if bad == size:
        return f"all {size} values" if size > 1 else "its one value"
    return f"{bad} of its {size} values"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
