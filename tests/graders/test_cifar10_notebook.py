"""Every fixture of the CIFAR-10 notebook is graded from end to end, and gets exactly what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.assignment import Assignment
from autograder.sandbox.backend import Backend
from fixtures.build import Fixture, load, names
from tests.graders.notebook_fixtures import assert_as_expected, graded, loaded, needs_root, opened, why_not

NAME = "cifar10_notebook"

pytestmark = [needs_root, pytest.mark.xdist_group(NAME)]


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    assignment = loaded(NAME)
    if why := why_not(assignment):
        pytest.skip(why)
    return assignment


@pytest.fixture(scope="module")
def backend(assignment: Assignment) -> Iterator[Backend]:
    with opened(assignment) as backend:
        yield backend


@pytest.mark.parametrize("fixture", [load(name, NAME) for name in names(NAME)], ids=lambda one: one.name)
def test_it_gets_what_it_must_get(
    fixture: Fixture, assignment: Assignment, backend: Backend, tmp_path: Path
) -> None:
    assert_as_expected(graded(fixture, assignment, backend, tmp_path), fixture, assignment)
