"""Q2: the top-1 accuracy, by the log, and by the weights where they were handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit

from autograder.checks.from_scratch.run_log import Run, accuracy_text, require_imagenet, top1
from autograder.checks.from_scratch.verify import require_agreement
from autograder.checks.from_scratch.weights import Verified, value
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from graders.imagenet_scratch.conftest import Judged, Telling

TOP1 = 50.0


@number("2")
@partial_credit(TOP1)
@pytest.mark.evidence("verified")
def test_top1(
    judged: Judged, assignment: Assignment, tell: Telling, set_score: Callable[[float], None]
) -> None:
    """The network's top-1 accuracy on ImageNet's validation set"""
    verified, scale = judged.handed.result, assignment.scale("top1")
    if isinstance(verified, Verified):
        tell.sheet.fact("Top-1 accuracy of the weights", verified.told, Evidence.VERIFIED)
    decided = isinstance(verified, Verified) and verified.decided
    tell.report.rests_on(Evidence.VERIFIED if decided else Evidence.CLAIMED)
    run, epoch = judged.run, judged.epoch
    if not isinstance(run, Run) or epoch is None:
        tell.report.rests_on(Evidence.CLAIMED)
        if isinstance(verified, Verified):
            told = f"No log shows how these weights were trained. {verified.told}"
            tell.sheet.doubt(told, verified.file)
        raise run if isinstance(run, SubmissionProblem) else CheckFailed("The log has no accuracy.")
    said = accuracy_text(run, epoch)
    tell.sheet.fact("Top-1 accuracy, as the log has it", said, Evidence.CLAIMED)
    tell.report.note(f"The log says {said}.")
    tell.report.note(judged.handed.told)
    require_imagenet(run)
    for start in judged.ready:
        raise CheckFailed(
            f"{start.text} ({start.where})", hint="The accuracy counts for a training from random weights."
        )
    counts = value(verified, top1(epoch), scale.steps[-1][0])
    following = scale.next_step(counts)
    if following is not None:
        tell.report.note(f"The next step is at {100 * following[0]:g} %.")
    set_score(TOP1 * scale.share(counts))


@number("0")
@pytest.mark.evidence("verified")
def test_weights(judged: Judged, limits: Mapping[str, float], tell: Telling) -> None:
    """The weights, where they were handed in, do what the log says (no points of its own)"""
    logged = top1(judged.epoch) if judged.epoch is not None else None
    for note in judged.handed.notes:
        tell.sheet.doubt(note, judged.handed.file)
    slack = limits["agreement_slack"]
    for note in require_agreement(judged.handed, logged, slack, tell.report, tell.sheet):
        tell.report.note(note)
