"""An ONNX model as one flat list of operations: graphs in attributes and functions unfolded.

Whatever hides a number in a branch of an If, in a Loop or in a function of the file's own ends up in the same
list as all else. Nothing is copied for that: a tensor in a function that is called a thousand times is one
`Source` with a thousand readers. load_network has bounded how many operations there can be.
"""

from __future__ import annotations

import hashlib
import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.text import one_line

if TYPE_CHECKING:
    import onnx

FLOATS = frozenset((1, 10, 11, 16))  # float, float16, double, bfloat16
_SCOPES = "pkg.torch.onnx.name_scopes"  # where the exporter notes the path of the module
_SCOPES_CHARS = 2_000
_QUOTED = re.compile(r"'[^'\\]*'|\"[^\"\\]*\"")  # no parser of Python's: a file may have thousands of these
_NAME_CHARS = 120
_SMALL = 4_096  # numbers of a tensor that may be read as a shape, as axes and the like
# Lists in attributes that no operation of ONNX's own uses for anything but settings.
_CONSTANT = {"value", "value_float", "value_floats", "value_int", "value_ints", "value_string"}
_CONSTANT |= {"value_strings", "sparse_value"}

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Numbers that stand in the file, under a name by which nodes read them."""

    name: str  # as shown: an initializer's own
    shape: tuple[int, ...]
    numel: int
    floating: bool
    held: Any  # the TensorProto, SparseTensorProto or AttributeProto
    initializer: bool = False

    @property
    def key(self) -> int:
        """The same for the same place in the file, however often its function is called."""
        return id(self.held)

    def array(self) -> np.ndarray | None:
        """The numbers, of a small dense tensor; None for any other."""
        from onnx import AttributeProto, TensorProto, numpy_helper  # noqa: PLC0415  (slow to import)

        if self.numel > _SMALL:
            return None
        if isinstance(self.held, TensorProto):
            if not _has_data(self.held):
                return None
            given = numpy_helper.to_array(self.held)
            return given if given.dtype.kind in "biuf" else None
        if isinstance(self.held, AttributeProto):
            return np.asarray(_listed(self.held)).reshape(self.shape)
        return None

    def digest(self) -> bytes:
        """The same for the same numbers in the same shape."""
        from onnx import TensorProto, numpy_helper  # noqa: PLC0415  (as above)

        told = hashlib.sha256(repr(self.shape).encode())
        if isinstance(self.held, TensorProto) and self.held.data_type != TensorProto.STRING:
            told.update(str(self.held.data_type).encode())
            raw = self.held.raw_data
            told.update(raw if raw else numpy_helper.to_array(self.held).tobytes())
        else:
            told.update(self.held.SerializeToString())
        return told.digest()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation. ``module`` is the path of the module that it came from, as the exporter noted it."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, onnx.AttributeProto] = field(default_factory=dict)
    module: str = ""

    def ints(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        held = self.attributes.get(name)
        return tuple(held.ints) if held is not None and held.ints else default

    def integer(self, name: str, default: int = 0) -> int:
        held = self.attributes.get(name)
        return int(held.i) if held is not None else default

    def text(self, name: str, default: str = "") -> str:
        held = self.attributes.get(name)
        return held.s.decode("utf-8", errors="replace") if held is not None else default

    def input(self, index: int) -> str:
        """The name of an input, "" where there is none."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """The nodes in an order in which they can run."""

    nodes: tuple[Node, ...]
    inputs: Mapping[str, tuple[int | None, ...]]  # with their shapes; None is free
    outputs: tuple[str, ...]
    sources: Mapping[str, Source]  # by the name that nodes use
    declared: Mapping[str, tuple[int | None, ...]]  # the shapes that the file gives for values of its own


def read_graph(model: onnx.ModelProto) -> Graph:
    """The model that load_network let through."""
    unfolding = _Unfolding({(f.domain, f.name, f.overload): f for f in model.functions})
    names: dict[str, str] = {}
    graph = model.graph
    given = {held.name for held in graph.initializer}
    shapes = {one.name: _shape(one) for one in graph.input if one.name not in given}
    for name in shapes:
        names[name] = name
    unfolding.graph(graph, "", names)
    return Graph(
        nodes=tuple(unfolding.nodes),
        inputs=shapes,
        outputs=tuple(names.get(one.name, one.name) for one in graph.output),
        sources=unfolding.sources,
        declared={one.name: _shape(one) for one in (*graph.value_info, *graph.output)},
    )


class _Unfolding:
    """Collects nodes; each graph and each call of a function gives its values names of their own."""

    def __init__(self, functions: Mapping[Key, onnx.FunctionProto]) -> None:
        self._functions = functions
        self.nodes: list[Node] = []
        self.sources: dict[str, Source] = {}
        self._calls = 0

    def graph(self, graph: onnx.GraphProto, scope: str, names: MutableMapping[str, str]) -> None:
        """``names`` maps what is seen from outside to its flat name, and gets what is defined here."""
        for tensor in graph.initializer:
            names[tensor.name] = scope + tensor.name
            self._add(scope + tensor.name, tensor.name, tensor, initializer=True)
        for sparse in graph.sparse_initializer:
            names[sparse.values.name] = scope + sparse.values.name
            self._add(scope + sparse.values.name, sparse.values.name, sparse, initializer=True)
        self._nodes(graph.node, scope, names, {})

    def _nodes(
        self,
        nodes: Iterable[onnx.NodeProto],
        scope: str,
        names: MutableMapping[str, str],
        given: Mapping[str, onnx.AttributeProto],
    ) -> None:
        for node in nodes:
            attributes = dict(_attributes(node, given))
            for output in node.output:
                if output:
                    names[output] = scope + output
            function = self._functions.get((node.domain, node.op_type, node.overload))
            if function is not None:
                self._call(function, node, names, attributes)
            else:
                self._one(node, names, attributes)

    def _call(
        self,
        function: onnx.FunctionProto,
        node: onnx.NodeProto,
        names: MutableMapping[str, str],
        attributes: Mapping[str, onnx.AttributeProto],
    ) -> None:
        self._calls += 1
        scope = f"{self._calls}/"
        defaults = {one.name: one for one in function.attribute_proto}
        inside = {
            name: names.get(outer, "") if outer else ""
            for name, outer in zip(function.input, node.input, strict=False)
        }
        self._nodes(function.node, scope, inside, {**defaults, **attributes})
        for name, outer in zip(function.output, node.output, strict=False):
            if outer:
                self.nodes.append(Node("Identity", (inside.get(name, ""),), (names[outer],)))

    def _one(
        self,
        node: onnx.NodeProto,
        names: MutableMapping[str, str],
        attributes: dict[str, onnx.AttributeProto],
    ) -> None:
        outputs = tuple(names.get(name, "") for name in node.output)
        if node.op_type == "Constant":
            self._constant(node, outputs[0] if outputs else "", attributes)
            return
        inputs = [names.get(name, "") for name in node.input]
        for name, held in attributes.items():
            for graph in [*([held.g] if held.HasField("g") else []), *held.graphs]:
                inputs += self._inner(graph, inputs, names)
            inputs += self._numbers(node, name, held, outputs)
        self.nodes.append(Node(node.op_type, tuple(inputs), outputs, attributes, _module(node)))

    def _inner(self, graph: onnx.GraphProto, given: list[str], names: MutableMapping[str, str]) -> list[str]:
        """Unfold a body before its node, which then reads the body's results."""
        self._calls += 1
        scope = f"{self._calls}/"
        inside = ChainMap({}, names)  # no copy: a file may have many graphs, and many names around them
        for value in graph.input:
            inside[value.name] = scope + value.name
        # Which input feeds which is each operation's own business: all of them feed each.
        self.nodes.append(Node("Body", tuple(given), tuple(scope + value.name for value in graph.input)))
        self.graph(graph, scope, inside)
        return [inside.get(one.name, "") for one in graph.output]

    def _constant(
        self, node: onnx.NodeProto, output: str, attributes: Mapping[str, onnx.AttributeProto]
    ) -> None:
        for name, held in attributes.items():
            if name not in _CONSTANT:
                continue
            shown = node.name or output
            if held.HasField("t"):
                self._add(output, shown, held.t)
            elif held.HasField("sparse_tensor"):
                self._add(output, shown, held.sparse_tensor)
            else:
                self._list(output, shown, held)

    def _numbers(
        self, node: onnx.NodeProto, name: str, held: onnx.AttributeProto, outputs: tuple[str, ...]
    ) -> list[str]:
        """Numbers in an attribute of any other operation, as further inputs of it."""
        where = f"{name} of {node.name or node.op_type}"
        added: list[str] = []
        tensors = [*([held.t] if held.HasField("t") else []), *held.tensors]
        tensors += [*([held.sparse_tensor] if held.HasField("sparse_tensor") else []), *held.sparse_tensors]
        for tensor in tensors:
            added.append(f"{outputs[0] if outputs else ''}@{name}{len(added)}")
            self._add(added[-1], where, tensor)
        if held.floats or held.strings or held.HasField("f") or (node.domain == "ai.onnx.ml" and held.ints):
            added.append(f"{outputs[0] if outputs else ''}@{name}")
            self._list(added[-1], where, held)
        return added

    def _list(self, name: str, shown: str, held: onnx.AttributeProto) -> None:
        several = held.type in (held.FLOATS, held.INTS, held.STRINGS, held.STRING)
        numel = max(len(held.floats), len(held.ints), sum(map(len, held.strings)), len(held.s))
        shape = (numel,) if several else ()
        floating = held.type in (held.FLOATS, held.FLOAT)
        self.sources[name] = Source(_shown(shown), shape, numel if several else 1, floating, held)

    def _add(self, name: str, shown: str, held: Any, *, initializer: bool = False) -> None:
        values = getattr(held, "values", None)
        shape = tuple(held.dims)
        dense = held if values is None else values
        numel = prod(shape) if values is None else prod(values.dims) + prod(held.indices.dims)
        if dense.data_type == 8:  # strings: each byte is a number
            numel = sum(len(text) for text in dense.string_data)
        floating = dense.data_type in FLOATS
        self.sources[name] = Source(_shown(shown), shape, numel, floating, held, initializer)


def _listed(held: onnx.AttributeProto) -> list[float]:
    if held.type in (held.STRING, held.STRINGS):
        return [*b"".join(held.strings or [held.s])]
    if held.type in (held.FLOAT, held.FLOATS):
        return [*held.floats] if held.type == held.FLOATS else [held.f]
    return [*held.ints] if held.type == held.INTS else [held.i]


def _attributes(
    node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]
) -> Iterator[tuple[str, onnx.AttributeProto]]:
    """Those of a node; inside a function some refer to what its caller gave."""
    for one in node.attribute:
        if not one.ref_attr_name:
            yield one.name, one
        elif one.ref_attr_name in given:
            yield one.name, given[one.ref_attr_name]


def _module(node: onnx.NodeProto) -> str:
    for one in node.metadata_props:
        if one.key == _SCOPES and len(one.value) <= _SCOPES_CHARS:
            scopes = _QUOTED.findall(one.value)
            if len(scopes) > 1:
                module = scopes[-2][1:-1]
                return "" if module.startswith("_empty_nn") else _shown(module)
    return ""


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    kind = value.type.tensor_type
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim
    )


def _has_data(tensor: onnx.TensorProto) -> bool:
    held = (tensor.raw_data, tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data)
    return not prod(tensor.dims) or any(map(len, (*held, tensor.uint64_data)))


def _shown(name: str) -> str:
    return one_line(name[: 4 * _NAME_CHARS], _NAME_CHARS)
