"""Q9.2: the convnet of NumPy layers, trained by the homework's solver. Students have this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.notebooks.validation import require_validation

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet
    from graders.gatech_convnet.conftest import NumpyTraining


@number("9.2")
@weight(3)
@pytest.mark.evidence("measured")
def test_validation_accuracy(
    numpy_training: Callable[[], NumpyTraining], assignment: Assignment, report: TestReport, sheet: Sheet
) -> None:
    """The NumPy convnet reaches the validation accuracy, trained by the homework's solver"""
    training = numpy_training()
    report.rests_on(training.evidence)
    if training.why:
        report.note(f"The outputs that the notebook came with were read: {training.why.rstrip('.')}.")
    found = training.found
    for doubt in found.doubts:
        sheet.doubt(doubt)
    if found.best is not None:
        sheet.fact("Best validation accuracy (9.2)", found.best.describe(), training.evidence)
    report.note(require_validation(found, assignment.tolerances["validation_accuracy"]))
