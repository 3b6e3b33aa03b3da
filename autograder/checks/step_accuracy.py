"""The accuracy of a step's network at the end of each of its last epochs: counted by us, else as printed.

The weights at the end of the last epochs were kept by the run. Each is exported and evaluated on test images
of ours, so that no log has to be believed. Where nothing could be run or exported, the log is what there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from autograder.checks.last_epochs import EpochAccuracy, consistently
from autograder.checks.measured_epochs import TrainedNetwork, epochs_of
from autograder.checks.models.evaluation import Evaluation, evaluate
from autograder.checks.notebooks.integrity import Finding, findings, of_source
from autograder.checks.notebooks.step_log import StepLog
from autograder.checks.statistics import Standing, exact
from autograder.checks.step_facts import StepWork
from autograder.checks.training import (
    begun_trained,
    evaluated_on_training,
    fed_by_test,
    searches_rate,
    seen_and_hidden,
)
from autograder.data import HeldOut
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem
from autograder.sandbox.exported import Exports
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
    number = max(number, 1)
    counted: list[EpochAccuracy] = []
    evidence, suspicion, why = Evidence.VERIFIED, None, one.ends.why
    for back, exports in enumerate(one.ends.exports[: min(by.last, number)]):
        try:
            found = _evaluated(one, by, exports, last=not back)
        except SubmissionProblem as problem:
            why = cut_line(problem.message, _WHY)
            break
        if not back:
            hidden = by.held.hidden[found.index]
            suspicion = seen_and_hidden(found.correct, hidden, evidence=found.evidence)
        evidence = min(evidence, found.evidence)
        counted.append(_counted(number - back, found, by, hidden_alone=suspicion is not None))
        if found.evidence < Evidence.VERIFIED:
            why = why or cut_line(found.why, _WHY)
            break  # an earlier epoch's network can't be asked: the box has the last one
    ours = counted[0] if counted else None
    if len(counted) < min(by.last, number):
        return StepAccuracy(_by_log(one, ours, by), one.evidence, why, ours, suspicion)
    why = why if evidence < Evidence.VERIFIED else ""
    return StepAccuracy(tuple(reversed(counted)), evidence, why, ours, suspicion)


def _counted(epoch: int, found: Evaluation, by: Counting, *, hidden_alone: bool) -> EpochAccuracy:
    """The count on all official images, or on those alone that the run can't have seen."""
    correct = found.correct
    if hidden_alone:
        correct = correct[by.held.hidden[found.index]]
    whole = found.complete and len(correct) == by.official
    return EpochAccuracy.counted(epoch, int(correct.sum()), len(correct), whole=whole)


def _by_log(one: StepWork, ours: EpochAccuracy | None, by: Counting) -> tuple[EpochAccuracy, ...]:
    """What the log of its run says, with our count in the place of its last line.

    The test set that the run saw lacks the hidden images, so that its counts are estimates.
    """
    tested = () if one.log.of_training_images else one.log.tested
    if by.held.hidden.any():
        tested = tuple(replace(each, whole=False) for each in tested)
    if ours is None:
        return tested
    last = tested[-1].epoch if tested else ours.epoch
    return (*tested[:-1], replace(ours, epoch=last))


def _evaluated(one: StepWork, by: Counting, exports: Exports, *, last: bool) -> Evaluation:
    """The exported network on our images."""
    budget_s = by.budget_s / by.last
    if not last:  # the scene's own network is the last one: it must not answer for an earlier epoch's
        return evaluate(by.room, exports, by.held, probes=by.probes, budget_s=budget_s)
    with one.work.scene() as scene:
        return evaluate(by.room, exports, by.held, probes=by.probes, budget_s=budget_s, scene=scene)


def printed_epochs(log: StepLog, evidence: Evidence) -> StepAccuracy:
    """What the log says of each epoch."""
    return StepAccuracy(log.tested, evidence, "the step was not run here")


def by_chance_alone(
    accuracy: StepAccuracy, stored: StepLog, threshold: float, last: int, spread: float
) -> bool:
    """Whether our run may have missed the threshold by nothing but another beginning.

    Trained twice, on two machines, a network's accuracy differs by some images. So a miss that is no larger
    than the ``spread`` is none, where the log that was handed in has the goal reached.
    """
    if accuracy.ours is None or accuracy.suspicion is not None or stored.of_training_images:
        return False
    if consistently(stored.tested, threshold, last).standing is Standing.NOT_MET:
        return False
    shares = [one.low for one in accuracy.epochs[-last:]]
    return min(shares, default=Fraction(0)) >= exact(threshold) - exact(spread)


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
        begun = begun_trained(run.training)
        found += [begun] if begun is not None else []
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
