"""The pictures among a notebook's outputs: whether there is anything on them, and what the source says.

What a picture shows is read off the code that drew it: the cell's own, and that of the notebook's functions
that it calls. Nobody reads the pixels, but for telling an empty picture.
"""

from __future__ import annotations

import ast
import base64
import binascii
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import numpy as np

from autograder.checks.notebooks.cellcode import Code, called_name, names_in
from autograder.checks.notebooks.found import Plot, PlotKind
from autograder.loaders.notebook import Cell, Notebook
from autograder.loaders.picture import PictureLimits, load_picture
from autograder.loaders.problems import Malformed

MOST_PLOTS = 500
MOST_SHOWN = 12  # on a reading sheet
MOST_PIXELS_IN_ALL = 200_000_000  # decoded of one notebook
BLANK_SHARE = 0.0005  # a picture with fewer pixels than this off its commonest colour shows nothing
LOOKED_AT = 1_000_000  # so many pixels, spread over a larger picture
NEAR = 12  # of 255: colours that differ by less are one to the eye

_LIMITS = PictureLimits(max_bytes=8 * 1024 * 1024)
_CURVES = frozenset("plot semilogy semilogx loglog errorbar fill_between lineplot plot_loss".split())
_IMAGES = frozenset("imshow matshow show_image show_images show_batch show_results pcolormesh".split())
_OTHERS = frozenset("scatter bar barh hist histogram boxplot heatmap pie contour contourf violinplot".split())
_X, _Y = frozenset({"xlabel", "set_xlabel"}), frozenset({"ylabel", "set_ylabel"})
_TITLES = frozenset("title set_title suptitle".split())
_FASTAI = frozenset("plot_loss plot_losses plot_confusion_matrix plot_top_losses lr_find plot_sched".split())
_SUBJECTS = (
    ("loss", re.compile(r"loss|cost(?!om)|nll", re.IGNORECASE)),
    ("accuracy", re.compile(r"(?<![a-z])acc(?:s|ur)?|accuracy", re.IGNORECASE)),
    ("error", re.compile(r"(?<![a-z])err(?:s|or)", re.IGNORECASE)),
    ("learning rate", re.compile(r"learning_?\s?rate|(?<![a-z])lrs?(?![a-z])|lr_find", re.IGNORECASE)),
    ("confusion matrix", re.compile(r"confusion|ConfusionMatrix", re.IGNORECASE)),
)


def read_plots(notebook: Notebook) -> tuple[Plot, ...]:
    """Every picture, in order; those beyond `MOST_PLOTS`, or too many pixels, are named and not decoded."""
    code = Code(notebook)
    room = MOST_PIXELS_IN_ALL
    found: list[Plot] = []
    for cell in notebook.cells:
        pictures = [data for output in cell.outputs for data in _pictures(output.data)]
        if not pictures:
            continue
        said = _Source(code.calls(code.trees.get(cell.number)))
        for data in pictures[: MOST_PLOTS - len(found)]:
            width, height, blank, problem = _look(cell, data, room)
            room -= width * height
            found.append(
                Plot(
                    cell.number,
                    width,
                    height,
                    blank,
                    said.kind,
                    said.has_both_labels,
                    said.titled,
                    said.legend,
                    said.shows,
                    problem,
                )
            )
    return tuple(found)


def pictures(notebook: Notebook, most: int = MOST_SHOWN) -> Iterator[tuple[str, bytes]]:
    """The first ``most`` pictures, each with a caption; their bytes as they came, not looked into."""
    found = (
        (cell.number, data)
        for cell in notebook.cells
        for output in cell.outputs
        for data in _pictures(output.data)
    )
    for count, (cell, data) in enumerate(islice(found, most), start=1):
        with suppress(binascii.Error, ValueError):
            yield f"picture {count}, cell {cell}", base64.b64decode(data, validate=True)


def _pictures(data: object) -> Iterator[str]:
    """A picture in two formats is one picture."""
    for media in ("image/png", "image/jpeg"):
        if isinstance(data, dict) and data.get(media):
            yield data[media]
            return


def _look(cell: Cell, data: str, room: int) -> tuple[int, int, bool, str]:
    if room <= 0:
        return 0, 0, False, "the notebook holds too many pixels; this picture was not looked at"
    try:
        content = base64.b64decode(data, validate=True)
        picture = load_picture(content, f"picture of cell {cell.number}", _LIMITS)
    except Malformed as error:
        return 0, 0, False, error.message
    except (binascii.Error, ValueError):
        return 0, 0, False, f"the picture of cell {cell.number} is not base64"
    return picture.width, picture.height, is_blank(picture.pixels), ""


def is_blank(pixels: np.ndarray) -> bool:
    """Whether all but `BLANK_SHARE` of the pixels are of nearly one colour: an empty figure, a white page."""
    step = max(1, math.ceil((pixels.shape[0] * pixels.shape[1] / LOOKED_AT) ** 0.5))
    seen = pixels[::step, ::step].reshape(-1, 3)
    coarse = (seen[:, 0].astype(np.uint32) << 16) | (seen[:, 1].astype(np.uint32) << 8) | seen[:, 2]
    colours, counts = np.unique(coarse, return_counts=True)
    common = int(colours[counts.argmax()])
    colour = np.array([common >> 16, common >> 8 & 255, common & 255], dtype=np.int16)
    off = np.abs(seen.astype(np.int16) - colour).max(axis=1) > NEAR
    return bool(off.mean() < BLANK_SHARE)


class _Source:
    """What the code that ran for a cell says of its figures; None for what it can't say."""

    def __init__(self, calls: list[ast.Call]) -> None:
        self._calls = calls
        self._called = {called_name(call) for call in self._calls}
        self._drawn = bool(self._called & (_CURVES | _IMAGES | _OTHERS | _X | _Y)) or self._frames
        self.shows = self._subjects()

    @property
    def _frames(self) -> bool:
        """``df.plot(...)`` or ``recorder.plot_loss()``: what draws, and labels, by itself."""
        methods = {call.func.attr for call in self._calls if isinstance(call.func, ast.Attribute)}
        return bool(methods & (_FASTAI | {"plot"}))

    @property
    def kind(self) -> PlotKind:
        if self._called & _CURVES:
            return "curve"
        if self._called & _OTHERS:
            return "other"
        if self._called & _IMAGES:
            return "images"
        return "other" if self._called & _FASTAI else "unknown"

    @property
    def has_both_labels(self) -> bool | None:
        if not self._drawn:
            return None
        given = {keyword.arg for call in self._calls for keyword in call.keywords}
        x, y = bool(self._called & _X) or "xlabel" in given, bool(self._called & _Y) or "ylabel" in given
        return (x and y) or bool(self._called & _FASTAI)

    @property
    def titled(self) -> bool | None:
        given = {keyword.arg for call in self._calls for keyword in call.keywords}
        return bool(self._called & _TITLES) or "title" in given if self._drawn else None

    @property
    def legend(self) -> bool | None:
        return "legend" in self._called if self._drawn else None

    def _subjects(self) -> tuple[str, ...]:
        """The words of what is drawn: the arguments of the calls that draw and label, and their names."""
        drawing = _CURVES | _OTHERS | _IMAGES | _X | _Y | _TITLES | _FASTAI | {"legend"}
        drawing |= {name for name in self._called if "plot" in name.lower() or "confusion" in name.lower()}
        said: set[str] = set()
        for call in self._calls:
            if called_name(call) in drawing:
                said.update(name for name in names_in(call) if len(name) <= 200)
                said.add(called_name(call))
        return tuple(subject for subject, pattern in _SUBJECTS if any(pattern.search(name) for name in said))
