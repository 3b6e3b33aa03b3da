"""Pictures: what Pillow writes comes back, and none is decoded before its size is known."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from autograder.loaders.picture import PictureLimits, load_picture
from autograder.loaders.problems import TooLarge
from tests.loaders.refusals import frugal, in_little_memory, refused
from tests.loaders.samples import PNG, chunk, header, picture, png

END = chunk(b"IEND")


@settings(deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9).map(lambda s: (*s[:2], 3))))
def test_what_pillow_writes_is_read_back(pixels: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    got = load_picture(file.getvalue(), "x.png")
    assert got.kind == "PNG"
    assert (got.height, got.width) == pixels.shape[:2]
    assert np.array_equal(got.pixels, pixels)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_three_bytes_a_pixel(mode: str) -> None:
    got = load_picture(picture(mode), "x.png")
    assert (got.width, got.height, got.pixels.shape) == (3, 2, (2, 3, 3))
    assert got.pixels.dtype == np.uint8


def test_what_is_transparent_is_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (2, 1), (0, 0, 0, 0)).save(file, "PNG")
    assert load_picture(file.getvalue(), "x.png").pixels.min() == 255


def test_grey_of_16_bits_is_scaled_not_cut() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 128 << 8, 65535]], np.uint16)).save(file, "PNG")
    assert load_picture(file.getvalue(), "x.png").pixels[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(progressive: bool) -> None:
    got = load_picture(picture(size=(30, 20), kind="JPEG", progressive=progressive), "x.jpg")
    assert (got.kind, got.width, got.height) == ("JPEG", 30, 20)
    assert load_picture(picture("CMYK", kind="JPEG"), "x.jpg").pixels.shape == (2, 3, 3)


def test_of_an_animation_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    assert b"acTL" in file.getvalue()
    assert load_picture(file.getvalue(), "x.png").pixels[0, 0].tolist() == [255, 0, 0]


DAMAGED = "is damaged or was cut off: no PNG picture can be read from it"
DATA = chunk(b"IDAT", zlib.compress(bytes(7)))
GOOD = png([header(2, 1), DATA, END])
BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is neither a PNG nor a JPEG picture (first bytes)"),
    "a GIF": (b"GIF89a" + bytes(20), "is neither a PNG nor a JPEG picture (first bytes)"),
    "a page": (b"<svg><script>alert(1)</script></svg>", "is neither a PNG nor a JPEG picture (first bytes)"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0", "is neither a PNG nor a JPEG picture (first bytes)"),
    "signature alone": (PNG, "was cut off (byte 8)"),
    "cut": (GOOD[:-20], "was cut off (byte 33)"),
    "no end": (GOOD[:-12], "was cut off (byte 56)"),
    "data first": (png([DATA, header(2, 1), END]), "doesn't begin with one header (byte 8)"),
    "two headers": (png([header(2, 1), header(9, 9), DATA, END]), "doesn't begin with one header (byte 33)"),
    "a long header": (png([chunk(b"IHDR", bytes(14)), END]), "has a damaged header (byte 8)"),
    "no pixels": (png([header(0, 5), DATA, END]), "is 0 x 5 pixels large"),
    "no data": (png([header(2, 1), END]), DAMAGED),
    "data that doesn't unpack": (png([header(2, 1), chunk(b"IDAT", b"xxxx"), END]), DAMAGED),
    "an unknown depth": (png([header(2, 1, bits=7), DATA, END]), DAMAGED),
    "a wrong checksum": (GOOD.replace(DATA[-4:], b"xxxx"), "is damaged (byte 33)"),
    "a chunk of 4 GB": (png([header(2, 1), chunk(b"IDAT", b"", length=2**32 - 1)]), "was cut off (byte 33)"),
    "JPEG's first bytes": (b"\xff\xd8\xff", "is damaged or was cut off (byte 2)"),
    "JPEG, cut": (
        picture(size=(99, 99), kind="JPEG")[:-200],
        "is damaged or was cut off: no JPEG picture can be read from it",
    ),
    "JPEG, with a size where Pillow sees it and its lengths don't lead": (  # found by fuzzing
        b"\xff\xd8\xff\xd0\x00\x15\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(9) + b"\xff\xda\x00\x02",
        "is damaged or was cut off (byte 2)",
    ),
    "JPEG, with another": (  # found by fuzzing as well
        b"\xff\xd8\xff\xc8\x00\x15\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(9) + b"\xff\xda\x00\x02",
        "is damaged or was cut off (byte 2)",
    ),
    "JPEG, with a short size": (
        b"\xff\xd8\xff\xc0\x00\x07\x08\x00\x01\x00\x01\xff\xda\x00\x02",
        "is damaged or was cut off (byte 2)",
    ),
    "JPEG, with a hole": (
        picture(kind="JPEG").replace(b"\xff\xdb", b"\0\0"),
        "is damaged or was cut off (byte 20)",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_picture(what: str) -> None:
    data, said = BAD[what]
    assert refused(load_picture, data) == said


@pytest.mark.parametrize(
    ("width", "height"), [(4001, 4000), (20_001, 1), (1, 20_001), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1)]
)
def test_a_large_picture_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    idat = chunk(b"IDAT", zlib.compress(bytes(10**6)))
    with frugal(1):
        said = refused(load_picture, png([header(width, height), idat, END]), kind=TooLarge)
    assert said.startswith(f"is {width:,} x {height:,} pixels large, where 16,000,000 in all")


def test_a_large_jpeg_is_refused_before_it_is_decoded() -> None:
    data = bytearray(picture(kind="JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    imports = "from autograder.loaders.picture import load_picture; import PIL.JpegImagePlugin"
    said = in_little_memory(imports, "load_picture(data, 'x.jpg')", bytes(data), 60)
    assert said.startswith("'x.jpg' is 65,000 x 65,000 pixels large")


def test_of_a_jpeg_too_what_is_no_pixel_is_left_out() -> None:
    whole = picture(size=(30, 20), kind="JPEG")
    extras = b"".join(
        bytes([0xFF, kind]) + struct.pack(">H", 60_002) + bytes(60_000) for kind in (0xE1, 0xE2, 0xFE)
    )
    got = load_picture(whole[:2] + extras + whole[2:], "x.jpg")
    assert np.array_equal(got.pixels, load_picture(whole, "x.jpg").pixels)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"eXIf", b"fdAT", b"acTL", b"abcd"])
def test_what_is_no_pixel_is_left_out_unread(kind: bytes) -> None:
    bomb = chunk(kind, b"a\0\0" + zlib.compress(bytes(30_000_000), 9))
    data = png([header(2, 1), *[bomb] * 10, DATA, *[bomb] * 10, END])
    with frugal(4):
        assert load_picture(data, "x.png").pixels.shape == (1, 2, 3)


def test_data_that_unpacks_to_more_than_the_picture_is_not_unpacked() -> None:
    idat = chunk(b"IDAT", zlib.compress(bytes(200_000_000), 9))
    imports = "from autograder.loaders.picture import load_picture; import PIL.PngImagePlugin"
    call = "load_picture(data, 'x.png')"
    assert in_little_memory(imports, call, png([header(2, 1), idat, END]), 60) == "loaded"


def test_many_pieces_and_many_scans() -> None:
    small = PictureLimits(max_chunks=4)
    load_picture(png([header(2, 1), chunk(b"abcd"), DATA, END]), "x", small)
    data = png([header(2, 1), chunk(b"abcd"), chunk(b"abcd"), DATA, END])
    assert refused(load_picture, data, small, kind=TooLarge) == "holds more than 4 pieces"
    data = png([header(2, 1), chunk(b"abcd") * 1_000_000])
    with frugal(2, seconds=3):
        assert refused(load_picture, data, kind=TooLarge) == "holds more than 20,000 pieces"
    scans = picture(kind="JPEG") + b"\xff\xda" * 101
    assert refused(load_picture, scans, kind=TooLarge) == "holds more than 100 scans"


def test_the_largest_picture_takes_bounded_memory() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (4000, 4000), (1, 2, 3, 4)).save(file, "PNG")
    imports = "from autograder.loaders.picture import load_picture; import PIL.PngImagePlugin"
    assert in_little_memory(imports, "load_picture(data, 'x.png')", file.getvalue(), 400) == "loaded"
