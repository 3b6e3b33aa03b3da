"""What a network that train.py trained reaches: by its rerun, by the weights handed in, or by its log.

In this order, whichever the manifest and its limits allow. A fact that is only told never speaks against a
student where a stronger one can't be had: a script that needs a GPU, weights of which nobody knows how the
images were prepared. Then the weaker one counts, and people hear why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autograder.checks.handed_weights import export, scene_of_weights
from autograder.checks.script_logs import LogFacts, read_log
from autograder.checks.script_runs import require_model
from autograder.checks.script_settings import Settings
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem
from autograder.text import quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.models.evaluation import Evaluation
    from autograder.data import HeldOut
    from autograder.handed_in import HandedIn
    from autograder.handed_script import ScriptWork
    from autograder.sandbox.exported import Exports
    from autograder.sandbox.submission import Scene

MODEL = "convnet"
PROBES = 64  # images by which a preparation is told
AGREES = 0.05  # of the images: what our count and a log may differ by before people hear of it
_CLASSES = ("CNN", "ConvNet", "Convnet")  # tried first where weights need a class


@dataclass(frozen=True, slots=True)
class Reached:
    """An accuracy, how it was come by, and a sentence that says so; ``doubts`` are for people."""

    value: float
    evidence: Evidence
    told: str
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed in of one training: paths in the tree, "" for none, the command and the log."""

    train: str = ""
    model: str = ""
    weights: str = ""
    settings: Settings | None = None
    log: LogFacts | None = None


def reach(
    submission: HandedIn, assignment: Assignment, handed: Handed, seed: int, *, stored: bool
) -> Reached:
    """What the network reaches; raises CheckFailed where nothing says it. ``stored``: no box is used."""
    doubts: list[str] = []
    asked = _Asked(submission, assignment, handed, seed)
    for way in () if stored else (_by_rerun, _by_weights):
        try:
            found = way(asked)
        except SubmissionProblem as problem:
            if assignment.notebook is not None and assignment.notebook.mode == "rerun":
                raise
            doubts.append(problem.message)
            continue
        if found is not None:
            return Reached(found.value, found.evidence, found.told, (*doubts, *found.doubts))
    return _by_log(handed.log, tuple(doubts))


def _by_log(log: LogFacts | None, doubts: Sequence[str] = ()) -> Reached:
    if log is None:
        raise CheckFailed(
            "Nothing tells what your convnet reaches: there is no training log.",
            hint="Hand in what train.py prints, for example as 2_pytorch/convnet.log.",
        )
    if log.accuracy is None:
        raise CheckFailed(
            f"{quote(log.path)} holds no accuracy on the validation or the test set.",
            hint="Hand in the whole log: train.py prints an accuracy after each epoch, and one at the end.",
        )
    require_model(log, MODEL)
    what = "test" if log.test is not None else "validation"
    told = f"{quote(log.path)} says that it reaches a {what} accuracy of {100 * log.accuracy:.1f} %."
    return Reached(log.accuracy, Evidence.CLAIMED, told, tuple(doubts))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the two ways need that use a box."""

    submission: HandedIn
    assignment: Assignment
    handed: Handed
    seed: int

    @property
    def box(self) -> str:
        return self.assignment.notebook.box if self.assignment.notebook is not None else ""


def _by_rerun(asked: _Asked) -> Reached | None:
    """The script is run again, with its command's arguments."""
    from autograder.handed_script import Script, ScriptWork  # noqa: PLC0415  (only where it is rerun)

    if not asked.handed.train or asked.handed.settings is None or asked.assignment.notebook is None:
        return None
    epochs = asked.handed.settings.number("epochs")
    script = Script(asked.handed.train, asked.handed.settings, int(epochs) if epochs is not None else None)
    sandboxed = asked.submission.sandboxed(asked.box)
    work = ScriptWork(script, asked.submission.tree, asked.assignment.notebook, sandboxed)
    if work.problem is not None:
        raise work.problem
    return _of_run(asked, work)


def _of_run(asked: _Asked, work: ScriptWork) -> Reached | None:
    """What its network reaches by our count; else what it printed here."""
    printed = read_log(work.printed.encode("utf-8", "replace"), work.script.name)
    ours: Reached | None = None
    doubt = ""
    try:
        with work.scene() as scene:
            ours = _evaluated(asked, scene, "as train.py left it")
    except SubmissionProblem as problem:
        doubt = f"The network that train.py left could not be evaluated: {problem.message}"
    if printed.accuracy is None:
        return ours
    if ours is not None and ours.value >= printed.accuracy - AGREES:
        return ours
    if ours is not None:
        doubt = f"{ours.told} But {work.script.name}, run here, printed {100 * printed.accuracy:.1f} %."
    told = (
        f"{work.script.name}, run here for {printed.epochs} epochs, printed {100 * printed.accuracy:.1f} %."
    )
    return Reached(printed.accuracy, Evidence.MEASURED, told, (doubt,) if doubt else ())


def _by_weights(asked: _Asked) -> Reached | None:
    """The weights that were handed in, in a network that models/convnet.py builds."""
    weights, model = asked.handed.weights, asked.handed.model
    if not weights:
        return None
    with scene_of_weights(asked.submission, asked.assignment, weights, model) as scene:
        found = _evaluated(asked, scene, f"with the weights of {quote(weights)}", weights)
    told = asked.handed.log.accuracy if asked.handed.log is not None else None
    if found is not None and told is not None and found.value < told - AGREES:
        # Nobody knows how the images were prepared: then the log counts, and people look.
        raise CheckFailed(f"{found.told} The log says {100 * told:.1f} %.")
    return found


def _evaluated(asked: _Asked, scene: Scene, how: str, weights: str = "") -> Reached | None:
    """Our count of the test images that the exported network gets right."""
    from autograder.checks.notebooks.accuracy import held_out  # noqa: PLC0415

    held = held_out(asked.assignment, "cifar10")
    order = np.random.default_rng(asked.seed).permutation(len(held.labels))
    probes = held.images[order[:PROBES]]
    exports = export(scene, probes, weights, asked.handed.settings, _CLASSES)
    evaluation = _count(asked, exports, held, probes, scene)
    return Reached(evaluation.accuracy, evaluation.evidence, f"Our own count, {how}: {evaluation.describe()}")


def _count(asked: _Asked, exports: Exports, held: HeldOut, probes: np.ndarray, scene: Scene) -> Evaluation:
    from autograder.checks.models.evaluation import evaluate  # noqa: PLC0415  (only where a box is used)

    tolerances = asked.assignment.tolerances
    return evaluate(
        asked.submission.room,
        exports,
        held,
        probes=probes,
        budget_s=tolerances["evaluation_wall_s"],
        limit=int(tolerances["evaluated_images"]),
        seed=asked.seed,
        scene=scene,
    )
