"""The forms in which networks take a batch of images, and the scores among what they return."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any


class Unusable(Exception):
    """What a network gives is no table of scores."""


@dataclass(frozen=True, slots=True)
class Form:
    """``name`` says in words what becomes of a batch of prepared images; "" is the batch as it is."""

    name: str
    change: Callable[[Any], Any]

    def suits(self, batch: Any) -> bool:
        return not self.name or batch.dim() >= 3


FORMS = (
    Form("", lambda batch: batch),
    Form("each image in one row", lambda batch: batch.reshape(len(batch), -1)),
    Form("without an axis for channels", lambda batch: batch.squeeze(1)),
    Form("with an axis for channels", lambda batch: batch.unsqueeze(1)),
    Form("in three channels", lambda batch: batch.expand(-1, 3, -1, -1)),
)


def number_kind(module: Any) -> Any:
    """The kind of numbers that a network computes with; None is a function."""
    parameters = module.parameters() if module is not None else ()
    kinds = (one.dtype for one in parameters if one.dtype.is_floating_point)
    return next(kinds, sys.modules["torch"].float32)


def scores_in(answer: Any, count: int, classes: int | None = None) -> Any:
    """The scores among what a network returned for ``count`` images: (count, classes)."""
    return way_to_scores(answer, count, classes)(answer)


def way_to_scores(answer: Any, count: int, classes: int | None = None) -> Callable[[Any], Any]:
    """Takes the scores out of any answer like this one; ``classes`` is None where any number will do."""
    torch = sys.modules["torch"]
    for take, one in _parts(answer):
        if not torch.is_tensor(one) or one.dim() < 2 or not one.dtype.is_floating_point:
            continue
        wide = int(one.shape[1])
        right = wide == classes if classes is not None else wide > 1
        if right and int(one.shape[0]) == count and all(int(length) == 1 for length in one.shape[2:]):
            return take if one.dim() == 2 else _flat(take)
    wanted = f"({count}, {classes or 'classes'})"
    raise Unusable(f"it gives {described(answer)}, where {wanted} scores are expected")


def _flat(take: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda given: take(given).flatten(1)


def is_plain(answer: Any) -> bool:
    """Whether a network returned its table of scores and nothing else."""
    return bool(sys.modules["torch"].is_tensor(answer) and answer.dim() == 2)


def _parts(answer: Any) -> list[tuple[Callable[[Any], Any], Any]]:
    """What may be the scores, each with the way to it."""
    if isinstance(answer, dict):
        keys = sorted(answer, key=lambda key: key != "logits")  # stable
        return [(itemgetter(key), answer[key]) for key in keys]
    if hasattr(answer, "logits"):
        return [(attrgetter("logits"), answer.logits)]
    if isinstance(answer, (list, tuple)):
        return [(itemgetter(at), one) for at, one in enumerate(answer)]
    return [(lambda given: given, answer)]


def described(answer: Any) -> str:
    shape = getattr(answer, "shape", None)
    if shape is not None:
        return f"shape {tuple(shape)}"
    return f"a {type(answer).__name__}" if answer is not None else "nothing"
