"""What was measured of a network's beginning, from a report that may be hostile."""

from __future__ import annotations

import pytest

from autograder.sandbox.measured import Junk, Record
from autograder.sandbox.training_weights import Beginning, kept_epoch, load, read_begun

TENSOR = {
    "name": "conv.weight",
    "shape": [8, 1, 3, 3],
    "mean": 0.01,
    "std": 0.19,
    "least": -0.33,
    "most": 0.33,
}


def test_what_is_right_is_read() -> None:
    junk = Junk()
    (found,) = read_begun([{"cell": 4, "steps": 100, "model": "Net", "tensors": [TENSOR]}], junk)
    assert (found.cell, found.steps, found.model, junk.count) == (4, 100, "Net", 0)
    assert found.tensors == (Beginning("conv.weight", (8, 1, 3, 3), 0.01, 0.19, -0.33, 0.33),)
    one = found.tensors[0]
    assert (one.numel, one.kind, one.layer) == (72, "weight", "conv")
    scalar = {"name": "bn.num_batches_tracked", "shape": [], "mean": 3, "std": 0, "least": 3, "most": 3}
    (found,) = read_begun([{"tensors": [scalar]}], junk)
    assert (found.tensors[0].numel, found.tensors[0].most, junk.count) == (1, 3.0, 0)


def test_loads_and_kept_epochs() -> None:
    told = {"kind": "torch.load", "what": "a\u202eb.pt", "cell": 3, "steps": 7}
    found = load(Record(told, Junk()))
    assert (found.kind, found.cell, found.steps) == ("torch.load", 3, 7)
    assert "\u202e" not in found.what
    kept = kept_epoch(Record({"run": 1, "epoch": 15, "steps": "many"}, Junk()))
    assert (kept.run, kept.epoch, kept.steps) == (1, 15, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"shape": None},
        {"shape": [8, -1]},
        {"shape": [True]},
        {"shape": [2.0]},
        {"shape": [10**6, 10**6]},
        {"shape": [1] * 9},
        {"mean": float("nan")},
        {"std": float("inf")},
        {"std": -0.1},
        {"std": 5.0},
        {"least": 0.2},
        {"most": None},
        {"mean": "0.01"},
        {"mean": True},
    ],
)
def test_what_is_wrong_is_dropped_and_counted(changed: dict[str, object]) -> None:
    junk = Junk()
    (found,) = read_begun([{"cell": 4, "tensors": [TENSOR | changed, TENSOR]}], junk)
    assert len(found.tensors) == 1
    assert junk.count >= 1


@pytest.mark.parametrize("value", ["x", 3, {}, [3], [[]], ["x"]])
def test_what_is_no_list_of_beginnings(value: object) -> None:
    junk = Junk()
    assert read_begun(value, junk) == ()
    assert junk.count == 1
    (found,) = read_begun([{"tensors": value}], junk)
    assert found.tensors == ()


def test_no_more_is_read_than_a_notebook_has() -> None:
    junk = Junk()
    assert read_begun(None, junk) == ()
    assert junk.count == 0
    assert len(read_begun([{}] * 5_000, junk)) == 64
    assert junk.count == 5_000 - 64
    (found,) = read_begun([{"tensors": [TENSOR] * 5_000}], Junk())
    assert len(found.tensors) == 1_000
