"""A network in the room: batches go in, scores come out and are looked at before anybody believes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from autograder.outcome import CheckFailed
from autograder.sandbox.submission import Module, Scene

_BATCH_BYTES = 4 << 20  # of prepared images
_FEWEST, _MOST = 1, 64  # images of a batch; a larger one is no faster on one thread, and takes more memory
_MOST_CLASSES = 22_000  # the largest ImageNet has 21,841; a few hundred rows of these lie in memory at once


class Running:
    """A network that is loaded in a scene of the room."""

    def __init__(self, scene: Scene, outputs: int) -> None:
        self._scene, self.outputs = scene, outputs

    def scores(self, images: np.ndarray, output: int = 0) -> np.ndarray:
        """(n, classes), float32, of prepared images; raises SubmissionProblem for anything else."""
        size = batch_size(images.shape[1:])
        return joined(
            [self._batch(images[start : start + size], output) for start in range(0, len(images), size)]
        )

    def _batch(self, images: np.ndarray, output: int) -> np.ndarray:
        answer = self._scene.call("logits", np.ascontiguousarray(images, dtype=np.float32), output).fetch()
        if type(answer) is not np.ndarray or answer.dtype != np.float32:
            raise _misfit("what is no array of numbers")
        if answer.ndim > 2 and prod(answer.shape[2:]) == 1:  # (n, classes, 1, 1): nobody squeezed it
            answer = answer.reshape(answer.shape[:2])
        if answer.ndim != 2 or len(answer) != len(images) or not 1 < answer.shape[1] <= _MOST_CLASSES:
            raise _misfit(f"an array of shape {answer.shape!r} for {len(images)} images")
        return answer


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The scores of several batches, if they are of as many classes."""
    if len({part.shape[1] for part in parts}) > 1:
        raise CheckFailed(
            "Your network gives another number of scores for some images.",
            hint="Let it return one score for each class, whatever the image.",
        )
    return np.concatenate(parts)


def _misfit(what: str) -> CheckFailed:
    return CheckFailed(
        f"Your network gives {what}, where one row of scores for each image is expected.",
        hint="Let forward() return a tensor of shape (images, classes).",
    )


def batch_size(shape: tuple[int, ...]) -> int:
    """How many prepared images of this shape go in at once."""
    return min(max(_BATCH_BYTES // (4 * max(prod(shape), 1)), _FEWEST), _MOST)


@contextlib.contextmanager
def running(room: Module, onnx: bytes) -> Iterator[Running]:
    """The network in a fresh scene of ``room``."""
    with room.scene() as scene:
        outputs = scene.call("load", np.frombuffer(onnx, dtype=np.uint8)).fetch()
        yield Running(scene, outputs if type(outputs) is int and 0 < outputs < 64 else 1)
