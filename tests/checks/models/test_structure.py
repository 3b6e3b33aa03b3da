"""What a network is built of, read off its graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from autograder.checks.models.structure import Structure, read_structure
from tests.checks.models.exporting import Net, weighed


def run(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = functional.relu(self.norm(self.first(x)))
    x = self.drop(self.pool(x))
    gate = torch.sigmoid(self.squeeze(functional.adaptive_avg_pool2d(x, 1)))
    x = x + functional.silu(self.grouped(x)) * gate
    x = torch.cat([x, self.branch(x)], 1)
    x = self.group_norm(x)
    return self.last(x.mean((2, 3)))


@pytest.fixture(scope="module")
def rich() -> Structure:
    model = Net(
        run, first=nn.Conv2d(1, 8, 5, bias=False), norm=nn.BatchNorm2d(8), pool=nn.MaxPool2d(2),
        drop=nn.Dropout2d(0.1), squeeze=nn.Conv2d(8, 8, 1),
        grouped=nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
        branch=nn.Conv2d(8, 4, 3, padding=1, padding_mode="reflect"), group_norm=nn.GroupNorm(2, 12),
        last=nn.Linear(12, 10),
    )  # fmt: skip
    return read_structure(weighed(model))


def test_layers(rich: Structure) -> None:
    assert [layer.name for layer in rich.convolutions] == ["first", "squeeze", "grouped", "branch"]
    grouped, branch = rich.convolutions[2:]
    assert (grouped.groups, grouped.dilation, grouped.padding) == (8, (2, 2), ((2, 2), (2, 2)))
    assert (branch.padding, branch.size_in, branch.size_out) == (((1, 1), (1, 1)), (12, 12), (12, 12))
    assert (branch.channels_in, branch.channels_out) == (8, 4)
    assert rich.last_kernel == (3, 3)
    assert rich.depth == 4  # squeeze and grouped lie side by side


def test_what_there_is(rich: Structure) -> None:
    assert rich.batch_norms == ("norm",)
    assert len(rich.other_norms) == 1
    assert rich.global_average_pooling
    assert rich.collapsing is None
    assert rich.residual == 1
    assert rich.concatenations == 1
    assert [(one.name, one.p) for one in rich.dropouts] == [("drop", 0.1)]
    assert rich.unknown == ()


def test_where_it_pools(rich: Structure) -> None:
    (pool,) = rich.max_pools
    assert (pool.name, pool.kernel, pool.size_in, pool.sees, pool.after_convolutions) == (
        "pool", (2, 2), (24, 24), 5, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "pooled", "collapsing"),
    [
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 10, 26), nn.Flatten()), False, (26, 26)),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 26 * 26, 10)), False, (26, 26)),
        (nn.Sequential(nn.Conv2d(1, 10, 3), nn.AvgPool2d(26), nn.Flatten()), True, None),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 10, 1)), True, None),
        (Net(lambda self, x: self.c(x).flatten(2).mean(-1), c=nn.Conv2d(1, 10, 3)), True, None),
        (Net(lambda self, x: self.c(x).sum((2, 3)) / 676, c=nn.Conv2d(1, 10, 3)), True, None),
        (nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten()), False, None),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), False, (28, 28)),
    ],
)  # fmt: skip
def test_how_it_ends(model: nn.Module, pooled: bool, collapsing: tuple[int, int] | None) -> None:
    found = read_structure(weighed(model))
    assert found.global_average_pooling is pooled
    assert (found.collapsing.kernel if found.collapsing else None) == collapsing
