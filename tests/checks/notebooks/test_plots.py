"""Pictures among the outputs: decoded, told from empty ones, and described by the code that drew them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from autograder.checks.notebooks.plots import is_blank, read_plots
from autograder.loaders.notebook import Output
from tests.checks.notebooks.printed import notebook


def page(*, drawn: int = 200, size: tuple[int, int] = (200, 300)) -> np.ndarray:
    """A white page with so many black pixels."""
    pixels = np.full((*size, 3), 255, np.uint8)
    pixels.reshape(-1, 3)[1000 : 1000 + drawn] = 0
    return pixels


def picture(pixels: np.ndarray | None = None, kind: str = "PNG") -> Output:
    file = io.BytesIO()
    Image.fromarray(page() if pixels is None else pixels).save(file, kind)
    data = base64.b64encode(file.getvalue()).decode()
    return Output("display", "", "<Figure size 640x480 with 1 Axes>", {f"image/{kind.lower()}": data})


CURVE = "plt.plot(train_losses)\nplt.xlabel('epoch')\nplt.ylabel('loss')\nplt.title('Loss')\nplt.legend()"


def test_a_curve() -> None:
    (plot,) = read_plots(notebook(("import torch", ""), (CURVE, picture())))
    assert (plot.cell, plot.width, plot.height, plot.blank, plot.problem) == (2, 300, 200, False, "")
    assert (plot.kind, plot.axes_labelled, plot.titled, plot.legend) == ("curve", True, True, True)
    assert plot.shows == ("loss",)


SOURCES = [
    ("plt.plot(x)", "curve", False, ()),
    ("ax.plot(accs)\nax.set_xlabel('e')\nax.set_ylabel('a')", "curve", True, ("accuracy",)),
    ("ax.plot(x)\nax.set(xlabel='epoch', ylabel='Accuracy')", "curve", True, ()),
    ("df.plot(xlabel='epoch', ylabel='loss')", "curve", True, ("loss",)),
    ("plt.plot(x)\nplt.xlabel('epoch')", "curve", False, ()),
    ("plt.imshow(image)", "images", False, ()),
    ("plt.imshow(confusion_matrix, cmap='Blues')", "images", False, ("confusion matrix",)),
    ("plt.bar(x, y)", "other", False, ()),
    ("learn.recorder.plot_loss()", "curve", True, ("loss",)),
    ("learn.lr_find()", "other", True, ("learning rate",)),
    ("dls.show_batch()", "images", False, ()),
    ("x = 1", "unknown", None, ()),
    ("not python at all", "unknown", None, ()),
]  # fmt: skip


@pytest.mark.parametrize(("source", "kind", "labelled", "shows"), SOURCES, ids=[row[0] for row in SOURCES])
def test_source(source: str, kind: str, labelled: bool | None, shows: tuple[str, ...]) -> None:
    (plot,) = read_plots(notebook((source, picture())))
    assert (plot.kind, plot.axes_labelled, plot.shows) == (kind, labelled, shows)


def test_a_plot_made_by_a_function_of_another_cell() -> None:
    helper = "def draw(history):\n" + "\n".join(f"    {line}" for line in CURVE.split("\n"))
    (plot,) = read_plots(notebook((helper, ""), ("draw(history)", picture(kind="JPEG"))))
    assert (plot.kind, plot.axes_labelled, plot.cell) == ("curve", True, 2)


def test_a_function_that_is_only_defined_draws_nothing() -> None:
    helper = "def draw(history):\n    plt.xlabel('x')\n    plt.ylabel('y')\nplt.imshow(x)"
    (plot,) = read_plots(notebook((helper, picture())))
    assert (plot.kind, plot.axes_labelled) == ("images", False)


@pytest.mark.parametrize(
    ("pixels", "blank"),
    [
        (page(drawn=0), True),
        (page(drawn=10), True),
        (page(drawn=100), False),
        (np.zeros((50, 50, 3), np.uint8), True),
        (np.random.default_rng(0).integers(0, 255, (28, 28, 3)).astype(np.uint8), False),
        (np.random.default_rng(0).integers(250, 255, (28, 28, 3)).astype(np.uint8), True),
        (page(drawn=20_000, size=(3000, 4000)), False),
        (np.zeros((1, 1, 3), np.uint8), True),
    ],
)
def test_blank(pixels: np.ndarray, blank: bool) -> None:
    assert is_blank(pixels) is blank


@pytest.mark.parametrize("data", ["not base64!", base64.b64encode(b"no picture").decode(), "iVBORw0KGgo="])
def test_what_is_no_picture_is_named(data: str) -> None:
    (plot,) = read_plots(notebook(("plt.plot(x)", Output("display", "", "", {"image/png": data}))))
    assert plot.problem
    assert (plot.width, plot.height, plot.blank) == (0, 0, False)


def test_too_many_pixels_in_all_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.checks.notebooks.plots.MOST_PIXELS_IN_ALL", 100_000)
    plots = read_plots(notebook(("plt.plot(x)", [picture()] * 3)))
    assert [bool(plot.problem) for plot in plots] == [False, False, True]
