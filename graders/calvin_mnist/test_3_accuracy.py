"""Q3: the accuracy on held-out images, counted here and held against what the notebook reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight

from autograder.checks.notebooks.claims import contradictions, read_claims
from autograder.checks.notebooks.prose import read_prose
from autograder.checks.notebooks.reported import Accuracies, require_report, top1_share
from autograder.checks.notebooks.run_facts import gather
from autograder.checks.notebooks.series import read_series

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_notebook import NotebookWork
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

TOP1 = 10.0


@number("3")
@partial_credit(TOP1)
def test_top1(
    accuracies: Accuracies,
    assignment: Assignment,
    report: TestReport,
    sheet: Sheet,
    set_score: Callable[[float], None],
) -> None:
    """The network classifies held-out images"""
    share, evidence, said = top1_share(accuracies, assignment.scale("top1"))
    report.rests_on(evidence)
    report.note(said)
    sheet.fact("Accuracy", said, evidence)
    set_score(TOP1 * share)


@number("3")
@weight(5)
def test_top1_reported(
    accuracies: Accuracies, assignment: Assignment, report: TestReport, sheet: Sheet
) -> None:
    """The notebook reports its top-1 accuracy on held-out images, and it is right"""
    _report(accuracies, 1, assignment, report, sheet)


@number("3")
@weight(5)
def test_top5_reported(
    accuracies: Accuracies, assignment: Assignment, report: TestReport, sheet: Sheet
) -> None:
    """The notebook reports its top-5 accuracy on held-out images, and it is right"""
    _report(accuracies, 5, assignment, report, sheet)


def _report(
    accuracies: Accuracies, top: int, assignment: Assignment, report: TestReport, sheet: Sheet
) -> None:
    report.rests_on(accuracies.evidence)
    said = require_report(accuracies, top, assignment.tolerances["reported_accuracy"])
    report.note(said)
    sheet.fact(f"Reported top-{top} accuracy", said, accuracies.evidence)
    if accuracies.counted is None:
        sheet.doubt(f"The top-{top} accuracy is only the notebook's own word: {said}")


@number("0")
def test_prose_agrees(work: NotebookWork, accuracies: Accuracies, report: TestReport, sheet: Sheet) -> None:
    """What the text says of the run is held against it; no points depend on it"""
    series = [*read_series(work.stored), *read_series(work.shown)]
    training = work.run.training if work.run is not None else None
    counted = accuracies.counted
    facts = gather(series, work.source, training, counted.top1 if counted is not None else None)
    for one in contradictions(read_claims(read_prose(work.stored).blocks), facts):
        sheet.doubt(one.describe(), f"cell {one.claim.cell}")
        report.note(f"Look at this again: {one.describe()}")
