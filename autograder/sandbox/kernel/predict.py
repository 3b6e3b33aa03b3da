"""Scores for images that the notebook has never seen, by the network that it left behind.

The trusted side sends images without labels, in an order of its own, and gets ten scores for each. It asks
twice: first with a few images for every pair of a network and a preparation, then with all for the best.
Everything here runs beside student code, so what it says is measured and no more.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.sandbox.kernel.candidates import Network, networks
from autograder.sandbox.kernel.forms import FORMS, Form, Unusable, number_kind, scores_in
from autograder.sandbox.kernel.preparations import Preparation, preparations

CLASSES = 10
_BATCH = 50  # images at once: the largest networks in use take 5 to 10 seconds for them
_TRIED = 4  # images on which a shape is tried
_MOST_WAYS = 32
_TEXT = 200


@dataclass(slots=True)
class Way:
    """A network, and a preparation of images for it; ``shape`` is the one that worked, once it is known."""

    network: Network
    preparation: Preparation
    shape: str = ""


@dataclass(slots=True)
class Predictor:
    """One notebook's networks. ``stepped`` holds the ids of each training run's parameters."""

    namespace: Mapping[str, Any]
    stepped: Sequence[frozenset[int]]
    _ways: list[Way] | None = field(default=None, init=False)

    def answer(self, images: np.ndarray, wanted: Sequence[int], budget_s: float) -> list[dict[str, Any]]:
        """For each of the ``wanted`` ways (none: all) its scores, or why there are none.

        After ``budget_s`` seconds no further way is begun, and the one at work gives what it has. Of several,
        each gets half of the time that is left, so that a slow one doesn't take all.
        """
        give_up = time.monotonic() + budget_s
        if "torch._C" not in sys.modules:  # else "torch" may be a placeholder
            return []
        # The pools of the notebook's own threads didn't come along when this process was forked.
        sys.modules["torch"].set_num_threads(1)
        if self._ways is None:
            self._ways = self._find(images)
        numbers = [at for at in wanted if 0 <= at < len(self._ways)] or range(len(self._ways))
        answers: list[dict[str, Any]] = []
        with _evaluating(self._ways):
            for at in numbers:
                if answers and time.monotonic() >= give_up:
                    break
                left = give_up - time.monotonic()
                until = give_up if len(numbers) == 1 else give_up - left / 2
                answers.append({"number": at, **_told(self._ways[at], images, until)})
        return answers

    def _find(self, images: np.ndarray) -> list[Way]:
        """All ways, those of the likeliest network first."""
        prepared = preparations(self.namespace, images)
        found = networks(self.namespace, self.stepped)
        return [Way(one, preparation) for one in found for preparation in prepared][:_MOST_WAYS]


@contextlib.contextmanager
def _evaluating(ways: Sequence[Way]) -> Iterator[None]:
    """Networks behave as in a test, and nothing remembers gradients."""
    for way in ways:
        if way.network.module is not None:
            way.network.module.eval()
    with sys.modules["torch"].no_grad():
        yield


def _told(way: Way, images: np.ndarray, give_up: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "network": _named(way.network),
        "preparation": way.preparation.name[:_TEXT],
        "scores": None,
        "problem": "",
    }
    try:
        told["scores"] = _scores(way, images, give_up)
    except Exception as error:  # a student's network, given what it may not take
        told["problem"] = f"{type(error).__name__}: {error}"[:_TEXT]
    told["preparation"] += f", {way.shape}" if way.shape else ""
    return told


def _named(network: Network) -> str:
    kind = f" ({type(network.module).__name__})" if network.module is not None else "()"
    return f"{network.name}{kind}"[:_TEXT]


def _scores(way: Way, images: np.ndarray, give_up: float) -> np.ndarray:
    """The scores of as many images, from the first on, as there is time for."""
    given = []
    shaped = _shape(way, images[:_TRIED])
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        given.append(_table(way.network.call(shaped(way.preparation.prepare(batch))), len(batch)))
        if time.monotonic() >= give_up:
            break
    return np.concatenate(given)


def _shape(way: Way, few: np.ndarray) -> Callable[[Any], Any]:
    """The form of a batch that the network takes: as it is, or each image in one row, say."""
    batch = way.preparation.prepare(few)
    refused: Exception | None = None
    for form in FORMS:
        if way.shape not in ("", form.name) or not form.suits(batch):
            continue
        shaped = _cast(form, way)
        try:
            _table(way.network.call(shaped(batch)), len(few))
        except Exception as error:
            refused = refused or error
            continue
        way.shape = form.name
        return shaped
    raise refused or Unusable("no form of the images fits")


def _cast(form: Form, way: Way) -> Callable[[Any], Any]:
    """The change of form, into the numbers that the network computes with."""
    kind = number_kind(way.network.module)
    return lambda batch: form.change(batch).to(kind)


def _table(answer: Any, count: int) -> np.ndarray:
    """The scores among what a network returned, as an array of ours: (count, 10)."""
    scores = scores_in(answer, count, CLASSES)
    return np.array(scores.detach().to("cpu", sys.modules["torch"].float32).numpy(), dtype=np.float32)
