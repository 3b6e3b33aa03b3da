"""Are the files there that the homework asks for?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

from autograder.checks.layers import FUNCTIONS_OF
from autograder.outcome import CheckFailed

if TYPE_CHECKING:
    from autograder.checks.layers import Layer
    from autograder.handed_in import HandedIn
    from autograder.plugin import TestReport

pytestmark = pytest.mark.evidence("verified")


@number("0")
def test_deliverables(submission: HandedIn, report: TestReport, layers_path: Callable[[Layer], str]) -> None:
    """All files that the homework asks for are there"""
    deliveries = submission.deliveries
    if deliveries.missing:
        raise CheckFailed(deliveries.describe())
    report.note(deliveries.describe())
    # raises where a file has the right name, but not the functions
    paths = list(dict.fromkeys(layers_path(layer) for layer in FUNCTIONS_OF))
    if paths != [deliveries.found["layers"]]:
        report.note(f"Your four functions were taken from {' and '.join(paths)}.")
