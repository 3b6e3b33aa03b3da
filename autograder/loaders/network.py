"""ONNX: a network as data, nothing of it beside the file and nothing larger than it weighs.

The file's fields are counted before it is parsed (protobuf.py). Then every tensor must hold exactly the
numbers that its shape says, every operator must be ONNX's own or a function that the file defines, and
functions may neither call themselves nor unfold without end: 26 of them that each call the one before twice
are 1.8 kB and 67 million nodes.

`onnx.checker` is run, on what passed. Shape inference is not: it unfolds functions (measured: 1.4 kB took
3.4 s, and twice that with each function more) and gains us nothing. A network that is sound here can still
ask for any amount of memory when it *runs*: run it in a box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from autograder.loaders.problems import MIB, Malformed, TooLarge, check_bytes, size
from autograder.loaders.protobuf import PACKED, TEXT, NotProtobuf, Schema, Survey, TooManyFields
from autograder.loaders.shapes import check_shape
from autograder.text import quote

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """How large a network is taken. In memory: twice the file, and about 200 bytes for each field."""

    max_bytes: int = 512 * MIB  # a ResNet-152 weighs 240
    max_fields: int = 500_000  # a ResNet-152 has some 20,000
    max_depth: int = 40  # messages in messages, so a dozen graphs in graphs; also of calls in calls
    max_nodes: int = 100_000  # with every call of a function unfolded
    max_sparse_bytes: int = 64 * MIB  # of one sparse tensor written out in full


# A node of many names costs as much as several: one Sum of 4,000 values in a function that is called 20,000
# times is half a megabyte and 80 million names.
_NAMES_OF_A_NODE = 8
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_HINT = "Export the model again with torch.onnx.export."
_SMALLER = "Hand in only the network itself, exported once."

Key = tuple[str, str, str]  # a function's domain, name and overload


def load_network(data: bytes, name: str, limits: NetworkLimits | None = None) -> onnx.ModelProto:
    """The network in ``data``. Raises Malformed."""
    import onnx  # noqa: PLC0415  (slow to import, and few gradings weigh networks)
    from google.protobuf.message import (  # type: ignore[import-untyped]  # noqa: PLC0415  (as onnx)
        DecodeError,
    )

    limits = limits or NetworkLimits()
    check_bytes(name, data, limits.max_bytes, hint=_SMALLER)
    try:
        Survey(_schema(), limits.max_fields, limits.max_depth).look(data, "onnx.ModelProto")
    except NotProtobuf as error:
        where = f"byte {error.position:,}"
        raise Malformed(name, "is not an ONNX file, or was cut off", where=where, hint=_HINT) from None
    except TooManyFields as error:
        raise TooLarge(name, f"holds {error}", hint=_SMALLER) from None
    try:
        model = onnx.load_model_from_string(data)
        _Inspection(model, name, limits).inspect()
        onnx.checker.check_model(model)
    except (DecodeError, UnicodeDecodeError) as error:
        raise Malformed(name, "is not an ONNX file", hint=_HINT) from error
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        first = quote(" ".join(str(error).split()), 200)
        raise Malformed(name, f"is not valid ONNX; its checker says {first}", hint=_HINT) from error
    return model


@cache
def _schema() -> Schema:
    """Which fields of which messages hold messages, as the installed onnx has it."""
    import onnx  # noqa: PLC0415  (as above)

    schema: dict[str, dict[int, str]] = {}
    pending: list[Any] = [onnx.ModelProto.DESCRIPTOR]
    while pending:
        message = pending.pop()
        if message.full_name in schema:
            continue
        fields = schema[message.full_name] = {}
        for field in message.fields:
            if field.message_type is not None:
                fields[field.number] = field.message_type.full_name
                pending.append(field.message_type)
            elif field.type in _varints(field):
                fields[field.number] = PACKED
            elif field.type == field.TYPE_STRING:
                fields[field.number] = TEXT
    return schema


def _varints(field: Any) -> set[int]:
    return {field.TYPE_INT32, field.TYPE_INT64, field.TYPE_UINT32, field.TYPE_UINT64}


class _Inspection:
    """Goes once over a parsed model, graphs in attributes and functions with it."""

    def __init__(self, model: onnx.ModelProto, name: str, limits: NetworkLimits) -> None:
        self._model, self._name, self._limits = model, name, limits
        self._functions: dict[Key, onnx.FunctionProto] = {}
        self._sizes: dict[Key, int] = {}  # of functions, in nodes, unfolded
        self._depth = 0  # of graphs and calls around the node that is looked at

    def inspect(self) -> None:
        if not self._model.HasField("graph"):
            raise Malformed(self._name, "holds no network", hint=_HINT)
        if self._model.training_info:
            raise Malformed(self._name, "holds instructions for training", hint=_HINT)
        for function in self._model.functions:
            key = (function.domain, function.name, function.overload)
            if function.domain in DOMAINS:
                # It would stand in for the operator of that name, whatever a graph's reader takes it for.
                problem = f"defines {quote(function.name)} in ONNX's own domain"
                raise Malformed(self._name, problem, hint=_HINT)
            if key in self._functions:
                raise Malformed(self._name, f"defines the function {quote(function.name)} twice", hint=_HINT)
            self._functions[key] = function
        for key in self._functions:
            self._function(key)
        self._graph(self._model.graph)

    def _function(self, key: Key) -> int:
        """The function's size in nodes, with the functions that it calls."""
        done = self._sizes.get(key)
        if done is None:
            self._sizes[key] = -1  # being measured
            function = self._functions[key]
            defaults = function.attribute_proto
            count = sum(self._attribute(default) for default in defaults) + len(defaults) // _NAMES_OF_A_NODE
            done = self._sizes[key] = count + self._nodes(function.node)
        elif done < 0:
            raise Malformed(self._name, f"holds the function {quote(key[1])}, which calls itself", hint=_HINT)
        return done

    def _graph(self, graph: onnx.GraphProto) -> int:
        for tensor in graph.initializer:
            self._tensor(tensor)
        for sparse in graph.sparse_initializer:
            self._sparse(sparse)
        return self._nodes(graph.node)

    def _nodes(self, nodes: Any) -> int:
        count, self._depth = 0, self._depth + 1
        if self._depth > self._limits.max_depth:
            problem = f"is nested more than {self._limits.max_depth} deep"
            raise TooLarge(self._name, problem, hint=_SMALLER)
        for node in nodes:
            names = len(node.input) + len(node.output) + len(node.attribute)
            count += 1 + names // _NAMES_OF_A_NODE + self._called(node)
            for attribute in node.attribute:
                count += self._attribute(attribute)
            if count > self._limits.max_nodes:
                raise TooLarge(self._name, f"has more than {self._limits.max_nodes:,} nodes", hint=_SMALLER)
        self._depth -= 1
        return count

    def _called(self, node: onnx.NodeProto) -> int:
        key = (node.domain, node.op_type, node.overload)
        if key in self._functions:
            return self._function(key)
        if node.domain not in DOMAINS:
            problem = f"uses {quote(node.op_type)} of {quote(node.domain)}, an operator that isn't ONNX's own"
            raise Malformed(self._name, problem, where=_node(node), hint=_HINT)
        return 0

    def _attribute(self, attribute: onnx.AttributeProto) -> int:
        for tensor in _held(attribute, "t", attribute.tensors):
            self._tensor(tensor)
        for sparse in _held(attribute, "sparse_tensor", attribute.sparse_tensors):
            self._sparse(sparse)
        return sum(self._graph(graph) for graph in _held(attribute, "g", attribute.graphs))

    def _tensor(self, tensor: onnx.TensorProto) -> int:
        """The tensor's number of elements, once it holds just as many."""
        what = f"the tensor {quote(tensor.name)}"
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            problem = f"keeps {what} in another file"
            raise Malformed(self._name, problem, hint="Export it with external_data=False, into one file.")
        if tensor.HasField("segment"):
            raise Malformed(self._name, f"holds {what} in pieces", hint=_HINT)
        storage = _storage().get(tensor.data_type)
        if storage is None:
            problem = f"holds {what} of the type number {tensor.data_type}"
            raise Malformed(self._name, problem, hint="Export it in float32.")
        count = check_shape(list(tensor.dims), what, self._name)
        self._refuse_other_amount(tensor, what, count, *storage)
        return count

    def _refuse_other_amount(
        self, tensor: onnx.TensorProto, what: str, count: int, item_bytes: int, field: str
    ) -> None:
        used = [one for one in _FIELDS if len(getattr(tensor, one))]
        if used not in ([], ["raw_data"], [field]) or (used == ["raw_data"] and not item_bytes):
            raise Malformed(self._name, f"holds {what} in a field of another type", hint=_HINT)
        wanted = count * item_bytes if used == ["raw_data"] else count
        held = len(getattr(tensor, used[0])) if used else 0
        if held != wanted:
            unit = "bytes" if used == ["raw_data"] else "numbers"
            problem = f"gives {what} {held:,} {unit}, where its shape needs {wanted:,}"
            raise Malformed(self._name, problem, hint=_HINT)

    def _sparse(self, sparse: onnx.SparseTensorProto) -> None:
        what = f"the sparse tensor {quote(sparse.values.name)}"
        self._tensor(sparse.values)
        self._tensor(sparse.indices)
        # Whoever uses it writes it out in full.
        full = check_shape(list(sparse.dims), what, self._name) * 8
        if full > self._limits.max_sparse_bytes:
            allowed = size(self._limits.max_sparse_bytes)
            problem = f"holds {what} of {size(full)} in full, where {allowed} are allowed"
            raise TooLarge(self._name, problem, hint=_HINT)


_FIELDS = ("raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


@cache
def _storage() -> dict[int, tuple[int, str]]:
    """For each type of tensor that is taken: a number's bytes, and its field where that isn't raw_data."""
    from onnx import TensorProto as Tensor  # noqa: PLC0415  (as above)

    small = (Tensor.UINT8, 1), (Tensor.INT8, 1), (Tensor.BOOL, 1), (Tensor.UINT16, 2), (Tensor.INT16, 2)
    halves = (Tensor.FLOAT16, 2), (Tensor.BFLOAT16, 2), (Tensor.INT32, 4)
    return {
        **{kind: (item_bytes, "int32_data") for kind, item_bytes in (*small, *halves)},
        Tensor.FLOAT: (4, "float_data"),
        Tensor.DOUBLE: (8, "double_data"),
        Tensor.INT64: (8, "int64_data"),
        Tensor.UINT32: (4, "uint64_data"),
        Tensor.UINT64: (8, "uint64_data"),
        Tensor.STRING: (0, "string_data"),
    }


def _held(attribute: onnx.AttributeProto, one: str, several: Any) -> Iterator[Any]:
    if attribute.HasField(one):
        yield getattr(attribute, one)
    yield from several


def _node(node: onnx.NodeProto) -> str:
    return f"node {quote(node.name)}" if node.name else ""
