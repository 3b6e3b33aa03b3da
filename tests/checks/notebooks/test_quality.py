"""Plots, explanations and sources: there, or only seemingly."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.found import Plot
from autograder.checks.notebooks.quality import (
    find_sources,
    read_explanations,
    require_curves,
    require_plots,
    require_sources,
)
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import CheckFailed

CURVE = Plot(3, 400, 300, False, "curve", True, True, True)
BARE = Plot(4, 400, 300, False, "curve", False, True, True)
PHOTOS = Plot(5, 400, 300, False, "images", False, None, None)
BLANK = Plot(6, 400, 300, True, "curve", True, True, True)
BROKEN = Plot(7, 0, 0, False, "curve", True, True, True, problem="it is no PNG")
UNKNOWN = Plot(8, 400, 300, False, "unknown", None, None, None)


def markdown(*sources: str, code: str = "") -> Notebook:
    cells = [Cell(number, "markdown", source) for number, source in enumerate(sources, start=1)]
    return Notebook((*cells, Cell(len(cells) + 1, "code", code)))


def test_blank_and_broken_pictures_are_no_plots() -> None:
    assert require_plots([BLANK, CURVE, BROKEN]) == (CURVE,)
    with pytest.raises(CheckFailed, match="cell 6: it is blank; cell 7: it is no PNG"):
        require_plots([BLANK, BROKEN])
    with pytest.raises(CheckFailed, match="No plot"):
        require_plots([])


def test_curves_need_labels_and_pictures_of_images_are_none() -> None:
    curves = require_curves([CURVE, BARE, PHOTOS])
    assert (curves.labelled, curves.bare, curves.share) == ((3,), (4,), 0.5)
    assert require_curves([UNKNOWN]).share == 1.0  # drawn by code that can't be followed
    with pytest.raises(CheckFailed, match="None of the plots is a curve"):
        require_curves([PHOTOS])


def test_words_are_counted_once_and_not_in_headings_code_or_templates() -> None:
    explained = read_explanations(
        markdown(
            "# A heading of quite a few words here\n\nThe network has three convolutions and pooling.",
            "TODO: explain your network here\n\n```\nsome code that says nothing\n```",
            "The network has three convolutions, and pooling!",
            "- The loss falls quickly in the first epochs.\n- ok",
            code="# a comment of many words that isn't Markdown at all",
        )
    )
    assert explained.text.splitlines() == [
        "The network has three convolutions and pooling.",
        "The loss falls quickly in the first epochs.",
    ]
    assert explained.words == 15
    assert explained.cells == (1, 4)
    assert explained.repeated == 1
    assert explained.template >= 1


@pytest.mark.parametrize(
    "text",
    [
        "See https://www.cs.toronto.edu/~kriz/cifar.html for the data.",
        "[the tutorial](https://pytorch.org/tutorials/)",
        "He et al. (2015) add residual connections.",
        "arXiv:1512.03385",
        "## References\n\n1. Goodfellow, Deep Learning, chapter 9",
        "**Sources**\n\n- The lecture notes of week three",
    ],
)
def test_sources(text: str) -> None:
    assert require_sources(find_sources(markdown(text)))


def test_an_address_in_a_comment_is_a_source() -> None:
    assert find_sources(markdown(code="# after https://github.com/kuangliu/pytorch-cifar\nx = 1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "## Sources\n\nTODO",
        "## References",
        "[![Open](https://colab.research.google.com/assets/colab-badge.svg)]"
        "(https://colab.research.google.com/github/me/x)",
        "The sources of error are many.",
    ],
)
def test_no_sources(text: str) -> None:
    found = find_sources(markdown(text))
    with pytest.raises(CheckFailed, match="No source is cited"):
        require_sources(found)
