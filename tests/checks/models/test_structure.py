"""What a network is built of, read off its graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional

from autograder.checks.models.architecture import fingerprint
from autograder.checks.models.structure import Structure, read_structure
from autograder.checks.models.weigh import weigh
from autograder.sandbox.exported import Export
from tests.checks.models.exporting import Net, weighed


def run(self: Any, x: torch.Tensor) -> Any:
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
    ("op", "settings"),
    [
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2**40, 2**40]}),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [0, 0]}),
        ("AveragePool", {"kernel_shape": [3], "pads": [1]}),
        ("DepthToSpace", {"blocksize": 0}),
        ("Transpose", {"perm": [0, 0, 7, 1]}),
        ("Flatten", {"axis": -90}),
        ("Concat", {"axis": 12}),
        ("Split", {"axis": 9}),
    ],
)
def test_forged_settings_are_no_fault_of_ours(op: str, settings: dict[str, Any]) -> None:
    given, gives = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1, 8, 8]) for name in "xy")
    nodes = [helper.make_node(op, [f"v{at}" if at else "x"], [f"v{at + 1}"], **settings) for at in range(3)]
    nodes.append(helper.make_node("Identity", ["v3"], ["y"]))
    graph = helper.make_graph(nodes, "g", [given], [gives])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    found = weigh(Export("made", "Net", made.SerializeToString()))
    assert not read_structure(found).global_average_pooling
    assert fingerprint(found.graph, found.living).whole


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
