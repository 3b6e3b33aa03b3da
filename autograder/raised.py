"""What an exception out of a grader's test stands for: the submission's problem, or a fault of ours.

The line is drawn narrowly, because one side of it costs a student points. A structured problem (outcome.py)
says by itself whose it is. An assertion counts against the submission only where the grader's own files made
it: an ``assert`` of our engine's that fails, or pytest's complaint about a test that it can't run, is ours.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from autograder.outcome import Fault, GraderFault, Outcome, SubmissionProblem

_UNEXPLAINED = "What this test asks for does not hold."
_PYTESTS_OWN = ("_pytest/outcomes.py",)  # where pytest.fail and pytest.skip raise for their caller
# Helpers of libraries that raise for the test that called them. Their text quotes the values compared.
_HELPERS = ("/numpy/testing/", "/numpy/_utils/", "/torch/testing/", "/unittest/case.py", "/contextlib.py")


def problem_of(error: BaseException, graders: Path) -> SubmissionProblem:
    """The submission's problem that ``error`` stands for; raises the Fault where it is none.

    ``graders`` is the folder of the assignments: what lies in it was written by graders' authors.
    """
    if isinstance(error, SubmissionProblem):
        return error
    if isinstance(error, Fault):
        raise error
    if isinstance(error, pytest.skip.Exception):
        return _problem(Outcome.SKIPPED, error.msg or "This test was not run.")
    asserted = isinstance(error, (AssertionError, pytest.fail.Exception))
    if asserted and _raised_in(error, graders, _PYTESTS_OWN):
        # Graders run without pytest's rewriting of assert, so this is the author's sentence and no value.
        return _problem(Outcome.FAILED, str(error) or _UNEXPLAINED)
    if asserted and _raised_in(error, graders, _HELPERS):
        return _problem(Outcome.FAILED, _UNEXPLAINED, staff=str(error))
    raise GraderFault(
        f"A grader's test raised {type(error).__name__}: {error}", remedy="Mend the test; see the traceback."
    ) from error


def _raised_in(error: BaseException, graders: Path, below: tuple[str, ...]) -> bool:
    """Whether a file under ``graders`` raised it, by itself or through the files named in ``below``."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        place = frame.f_code.co_filename
        if not any(part in place for part in below):
            return Path(place).is_relative_to(graders)
    return False


def _problem(outcome: Outcome, message: str, staff: str = "") -> SubmissionProblem:
    problem = SubmissionProblem(message, staff=staff)
    problem.outcome = outcome
    return problem
