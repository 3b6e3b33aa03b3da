"""Pictures that were handed in as files: whether they show something, and what kind of thing it is.

Nobody can tell from pixels whether a curve is right; people look at the picture on the reading sheet. What
can be told is that a picture is empty, that a plot has axes and nothing in them, and that what should be a
grid of filters is a curve or a photograph. The limits lie far from what such pictures really have (see the
tests); in between a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from autograder.checks.notebooks.plots import BLANK_SHARE, NEAR, is_blank
from autograder.loaders.picture import load_picture
from autograder.loaders.problems import Malformed
from autograder.outcome import CheckFailed

# Shares of pixels. Curves, axes and legend cover 2 to 13 % of a plot; the filters of a grid 25 to 90 %. Of a
# filter's enlarged pixels nearly all stand in runs of one colour, along and across; of a photograph's, seldom
# more than a fifth, and of one that was drawn somewhat larger than it was.
INK_OF_A_CURVE, INK_OF_A_GRID = 0.18, 0.22
IN_RUNS_OF_A_GRID, IN_RUNS_OF_A_PHOTO = 0.60, 0.35
RUN = 3  # pixels of one colour beside each other
FEWEST_TILES, FEWEST_COLOURS = 4, 24
MOST_KEPT_BYTES = 256 * 1024  # of a file: what it looks like is told once, however often it is asked for
LOOKED_AT = 700  # pixels a side at most; of a larger picture every second or third is taken

_SEPARATOR = 16  # of 255: how much the pixels of a line between two filters differ at most
_SEPARATOR_JPEG = 48  # its lines ring; a photograph saved as JPEG has no such line at 48 either
_COLOURS_JPEG = 256  # at least, of filters without a line between them; photographs have 60 to 140
_TILES_OF_A_STRIP, _COLOURS_OF_A_STRIP = 12, 100  # curves in that many panels have far fewer colours
_THINNEST = 3  # pixels: what is thinner between two lines is no filter
_FRAME = 0.4  # of a picture's side: a line of one colour as long as that is an axis, or a frame


class Kind(Enum):
    """What a picture looks like."""

    EMPTY = "empty"
    EMPTY_AXES = "axes with nothing in them"
    PLOT = "a plot"
    GRID = "a grid of small pictures"
    PHOTO = "one picture, like a photograph"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture that could be read. ``ink`` is the share of its pixels that aren't background."""

    width: int
    height: int
    file_format: str  # PNG or JPEG
    kind: Kind
    ink: float
    tiles: int

    def describe(self) -> str:
        size = f"{self.width} x {self.height} pixels"
        tiles = f", {self.tiles} tiles" if self.tiles > 1 and self.kind is Kind.GRID else ""
        return f"{self.file_format}, {size}, {100 * self.ink:.0f} % of them drawn on{tiles}"


def look_at(data: bytes, name: str) -> Looked:
    """Read a PNG or JPEG and tell what it looks like; raises CheckFailed where it can't be read."""
    return _look_at_known(data, name) if len(data) <= MOST_KEPT_BYTES else _look_at(data, name)


def _look_at(data: bytes, name: str) -> Looked:
    try:
        picture = load_picture(data, name)
    except Malformed as problem:
        raise CheckFailed(problem.message, hint=problem.hint) from problem
    pixels = _thinned(picture.pixels)
    lossy = picture.kind == "JPEG"
    ink, tiles = _ink(pixels), _tiles(pixels, _SEPARATOR_JPEG if lossy else _SEPARATOR)
    kind = _kind(picture.pixels, pixels, ink, tiles)
    if lossy and kind is Kind.PHOTO and _colours(pixels) >= _COLOURS_JPEG:
        kind = Kind.UNCLEAR
    return Looked(picture.width, picture.height, picture.kind, kind, ink, tiles)


_look_at_known = lru_cache(maxsize=16)(_look_at)


def require_plot(looked: Looked, what: str) -> str:
    """What to note of a plot; raises CheckFailed where there is nothing on it."""
    if looked.kind is Kind.EMPTY:
        raise CheckFailed(
            f"The picture of {what} is empty: all of it is of one colour.",
            hint="Save it before plt.show(), which leaves an empty figure behind, and look at the file.",
        )
    if looked.kind is Kind.EMPTY_AXES:
        raise CheckFailed(
            f"The picture of {what} has axes and nothing drawn between them.",
            hint="Plot the values of your log, save the figure, and look at the file.",
        )
    return f"The picture of {what} shows something: {looked.describe()}."


def require_grid(looked: Looked, what: str) -> str:
    """What to note of a grid of filters; raises CheckFailed where the picture certainly is something else."""
    hint = "Show the weights of the first layer, each filter as a small picture; filter-viz.ipynb makes it."
    if looked.kind is Kind.EMPTY:
        raise CheckFailed(f"The picture of {what} is empty: all of it is of one colour.", hint=hint)
    if looked.kind in (Kind.PLOT, Kind.EMPTY_AXES):
        raise CheckFailed(f"The picture of {what} looks like a plot of curves, not like a grid.", hint=hint)
    if looked.kind is Kind.PHOTO:
        raise CheckFailed(f"The picture of {what} looks like one photograph, not like a grid.", hint=hint)
    return f"The picture of {what} shows something: {looked.describe()}."


def _kind(whole: np.ndarray, pixels: np.ndarray, ink: float, tiles: int) -> Kind:
    if is_blank(whole):
        return Kind.EMPTY
    if _has_empty_axes(pixels):
        return Kind.EMPTY_AXES
    colours, runs = _colours(pixels), _in_runs(pixels)
    if ink <= INK_OF_A_CURVE:  # or a few small filters on a large page
        enlarged = tiles >= FEWEST_TILES and runs >= IN_RUNS_OF_A_GRID
        strip = tiles >= _TILES_OF_A_STRIP and colours >= _COLOURS_OF_A_STRIP
        return Kind.UNCLEAR if enlarged or strip else Kind.PLOT
    if ink >= INK_OF_A_GRID and (
        tiles >= FEWEST_TILES or (runs >= IN_RUNS_OF_A_GRID and colours >= FEWEST_COLOURS)
    ):
        return Kind.GRID
    if runs <= IN_RUNS_OF_A_PHOTO and tiles < FEWEST_TILES and colours >= FEWEST_COLOURS:
        return Kind.PHOTO
    return Kind.UNCLEAR


def _thinned(pixels: np.ndarray) -> np.ndarray:
    step = max(1, -(-max(pixels.shape[:2]) // LOOKED_AT))
    return pixels[::step, ::step].astype(np.int16)


def _grounds(pixels: np.ndarray) -> np.ndarray:
    """The two commonest colours: a page and what is drawn on it have one each, as in a grey plot."""
    seen = pixels.reshape(-1, 3).astype(np.uint32)
    colours, counts = np.unique(seen[:, 0] << 16 | seen[:, 1] << 8 | seen[:, 2], return_counts=True)
    common = colours[np.argsort(counts)[::-1][:2]]
    return np.stack([common >> 16, common >> 8 & 255, common & 255], axis=1).astype(np.int16)


def _off(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(pixels - colour).max(axis=2) > NEAR)


def _drawn(pixels: np.ndarray) -> np.ndarray:
    """Where something is drawn: what isn't of a colour that is the ground."""
    drawn = np.ones(pixels.shape[:2], bool)
    for ground in _grounds(pixels):
        drawn &= _off(pixels, ground)
    return drawn


def _ink(pixels: np.ndarray) -> float:
    return float(_drawn(pixels).mean())


def _colours(pixels: np.ndarray) -> int:
    """How many colours there are, in steps of 32 levels."""
    coarse = (pixels // 32).reshape(-1, 3)
    return len(np.unique(coarse[:, 0] * 64 + coarse[:, 1] * 8 + coarse[:, 2]))


def _in_runs(pixels: np.ndarray) -> float:
    """The share of what is drawn that stands in runs of one colour, both along and across."""
    pixels = _framed(pixels)
    drawn = _drawn(pixels)
    if min(pixels.shape[:2]) < RUN or not drawn.any():
        return 0.0
    return min(
        float(_covered(one)[drawn if axis else drawn.T].mean())
        for axis, one in enumerate((pixels.transpose(1, 0, 2), pixels))
    )


def _covered(pixels: np.ndarray) -> np.ndarray:
    """Which pixels stand in a run of `RUN` of one colour in their row."""
    same = (pixels[:, 1:] == pixels[:, :-1]).all(axis=2)
    runs = same[:, 1:] & same[:, :-1]
    covered = np.zeros(pixels.shape[:2], bool)
    for shift in range(RUN):
        covered[:, shift : shift + runs.shape[1]] |= runs
    return covered


def _tiles(pixels: np.ndarray, separator: int) -> int:
    """Into how many parts lines of one colour, from edge to edge, cut the picture's drawn-on part."""
    pixels = _framed(pixels)
    drawn = _drawn(pixels)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not rows.size:
        return 0
    inner = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _bands(inner, 1, separator) * _bands(inner, 0, separator)


def _bands(pixels: np.ndarray, axis: int, separator: int) -> int:
    """The bands between lines of one colour along ``axis``."""
    spread = (pixels.max(axis=axis) - pixels.min(axis=axis)).max(axis=1)
    between = np.concatenate(([True], spread <= separator, [True]))
    edges = np.flatnonzero(between)
    return int((np.diff(edges) > _THINNEST).sum())


def _has_empty_axes(pixels: np.ndarray) -> bool:
    """Whether there is a frame with nothing inside it but the one colour of its ground."""
    inner = _framed(pixels)
    return inner is not pixels and bool(_off(inner, _grounds(inner)[0]).mean() < BLANK_SHARE)


def _framed(pixels: np.ndarray) -> np.ndarray:
    """What is inside the axes' frame; all of the picture where there is none."""
    height, width = pixels.shape[:2]
    off = _off(pixels, _grounds(pixels)[0])
    rows = np.flatnonzero(off.mean(axis=1) >= _FRAME)
    columns = np.flatnonzero(off.mean(axis=0) >= _FRAME)
    if len(rows) < 2 or len(columns) < 2:  # a frame has two of each
        return pixels
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    margin = 2 + max(height, width) // 100
    inner = pixels[top + margin : bottom - margin, left + margin : right - margin]
    return inner if min(inner.shape[:2]) >= _FRAME * min(height, width) else pixels
