"""Networks from whoever forges them: more numbers than counted, and files and facts made to bring us down.

A box's process can send any bytes as its network. So most of these are made here, by hand, and read as if a
box had sent them; the last ones go through real boxes.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autograder.boxes import _ROOM_PRELOAD, _ROOM_TREE, ROOM_MODULE
from autograder.checks.initial_weights import random_start
from autograder.checks.models.architecture import fingerprint
from autograder.checks.models.evaluation import evaluate
from autograder.checks.models.fields import receptive_fields, table
from autograder.checks.models.preparation import make_probes
from autograder.checks.models.structure import read_structure
from autograder.checks.models.weigh import Weighed, weigh
from autograder.data import HeldOut, load_held_out, prepare
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.exported import Export, Exports, Prepared, Reported, ReportedTensor
from autograder.sandbox.measured import Junk
from autograder.sandbox.notebook import RunPlan
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Module, Submission
from autograder.sandbox.training_weights import read_begun
from tests.sandbox.boxes import KINDS, needs_root, running
from tests.sandbox.notebooks import SPEC, opened_notebook

Nodes = list[onnx.NodeProto]
Tensors = list[TensorProto]
SMALL = (1, 8, 8)


def node(op: str, inputs: list[str], *outputs: str, **settings: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [*outputs], **settings)


def held(name: str, values: Any, kind: Any = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def numbers(name: str, *shape: int, kind: Any = np.float32) -> TensorProto:
    drawn = np.random.default_rng(len(name)).integers(-99, 99, shape)
    return numpy_helper.from_array(drawn.astype(kind), name)


def file_of(nodes: Nodes, tensors: Tensors = [], functions: Any = (), takes: Any = SMALL) -> bytes:  # noqa: B006
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *takes])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "g", [given], [gives], initializer=tensors)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1)]
    made = helper.make_model(graph, ir_version=10, opset_imports=opsets, functions=[*functions])
    data: bytes = made.SerializeToString()
    return data


def weighed(data: bytes, *names: str, ties: tuple[tuple[str, ...], ...] = ()) -> Weighed:
    tensors = tuple(ReportedTensor(name, (1,), trainable=True, parameter=True) for name in names)
    return weigh(Export("model", "Net", data, reported=Reported(tensors, ties=ties), takes=SMALL))


# --- more numbers than counted --------------------------------------------------------------------------


def added(*nodes: onnx.NodeProto) -> Nodes:
    """The numbers "c" are added to the image."""
    return [*nodes, node("ReduceSum", ["c"], "s", keepdims=0), node("Add", ["x", "s"], "y")]


def lengths_of_nothing() -> tuple[Nodes, Tensors]:
    """A tensor of no elements has lengths, as many as one likes, and they cost no memory."""
    lengths = np.array([0, *range(3, 503)], dtype=np.int64)
    nodes = [node("ConstantOfShape", ["k"], "e"), node("Shape", ["e"], "l"), node("Cast", ["l"], "c", to=1)]
    return added(*nodes), [numpy_helper.from_array(lengths, "k")]


def lengths_of_lengths() -> tuple[Nodes, Tensors]:
    nodes = [node("Expand", ["one", "k"], "e"), node("Relu", ["e"], "r"), node("Shape", ["r"], "l")]
    lengths = np.array([0, *range(3, 503)], dtype=np.int64)
    tensors = [numpy_helper.from_array(lengths, "k"), held("one", 1)]
    return added(*nodes, node("Cast", ["l"], "c", to=1)), tensors


def which_constant_goes_where() -> tuple[Nodes, Tensors]:
    """Two levels are enough for a weight, and 5,000 of them lie in the order of one list of names."""
    order = np.random.default_rng(3).integers(0, 2, 5_000)
    tensors = [held(f"k{at}", [at]) for at in range(2)]
    return added(node("Concat", [f"k{at}" for at in order], "c", axis=0)), tensors


def many_kernels_of_few_levels() -> tuple[Nodes, Tensors]:
    """Each 3 x 3 kernel is a small constant, and all of them have the same nine levels."""
    drawn = np.random.default_rng(3)
    tensors = [
        numpy_helper.from_array(drawn.permutation(9).astype(np.float32).reshape(1, 1, 3, 3), f"k{at}")
        for at in range(100)
    ]
    convolutions = [node("Conv", ["x", f"k{at}"], f"v{at}", pads=[1, 1, 1, 1]) for at in range(100)]
    return added(*convolutions, node("Sum", [f"v{at}" for at in range(100)], "c")), tensors


def statistics_of_no_image() -> tuple[Nodes, Tensors]:
    """A normalisation of zeros gives out its table of means."""
    tensors = [numbers(name, 500) for name in ("scale", "shift", "mean")]
    tensors += [numpy_helper.from_array(np.ones(500, np.float32), "var")]
    tensors += [held("k", [1, 500], np.int64)]
    nodes = [node("ConstantOfShape", ["k"], "z")]
    return added(*nodes, node("BatchNormalization", ["z", "scale", "shift", "mean", "var"], "c")), tensors


def statistics_without_weights() -> tuple[Nodes, Tensors]:
    """The same, where what is normalised depends on the image in name alone: it is multiplied by zero."""
    tensors = [numpy_helper.from_array(np.ones(500, np.float32), name) for name in ("scale", "var")]
    tensors += [numbers("mean", 500), held("zero", 0)]
    tensors += [held("k", [1, 500], np.int64)]
    nodes = [node("ReduceSum", ["x"], "t", keepdims=0), node("Mul", ["t", "zero"], "n")]
    nodes += [node("Expand", ["n", "k"], "z")]
    return added(*nodes, node("BatchNormalization", ["z", "scale", "scale", "mean", "var"], "c")), tensors


def drawn_like_something() -> tuple[Nodes, Tensors]:
    tensors = [held("k", [500], np.int64)]
    nodes = [node("ConstantOfShape", ["k"], "z"), node("RandomNormalLike", ["z"], "c", seed=3.0)]
    return added(*nodes), tensors


HIDDEN: list[tuple[Callable[[], tuple[Nodes, Tensors]], int]] = [
    (lengths_of_nothing, 500),
    (lengths_of_lengths, 500),
    (which_constant_goes_where, 4_000),
    (many_kernels_of_few_levels, 900),
    (statistics_of_no_image, 500),
    (statistics_without_weights, 500),
    (drawn_like_something, 500),
]


@pytest.mark.parametrize(("made", "least"), HIDDEN, ids=[made.__name__ for made, _ in HIDDEN])
def test_numbers_without_a_tensor_of_their_own_count(
    made: Callable[[], tuple[Nodes, Tensors]], least: int
) -> None:
    found = weighed(file_of(*made()), "w")
    assert found.counted >= least
    assert "used, and not among the parameters" in found.describe()


# --- files that unfold, and names without end ------------------------------------------------------------


def chained(count: int, make: Callable[[str, str], onnx.NodeProto]) -> Nodes:
    names = ["x", *(f"v{at}" for at in range(count))]
    return [*map(make, names[:-1], names[1:]), node("Identity", [names[-1]], "y")]


def test_a_function_of_many_names_is_not_unfolded() -> None:
    wide = helper.make_function("f", "F", ["a"], ["b"], [node("Sum", ["a"] * 4_000, "b")],
                                [helper.make_opsetid("", 18)])  # fmt: skip
    calls = chained(2_000, lambda before, after: node("F", [before], after, domain="f"))
    with pytest.raises(CheckFailed, match="100,000 nodes"):
        weighed(file_of(calls, functions=[wide]))


def quick(data: bytes, *names: str, ties: tuple[tuple[str, ...], ...] = ()) -> Weighed:
    """All that is read off a network, in a time that is no square of its size."""
    began = time.process_time()
    found = weighed(data, *names, ties=ties)
    found.describe()
    table(receptive_fields(read_structure(found)))
    fingerprint(found.graph, found.living)
    assert time.process_time() - began < 8
    return found


def test_ties_that_overlap_without_end() -> None:
    """Two ties with a name in common once ended the reading; a thousand with many took minutes."""
    names = [f"w{at}" for at in range(4_000)]
    nodes = added(node("Concat", names, "c", axis=0))
    tensors = [held(name, [at % 7]) for at, name in enumerate(names)]
    ties = tuple(tuple(names[at : at + 40]) for at in range(0, 4_000, 20))
    found = quick(file_of(nodes, tensors), *names, ties=ties)
    assert 7 <= found.counted < 4_000  # all are said to be one, and there are seven that differ
    assert "counted on its own" in found.tied[0].role


def test_prefixes_without_end() -> None:
    tensors = [held(f"p{at}.a0", [at]) for at in range(3_000)]
    nodes = added(node("Concat", [one.name for one in tensors], "c", axis=0))
    assert quick(file_of(nodes, tensors), *(f"a{at}" for at in range(3_000))).counted >= 3_000


def test_shapes_and_scopes_without_end() -> None:
    def scoped(before: str, after: str) -> onnx.NodeProto:
        made = node("Transpose", [before], after)
        made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="[" + "-" * 900 + "1," * 500 + "]")
        return made

    assert quick(file_of(chained(1_000, scoped), takes=[2] * 2_000)).counted == 0


def test_numbers_for_shapes_are_not_worked_out_without_end() -> None:
    many = numpy_helper.from_array(np.arange(4_000, dtype=np.int64), "v")
    sums = chained(3_000, lambda before, after: node("Add", [before, before], after))
    sums[0].input[:] = ["v", "v"]
    sums[-1].output[:] = ["c"]
    assert quick(file_of([*sums, node("Add", ["x", "c"], "y")], [many])).counted >= 4_000


def test_beginnings_that_contradict_themselves_are_no_fault() -> None:
    drawn = np.random.default_rng(5)
    edges = [0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 1e-300, 1.00001, 1.0000001, 1e-5]
    names = ["a.weight", "a.running_mean", "a.bias", "b.weight", "c.weight", "a.num_batches_tracked"]
    weighed_any = 0
    for _ in range(800):
        tensors = []
        for name in drawn.choice(names, 3):
            least, most = sorted(drawn.choice(edges, 2).tolist())
            shape = drawn.choice([1, 10, 100, 10**5], 2).tolist()
            mean = drawn.choice([least, most, most * 1.000009, least / 2 + most / 2])
            std = drawn.choice([0.0, most / 2 - least / 2, abs(most), 1e-300])
            tensors.append(
                {"name": str(name), "shape": shape, "mean": float(mean), "std": float(std), "least": least,
                 "most": most}
            )  # fmt: skip
        begun = read_begun([{"cell": 1, "steps": 0, "model": "Net", "tensors": tensors}], Junk())
        weighed_any += random_start(begun[0].tensors) is not None
    assert weighed_any


# --- in boxes ---------------------------------------------------------------------------------------------

ROOM_LIMITS = BoxLimits(wall_s=4, memory_mib=600, processes=24, disk_mib=8, files=40, message_mib=64)
PROBES = make_probes((28, 28), 3)


def plain() -> Prepared:
    return Prepared("ToTensor", PROBES[:, None].astype(np.float32) / np.float32(255))


@pytest.fixture(scope="module")
def room() -> Iterator[Module]:
    backend = KINDS["privdrop"](BoxSpec(ROOM_LIMITS, preload=_ROOM_PRELOAD))
    submission = Submission(backend, _ROOM_TREE, ROOM_LIMITS, RunClock(600))
    try:
        yield submission.module(ROOM_MODULE)
    finally:
        submission.close()
        backend.close()


@pytest.fixture(scope="module")
def mnist() -> tuple[Path, HeldOut]:
    folder = prepare(("mnist",), None)
    return folder, load_held_out("mnist", folder)


def network(nodes: Nodes, tensors: Tensors, takes: tuple[int, ...] = (1, 28, 28)) -> Export:
    return Export("model", "Net", file_of(nodes, tensors, takes=takes), takes=takes)


def memory() -> Export:
    """90 bytes that ask for 400 GB."""
    k = held("k", [10**11], np.int64)
    return network(added(node("ConstantOfShape", ["k"], "z"), node("Relu", ["z"], "c")), [k])


def endless() -> Export:
    body = helper.make_graph(
        [node("Identity", ["on"], "go"), node("Add", ["v", "v"], "w")], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    tensors = [held("n", 2**62, np.int64), numpy_helper.from_array(np.array(True), "t")]
    tensors += [held("o", [1])]
    return network(added(node("Loop", ["n", "t", "o"], "c", body=body)), tensors)


def sound() -> Export:
    tensors = [numbers("w", 784, 10), held("k", [0, -1], np.int64)]
    return network([node("Reshape", ["x", "k"], "f"), node("MatMul", ["f", "w"], "y")], tensors)


@needs_root
def test_what_a_network_asks_for_in_the_room_ends_there(room: Module, mnist: tuple[Path, HeldOut]) -> None:
    exports = Exports((memory(), replace(sound(), name="the sound one")), (plain(),))
    found = evaluate(room, exports, mnist[1], probes=PROBES, budget_s=60, limit=300)
    assert found.network == "the sound one"
    assert found.evidence is Evidence.VERIFIED
    with pytest.raises(CheckFailed, match="could be evaluated"):
        evaluate(room, Exports((endless(),), (plain(),)), mnist[1], probes=PROBES, budget_s=60, limit=300)


@needs_root
def test_what_is_prepared_may_be_as_large_as_a_wall(room: Module, mnist: tuple[Path, HeldOut]) -> None:
    """The images are prepared on our side: 512 of a million numbers at once are 4 GB."""
    wall = np.zeros((len(PROBES), 1, 500, 500), np.float32)
    wall[:, 0, :28, :28] = PROBES.astype(np.float32) / np.float32(255)
    whole = network(
        [node("ReduceMean", ["x", "k"], "m", keepdims=0), node("Concat", ["m", "m"], "y", axis=1)],
        [held("k", [2, 3], np.int64)], (1, 500, 500),
    )  # fmt: skip
    many = replace(sound(), takes=(10**6, 28, 28))  # one channel, a million times
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ways = Exports((whole, many), (Prepared("wall", wall), plain()))
    with pytest.raises(CheckFailed, match="could be evaluated"):
        evaluate(room, ways, mnist[1], probes=PROBES, budget_s=60, limit=300)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10  # KiB


TRAINING = """
import torch, torch.nn as nn, torch.nn.functional as F
from torchvision import datasets, transforms
prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
train = datasets.MNIST("data", train=True, download=True, transform=prepare)
loader = torch.utils.data.DataLoader(train, batch_size=64, shuffle=True)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(1, 8, 5, stride=3), nn.BatchNorm2d(8), nn.Linear(512, 10)
        self.extra = [torch.randn(26, 26)]
    def forward(self, x):
        x = F.relu(self.norm(self.conv(x))).flatten(1)
        return self.out(x) + 1e-9 * self.extra[0].sum()
torch.manual_seed(1)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(2):
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
"""
# Its own count and its own words are lies, and so is whatever a grader might ask of torch.
LYING = """
Net.parameters = lambda self, recurse=True: iter([nn.Parameter(torch.zeros(3))])
nn.Module.state_dict = lambda self, *a, **k: {}
torch.nn.Parameter.numel = lambda self: 1
Net.__len__ = lambda self: 0
"""
BOX = replace(
    SPEC.limits,
    wall_s=20.0,
    memory_mib=2000,
    disk_mib=64,
    message_mib=16,
    processes=24,
    notebook_wall_s=200.0,
)


@needs_root
def test_from_a_notebooks_training_to_a_verified_count(
    room: Module, mnist: tuple[Path, HeldOut], tmp_path: Path, scratch: Path
) -> None:
    """Digits of MNIST, trained on in a box, exported, weighed, and counted in the room."""
    pytest.importorskip("onnxscript")
    folder, held = mnist
    plan = RunPlan(cell_wall_s=150.0, wall_s=200.0, seed=3, data=str(folder))
    spec = replace(SPEC, limits=BOX, preload=(*SPEC.preload, "torch"), data=(str(folder),))
    with (
        running(KINDS["privdrop"], spec, scratch) as backend,
        opened_notebook(backend, tmp_path, TRAINING, LYING, plan=plan, limits=BOX) as module,
    ):
        assert module.run.whole, module.run.first_problem
        with module.scene() as scene:
            exports = scene.export(PROBES, budget_s=100.0)
    found = evaluate(room, exports, held, probes=PROBES, budget_s=60)
    assert found.evidence is Evidence.VERIFIED, found.why
    assert found.complete
    assert found.accuracy > 0.85
    assert found.weighed is not None
    assert found.weighed.counted == 8 * 25 + 8 + 16 + 512 * 10 + 10 + 676
    assert sum(one.numel for one in found.weighed.hidden) == 676
