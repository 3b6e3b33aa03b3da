"""Fixtures of this grader: the run that counts, the scripts, the README, and what the weights come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from autograder.checks.from_scratch.handed import Files, read_files
from autograder.checks.from_scratch.imagenet import Facts
from autograder.checks.from_scratch.network_source import NetworkSource, find_network
from autograder.checks.from_scratch.readme import Told, read_readme
from autograder.checks.from_scratch.run_log import Run, choose_run
from autograder.checks.from_scratch.scripts import Scripts, Start, read_scripts
from autograder.checks.from_scratch.verify import Handed, verify
from autograder.outcome import CheckFailed, SubmissionProblem

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.logs.found import LoggedEpoch
    from autograder.handed_in import HandedIn
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Telling:
    """Where a test says something: its own report, and the staff's sheet."""

    report: TestReport
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Judged:
    """The log that counts, or why there is none; its accuracy; what the weights came to; ready weights."""

    run: Run | SubmissionProblem
    epoch: LoggedEpoch | None
    handed: Handed
    ready: tuple[Start, ...]


@pytest.fixture
def tell(report: TestReport, sheet: Sheet) -> Telling:
    """Where this test says something."""
    return Telling(report, sheet)


@pytest.fixture(scope="session")
def limits(assignment: Assignment) -> Mapping[str, float]:
    """The manifest's numbers."""
    return assignment.tolerances


@pytest.fixture(scope="session")
def files(submission: HandedIn) -> Files:
    """The submission's files, by what they are good for."""
    return read_files(submission.tree)


@pytest.fixture(scope="session")
def scripts(files: Files) -> Scripts:
    """The Python files and notebooks, and what they say of the weights that the training begins with."""
    return read_scripts(files.sources, files.texts, files.notebooks)


@pytest.fixture(scope="session")
def readme(submission: HandedIn, files: Files) -> Told | None:
    """What the README tells; None where there is none."""
    path = submission.deliveries.found.get("readme")
    return read_readme(submission.read(path), path) if path is not None else files.prose


@pytest.fixture(scope="session")
def found_run(files: Files, scripts: Scripts, readme: Told | None) -> Run | SubmissionProblem:
    """The log that counts, or why there is none."""
    facts = Facts(scripts.settings, scripts.sources, readme.text if readme is not None else "")
    try:
        return choose_run(files.logs, facts, files.beside_logs)
    except CheckFailed as problem:
        return problem


@pytest.fixture
def run(found_run: Run | SubmissionProblem) -> Run:
    """The log that counts."""
    if isinstance(found_run, SubmissionProblem):
        raise found_run
    return found_run


@pytest.fixture(scope="session")
def network(scripts: Scripts) -> NetworkSource:
    """Where the submission defines its network."""
    return find_network(scripts.sources, scripts.training, scripts.settings)


@pytest.fixture(scope="session")
def handed(
    submission: HandedIn, assignment: Assignment, scripts: Scripts, network: NetworkSource, seed: int
) -> Handed:
    """The weights that were handed in, exported and evaluated."""
    return verify(submission, assignment, scripts, network, seed)


@pytest.fixture(scope="session")
def judged(
    found_run: Run | SubmissionProblem, scripts: Scripts, handed: Handed, assignment: Assignment
) -> Judged:
    """All that the accuracy rests on."""
    last = int(assignment.tolerances["best_of_last_epochs"])
    epoch = found_run.counting(last) if isinstance(found_run, Run) else None
    log = found_run.log.path if isinstance(found_run, Run) else ""
    return Judged(found_run, epoch, handed, scripts.against(log))
