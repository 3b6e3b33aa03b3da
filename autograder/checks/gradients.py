"""Judges what a layer's function returned, case by case, and names the slip where it knows it.

Students get this module in the public bundle, so it holds no reference and no slip: both come as answers
in the case pack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autograder.checks.arrays import Kind, Mismatch, compare, rtol_for, unmodified
from autograder.checks.cases import Case, CasePack, SlipAnswers, load_pack, save_pack
from autograder.checks.diagnosis import Observed, Opaque, exception_name, matching
from autograder.checks.ties import compare_ties
from autograder.checks.traits import describe, summarise
from autograder.outcome import (
    CheckFailed,
    GraderFault,
    LimitExceeded,
    NotRun,
    ProcessEnded,
    SubmissionProblem,
)

__all__ = [
    "Case",
    "CasePack",
    "Observed",
    "Opaque",
    "SlipAnswers",
    "diagnose",
    "judge",
    "judge_ties",
    "judge_unmodified",
    "load_pack",
    "save_pack",
]

_HINTS: dict[Kind, str] = {
    Kind.TYPE: "Return {name} as the NumPy array that you computed.",
    Kind.SHAPE: "Print the shape of {name} for a case with {case}, and work out what it should be.",
    Kind.DTYPE: "Make the array with np.zeros(shape) and no dtype, so that it holds float64.",
    Kind.FINITE: "Look for a division by zero, and for np.empty, which leaves old memory in the array.",
    Kind.VALUE: "Make a tiny case of your own ({case}), and follow one value of {name} by hand.",
    Kind.CHANGED: "Work on a copy of {name}, and leave what your function is given as it is.",
}

# Problems of the process or of the function as a whole, not of the case that it happened to be at.
_NOT_ABOUT_A_CASE = (CheckFailed, LimitExceeded, ProcessEnded, NotRun)


def judge(  # noqa: PLR0913  # what was asked, what came back, what is right: no two of them belong together
    function_name: str,
    output: str,
    observed: Sequence[Observed],
    pack: CasePack,
    tolerances: Mapping[str, float],
    *,
    public: bool = False,
) -> None:
    """Returns where every case is right, else raises.

    ``observed`` runs along ``pack.cases_for(output)``. A wrong value raises CheckFailed; a submission that
    broke in some cases, and was right in all others, raises that problem with the cases named. Only with
    ``public`` may the student's text hold values.
    """
    mismatches = _compare_all(output, observed, pack, tolerances)
    _settle(_Judgement(function_name, output, pack, observed, mismatches, tolerances, public))


def judge_ties(
    function_name: str,
    observed: Sequence[Observed],
    pack: CasePack,
    tolerances: Mapping[str, float],
    *,
    public: bool = False,
) -> None:
    """As judge, for dx of max pooling where several pixels of a window are its maximum.

    Any share of the gradient among the tied maxima is right, as long as it adds up: every one of them is a
    subgradient. The windows of the pack must not overlap.
    """
    mismatches = [
        None if seen.problem else _compare_ties(seen.value, case, tolerances)
        for seen, case in zip(observed, _cases("dx", observed, pack), strict=True)
    ]
    _settle(_Judgement(function_name, "dx", pack, observed, mismatches, tolerances, public))


def judge_unmodified(
    function_name: str, name: str, before: NDArray[np.float64], after: object, case: Case
) -> None:
    """Raises CheckFailed if the function changed the input called ``name``."""
    mismatch = unmodified(before, after)
    if mismatch is not None:
        raise CheckFailed(
            f"{function_name} changes its input: {name} {mismatch.student}.",
            hint=_HINTS[Kind.CHANGED].format(name=name, case=describe(case.traits)),
            staff=f"case {case.name!r}: {mismatch.staff}",
        )


def diagnose(
    output: str, observed: Sequence[Observed], pack: CasePack, tolerances: Mapping[str, float]
) -> list[SlipAnswers]:
    """The slips whose answers the student's answers equal; none where the student is right."""
    mismatches = _compare_all(output, observed, pack, tolerances)
    return matching(output, observed, mismatches, pack, tolerances)


@dataclass(frozen=True, slots=True, eq=False)
class _Judgement:
    """Everything about one output of one function; ``mismatches`` is None where right or broken."""

    function: str
    output: str
    pack: CasePack
    observed: Sequence[Observed]
    mismatches: Sequence[Mismatch | None]
    tolerances: Mapping[str, float]
    public: bool

    @property
    def cases(self) -> tuple[Case, ...]:
        return self.pack.cases_for(self.output)

    @property
    def broke(self) -> list[int]:
        return [k for k, seen in enumerate(self.observed) if seen.problem is not None]

    @property
    def wrong(self) -> list[int]:
        return [k for k, mismatch in enumerate(self.mismatches) if mismatch is not None]

    def where(self, indices: Sequence[int], verb: str) -> str:
        flags = [k in indices for k in range(len(self.cases))]
        return f"{self.function}: {self.output} {summarise([c.traits for c in self.cases], flags, verb)}."

    def staff(self) -> str:
        lines = []
        for case, seen, mismatch in zip(self.cases, self.observed, self.mismatches, strict=True):
            if seen.problem is not None:
                lines.append(f"case {case.name!r}: {type(seen.problem).__name__}: {seen.problem.message}")
            elif mismatch is not None:
                lines.append(f"case {case.name!r}: {mismatch.staff}")
        return "\n".join(lines)


def _settle(judged: _Judgement) -> None:
    if not judged.broke and not judged.wrong:
        return
    _refuse_unwritten(judged)
    slips = matching(judged.output, judged.observed, judged.mismatches, judged.pack, judged.tolerances)
    if slips:
        raise _slipped(judged, slips)
    if judged.wrong:
        raise _failed(judged)
    first = judged.observed[judged.broke[0]].problem
    assert first is not None
    if isinstance(first, _NOT_ABOUT_A_CASE):
        raise first
    raise _renamed(first, f"{judged.where(judged.broke, 'breaks')}\n{first.message}", judged.staff())


def _refuse_unwritten(judged: _Judgement) -> None:
    """A function that answers nothing anywhere is a hole in the template and deserves no diagnosis."""
    unwritten = "it looks as if this function has not been written yet"
    hint = f"Write {judged.function}, and return what its docstring promises."
    returned = [_placeholder(seen.value) for seen in judged.observed if seen.problem is None]
    if len(returned) == len(judged.observed) and all(returned):
        text = f"{judged.function} returned {returned[0]} as {judged.output}: {unwritten}."
        raise CheckFailed(text, hint=hint, staff=judged.staff())
    problem = judged.observed[0].problem
    if problem is not None and exception_name(problem) == "NotImplementedError":
        text = f"{judged.function} raised NotImplementedError: {unwritten}."
        raise _renamed(problem, text, judged.staff(), hint=hint)


def _slipped(judged: _Judgement, slips: Sequence[SlipAnswers]) -> CheckFailed:
    off = sorted([*judged.wrong, *judged.broke])
    if len(slips) == 1:
        found, hint = slips[0].sentence, "Your answers are exactly what this slip gives, so start there."
    else:
        found = "\n".join(["This is what each of these slips gives:", *(f"- {s.sentence}" for s in slips)])
        hint = "The cases here don't tell them apart; look for each of them."
    staff = f"slip: {', '.join(slip.id for slip in slips)}\n{judged.staff()}"
    text = f"{judged.where(off, 'is wrong')}\n{found}{_public_values(judged)}"
    return CheckFailed(text, hint=hint, staff=staff)


def _failed(judged: _Judgement) -> CheckFailed:
    k = judged.wrong[0]
    mismatch, traits = judged.mismatches[k], describe(judged.cases[k].traits)
    assert mismatch is not None
    off = sorted([*judged.wrong, *judged.broke])
    lines = [judged.where(off, "is wrong"), f"With {traits}: {judged.output} {mismatch.student}."]
    if judged.broke:
        problem = judged.observed[judged.broke[0]].problem
        assert problem is not None
        lines.append(f"With {describe(judged.cases[judged.broke[0]].traits)}, it broke: {problem.message}")
    return CheckFailed(
        "\n".join(lines) + _public_values(judged),
        hint=_HINTS[mismatch.kind].format(name=judged.output, case=traits),
        staff=judged.staff(),
    )


def _public_values(judged: _Judgement) -> str:
    """Students have the public cases, values and all, so the numbers help and give nothing away."""
    wrong = [m for m in judged.mismatches if m is not None]
    if not judged.public or not wrong:
        return ""
    return f"\nIn the public case {judged.cases[judged.wrong[0]].name!r}: {wrong[0].staff}."


def _renamed(problem: SubmissionProblem, message: str, staff: str, *, hint: str = "") -> SubmissionProblem:
    """The same kind of problem with another message.

    Not by its constructor, which differs from class to class; and not in place, because dx, dw and db of
    one call share the problem.
    """
    copy = type(problem).__new__(type(problem))
    copy.__dict__.update(problem.__dict__)
    copy.args = (message,)
    copy.message, copy.hint = message, hint or problem.hint
    copy.staff = "\n".join(filter(None, (problem.staff, staff)))
    return copy


def _cases(output: str, observed: Sequence[Observed], pack: CasePack) -> tuple[Case, ...]:
    cases = pack.cases_for(output)
    if len(cases) != len(observed) or not cases:
        raise GraderFault(
            f"{len(observed)} answers were given for the {len(cases)} cases that judge {output!r}",
            remedy="Call the function once for each of pack.cases_for(output), in that order.",
        )
    return cases


def _compare_all(
    output: str, observed: Sequence[Observed], pack: CasePack, tolerances: Mapping[str, float]
) -> list[Mismatch | None]:
    _cases(output, observed, pack)
    return [
        None if seen.problem else _compare(seen.value, expected, tolerances)
        for seen, expected in zip(observed, pack.expected[output], strict=True)
    ]


def _compare(
    value: object, expected: NDArray[np.float64], tolerances: Mapping[str, float]
) -> Mismatch | None:
    if isinstance(value, Opaque):
        return _kept(value, expected.shape)
    return compare(value, expected, rtol_for(value, tolerances))


def _compare_ties(value: object, case: Case, tolerances: Mapping[str, float]) -> Mismatch | None:
    if isinstance(value, Opaque):
        return _kept(value, case.inputs["x"].shape)
    return compare_ties(value, case, rtol_for(value, tolerances))


def _kept(value: Opaque, shape: tuple[int, ...]) -> Mismatch:
    what = f"is of type {value.type_name!r}"
    wanted = f"should be a NumPy array of shape {shape!r}"
    return Mismatch(Kind.TYPE, f"{what}, and {wanted}", f"{what}, and stayed in the sandbox")


def _placeholder(value: object) -> str | None:
    """What a function's template returns before it is written, by name; None for any other value."""
    if isinstance(value, Opaque):
        return {"NotImplementedType": "NotImplemented", "ellipsis": "..."}.get(value.type_name)
    names = ((None, "None"), (NotImplemented, "NotImplemented"), (Ellipsis, "..."))
    return next((name for placeholder, name in names if value is placeholder), None)
