"""What a notebook's networks made of images, read on the trusted side.

The scores were computed beside student code (kernel/predict.py): exact shapes and types first, and whatever
isn't a number counts as no answer for its image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.sandbox import wire
from autograder.text import clean, cut_line

PREDICTING = "the prediction for images that it has not seen"
CLASSES = 10
_MOST_WAYS = 32
_TEXT = 200
_FEWEST = 50  # images that are scored at once (kernel/predict.py): a share of fewer would be luck


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A network with a way to prepare images for it.

    ``scores`` is (n, 10), float32, for the first n images, as many as there was time for; a row with a NaN in
    it is no answer. None where there are none, then ``problem`` says why.
    """

    number: int
    network: str
    preparation: str
    scores: np.ndarray | None
    problem: str = ""

    def hits(self, labels: np.ndarray, top: int = 1) -> np.ndarray:
        """For each scored image whether its label is among the ``top`` scores."""
        if self.scores is None:
            return np.zeros(0, dtype=bool)
        told = labels[: len(self.scores)]
        answered = ~(np.isnan(self.scores).any(axis=1) | np.isposinf(self.scores).any(axis=1))
        best = np.argsort(-np.nan_to_num(self.scores), axis=1, kind="stable")[:, :top]
        found: np.ndarray = answered & (best == told[:, None]).any(axis=1)
        return found


def read_ways(reply: dict[str, Any], arrays: dict[str, np.ndarray], count: int) -> tuple[Way, ...]:
    """The ways of a reply as far as they are some; ``count`` images were sent."""
    listed = reply.get("ways")
    found = [_way(one, arrays, count) for one in listed[:_MOST_WAYS]] if isinstance(listed, list) else []
    return tuple(way for way in found if way is not None)


def _way(raw: Any, arrays: dict[str, np.ndarray], count: int) -> Way | None:
    if not isinstance(raw, dict) or type(raw.get("number")) is not int or not 0 <= raw["number"] < _MOST_WAYS:
        return None
    try:
        scores = wire.decode(raw.get("scores"), arrays)
    except wire.WireError:
        scores = None
    network, preparation, problem = (_line(raw.get(name)) for name in ("network", "preparation", "problem"))
    if not _is_table(scores, count):
        return Way(raw["number"], network, preparation, None, problem or "it gave no scores")
    return Way(raw["number"], network, preparation, scores)


def _is_table(scores: Any, count: int) -> bool:
    return (
        type(scores) is np.ndarray
        and scores.dtype == np.float32
        and scores.ndim == 2
        and min(count, _FEWEST) <= scores.shape[0] <= count
        and scores.shape[1] == CLASSES
    )


def _line(value: Any) -> str:
    return cut_line(" ".join(clean(value, _TEXT).split()), _TEXT) if isinstance(value, str) else ""
