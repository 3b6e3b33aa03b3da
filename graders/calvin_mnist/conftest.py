"""Fixtures of this grader: the notebook, how it learned, its answers, and the narrative."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.assignment import load_assignment
from autograder.checks.notebooks.accuracy import count, held_out
from autograder.checks.notebooks.minibatch import Learned, read_learning
from autograder.checks.notebooks.narrative_file import Essay, Subject, find_essay
from autograder.checks.notebooks.questions_asked import Asked, read_asked
from autograder.checks.notebooks.reported import Accuracies, count_as_reported, read_accuracies
from autograder.checks.notebooks.series import read_series

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_in import HandedIn
    from autograder.handed_notebook import NotebookWork


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each question of the analysis."""
    if "prompt" in metafunc.fixturenames:
        keys = [prompt.key for prompt in load_assignment(Path(__file__).parent).prompts]
        metafunc.parametrize("prompt", keys)


@pytest.fixture(scope="session")
def work(submission: HandedIn) -> NotebookWork:
    """The notebook; whoever asks for what needs its run makes it."""
    return submission.notebook("notebook")


@pytest.fixture(scope="session")
def learned(work: NotebookWork, assignment: Assignment) -> Learned | None:
    """How it trains; None where nothing speaks of a training."""
    measured = work.run.training if work.run is not None and not work.why_stored else None
    fewest = int(assignment.tolerances["fewest_steps"])
    return read_learning(work.shown, work.source, measured, fewest)


@pytest.fixture(scope="session")
def accuracies(work: NotebookWork, assignment: Assignment, seed: int) -> Accuracies:
    """Its accuracy, as counted here and as it reports it."""
    training, ours = None, None
    if work.run is not None and not work.why_stored:
        training = work.run.training
        ours = count(work, held_out(assignment, "mnist"), seed, assignment.tolerances)
    found = read_accuracies(ours, read_series(work.shown), work.source, training, work.evidence)
    if found.top1 is None or found.agrees(1, assignment.tolerances["reported_accuracy"]):
        return found
    told, held = found.top1.value, held_out(assignment, "mnist")
    other = count_as_reported(work, held, seed, assignment.tolerances, told)
    return replace(found, as_reported=other)


@pytest.fixture(scope="session")
def asked(work: NotebookWork, assignment: Assignment) -> dict[str, Asked]:
    """Each question of the analysis with what stands for it, by its key."""
    return {one.prompt.key: one for one in read_asked(work.stored, assignment.prompts)}


@pytest.fixture(scope="session")
def essay(submission: HandedIn, assignment: Assignment) -> Essay:
    """The narrative; raises CheckFailed where there is none that can be read."""
    path = assignment.folder / assignment.data["techniques"].path
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return find_essay(submission.tree, submission.deliveries.found.get("narrative"), Subject.from_toml(table))
