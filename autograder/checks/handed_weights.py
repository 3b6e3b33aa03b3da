"""A network out of weights that were handed in and the module that defines it, turned into data in a box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from autograder.checks.script_settings import Settings
from autograder.outcome import CheckFailed
from autograder.text import quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_in import HandedIn
    from autograder.sandbox.exported import Exports
    from autograder.sandbox.submission import Scene

_SIZE = (3, 32, 32)
_LABELS = 10


@contextmanager
def scene_of_weights(
    submission: HandedIn, assignment: Assignment, weights: str, model: str, wall_s: float = math.inf
) -> Iterator[Scene]:
    """A scene in the folder of the file ``weights``, with the names of the module ``model`` ("" for none).

    ``wall_s``: how long that module may take, where that is less than a notebook may.
    """
    from autograder.handed_script import weights_notebook  # noqa: PLC0415  (only where a box is used)

    spec = assignment.notebook
    if spec is not None:
        times = {"cell_wall_s": min(spec.cell_wall_s, wall_s), "wall_s": min(spec.wall_s, wall_s)}
        spec = spec.model_copy(update=times)
    box = submission.sandboxed(spec.box if spec is not None else "")
    with weights_notebook(box, weights, model, spec).scene() as scene:
        yield scene


def export(
    scene: Scene, probes: np.ndarray, weights: str, settings: Settings | None, classes: Sequence[str]
) -> Exports:
    """The network as ONNX; raises CheckFailed where there is none.

    ``weights`` is "" where a script left the network; ``settings`` are those of its command, ``classes``
    names that are tried first.
    """
    exports = scene.export(
        probes, weights=weights, arguments=constructor_arguments(settings), classes=classes
    )
    if not any(one.onnx is not None for one in exports.networks):
        raise CheckFailed(_why_none(exports, weights))
    return exports


def _why_none(exports: Exports, weights: str) -> str:
    why = [one.problem for one in exports.networks if one.problem] or list(exports.notes)
    what = f"{quote(weights)} gives no network" if weights else "train.py left no network"
    return f"{what}: {why[0]}" if why else f"{what}."


def constructor_arguments(settings: Settings | None) -> tuple[Mapping[str, object], ...]:
    """Keywords to build the homework's networks with, from the command's settings, fuller ones first."""
    numbers: dict[str, int] = {}
    for name in ("hidden-dim", "kernel-size") if settings is not None else ():
        value = settings.number(name) if settings is not None else None
        if value is not None:
            numbers[name.replace("-", "_")] = int(value)
    whole: dict[str, object] = {"im_size": _SIZE, **numbers, "n_classes": _LABELS}
    return (whole, numbers, {})
