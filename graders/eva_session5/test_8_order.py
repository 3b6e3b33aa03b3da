"""Whether folders and file names are in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit

from autograder.checks.tidiness import find_mess, load_rules, share_left
from autograder.outcome import CheckFailed, Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.steps import Steps
    from autograder.handed_in import HandedIn
    from graders.eva_session5.conftest import Telling

ORDER = 10.0


@number("8")
@partial_credit(ORDER)
@pytest.mark.evidence("claimed")
def test_order(
    submission: HandedIn,
    steps: Steps,
    assignment: Assignment,
    tell: Telling,
    set_score: Callable[[float], None],
) -> None:
    """Folders and file names are in order"""
    tell.report.rests_on(Evidence.CLAIMED)
    if not steps.steps:
        raise CheckFailed("There are no steps whose order could be judged.", hint="Hand in your notebooks.")
    rules = load_rules(assignment.folder / assignment.data["order"].path)
    found = find_mess(submission.tree.files, steps, rules)
    for mess in found:
        tell.report.note(mess.describe())
        tell.sheet.fact(mess.rule.says, ", ".join(mess.paths), Evidence.VERIFIED)
    set_score(ORDER * share_left(found))
