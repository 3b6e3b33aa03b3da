"""What a file claims about an array's shape and values, held against sense before anything is allocated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograder.loaders.problems import Malformed, TooLarge
from autograder.text import quote

MAX_NDIM = 32  # what every NumPy takes
MAX_ELEMENTS = (
    2**40
)  # with empty dimensions counted as 1: (0, 2**62) holds nothing, and still overflows later
_AGAIN = "Save it again with the library's own function."
_PLAIN = "Save bools as True and False, or as numbers."


def check_shape(shape: Any, what: str, name: str) -> int:
    """The number of elements of a shape that a file claims; ``what`` is the array, as messages call it."""
    if not isinstance(shape, (list, tuple)) or not all(type(side) is int and side >= 0 for side in shape):
        raise Malformed(name, f"gives {what} the shape {_shown(shape)}, which is none", hint=_AGAIN)
    if len(shape) > MAX_NDIM or math.prod(side or 1 for side in shape) > MAX_ELEMENTS:
        raise TooLarge(name, f"gives {what} the shape {_shown(shape)}, which is too large", hint=_AGAIN)
    return math.prod(shape)


def _shown(shape: Any) -> str:
    return quote(str(shape[:40] if isinstance(shape, (list, tuple)) else shape), 60)


def check_bools(raw: np.ndarray, what: str, name: str) -> None:
    """Refuse bools, seen as bytes, other than 0 and 1: NumPy's operations differ on what they are."""
    if raw.size and int(raw.max()) > 1:
        raise Malformed(name, f"holds {what} of bools that are neither true nor false", hint=_PLAIN)
