"""Settings of transforms as plain numbers; whatever isn't a usual value raises `Unknown`."""

from __future__ import annotations

import math
import platform
from typing import Any

import numpy as np
import torch
from torchvision.transforms import InterpolationMode  # type: ignore[import-untyped]  # ships no types

from autograder.sandbox.kernel.datapath_steps import INTERPOLATIONS, Fill

_MOST_WHOLE = 1000
# Elsewhere compilers join a product and a sum to one rounding, and Pillow's doubles come out otherwise.
_PLAIN_PRODUCTS = ("x86_64", "AMD64")


class Unknown(Exception):
    """Something here isn't known: the student's own path is taken."""


def number(value: Any) -> float:
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Unknown
    return float(value)


def numbers(value: Any, *lengths: int) -> tuple[float, ...]:
    if type(value) not in (list, tuple) or len(value) not in lengths:
        raise Unknown
    return tuple(number(one) for one in value)


def span(value: Any) -> tuple[float, float]:
    low, high = numbers(value, 2)
    if low > high:
        raise Unknown
    return low, high


def pair(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    first, second = numbers(value, 2)
    return first, second


def whole(value: Any) -> int:
    if type(value) is not int or not -_MOST_WHOLE < value < _MOST_WHOLE:
        raise Unknown
    return value


def fill(value: Any, channels: int) -> Fill:
    """As Pillow takes it: cut to a whole number, one for each channel."""
    if value is None:
        value = 0
    parts = numbers(value, 1, channels) if type(value) in (list, tuple) else (number(value),)
    fill = tuple(int(part) for part in parts)
    if not all(0 <= part <= 255 for part in fill):
        raise Unknown
    return fill * channels if len(fill) == 1 else fill


def interpolation(value: Any) -> str:
    name = str(getattr(value, "value", value))
    if type(value) not in (InterpolationMode, str) or name not in INTERPOLATIONS:
        raise Unknown
    if name != "nearest" and platform.machine() not in _PLAIN_PRODUCTS:
        raise Unknown
    return name


def height_and_width(value: Any) -> tuple[int, int]:
    if type(value) is int:
        value = (value, value)
    if type(value) not in (list, tuple):
        raise Unknown
    parts = [whole(one) for one in value]
    if len(parts) == 1:
        parts *= 2
    if len(parts) != 2 or min(parts) < 1:
        raise Unknown
    return parts[0], parts[1]


def borders(value: Any) -> tuple[int, int, int, int]:
    """Left, top, right, bottom."""
    if type(value) not in (int, list, tuple):
        raise Unknown
    sides = [whole(one) for one in ([value] if type(value) is int else value)]
    if len(sides) == 1:
        sides *= 4
    elif len(sides) == 2:
        sides *= 2
    if len(sides) != 4 or min(sides) < 0:
        raise Unknown
    return sides[0], sides[1], sides[2], sides[3]


def constants(value: Any, channels: int) -> tuple[float, ...]:
    """Means or deviations, which may be tensors, in the precision that they are used in."""
    if type(value) in (torch.Tensor, np.ndarray):
        value = value.tolist()
    parts = value if type(value) in (list, tuple) else [value]
    if len(parts) not in (1, channels):
        raise Unknown
    return tuple(number(one.item() if type(one) is torch.Tensor and one.dim() == 0 else one) for one in parts)
