"""Every fixture is graded from end to end, and gets exactly what its description says."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.assignment import Assignment, Limits, load_assignment
from autograder.boxes import Mode, open_backend
from autograder.document import ResultsDocument, TestEntry
from autograder.grading import grade
from autograder.sandbox.backend import Backend
from autograder.verdicts import message_of
from fixtures.build import DEFAULT_ASSIGNMENT, Expected, Fixture, build, load, names
from fixtures.pack import ESCAPED
from reference.slips import SLIPS

GRADERS = Path(__file__).parents[1] / "graders"
WALL_S = 5.0  # an endless loop costs this much; a right function needs a hundredth of it
SENTENCES = {slip.id: slip.sentence for slip in SLIPS}
INVISIBLE = {"Cc", "Cf", "Cs", "Co"}  # control, direction, lone surrogates, private use

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="the sandbox needs root on Linux"
)


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return load_assignment(GRADERS / DEFAULT_ASSIGNMENT)


@pytest.fixture(scope="module")
def limits(assignment: Assignment) -> Limits:
    return assignment.limits.model_copy(update={"wall_s": WALL_S})


@pytest.fixture(scope="module")
def backend(assignment: Assignment, limits: Limits) -> Iterator[Backend]:
    """One sandbox for all of them, as in a class's regrading."""
    with open_backend(assignment, Mode.GRADE, limits, "privdrop") as opened:
        yield opened


@pytest.mark.parametrize("fixture", [load(name) for name in names()], ids=lambda fixture: fixture.name)
def test_it_gets_what_it_must_get(
    fixture: Fixture, assignment: Assignment, limits: Limits, backend: Backend, tmp_path: Path
) -> None:
    source = build(fixture.name, tmp_path / "in")
    graded = grade(assignment, source, tmp_path / "out", limits=limits, backend=backend)
    entries = by_key(graded.document)
    expected = fixture.expected

    assert outcomes(entries, expected) == {
        key: expected.tests.get(key, "passed" if is_graded(entry) else "skipped")
        for key, entry in entries.items()
        if key not in expected.any
    }
    assert graded.document.score == pytest.approx(expected.score, abs=1e-6)
    assert expected.exit == 0  # a fault raises: no fixture may bring one about
    assert lacking(entries, expected, graded.document.output) == []
    assert_complete(graded.document, assignment)
    assert_readable(graded.document)
    assert not (Path(tempfile.gettempdir()) / ESCAPED).exists()


def by_key(document: ResultsDocument) -> dict[str, TestEntry]:
    """The entries by file and test, as the fixtures name them."""
    keys = [entry.extra_data.key if entry.extra_data else entry.name for entry in document.tests]
    return {
        key.removeprefix(f"{DEFAULT_ASSIGNMENT}/"): e for key, e in zip(keys, document.tests, strict=True)
    }


def is_graded(entry: TestEntry) -> bool:
    return entry.extra_data is not None and entry.extra_data.graded


def outcomes(entries: dict[str, TestEntry], expected: Expected) -> dict[str, str]:
    return {
        key: entry.extra_data.outcome if entry.extra_data else "nothing"
        for key, entry in entries.items()
        if key not in expected.any
    }


def lacking(entries: dict[str, TestEntry], expected: Expected, notes: str) -> list[str]:
    """What the student should have been told, and was not."""
    said = {key: message_of(entry) for key, entry in entries.items()}
    wanted = [(key, word) for key, words in expected.says.items() for word in words]
    wanted += [(key, SENTENCES[slip]) for key, slip in expected.slips.items()]
    missing = [f"{key}: {w!r} in {said[key]!r}" for key, w in wanted if w.lower() not in said[key].lower()]
    return missing + [f"notes: {word!r} in {notes!r}" for word in expected.notes if word not in notes]


def assert_complete(document: ResultsDocument, assignment: Assignment) -> None:
    """No test is lost, and the points add up to what the assignment declares."""
    declared = assignment.total_points + assignment.total_extra_credit
    assert math.fsum(entry.max_score or 0.0 for entry in document.tests) == pytest.approx(declared)
    scores = math.fsum(entry.score or 0.0 for entry in document.tests)
    assert document.score == pytest.approx(scores, abs=1e-6)
    assert not document.extra_data.partial


def assert_readable(document: ResultsDocument) -> None:
    """Students read plain text: no control characters, no traceback and no path of ours."""
    for text in (document.output, *(entry.output for entry in document.tests)):
        odd = {c for c in text if unicodedata.category(c) in INVISIBLE} - {"\n", "\t"}
        assert not odd, f"{odd!r} in {text!r}"
        assert "Traceback" not in text
        assert f"{tempfile.gettempdir()}/autograder-" not in text
