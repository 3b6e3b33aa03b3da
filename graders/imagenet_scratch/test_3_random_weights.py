"""Q3: the training begins with random weights, by its source and by its log. Students have this file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.from_scratch.run_log import Run, read_beginning, require_random_start
from autograder.checks.from_scratch.scripts import require_random

if TYPE_CHECKING:
    from autograder.checks.from_scratch.handed import Files
    from autograder.checks.from_scratch.scripts import Scripts
    from autograder.outcome import SubmissionProblem
    from graders.imagenet_scratch.conftest import Telling

pytestmark = pytest.mark.evidence("claimed")


@number("3")
@weight(8)
def test_source(scripts: Scripts, files: Files, found_run: Run | SubmissionProblem, tell: Telling) -> None:
    """The source begins with random weights"""
    log = found_run.log.path if isinstance(found_run, Run) else ""
    for start in scripts.starts:
        if start not in scripts.against(log):
            tell.sheet.doubt(f"Random weights? {start.text}", start.where)
    for note in scripts.notes:
        tell.report.note(note)
    tell.report.note(require_random(scripts, log, notebooks=bool(files.notebooks)))


@number("3")
@weight(7)
def test_start(run: Run, limits: Mapping[str, float], tell: Telling) -> None:
    """The log begins as a training from random weights does"""
    beginning = read_beginning(run, limits)
    for doubt in beginning.doubts:
        tell.sheet.doubt(f"Random weights? {doubt[0].upper()}{doubt[1:]}.", run.log.path)
    for note in require_random_start(run, beginning):
        tell.report.note(note)
