"""The test accuracy: our count, what was printed, and what either has to agree with."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from autograder.checks.notebooks.accuracy import (
    Counted,
    NotCounted,
    count,
    decide,
    printed,
    require_agreement,
    require_claim,
    require_function,
)
from autograder.checks.notebooks.series import read_series
from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import SourceFacts
from autograder.data import HeldOut
from autograder.loaders.notebook import Cell, Notebook, Output
from autograder.outcome import CheckFailed, Evidence, LimitExceeded
from autograder.sandbox.predicted import Way, read_ways

TOLERANCES = {
    "held_out_images": 300.0,
    "probe_images": 100.0,
    "held_out_wall_s": 10.0,
    "agreement_errors": 4.0,
    "agreement_floor": 0.01,
}
OURS = Counted(0.75, 0.95, 2000, 10_000, "model (Net)", "the transform of test_set")


def held(images: int = 1000) -> HeldOut:
    """Images whose first pixel says their label."""
    labels = np.arange(images) % 10
    pixels = np.zeros((images, 4, 4), dtype=np.uint8)
    pixels[:, 0, 0] = labels * 20 + 10
    return HeldOut(pixels, labels.astype(np.int64), "mnist", "made here")


class Scenes:
    """A notebook whose networks are functions of the images; each is a way."""

    def __init__(self, *ways: Any) -> None:
        self.ways, self.seen = ways, list[np.ndarray]()

    def scene(self) -> Any:
        return nullcontext(self)

    def predict(
        self, images: np.ndarray, wanted: Any = (), _budget_s: float = 0, **_: Any
    ) -> tuple[Way, ...]:
        self.seen.append(images)
        numbers = list(wanted) or range(len(self.ways))
        return tuple(self._way(at, images) for at in numbers)

    def _way(self, at: int, images: np.ndarray) -> Way:
        scores = self.ways[at](images)
        return Way(at, f"net{at}", "as it is", scores, "" if scores is not None else "it broke")


def knowing(images: np.ndarray) -> np.ndarray:
    scores: np.ndarray = np.eye(10, dtype=np.float32)[images[:, 0, 0].astype(int) // 20]
    return scores


def half(images: np.ndarray) -> np.ndarray:
    right = knowing(images)
    right[::2] = np.roll(right[::2], 1, axis=1)
    return right


def broken(_images: np.ndarray) -> None:
    return None


def counted(*ways: Any) -> Counted | NotCounted:
    return count(cast("Any", Scenes(*ways)), held(), 3, TOLERANCES)


def test_the_best_way_counts_and_the_rest_does_no_harm() -> None:
    ours = counted(broken, half, knowing)
    assert isinstance(ours, Counted)
    assert (ours.top1, ours.top5, ours.images, ours.network) == (1.0, 1.0, 300, "net2")


def test_of_ways_that_cannot_be_told_apart_the_first_counts() -> None:
    def nearly(images: np.ndarray) -> np.ndarray:
        scores = knowing(images)
        scores[:1] = np.roll(scores[:1], 1, axis=1)
        return scores

    ours = counted(nearly, knowing)
    assert isinstance(ours, Counted)
    assert ours.network == "net0"


def test_images_are_sent_shuffled_apart_and_a_little_changed() -> None:
    scenes, data = Scenes(knowing), held()
    data = replace(data, images=np.full((1000, 4, 4), 100, dtype=np.uint8))
    data.images[:, 1, 1] = 0
    data.images[:, 1, 2] = 255
    count(cast("Any", scenes), data, 3, TOLERANCES)
    probe, main = scenes.seen
    assert (len(probe), len(main)) == (100, 300)
    assert main.dtype == np.uint8
    assert set(np.unique(main)) == {0, 99, 100, 101, 255}
    assert (main[:, 1, 1] == 0).all()
    assert (main[:, 1, 2] == 255).all()


@pytest.mark.parametrize(
    ("ways", "why"),
    [((), "no network was found"), ((broken,), "no network took the images: net0: it broke")],
)
def test_why_there_is_no_count(ways: tuple[Any, ...], why: str) -> None:
    ours = counted(*ways)
    assert isinstance(ours, NotCounted)
    assert why in ours.why


def test_a_limit_ends_the_count_with_its_reason() -> None:
    def slow(_images: np.ndarray) -> np.ndarray:
        raise LimitExceeded("wall_s", 20)

    ours = counted(slow)
    assert isinstance(ours, NotCounted)
    assert "time limit" in ours.why


def test_the_error_is_that_of_a_sample() -> None:
    assert pytest.approx(0.00866, abs=1e-5) == OURS.error
    assert replace(OURS, images=10_000).error == 0
    assert replace(OURS, top1=1.0).error > 0


# --- hostile scores ----------------------------------------------------------------------------------


def test_rows_that_are_no_numbers_are_wrong_and_minus_infinity_is_a_number() -> None:
    scores = np.zeros((4, 10), dtype=np.float32)
    scores[0, 0] = np.nan
    scores[1, 0] = np.inf
    scores[2, 1:] = -np.inf  # the logarithm of a probability that is 0
    scores[3, 3] = 1
    way = Way(0, "n", "p", scores)
    assert way.hits(np.array([0, 0, 0, 3, 9])).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros((5, 10), np.float64),
        np.zeros((5, 9), np.float32),
        np.zeros((9, 10), np.float32),
        np.zeros((0, 10), np.float32),
        np.zeros(50, np.float32),
        np.zeros((5, 10), np.int32),
    ],
)
def test_tables_of_another_kind_are_none(scores: np.ndarray) -> None:
    reply = {
        "ways": [{"number": 0, "network": "n", "preparation": "p", "scores": ["array", "0"], "problem": ""}]
    }
    (way,) = read_ways(reply, {"0": scores}, 5)
    assert way.scores is None
    assert way.problem == "it gave no scores"


@pytest.mark.parametrize(
    "ways",
    [None, 3, {}, [3], [{}], [{"number": True}], [{"number": -1}], [{"number": 10**9}], [{"number": "0"}]],
)
def test_replies_that_are_none_give_nothing(ways: object) -> None:
    assert read_ways({"ways": ways}, {}, 5) == ()


def test_texts_of_a_reply_are_cleaned() -> None:
    raw = {"number": 1, "network": "a\x1b[31m\u202eb\n" * 100, "preparation": 7, "scores": ["str", "x"]}
    (way,) = read_ways({"ways": [raw]}, {}, 5)
    assert "\x1b" not in way.network
    assert "\u202e" not in way.network
    assert "\n" not in way.network
    assert len(way.network) <= 210
    assert way.preparation == ""


# --- what was printed --------------------------------------------------------------------------------


def told(text: str, source: str = "print(x)") -> Notebook:
    return Notebook((Cell(1, "code", source, 1, (Output("stream", "stdout", text),)),))


@pytest.mark.parametrize("value", ["74.9", "78.0", "71.2"])
def test_what_was_printed_agrees_within_chance(value: str) -> None:
    notebook = told(f"Test accuracy: {value}%\n")
    agreed = require_agreement(OURS, printed(read_series(notebook)), read_source(notebook), TOLERANCES)
    assert "They agree within 4.5 points" in agreed.text


@pytest.mark.parametrize("value", ["80.0", "70.0", "99.0", "10.0"])
def test_what_was_printed_differs_by_more(value: str) -> None:
    notebook = told(f"Test accuracy: {value}%\n")
    with pytest.raises(CheckFailed, match="They differ by"):
        require_agreement(OURS, printed(read_series(notebook)), read_source(notebook), TOLERANCES)


def test_nothing_printed_is_said() -> None:
    with pytest.raises(CheckFailed, match="prints no test accuracy"):
        require_agreement(OURS, None, SourceFacts(), TOLERANCES)


def test_a_text_in_the_source_is_no_accuracy() -> None:
    notebook = told("Test accuracy: 93.10%\n", 'print("Test accuracy: 93.10%")')
    with pytest.raises(CheckFailed, match="stands in its source as text"):
        require_claim(printed(read_series(notebook)), read_source(notebook))


def test_our_count_goes_before_what_was_printed() -> None:
    reading = printed(read_series(told("Test accuracy: 93.10%\n")))
    ours = decide(OURS, reading, Evidence.CLAIMED)
    assert ours is not None
    assert (ours.value, ours.evidence) == (0.75, Evidence.MEASURED)
    without = decide(NotCounted("no network was found"), reading, Evidence.MEASURED)
    assert without is not None
    assert without.value == pytest.approx(0.931)
    assert "no network was found" in without.told
    assert decide(None, None, Evidence.CLAIMED) is None


def test_the_accuracy_of_training_is_not_taken_for_that_of_the_test() -> None:
    assert printed(read_series(told("train accuracy: 99.0%\n"))) is None


@pytest.mark.parametrize(
    "source",
    [
        "def evaluate(m, l):\n    r = 0\n    for x, y in l:\n        r += (m(x).argmax(1) == y).sum()\n"
        "    return r",
        "def acc(net, data):\n    p = [net(x).max(1)[1] for x, _ in data]\n    t = [y for _, y in data]\n"
        "    return accuracy_score(t, p)",
    ],
)
def test_functions_that_compute_an_accuracy(source: str) -> None:
    assert require_function(read_source(told("", source))).startswith("Found: ")


@pytest.mark.parametrize(
    "source", ["print(0.9)", "def accuracy(m, l):\n    return 0.93", "def show(x):\n    pass"]
)
def test_functions_that_compute_none(source: str) -> None:
    with pytest.raises(CheckFailed, match="No function"):
        require_function(read_source(told("", source)))
