"""Fixtures of this grader: the notebook, what speaks against its training, and its test accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from autograder.checks.notebooks.accuracy import (
    Counted,
    NotCounted,
    TestAccuracy,
    count,
    decide,
    held_out,
    printed,
)
from autograder.checks.notebooks.found import Reading, Series
from autograder.checks.notebooks.integrity import Finding, findings, of_source
from autograder.checks.notebooks.series import read_series
from autograder.loaders.notebook import Notebook
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_in import HandedIn
    from autograder.handed_notebook import NotebookWork
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

DATASET = "CIFAR10"


@dataclass(frozen=True, slots=True)
class View:
    """The notebook with the outputs that count, and what they are worth; ``why`` says why not the run's."""

    notebook: Notebook
    evidence: Evidence
    why: str = ""


@dataclass(frozen=True, slots=True)
class Telling:
    """Where a test says something: its own report, and the staff's sheet."""

    report: TestReport
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Judged:
    """The test accuracy: ours, what the notebook printed, and the one that counts."""

    work: NotebookWork
    view: View
    against: tuple[Finding, ...]
    ours: Counted | NotCounted | None
    told: Reading | None
    counts: TestAccuracy | None
    series: tuple[Series, ...]


@pytest.fixture(scope="session")
def work(submission: HandedIn) -> NotebookWork:
    """The notebook; whoever asks for what needs its run makes it."""
    return submission.notebook("notebook")


@pytest.fixture
def tell(report: TestReport, sheet: Sheet) -> Telling:
    """Where this test says something."""
    return Telling(report, sheet)


@pytest.fixture(scope="session")
def view(work: NotebookWork, public: bool) -> View:
    """What is read: a student's own check reads what is stored, so that it takes seconds."""
    if public:
        return View(work.stored, Evidence.CLAIMED, "this check does not run your notebook")
    return View(work.shown, work.evidence, work.why_stored)


@pytest.fixture(scope="session")
def against(work: NotebookWork, public: bool) -> tuple[Finding, ...]:
    """What speaks against a training on the training set alone."""
    return tuple(of_source(work.source, DATASET)) if public else findings(work, DATASET)


@pytest.fixture(scope="session")
def judged(
    work: NotebookWork, view: View, against: tuple[Finding, ...], assignment: Assignment, seed: int
) -> Judged:
    """The test accuracy, counted by us where the notebook ran here."""
    ours: Counted | NotCounted | None = None
    if work.run is not None and not work.why_stored:
        ours = count(work, held_out(assignment, "cifar10"), seed, assignment.tolerances)
    series = tuple(read_series(view.notebook))
    told = printed(series)
    return Judged(work, view, against, ours, told, decide(ours, told, view.evidence), series)
