"""Fixtures of this grader: the steps that were found, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from autograder.checks.models.preparation import make_probes
from autograder.checks.notebooks.integrity import Finding
from autograder.checks.step_accuracy import Counting, StepAccuracy, against, count_last_epochs, printed_epochs
from autograder.checks.step_facts import StepWork, fields_beside, steps_in, texts_beside
from autograder.checks.steps import Steps
from autograder.data import HeldOut, load_held_out, prepared
from autograder.outcome import CheckFailed

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.field_claims import FieldTable
    from autograder.handed_in import HandedIn
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

SESSION = 5
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".pdf", ".xls", ".xlsx", ".ods")
PROBES = 64  # images by which the notebook's own way to prepare them is learned


@dataclass(frozen=True, slots=True)
class Telling:
    """Where a test says something: its own report, and the staff's sheet."""

    report: TestReport
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Last:
    """The last step, which must reach the goal: its accuracies, and what speaks against them."""

    work: StepWork
    accuracy: StepAccuracy
    against: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Receptive fields in READMEs, tables and modules; pictures and workbooks, which a human must look at."""

    fields: tuple[FieldTable, ...]
    pictures: tuple[str, ...]


@pytest.fixture
def tell(report: TestReport, sheet: Sheet) -> Telling:
    """Where this test says something."""
    return Telling(report, sheet)


@pytest.fixture(scope="session")
def steps(submission: HandedIn) -> Steps:
    """The notebooks that are steps."""
    return steps_in(submission.tree, SESSION)


@pytest.fixture(scope="session")
def held(assignment: Assignment) -> HeldOut:
    """All test images, with those that no submission is shown."""
    return load_held_out("mnist", prepared(assignment))


@pytest.fixture(scope="session")
def probes(seed: int) -> np.ndarray:
    """Images that tell how a notebook prepares them: noise, since the hidden test images stay hidden."""
    return make_probes((28, 28), seed, PROBES)


@pytest.fixture(scope="session")
def works(
    steps: Steps, submission: HandedIn, assignment: Assignment, probes: np.ndarray, public: bool
) -> tuple[StepWork, ...]:
    """Each step; the last ones are run, as many as the manifest says, and of the others the network alone."""
    assert assignment.notebook is not None
    if not steps.steps:
        raise CheckFailed(
            "No notebook with a network was found in your submission.",
            hint="Hand in four notebooks, one for each step, numbered in their order.",
        )
    runs = int(assignment.tolerances["reruns"]) if assignment.notebook.mode != "stored" else 0
    looks = not public and assignment.notebook.mode != "stored"
    first, last = len(steps.steps) - runs, int(assignment.tolerances["last_epochs"])
    return tuple(
        StepWork(step, submission, probes, runs=at >= first and not public, looks=looks, last=last)
        for at, step in enumerate(steps.steps)
    )


@pytest.fixture(scope="session")
def last(
    works: tuple[StepWork, ...], assignment: Assignment, public: bool, request: pytest.FixtureRequest
) -> Last:
    """The last step, its accuracy counted by us where it could be run here."""
    one = works[-1]
    known = against(one, public=public)
    if public or not one.ran:
        return Last(one, printed_epochs(one.log, one.evidence), known)
    submission: HandedIn = request.getfixturevalue("submission")
    by = Counting(
        submission.room,
        request.getfixturevalue("held"),
        request.getfixturevalue("probes"),
        last=int(assignment.tolerances["last_epochs"]),
        official=int(assignment.tolerances["test_images"]),
        budget_s=assignment.tolerances["evaluation_s"],
    )
    return Last(one, count_last_epochs(one, by), known)


@pytest.fixture(scope="session")
def beside(submission: HandedIn) -> dict[str, str]:
    """READMEs and tables beside the notebooks, by path."""
    return texts_beside(submission.tree)


@pytest.fixture(scope="session")
def elsewhere(beside: dict[str, str], submission: HandedIn) -> Elsewhere:
    """What may say receptive fields, and is no notebook."""
    pictures = [path for path in submission.tree.files if path.lower().endswith(PICTURES)]
    return Elsewhere(fields_beside(beside), tuple(pictures))
