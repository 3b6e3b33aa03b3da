"""A case pack made by hand, so that the engine's judging is tested without the reference.

One function, doubling; two slips of it: with pad 0 one adds 1 and the other falls off an array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autograder.checks.gradients import Case, CasePack, Observed, SlipAnswers
from autograder.outcome import StudentException

TOLERANCES = {"conv_float64_rtol": 1e-9, "conv_float32_rtol": 1e-4}
TRAITS = [("stride 1", "pad 1"), ("stride 2", "pad 1"), ("stride 1", "pad 0"), ("stride 2", "pad 0")]


def small_pack(traits: Sequence[tuple[str, ...]] = TRAITS) -> CasePack:
    rng = np.random.default_rng(1)
    cases, truth, added, flipped, fell = [], [], [], [], []
    for k, words in enumerate(traits):
        x, dout = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
        pad = 0 if "pad 0" in words else 1
        cases.append(Case(f"case {k}", words, {"x": x}, {"pad": pad}, dout, ("out",)))
        truth.append(2 * x)
        added.append(2 * x + (pad == 0))
        flipped.append(-2 * x if pad == 0 else 2 * x)
        fell.append(None if pad == 0 else 2 * x)
    slips = (
        SlipAnswers("f.out.added", "out", "One is added with pad 0.", tuple(added)),
        SlipAnswers("f.out.flipped", "out", "The sign is wrong with pad 0.", tuple(flipped)),
        SlipAnswers("f.out.negated", "out", "A minus stands too early.", tuple(flipped)),
        SlipAnswers("f.out.fell", "out", "It falls off the edge with pad 0.", tuple(fell)),
    )
    return CasePack("conv", "contract", 1, tuple(cases), {"out": tuple(truth)}, slips)


def raised(exception: str, message: str = "Your code raised.") -> Observed:
    return Observed(problem=StudentException(message, exception=exception, hint="Mend it.", staff="line 3"))


def right(pack: CasePack) -> list[Observed]:
    return [Observed(array.copy()) for array in pack.expected["out"]]
