"""Q9.4 without answers: can the predictions be read, and does extra.md say all? Students have this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

from autograder.checks.extra_held import held_against
from autograder.checks.extra_notes import require_extra
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.challenge.entry import Challenge
    from autograder.checks.extra_held import Shown
    from autograder.checks.extra_notes import ExtraNotes
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

Accuracies = Callable[[], tuple["Shown", ...]]


@number("9.4")
@pytest.mark.evidence("verified")
def test_predictions(challenge: Challenge, report: TestReport) -> None:
    """predictions.csv has a label for each image"""
    found = challenge.predictions()
    report.note(f"{len(found.labels):,} labels were read from {challenge.path}.")
    for note in found.notes:
        report.note(note)


@number("9.4")
@pytest.mark.evidence("claimed")
def test_extra(
    extra: Callable[[], ExtraNotes],
    own_log: Accuracies,
    own_notebooks: Accuracies,
    report: TestReport,
    sheet: Sheet,
) -> None:
    """extra.md says who you are, your best accuracy, and what you tried"""
    notes = extra()
    sheet.answer("9.4 extra.md", "What was tried (9.4)", "", "\n".join(notes.tried), notes.problems)
    if notes.accuracy is not None:
        claimed = f"{notes.accuracy.describe()} (“{notes.accuracy.words}”)"
        sheet.fact("Best accuracy in extra.md (9.4)", claimed, Evidence.CLAIMED)
        for finding in held_against(notes.accuracy, log=own_log(), notebook=own_notebooks()):
            report.note(finding.told)
            sheet.doubt(finding.staff)
    report.note(require_extra(notes))
