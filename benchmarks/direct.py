"""A student's functions called directly, without a sandbox: the cases and the judgement are a grading's own.

The other tools' tests use it as well, so that all of them check the same thing; so it imports nothing that
those can do without.
"""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.checks.cases import Array, Case, CasePack
from autograder.checks.diagnosis import Observed
from autograder.checks.gradients import judge, judge_ties, judge_unmodified
from benchmarks.machine import ASSIGNMENT, ROOT
from reference.conv_cases import build_pack

if TYPE_CHECKING:
    from autograder.checks.layers import Layer, Tier

Functions = Mapping[str, Callable[..., Any]]
PACKS: tuple[tuple[Layer, Tier], ...] = (
    ("conv", "contract"),
    ("pool", "contract"),
    ("conv", "extended"),
    ("pool", "extended"),
    ("pool", "ties"),
)
CHECKS: tuple[tuple[Layer, Tier, str], ...] = (
    *(("conv", "contract", output) for output in ("out", "dx", "dw", "db")),
    *(("pool", "contract", output) for output in ("out", "dx")),
    *(("conv", "extended", output) for output in ("out", "dx", "dw", "db")),
    *(("pool", "extended", output) for output in ("out", "dx")),
    ("pool", "ties", "dx"),
)
INPUTS = {"conv": ("x", "w", "b"), "pool": ("x",)}
GRADIENTS = {"conv": ("dx", "dw", "db"), "pool": ("dx",)}
_NAMES = {
    "conv": ("conv_forward_naive", "conv_backward_naive"),
    "pool": ("max_pool_forward_naive", "max_pool_backward_naive"),
}
_MANIFEST = ROOT / "graders" / ASSIGNMENT / "assignment.toml"
TOLERANCES: Mapping[str, float] = tomllib.loads(_MANIFEST.read_text(encoding="utf-8"))["tolerances"]


@dataclass(slots=True)
class Played:
    """What a student's functions gave for a pack, and the inputs as they were left."""

    observed: dict[str, list[Observed]] = field(default_factory=dict)
    inputs: list[tuple[Case, str, str, Array]] = field(default_factory=list)  # case, function, name, after


def load_functions(path: Path) -> Functions:
    """The functions of a module, by name."""
    spec = importlib.util.spec_from_file_location("student", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def forward_of(functions: Functions, layer: str) -> Callable[..., Any]:
    return functions[_NAMES[layer][0]]


def play(functions: Functions, pack: CasePack) -> Played:
    """Forward for every case, backward for those that judge gradients, as a grading does."""
    forward, backward = (functions[name] for name in _NAMES[pack.layer])
    gradients = GRADIENTS[pack.layer]
    played = Played({output: [] for output in pack.expected})
    for case in pack.cases:
        inputs = {name: np.array(case.inputs[name]) for name in INPUTS[pack.layer]}
        out, cache = forward(*inputs.values(), dict(case.params))
        played.inputs += [(case, forward.__name__, name, array) for name, array in inputs.items()]
        answers = {"out": out}
        if gradients[0] in case.outputs:
            dout = np.array(case.dout)
            back = backward(dout, cache)
            answers |= zip(gradients, back if isinstance(back, tuple) else (back,), strict=True)
            played.inputs.append((case, backward.__name__, "dout", dout))
        for output in case.outputs:
            played.observed[output].append(Observed(answers[output]))
    return played


def judge_one(played: Played, pack: CasePack, output: str) -> None:
    """Raise unless ``output`` is right in every case, as the grader's test of it does."""
    name = _NAMES[pack.layer][output != "out"]
    if pack.tier == "ties":
        judge_ties(name, played.observed[output], pack, TOLERANCES)
    else:
        judge(name, output, played.observed[output], pack, TOLERANCES)


def judge_inputs(played: Played) -> None:
    """Raise if a function changed what it was given."""
    for case, function, name, after in played.inputs:
        judge_unmodified(function, name, case.inputs.get(name, case.dout), after, case)


def judge_all(played: Played, pack: CasePack) -> None:
    """All that a grading compares for this pack."""
    for output in pack.expected:
        judge_one(played, pack, output)
    judge_inputs(played)


def check(functions: Functions, seed: int, known: dict[tuple[Layer, Tier], Played], which: int) -> None:
    """One of CHECKS; ``known`` carries what was played from one check to the next."""
    layer, tier, output = CHECKS[which]
    pack = build_pack(layer, tier, seed)
    if (layer, tier) not in known:
        known[layer, tier] = play(functions, pack)
        judge_inputs(known[layer, tier])
    judge_one(known[layer, tier], pack, output)
