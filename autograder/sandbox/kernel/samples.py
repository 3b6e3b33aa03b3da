"""A few images in a form that a network takes, found by trying."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.sandbox.kernel.forms import FORMS, is_plain, number_kind, way_to_scores

_TRIED = 2  # images: with one, a network that lost their axis would not be seen
_USUAL_SIDES = (28, 32, 64, 224, 96, 128, 299)  # of images, where no prepared probe fits


@dataclass(frozen=True, slots=True)
class Sample:
    """A batch that a network takes, in what form it comes from a prepared one, and the way to its scores."""

    batch: Any
    form: str
    scores: Callable[[Any], Any] | None  # None where the network returns nothing else


def find(module: Any, prepared: Sequence[np.ndarray], shape: tuple[int, ...] | None) -> Sample:
    """The first batch and form that the network gives scores for; ``shape`` is that of one image, if it is
    known. Raises what the first of them raised."""
    torch = sys.modules["torch"]
    refused: Exception | None = None
    kind = number_kind(module)
    for batch in _batches(prepared, shape):
        given = torch.from_numpy(batch).to(kind)
        for form in FORMS:
            if not form.suits(given):
                continue
            try:
                shaped = form.change(given).contiguous()
                with torch.no_grad():
                    answer = module(shaped)
                take = way_to_scores(answer, len(shaped))
            except Exception as error:  # the student's own forward, given what it may not take
                refused = refused or error
                continue
            return Sample(shaped, form.name, None if is_plain(answer) else take)
    raise refused or ValueError("there are no images for it")


def _batches(prepared: Sequence[np.ndarray], shape: tuple[int, ...] | None) -> Iterator[np.ndarray]:
    """A few images of each shape: as asked for, as prepared, and at last of the sides that are usual."""
    generator = np.random.default_rng(0)
    seen: set[tuple[int, ...]] = set()
    if shape is not None:
        fitting = [images[:_TRIED] for images in prepared if images.shape[1:] == shape]
        yield fitting[0] if fitting else generator.random((_TRIED, *shape), dtype=np.float32)
        seen.add(shape)
    for images in prepared:
        if images.shape[1:] not in seen:
            seen.add(images.shape[1:])
            yield images[:_TRIED]
    if shape is not None:
        return
    for channels in sorted({one[0] for one in seen if len(one) == 3}):
        for side in _USUAL_SIDES:
            if (channels, side, side) not in seen:
                yield generator.random((_TRIED, channels, side, side), dtype=np.float32)


@contextlib.contextmanager
def scores_alone(module: Any, sample: Sample) -> Iterator[None]:
    """The network returns its scores and nothing beside them."""
    if sample.scores is None:
        yield
        return
    take = sample.scores
    hook = module.register_forward_hook(lambda _module, _given, answer: take(answer))
    try:
        yield
    finally:
        hook.remove()
