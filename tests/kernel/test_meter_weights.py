"""What is noted of a network's weights: its beginning, what was loaded, how its last epochs left it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from autograder.sandbox.kernel import meter_weights  # noqa: E402
from autograder.sandbox.training_weights import KeptEpoch, Load  # noqa: E402
from tests.kernel.metered import SIZE, Metered, installed, loader, net  # noqa: E402

F, nn = torch.nn.functional, torch.nn


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Metered:
    torch.manual_seed(0)
    found = installed(monkeypatch, tmp_path)
    found.context.epochs_kept = 3
    return found


def epoch(model: Any, batches: Any, optimizer: Any) -> None:
    model.train()
    for points, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(points), labels).backward()
        optimizer.step()


def test_the_last_epochs_weights_are_kept_as_each_left_them(metered: Metered) -> None:
    model: Any = net()
    batches, testing = loader(shuffle=True), loader(64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    left: list[Any] = []
    with metered.cell(2):
        for _ in range(5):
            epoch(model, batches, optimizer)
            left.append(model[0].weight.detach().clone())
            model.eval()
            for points, _ in testing:
                model(points)
    weights = metered.meter.weights
    for back in (1, 2, 3):
        kept = weights.kept(-back)
        assert kept is not None
        assert kept.module is model
        assert torch.equal(kept.tensors["0.weight"], left[-back])
    assert weights.kept(-4) is None
    assert metered.training().kept == (KeptEpoch(0, 3, 24), KeptEpoch(0, 4, 32), KeptEpoch(0, 5, 40))


def test_an_evaluation_is_no_epoch(metered: Metered) -> None:
    model = net()
    with metered.cell(1):
        for points, _ in loader():
            model(points)
    assert metered.training().kept == ()


def test_nothing_is_kept_where_nothing_is_asked_for(metered: Metered) -> None:
    metered.context.epochs_kept = 0
    model = net()
    with metered.cell(1):
        epoch(model, loader(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert metered.training().kept == ()
    assert len(metered.training().beginnings) == 1


def test_what_is_too_large_is_not_kept(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_weights, "_KEPT_BYTES", 2_000)
    model = net()  # 195 numbers, 780 bytes: three epochs don't fit
    with metered.cell(1):
        epoch(model, loader(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert metered.meter.weights.kept(-1) is None


def test_the_last_training_is_the_one_that_is_asked_for(metered: Metered) -> None:
    first, second = net(), net()
    with metered.cell(1):
        epoch(first, loader(), torch.optim.SGD(first.parameters(), lr=0.1))
    with metered.cell(2):
        epoch(second, loader(), torch.optim.SGD(second.parameters(), lr=0.1))
    kept = metered.meter.weights.kept(-1)
    assert kept is not None
    assert kept.module is second


def test_a_network_is_looked_at_before_its_first_batch(metered: Metered) -> None:
    model = nn.Sequential(nn.Linear(SIZE, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    first = model[0].weight.detach().clone()
    with metered.cell(7):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        epoch(model, loader(), optimizer)
        epoch(model, loader(), optimizer)
    (begun,) = metered.training().beginnings
    assert (begun.cell, begun.steps, begun.model) == (7, 0, "Sequential")
    looks = {one.name: one for one in begun.tensors}
    assert list(looks) == [
        *("0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"),
        *("1.running_mean", "1.running_var", "1.num_batches_tracked"),
    ]
    assert looks["0.weight"].std == pytest.approx(float(first.std(correction=0)), rel=1e-5)
    assert looks["0.weight"].shape == (16, SIZE)
    assert (looks["1.running_mean"].most, looks["1.num_batches_tracked"].most) == (0, 0)


def test_what_was_loaded_is_told_with_what_was_trained_before(metered: Metered, tmp_path: Path) -> None:
    model = net()
    torch.save(model.state_dict(), tmp_path / "best.pt")
    with metered.cell(3):
        epoch(model, loader(), torch.optim.SGD(model.parameters(), lr=0.1))
        model.load_state_dict(torch.load(tmp_path / "best.pt"))
    assert metered.training().loads == (
        Load("torch.load", "best.pt", 3, 8),
        Load("load_state_dict", "Sequential", 3, 8),
    )
