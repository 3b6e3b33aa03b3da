"""Reads what a data set does to its pictures, if it is all known; what isn't raises `Unknown`.

The reading is made anew for every batch, since a student may change a transform between two. It holds plain
numbers alone, so that two readings can be compared. A class of the student's, another setting, a hook, a
method put into one object: all of these are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from autograder.sandbox.kernel.datapath_known import KNOWN
from autograder.sandbox.kernel.datapath_shape import Shape
from autograder.sandbox.kernel.datapath_steps import Step
from autograder.sandbox.kernel.datapath_values import Unknown

_MOST_PIXELS = 128 * 128  # of one picture, after any step
_MOST_NESTED = 4
_PLAIN_MODULE = frozenset(vars(torch.nn.Module()))


@dataclass(frozen=True, slots=True)
class Reading:
    """The steps, and torchvision's names of the transforms that they were read from."""

    steps: tuple[Step, ...]
    names: tuple[str, ...]


def read_transform(transform: object, channels: int, height: int, width: int) -> Reading:
    """What ``transform`` does with a picture of Pillow's of this size, down to a tensor."""
    shape = Shape(channels, height, width)
    _read(transform, shape, _MOST_NESTED)
    if shape.kind == "picture":
        raise Unknown  # pictures can't be collated: torch says so best
    return Reading(tuple(shape.steps), tuple(shape.names))


def _read(transform: Any, shape: Shape, nested: int) -> None:
    known = KNOWN.get(type(transform))
    if known is None or nested == 0:
        raise Unknown
    settings = _settings(transform)
    if settings.keys() != known.settings:
        raise Unknown
    if known.read is not None:
        shape.names.append(type(transform).__name__)
        known.read(shape, settings)
        if shape.height * shape.width > _MOST_PIXELS:
            raise Unknown
        return
    parts = settings["transforms"]
    if type(parts) not in (list, tuple):
        raise Unknown
    for part in parts:
        _read(part, shape, nested - 1)


def _settings(transform: Any) -> dict[str, Any]:
    """The attributes without those that every module has, which must be as in a new one."""
    settings = dict(vars(transform))
    if isinstance(transform, torch.nn.Module):
        for name in _PLAIN_MODULE & settings.keys():
            if settings.pop(name) and name != "training":
                raise Unknown
    return settings
