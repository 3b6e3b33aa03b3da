"""Networks as they are made, in many ways, and networks that were trained before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from autograder.checks.initial_weights import random_start
from autograder.sandbox.measured import Junk
from autograder.sandbox.training_weights import Beginning, read_begun
from tests.checks.trainings import heavy, pretrained

init = nn.init
Weights = Callable[[torch.Tensor], object]


def looks(name: str, tensor: torch.Tensor) -> dict[str, object]:
    """As the meter notes it, with six digits."""
    values = tensor.detach().double()
    numbers = {
        "mean": values.mean(),
        "std": values.std(correction=0),
        "least": values.min(),
        "most": values.max(),
    }
    return {"name": name, "shape": list(tensor.shape), **{k: float(f"{v:.6g}") for k, v in numbers.items()}}


def noted(network: nn.Module) -> tuple[Beginning, ...]:
    named = [*network.named_parameters(), *network.named_buffers()]
    tensors = [looks(name, one) for name, one in named]
    junk = Junk()
    (begun,) = read_begun([{"cell": 1, "steps": 0, "model": "Net", "tensors": tensors}], junk)
    assert junk.count == 0
    return begun.tensors


def small() -> nn.Module:
    """A network of 8,000 parameters with batch norm, as for MNIST."""
    layers: list[nn.Module] = []
    for given, made in ((1, 8), (8, 12), (12, 12), (12, 16), (16, 16)):
        layers += [nn.Conv2d(given, made, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(made)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 10, 1), nn.Flatten())


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Flatten(),
        nn.Linear(16 * 64, 120),
        nn.ReLU(),
        nn.Linear(120, 10),
    )


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.out = nn.LSTM(28, 64, 2), nn.GRU(64, 32), nn.Linear(32, 10)


def separable() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.Conv2d(16, 16, 3, groups=16),
        nn.Conv2d(16, 64, 1),
        nn.BatchNorm2d(64),
        nn.Linear(64, 10),
    )


def scaled(draw: Callable[[torch.Tensor], torch.Tensor], by: float) -> Weights:
    def fill(weights: torch.Tensor) -> None:
        with torch.no_grad():
            weights.copy_(draw(weights) * by)

    return fill


WAYS: dict[str, Weights] = {
    "as made": lambda _: None,
    "he normal": init.kaiming_normal_,
    "he uniform": init.kaiming_uniform_,
    "he normal, fan out": lambda one: init.kaiming_normal_(one, mode="fan_out", nonlinearity="relu"),
    "he normal, leaky": lambda one: init.kaiming_normal_(one, 0.1),
    "glorot normal": init.xavier_normal_,
    "glorot uniform": init.xavier_uniform_,
    "glorot for tanh": lambda one: init.xavier_normal_(one, init.calculate_gain("tanh")),
    "orthogonal": init.orthogonal_,
    "normal 0.01": lambda one: init.normal_(one, 0, 0.01),
    "normal 0.02": lambda one: init.normal_(one, 0, 0.02),
    "cut normal": lambda one: init.trunc_normal_(one, std=0.1, a=-0.2, b=0.2),
    "randn * 0.037": scaled(torch.randn_like, 0.037),
    "randn": scaled(torch.randn_like, 1.0),
    "(rand - 0.5) * 0.13": scaled(lambda one: torch.rand_like(one) - 0.5, 0.13),
    "rand": init.uniform_,
    "zeros": init.zeros_,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_right_student_is_never_suspected(way: str) -> None:
    for make in (small, plain, Recurrent, separable):
        for seed in range(5):
            torch.manual_seed(seed)
            network = make()
            for weights in network.parameters():
                if weights.dim() > 1:
                    WAYS[way](weights)
            found = random_start(noted(network))
            assert found is None, (make.__name__, seed, found)


def test_batch_norm_may_be_made_otherwise_too() -> None:
    torch.manual_seed(0)
    for fill in (
        lambda one: init.normal_(one, 1, 0.02),
        init.zeros_,
        init.uniform_,
        lambda one: init.constant_(one, 0.2),
    ):
        network = small()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                fill(layer.weight)
        assert random_start(noted(network)) is None


def test_a_summary_before_the_training_is_no_training() -> None:
    torch.manual_seed(0)
    network = small()
    for _ in range(3):  # in training mode: the running statistics move
        network(5 * torch.randn(2, 1, 28, 28) + 3)
    assert random_start(noted(network)) is None


def trained(network: nn.Module, batches: int) -> nn.Module:
    """Trained to tell stripes apart, with what the optimizer leaves in the weights."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    waves = torch.linspace(0, 6.3, 14)
    for _ in range(batches):
        labels = torch.randint(0, 10, (16,), generator=generator)
        images = torch.sin((labels[:, None, None, None] + 1) * waves / 2).expand(-1, 1, 14, -1)
        images = images + 0.5 * torch.randn(images.shape, generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network


def test_a_network_that_was_trained_before_is_told_from_a_fresh_one() -> None:
    torch.manual_seed(1)
    found = random_start(noted(trained(small(), 150)))
    assert found is not None
    assert len(found.norms) >= 6
    assert "batch norm layers are not as they are made" in found.text


def test_overwhelming_evidence_is_certain() -> None:
    found = random_start(pretrained())
    assert found is not None
    assert found.certain
    assert (len(found.odd), found.weighed) == (8, 8)
    assert found.text.startswith(
        "Before its first training batch the network did not look random: 8 of 8 weight tensors follow no "
        "usual initialisation (conv0.weight, conv1.weight, conv2.weight, conv3.weight, …); batch norm"
    )


def test_odd_weights_alone_or_batch_norm_alone_are_for_staff() -> None:
    tensors = pretrained()
    weights_alone = [one for one in tensors if one.name.startswith("conv")]
    assert (found := random_start(weights_alone)) is not None
    assert not found.certain
    torch.manual_seed(0)
    fresh = iter(noted(nn.Sequential(*(nn.Conv2d(64, 64, 3, bias=False) for _ in range(8)))))
    norms_alone = [replace(next(fresh), name=o.name) if o.name.startswith("conv") else o for o in tensors]
    assert (found := random_start(norms_alone)) is not None
    assert not found.certain
    assert found.odd == ()


def test_one_odd_tensor_proves_nothing() -> None:
    """Filters made by hand, an embedding that was given, a buffer of positions."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    assert random_start([*noted(small()), heavy(generator, "edges.weight", (16, 3, 5, 5))]) is None
    assert random_start([heavy(generator, "edges.weight", (64, 64, 5, 5))]) is None


@pytest.mark.parametrize("tensors", [[], [Beginning("bias", (10,), 0.3, 0.1, 0.1, 0.5)]])
def test_nothing_to_weigh_is_no_suspicion(tensors: Sequence[Beginning]) -> None:
    assert random_start(tensors) is None
