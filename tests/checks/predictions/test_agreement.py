"""Which files can be a model's, by simulation; and the way there with a network of NumPy in the room's place.

A real network in real boxes is held against its own file in tests/graders/test_gatech_challenge.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from autograder.checks.models.running import Running
from autograder.checks.predictions import agreement as module
from autograder.checks.predictions.agreement import Agreement, Labels, Model, NotCompared, agreement, compare
from autograder.checks.predictions.normalising import USUAL, Normalising, named_in
from autograder.data import HeldOut
from autograder.intake import Tree
from autograder.outcome import CheckFailed
from autograder.sandbox.exported import Export, Exports

N, CLASSES, SAMPLE = 10_000, 10, 512
ITS_OWN = Normalising("", (0.47, 0.46, 0.45), (0.22, 0.23, 0.24))
MODEL = Model("mymodel.pt", "models/mymodel.py")


def noisy(labels: Labels, right: float, seed: int) -> Labels:
    """These labels, all but a share of them drawn anew."""
    draws = np.random.default_rng(seed)
    changed = draws.random(len(labels)) > right
    return np.where(changed, draws.integers(0, CLASSES, len(labels)), labels)


@pytest.fixture(scope="module")
def truth() -> Labels:
    return np.random.default_rng(1).integers(0, CLASSES, SAMPLE)


def compared(answers: list[Labels], file: Labels, truth: Labels) -> Agreement:
    found = compare(answers, file, truth, N, "mymodel.pt")
    assert isinstance(found, Agreement), found
    return found


# --- what is suspicious ------------------------------------------------------------------------------


def test_a_file_of_the_model_is_not(truth: Labels) -> None:
    own = noisy(truth, 0.75, 2)
    found = compared([own, noisy(own, 0.95, 3)], own, truth)
    assert (found.share, found.suspicious) == (1.0, False)
    assert found.itself == pytest.approx(0.955, abs=0.03)
    assert "'mymodel.pt' on 100.0 % of 512 test images" in found.told


def test_a_file_by_a_preparation_that_we_do_not_know_is_not(truth: Labels) -> None:
    own = noisy(truth, 0.75, 2)
    for seed in range(20):
        found = compared([noisy(own, 0.94, seed), noisy(own, 0.92, seed + 50)], own, truth)
        assert not found.suspicious, found


@pytest.mark.parametrize("others", [1, 0])
def test_a_file_of_something_else_is(others: int, truth: Labels) -> None:
    own = noisy(truth, 0.75, 2)
    answers = [own, noisy(own, 0.95, 3)][: 1 + others]
    drawn = compared(answers, np.random.default_rng(4).integers(0, CLASSES, SAMPLE), truth)
    assert drawn.suspicious
    assert "can't have produced it from images prepared in any way that was tried" in drawn.told
    assert "a way that no source names" in drawn.told
    # another training, as good, agrees with this one where both are right and little more
    assert compared(answers, noisy(truth, 0.75, 9), truth).suspicious


def test_the_true_labels_are_better_than_the_model(truth: Labels) -> None:
    own = noisy(truth, 0.75, 2)
    weak_self = noisy(own, 0.8, 3)
    found = compared([own, weak_self], truth, truth)
    assert found.suspicious
    assert found.right_in_file == 1.0


def test_a_network_at_chance_says_nothing(truth: Labels) -> None:
    guessed = np.random.default_rng(5).integers(0, CLASSES, SAMPLE)
    found = compare([guessed], truth, truth, N, "mymodel.pt")
    assert isinstance(found, NotCompared)
    assert "better than guessing" in found.why


def test_false_alarms_are_rare(truth: Labels) -> None:
    """Files of the model by an unknown preparation that costs it as much as the known ones cost it."""
    own = noisy(truth, 0.7, 2)
    alarms = sum(
        compared(
            [noisy(own, 0.9, 3 * s), noisy(own, 0.9, 3 * s + 1)], noisy(own, 0.95, 3 * s + 2), truth
        ).suspicious
        for s in range(300)
    )
    assert alarms == 0


# --- the numbers of a preparation --------------------------------------------------------------------


def test_numbers_are_found_in_sources() -> None:
    sources = {
        "train.py": "Normalize((0.5071, 0.4867, 0.4408), [0.2675, 0.2565, 0.2761])\nsize = (3, 32, 32)\n",
        "data.py": "MEAN = torch.tensor([125.3, 123.0, 113.9]).view(1, 3, 1, 1)\nSTD = [63.0, 62.1, 66.7]\n",
        "shares.py": "mean = [125.3 / 255, 123.0 / 255, 113.9 / 255]\n",
        "broken.py": "def (:\n",
        "deep.py": "(" * 5_000,
    }
    found = {(one.mean, one.deviation) for one in named_in(sources)}
    assert ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)) in found
    assert ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)) in found
    assert ((125.3 / 255, 123.0 / 255, 113.9 / 255), (1.0, 1.0, 1.0)) in found
    assert not any(3.0 in one.mean and 32.0 in one.mean for one in named_in(sources))


def test_pixels_are_prepared_as_the_numbers_say() -> None:
    images = np.full((1, 32, 32, 3), 255, dtype=np.uint8)
    whole = Normalising("", (100.0, 100.0, 100.0), (50.0, 50.0, 50.0)).prepare(images)
    assert whole.images.shape == (1, 3, 32, 32)
    assert np.allclose(whole.images, 3.1)
    assert np.allclose(Normalising("", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).prepare(images).images, 1.0)


# --- the way there -----------------------------------------------------------------------------------


class Linear:
    """A network that sees colours: its class is the nearest of ten, for images that were prepared its way."""

    outputs = 2  # the first of them are features

    def __init__(self, colours: np.ndarray, made_for: Normalising) -> None:
        blocks = np.broadcast_to(colours[:, None, None, :], (CLASSES, 32, 32, 3)).astype(np.uint8)
        self._centres = made_for.prepare(blocks).images.mean(axis=(2, 3))

    def scores(self, images: np.ndarray, output: int = 0) -> np.ndarray:
        seen = images.mean(axis=(2, 3))
        away: np.ndarray = ((seen[:, None] - self._centres) ** 2).sum(axis=2)
        return seen if output == 0 else -away


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Any, HeldOut]:
    draws = np.random.default_rng(7)
    colours = draws.integers(30, 226, (CLASSES, 3))
    labels = draws.integers(0, CLASSES, 1_000)
    shade, grain = draws.normal(0, 25, (1_000, 1, 1, 3)), draws.normal(0, 9, (1_000, 32, 32, 3))
    images = np.clip(colours[labels][:, None, None, :] + shade + grain, 0, 255).astype(np.uint8)
    held = HeldOut(images, labels, "cifar10", "made up")
    (tmp_path / "train.py").write_text("MEAN, STD = (0.47, 0.46, 0.45), (0.22, 0.23, 0.24)\n")
    network = Linear(colours, ITS_OWN)

    @contextmanager
    def scene(*_: object) -> Iterator[object]:
        yield None

    @contextmanager
    def running(*_: object) -> Iterator[Running]:
        yield cast("Running", network)

    exports = Exports((Export("MyModel()", "MyModel", b"onnx", takes=(3, 32, 32)),))
    monkeypatch.setattr(module, "scene_of_weights", scene)
    monkeypatch.setattr(module, "export", lambda *_: exports)
    monkeypatch.setattr(module, "running", running)
    monkeypatch.setattr(module, "weigh", lambda _: None)
    tree = Tree(tmp_path, ("train.py",), (), (), "")
    return SimpleNamespace(room=None, tree=tree, network=network), held


def own_labels(submission: Any, held: HeldOut, by: Normalising) -> Labels:
    return cast("Labels", submission.network.scores(by.prepare(held.images).images, 1).argmax(axis=1))


def asked(world: tuple[Any, HeldOut], predicted: Labels, budget_s: float = 60.0) -> Agreement | NotCompared:
    submission, held = world
    return agreement(submission, cast("Any", None), MODEL, predicted, held, seed=3, budget_s=budget_s)


def test_the_preparation_that_the_sources_name_is_found(world: tuple[Any, HeldOut]) -> None:
    submission, held = world
    found = asked(world, own_labels(submission, held, ITS_OWN))
    assert isinstance(found, Agreement), found
    assert (found.share, found.images, found.suspicious) == (1.0, SAMPLE, False)
    assert found.right_by_model > 0.5


def test_a_usual_preparation_is_found_too(world: tuple[Any, HeldOut]) -> None:
    submission, held = world
    found = asked(world, own_labels(submission, held, USUAL[3]))
    assert isinstance(found, Agreement), found
    assert (found.share, found.suspicious) == (1.0, False)


def test_drawn_labels_are_suspicious(world: tuple[Any, HeldOut]) -> None:
    found = asked(world, np.random.default_rng(8).integers(0, CLASSES, 1_000))
    assert isinstance(found, Agreement), found
    assert found.suspicious
    assert found.share < 0.25


def test_what_can_not_be_compared_says_why(
    world: tuple[Any, HeldOut], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = np.random.default_rng(8).integers(0, CLASSES, 1_000)
    few = asked(world, drawn[:10])
    assert few == NotCompared("there are 10 predictions and 1,000 images")

    def refused(*_: object) -> Exports:
        raise CheckFailed("'mymodel.pt' gives no network: it is no file of weights.")

    monkeypatch.setattr(module, "export", refused)
    assert asked(world, drawn) == NotCompared("'mymodel.pt' gives no network: it is no file of weights.")
    small = Exports((Export("MyModel()", "MyModel", b"onnx", takes=(1, 28, 28)),))
    monkeypatch.setattr(module, "export", lambda *_: small)
    assert asked(world, drawn) == NotCompared("'mymodel.pt': it takes none of the images")
