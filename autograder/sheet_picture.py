"""A student's plot, made small enough for a page, and new from its pixels: no byte of the file is kept."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.loaders.picture import Picture, PictureLimits, load_picture
from autograder.loaders.problems import Malformed

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 1_000  # pixels; as wide as a page shows it on a screen
MAX_BYTES = 160_000  # of one picture; a plot of lines has 30 kB, a grid of photographs more
_SMALLEST = 64  # pixels a side: then nothing can be seen any more
_COLOURS = 64  # where all of them take too many bytes
_LIMITS = PictureLimits(max_pixels=16_000_000)


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A picture for the page, as PNG."""

    png: bytes
    width: int
    height: int


def shrink(data: bytes, name: str) -> Shrunk | str:
    """The picture for a page, or why there is none; ``name`` is what a message calls it."""
    try:
        return _encoded(load_picture(data, name, _LIMITS))
    except Malformed as problem:
        return problem.message


def _encoded(picture: Picture) -> Shrunk:
    from PIL import Image  # noqa: PLC0415  (slow to import, and few gradings show pictures)

    image = Image.fromarray(picture.pixels)
    side = MAX_SIDE
    while True:
        image.thumbnail((side, side))  # never enlarges
        data = _png(image)
        if len(data) > MAX_BYTES:
            data = _png(image.quantize(_COLOURS, Image.Quantize.FASTOCTREE))
        if len(data) <= MAX_BYTES or side <= _SMALLEST:
            return Shrunk(data, image.width, image.height)
        side = max(int(max(image.size) * (0.9 * MAX_BYTES / len(data)) ** 0.5), _SMALLEST)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
