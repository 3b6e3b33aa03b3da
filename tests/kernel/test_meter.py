"""What the meter says of trainings with an optimizer: steps, losses, settings and progress."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


from autograder.sandbox.kernel import meter  # noqa: E402
from autograder.sandbox.training import Progress, Training, falls  # noqa: E402
from tests.kernel.metered import EXAMPLES, Metered, examples, installed, loader, net  # noqa: E402

F, nn, optim = torch.nn.functional, torch.nn, torch.optim


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Metered:
    torch.manual_seed(0)
    return installed(monkeypatch, tmp_path)


def fit(model: Any, batches: Any, optimizer: Any, epochs: int = 1, scheduler: Any = None) -> None:
    for _ in range(epochs):
        for points, labels in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(points), labels).backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()


def sgd(model: Any, lr: float = 0.1, **named: Any) -> Any:
    return torch.optim.SGD(model.parameters(), lr=lr, **named)


def test_a_plain_training_is_told_whole(metered: Metered) -> None:
    model, batches = net(), loader(shuffle=True)
    with metered.cell(4):
        fit(model, batches, sgd(model, momentum=0.9, weight_decay=1e-4), epochs=3)
    training = metered.training()
    (run,) = training.runs
    assert (run.steps, run.backwards, run.steps_per_epoch, run.epochs) == (24, 24, 8, 3)
    assert (run.optimizer, run.momentum, run.weight_decay, run.by_hand) == ("SGD", 0.9, 1e-4, False)
    assert (run.lr_first, run.lr_last, run.batch, run.parameters) == (0.1, 0.1, 32, 195)
    assert [(one.cell, one.steps, one.passes) for one in run.cells] == [(4, 24, 3)]
    assert run.model == "Sequential"
    assert run.losses[0].step == 1
    assert run.losses[-1].step == 24
    assert run.losses[0].loss > run.losses[-1].loss
    assert falls(run)
    assert run.trains
    (feed,) = run.feeds
    assert (feed.complete, feed.batches, feed.steps, feed.after_end) == (3, 24, 24, 0)
    assert feed.proven == feed.checked > 0
    assert training.loaders[0].shuffles
    assert training.sentence(run).startswith(
        "trained 8 steps per epoch for 3 epochs with SGD, lr 0.1, batch 32, on TensorDataset (256); loss 1."
    )


def test_the_training_itself_is_bit_for_bit_what_it_would_have_been(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def trained() -> list[Any]:
        torch.manual_seed(5)
        model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.3), nn.Linear(16, 3))
        fit(model, loader(shuffle=True), torch.optim.Adam(model.parameters()), epochs=2)
        return [one.detach().clone() for one in model.parameters()] + [torch.random.get_rng_state()]

    alone = trained()
    installed(monkeypatch, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(alone, trained(), strict=True))


def test_two_cells_continue_one_run(metered: Metered) -> None:
    model, batches = net(), loader()
    optimizer = sgd(model)
    for cell, epochs in ((1, 2), (2, 1)):
        with metered.cell(cell):
            fit(model, batches, optimizer, epochs)
    run = metered.only_run()
    assert [(one.cell, one.steps, one.passes) for one in run.cells] == [(1, 16, 2), (2, 8, 1)]


def test_a_scheduler_shows_in_the_learning_rates(metered: Metered) -> None:
    model = net()
    optimizer = sgd(model, 0.4)
    with metered.cell(1):
        fit(model, loader(), optimizer, 3, torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5))
    run = metered.only_run()
    assert (run.lr_first, run.lr_last, run.lr_least, run.lr_most) == (0.4, 0.1, 0.1, 0.4)


def test_gathered_gradients_are_several_backward_passes_to_a_step(metered: Metered) -> None:
    model = net()
    optimizer = sgd(model)
    with metered.cell(1):
        for at, (points, labels) in enumerate(loader()):
            (F.cross_entropy(model(points), labels) / 4).backward()
            if at % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    run = metered.only_run()
    assert (run.steps, run.backwards, run.by_hand) == (2, 8, False)
    assert run.steps_per_epoch == 2


def test_lbfgs_counts_its_steps_and_its_closures_losses(metered: Metered) -> None:
    model, (points, labels) = net(), examples().tensors
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(points), labels)
        loss.backward()
        return loss

    with metered.cell(1):
        for _ in range(4):
            optimizer.step(closure)
    run = metered.only_run()
    assert (run.steps, run.optimizer, run.by_hand) == (4, "LBFGS", False)
    assert run.backwards >= 8
    assert run.batch == EXAMPLES
    assert run.epochs is None


def test_two_optimizers_of_a_gan_are_two_runs(metered: Metered) -> None:
    generator, critic = nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    forge, judge = torch.optim.Adam(generator.parameters()), torch.optim.Adam(critic.parameters())
    judged = F.binary_cross_entropy_with_logits
    with metered.cell(1):
        for real, _ in loader():
            judge.zero_grad()
            judged(critic(real), torch.ones(32, 1)).backward()
            judged(critic(generator(torch.randn(32, 4)).detach()), torch.zeros(32, 1)).backward()
            judge.step()
            forge.zero_grad()
            judged(critic(generator(torch.randn(32, 4))), torch.ones(32, 1)).backward()
            forge.step()
    by_size = {run.parameters: run for run in metered.training().runs}
    assert [(by_size[n].steps, by_size[n].backwards) for n in (40, 81)] == [(8, 8), (8, 16)]
    assert all(run.epochs == 1 and run.steps_per_epoch == 8 for run in by_size.values())


def test_a_learning_rate_of_zero_is_seen_not_to_train(metered: Metered) -> None:
    model = net()
    with metered.cell(1):
        fit(model, loader(), sgd(model, 0.0), epochs=5)
    run = metered.only_run()
    assert (run.steps, run.lr_most, run.change) == (40, 0.0, 0.0)
    assert not run.trains
    assert not falls(run)
    assert metered.training().longest is None


def test_steps_on_parameters_that_have_no_gradient_are_seen_not_to_train(metered: Metered) -> None:
    model, other = net(), net()
    with metered.cell(1):
        fit(model, loader(), sgd(other))
    assert metered.training().longest is None


def test_losses_that_are_not_finite_are_counted_and_left_out(metered: Metered) -> None:
    model = net()
    optimizer = sgd(model)
    with metered.cell(1):
        for at, (points, labels) in enumerate(loader()):
            loss = F.cross_entropy(model(points), labels)
            (loss * math.nan if at > 5 else loss).backward()
            optimizer.step()
    run = metered.only_run()
    assert (run.steps, run.nonfinite, len(run.losses)) == (8, 2, 6)


def test_a_scaled_loss_is_told_unscaled(metered: Metered) -> None:
    model = net()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=1024.0)
    with metered.cell(1):
        for points, labels in loader():
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(points), labels)).backward()
            scaler.step(optimizer)
            scaler.update()
    run = metered.only_run()
    assert run.steps == 8
    assert 0.1 < run.losses[0].loss < 5


def test_a_subclass_that_calls_its_bases_step_steps_once(metered: Metered) -> None:
    class Mine(optim.SGD):  # type: ignore[misc, name-defined]
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    plain, mine = net(), net()
    with metered.cell(1):
        fit(plain, loader(), sgd(plain))  # torch has then put its hooks around the base's step too
        fit(mine, loader(), Mine(mine.parameters(), lr=0.1))
    assert [(run.optimizer, run.steps) for run in metered.training().runs] == [("SGD", 8), ("Mine", 8)]


def test_a_step_that_raised_does_not_stop_the_counting(metered: Metered) -> None:
    class Fails(optim.SGD):  # type: ignore[misc, name-defined]
        fails = True

        def step(self, closure: Any = None) -> Any:
            if Fails.fails:
                raise ValueError("no")
            return super().step(closure)

    model = net()
    optimizer = Fails(model.parameters(), lr=0.1)
    with metered.cell(1):
        with pytest.raises(ValueError, match="no"):
            fit(model, loader(), optimizer)
        Fails.fails = False
        fit(model, loader(), optimizer)
    assert metered.only_run().steps == 8


def test_a_backward_pass_that_is_no_training_is_no_run(metered: Metered) -> None:
    model = net()
    with metered.cell(1):
        for points, labels in loader():
            F.cross_entropy(model(points), labels).backward()
    with metered.cell(2):
        torch.zeros(3, requires_grad=True).sum().backward()
    assert metered.training().runs == ()


@pytest.mark.usefixtures("metered")
def test_an_exception_of_the_training_is_the_students() -> None:
    loss = torch.zeros(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        loss.backward()
    loss.backward(torch.ones(2))


def test_a_long_series_is_thinned_evenly_with_its_ends(metered: Metered) -> None:
    weight = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1e-3)
    with metered.cell(1):
        for _ in range(3001):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()
    run = metered.only_run()
    steps = [point.step for point in run.losses]
    assert (steps[0], steps[-1], run.losses_seen) == (1, 3001, 3001)
    assert 300 < len(steps) <= 400
    assert max(b - a for a, b in itertools.pairwise(steps)) <= 16


def test_many_runs_stay_within_the_size_and_the_longest_are_kept(metered: Metered) -> None:
    with metered.cell(1):
        for at in range(300):
            weight = torch.ones(2, requires_grad=True)
            optimizer = torch.optim.SGD([weight], lr=1e-3)
            for _ in range(60 if at == 0 else 1 + at % 40):
                (weight**2).sum().backward()
                optimizer.step()
    training = metered.training()
    assert (len(training.runs), training.runs_dropped) == (256, 44)
    assert max(run.steps for run in training.runs) == 60
    assert min(run.steps for run in training.runs) > 1


def test_progress_is_told_from_the_main_thread_of_this_process_alone(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "_PROGRESS_S", 1e9)
    told: list[dict[str, Any]] = []
    metered.meter.on_progress = told.append
    model = net()
    with metered.cell(3):
        training = threading.Thread(target=fit, args=(model, loader(), sgd(model)))
        training.start()
        training.join()
        assert told == []
        optimizer = sgd(model)
        for one in model.parameters():
            one.grad = torch.ones_like(one)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            optimizer.step()  # no backward pass: autograd's threads didn't come along
            os._exit(len(told))
        assert os.waitpid(child, 0)[1] == 0
        fit(model, loader(), sgd(model), epochs=2)
    (record,) = told  # the first, and none for a long time after it
    progress = Progress.from_json(json.loads(json.dumps(record)))
    assert progress is not None
    assert (progress.cell, progress.run, progress.steps_per_epoch) == (3, 1, 8)


def test_a_meter_that_fails_leaves_the_training_alone_and_says_so(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("odd")

    monkeypatch.setattr(metered.meter._updates, "claim", broken)
    model = net()
    with metered.cell(1):
        fit(model, loader(), sgd(model))
    training = Training.from_json(metered.meter.snapshot())
    assert training.errors == 8
    assert "KeyError" in training.error
