"""What can be seen of a notebook without knowing its accuracy. Students have this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight

from autograder.checks.notebooks.accuracy import require_function
from autograder.checks.notebooks.complete import ran_through, require_outputs
from autograder.checks.notebooks.integrity import require_training_set_alone
from autograder.checks.notebooks.plots import pictures, read_plots
from autograder.checks.notebooks.quality import (
    find_sources,
    read_explanations,
    require_curves,
    require_plots,
    require_sources,
    require_words,
)
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.notebooks.integrity import Finding
    from autograder.handed_in import HandedIn
    from autograder.handed_notebook import NotebookWork
    from graders.cifar10_notebook.conftest import Telling, View

RAN, CURVES, WORDS = 15.0, 5.0, 15.0
OF_A_BROKEN_RUN = 0.5  # of the points, for the share of its cells that ran: what breaks is often one line

pytestmark = pytest.mark.evidence("claimed")


@number("0")
def test_handed_in(submission: HandedIn, work: NotebookWork, tell: Telling) -> None:
    """The notebook is there and can be read"""
    tell.report.note(submission.deliveries.describe())
    for note in work.stored.notes:
        tell.report.note(note)


@number("1")
@partial_credit(RAN)
@pytest.mark.evidence("measured")
def test_every_cell_ran(
    work: NotebookWork, public: bool, tell: Telling, set_score: Callable[[float], None]
) -> None:
    """Every cell ran, from the first to the last"""
    if public:
        tell.report.rests_on(Evidence.CLAIMED)
        for note in require_outputs(work.stored):
            tell.report.note(note)
        set_score(RAN)
        return
    through = ran_through(work)
    tell.report.rests_on(through.evidence)
    for note in through.notes:
        tell.report.note(note)
    tell.sheet.fact("Cells that ran", f"{through.ran} of {through.cells}", through.evidence)
    whole = through.ran == through.cells
    set_score(RAN if whole else RAN * OF_A_BROKEN_RUN * through.ran / through.cells)


@number("2")
@weight(5)
def test_training_set_alone(against: tuple[Finding, ...], tell: Telling) -> None:
    """The network is trained on CIFAR-10's training set alone"""
    for finding in against:
        if finding.certain:
            tell.sheet.fact("Against the rule", finding.text, finding.evidence, finding.where)
        else:
            tell.sheet.doubt(finding.text, finding.where)
    require_training_set_alone(against)
    tell.report.note("Nothing that is certain speaks against it.")


@number("4")
@weight(5)
def test_function(work: NotebookWork, tell: Telling) -> None:
    """A function computes the test accuracy"""
    tell.report.note(require_function(work.source))


@number("5")
@weight(5)
@pytest.mark.evidence("measured")
def test_plots(view: View, tell: Telling) -> None:
    """Plots are there, and show something"""
    tell.report.rests_on(view.evidence)
    shown = require_plots(read_plots(view.notebook))
    cells = ", ".join(map(str, dict.fromkeys(plot.cell for plot in shown)))
    tell.report.note(f"{len(shown)} found, in the cells {cells}.")
    tell.sheet.fact("Plots", f"{len(shown)}", view.evidence, f"cells {cells}")
    for caption, picture in pictures(view.notebook):
        tell.sheet.picture(caption, picture)


@number("5")
@partial_credit(CURVES)
@pytest.mark.evidence("measured")
def test_curves(view: View, tell: Telling, set_score: Callable[[float], None]) -> None:
    """A curve is plotted, with a label at each axis"""
    tell.report.rests_on(view.evidence)
    curves = require_curves(require_plots(read_plots(view.notebook)))
    for cell in curves.bare:
        tell.report.note(
            f"The curve of cell {cell} lacks a label: give it plt.xlabel(...) and plt.ylabel(...)."
        )
    for cell in curves.unclear:
        tell.sheet.doubt(
            "Whether this plot is a curve with labelled axes can't be told from its code.", f"cell {cell}"
        )
    set_score(CURVES * curves.share)


@number("6")
@partial_credit(WORDS)
def test_explanations(
    work: NotebookWork,
    assignment: Assignment,
    tell: Telling,
    set_score: Callable[[float], None],
) -> None:
    """What is done and what came out is explained in Markdown"""
    explained = read_explanations(work.stored)
    scale = assignment.scale("explanations")
    share = scale.share(explained.words)
    tell.sheet.answer("explanations", "Explanations in Markdown", f"{explained.words} words", explained.text)
    tell.report.note(require_words(explained, scale))
    set_score(WORDS * share)


@number("7")
@weight(5)
def test_sources(work: NotebookWork, tell: Telling) -> None:
    """Sources are cited"""
    found = find_sources(work.stored)
    tell.report.note(require_sources(found))
    tell.sheet.fact("Sources", "; ".join(found[:8]), Evidence.CLAIMED)
