"""Networks evaluated in a box of ours: what is counted, what is refused, what is taken for what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autograder.checks.models.evaluation import evaluate
from autograder.checks.models.judging import confusion_of, judge_scores, shares
from autograder.checks.models.preparation import make_probes
from autograder.data import HeldOut
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.exported import Export, Exports, Prepared
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.predicted import Way
from autograder.sandbox.submission import Module, Submission
from tests.checks.models.exporting import Net, export, onnx_of
from tests.sandbox.boxes import IS_ROOT, KINDS

ROOM = Path(__file__).resolve().parents[3] / "autograder" / "room"
LIMITS = BoxLimits(wall_s=60, memory_mib=1024, processes=24, disk_mib=8, files=40, message_mib=16)
SIDE, CLASSES, COUNT = 8, 4, 300
PROBES = make_probes((SIDE, SIDE), 3)


@pytest.fixture(scope="module")
def room() -> Iterator[Module]:
    backend = KINDS["privdrop" if IS_ROOT else "none"](BoxSpec(LIMITS))
    submission = Submission(backend, ROOM, LIMITS, RunClock(600))
    try:
        yield submission.module("evaluator.py")
    finally:
        submission.close()
        backend.close()


@pytest.fixture(scope="module")
def held() -> HeldOut:
    """Images of noise, with a class for the brightest quarter of each."""
    images = np.random.default_rng(7).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
    half = SIDE // 2
    means = images.reshape(COUNT, 2, half, 2, half).mean(axis=(2, 4)).reshape(COUNT, 4)
    return HeldOut(images, means.argmax(axis=1).astype(np.int64), "noise", "made up")


class Quarters(nn.Module):
    """Right by construction, for images from 0 to 1 less 0.5; ``wrong`` classes are never said."""

    def __init__(self, outputs: int = 4, wrong: int = 0) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(SIDE // 2)
        self.outputs, self.wrong = outputs, wrong

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.pool(x).flatten(1)
        if self.wrong:
            scores = scores - 9.0 * (torch.arange(4) < self.wrong)
        return nn.functional.pad(scores, (0, self.outputs - 4), value=-9.0)


def prepared(name: str = "the transform of test_set", scale: float = 1.0) -> Prepared:
    images = (PROBES[:, None].astype(np.float32) / np.float32(255) - np.float32(0.5)) * np.float32(scale)
    return Prepared(name, images)


def exports(*networks: Export, ways: tuple[Prepared, ...] = (prepared(),)) -> Exports:
    return Exports(networks, ways)


@pytest.fixture(scope="module")
def right() -> Export:
    return export(Quarters(), (1, SIDE, SIDE))


def test_all_images_are_counted(room: Module, held: HeldOut, right: Export) -> None:
    found = evaluate(room, exports(right), held, probes=PROBES, budget_s=60)
    assert found.evidence is Evidence.VERIFIED
    assert found.complete
    assert found.correct.all()
    assert found.correct5.all()
    assert (found.index == np.arange(COUNT)).all()
    assert (found.predicted == held.labels).all()
    assert found.confusion.trace() == COUNT
    assert (found.per_class == 1).all()
    assert "300 of 300 images right: 100.00 %" in found.describe()
    assert found.weighed is not None
    assert found.weighed.counted == 0


def test_the_right_one_of_several_is_found(room: Module, held: HeldOut, right: Export) -> None:
    backwards = prepared("pixels upside down", -1.0)
    poor = replace(export(Quarters(wrong=2), (1, SIDE, SIDE)), name="poor")
    found = evaluate(
        room, exports(poor, right, ways=(backwards, prepared())), held, probes=PROBES, budget_s=60
    )
    assert found.network == "model"
    assert found.preparation.startswith("the transform of test_set: pixel/255 times 1 x -0.5")
    assert found.correct.all()


def test_what_is_wrong_is_wrong_where_it_belongs(room: Module, held: HeldOut) -> None:
    found = evaluate(
        room, exports(export(Quarters(wrong=1), (1, SIDE, SIDE))), held, probes=PROBES, budget_s=60
    )
    assert (found.correct == (held.labels != 0)).all()
    assert found.per_class.tolist() == [0, 1, 1, 1]
    assert found.confusion[0, 0] == 0
    assert found.confusion[0].sum() == (held.labels == 0).sum()


def test_a_part_of_the_images_is_said_to_be_one(room: Module, held: HeldOut, right: Export) -> None:
    found = evaluate(room, exports(right), held, probes=PROBES, budget_s=60, limit=50, seed=5)
    assert len(found.index) == 50
    assert not found.complete
    assert (np.diff(found.index) > 0).all()
    other = evaluate(room, exports(right), held, probes=PROBES, budget_s=60, limit=50, seed=6)
    assert not np.array_equal(found.index, other.index)


def test_more_classes_and_several_outputs(room: Module, held: HeldOut) -> None:
    model = Net(lambda self, x: (x.mean((2, 3)), torch.log_softmax(self.q(x), 1)), q=Quarters(outputs=9))
    found = evaluate(room, exports(export(model, (1, SIDE, SIDE))), held, probes=PROBES, budget_s=60)
    assert found.correct.all()
    assert found.confusion.shape == (CLASSES, CLASSES)


def test_flattened_images(room: Module, held: HeldOut) -> None:
    model = Net(lambda self, x: self.q(x.view(-1, 1, SIDE, SIDE)), q=Quarters())
    found = evaluate(room, exports(export(model, (SIDE * SIDE,))), held, probes=PROBES, budget_s=60)
    assert found.correct.all()


def test_what_cant_be_evaluated_says_why(room: Module, held: HeldOut) -> None:
    two = export(Net(lambda _, x: x.mean(3)[:, 0, :2]), (1, SIDE, SIDE))
    with pytest.raises(CheckFailed, match="tells 2 classes apart"):
        evaluate(room, exports(two), held, probes=PROBES, budget_s=60)
    none = Export("model", "Net", None, problem="it branches on its data")
    with pytest.raises(CheckFailed, match="branches on its data"):
        evaluate(room, exports(none), held, probes=PROBES, budget_s=60)


class Predicting:
    """Stands in for the submission's scene: right on every image, by its own word."""

    def __init__(self, held: HeldOut) -> None:
        self._labels = {image.tobytes(): label for image, label in zip(held.images, held.labels, strict=True)}

    def predict(self, images: np.ndarray, *_: object) -> tuple[Way, ...]:
        labels = [self._labels[image.tobytes()] for image in images]
        return (Way(0, "net (Net)", "its own", np.eye(CLASSES, dtype=np.float32)[labels]),)


def test_its_own_word_is_only_measured(room: Module, held: HeldOut, right: Export) -> None:
    own = Prepared("its own", np.random.default_rng(0).random((len(PROBES), 1, SIDE, SIDE), dtype=np.float32))
    scene = Predicting(held)
    found = evaluate(
        room, exports(right, ways=(own,)), held, probes=PROBES, budget_s=60, scene=scene,  # type: ignore[arg-type]
    )  # fmt: skip
    assert found.evidence is Evidence.MEASURED
    assert "no scaling, padding or resizing" in found.why
    assert found.correct.all()
    ways = (own, prepared())  # with a way of ours that does as well, it isn't asked for more
    again = evaluate(room, exports(right, ways=ways), held, probes=PROBES, budget_s=60, scene=scene)  # type: ignore[arg-type]
    assert again.evidence is Evidence.VERIFIED


def test_scores_are_judged_as_torch_does() -> None:
    nan = np.nan
    scores = np.array([[1, 1, 0], [0, 2, 1], [nan, 5, 0], [-np.inf, 0, -1], [np.inf, 0, 1]], dtype=np.float32)
    found = judge_scores(scores, np.array([0, 1, 1, 1, 0]))
    assert found.predicted.tolist() == [0, 1, -1, 1, 0]
    assert found.correct.tolist() == [True, True, False, True, True]
    assert found.correct5.tolist() == [True, True, False, True, True]
    assert judge_scores(scores, np.array([1, 0, 0, 0, 1])).correct.tolist() == [False] * 5
    many = np.arange(20, dtype=np.float32)[None].repeat(20, 0)
    assert judge_scores(many, np.arange(20)).correct5.tolist() == [False] * 15 + [True] * 5


def test_confusion_and_shares() -> None:
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, -1, 7])
    assert confusion_of(predicted, labels, 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    each = shares(predicted == labels, labels, 4)
    assert each[:3].tolist() == [0.5, 0, 0]
    assert np.isnan(each[3])


def test_scores_agree_with_torch(room: Module) -> None:
    from autograder.checks.models.running import running  # noqa: PLC0415

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    images = np.random.default_rng(0).random((70, 1, SIDE, SIDE), dtype=np.float32)
    with running(room, onnx_of(model, (1, SIDE, SIDE))) as network, torch.no_grad():
        apart = np.abs(network.scores(images) - model.eval()(torch.from_numpy(images)).numpy()).max()
    assert apart < 1e-5
