"""Small assignments and submissions, written where a test wants them, and graded in this process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autograder.assignment import Assignment, Limits, load_assignment
from autograder.boxes import SANDBOX_VARIABLE, Mode
from autograder.document import ResultsDocument, TestEntry
from autograder.grading import Faulted, Graded, grade
from autograder.results import PARTIAL, RESULTS
from autograder.sandbox.backend import Backend, BoxSpec
from autograder.sandbox.choose import AUTO, choose
from autograder.sandbox.policy import BoxLimits
from tests.contract import problems

HEAD = """\
import pytest
from gradescope_utils.autograder_utils.decorators import *
from autograder.outcome import CheckFailed, Evidence, GraderFault, NotRun, SandboxFault
pytestmark = pytest.mark.evidence("verified")
"""
CALL_DOUBLE = """
@number("1")
@weight(4)
def test_double(submission):
    '''double doubles'''
    with submission.module("work.py").scene() as scene:
        if scene.call("double", 21).fetch() != 42:
            raise CheckFailed("double(21) is not right.", hint="Multiply.", staff="42 is right")
"""
WORK = "def double(x):\n    return x * 2\n"

BUG = """
def log(word):
    with open({log!r}, "a") as file:
        file.write(word + " ")
@number("1")
@weight(3)
def test_bug():
    '''has a bug'''
    log("bug")
    {{}}["key"]
@number("1")
@weight(1)
def test_sound():
    '''has none'''
    log("sound")
"""


@dataclass
class Small:
    """An assignment in ``folder`` that is written anew by `assignment` after each change of its fields."""

    folder: Path
    tests: str = ""
    questions: Mapping[str, float] = field(default_factory=lambda: {"1": 4.0})
    more: str = ""  # of the manifest, after the questions
    first: str = ""  # of the manifest, before everything
    files: Mapping[str, str] = field(default_factory=dict)
    work: str = WORK  # the submission's work.py
    name: str = "small"

    def assignment(self) -> Assignment:
        home = self.folder / "graders" / self.name
        home.mkdir(parents=True, exist_ok=True)
        lines = ['title = "A small homework"', "seed = 5", self.first]
        for number, points in self.questions.items():
            lines.append(
                f'[[questions]]\nnumber = "{number}"\ntitle = "Question {number}"\npoints = {points}\n'
            )
        (home / "assignment.toml").write_text("\n".join([*lines, self.more]))
        for name, text in {"test_it.py": HEAD + self.tests, **self.files}.items():
            (home / name).write_text(text)
        return load_assignment(home)

    def submission(self) -> Path:
        handed_in = self.folder / "handed_in"
        handed_in.mkdir(exist_ok=True)
        (handed_in / "work.py").write_text(self.work)
        return handed_in

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def results(self) -> Path:
        return self.out / RESULTS

    @property
    def partial(self) -> Path:
        return self.out / PARTIAL

    def grade(
        self, backend: Backend | None, *, mode: Mode = Mode.GRADE, limits: Limits | None = None
    ) -> ResultsDocument:
        return self.graded(backend, mode=mode, limits=limits).document

    def graded(
        self, backend: Backend | None, *, mode: Mode = Mode.GRADE, limits: Limits | None = None
    ) -> Graded:
        assignment = self.assignment()
        with plain_asserts():
            graded = grade(assignment, self.submission(), self.out, mode=mode, limits=limits, backend=backend)
        assert problems(self.results.read_bytes()) == []
        assert not self.partial.exists()
        return graded

    def faulted(self, backend: Backend | None, *, limits: Limits | None = None) -> Faulted:
        """Grade what must end in a fault of ours, and look that no score is left, not even an earlier one."""
        self.out.mkdir(exist_ok=True)
        self.results.write_text('{"score": 4, "tests": []}')
        assignment = self.assignment()
        with plain_asserts(), pytest.raises(Faulted) as caught:
            grade(assignment, self.submission(), self.out, limits=limits, backend=backend)
        assert not self.results.exists()
        assert caught.value.log is not None
        assert caught.value.faults[0].message in caught.value.log.read_text()
        return caught.value


def entry(document: ResultsDocument, test: str) -> TestEntry:
    """The entry of the test function ``test`` (with its case in brackets, where it has one)."""
    (found,) = [each for each in document.tests if key_of(each).rpartition("::")[2] == test]
    return found


def key_of(each: TestEntry) -> str:
    assert each.extra_data is not None
    return each.extra_data.key


def outcomes(document: ResultsDocument) -> dict[str, tuple[str, float | None]]:
    """Test function -> outcome and score."""
    return {
        key_of(each).rpartition("::")[2]: (each.extra_data.outcome if each.extra_data else "", each.score)
        for each in document.tests
    }


def partial_outcomes(partial: Path) -> dict[str, str]:
    """The same of a partial document, after a look at its validity."""
    data = partial.read_bytes()
    assert problems(data) == []
    document = json.loads(data)
    assert document["extra_data"]["partial"] is True
    return {
        test["extra_data"]["key"].rpartition("::")[2]: test["extra_data"]["outcome"]
        for test in document["tests"]
    }


@contextmanager
def open_sandbox() -> Iterator[Backend]:
    """The sandbox of this machine's user: `Privdrop` for root, else the strongest that is there."""
    name = os.environ.get(SANDBOX_VARIABLE, AUTO)
    backend = choose(BoxSpec(BoxLimits(wall_s=5.0)), name, must_isolate=False)
    try:
        yield backend
    finally:
        backend.close()


@contextmanager
def plain_asserts() -> Iterator[None]:
    """Without the import hook of the pytest that runs us: it would rewrite a grader's asserts as well."""
    kept = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in kept if "_pytest" not in type(finder).__module__]
    try:
        yield
    finally:
        sys.meta_path[:] = kept
