"""Every fixture of the MNIST homework is really run and graded, and gets exactly what its description says.

They train on the course's MNIST where $AUTOGRADER_DATA has it, else on 4,000 images: what they must get is
the same for both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.boxes import Mode, open_backend
from autograder.grading import grade
from autograder.sandbox.backend import Backend
from fixtures.build import build, load, names
from tests.test_fixtures import (
    GRADERS,
    assert_complete,
    assert_readable,
    by_key,
    is_graded,
    lacking,
    outcomes,
)

NAME = "calvin_mnist"
CELL_WALL_S = 60.0  # an endless loop costs this much; 60 steps on all of MNIST at once take 20

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="the sandbox needs root on Linux"
    ),
    pytest.mark.xdist_group(
        "calvin_mnist"
    ),  # one process: two trainings at once take the processors from each other
]


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    loaded = load_assignment(GRADERS / NAME)
    assert loaded.notebook is not None
    return loaded.model_copy(
        update={"notebook": loaded.notebook.model_copy(update={"cell_wall_s": CELL_WALL_S})}
    )


@pytest.fixture(scope="module")
def backend(assignment: Assignment) -> Iterator[Backend]:
    """One sandbox for all of them, as for a class."""
    with open_backend(assignment, Mode.GRADE, assignment.limits, "privdrop") as opened:
        yield opened


@pytest.mark.parametrize("name", names(NAME))
def test_it_gets_what_it_must_get(
    name: str, assignment: Assignment, backend: Backend, tmp_path: Path
) -> None:
    fixture = load(name, NAME)
    source = build(name, tmp_path / "in", NAME)
    graded = grade(assignment, source, tmp_path / "out", backend=backend)
    entries, expected = by_key(graded.document), fixture.expected

    assert outcomes(entries, expected) == {
        key: expected.tests.get(key, "passed" if is_graded(entry) else "skipped")
        for key, entry in entries.items()
        if key not in expected.any
    }
    assert graded.document.score == pytest.approx(expected.score, abs=1e-3)
    assert lacking(entries, expected, graded.document.output) == []
    assert_complete(graded.document, assignment)
    assert_readable(graded.document)
    assert (tmp_path / "out" / "reading.html").is_file()


@pytest.mark.parametrize("name", names(NAME))
def test_the_expectation_adds_up(name: str) -> None:
    """What isn't named as failing has its points, so that a slip shows; a broken run keeps some of them."""
    expected = load(name, NAME).expected
    points = {key: value for key, value in POINTS.items() if key not in expected.tests}
    kept = expected.score - sum(points.values())
    assert -1e-6 <= kept <= (7.5 if "test_1_runs.py::test_runs" in expected.tests else 1e-6)
    assert expected.tests.keys() - POINTS.keys() <= NO_POINTS


NO_POINTS = {"test_1_runs.py::test_handed_in", "test_3_accuracy.py::test_prose_agrees"}
POINTS = {
    "test_1_runs.py::test_runs": 15.0,
    "test_1_runs.py::test_outputs": 5.0,
    "test_2_training.py::test_mini_batches": 15.0,
    "test_2_training.py::test_loss_falls": 10.0,
    "test_3_accuracy.py::test_top1": 10.0,
    "test_3_accuracy.py::test_top1_reported": 5.0,
    "test_3_accuracy.py::test_top5_reported": 5.0,
    **{
        f"test_4_answers.py::test_answered[{key}]": 4.0
        for key in ("shapes", "loss", "settings", "top5", "confused")
    },
    **{
        f"test_5_narrative.py::test_{part}": 3.0
        for part in ("technique", "paper", "gain_in_the_paper", "gain_in_the_article", "comparison")
    },
}
