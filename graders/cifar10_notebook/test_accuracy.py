"""How many of the test images the network gets right, by our own count where the notebook runs here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight

from autograder.checks.notebooks.accuracy import (
    Counted,
    NotCounted,
    quoted,
    require_agreement,
    require_claim,
)
from autograder.checks.notebooks.claims import contradictions, read_claims
from autograder.checks.notebooks.integrity import require_training_set_alone
from autograder.checks.notebooks.prose import read_prose
from autograder.checks.notebooks.run_facts import gather
from autograder.outcome import CheckFailed, Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from graders.cifar10_notebook.conftest import Judged, Telling

ACCURACY = 40.0


@number("3")
@partial_credit(ACCURACY)
@pytest.mark.evidence("measured")
def test_accuracy(
    judged: Judged, assignment: Assignment, tell: Telling, set_score: Callable[[float], None]
) -> None:
    """The network's test accuracy"""
    view, run, counts = judged.view, judged.work.run, judged.counts
    if view.why:
        tell.report.note(f"The outputs that it came with were read, because {view.why.rstrip('.')}.")
    if counts is None:
        tell.report.rests_on(view.evidence)
        raise CheckFailed(
            f"No test accuracy was found: your notebook's outputs hold none, and {_why_uncounted(judged)}.",
            hint="Print it at the end, for example as “Test accuracy: 78.12% (7812/10000)”.",
        )
    tell.report.rests_on(counts.evidence)
    tell.sheet.fact("Test accuracy", counts.told, counts.evidence)
    for trained in run.training.runs if run is not None else ():
        sentence = run.training.sentence(trained) if run is not None else ""
        tell.sheet.fact(f"Training in cell {trained.cell}", sentence, Evidence.MEASURED)
    require_training_set_alone(judged.against, counted=isinstance(judged.ours, Counted))
    if not isinstance(judged.ours, Counted):
        require_claim(judged.told, judged.work.source)
    scale = assignment.scale("accuracy")
    tell.report.note(counts.told)
    following = scale.next_step(counts.value)
    if following is not None:
        tell.report.note(f"The next step is at {100 * following[0]:g} %.")
    set_score(ACCURACY * scale.share(counts.value))


def _why_uncounted(judged: Judged) -> str:
    return judged.ours.why if isinstance(judged.ours, NotCounted) else "the notebook was not run here"


@number("4")
@weight(5)
@pytest.mark.evidence("measured")
def test_agreement(judged: Judged, assignment: Assignment, tell: Telling) -> None:
    """The test accuracy that the notebook prints is the one that we count"""
    tell.report.rests_on(judged.view.evidence)
    if judged.told is not None:
        tell.sheet.fact("Test accuracy, as printed", quoted(judged.told), judged.view.evidence)
    agreed = require_agreement(judged.ours, judged.told, judged.work.source, assignment.tolerances)
    tell.report.note(agreed.text)
    if agreed.doubt:
        tell.sheet.doubt(agreed.doubt)


@number("0")
@pytest.mark.evidence("claimed")
def test_claims(judged: Judged, tell: Telling) -> None:
    """What the text says of the run is held against the run (no points; for the staff)"""
    work = judged.work
    training = work.run.training if work.run is not None and not judged.view.why else None
    ours = judged.ours.top1 if isinstance(judged.ours, Counted) else None
    known = gather(judged.series, work.source, training, ours)
    for one in contradictions(read_claims(read_prose(work.stored).blocks), known):
        tell.sheet.doubt(one.describe(), f"cell {one.claim.cell}")
    tell.report.note("What was found, if anything was, the staff have on their sheet.")
