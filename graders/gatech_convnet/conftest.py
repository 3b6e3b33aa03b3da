"""Fixtures of this grader: the case packs, and what the student's functions made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.checks.cases import CasePack, load_pack
from autograder.checks.layers import FUNCTIONS, FUNCTIONS_OF, LayerRun, judge_layer, run_layer
from autograder.outcome import CheckFailed

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.layers import Judge, Layer, Tier
    from autograder.handed_in import HandedIn

Packs = Callable[["Layer", "Tier"], CasePack]
Runs = Callable[["Layer", "Tier"], LayerRun]
LayersPath = Callable[["Layer"], str]
PUBLIC_PACKS = Path(__file__).with_name("public")


@pytest.fixture(scope="session")
def packs(seed: int, public: bool) -> Packs:
    """The cases of a layer's tier, with the right answers."""

    def pack(layer: Layer, tier: Tier) -> CasePack:
        shipped = PUBLIC_PACKS / f"{layer}-{tier}.safetensors"
        if public and shipped.exists():
            return load_pack(shipped)
        from reference.conv_cases import build_pack  # noqa: PLC0415  (students' bundles come without it)

        return build_pack(layer, tier, seed)

    return pack


@pytest.fixture(scope="session")
def layers_path(submission: HandedIn) -> LayersPath:
    """The path of the file with a layer's functions, asked for inside a test so that it can fail there."""

    def path(layer: Layer) -> str:
        best = submission.source_of("layers", FUNCTIONS)
        try:
            return submission.source_of("layers", FUNCTIONS_OF[layer])
        except CheckFailed:  # none of the two is written: say so of the file with the other two
            return best

    return path


@pytest.fixture(scope="session")
def runs(
    submission: HandedIn,
    packs: Packs,
    layers_path: LayersPath,
    assignment: Assignment,
    public: bool,
) -> Runs:
    """What the student's functions gave for a pack: each is run once and serves several tests."""
    known: dict[tuple[Layer, Tier], LayerRun] = {}

    def run(layer: Layer, tier: Tier) -> LayerRun:
        if (layer, tier) not in known:
            before = next((known[key] for key in known if key[0] == layer), None)
            module = submission.module(layers_path(layer))
            known[layer, tier] = run_layer(
                module, packs(layer, tier), assignment.tolerances, before=before, public=public
            )
        return known[layer, tier]

    return run


@pytest.fixture(scope="session")
def judge(runs: Runs, packs: Packs, assignment: Assignment, public: bool) -> Judge:
    """Judges one output of a layer in a tier's cases."""

    def judge_output(layer: Layer, tier: Tier, output: str) -> None:
        judge_layer(runs(layer, tier), packs(layer, tier), output, assignment.tolerances, public=public)

    return judge_output
