"""What was handed in, and whether it is in exactly four steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.step_facts import StepWork, side_by_side
from autograder.outcome import CheckFailed, Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.steps import Steps
    from graders.eva_session5.conftest import Telling

pytestmark = pytest.mark.evidence("claimed")


@number("0")
def test_handed_in(works: tuple[StepWork, ...], steps: Steps, tell: Telling) -> None:
    """The steps side by side"""
    tell.report.rests_on(Evidence.CLAIMED)
    for other in steps.others:
        tell.report.note(f"{other.path} was not taken for a step: {other.why}.")
        tell.sheet.doubt(f"This notebook was not taken for a step: {other.why}.", other.path)
    for one, line in zip(works, side_by_side(works), strict=True):
        tell.report.note(f"{line}.")
        tell.sheet.fact(f"Step {one.step.number}", line, one.evidence, one.step.path)


@number("1")
@weight(10)
def test_exactly_four(steps: Steps, assignment: Assignment, tell: Telling) -> None:
    """There are exactly four steps, each a notebook"""
    asked, found = int(assignment.tolerances["steps"]), len(steps.steps)
    names = ", ".join(step.path for step in steps.steps)
    tell.report.note(f"Found: {names or 'none'}.")
    if found != asked:
        raise CheckFailed(
            f"There {'is 1 notebook' if found == 1 else f'are {found} notebooks'} with a network, and the "
            f"homework asks for exactly {asked} steps.",
            hint="Leave out what is no step of its own, and give each step one notebook."
            if found > asked
            else "Give each step a notebook of its own.",
        )
