"""What is judged right, what is named, and what the student and staff read of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autograder.checks.gradients import (
    CasePack,
    Observed,
    Opaque,
    SlipAnswers,
    diagnose,
    judge,
    judge_ties,
    judge_unmodified,
)
from autograder.outcome import (
    CheckFailed,
    GraderFault,
    LimitExceeded,
    NotRun,
    ProcessEnded,
    StudentException,
    SubmissionProblem,
)
from reference.conv_cases import Layer, Tier, build_pack
from tests.checks.packs import TOLERANCES, raised, right, small_pack

PACK = small_pack()


def refused(
    observed: list[Observed], *, pack: CasePack = PACK, output: str = "out", public: bool = False
) -> SubmissionProblem:
    with pytest.raises(SubmissionProblem) as caught:
        judge("f_naive", output, observed, pack, TOLERANCES, public=public)
    return caught.value


def with_slip(name: str) -> list[Observed]:
    (slip,) = (slip for slip in PACK.slips if slip.id == f"f.out.{name}")
    return [raised("IndexError") if answer is None else Observed(answer) for answer in slip.answers]


def test_right_answers_pass_in_either_precision() -> None:
    judge("f_naive", "out", right(PACK), PACK, TOLERANCES)
    single = [Observed(array.astype(np.float32)) for array in PACK.expected["out"]]
    judge("f_naive", "out", single, PACK, TOLERANCES)
    assert diagnose("out", single, PACK, TOLERANCES) == []


def test_a_slip_is_named_with_the_cases_it_shows_in() -> None:
    problem = refused(with_slip("added"))
    assert type(problem) is CheckFailed
    assert problem.message == (
        "f_naive: out is right for pad 1, but is wrong for pad 0.\nOne is added with pad 0."
    )
    assert problem.hint == "Your answers are exactly what this slip gives, so start there."
    first, second, *rest = problem.staff.splitlines()
    assert first == "slip: f.out.added"
    assert second.startswith("case 'case 2': worst at index ")
    assert len(rest) == 1


def test_slips_that_no_case_tells_apart_are_all_named() -> None:
    problem = refused(with_slip("flipped"))
    assert problem.message == (
        "f_naive: out is right for pad 1, but is wrong for pad 0.\n"
        "This is what each of these slips gives:\n"
        "- The sign is wrong with pad 0.\n"
        "- A minus stands too early."
    )
    assert problem.hint == "The cases here don't tell them apart; look for each of them."


def test_a_slip_that_falls_off_an_array_is_named_too() -> None:
    problem = refused(with_slip("fell"))
    assert type(problem) is CheckFailed
    assert problem.message.endswith("\nIt falls off the edge with pad 0.")


def test_a_slip_in_all_cases_but_one_is_not_named() -> None:
    observed = with_slip("added")
    observed[3] = Observed(PACK.expected["out"][3])
    assert diagnose("out", observed, PACK, TOLERANCES) == []
    assert refused(observed).message == (
        "f_naive: out is right for pad 1 and stride 2, but is wrong for pad 0 with stride 1.\n"
        "With stride 1, pad 0: out has the right shape, but all 6 values are wrong."
    )


def test_a_wrong_value_without_a_known_slip() -> None:
    problem = refused([Observed(array * 3) for array in PACK.expected["out"]])
    assert problem.message == (
        "f_naive: out is wrong in all 4 cases.\n"
        "With stride 1, pad 1: out has the right shape, but all 6 values are wrong."
    )
    assert problem.hint == (
        "Make a tiny case of your own (stride 1, pad 1), and follow one value of out by hand."
    )


def test_a_wrong_shape() -> None:
    problem = refused([Observed(array.T.copy()) for array in PACK.expected["out"]])
    assert problem.message.endswith(
        "\nWith stride 1, pad 1: out has shape (3, 2), and should have shape (2, 3)."
    )
    assert (
        problem.hint
        == "Print the shape of out for a case with stride 1, pad 1, and work out what it should be."
    )


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "None"),
        (NotImplemented, "NotImplemented"),
        (..., "..."),
        (Opaque("object: NotImplementedType"), "NotImplemented"),
    ],
)
def test_a_function_that_is_not_written_yet(value: object, name: str) -> None:
    problem = refused([Observed(value)] * 4)
    assert type(problem) is CheckFailed
    assert problem.message == (
        f"f_naive returned {name} as out: it looks as if this function has not been written yet."
    )
    assert problem.hint == "Write f_naive, and return what its docstring promises."


def test_not_implemented_error_is_an_unwritten_function_too() -> None:
    problem = refused([raised("builtins.NotImplementedError")] * 4)
    assert type(problem) is StudentException
    assert problem.message == (
        "f_naive raised NotImplementedError: it looks as if this function has not been written yet."
    )


def test_none_in_one_case_is_a_wrong_type() -> None:
    observed = right(PACK)
    observed[2] = Observed(None)
    assert refused(observed).message == (
        "f_naive: out is right for pad 1 and stride 2, but is wrong for pad 0 with stride 1.\n"
        "With stride 1, pad 0: out is None, and should be a NumPy array of shape (2, 3)."
    )


def test_a_value_that_stays_in_the_sandbox() -> None:
    problem = refused([Observed(Opaque("object: Tensor"))] * 4)
    assert problem.message.endswith("out is of type 'Tensor', and should be a NumPy array of shape (2, 3).")
    assert problem.hint == "Return out as the NumPy array that you computed."


def test_code_that_breaks_in_some_cases_is_an_error_with_the_cases_named() -> None:
    observed = right(PACK)
    observed[2] = observed[3] = raised("ZeroDivisionError")
    problem = refused(observed)
    assert type(problem) is StudentException
    assert problem.exception == "ZeroDivisionError"
    assert problem.message == ("f_naive: out is right for pad 1, but breaks for pad 0.\nYour code raised.")
    assert problem.hint == "Mend it."
    assert problem.staff.startswith("line 3\ncase 'case 2': StudentException: Your code raised.")


def test_code_that_is_wrong_here_and_breaks_there_has_failed() -> None:
    observed = [Observed(array * 3) for array in PACK.expected["out"]]
    observed[3] = raised("IndexError")
    problem = refused(observed)
    assert type(problem) is CheckFailed
    assert problem.message == (
        "f_naive: out is wrong in all 4 cases.\n"
        "With stride 1, pad 1: out has the right shape, but all 6 values are wrong.\n"
        "With stride 2, pad 0, it broke: Your code raised."
    )


def test_an_exception_is_raised_as_what_it_is_and_left_as_it_was() -> None:
    problem = StudentException("It raised.", exception="KeyError", hint="Look.")
    raised_again = refused([Observed(problem=problem)] * 4)
    assert type(raised_again) is StudentException
    assert raised_again is not problem
    assert raised_again.message == "f_naive: out breaks in all 4 cases.\nIt raised."
    assert str(raised_again) == raised_again.message
    assert (raised_again.hint, raised_again.exception) == ("Look.", "KeyError")
    assert problem.message == "It raised."


@pytest.mark.parametrize(
    "problem",
    [
        LimitExceeded("wall_s", 10),
        ProcessEnded("It died.", hint="Look."),
        NotRun("It was not called again."),
        CheckFailed("f_naive returned one array, where (out, cache) is asked for."),
    ],
)
def test_a_problem_that_is_not_about_a_case_is_told_as_it_is(problem: SubmissionProblem) -> None:
    assert refused([Observed(problem=problem)] * 4) is problem


def test_code_that_only_ever_raises_shows_no_slip() -> None:
    always = SlipAnswers("f.out.always", "out", "It always falls off the edge.", (None,) * 4)
    pack = replace(PACK, slips=(*PACK.slips, always))
    assert diagnose("out", [raised("IndexError")] * 4, pack, TOLERANCES) == []


def test_a_limit_is_not_an_edge() -> None:
    observed = with_slip("fell")
    observed[2] = Observed(problem=LimitExceeded("wall_s", 10))
    assert diagnose("out", observed, PACK, TOLERANCES) == []


def test_public_cases_show_their_values() -> None:
    observed = with_slip("added")
    hidden, public = refused(observed), refused(observed, public=True)
    assert not re.search(r"\d\.\d", hidden.student_text)
    assert public.message.startswith(hidden.message + "\nIn the public case 'case 2': worst at index ")
    worst = re.search(r"expected (\S+),", public.message)
    assert worst
    assert float(worst[1]) in PACK.expected["out"][2]


def _wrongs(truth: NDArray[np.float64]) -> Iterator[object]:
    yield from (truth + 1, truth * 1.5, np.zeros_like(truth), truth[..., :1], truth * np.nan, None)
    yield from (truth.astype(int), truth.tolist(), float(truth.flat[0]), truth[None])


@pytest.mark.parametrize(
    ("layer", "tier"),
    [
        ("conv", "contract"),
        ("conv", "extended"),
        ("pool", "contract"),
        ("pool", "extended"),
        ("pool", "ties"),
    ],
)
def test_no_hidden_value_reaches_the_student(layer: Layer, tier: Tier) -> None:
    pack = build_pack(layer, tier, 77)
    for output, truth in pack.expected.items():
        attempts = [
            [Observed(wrong) for wrong in wrongs] for wrongs in zip(*map(_wrongs, truth), strict=True)
        ]
        attempts += [
            [raised("IndexError") if a is None else Observed(a) for a in slip.answers]
            for slip in pack.slips_for(output)
        ]
        for observed in attempts:
            text = read_by_the_student(output, observed, pack)
            assert not re.search(r"\d\.\d|\de[-+]?\d", text), text


def read_by_the_student(output: str, observed: list[Observed], pack: CasePack) -> str:
    try:
        if pack.tier == "ties":
            judge_ties("f_naive", observed, pack, TOLERANCES)
        judge("f_naive", output, observed, pack, TOLERANCES)
    except SubmissionProblem as problem:
        return problem.student_text
    return ""


def test_answers_must_run_along_the_cases() -> None:
    with pytest.raises(GraderFault, match="3 answers were given for the 4 cases that judge 'out'"):
        judge("f_naive", "out", right(PACK)[:3], PACK, TOLERANCES)
    with pytest.raises(GraderFault, match="0 answers were given for the 0 cases that judge 'dz'"):
        diagnose("dz", [], PACK, TOLERANCES)


def test_a_missing_tolerance_is_our_fault() -> None:
    with pytest.raises(GraderFault, match="conv_float64_rtol"):
        judge("f_naive", "out", right(PACK), PACK, {})


def test_an_input_that_was_changed() -> None:
    case = PACK.cases[0]
    judge_unmodified("f_naive", "x", case.inputs["x"], case.inputs["x"].copy(), case)
    with pytest.raises(CheckFailed) as caught:
        judge_unmodified("f_naive", "x", case.inputs["x"], np.abs(case.inputs["x"]) + 1, case)
    assert caught.value.message == (
        "f_naive changes its input: x is not what it was: all 6 values are different after the call."
    )
    assert caught.value.hint == "Work on a copy of x, and leave what your function is given as it is."
    assert caught.value.staff == "case 'case 0': 6 of 6 changed, first at index (0, 0)"
