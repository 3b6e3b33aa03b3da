"""Gradients by central differences, in the way of CS231n's notebooks, to compare the price of a check with.

For every element of every input the student's forward pass is called twice, and the difference of the two
outputs is contracted with the gradient that comes from above.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autograder.checks.cases import Array, Case, CasePack
from benchmarks.direct import GRADIENTS, INPUTS, Functions, forward_of

_STEP = 1e-5  # CS231n's own


def numerical_gradient(function: Callable[[Array], Array], x: Array, dout: Array) -> Array:
    """The gradient at ``x``, which is changed meanwhile and put back, of sum(function(x) * dout)."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        value = x[index]
        x[index] = value + _STEP
        above = np.array(function(x))
        x[index] = value - _STEP
        below = np.array(function(x))
        x[index] = value
        gradient[index] = np.sum((above - below) * dout) / (2 * _STEP)
    return gradient


def gradients_of(functions: Functions, case: Case, layer: str) -> dict[str, Array]:
    """dx (and dw and db) of one case."""
    forward, params = forward_of(functions, layer), dict(case.params)
    inputs = {name: np.array(case.inputs[name]) for name in INPUTS[layer]}

    def out(_: Array) -> Array:
        result: Array = forward(*inputs.values(), params)[0]
        return result

    return {
        gradient: numerical_gradient(out, inputs[name], case.dout)
        for gradient, name in zip(GRADIENTS[layer], INPUTS[layer], strict=True)
    }


def gradients_of_all(functions: Functions, pack: CasePack) -> list[dict[str, Array]]:
    """Those of every case of ``pack`` that judges gradients, in order."""
    return [gradients_of(functions, case, pack.layer) for case in _judging(pack)]


def calls(pack: CasePack) -> int:
    """How often the forward pass is called for that."""
    return sum(2 * case.inputs[name].size for case in _judging(pack) for name in INPUTS[pack.layer])


def worst_error(found: list[dict[str, Array]], pack: CasePack) -> float:
    """The largest difference from the reference, as a share of the reference's largest value."""
    return max(
        float(np.abs(answer[output] - expected).max() / np.abs(expected).max())
        for output in GRADIENTS[pack.layer]
        for answer, expected in zip(found, pack.expected[output], strict=True)
    )


def _judging(pack: CasePack) -> tuple[Case, ...]:
    return pack.cases_for(GRADIENTS[pack.layer][0])
