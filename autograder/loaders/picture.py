"""PNG and JPEG: their size in pixels is known before a pixel is decoded.

Only what makes up the pixels is handed to Pillow: of a PNG header, palette, transparency and data. Text that
unpacks to gigabytes, colour profiles, further frames of an animation and whatever else a file may hold are
left out unread. The number of a JPEG's scans is bounded: each goes over the whole picture again.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autograder.loaders.problems import MIB, Malformed, TooLarge, check_bytes

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """How large a picture is taken. In memory a pixel costs up to about 12 bytes while it is decoded."""

    max_bytes: int = 32 * MIB
    max_pixels: int = 16_000_000  # a plot of 40 x 40 inches at 100 dpi
    max_side: int = 20_000
    max_chunks: int = 20_000  # of a PNG; its writers put 8 to 64 kB in each
    max_scans: int = 100  # of a JPEG; a progressive one has about ten


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it looks on a white page: ``pixels`` is (height, width, 3), uint8."""

    kind: str  # "PNG" or "JPEG"
    pixels: np.ndarray

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_SCAN = b"\xff\xda"
_JPEG_SIZES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: they begin with the size
# The other segments that such pictures have. Any other marker is refused: for some of them Pillow expects no
# length, goes on inside what we took for their content, and finds another size there (found by fuzzing).
_JPEG_SEGMENTS = frozenset({0xC4, 0xDA, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE}) | _JPEG_SIZES
# Comments and what programs add, but for the two that say how the colours are meant: JFIF's and Adobe's.
_JPEG_EXTRAS = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_HEADER = struct.Struct(">IIBBBBB")  # width, height, bits, colours, compression, filter, interlace
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
# What Pillow is known to raise for a file that isn't as it should be.
_UNREADABLE = (OSError, SyntaxError, ValueError, LookupError, EOFError, struct.error, zlib.error)
_HINT = "Save the picture again, as PNG."
_SMALLER = "Save it with fewer pixels, for example with a lower dpi."


def load_picture(data: bytes, name: str, limits: PictureLimits | None = None) -> Picture:
    """The picture in ``data``; of an animation the first frame. Raises Malformed."""
    from PIL import Image  # noqa: PLC0415  (slow to import, and few gradings look at pictures)

    limits = limits or PictureLimits()
    check_bytes(name, data, limits.max_bytes, hint=_SMALLER)
    if data.startswith(_PNG):
        kind, data = "PNG", _PNG + b"".join(_chunks(data, name, limits))
    elif data.startswith(_JPEG):
        kind, data = "JPEG", b"".join(_segments(data, name, limits))
    else:
        raise Malformed(name, "is neither a PNG nor a JPEG picture", where="first bytes", hint=_HINT)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _refuse_size(*image.size, name, limits)
            return Picture(kind, _on_white(image))
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        problem = f"is damaged or was cut off: no {kind} picture can be read from it"
        raise Malformed(name, problem, hint=_HINT) from error


def _chunks(data: bytes, name: str, limits: PictureLimits) -> Iterator[bytes]:
    """The chunks that make up the pixels, each whole, once the first has said a size within the limits."""
    position = len(_PNG)
    for count in range(limits.max_chunks):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 12 + length  # length, kind, data, checksum
        if end > len(data):
            raise Malformed(name, "was cut off", where=f"byte {position:,}", hint=_HINT)
        if (count == 0) != (kind == b"IHDR"):
            raise Malformed(name, "doesn't begin with one header", where=f"byte {position:,}", hint=_HINT)
        if count == 0:
            _refuse_header(data[position + 8 : end - 4], name, limits)
        if kind in _KEPT:
            # Pillow lets a wrong one of the pixels' own data pass.
            if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise Malformed(name, "is damaged", where=f"byte {position:,}", hint=_HINT)
            yield data[position:end]
        if kind == b"IEND":
            return
        position = end
    raise TooLarge(name, f"holds more than {limits.max_chunks:,} pieces", hint=_HINT)


def _segments(data: bytes, name: str, limits: PictureLimits) -> Iterator[bytes]:
    """What a JPEG needs for its pixels, once its size is within the limits; the scans are one piece."""
    if data.count(_JPEG_SCAN) > limits.max_scans:
        raise TooLarge(name, f"holds more than {limits.max_scans} scans", hint=_HINT)
    yield data[:2]
    position = 2
    while True:
        marker, length = (
            data[position : position + 2],
            int.from_bytes(data[position + 2 : position + 4], "big"),
        )
        end = position + 2 + length
        sound = len(marker) == 2 and marker[0] == 0xFF and marker[1] in _JPEG_SEGMENTS
        if not sound or length < (8 if marker[1] in _JPEG_SIZES else 2) or end > len(data):
            raise Malformed(name, "is damaged or was cut off", where=f"byte {position:,}", hint=_HINT)
        if marker == _JPEG_SCAN:
            yield data[position:]
            return
        if marker[1] in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            _refuse_size(width, height, name, limits)
        if marker[1] not in _JPEG_EXTRAS:
            yield data[position:end]
        position = end


def _refuse_header(header: bytes, name: str, limits: PictureLimits) -> None:
    if len(header) != _HEADER.size:
        raise Malformed(name, "has a damaged header", where="byte 8", hint=_HINT)
    width, height, *_ = _HEADER.unpack(header)
    _refuse_size(width, height, name, limits)


def _refuse_size(width: int, height: int, name: str, limits: PictureLimits) -> None:
    if not (width and height):
        raise Malformed(name, f"is {width} x {height} pixels large", hint=_HINT)
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        allowed = f"{limits.max_pixels:,} in all and {limits.max_side:,} a side are allowed"
        raise TooLarge(name, f"is {width:,} x {height:,} pixels large, where {allowed}", hint=_SMALLER)


def _on_white(image: Image.Image) -> np.ndarray:
    """The pixels as three bytes each, with what is transparent shown on white, as a page shows it."""
    from PIL import Image  # noqa: PLC0415  (as above)

    if image.mode.startswith("I"):  # 16 bits of grey: Pillow's own conversion would cut, not scale
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image)
        image = page
    return np.array(image.convert("RGB"))
