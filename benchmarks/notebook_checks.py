"""What is checked of the five-cell notebook, by every tool alike: nothing but NumPy, in any environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FUNCTIONS = ("softmax", "accuracy", "loss", "fit")
_TOLERANCE = 1e-9
_FIT_TOLERANCE = 1e-3  # gradient descent comes close, and no closer


def check(name: str, function: Callable[..., Any], seed: int) -> None:
    """Raise AssertionError unless the notebook's function of this name is right."""
    arguments, right, tolerance = _CASES[name](np.random.default_rng(seed))
    answer = np.asarray(function(*arguments))
    assert answer.shape == right.shape, f"{name}: the answer has another shape."
    assert np.abs(answer - right).max() <= tolerance, f"{name}: the answer is not right."


_Case = tuple[tuple[Any, ...], np.ndarray, float]


def _softmax(draws: np.random.Generator) -> _Case:
    scores = draws.normal(size=(20, 10))
    powers = np.exp(scores)
    return (scores,), powers / powers.sum(axis=1, keepdims=True), _TOLERANCE


def _accuracy(draws: np.random.Generator) -> _Case:
    scores, labels = draws.normal(size=(50, 10)), draws.integers(0, 10, 50)
    return (scores, labels), np.mean(scores.argmax(axis=1) == labels), _TOLERANCE


def _loss(draws: np.random.Generator) -> _Case:
    features, targets, weights = _line(draws)
    wrong = weights + 1.0
    return (features, targets, wrong), np.mean((features @ wrong - targets) ** 2), _TOLERANCE


def _fit(draws: np.random.Generator) -> _Case:
    features, targets, weights = _line(draws)
    return (features, targets), weights, _FIT_TOLERANCE


def _line(draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features, weights = draws.normal(size=(200, 4)), draws.normal(size=4)
    return features, features @ weights, weights


_CASES: dict[str, Callable[[np.random.Generator], _Case]] = {
    "softmax": _softmax,
    "accuracy": _accuracy,
    "loss": _loss,
    "fit": _fit,
}
