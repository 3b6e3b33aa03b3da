"""Q1: the log of a whole training, on ImageNet itself. Students have this file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.from_scratch.run_log import accuracy_text, require_imagenet, require_whole
from autograder.checks.logs.datasets import IMAGENET
from autograder.checks.logs.forensics import forensics
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.checks.from_scratch.handed import Files
    from autograder.checks.from_scratch.run_log import Run
    from autograder.handed_in import HandedIn
    from graders.imagenet_scratch.conftest import Telling

pytestmark = pytest.mark.evidence("claimed")


@number("0")
def test_handed_in(submission: HandedIn, files: Files, tell: Telling) -> None:
    """What was handed in"""
    tell.report.note(submission.deliveries.describe())
    for log in files.logs:
        tell.report.note(f"Read as a log: {log.path}, {log.format}, {log.epochs_run} epochs.")
    for refused in files.refused:
        tell.report.note(refused)
    for path in files.weights:
        tell.report.note(f"Read as weights: {path}.")


@number("1")
@weight(10)
def test_whole_training(run: Run, limits: Mapping[str, float], tell: Telling) -> None:
    """The log shows a training from its first epoch to its last"""
    for note in run.log.notes:
        tell.report.note(note)
    for suspicion in forensics(run.log, dataset=IMAGENET):
        tell.sheet.doubt(suspicion.text, f"{run.log.path}, line {suspicion.line}")
    tell.report.note(require_whole(run, limits["missing_epochs"]))


@number("1")
@weight(10)
def test_imagenet(run: Run, tell: Telling) -> None:
    """The training is on ImageNet: 1,000 classes, 50,000 validation images"""
    last = run.log.last
    if last is not None:
        tell.sheet.fact("Last epoch", accuracy_text(run, last), Evidence.CLAIMED)
    for doubt in run.kind.doubts:
        tell.sheet.doubt(f"Is it ImageNet? {doubt}", run.log.path)
    for note in require_imagenet(run):
        tell.report.note(note)
