"""How a submission prepares an image for its network, worked out from a few images that it prepared.

The sandbox prepares images of ours (the probes). From what came back we work out what was done, do it
ourselves from then on, and so evaluate on images that no student code ever touches. A preparation is a shape
(padding, resizing, cropping, flattening, channels in other places) and, for each channel, a * pixel/255 + b:
two numbers a
channel, so nothing of a network can hide in it. It counts as found only where it gives every
number of every probe, but for rounding. What depends on anything else (the image's own mean, a mean image,
chance) is not found, and the caller must take the sandbox's word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from autograder.checks.models.resizing import KINDS, Resizing
from autograder.sandbox.exported import Prepared
from autograder.text import quote

# Dividing by 255, subtracting a mean and dividing by a deviation round once each in float32, by half a unit
# in the last place of no more than |a| + |b|. Eight halves allow for other orders of the same steps.
_ROUNDINGS = 8
# Resizing a tensor adds weights that are rounded, two products and two sums along each axis.
_ROUNDINGS_RESIZED = 4 * _ROUNDINGS
_HALF_UNIT = float(np.finfo(np.float32).eps) / 2
_MOST_CHANNELS = 4
_RESIZED_FIRST = (256, 232, 236, 238, 242, 246, 248, 272, 288, 320, 342, 384, 480)  # then cropped
_IN_GREY = [-1]  # no channel of the image, but all of them together


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """``prepare`` gives what the submission's own would: float32, one image a row."""

    name: str
    described: str
    shape: tuple[int, ...]  # of one prepared image
    scale: np.ndarray  # (C,) a of each channel
    shift: np.ndarray  # (C,) b
    _place: Placing
    _layout: Layout

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """uint8 images of the size that the probes had, (N, H, W) or (N, H, W, 3)."""
        pixels = self._place.put(_spread(images))[..., self._layout.channels]
        made = pixels * self.scale + self.shift
        if self._place.outside is not None:
            made = self._place.surround(made)
        return np.ascontiguousarray(self._layout.lay(made), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Placing:
    """What happens to the size: a resizing, a crop of the middle, a border; pixels are shares of 255."""

    described: str
    resizing: Resizing | None = None
    crop: tuple[int, int, int, int] | None = None  # top, left, height, width
    outside: np.ndarray | None = None  # (C,) the border's value in each channel, prepared
    border: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, and the whole height and width

    def put(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 to (N, H', W', C) float64, without a border."""
        made = self.resizing.resize(images) if self.resizing is not None else images / 255.0
        if self.crop is not None:
            top, left, height, width = self.crop
            made = made[:, top : top + height, left : left + width]
        return made

    def surround(self, made: np.ndarray) -> np.ndarray:
        assert self.outside is not None
        top, left, height, width = self.border
        whole = np.empty((len(made), height, width, made.shape[3]))
        whole[:] = self.outside
        whole[:, top : top + made.shape[1], left : left + made.shape[2]] = made
        return whole


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How (N, H, W, C) becomes what the network takes; ``channels`` says which comes from which."""

    described: str
    channels: list[int]
    lay: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


def make_probes(shape: tuple[int, ...], seed: int, count: int = 6) -> np.ndarray:
    """Images for the sandbox to prepare: noise, so that no two preparations agree on them by accident."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def fit_preparation(prepared: Prepared, probes: np.ndarray) -> Preparation | None:
    """The preparation that gave ``prepared.images`` from ``probes``; None where it is no such thing."""
    given = prepared.images
    if len(given) != len(probes) or given.ndim < 2 or given.ndim > 4 or not np.isfinite(given).all():
        return None
    images = _spread(probes)
    for layout in _layouts(given.shape[1:], images.shape[1:]):
        target = layout.back(given.astype(np.float64))
        for place in _placings(target, images):
            # Most are no match, and one image shows it.
            if _fit(prepared, images[:1], target[:1], layout, place) is None:
                continue
            fitted = _fit(prepared, images, target, layout, place)
            if fitted is not None:
                return fitted
    return None


def _spread(images: np.ndarray) -> np.ndarray:
    return images[..., None] if images.ndim == 3 else images


# --- layouts -------------------------------------------------------------------------------------------


def _layouts(shape: tuple[int, ...], image: tuple[int, ...]) -> Iterator[Layout]:
    """Every way in which a prepared image of this shape can hold the channels of an image."""
    height, width, channels = image
    for described, size, lay, back in _forms(shape, height, width):
        if not 1 <= size <= _MOST_CHANNELS:
            continue
        for order, said in _orders(size, channels):
            told = ", ".join(one for one in (described, said) if one)
            yield Layout(told, order, lay, back)


Form = tuple[str, int, Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


def _forms(shape: tuple[int, ...], height: int, width: int) -> Iterator[Form]:
    """Described, the number of channels, from and back to (N, H, W, C)."""
    if len(shape) == 3:
        yield "", shape[0], lambda x: x.transpose(0, 3, 1, 2), lambda x: x.transpose(0, 2, 3, 1)
        yield "channels last", shape[2], lambda x: x, lambda x: x
    elif len(shape) == 2:
        yield "without an axis for channels", 1, lambda x: x[..., 0], lambda x: x[..., None]
    if len(shape) == 1 or (len(shape) == 2 and 1 in shape):
        yield from _rows(shape, height, width)


def _rows(shape: tuple[int, ...], height: int, width: int) -> Iterator[Form]:
    """Flattened images, of the size that they had or of another square one."""
    total = int(np.prod(shape))
    for channels in (1, 3):
        side = round((total / channels) ** 0.5)
        for rows, columns in {(height, width): 0, (side, side): 0}:
            if rows * columns * channels != total:
                continue
            size = rows, columns, channels
            yield "in one row", channels, partial(_into_row, shape), partial(_out_of_row, size)
            if channels > 1:
                said = "in one row, channels last"
                yield said, channels, partial(_last_into_row, shape), partial(_last_out_of_row, size)


def _into_row(shape: tuple[int, ...], images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2).reshape(len(images), *shape)


def _out_of_row(size: tuple[int, int, int], rows: np.ndarray) -> np.ndarray:
    height, width, channels = size
    return rows.reshape(len(rows), channels, height, width).transpose(0, 2, 3, 1)


def _last_into_row(shape: tuple[int, ...], images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), *shape)


def _last_out_of_row(size: tuple[int, int, int], rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), *size)


def _orders(size: int, channels: int) -> Iterator[tuple[list[int], str]]:
    """Which of the image's channels each of the prepared ones can be made of."""
    if channels == 1:
        yield [0] * size, "" if size == 1 else f"the one channel {size} times"
    elif size == channels:
        yield [*range(size)], ""
        yield [*reversed(range(size))], "channels in reverse"
    if channels == 3 and size in (1, 3):
        yield _IN_GREY * size, "in grey"


# --- sizes ---------------------------------------------------------------------------------------------


def _placings(target: np.ndarray, images: np.ndarray) -> Iterator[Placing]:
    (height, width), (rows, columns) = images.shape[1:3], target.shape[1:3]
    if (rows, columns) == (height, width):
        yield Placing("")
        return
    if rows <= height and columns <= width:
        yield Placing("the middle", crop=_middle(height, width, rows, columns))
    if rows >= height and columns >= width:
        yield from _borders(target, height, width)
    for kind in KINDS:
        yield Placing(f"resized, {kind}", Resizing(kind, rows, columns))
    if rows == columns:
        for side in _RESIZED_FIRST:
            if side > rows:
                yield from _cropped(side, height, width, rows)


def _cropped(side: int, height: int, width: int, rows: int) -> Iterator[Placing]:
    """The shorter edge to one size, then the middle, as for ImageNet."""
    short, long = min(height, width), max(height, width)
    longer = int(side * long / short)
    tall, wide = (side, longer) if height <= width else (longer, side)
    for kind in KINDS[:3]:
        yield Placing(
            f"resized to {side}, {kind}, then the middle",
            Resizing(kind, tall, wide),
            _middle(tall, wide, rows, rows),
        )


def _middle(height: int, width: int, rows: int, columns: int) -> tuple[int, int, int, int]:
    return round((height - rows) / 2.0), round((width - columns) / 2.0), rows, columns


def _borders(target: np.ndarray, height: int, width: int) -> Iterator[Placing]:
    """A border of one value a channel, the same in all images; the middle first."""
    rows, columns = target.shape[1:3]
    outside = target[0, 0, 0]
    places = [((rows - height) // 2, (columns - width) // 2), (0, 0), (rows - height, columns - width)]
    places.append(((rows - height + 1) // 2, (columns - width + 1) // 2))
    for top, left in dict.fromkeys(places):
        values = target[0, -1, -1] if (top, left) == (0, 0) else outside
        around = np.ones((rows, columns), dtype=bool)
        around[top : top + height, left : left + width] = False
        if (target[:, around] == values).all():
            yield Placing("with a border", outside=values, border=(top, left, rows, columns))


# --- numbers -------------------------------------------------------------------------------------------


def _fit(
    prepared: Prepared, images: np.ndarray, target: np.ndarray, layout: Layout, place: Placing
) -> Preparation | None:
    """The line through all pixels of each channel, if all of them lie on it."""
    if place.outside is not None:
        top, left = place.border[:2]
        target = target[:, top : top + images.shape[1], left : left + images.shape[2]]
    pixels = place.put(images)
    if -1 in layout.channels:
        channels = [0] * len(layout.channels)
        pixels, layout = _grey(pixels), Layout(layout.described, channels, layout.lay, layout.back)
        place = _Grey(place.described, place.resizing, place.crop, place.outside, place.border)
    pixels = pixels[..., layout.channels]
    if pixels.shape != target.shape:
        return None
    rounds = place.resizing is not None and place.resizing.rounds
    roundings = _ROUNDINGS_RESIZED if rounds else _ROUNDINGS
    lines = [
        _line(pixels[..., at].ravel(), target[..., at].ravel(), roundings) for at in range(target.shape[3])
    ]
    found = [one for one in lines if one is not None]
    if len(found) < len(lines):
        return None
    scale, shift = (np.array(numbers) for numbers in zip(*found, strict=True))
    factors = ", ".join(f"{a:.6g} x {b:+.6g}" for a, b in found)
    told = "; ".join(one for one in (place.described, layout.described, f"pixel/255 times {factors}") if one)
    return Preparation(prepared.name, told, prepared.images.shape[1:], scale, shift, place, layout)


def _line(pixels: np.ndarray, given: np.ndarray, roundings: int) -> tuple[float, float] | None:
    """a and b of given = a * pixels + b, where that is what it is."""
    spread = pixels - pixels.mean()
    room = float(spread @ spread)
    if not room:
        return None
    a = float(spread @ given) / room
    b = float(given.mean() - a * pixels.mean())
    allowed = roundings * _HALF_UNIT * (abs(a) + abs(b))
    return (a, b) if float(np.abs(a * pixels + b - given).max()) <= allowed else None


class _Grey(Placing):
    """The same, of the image in grey as Pillow makes it of three channels."""

    __slots__ = ()

    def put(self, images: np.ndarray) -> np.ndarray:
        return _grey(Placing.put(self, images))


def _grey(pixels: np.ndarray) -> np.ndarray:
    """ITU-R 601-2, in Pillow's whole numbers."""
    whole = np.rint(pixels * 255.0).astype(np.int64)
    grey = (whole[..., 0] * 19595 + whole[..., 1] * 38470 + whole[..., 2] * 7471 + 0x8000) >> 16
    return grey[..., None] / 255.0


def refusal(prepared: Prepared) -> str:
    """A sentence on a preparation that was not found."""
    name = quote(prepared.name)
    return f"what {name} does to an image is no scaling, padding or resizing that can be repeated"
