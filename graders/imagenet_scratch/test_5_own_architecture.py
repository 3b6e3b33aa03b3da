"""Q5, extra credit: an architecture of one's own, which is none of torchvision's by its graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.from_scratch.architecture import require_own

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.from_scratch.network_source import NetworkSource
    from autograder.checks.from_scratch.verify import Handed
    from autograder.handed_in import HandedIn
    from graders.imagenet_scratch.conftest import Telling


@number("5")
@weight(10)
@pytest.mark.evidence("measured")
def test_own_architecture(
    submission: HandedIn, assignment: Assignment, network: NetworkSource, handed: Handed, tell: Telling
) -> None:
    """The architecture is your own (extra credit)"""
    own = require_own(submission, assignment, network, handed)
    tell.report.rests_on(own.evidence)
    tell.report.note(own.told)
    for doubt in own.doubts:
        tell.sheet.doubt(doubt, network.path)
