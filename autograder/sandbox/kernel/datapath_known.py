"""torchvision's transforms that are known: which settings each has, and the steps that they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchvision import transforms  # type: ignore[import-untyped]  # ships no types
from torchvision.transforms import v2  # type: ignore[import-untyped]

from autograder.sandbox.kernel import datapath_steps as steps
from autograder.sandbox.kernel import datapath_values as values
from autograder.sandbox.kernel.datapath_shape import Shape
from autograder.sandbox.kernel.datapath_values import Unknown

Settings = Mapping[str, Any]
_SMALLEST_SCALE = 0.01


def _rotation(shape: Shape, given: Settings) -> None:
    shape.must_be("picture")
    if given["expand"] is not False:
        raise Unknown
    low, high = values.span(given["degrees"])
    interpolation = values.interpolation(given["interpolation"])
    center, fill = values.pair(given["center"]), values.fill(given["fill"], shape.channels)
    shape.add(steps.Rotate(low, high, interpolation, center, fill))


def _rotation_v2(shape: Shape, given: Settings) -> None:
    fill, filled = given["fill"], given["_fill"]
    if type(filled) is not dict or filled.keys() != {"others"}:
        raise Unknown
    if filled["others"] != ([float(one) for one in fill] if isinstance(fill, (list, tuple)) else fill):
        raise Unknown
    _rotation(shape, given)


def _affine(shape: Shape, given: Settings) -> None:
    shape.must_be("picture")
    far = values.pair(given["translate"])
    scale = None if given["scale"] is None else values.span(given["scale"])
    if scale is not None and scale[0] < _SMALLEST_SCALE:
        raise Unknown
    shear = () if given["shear"] is None else values.numbers(given["shear"], 2, 4)
    if any(low > high for low, high in zip(shear[::2], shear[1::2], strict=True)):
        raise Unknown
    shape.add(
        steps.Affine(
            values.span(given["degrees"]),
            None if far is None else (far[0] * shape.width, far[1] * shape.height),
            scale,
            shear,
            values.interpolation(given["interpolation"]),
            values.pair(given["center"]),
            values.fill(given["fill"], shape.channels),
        )
    )


def _flip(shape: Shape, given: Settings) -> None:
    shape.add(steps.Flip(values.number(given["p"])))


def _flip_up(shape: Shape, given: Settings) -> None:
    shape.add(steps.Flip(values.number(given["p"]), up=True))


def _pad(shape: Shape, given: Settings) -> None:
    left, top, right, bottom = values.borders(given["padding"])
    fill, mode = given["fill"], given["padding_mode"]
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise Unknown
    if shape.kind != "picture" and (mode != "constant" or type(fill) is not int):
        raise Unknown
    if max(left, right) >= shape.width or max(top, bottom) >= shape.height:
        raise Unknown  # reflecting more than there is
    shape.add(steps.Pad(left, top, right, bottom, values.fill(fill, shape.channels), mode))
    shape.height += top + bottom
    shape.width += left + right


def _random_crop(shape: Shape, given: Settings) -> None:
    height, width = values.height_and_width(given["size"])
    if given["padding"] is not None:
        _pad(shape, given)
    if height > shape.height or width > shape.width:
        raise Unknown
    if (height, width) != (shape.height, shape.width):  # else nothing is drawn
        shape.add(steps.Crop(height, width, (shape.height, shape.width)))
    shape.height, shape.width = height, width


def _center_crop(shape: Shape, given: Settings) -> None:
    height, width = values.height_and_width(given["size"])
    if height > shape.height or width > shape.width:
        raise Unknown
    at = (round((shape.height - height) / 2.0), round((shape.width - width) / 2.0))
    shape.add(steps.Crop(height, width, (shape.height, shape.width), at))
    shape.height, shape.width = height, width


def _resize(shape: Shape, given: Settings) -> None:
    """Only where it changes nothing."""
    size = values.height_and_width(given["size"])
    if given["max_size"] is not None or size != (shape.height, shape.width):
        raise Unknown


def _to_tensor(shape: Shape, given: Settings) -> None:
    _to_bytes(shape, given)
    _to_float(shape, {"dtype": torch.float32}, divide=True)


def _to_bytes(shape: Shape, _given: Settings) -> None:
    shape.must_be("picture")
    shape.add(steps.ToBytes())
    shape.kind = "bytes"


def _to_float(shape: Shape, given: Settings, *, divide: bool) -> None:
    shape.must_be("bytes")
    if given["dtype"] is not torch.float32:
        raise Unknown
    shape.add(steps.ToFloat(divide))
    shape.kind = "floats"


def _convert(shape: Shape, given: Settings) -> None:
    _to_float(shape, given, divide=True)


def _to_dtype(shape: Shape, given: Settings) -> None:
    if given["scale"] is not True:
        raise Unknown
    _to_float(shape, given, divide=False)


def _normalize(shape: Shape, given: Settings) -> None:
    shape.must_be("floats")
    means, deviations = (values.constants(given[name], shape.channels) for name in ("mean", "std"))
    if not all(np.float32(one) for one in deviations):
        raise Unknown
    shape.add(steps.Normalize(means, deviations))


@dataclass(frozen=True, slots=True)
class Known:
    """A class of torchvision's: its reader, and the names of all its attributes."""

    read: Callable[[Shape, Settings], None] | None  # None: its parts are read
    settings: frozenset[str]


def _known(read: Callable[[Shape, Settings], None] | None, settings: str = "") -> Known:
    return Known(read, frozenset(settings.split()))


_ROTATION = "degrees interpolation expand center fill"
_AFFINE = "degrees translate scale shear interpolation fill center"
KNOWN: Mapping[type, Known] = {
    transforms.Compose: _known(None, "transforms"),
    transforms.ToTensor: _known(_to_tensor),
    transforms.PILToTensor: _known(_to_bytes),
    transforms.ConvertImageDtype: _known(_convert, "dtype"),
    transforms.Normalize: _known(_normalize, "mean std inplace"),
    transforms.RandomRotation: _known(_rotation, _ROTATION),
    transforms.RandomAffine: _known(_affine, _AFFINE),
    transforms.RandomHorizontalFlip: _known(_flip, "p"),
    transforms.RandomVerticalFlip: _known(_flip_up, "p"),
    transforms.RandomCrop: _known(_random_crop, "size padding pad_if_needed fill padding_mode"),
    transforms.Pad: _known(_pad, "padding fill padding_mode"),
    transforms.CenterCrop: _known(_center_crop, "size"),
    transforms.Resize: _known(_resize, "size max_size interpolation antialias"),
    v2.Compose: _known(None, "transforms"),
    v2.ToImage: _known(_to_bytes),
    v2.ToDtype: _known(_to_dtype, "dtype scale"),
    v2.Normalize: _known(_normalize, "mean std inplace"),
    v2.RandomRotation: _known(_rotation_v2, f"{_ROTATION} _fill"),
    v2.RandomHorizontalFlip: _known(_flip, "p"),
}
