"""The accuracy of a step's network at the end of each of its last epochs: counted by us, else as printed.

The weights at the end of the last epochs were kept by the run. Each is exported and evaluated on test images
of ours, so that no log has to be believed. Where nothing could be run or exported, the log is what there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checks.last_epochs import EpochAccuracy
from autograder.checks.measured_epochs import TrainedNetwork, epochs_of
from autograder.checks.models.evaluation import Evaluation, evaluate
from autograder.checks.notebooks.integrity import Finding, findings, of_source
from autograder.checks.notebooks.step_log import StepLog
from autograder.checks.step_facts import StepWork
from autograder.checks.training import (
    evaluated_on_training,
    fed_by_test,
    random_start,
    searches_rate,
    seen_and_hidden,
)
from autograder.data import HeldOut
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem
from autograder.sandbox.submission import Module
from autograder.text import cut_line

_WHY = 300  # characters of a reason
_DATASET = "MNIST"


@dataclass(frozen=True, slots=True)
class StepAccuracy:
    """The accuracies of the epochs that are known, and how they were come by; ``why`` says why not by us.

    ``ours`` is the count for the final network. ``suspicion`` speaks against it.
    """

    epochs: tuple[EpochAccuracy, ...]
    evidence: Evidence
    why: str = ""
    ours: EpochAccuracy | None = None
    suspicion: Finding | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """How the ``last`` epochs are counted: in which room, on which images, and within how many seconds.

    ``official`` is how many images the threshold is defined on.
    """

    room: Module
    held: HeldOut
    probes: np.ndarray
    last: int
    official: int
    budget_s: float


def count_last_epochs(one: StepWork, by: Counting) -> StepAccuracy:
    """The accuracy in each of the last epochs of a step that was run."""
    ends = trained_epochs(one)
    number = round(ends.epochs) if ends is not None and ends.epochs else max(one.log.epochs, by.last)
    counted: list[EpochAccuracy] = []
    evidence, suspicion, why = Evidence.VERIFIED, None, ""
    for back in range(1, by.last + 1):
        if number - back + 1 < 1:
            break
        try:
            found = _evaluated(one, by, back)
        except SubmissionProblem as problem:
            why = cut_line(problem.message, _WHY)
            break
        evidence = min(evidence, found.evidence)
        right, of = int(found.correct.sum()), len(found.correct)
        whole = found.complete and of == by.official
        counted.append(EpochAccuracy.counted(number - back + 1, right, of, whole=whole))
        if back == 1:
            suspicion = seen_and_hidden(found.correct, by.held.hidden[found.index], evidence=found.evidence)
    ours = counted[0] if counted else None
    if why:
        printed = [] if one.log.of_training_images else list(one.log.tested)
        return StepAccuracy(tuple(printed), one.evidence, why, ours, suspicion)
    return StepAccuracy(tuple(reversed(counted)), evidence, "", ours, suspicion)


def _evaluated(one: StepWork, by: Counting, back: int) -> Evaluation:
    """The network as it was at the end of the last epoch but ``back - 1``."""
    budget_s = by.budget_s / by.last
    with one.work.scene() as scene:
        exports = scene.export(by.probes, snapshot=-back, budget_s=budget_s)
        if not exports.networks:
            notes = "; ".join(exports.notes) or "nothing was kept of it"
            raise CheckFailed(f"the network at the end of an epoch could not be had: {notes}")
        # The scene's own network is the last one: it must not answer for an earlier epoch's.
        asked = scene if back == 1 else None
        return evaluate(by.room, exports, by.held, probes=by.probes, budget_s=budget_s, scene=asked)


def printed_epochs(log: StepLog, evidence: Evidence) -> StepAccuracy:
    """What the log says of each epoch."""
    return StepAccuracy(log.tested, evidence, "the step was not run here")


def trained_epochs(one: StepWork) -> TrainedNetwork | None:
    """The training that the run was seen to make, of the network with the most steps."""
    run = one.work.run if one.ran else None
    if run is None:
        return None
    searching = [
        cell.number for cell in one.stored.cells if cell.kind == "code" and searches_rate(cell.source)
    ]
    found = epochs_of(run.training, search_cells=searching)
    return max(found, key=lambda network: network.steps, default=None)


def against(one: StepWork, *, public: bool) -> tuple[Finding, ...]:
    """What speaks against a training from random weights on the training set, tested on the test set."""
    found: list[Finding] = []
    if public or not one.ran:
        found += of_source(one.source, _DATASET)
    else:
        found += findings(one.work, _DATASET)
        run = one.work.run
        assert run is not None
        for finding in (fed_by_test(run.training), evaluated_on_training(run.training)):
            if finding is not None and finding.text not in {known.text for known in found}:
                found.append(finding)
        for begun in run.training.beginnings:
            start = random_start(begun.tensors)
            if start is not None:
                hint = "Begin with random weights; torch's own initialisation is one."
                found.append(
                    Finding(start.text, f"cell {begun.cell}", start.certain, Evidence.MEASURED, hint)
                )
    log = one.log
    if log.of_training_images:
        text = f"The log's test goes over {log.of:,} images: that is the training set, and no test."
        hint = "Build the test set with train=False."
        found.append(Finding(text, f"cell {log.cell}", True, one.evidence, hint))
    return tuple(sorted(found, key=lambda finding: not finding.certain))


def require_nothing_against(found: Sequence[Finding]) -> None:
    """Raise CheckFailed for the first sure finding."""
    for finding in found:
        if finding.certain:
            raise CheckFailed(f"{finding.text} ({finding.where})", hint=finding.hint)
