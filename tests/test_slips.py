"""Every slip shows, is told from all others, and is what a student's own slip gives."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from autograder.checks.arrays import compare
from autograder.checks.cases import Answer, CasePack, SlipAnswers
from autograder.checks.gradients import Observed, diagnose, judge, judge_ties
from autograder.outcome import CheckFailed, GraderFault, StudentException
from reference.conv_cases import build_pack
from reference.slips import SLIPS, Slip
from tests.naive import FUNCTIONS, STYLES, Student, edited
from tests.slipping_students import STUDENTS, SlippingStudent

TOLERANCES = {"conv_float64_rtol": 1e-9, "conv_float32_rtol": 1e-4}
SEEDS = (1, 2, 3)
TIERS = [("conv", "contract"), ("conv", "extended"), ("pool", "contract"), ("pool", "extended")]


def pack_of(slip: Slip, seed: int) -> CasePack:
    """The pack that every slip of this layer and kind shows in."""
    layer = "conv" if slip.function.startswith("conv") else "pool"
    return build_pack(layer, "ties" if slip.ties_only else "extended", seed)


def answers_of(slip: Slip, pack: CasePack) -> SlipAnswers:
    (found,) = (answers for answers in pack.slips if answers.id == slip.id)
    return found


def as_observed(answers: Sequence[Answer]) -> list[Observed]:
    fell = StudentException("index 9 is out of bounds", exception="IndexError")
    return [Observed(problem=fell) if answer is None else Observed(answer) for answer in answers]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.id)
def test_each_slip_is_diagnosed_as_itself_and_nothing_else(slip: Slip, seed: int) -> None:
    pack = pack_of(slip, seed)
    observed = as_observed(answers_of(slip, pack).answers)
    assert [found.id for found in diagnose(slip.output, observed, pack, TOLERANCES)] == [slip.id]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.id)
def test_each_slip_differs_from_the_truth(slip: Slip) -> None:
    pack = pack_of(slip, 1)
    pairs = zip(answers_of(slip, pack).answers, pack.expected[slip.output], strict=True)
    assert any(answer is None or compare(answer, truth, 1e-3) is not None for answer, truth in pairs)


@pytest.mark.parametrize("slip", [slip for slip in SLIPS if slip.ties_only], ids=lambda slip: slip.id)
def test_a_slip_about_ties_is_wrong_under_any_rule_for_ties(slip: Slip) -> None:
    pack = build_pack("pool", "ties", 1)
    with pytest.raises(CheckFailed) as caught:
        judge_ties("max_pool_backward_naive", as_observed(answers_of(slip, pack).answers), pack, TOLERANCES)
    assert slip.sentence in caught.value.message


def test_the_catalogue_is_in_order() -> None:
    assert len(SLIPS) >= 18
    assert len({slip.id for slip in SLIPS}) == len(SLIPS)
    outputs = {(slip.function, slip.output) for slip in SLIPS}
    assert outputs == {
        ("conv_forward", "out"),
        ("conv_backward", "dx"),
        ("conv_backward", "dw"),
        ("conv_backward", "db"),
        ("max_pool_forward", "out"),
        ("max_pool_backward", "dx"),
    }
    for output in outputs:
        sentences = [slip.sentence for slip in SLIPS if (slip.function, slip.output) == output]
        assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.id)
def test_each_sentence_is_a_short_text_without_code(slip: Slip) -> None:
    assert re.fullmatch(r"[A-Za-z].*[.]", slip.sentence)
    assert "  " not in slip.sentence
    assert len(slip.sentence) <= 260
    assert "+=" not in slip.sentence


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("layer", "tier"), TIERS)
def test_right_students_pass_and_are_never_diagnosed(layer: str, tier: str, style: str) -> None:
    pack = build_pack(layer, tier, 11)
    student = Student(STYLES[style])
    for output in pack.expected:
        observed = student.answers(pack, output)
        judge("f", output, observed, pack, TOLERANCES)
        assert diagnose(output, observed, pack, TOLERANCES) == []


@pytest.mark.parametrize("style", STYLES)
def test_right_students_pass_the_ties(style: str) -> None:
    pack = build_pack("pool", "ties", 11)
    judge_ties("f", Student(STYLES[style]).answers(pack, "dx"), pack, TOLERANCES)


@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_a_students_own_slip_is_diagnosed(student: SlippingStudent) -> None:
    """The mutants are no straw men: the slip made in a student's code, by one edit, is the slip named."""
    function = FUNCTIONS[student.layer, student.output]
    pack = build_pack(student.layer, student.tier, 4)
    observed = Student(edited(STYLES[student.style], function, student.edits)).answers(pack, student.output)
    found = [slip.id.rpartition(".")[2] for slip in diagnose(student.output, observed, pack, TOLERANCES)]
    assert found == [student.slip]


def test_an_exception_that_is_no_edge_is_no_slip() -> None:
    pack = build_pack("conv", "extended", 1)
    (swapped,) = (slip for slip in pack.slips if slip.id.endswith("image_sizes_swapped"))
    observed = as_observed(swapped.answers)
    assert [slip.id for slip in diagnose("out", observed, pack, TOLERANCES)] == [swapped.id]
    other = StudentException("name 'padd' is not defined", exception="NameError")
    observed = [Observed(problem=other) if seen.problem else seen for seen in observed]
    assert diagnose("out", observed, pack, TOLERANCES) == []
    with pytest.raises(StudentException, match="is right for"):
        judge("f", "out", observed, pack, TOLERANCES)


def test_two_slips_at_once_are_not_named_as_one() -> None:
    pack = build_pack("conv", "extended", 1)
    truth = [Observed(-np.flip(array)) for array in pack.expected["dw"]]
    assert diagnose("dw", truth, pack, TOLERANCES) == []


def test_packs_are_the_same_for_the_same_seed_and_read_only() -> None:
    one, other = build_pack.__wrapped__("conv", "contract", 5), build_pack("conv", "contract", 5)
    assert build_pack("conv", "contract", 5) is other
    for mine, theirs in zip(one.cases, other.cases, strict=True):
        assert mine.name == theirs.name
        assert mine.inputs["x"].tobytes() == theirs.inputs["x"].tobytes()
        assert not mine.inputs["x"].flags.writeable
    assert (
        build_pack("conv", "contract", 6).cases[0].inputs["x"].tobytes() != one.cases[0].inputs["x"].tobytes()
    )
    public, hidden = (
        build_pack("conv", "contract", 5).cases[0].dout,
        build_pack("conv", "extended", 5).cases[0].dout,
    )
    assert not np.isin(public, hidden).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_input_hides_a_slip(seed: int) -> None:
    for layer, tier in TIERS:
        for case in build_pack(layer, tier, seed).cases:
            for array in (*case.inputs.values(), case.dout):
                assert np.abs(array).min() > 0.02
                assert array.dtype == np.float64


@pytest.mark.parametrize("seed", SEEDS)
def test_maxima_are_unique_with_a_margin_outside_the_ties(seed: int) -> None:
    for tier in ("contract", "extended"):
        for case in build_pack("pool", tier, seed).cases:
            for channel in case.inputs["x"].reshape(-1, case.inputs["x"][0, 0].size):
                assert np.diff(np.sort(channel)).min() > 0.05


def test_the_ties_have_all_their_kinds() -> None:
    kinds = set()
    for case in build_pack("pool", "ties", 1).cases:
        height, width, stride = (case.params[key] for key in ("pool_height", "pool_width", "stride"))
        assert max(height, width) <= stride
        x = case.inputs["x"]
        for i, j in np.ndindex(*case.dout.shape[2:]):
            window = x[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
            for pixels in window.reshape(-1, height * width):
                kinds.add((int((pixels == pixels.max()).sum()), bool(pixels.max() == 0)))
    assert {(1, False), (2, False), (2, True), (4, True), (4, False)} <= kinds


def test_an_unknown_tier_is_our_fault() -> None:
    with pytest.raises(GraderFault, match="no tier 'ties' for the layer 'conv'"):
        build_pack("conv", "ties", 1)
