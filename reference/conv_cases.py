"""Builds the case packs for hand-written convolution and pooling layers.

A pack holds the cases of a tier, what is right, and what each known slip would answer. The slips' answers
are worked out only when they are asked for, so a grading of right solutions doesn't pay for them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from autograder.checks.cases import Answer, Case, CasePack, SlipAnswers
from autograder.outcome import GraderFault
from reference.case_shapes import (
    CONV_CONTRACT,
    CONV_EXTENDED,
    POOL_CONTRACT,
    POOL_EXTENDED,
    POOL_TIES,
    conv_case,
    distinct,
    frozen,
    pool_case,
    tied,
)
from reference.layers import Array, conv_backward, conv_forward, max_pool_backward, max_pool_forward
from reference.slips import Slip, slips_of

Layer: TypeAlias = Literal["conv", "pool"]
Tier: TypeAlias = Literal["contract", "extended", "ties"]
Arguments: TypeAlias = Callable[[Case], tuple[Any, ...]]


@lru_cache(maxsize=10)  # two submissions' packs: a whole class in one process must not pile up
def build_pack(layer: Layer, tier: Tier, seed: int) -> CasePack:
    """The same seed always gives the same pack; the arrays are read-only, so that it can be shared."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{layer}/{tier}".encode())])
    if (layer, tier) == ("conv", "contract"):
        cases = [conv_case(shape, rng) for shape in CONV_CONTRACT]
    elif (layer, tier) == ("conv", "extended"):
        cases = [conv_case(shape, rng) for shape in CONV_EXTENDED]
    elif (layer, tier) == ("pool", "contract"):
        cases = [pool_case(shape, distinct(shape, rng), rng) for shape in POOL_CONTRACT]
    elif (layer, tier) == ("pool", "extended"):
        cases = [pool_case(shape, distinct(shape, rng), rng) for shape in POOL_EXTENDED]
    elif (layer, tier) == ("pool", "ties"):
        cases = [pool_case(shape, tied(shape, rng), rng) for shape in POOL_TIES]
    else:
        raise GraderFault(
            f"there is no tier {tier!r} for the layer {layer!r}",
            remedy="Ask for contract or extended of conv, or for contract, extended or ties of pool.",
        )
    return _answered(layer, tier, seed, cases)


def conv_arguments(case: Case) -> tuple[Any, ...]:
    """x, w, b, stride, pad"""
    inputs, params = case.inputs, case.params
    return inputs["x"], inputs["w"], inputs["b"], params["stride"], params["pad"]


def pool_arguments(case: Case) -> tuple[Any, ...]:
    """x, pool_height, pool_width, stride"""
    params = case.params
    return case.inputs["x"], params["pool_height"], params["pool_width"], params["stride"]


def _answered(layer: Layer, tier: Tier, seed: int, cases: Sequence[Case]) -> CasePack:
    """The cases with what is right, and with what each slip of the layer makes of them."""
    arguments, truth, functions = (
        (conv_arguments, _conv_truth, ("conv_forward", "conv_backward"))
        if layer == "conv"
        else (pool_arguments, _pool_truth, ("max_pool_forward", "max_pool_backward"))
    )
    expected: dict[str, list[Array]] = {}
    for case in cases:
        for output, array in truth(case).items():
            expected.setdefault(output, []).append(frozen(array))
    slips = [
        SlipAnswers(slip.id, slip.output, slip.sentence, _Answers(slip, cases, arguments))
        for slip in slips_of(*functions)
        if slip.output in expected and slip.ties_only == (tier == "ties")
    ]
    answers = {output: tuple(arrays) for output, arrays in expected.items()}
    return CasePack(layer, tier, seed, tuple(cases), answers, tuple(slips))


class _Answers(Sequence[Answer]):
    """What a slip answers to each case that judges its output; computed once, when first asked for."""

    def __init__(self, slip: Slip, cases: Sequence[Case], arguments: Arguments) -> None:
        self._slip, self._arguments = slip, arguments
        self._cases = [case for case in cases if slip.output in case.outputs]
        self._known: dict[int, Answer] = {}

    def __len__(self) -> int:
        return len(self._cases)

    @overload
    def __getitem__(self, index: int) -> Answer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Answer]: ...
    def __getitem__(self, index: int | slice) -> Answer | Sequence[Answer]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        if position not in self._known:
            self._known[position] = self._answer(self._cases[position])
        return self._known[position]

    def _answer(self, case: Case) -> Answer:
        upstream = () if self._slip.output == "out" else (case.dout,)
        try:
            return frozen(self._slip.mutant(*upstream, *self._arguments(case)))
        except (IndexError, ValueError):  # a window falls off the image, as the student's does
            return None


def _conv_truth(case: Case) -> dict[str, Array]:
    truth: dict[str, Array] = {}
    if "out" in case.outputs:
        truth["out"] = conv_forward(*conv_arguments(case))
    if "dx" in case.outputs:
        truth["dx"], truth["dw"], truth["db"] = conv_backward(case.dout, *conv_arguments(case))
    return truth


def _pool_truth(case: Case) -> dict[str, Array]:
    truth: dict[str, Array] = {}
    if "out" in case.outputs:
        truth["out"] = max_pool_forward(*pool_arguments(case))
    if "dx" in case.outputs:
        truth["dx"] = max_pool_backward(case.dout, *pool_arguments(case))
    return truth
