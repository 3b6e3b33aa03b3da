"""What a picture looks like: empty, axes alone, curves, a grid of filters, a photograph."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import style as styles
from matplotlib.figure import Figure
from PIL import Image

from autograder.checks.pictures import Kind, look_at, require_grid, require_plot
from autograder.outcome import CheckFailed

HERE = Path(__file__).parents[2] / "fixtures" / "gatech_convnet"
FILES, BASE = HERE / "files", HERE / "base" / "2_pytorch"
DRAWS = np.random.default_rng(0)


def saved(figure: Figure, dpi: int = 72) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, format="png")
    return buffer.getvalue()


def grid(filters: int, size: int, gap: int, ground: float = 0.0) -> np.ndarray:
    """Filters side by side, as the course's visualize_grid lays them."""
    side = int(np.ceil(filters**0.5))
    whole = np.full((side * (size + gap), side * (size + gap), 3), ground)
    for number in range(filters):
        row, column = divmod(number, side)
        one = DRAWS.random((size, size, 3))
        top, left = row * (size + gap), column * (size + gap)
        whole[top : top + size, left : left + size] = one
    return whole


def shown(image: np.ndarray, *, axes: bool, interpolation: str = "nearest") -> bytes:
    figure = Figure(figsize=(5, 5))
    ax = figure.subplots()
    ax.imshow(image, interpolation=interpolation)
    if not axes:
        ax.axis("off")
    return saved(figure)


@pytest.mark.parametrize("axes", [False, True])
@pytest.mark.parametrize(
    ("made", "interpolation"),
    [
        (grid(32, 3, 1), "nearest"),
        (grid(32, 7, 1, 1.0), "nearest"),
        (grid(16, 5, 2), "bicubic"),
        (grid(64, 5, 0), "nearest"),
        (grid(32, 7, 1), "bilinear"),
    ],
)
def test_grids_are_grids(made: np.ndarray, interpolation: str, axes: bool) -> None:
    looked = look_at(shown(made, axes=axes, interpolation=interpolation), "f.png")
    assert looked.kind is Kind.GRID, looked
    require_grid(looked, "the filters")


def subplots_of_grey() -> Figure:
    figure = Figure(figsize=(6, 4))
    for ax in figure.subplots(4, 8).flat:
        ax.imshow(DRAWS.random((3, 3)), cmap="gray")
    return figure


def curves(rows: int, columns: int, points: int = 60) -> Callable[[], Figure]:
    def draw() -> Figure:
        figure = Figure(figsize=(6, 4))
        for ax in np.ravel(figure.subplots(rows, columns)):
            ax.plot(DRAWS.random(points), label="loss")
            ax.grid(visible=True)
            ax.legend()
        return figure

    return draw


def nothing() -> Figure:
    figure = Figure(figsize=(6, 4))
    figure.subplots().set_xlabel("epoch")
    return figure


@pytest.mark.parametrize(
    ("draw", "style", "kind"),
    [
        (subplots_of_grey, "default", Kind.GRID),
        (curves(1, 1), "default", Kind.PLOT),
        (curves(1, 1), "ggplot", Kind.PLOT),
        (curves(1, 1), "dark_background", Kind.PLOT),
        (curves(1, 1, 3000), "default", Kind.PLOT),
        (curves(2, 1), "default", Kind.PLOT),
        (curves(2, 2), "default", Kind.PLOT),
        (nothing, "default", Kind.EMPTY_AXES),
        (Figure, "default", Kind.EMPTY),
    ],
)
def test_figures(draw: Callable[[], Figure], style: str, kind: Kind) -> None:
    with styles.context(style):
        looked = look_at(saved(draw()), "f.png")
    assert looked.kind is kind, looked


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (BASE / "convnet_gridfilt.png", Kind.GRID),
        (BASE / "convnet_lossvstrain.png", Kind.PLOT),
        (BASE / "convnet_valaccuracy.png", Kind.PLOT),
        (FILES / "photo.jpg", Kind.PHOTO),
    ],
)
def test_files(path: Path, kind: Kind) -> None:
    assert look_at(path.read_bytes(), path.name).kind is kind


def test_what_is_wrong_is_said() -> None:
    blank, curve = look_at(saved(Figure()), "f.png"), look_at(saved(curves(1, 1)()), "f.png")
    photo = look_at((FILES / "photo.jpg").read_bytes(), "f.jpg")
    with pytest.raises(CheckFailed, match="is empty"):
        require_plot(blank, "the losses")
    with pytest.raises(CheckFailed, match="nothing drawn"):
        require_plot(look_at(saved(nothing()), "f.png"), "the losses")
    for looked, said in ((blank, "is empty"), (curve, "a plot of curves"), (photo, "one photograph")):
        with pytest.raises(CheckFailed, match=said):
            require_grid(looked, "the filters")
    assert "shows something" in require_plot(curve, "the losses")


def test_odd_sizes_are_looked_at_too() -> None:
    for shape in ((1, 1), (1, 900), (900, 1), (2, 2), (4, 5)):
        buffer = io.BytesIO()
        Image.fromarray(DRAWS.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(buffer, "PNG")
        assert isinstance(look_at(buffer.getvalue(), "f.png").kind, Kind)


@pytest.mark.parametrize("quality", [50, 75, 90])
@pytest.mark.parametrize(("gap", "kinds"), [(1, {Kind.GRID}), (0, {Kind.GRID, Kind.UNCLEAR})])
def test_a_jpeg_of_filters_is_no_photograph(gap: int, kinds: set[Kind], quality: int) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(shown(grid(36, 7, gap), axes=False))) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    assert look_at(buffer.getvalue(), "p.jpg").kind in kinds


def test_a_thin_strip_of_filters_is_no_curve() -> None:
    figure = Figure()
    for ax in figure.subplots(1, 32):
        ax.imshow(DRAWS.random((7, 7, 3)))
        ax.axis("off")
    assert look_at(saved(figure, 100), "p.png").kind in (Kind.UNCLEAR, Kind.GRID)
