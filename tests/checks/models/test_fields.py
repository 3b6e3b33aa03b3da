"""Receptive fields: against the gradient of one output unit of networks drawn by chance, and by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from autograder.checks.models.fields import FieldRow, final_field, receptive_fields, table
from autograder.checks.models.structure import Structure, read_structure
from autograder.checks.models.weigh import weigh
from autograder.sandbox.exported import Export
from tests.checks.models.exporting import Net, weighed
from tests.sandbox.boxes import calm

SIDE = 120
OPSETS = [helper.make_opsetid("", 18)]


@dataclass(frozen=True)
class Step:
    """A layer with a kernel, by axis; ``pads`` as in ONNX: before, then after."""

    op: str
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Fork:
    """Two branches that are added or concatenated; an empty one is a shortcut."""

    left: tuple[Step, ...]
    right: tuple[Step, ...]
    op: str


@st.composite
def steps(draw: st.DrawFn) -> Step:
    op = draw(st.sampled_from(["Conv", "MaxPool", "AveragePool", "Pad"]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if op == "Conv" else (1, 1)
    most = 1 if op != "Conv" else 2
    pads = tuple(draw(st.integers(0, min(most, kernel[at % 2] - 1))) for at in range(4))
    return Step(op, kernel, stride, dilation, pads)  # type: ignore[arg-type]


@st.composite
def same(draw: st.DrawFn) -> Step:
    """A convolution that keeps the size, with a kernel that may lie to one side."""
    kernel, dilation = (draw(st.tuples(st.integers(1, 4), st.integers(1, 2))) for _ in range(2))
    reach = [one * (size - 1) for one, size in zip(dilation, kernel, strict=True)]
    before = [draw(st.integers(0, one)) for one in reach]
    pads = (*before, *(one - first for one, first in zip(reach, before, strict=True)))
    return Step("Conv", kernel, (1, 1), dilation, pads)  # type: ignore[arg-type]


branch = st.lists(same(), max_size=2).map(tuple)
forks = st.builds(Fork, branch, branch, st.sampled_from(["Add", "Concat"]))
networks = st.lists(st.one_of(steps(), forks), min_size=1, max_size=5)


class Writer:
    """The same network as ONNX, and as torch computes it with weights of one, so that no path cancels."""

    def __init__(self, side: int = SIDE) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.side, self._count = side, 0

    def name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def step(self, step: Step, name: str, x: torch.Tensor) -> tuple[str, torch.Tensor]:
        out, channels = self.name(), x.shape[1]
        settings: dict[str, Any] = {"kernel_shape": step.kernel, "strides": step.stride, "pads": step.pads}
        top, left, bottom, right = step.pads
        if step.op == "Pad":
            self.tensors.append(
                numpy_helper.from_array(np.array([0, 0, top, left, 0, 0, bottom, right]), out + "p")
            )
            self.nodes.append(helper.make_node("Pad", [name, out + "p"], [out]))
            return out, functional.pad(x, (left, right, top, bottom))
        inputs = [name]
        if step.op == "Conv":
            settings["dilations"] = step.dilation
            weights = np.ones((1, channels, *step.kernel), dtype=np.float32)
            self.tensors.append(numpy_helper.from_array(weights, out + "w"))
            inputs.append(out + "w")
        self.nodes.append(helper.make_node(step.op, inputs, [out], **settings))
        groups = 1 if step.op == "Conv" else channels
        ones = torch.ones(
            1 if groups == 1 else channels, channels // groups, *step.kernel, dtype=torch.float64
        )
        made = functional.conv2d(
            functional.pad(x, (left, right, top, bottom)), ones, None, step.stride, 0, step.dilation, groups
        )
        return out, made

    def fork(self, fork: Fork, name: str, x: torch.Tensor) -> tuple[str, torch.Tensor]:
        ends = []
        for side in (fork.left, fork.right):
            at, value = name, x
            for step in side:
                at, value = self.step(step, at, value)
            ends.append((at, value))
        (one, first), (other, second) = ends
        out = self.name()
        if fork.op == "Concat":
            self.nodes.append(helper.make_node("Concat", [one, other], [out], axis=1))
            return out, torch.cat([first, second], 1)
        self.nodes.append(helper.make_node("Add", [one, other], [out]))
        return out, first + second

    def structure(self, out: str) -> Structure:
        shape = [None, 1, self.side, self.side]
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        gives = helper.make_tensor_value_info(out, TensorProto.FLOAT, [None] * 4)
        graph = helper.make_graph(self.nodes, "g", [given], [gives], initializer=self.tensors)
        made = helper.make_model(graph, opset_imports=OPSETS, ir_version=10)
        return read_structure(weigh(Export("made", "Net", made.SerializeToString())))


def extents(x: torch.Tensor, out: torch.Tensor) -> list[tuple[int, int]]:
    """First and last pixel along each axis that the central unit's gradient reaches."""
    (gradient,) = torch.autograd.grad(out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum(), x)
    seen = gradient[0, 0] != 0
    lines = [seen.any(1).nonzero().ravel(), seen.any(0).nonzero().ravel()]
    return [(int(line[0]), int(line[-1])) for line in lines]


@settings(calm, max_examples=60)
@given(networks)
def test_the_gradient_reaches_as_far_as_the_field(network: list[Step | Fork]) -> None:
    writer, name = Writer(), "x"
    x = torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    out = x
    for part in network:
        run = writer.step if isinstance(part, Step) else writer.fork
        name, out = run(part, name, out)  # type: ignore[arg-type]
    closing = Step("Conv", (1, 1))  # its row has what all before it comes to
    name, out = writer.step(closing, name, out)
    row = receptive_fields(writer.structure(name))[-1]
    assert [axis.size_out for axis in row.axes] == [*out.shape[2:]]
    for axis, (first, last) in zip(row.axes, extents(x, out), strict=True):
        assume(first > 0 and last < SIDE - 1)  # else the border hides a part
        assert axis.field_out == last - first + 1


def rows_of(model: nn.Module, shape: tuple[int, ...] = (1, 28, 28)) -> tuple[FieldRow, ...]:
    return receptive_fields(read_structure(weighed(model, shape)))


@pytest.fixture(scope="module")
def usual() -> tuple[FieldRow, ...]:
    """28 > 26 > 24 > 12 > 10 > 1, as a student would write it down."""
    return rows_of(
        nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.MaxPool2d(2, 2), nn.Conv2d(4, 10, 3),
            nn.AvgPool2d(10), nn.Flatten(), nn.LogSoftmax(1),
        )
    )  # fmt: skip


def test_the_table_of_a_usual_network(usual: tuple[FieldRow, ...]) -> None:
    assert [row.field_out for row in usual] == [3, 5, 6, 10, 28]
    assert [row.jump_out for row in usual][:4] == [1, 1, 2, 2]
    assert [row.size_out for row in usual] == [26, 24, 12, 10, 1]
    assert [row.layer for row in usual] == ["0", "2", "3", "4", "5"]
    assert usual[-1].op == "GlobalAveragePool"
    assert final_field(usual) == 28


def test_the_table_as_text(usual: tuple[FieldRow, ...]) -> None:
    lines = table(usual).splitlines()
    assert lines[0].split() == "layer k s p d n_in n_out j_in j_out r_in r_out".split()
    assert lines[3].split() == "3 2 2 0 1 24 12 1 2 5 6".split()
    assert len({len(line) for line in lines}) == 1


def test_linear_layers_upsampling_and_one_axis() -> None:
    plain = rows_of(nn.Sequential(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(2 * 24 * 24, 10)))
    assert [(row.op, row.kernel, row.field_out) for row in plain] == [("Conv", 5, 5), ("Linear", 24, 28)]
    up = rows_of(
        nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, 1, 1))
    )
    assert [row.field_out for row in up] == [3, 5]
    assert up[-1].size_out == 28
    signal = rows_of(nn.Sequential(nn.Conv1d(3, 4, 5, 2), nn.MaxPool1d(2), nn.Conv1d(4, 4, 3)), (3, 60))
    assert [row.field_out for row in signal] == [5, 7, 15]
    flat = Net(lambda self, x: self.c(x.view(-1, 1, 28, 28)), c=nn.Conv2d(1, 2, 3))
    assert [(row.size_in, row.field_out) for row in rows_of(flat, (784,))] == [(28, 3)]


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "pad"), [(9, 2, 2, 0), (10, 3, 2, 1), (7, 3, 3, 1), (5, 2, 3, 1)]
)
def test_sizes_with_ceil_mode_are_torchs(side: int, kernel: int, stride: int, pad: int) -> None:
    writer = Writer(side)
    settings: dict[str, Any] = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [pad] * 4,
        "ceil_mode": 1,
    }
    writer.nodes.append(helper.make_node("MaxPool", ["x"], ["y"], **settings))
    expected = functional.max_pool2d(torch.zeros(1, 1, side, side), kernel, stride, pad, ceil_mode=True)
    assert receptive_fields(writer.structure("y"))[0].size_out == expected.shape[2]


@pytest.mark.parametrize(
    ("auto", "pads"), [("SAME_UPPER", (0, 1)), ("SAME_LOWER", (1, 0)), ("VALID", (0, 0))]
)
def test_automatic_padding(auto: str, pads: tuple[int, int]) -> None:
    writer = Writer(8)
    writer.nodes.append(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], auto_pad=auto))
    row = receptive_fields(writer.structure("y"))[0]
    assert row.axes[0].padding == pads
    assert row.size_out == (8 if sum(pads) else 7)
