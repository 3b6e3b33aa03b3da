"""Which known slip gives exactly these answers?

A slip is named only if the student's answers equal the slip's on *all* cases, and are wrong on at least one;
several slips that no case tells apart are all named. Where a slip falls off the edge of an array, so must
the student's code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checks.arrays import Mismatch, compare, rtol_for
from autograder.checks.cases import Answer, CasePack, SlipAnswers
from autograder.outcome import StudentException, SubmissionProblem

# What NumPy raises when a window falls off an array. Any other exception is no sign of a slip.
_OFF_THE_EDGE = ("IndexError", "ValueError")


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that can't leave the sandbox; ``kind`` is the handle's, such as "object: Tensor"."""

    kind: str

    @property
    def type_name(self) -> str:
        return self.kind.removeprefix("object: ")


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What one call gave for one output: a plain value, or the problem that kept it from giving one."""

    value: object = None
    problem: SubmissionProblem | None = None


def matching(
    output: str,
    observed: Sequence[Observed],
    mismatches: Sequence[Mismatch | None],
    pack: CasePack,
    tolerances: Mapping[str, float],
) -> list[SlipAnswers]:
    """The slips that explain every answer; ``mismatches`` holds None where an answer is right or missing."""
    ran = any(seen.problem is None for seen in observed)
    off = any(m is not None for m in mismatches) or any(seen.problem is not None for seen in observed)
    if not (ran and off):  # code that only ever raises shows nothing but that it raises
        return []
    return [
        slip
        for slip in pack.slips_for(output)
        if all(_same(seen, answer, tolerances) for seen, answer in zip(observed, slip.answers, strict=True))
    ]


def _same(seen: Observed, answer: Answer, tolerances: Mapping[str, float]) -> bool:
    if seen.problem is not None:
        raised = isinstance(seen.problem, StudentException)
        return raised and answer is None and exception_name(seen.problem) in _OFF_THE_EDGE
    value = seen.value
    if answer is None or type(value) is not np.ndarray:
        return False
    if value.shape != answer.shape or value.dtype.kind != answer.dtype.kind:
        return False
    if value.size == 0:
        return True
    if answer.dtype.kind != "f":
        return bool(np.array_equal(value, answer))
    return compare(value, answer, rtol_for(value, tolerances)) is None


def exception_name(problem: SubmissionProblem) -> str:
    """The type's name without its module, or nothing where the code did not raise."""
    return problem.exception.rpartition(".")[2] if isinstance(problem, StudentException) else ""
