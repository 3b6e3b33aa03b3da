"""What is counted of a network, and what is not, however it is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from autograder.checks.models.weigh import MOST_CONSTANTS, weigh
from autograder.outcome import CheckFailed, SubmissionProblem
from autograder.sandbox.exported import Export, Reported, ReportedTensor
from tests.checks.models.exporting import Net, export, report, weighed

OPSETS = [helper.make_opsetid("", 18)]


def small() -> nn.Module:
    """9 x 8 + 8 for the convolution, 16 for the norm, 8 x 10 + 10 for the last layer: 186."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def test_a_plain_network() -> None:
    found = weighed(small())
    assert (found.counted, found.statistics, found.constants, found.honest) == (186, 16, 3, 205)
    assert found.said == 186
    assert (found.hidden, found.frozen, found.tied, found.unused) == ((), (), (), ())
    assert "186: as counted" in found.describe()


@pytest.fixture(scope="module")
def crooked() -> object:
    """Everything that can be wrong with a network's count, at once."""
    tied = nn.Conv2d(2, 2, 1, bias=False)  # 4 numbers, used twice
    frozen = nn.Conv2d(2, 2, 1, bias=False).requires_grad_(requires_grad=False)
    twin_a, twin_b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    twin_b.weight = twin_a.weight

    def run(self: Any, x: torch.Tensor) -> Any:
        x = (x - 0.1307) / 0.3081 + self.hidden[0]
        x = self.b(self.a(self.first(x)))
        x = self.frozen(x) + self.table * 0.5
        return self.twin_b(self.twin_a(functional.gelu(x).mean((2, 3))))

    model = Net(
        run, first=nn.Conv2d(1, 2, 1, bias=False), a=tied, b=tied, frozen=frozen, twin_a=twin_a,
        twin_b=twin_b, spare=nn.Linear(7, 3), hidden=[torch.randn(26, 26)],
    )  # fmt: skip
    model.register_buffer("table", torch.randn(1, 2, 26, 26))
    return weighed(model, (1, 26, 26))


def test_hidden_numbers_are_found_and_counted(crooked) -> None:  # type: ignore[no-untyped-def]
    assert sorted(one.numel for one in crooked.hidden) == [676, 1352]
    roles = {one.numel: one.role for one in crooked.hidden}
    assert "parameters() leaves out" in roles[676]
    assert "buffer" in roles[1352]
    assert crooked.counted == 2 + 4 + 4 + 4 + 676 + 1352
    assert "676 numbers" in crooked.describe()
    assert "not what the graph holds" in crooked.describe()


def test_frozen_tied_and_unused_ones_are_named(crooked) -> None:  # type: ignore[no-untyped-def]
    assert [(one.name, one.numel) for one in crooked.frozen] == [("frozen.weight", 4)]
    assert sorted(one.numel for one in crooked.tied) == [4, 4]
    assert {one.name for one in crooked.unused} == {"spare.weight", "spare.bias"}


def test_small_constants_of_the_code_are_no_weights(crooked) -> None:  # type: ignore[no-untyped-def]
    assert 0 < crooked.constants < 10  # 0.1307, 0.3081, 0.5 and what gelu needs


def test_a_bias_in_a_plain_attribute_is_hidden() -> None:
    model = Net(lambda self, x: self.last(x.mean((2, 3))) + self.bias[0], last=nn.Linear(1, 10, bias=False),
                bias=[torch.randn(10)])  # fmt: skip
    assert [one.numel for one in weighed(model).hidden] == [10]


def test_repeated_numbers_are_few() -> None:
    blur = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).div(16).expand(8, 1, 3, 3).clone()

    def run(self: Any, x: torch.Tensor) -> Any:
        return functional.conv2d(self.first(x), self.blur, groups=8) + self.zeros

    model = Net(run, first=nn.Conv2d(1, 8, 1))
    model.register_buffer("blur", blur)
    model.register_buffer("zeros", torch.zeros(26, 26))
    assert not weighed(model).hidden


def test_a_report_that_leaves_tensors_out_lowers_no_count() -> None:
    model = small()
    honest = report(model)
    liar = replace(honest, tensors=honest.tensors[:1], said=72)
    found = weighed(model, reported=liar)
    assert found.counted == 186
    assert sum(one.numel for one in found.hidden) == 186 - 72
    assert weighed(model, reported=Reported()).counted == 186
    assert not weighed(model, reported=Reported()).hidden


def test_a_made_up_tie_lowers_no_count() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.Linear(20, 20), nn.Linear(20, 20))
    ties = (("2.weight", "3.weight"),)
    found = weighed(model, reported=replace(report(model), ties=ties))
    assert found.counted == sum(one.numel() for one in model.parameters())
    assert any("counted on its own" in one.role for one in found.tied)


# --- by hand: what no exporter writes, but a forger may ---------------------------------------------------


def by_hand(*nodes: onnx.NodeProto, tensors: list[TensorProto] | None = None, **more: object) -> Export:
    given, gives = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 100]) for name in "xy")
    graph = helper.make_graph([*nodes], "g", [given], [gives], initializer=tensors or [])
    more.setdefault("opset_imports", OPSETS)
    reported = Reported((ReportedTensor("w", (100,), trainable=True, parameter=True),))
    made = helper.make_model(graph, ir_version=10, **more).SerializeToString()
    return Export("made", "Net", made, reported=reported, takes=(100,))


def numbers(name: str, *shape: int, kind: Any = np.float32) -> TensorProto:
    drawn = np.random.default_rng(1).integers(-99, 99, shape)
    return numpy_helper.from_array(drawn.astype(kind), name)


ADD = helper.make_node("Add", ["x", "c"], ["y"])
CASES = {
    "int8": ([helper.make_node("Cast", ["i"], ["c"], to=1), ADD], [numbers("i", 100, kind=np.int8)]),
    "float64": ([helper.make_node("Cast", ["i"], ["c"], to=1), ADD], [numbers("i", 100, kind=np.float64)]),
    "constant": ([helper.make_node("Constant", [], ["c"], value=numbers("t", 100)), ADD], []),
    "value_floats": (
        [helper.make_node("Constant", [], ["c"], value_floats=[float(i * i) for i in range(100)]), ADD],
        [],
    ),
    "table": (
        [
            helper.make_node("Constant", [], ["k"], value=numbers("t", 7, kind=np.int64)),
            helper.make_node("Gather", ["i", "k"], ["g"]),
            helper.make_node("ReduceSum", ["g"], ["c"], keepdims=1),
            ADD,
        ],
        [numbers("i", 100)],
    ),
    "shape with data in it": (
        [
            helper.make_node("Shape", ["i"], ["s"]),
            helper.make_node("Expand", ["x", "k"], ["e"]),
            helper.make_node("Identity", ["e"], ["y"]),
        ],
        [numbers("k", 100, kind=np.int64), numbers("i", 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_numbers_count_wherever_they_are(case: str) -> None:
    nodes, tensors = CASES[case]
    found = weigh(by_hand(*nodes, tensors=tensors))
    assert sum(one.numel for one in found.hidden) == 100


def test_numbers_in_a_branch_count() -> None:
    value = helper.make_tensor_value_info("o", TensorProto.FLOAT, [100])
    branches = [
        helper.make_graph(
            [helper.make_node("Constant", [], ["o"], value=numbers("t", 100))], name, [], [value]
        )
        for name in ("yes", "no")
    ]
    condition = helper.make_node("Constant", [], ["b"], value=numpy_helper.from_array(np.array(True)))
    choice = helper.make_node("If", ["b"], ["c"], then_branch=branches[0], else_branch=branches[1])
    assert weigh(by_hand(condition, choice, ADD)).counted == 200


def test_numbers_in_a_function_count_once() -> None:
    function = helper.make_function(
        "local", "f", ["a"], ["b"],
        [
            helper.make_node("Constant", [], ["k"], value=numbers("t", 100)),
            helper.make_node("Add", ["a", "k"], ["b"]),
        ],
        OPSETS,
    )  # fmt: skip
    calls = [helper.make_node("f", [a], [b], domain="local") for a, b in (("x", "u"), ("u", "y"))]
    opsets = [*OPSETS, helper.make_opsetid("local", 1)]
    assert weigh(by_hand(*calls, functions=[function], opset_imports=opsets)).counted == 100


def test_weights_cut_into_crumbs_count() -> None:
    nodes, before = [], "x"
    for at in range(MOST_CONSTANTS + 20):
        nodes.append(helper.make_node("Constant", [], [f"k{at}"], value_float=float(at * at) + 0.5))
        nodes.append(helper.make_node("Add", [before, f"k{at}"], [f"s{at}"]))
        before = f"s{at}"
    nodes.append(helper.make_node("Identity", [before], ["y"]))
    found = weigh(by_hand(*nodes))
    assert found.counted == MOST_CONSTANTS + 20
    assert "more than a network's code has" in found.hidden[0].role


def test_weights_drawn_by_chance_count() -> None:
    drawn = helper.make_node("RandomNormal", [], ["c"], shape=[100], seed=1.0)
    found = weigh(by_hand(drawn, ADD))
    assert found.hidden[0].numel == 100
    assert "RandomNormal" in found.hidden[0].role


def test_what_reaches_no_output_counts_nothing() -> None:
    nodes = [helper.make_node("Add", ["x", "w"], ["dead"]), helper.make_node("Identity", ["x"], ["y"])]
    found = weigh(by_hand(*nodes, tensors=[numbers("w", 100)]))
    assert found.counted == 0
    assert [one.name for one in found.unused] == ["w"]


def test_why_there_is_nothing_to_weigh() -> None:
    with pytest.raises(CheckFailed, match="could not be exported"):
        weigh(Export("model", "Net", None, problem="it branches on data"))
    with pytest.raises(SubmissionProblem, match="ONNX"):
        weigh(Export("model", "Net", b"\xff\xff\xff"))


def test_each_rule_has_its_count() -> None:
    found = weigh(export(small()))
    assert found.count("counted") == 186
    assert found.count("honest") == 205
