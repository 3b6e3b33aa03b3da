"""Q9.4 with the answers: points by two exact tests on the private part, and what staff should look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit

from autograder.checks.extra_held import Shown, held_against
from autograder.checks.handed_files import required
from autograder.checks.predictions.agreement import NotCompared
from autograder.checks.predictions.earning import better_than_chance, better_than_staff, earn, tell_score
from autograder.outcome import CheckFailed, Evidence, NotRun

if TYPE_CHECKING:
    from autograder.challenge.entry import Challenge
    from autograder.checks.extra_accuracy import Claim
    from autograder.checks.predictions.agreement import Agreement
    from autograder.handed_in import HandedIn
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

CHANCE, STAFF = 5, 5  # points: the homework's own


@number("9.4.1")
@partial_credit(CHANCE)
@pytest.mark.evidence("verified")
def test_beats_chance(
    challenge: Challenge,
    claim: Callable[[], Claim | None],
    report: TestReport,
    sheet: Sheet,
    set_score: Callable[[float], None],
) -> None:
    """The predictions are better than guessing"""
    tell_score(challenge, report, sheet, "9.4")
    if challenge.scored is not None:  # of an upload that was refused, nothing else can be read either
        doubt_claim(claim(), challenge, sheet)
    set_score(earn(challenge, CHANCE, better_than_chance, report, sheet))


def doubt_claim(claimed: Claim | None, challenge: Challenge, sheet: Sheet) -> None:
    """Tell staff where extra.md and the public part's accuracy disagree."""
    scored = challenge.scored.public if challenge.scored is not None else ()
    found = next((one for one in scored if one.name == "accuracy" and one.value is not None), None)
    if claimed is None or found is None or found.value is None:
        return
    public = Shown(found.value, f"the public part of {challenge.path}", images=found.n)
    for finding in held_against(claimed, public_score=public):
        sheet.doubt(finding.staff)


@number("9.4.2")
@partial_credit(STAFF)
@pytest.mark.evidence("verified")
def test_beats_staff(
    challenge: Challenge, report: TestReport, sheet: Sheet, set_score: Callable[[float], None]
) -> None:
    """The predictions are better than those of the staff's model"""
    set_score(earn(challenge, STAFF, better_than_staff, report, sheet))


@number("9.4")
@pytest.mark.evidence("claimed")
def test_model(
    submission: HandedIn,
    challenge: Challenge,
    agreed: Callable[[], Agreement | NotCompared | None],
    report: TestReport,
    sheet: Sheet,
) -> None:
    """The predictions come with the model that made them"""
    try:
        labels = challenge.predictions().labels
    except CheckFailed as problem:
        raise NotRun("There are no predictions that could be held against a model.") from problem
    report.note(f"{len(labels):,} predictions came with {required(submission, 'mymodel')}.")
    # What is found is for staff alone: it takes no points, and it tells something of the model's answers.
    found = agreed()
    if isinstance(found, NotCompared):
        sheet.fact("Predictions against the model (9.4)", f"Not compared: {found.why}.", Evidence.VERIFIED)
    elif found is not None:
        sheet.fact("Predictions against the model (9.4)", found.told, Evidence.VERIFIED)
        if found.suspicious:
            sheet.doubt(f"{challenge.path}: {found.told}")
