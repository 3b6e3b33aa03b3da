"""Mini-batches or all images at once: what the meter saw, what a loop's source says, what is only printed."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.checks.notebooks.minibatch import Batches, read_learning, require_fall, require_mini_batches
from autograder.checks.notebooks.source import read_source
from autograder.loaders.notebook import Cell, Notebook, Output
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.training import Training

FEWEST = 20
STEP = "    loss.backward()\n    optimizer.step()\n"


def notebook(source: str, printed: str = "") -> Notebook:
    outputs = (Output("stream", "stdout", printed),) if printed else ()
    return Notebook((Cell(1, "code", source, outputs=outputs),))


def run(**changes: Any) -> dict[str, Any]:
    """A run as the meter reports it: a loss that falls over 100 steps of 64 images, without a loader."""
    losses = [[step, 2.3 / step] for step in range(1, 101)]
    said = {
        "number": 0,
        "cell": 1,
        "steps": 100,
        "backwards": 100,
        "batch": 64,
        "batch_least": 64,
        "batch_most": 64,
    }
    return said | {"losses": losses, "losses_seen": 100, "change": 0.5, "lr_most": 0.1, "feeds": []} | changes


def fed(batches: int, taken: int = 1) -> dict[str, Any]:
    """The parts of a report that say which loader the steps came from; each step takes ``taken`` batches."""
    feed = {"loader": 1, "passes": 2, "complete": 2, "batches": 2 * batches, "steps": 2 * batches // taken}
    loader = {"number": 1, "cell": 1, "batches": batches, "parts": []}
    steps = max(1, batches // taken)
    return {
        "feeds": [feed | {"checked": 5, "proven": 5, "after_end": 0}],
        "steps_per_epoch": steps,
        "loader": loader,
    }


def measured(source: str = "pass", **changes: Any) -> Batches:
    loader = changes.pop("loader", None)
    training = Training.from_json({"runs": [run(**changes)], "loaders": [loader] if loader else []})
    book = notebook(source)
    learned = read_learning(book, read_source(book), training, FEWEST)
    assert learned is not None
    assert learned.evidence is Evidence.MEASURED
    return learned.batches


def test_a_loader_of_many_batches_is_mini_batches() -> None:
    assert measured(**fed(938)) is Batches.MINI


def test_a_loader_of_one_batch_is_all_images() -> None:
    assert measured(**fed(1)) is Batches.WHOLE


def test_gradients_gathered_over_a_whole_pass_are_all_images() -> None:
    assert measured(**fed(100, taken=100)) is Batches.WHOLE


def test_a_batch_of_most_of_the_images_is_no_mini_batch() -> None:
    assert measured(batch=60_000, batch_least=60_000, batch_most=60_000) is Batches.WHOLE


SAME_IMAGES = f"for step in range(100):\n    loss = f(x_train[:1000])\n{STEP}"
DRAWN = (
    f"for step in range(100):\n    some = torch.randint(0, n, (1000,))\n    loss = f(x_train[some])\n{STEP}"
)
IN_A_FUNCTION = (
    "def update(start):\n    loss = f(x[start:start + 1000])\n    loss.backward()\n"
    "step = 0\nwhile step < 100:\n    update(step)\n    step += 1\n"
)


@pytest.mark.parametrize(
    ("source", "batches"),
    [(SAME_IMAGES, Batches.WHOLE), (DRAWN, Batches.MINI), (IN_A_FUNCTION, Batches.MINI)],
)
def test_without_a_loader_the_loop_tells_a_large_batch_from_all_images(source: str, batches: Batches) -> None:
    assert measured(source, batch=1000, batch_least=1000, batch_most=1000) is batches


def test_a_training_that_diverges_on_purpose_spoils_no_other() -> None:
    flat = [[step, 2.3] for step in range(1, 101)]
    bad = run(number=1, steps=900, losses=flat)
    book = notebook("pass")
    learned = read_learning(book, read_source(book), Training.from_json({"runs": [bad, run()]}), FEWEST)
    assert require_mini_batches(learned, FEWEST).falls is True
    require_fall(learned)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"change": 0.0}, "don't change the parameters"),
        ({"lr_most": 0.0}, "don't change the parameters"),
        ({"steps": 5}, "5 steps"),
        ({"batch": 60_000, "batch_most": 60_000}, "all training images at once"),
    ],
)
def test_what_is_no_training_by_mini_batches_is_named(changes: dict[str, Any], said: str) -> None:
    book = notebook("pass")
    learned = read_learning(book, read_source(book), Training.from_json({"runs": [run(**changes)]}), FEWEST)
    with pytest.raises(CheckFailed, match=said):
        require_mini_batches(learned, FEWEST)


def test_a_loss_that_is_no_number_is_named() -> None:
    book, report = notebook("pass"), {"runs": [run(losses=[], nonfinite=100)]}
    with pytest.raises(CheckFailed, match="not a number"):
        require_fall(read_learning(book, read_source(book), Training.from_json(report), FEWEST))


NUMPY = "for start in range(0, n, 50):\n    weights -= rate * gradient(x[start:start + 50])\n"


@pytest.mark.parametrize(
    ("printed", "falls"),
    [
        ("epoch 1: training loss 0.9\nepoch 2: training loss 0.4\n", True),
        ("epoch 1: training loss 0.9\nepoch 2: training loss 0.9\n", False),
        ("", None),
    ],
)
def test_without_the_meter_source_and_prints_are_a_claim(printed: str, falls: bool | None) -> None:
    book = notebook(NUMPY, printed)
    learned = read_learning(book, read_source(book), None, FEWEST)
    assert learned is not None
    assert (learned.batches, learned.falls, learned.evidence) == (Batches.MINI, falls, Evidence.CLAIMED)


def test_a_notebook_without_a_training_has_none() -> None:
    book = notebook("print(1)", "1\n")
    with pytest.raises(CheckFailed, match="No training was seen"):
        require_mini_batches(read_learning(book, read_source(book), Training(), FEWEST), FEWEST)
