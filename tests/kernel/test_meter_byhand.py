"""Loops that update their parameters without an optimizer: only backward passes show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


from autograder.sandbox.training import falls  # noqa: E402
from tests.kernel.metered import Metered, examples, installed, loader, net  # noqa: E402

F, nn = torch.nn.functional, torch.nn

LR = 0.2


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Metered:
    torch.manual_seed(0)
    return installed(monkeypatch, tmp_path)


def by_data(model: Any) -> None:
    for one in model.parameters():
        one.data -= LR * one.grad
        one.grad.zero_()


def in_place(model: Any) -> None:
    with torch.no_grad():
        for one in model.parameters():
            one -= LR * one.grad  # noqa: PLW2901 - in place
            one.grad = None


def by_copy(model: Any) -> None:
    for one in model.parameters():
        one.data = one.data - LR * one.grad.data
    model.zero_grad()


def by_own_class(model: Any) -> None:
    class BasicOptim:
        def __init__(self, params: Any, lr: float) -> None:
            self.params, self.lr = list(params), lr

        def step(self) -> None:
            for one in self.params:
                one.data -= one.grad.data * self.lr

        def zero_grad(self) -> None:
            for one in self.params:
                one.grad = None

    optimizer = BasicOptim(model.parameters(), LR)
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize("update", [by_data, in_place, by_copy, by_own_class])
def test_steps_are_counted_whatever_the_update_is_written_as(
    metered: Metered, update: Callable[[Any], None]
) -> None:
    model, batches = net(), loader(shuffle=True)
    with metered.cell(2):
        for _ in range(3):
            for points, labels in batches:
                F.cross_entropy(model(points), labels).backward()
                update(model)
    run = metered.only_run()
    assert (run.by_hand, run.steps, run.backwards, run.epochs) == (True, 24, 24, 3)
    assert (run.batch, run.steps_per_epoch, run.lr_first) == (32, 8, None)
    assert run.feeds[0].after_end == 0
    assert run.feeds[0].complete == 3
    assert falls(run)
    assert run.trains


def test_a_loss_written_by_hand_on_slices_of_tensors(metered: Metered) -> None:
    points, labels = examples().tensors
    weights, bias = torch.zeros(8, 3, requires_grad=True), torch.zeros(3, requires_grad=True)
    with metered.cell(1):
        for _ in range(2):
            for at in range(0, 256, 64):
                scores = torch.log_softmax(points[at : at + 64] @ weights + bias, 1)
                loss = -scores[range(64), labels[at : at + 64]].mean()
                loss.backward()
                with torch.no_grad():
                    weights -= LR * weights.grad
                    bias -= LR * bias.grad
                    weights.grad.zero_()
                    bias.grad.zero_()
    run = metered.only_run()
    assert (run.by_hand, run.steps, run.batch, run.epochs) == (True, 8, 64, None)


def test_parameters_that_are_made_anew_in_each_step(metered: Metered) -> None:
    points, labels = examples().tensors
    weights = torch.zeros(8, 3, requires_grad=True)
    with metered.cell(1):
        for _ in range(12):
            loss = F.cross_entropy(points @ weights, labels)
            loss.backward()
            weights = (weights - LR * weights.grad).detach().requires_grad_()
    with metered.cell(2):
        torch.ones(1, requires_grad=True).sum().backward()
    run = metered.only_run()
    assert (run.by_hand, run.steps, run.backwards) == (True, 12, 12)
    assert run.change is not None
    assert run.change > 0


def test_gradients_from_autograd_grad(metered: Metered) -> None:
    model = net()
    parameters = list(model.parameters())
    with metered.cell(1):
        for points, labels in loader():
            gradients = torch.autograd.grad(F.cross_entropy(model(points), labels), parameters)
            for one, gradient in zip(parameters, gradients, strict=True):
                one.data.sub_(LR * gradient)
    run = metered.only_run()
    assert (run.by_hand, run.steps) == (True, 8)


def test_gathered_gradients_by_hand(metered: Metered) -> None:
    model = net()
    with metered.cell(1):
        for at, (points, labels) in enumerate(loader()):
            F.cross_entropy(model(points), labels).backward()
            if at % 2:
                by_data(model)
    run = metered.only_run()
    assert (run.steps, run.backwards) == (4, 8)


def test_by_hand_first_and_then_with_an_optimizer_on_the_same_network(metered: Metered) -> None:
    model, batches = net(), loader()
    with metered.cell(1):
        for points, labels in batches:
            F.cross_entropy(model(points), labels).backward()
            by_data(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for points, labels in batches:
            F.cross_entropy(model(points), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
    hand, other = sorted(metered.training().runs, key=lambda run: not run.by_hand)
    assert (hand.steps, other.steps, other.backwards) == (8, 8, 8)


def test_two_networks_by_hand_are_two_runs(metered: Metered) -> None:
    first, second = net(), net()
    with metered.cell(1):
        for model in (first, second):
            for points, labels in loader():
                F.cross_entropy(model(points), labels).backward()
                by_data(model)
    assert [run.steps for run in metered.training().runs] == [8, 8]


def test_a_network_that_lives_in_a_function_counts_its_last_step(metered: Metered) -> None:
    def train() -> None:
        model = net()
        for points, labels in loader():
            loss = F.cross_entropy(model(points), labels)
            loss.backward()
            by_data(model)

    with metered.cell(1):
        train()
    with metered.cell(2):
        train()
    assert [run.steps for run in metered.training().runs] == [8, 8]
