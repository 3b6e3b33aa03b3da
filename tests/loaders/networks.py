"""Small ONNX files, sound ones and pieces to make others of."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSETS = [helper.make_opsetid("", 18)]
LOCAL = [*OPSETS, helper.make_opsetid("local", 1)]


def value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])


def node(kind: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def graph(*nodes: onnx.NodeProto, **more: Any) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "g", [value("x")], [value("y")], **more)


def model(made: onnx.GraphProto | None = None, **more: Any) -> onnx.ModelProto:
    more.setdefault("opset_imports", OPSETS)
    return helper.make_model(made or graph(node("Relu")), **more)


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("local", name, ["x"], ["y"], list(nodes), LOCAL)


def call(name: str, inputs: str = "x", outputs: str = "y") -> onnx.NodeProto:
    return node(name, inputs, outputs, domain="local")


def with_initializers(*tensors: onnx.TensorProto) -> bytes:
    made: bytes = model(graph(node("Relu"), initializer=list(tensors))).SerializeToString()
    return made


def weights(name: str = "w", dtype: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.arange(6).astype(dtype).reshape(2, 3), name)


def branches() -> onnx.ModelProto:
    """A graph within a graph, with a tensor in a node."""
    inner = helper.make_graph([node("Constant", "", "o", value=weights("c"))], "inner", [], [value("o")])
    condition = node("Constant", "", "c", value=numpy_helper.from_array(np.array(True), "t"))
    return model(graph(condition, node("If", "c", "y", then_branch=inner, else_branch=inner)))


def calling() -> onnx.ModelProto:
    """A function of the file's own that calls another."""
    functions = [function("f", node("Relu")), function("g", call("f", "x", "t"), call("f", "t", "y"))]
    return model(graph(call("g")), functions=functions, opset_imports=LOCAL)


def sparse(dims: list[int], indices: list[int], values: list[float]) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(
        helper.make_tensor("s", TensorProto.FLOAT, [len(values)], values),
        helper.make_tensor("", TensorProto.INT64, [len(indices)], indices),
        dims,
    )


def samples() -> list[bytes]:
    loose = helper.make_tensor("loose", TensorProto.FLOAT, [2], [1.0, 2.0])  # float_data
    whole = model(graph(node("Add", "x w", "y"), initializer=[weights(), loose]))
    with_sparse = model(graph(node("Relu"), sparse_initializer=[sparse([3, 4], [0, 5], [1.0, 2.0])]))
    return [made.SerializeToString() for made in (model(), whole, branches(), calling(), with_sparse)]
