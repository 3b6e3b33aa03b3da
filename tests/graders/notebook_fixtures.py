"""Grades the fixtures of a notebook's homework, each in the mode and with the limits that it asks for."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.assignment import Assignment, NotebookSpec, load_assignment
from autograder.boxes import Mode, data_folder, open_backend
from autograder.data import VARIABLE
from autograder.document import TestEntry
from autograder.environments import interpreter_for
from autograder.grading import Graded, grade
from autograder.outcome import EnvironmentFault
from autograder.sandbox.backend import Backend
from fixtures.build import Fixture, build
from tests.test_fixtures import assert_complete, assert_readable, is_graded, lacking, outcomes

GRADERS = Path(__file__).parents[2] / "graders"
# A training takes seconds here; a machine that does something else besides may need ten times that.
CELL_WALL_S, WALL_S = 150.0, 200.0
MEMORY_MIB = 1600  # torch takes 500 of them; what is hoarded is the rest

_ACTIVE = re.compile(r"<script>document|<img src=x|onerror=alert\(1\)>")  # what fixtures put into outputs

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="the sandbox needs root on Linux"
)


def why_not(assignment: Assignment) -> str:
    """Why these fixtures can't be graded here; nothing where they can."""
    if not os.environ.get(VARIABLE):
        return f"{VARIABLE} names no folder with the course's data"
    try:
        data_folder(assignment)
        interpreter_for(assignment.folder)
    except EnvironmentFault as fault:
        return fault.message
    return ""


def loaded(name: str) -> Assignment:
    """The assignment with limits for fixtures: one thread, which repeats, and a short time for each cell."""
    assignment = load_assignment(GRADERS / name)
    assert assignment.notebook is not None
    quick = {"cell_wall_s": CELL_WALL_S, "wall_s": WALL_S}
    limits = assignment.limits.model_copy(update={"threads": 1, "memory_mib": MEMORY_MIB})
    notebook = assignment.notebook.model_copy(update=quick)
    return assignment.model_copy(update={"limits": limits, "notebook": notebook})


@contextlib.contextmanager
def opened(assignment: Assignment) -> Iterator[Backend]:
    """One sandbox for all fixtures, as in a class's regrading."""
    with open_backend(assignment, Mode.GRADE, assignment.limits, "privdrop") as backend:
        yield backend


def graded(fixture: Fixture, assignment: Assignment, backend: Backend, folder: Path) -> Graded:
    assert isinstance(assignment.notebook, NotebookSpec)
    asked = {"mode": fixture.mode, "cell_wall_s": fixture.cell_wall_s}
    notebook = assignment.notebook.model_copy(update={key: value for key, value in asked.items() if value})
    assignment = assignment.model_copy(update={"notebook": notebook})
    source = build(fixture.name, folder / "in", fixture.assignment)
    return grade(assignment, source, folder / "out", backend=backend)


def assert_as_expected(result: Graded, fixture: Fixture, assignment: Assignment) -> None:
    """Every outcome, the score to the last digit, and the words."""
    entries = by_key(result, fixture.assignment)
    expected = fixture.expected
    assert outcomes(entries, expected) == {
        key: expected.tests.get(key, "passed" if is_graded(entry) else "skipped")
        for key, entry in entries.items()
        if key not in expected.any
    }
    assert result.document.score == pytest.approx(expected.score, abs=1e-3)
    assert lacking(entries, expected, result.document.output) == []
    assert [word for word in expected.staff if word not in result.staff_text] == []
    for page in result.out.glob("*.html"):
        assert not _ACTIVE.search(page.read_text(encoding="utf-8")), page.name
    assert_complete(result.document, assignment)
    assert_readable(result.document)


def by_key(result: Graded, assignment: str) -> dict[str, TestEntry]:
    """The entries by file and test, as the fixtures name them."""
    tests = result.document.tests
    keys = [entry.extra_data.key if entry.extra_data else entry.name for entry in tests]
    return {key.removeprefix(f"{assignment}/"): entry for key, entry in zip(keys, tests, strict=True)}
