"""The sequential evaluation, with a room that only pretends: what is decided, and on how many images."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from autograder.checks.from_scratch.weights import (
    Evaluation,
    NotVerified,
    Plan,
    Verified,
    compare,
    find_weights,
    probes,
    value,
)
from autograder.checks.statistics import Standing
from autograder.datasets.imagenet import Evaluated, Validation
from autograder.sandbox.exported import Export, Exports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autograder.sandbox.submission import Module

CLASSES = 10


class Images(Validation):
    """Its images hold nothing but their own number, so that the room can know which one it is given."""

    def images(self, places: Any, prepared: Evaluated = Evaluated()) -> np.ndarray:  # noqa: B008
        del prepared
        return np.array([[[[int(place) // 256, int(place) % 256, 0]]] for place in places], np.uint8)


def images(count: int) -> Images:
    labels = np.arange(count) % CLASSES
    return Images(Path(), tuple(map(str, range(CLASSES))), labels, ("",) * count)


@dataclass
class Room:
    """A network that gets an image right if ``right`` says so, and only under the ``way`` that it wants."""

    right: np.ndarray
    way: Evaluated
    columns: int = CLASSES
    seen: list[int] = field(default_factory=list)

    @contextmanager
    def scene(self) -> Iterator[Room]:
        yield self

    def call(self, name: str, given: np.ndarray) -> Room:
        self._given = given if name == "logits" else None
        return self

    def fetch(self) -> np.ndarray:
        assert self._given is not None
        shown = self._given.transpose(0, 2, 3, 1)[:, 0, 0] * np.array(self.way.std) + np.array(self.way.mean)
        numbers = np.rint(shown * 255).astype(int)
        scores = np.zeros((len(numbers), self.columns), np.float32)
        for row, (high, low, zero) in enumerate(numbers):
            place = high * 256 + low
            known = zero == 0 and 0 <= place < len(self.right)
            if known:
                self.seen.append(place)
            good = known and self.right[place]
            scores[row, (place + (0 if good else 1)) % CLASSES % self.columns] = 1
        return scores


def plan(population: int, most: int, trial: int = 8) -> Plan:
    return Plan(population, 0.65, 0.01, trial, most, wall_s=60.0, classes=CLASSES)


def exported() -> Exports:
    return Exports(networks=(Export("model", "Net", b"onnx"),))


def evaluated(share: float, count: int, asked: Plan, **room: Any) -> tuple[Verified | NotVerified, Room]:
    right = np.random.default_rng(1).permutation(count) < round(share * count)
    pretended = Room(right, Evaluated(), **room)
    evaluation = Evaluation(cast("Module", pretended), images(count), asked, seed=3)
    other = Evaluated(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return evaluation.run(exported(), "best.pt", [other, Evaluated()]), pretended


@pytest.mark.parametrize(
    ("share", "standing"), [(0.80, Standing.MET), (0.40, Standing.NOT_MET), (0.66, Standing.TOO_CLOSE)]
)
def test_decided_as_early_as_it_can_be(share: float, standing: Standing) -> None:
    got, room = evaluated(share, 2_000, plan(50_000, 600))
    assert isinstance(got, Verified)
    assert got.decision.standing is standing
    assert (got.decision.seen < 400) is got.decided
    assert got.decided or got.decision.seen == 600
    assert len(set(room.seen)) <= got.decision.seen + 8


@pytest.mark.parametrize(("right", "standing"), [(1_300, Standing.MET), (1_299, Standing.NOT_MET)])
def test_all_images_are_a_count(right: int, standing: Standing) -> None:
    """65 % of 2,000 are 1,300; the trial's images count too when all were seen."""
    got, _ = evaluated(right / 2_000, 2_000, plan(2_000, 5_000))
    assert isinstance(got, Verified)
    assert got.decision.standing is standing


def test_the_way_that_does_best_is_taken() -> None:
    got, _ = evaluated(0.9, 1_000, plan(50_000, 400))
    assert isinstance(got, Verified)
    assert "0.485" in got.way


@pytest.mark.parametrize("columns", [1, 5])
def test_too_few_classes_are_named(columns: int) -> None:
    got, _ = evaluated(0.9, 500, plan(50_000, 400), columns=columns)
    assert isinstance(got, NotVerified)
    assert "classes apart" in got.why


def test_no_network_is_explained() -> None:
    evaluation = Evaluation(cast("Module", None), images(20), plan(20, 20), seed=0)
    refused = Exports(notes=("weights.pt asks for `os.system` to be called",))
    got = evaluation.run(refused, "weights.pt", [Evaluated()])
    assert isinstance(got, NotVerified)
    assert "os.system" in got.why


def test_the_log_is_held_against_the_count() -> None:
    got, _ = evaluated(0.40, 2_000, plan(50_000, 600))
    assert isinstance(got, Verified)
    assert not compare(got, 0.70, 0.01).agrees
    assert compare(got, 0.41, 0.01).agrees


def test_what_earns_points() -> None:
    met, _ = evaluated(0.80, 2_000, plan(50_000, 600))
    missed, _ = evaluated(0.40, 2_000, plan(50_000, 600))
    open_, _ = evaluated(0.66, 2_000, plan(50_000, 600))
    assert value(met, 0.62, 0.65) == 0.65
    assert value(met, 0.79, 0.65) == 0.79
    assert value(missed, 0.70, 0.65) < 0.65
    assert value(missed, 0.30, 0.65) == 0.30
    assert value(open_, 0.651, 0.65) == 0.651
    assert value(NotVerified("none"), 0.649, 0.65) == 0.649


def test_the_likeliest_file_comes_first() -> None:
    files = (
        "checkpoint.pth.tar",
        "train.py",
        "optimizer.pt",
        "model_best.pth.tar",
        "out/weights.safetensors",
    )
    assert find_weights(files) == ("model_best.pth.tar", "out/weights.safetensors", "checkpoint.pth.tar")
    assert find_weights(("train.log", "README.md")) == ()


def test_probes_are_pictures() -> None:
    assert probes().shape == (2, 224, 224, 3)
    assert probes().dtype == np.uint8
