"""A step's accuracy is counted by us in each of its last epochs; else its log is believed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from autograder.checks import step_accuracy
from autograder.checks.last_epochs import EpochAccuracy, consistently
from autograder.checks.models.evaluation import Evaluation
from autograder.checks.notebooks.integrity import Finding
from autograder.checks.notebooks.step_log import StepLog
from autograder.checks.statistics import Standing
from autograder.checks.step_accuracy import (
    Counting,
    StepAccuracy,
    by_chance_alone,
    count_last_epochs,
    require_nothing_against,
)
from autograder.checks.step_facts import StepWork
from autograder.checks.step_networks import LastEpochs
from autograder.data import HeldOut
from autograder.loaders.notebook import Notebook
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.exported import Exports
from autograder.sandbox.training import Training
from tests.checks.trainings import Metered

TOTAL, HIDDEN = 10_000, 2_000


def epochs(*right: int, total: int = TOTAL) -> tuple[EpochAccuracy, ...]:
    return tuple(EpochAccuracy.counted(at, one, total) for at, one in enumerate(right, 1))


def trained(count: float) -> Training:
    metered = Metered()
    metered.run(10, count, metered.loader())
    return metered.read()


@dataclass
class Step:
    """As much of a step as is asked here: what it trained, its networks, its log."""

    training: Training
    ends: LastEpochs
    log: StepLog = field(default_factory=StepLog)
    ran: bool = True
    evidence: Evidence = Evidence.MEASURED
    stored: Notebook = field(default_factory=lambda: Notebook(()))

    @property
    def work(self) -> Any:
        return SimpleNamespace(run=SimpleNamespace(training=self.training), scene=self._scene)

    @contextlib.contextmanager
    def _scene(self) -> Iterator[str]:
        yield "the step's own scene"


@dataclass
class Evaluations:
    """What our own evaluator would say, one network after the other."""

    right: Sequence[int]
    evidence: Evidence = Evidence.VERIFIED
    hidden_right: int | None = None
    scenes: list[object] = field(default_factory=list)

    def __call__(self, *_: object, scene: object = None, **__: object) -> Evaluation:
        right = self.right[len(self.scenes)]
        self.scenes.append(scene)
        if right < 0:
            raise CheckFailed("No network of yours could be evaluated")
        correct = np.zeros(TOTAL, dtype=bool)
        hidden_right = right * HIDDEN // TOTAL if self.hidden_right is None else self.hidden_right
        correct[:hidden_right] = True  # the first ones are the hidden ones
        correct[HIDDEN : HIDDEN + right - hidden_right] = True
        fields = {name: np.zeros(0) for name in ("predicted", "correct5", "confusion", "per_class")}
        told = {"network": "model", "preparation": "", "total": TOTAL, "seconds": 1.0, "why": "it branches"}
        return Evaluation(index=np.arange(TOTAL), correct=correct, evidence=self.evidence, **told, **fields)  # type: ignore[arg-type]


def counted(step: Step, answers: Evaluations, monkeypatch: pytest.MonkeyPatch) -> StepAccuracy:
    monkeypatch.setattr(step_accuracy, "evaluate", answers)
    images, labels = np.zeros((TOTAL, 1, 1), np.uint8), np.zeros(TOTAL, np.int64)
    held = HeldOut(images, labels, "", "", np.arange(TOTAL) < HIDDEN)
    by = Counting(cast(Any, None), held, np.zeros((1, 1, 1), np.uint8), last=3, official=TOTAL, budget_s=9.0)
    return count_last_epochs(cast(StepWork, step), by)


def ends(count: int, why: str = "") -> LastEpochs:
    return LastEpochs(tuple(Exports((), (), ()) for _ in range(count)), kept=True, why=why)


def test_each_of_the_last_epochs_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Evaluations([9944, 9941, 9940])
    found = counted(Step(trained(15), ends(3)), answers, monkeypatch)
    assert [(one.epoch, one.correct, one.whole) for one in found.epochs] == [
        (13, 9940, True), (14, 9941, True), (15, 9944, True),
    ]  # fmt: skip
    assert (found.evidence, found.why, found.suspicion) == (Evidence.VERIFIED, "", None)
    assert consistently(found.epochs, 0.994, 3).standing is Standing.MET
    assert answers.scenes == ["the step's own scene", None, None]  # it has the last epoch's network


def test_a_training_of_two_epochs_has_two(monkeypatch: pytest.MonkeyPatch) -> None:
    found = counted(Step(trained(2), ends(2)), Evaluations([9500, 9400]), monkeypatch)
    assert [one.epoch for one in found.epochs] == [1, 2]
    assert found.evidence is Evidence.VERIFIED
    assert consistently(found.epochs, 0.9, 3).standing is Standing.NOT_MET


def test_a_network_that_can_only_be_asked_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step(trained(3), ends(1, "its forward branches"), StepLog(epochs(9800, 9900, 9999), of=TOTAL))
    found = counted(step, Evaluations([9944], Evidence.MEASURED), monkeypatch)
    assert [(one.correct, one.whole) for one in found.epochs] == [(9800, False), (9900, False), (9944, True)]
    assert (found.evidence, found.why) == (Evidence.MEASURED, "its forward branches")


def test_what_can_not_be_evaluated_is_read_off_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step(trained(3), ends(3), StepLog(epochs(9800, 9900, 9960), of=TOTAL))
    found = counted(step, Evaluations([-1]), monkeypatch)
    assert [one.correct for one in found.epochs] == [9800, 9900, 9960]
    assert (found.evidence, found.ours) == (Evidence.MEASURED, None)
    assert "could be evaluated" in found.why
    of_training = Step(trained(3), ends(3), StepLog(epochs(59_000, total=60_000), of=60_000))
    assert counted(of_training, Evaluations([-1]), monkeypatch).epochs == ()


def test_who_knows_the_visible_images_better_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Evaluations([9980, 9980, 9980], hidden_right=1980)  # all of the 8,000, and 99 % of the hidden
    found = counted(Step(trained(15), ends(3)), answers, monkeypatch)
    assert found.suspicion is not None
    assert found.suspicion.certain
    assert [(one.correct, one.total, one.whole) for one in found.epochs] == [(1980, HIDDEN, False)] * 3
    with pytest.raises(CheckFailed, match="could see"):
        require_nothing_against([found.suspicion])


def test_suspicions_alone_take_nothing() -> None:
    require_nothing_against([Finding("It looks odd.", "cell 3", False, Evidence.CLAIMED)])


# --- chance ------------------------------------------------------------------------------------------------

REACHED = StepLog(epochs(9941, 9942, 9943), of=TOTAL)


def ours(*right: int, suspicion: Finding | None = None) -> StepAccuracy:
    found = epochs(*right)
    return StepAccuracy(found, Evidence.VERIFIED, ours=found[-1], suspicion=suspicion)


@pytest.mark.parametrize(
    ("accuracy", "stored", "chance"),
    [
        (ours(9938, 9936, 9939), REACHED, True),
        (ours(9925, 9940, 9940), REACHED, True),
        (ours(9924, 9940, 9940), REACHED, False),  # 16 images short
        (ours(9938, 9936, 9939), StepLog(epochs(9941, 9939, 9943)), False),  # nor had it been reached before
        (ours(9938, 9936, 9939), StepLog(), False),
        (ours(9938, 9936, 9939), StepLog(epochs(59_990, 59_990, 59_990, total=60_000), of=60_000), False),
        (ours(9938, 9936, 9939, suspicion=Finding("", "", False, Evidence.VERIFIED)), REACHED, False),
        (StepAccuracy(epochs(9938, 9936, 9939), Evidence.MEASURED), REACHED, False),
    ],
)
def test_another_beginning_may_cost_some_images(
    accuracy: StepAccuracy, stored: StepLog, chance: bool
) -> None:
    assert by_chance_alone(accuracy, stored, 0.994, 3, 0.0015) is chance
