"""ONNX: a sound network comes back; a file that unfolds, points elsewhere or lies about sizes does not."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from autograder.loaders.network import NetworkLimits, load_network
from autograder.loaders.problems import Malformed, TooLarge
from autograder.loaders.protobuf import NotProtobuf, Survey, TooManyFields
from tests.loaders.networks import (
    LOCAL,
    branches,
    call,
    calling,
    function,
    graph,
    model,
    node,
    samples,
    sparse,
    with_initializers,
)
from tests.loaders.refusals import frugal, in_little_memory, refused


@pytest.mark.parametrize("data", samples(), ids=["small", "weights", "branches", "functions", "sparse"])
def test_a_sound_network_is_read_back(data: bytes) -> None:
    assert load_network(data, "x.onnx").SerializeToString() == data


KINDS = st.sampled_from("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())


@settings(deadline=None)
@given(KINDS.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))))
def test_weights_of_every_type_come_back(array: np.ndarray) -> None:
    raw = numpy_helper.from_array(array, "raw")
    assert raw.HasField("raw_data")
    loose = helper.make_tensor("loose", raw.data_type, array.shape, array.ravel())
    assert not loose.HasField("raw_data")
    for got in load_network(with_initializers(raw, loose), "x.onnx").graph.initializer:
        assert numpy_helper.to_array(got).tobytes() == array.tobytes()


def tensor(**fields: Any) -> TensorProto:
    fields = {"name": "w", "data_type": TensorProto.FLOAT, "dims": [2], "raw_data": bytes(8)} | fields
    given_fields: Any = {name: value for name, value in fields.items() if value is not None}
    return TensorProto(**given_fields)


BAD_TENSORS: dict[str, tuple[TensorProto, str]] = {
    "too little": (tensor(dims=[3]), "gives the tensor 'w' 8 bytes, where its shape needs 12"),
    "too much": (tensor(dims=[1]), "gives the tensor 'w' 8 bytes, where its shape needs 4"),
    "nothing": (tensor(raw_data=None), "gives the tensor 'w' 0 numbers, where its shape needs 2"),
    "too few numbers": (
        tensor(raw_data=None, float_data=[1.0]),
        "gives the tensor 'w' 1 numbers, where its shape needs 2",
    ),
    "numbers of another type": (
        tensor(raw_data=None, int32_data=[1, 2]),
        "holds the tensor 'w' in a field of another type",
    ),
    "twice": (tensor(float_data=[1.0, 2.0]), "holds the tensor 'w' in a field of another type"),
    "text as bytes": (
        tensor(data_type=TensorProto.STRING),
        "holds the tensor 'w' in a field of another type",
    ),
    "negative": (tensor(dims=[-2, -1]), "gives the tensor 'w' the shape '[-2, -1]', which is none"),
    "undefined": (tensor(data_type=0), "holds the tensor 'w' of the type number 0"),
    "unknown": (tensor(data_type=99), "holds the tensor 'w' of the type number 99"),
    "four bits": (tensor(data_type=TensorProto.INT4), "holds the tensor 'w' of the type number 22"),
    "external": (
        tensor(data_location=TensorProto.EXTERNAL, raw_data=None),
        "keeps the tensor 'w' in another file",
    ),
    "external, half": (
        tensor(external_data=[onnx.StringStringEntryProto(key="location", value="/etc/passwd")]),
        "keeps the tensor 'w' in another file",
    ),
    "in pieces": (tensor(segment=TensorProto.Segment(begin=0, end=1)), "holds the tensor 'w' in pieces"),
}


@pytest.mark.parametrize("what", BAD_TENSORS)
@pytest.mark.parametrize("place", ["initializer", "node", "branch", "function", "default", "sparse"])
def test_a_tensor_that_lies_is_found_wherever_it_is(what: str, place: str) -> None:
    bad, said = BAD_TENSORS[what]
    constant = node("Constant", "", "c", value=bad)
    match place:
        case "initializer":
            made = model(graph(node("Relu"), initializer=[bad]))
        case "node":
            made = model(graph(constant, node("Relu")))
        case "branch":
            made = branches()
            inner = made.graph.node[1].attribute[0].g.node[0]
            inner.CopyFrom(constant)
        case "function":
            made = calling()
            made.functions[0].node.insert(0, constant)
        case "default":
            made = calling()
            made.functions[0].attribute_proto.append(helper.make_attribute("a", bad))
        case _:
            made = model(graph(node("Relu"), sparse_initializer=[sparse([4], [0], [1.0])]))
            made.graph.sparse_initializer[0].values.CopyFrom(bad)
    assert refused(load_network, made.SerializeToString()) == said


@pytest.mark.parametrize("dims", [[2**40, 2**40], [2**62, 4], [2**41], [0, 2**62], [1] * 33])
def test_a_huge_shape_is_refused(dims: list[int]) -> None:
    with frugal(1):
        said = refused(load_network, with_initializers(tensor(dims=dims)), kind=TooLarge)
    assert said.endswith("which is too large")


def test_a_sparse_tensor_counts_as_it_is_written_out() -> None:
    def of(dims: list[int]) -> bytes:
        made: bytes = model(
            graph(node("Relu"), sparse_initializer=[sparse(dims, [0], [1.0])])
        ).SerializeToString()
        return made

    load_network(of([1024, 8192]), "x.onnx")
    said = refused(load_network, of([1025, 8192]), kind=TooLarge)
    assert said == "holds the sparse tensor 's' of 64.1 MiB in full, where 64.0 MiB are allowed"


def with_training() -> onnx.ModelProto:
    made = model()
    made.training_info.add()
    return made


def two_functions() -> onnx.ModelProto:
    made = calling()
    made.functions.append(made.functions[0])
    return made


def in_the_guise_of_an_operator() -> onnx.ModelProto:
    made = model(graph(node("Relu")), functions=[function("Relu", node("Exp"))], opset_imports=LOCAL)
    made.functions[0].domain = ""
    return made


ROUND = [function("f", call("g")), function("g", call("f"))]
BAD: dict[str, tuple[onnx.ModelProto, str]] = {
    "nothing": (onnx.ModelProto(), "holds no network"),
    "training": (with_training(), "holds instructions for training"),
    "a function twice": (two_functions(), "defines the function 'f' twice"),
    "a function in the guise of an operator": (
        in_the_guise_of_an_operator(),
        "defines 'Relu' in ONNX's own domain",
    ),
    "a custom operator": (
        model(graph(node("Fast", domain="com.microsoft", name="n\x1b[31m")), opset_imports=LOCAL),
        "uses 'Fast' of 'com.microsoft', an operator that isn't ONNX's own (node 'n')",
    ),
    "a function of another name": (
        model(graph(call("f")), opset_imports=LOCAL),
        "uses 'f' of 'local', an operator that isn't ONNX's own",
    ),
    "a function that calls itself": (
        model(graph(call("f")), functions=[function("f", call("f"))], opset_imports=LOCAL),
        "holds the function 'f', which calls itself",
    ),
    "functions in a ring": (
        model(graph(call("f")), functions=ROUND, opset_imports=LOCAL),
        "holds the function 'f', which calls itself",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_network(what: str) -> None:
    made, said = BAD[what]
    assert refused(load_network, made.SerializeToString()) == said


def test_what_the_checker_finds_is_told_short() -> None:
    made = model(graph(node("Relu", "nowhere"), node("Relu", "x" * 5000, "z")))
    said = refused(load_network, made.SerializeToString())
    assert said.startswith("is not valid ONNX; its checker says ")
    assert "Nodes in a graph must be topologically sorted" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds no network"),
        (b"hello, I am text", "is not an ONNX file, or was cut off (byte 3)"),
        (b"\x80\x04\x95" + bytes(20), "is not an ONNX file, or was cut off (byte 23)"),
        (b"PK\x03\x04", "is not an ONNX file, or was cut off (byte 3)"),
        (samples()[0][:-3], "is not an ONNX file, or was cut off (byte 57)"),
        (b"\x3a\xff\xff\xff\xff\x0f", "is not an ONNX file, or was cut off (byte 6)"),
        (b"\xff" * 20, "is not an ONNX file, or was cut off (byte 10)"),
        (b"\x3b\x3c", "is not an ONNX file, or was cut off (byte 1)"),
        (b"\x12\x02\xff\xfe", "is not an ONNX file, or was cut off (byte 2)"),
    ],
    ids=range(9),
)
def test_what_is_no_protobuf(data: bytes, said: str) -> None:
    assert refused(load_network, data) == said


def test_text_that_is_not_utf_8_is_refused_wherever_it_is() -> None:
    """protobuf hands it out as bytes, and messages about it would fail. Found by fuzzing."""
    data = calling().SerializeToString()
    at = data.index(b"local", data.index(b"Relu"))
    assert "is not an ONNX file" in refused(load_network, data.replace(b"local", b"\x91ocal"))
    assert "is not an ONNX file" in refused(load_network, data[:at] + b"\x91" + data[at + 1 :])


def test_functions_that_unfold_without_end_are_counted() -> None:
    functions = [function("f0", node("Relu"))]
    functions += [
        function(f"f{n}", call(f"f{n - 1}", "x", "t"), call(f"f{n - 1}", "t", "y")) for n in range(1, 40)
    ]
    data = model(graph(call("f39")), functions=functions, opset_imports=LOCAL).SerializeToString()
    assert len(data) < 4_000
    for _ in range(2):
        start = time.process_time()
        assert refused(load_network, data, kind=TooLarge) == "has more than 100,000 nodes"
        assert time.process_time() - start < 2
        functions.reverse()


@pytest.mark.parametrize("deep", [5, 500])
def test_a_long_chain_of_calls(deep: int) -> None:
    functions = [function("f0", node("Relu"))]
    functions += [function(f"f{n}", call(f"f{n - 1}")) for n in range(1, deep)]
    functions.reverse()  # so that the first one leads through all of them
    made = model(graph(call(f"f{deep - 1}")), functions=functions, opset_imports=LOCAL)
    if deep < 40:
        load_network(made.SerializeToString(), "x.onnx")
    else:
        said = refused(load_network, made.SerializeToString(), kind=TooLarge)
        assert said == "is nested more than 40 deep"


@pytest.mark.parametrize("deep", [10, 30, 500])
def test_graphs_in_graphs(deep: int) -> None:
    data = graph(node("Relu")).SerializeToString()
    for _ in range(deep):
        data = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, data)))
    made = field(7, data)
    if deep == 10:
        with pytest.raises(Malformed, match="is not valid ONNX"):
            load_network(made, "x.onnx")
    else:
        said = refused(load_network, made, kind=TooLarge)
        assert said == "holds messages in messages more than 40 deep"


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made += bytes([number & 127 | 128])
        number >>= 7
    return made + bytes([number])


MANY = 2_000_000
FLOODS = {
    "nodes": field(7, b"\x0a\x00" * MANY),
    "tensors": field(7, b"\x2a\x00" * MANY),
    "attributes": field(7, field(1, b"\x2a\x00" * MANY)),
    "operator sets": b"\x42\x00" * MANY,
    "strings": field(7, field(1, b"\x0a\x00" * MANY)),
    "numbers": field(7, field(5, b"\x08\x01" * MANY)),
    "packed numbers": field(7, field(5, field(7, b"\0" * 9_000_000))),
    "unknown fields": b"\xa0\x06\x00" * MANY,
}


@pytest.mark.parametrize("what", FLOODS)
def test_many_small_fields_are_refused_before_they_are_parsed(what: str) -> None:
    """Parsed, these take up to 100 times their size: 300 MiB."""
    imports = "import onnx, google.protobuf.message; from autograder.loaders.network import load_network"
    said = in_little_memory(imports, "load_network(data, 'x.onnx')", FLOODS[what], 60)
    assert said == "'x.onnx' holds more than 500,000 fields."


def test_the_worst_that_fits_takes_bounded_memory() -> None:
    imports = "import onnx, google.protobuf.message; from autograder.loaders.network import load_network"
    data = field(7, field(1, b"\x2a\x00" * 499_990))
    said = in_little_memory(imports, "load_network(data, 'x.onnx')", data, 400)
    assert "x.onnx" in said


def test_weights_take_a_few_times_their_size() -> None:
    data = with_initializers(numpy_helper.from_array(np.zeros(2**22), "w"))  # 32 MiB
    imports = "import onnx, google.protobuf.message; from autograder.loaders.network import load_network"
    assert in_little_memory(imports, "load_network(data, 'x.onnx')", data, 250) == "loaded"


def test_limits_are_met_exactly() -> None:
    data = model(graph(*[node("Relu", f"x{n or ''}", f"x{n + 1}") for n in range(3)])).SerializeToString()
    survey = Survey({"root": {}}, 10**6, 5)
    survey.look(data, "root")
    assert survey.fields == 3  # version, graph, operator set
    load = NetworkLimits(max_bytes=len(data), max_nodes=3)
    with pytest.raises(Malformed, match="checker"):  # an output that nobody computes: past our own limits
        load_network(data, "x", load)
    refused(load_network, data, NetworkLimits(max_nodes=2), kind=TooLarge)
    refused(load_network, data, NetworkLimits(max_bytes=len(data) - 1), kind=TooLarge)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_surveyed_or_refused(data: bytes) -> None:
    try:
        Survey({"root": {1: "root", 2: "packed", 3: "text"}}, 20, 3).look(data, "root")
    except NotProtobuf as problem:
        position = problem.position
    except TooManyFields:
        return
    else:
        return
    assert position <= len(data)


@pytest.mark.parametrize("name", ["w", "\x1b[31mw", "w" * 3000])
def test_names_are_shown_harmlessly(name: str) -> None:
    refused(load_network, with_initializers(tensor(name=name, dims=[3])))
