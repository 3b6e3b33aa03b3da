"""Q1: the notebook runs from top to bottom. Students have this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight

from autograder.checks.notebooks.complete import ran_through, require_outputs
from autograder.checks.notebooks.plots import pictures
from autograder.outcome import CheckFailed, Evidence

if TYPE_CHECKING:
    from autograder.checks.notebooks.narrative_file import Essay
    from autograder.handed_in import HandedIn
    from autograder.handed_notebook import NotebookWork
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

RUNS = 15.0
OF_A_BROKEN_RUN = 0.5  # of the points, for the share of its cells that ran: what breaks is often one line


@number("0")
def test_handed_in(submission: HandedIn, request: pytest.FixtureRequest, report: TestReport) -> None:
    """The notebook and the narrative are there"""
    deliveries = submission.deliveries
    if any(one.key != "narrative" for one in deliveries.missing):
        raise CheckFailed(deliveries.describe())
    if not deliveries.missing:
        report.note(deliveries.describe())
    else:  # it may have any name; where there is none that can be read, this raises why
        essay: Essay = request.getfixturevalue("essay")
        report.note(f"Your narrative was taken from {essay.path}.")


@number("1")
@partial_credit(RUNS)
@pytest.mark.evidence("measured")
def test_runs(
    work: NotebookWork, report: TestReport, sheet: Sheet, set_score: Callable[[float], None]
) -> None:
    """Every cell runs, from the first to the last"""
    through = ran_through(work)
    report.rests_on(through.evidence)
    for note in through.notes:
        report.note(note)
    sheet.fact("Cells that ran", f"{through.ran} of {through.cells}", through.evidence)
    whole = through.ran == through.cells
    set_score(RUNS if whole else RUNS * OF_A_BROKEN_RUN * through.ran / through.cells)


@number("1")
@weight(5)
@pytest.mark.evidence("claimed")
def test_outputs(work: NotebookWork, report: TestReport, sheet: Sheet) -> None:
    """Its outputs can be read: those that it came with, or those of a run here"""
    for caption, picture in pictures(work.shown):
        sheet.picture(caption, picture)
    through = ran_through(work)
    if through.evidence > Evidence.CLAIMED and through.ran == through.cells:
        report.note("It ran here from top to bottom, so its outputs are known.")
        return
    for note in require_outputs(work.stored):
        report.note(note)
        sheet.fact("Outputs that it came with", note, Evidence.CLAIMED)
