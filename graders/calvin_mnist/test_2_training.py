"""Q2: the notebook trains by mini-batches, and its loss falls. Students have this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.notebooks.minibatch import Learned, all_trainings, require_fall, require_mini_batches
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_notebook import NotebookWork
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet


@number("2")
@weight(15)
def test_mini_batches(
    work: NotebookWork, learned: Learned | None, assignment: Assignment, report: TestReport, sheet: Sheet
) -> None:
    """The parameters are updated from mini-batches"""
    if learned is not None:
        report.rests_on(learned.evidence)
        sheet.fact("Training", learned.told, learned.evidence)
        if work.evidence > learned.evidence:
            sheet.doubt("It ran here, and no step of its training was seen: only its source and prints tell.")
    for told, where in all_trainings(work):
        sheet.fact(f"Training in {where}", told, Evidence.MEASURED, where)
    seen = require_mini_batches(learned, int(assignment.tolerances["fewest_steps"]))
    report.note(f"Seen: {seen.told}.")


@number("2")
@weight(10)
def test_loss_falls(learned: Learned | None, report: TestReport) -> None:
    """The training loss falls"""
    if learned is not None:
        report.rests_on(learned.evidence)
    require_fall(learned)
