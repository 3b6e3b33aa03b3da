"""Follows the image through a graph: the shape of every value, and what it sees of the image.

One pass in the graph's own order. An operation that isn't known here hands on what its inputs see, its shape
is the one that the file declares for it, and its name is noted: nothing is guessed.

Normalisations over the image's axes (GroupNorm, LayerNorm) let a unit depend on the whole image through a
mean; as everywhere in the field, that doesn't count as seeing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autograder.checks.models.folding import fold
from autograder.checks.models.graph import Graph, Node
from autograder.checks.models.layers import Layer, everything, slide
from autograder.checks.models.living import Living
from autograder.checks.models.moving import MOVES
from autograder.checks.models.operations import ACTIVATIONS, MERGES, NORMALISATIONS, POINTWISE, WEIGHTED
from autograder.checks.models.values import Axis, Shape, Value, broadcast, merge
from autograder.sandbox.exported import Reported

_BATCH = 2  # where it is free: one image would let the batch pass for an axis that can be squeezed
_MOST_INPUTS = 100  # layers that one gets the results of
_MOST_AXES = 16  # a value with more is no image; a file may give it a million
_MOST_NUMBERS = 1_000_000  # of all that is worked out for shapes together
_LEAVES = ("Pool", "Conv", "Linear", "Norm", "Identity", "Dropout", "Sequential")  # kinds that are one layer


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """``layers`` in the order of the graph; ``joins`` those where branches meet; ``unknown`` operations."""

    layers: tuple[Layer, ...]
    joins: tuple[Layer, ...]
    depth: int
    unknown: tuple[str, ...]
    answer: Value


def follow(graph: Graph, living: Living, reported: Reported) -> Followed:
    return _Following(graph, reported).follow(living)


class _Following:
    def __init__(self, graph: Graph, reported: Reported) -> None:
        self._graph = graph
        self._kinds = {one.name: one.kind for one in reported.modules}
        self._values: dict[str, Value] = {}
        self._layers: list[Layer] = []
        self._joins: list[Layer] = []
        self._unknown: list[str] = []
        self._taken: set[str] = set()
        self._left = _MOST_NUMBERS
        for name, source in graph.sources.items():
            self._values[name] = _few(Value(shape=source.shape, numbers=source.array(), weights=True))
        for name, shape in graph.inputs.items():
            few = shape if len(shape) <= _MOST_AXES else ()
            self._values[name] = _image((few[0] or _BATCH, *few[1:]) if few else few)

    def follow(self, living: Living) -> Followed:
        for node in self._graph.nodes:
            if not any(name in living.uses for name in node.outputs):
                continue
            given = [self._values.get(name, Value()) for name in node.inputs]
            try:
                made = self._made(node, given)
            except (ValueError, IndexError, ZeroDivisionError, OverflowError, TypeError):
                # Settings that contradict the shapes: the file is a student's, and it won't run either.
                self._unknown.append(node.op)
                made = Value(image=any(value.image for value in given))
            self._values |= dict.fromkeys(node.outputs, _few(made))
        answers = [self._values.get(name, Value()) for name in self._graph.outputs]
        answer = max(answers, key=lambda value: value.depth, default=Value())
        unknown = tuple(dict.fromkeys(self._unknown))
        return Followed(tuple(self._layers), tuple(self._joins), answer.depth, unknown, answer)

    def _made(self, node: Node, given: list[Value]) -> Value:
        image = [value for value in given if value.image]
        if not image:
            return self._aside(node, given)
        if node.op in ("Shape", "Size"):
            return self._shape_of(node, given[0])
        slid = slide(node, given)
        if slid is not None:
            return self._layer(node, given, slid.value, slid.layer)
        raw = all(value.raw for value in image)
        value = self._moved(node, given, image)
        value = replace(
            value,
            image=True,
            raw=raw,
            depth=max(one.depth for one in image),
            layers=tuple(
                sorted({at for layers in {one.layers for one in image} for at in layers})[:_MOST_INPUTS]
            ),
        )
        if node.op in ACTIVATIONS | NORMALISATIONS and not (node.op.endswith("Softmax") and value.raw):
            return self._plain_layer(node, value)
        if node.op in MERGES | {"Concat"}:
            self._join(node, image, value)
        return value

    def _aside(self, node: Node, given: Sequence[Value]) -> Value:
        """What doesn't depend on the image: numbers for shapes, or weights on their way."""
        numbers = fold(node, [value.numbers for value in given]) if self._left > 0 else None
        self._left -= 0 if numbers is None else numbers.size
        if node.op == "Shape" and given and given[0].shape is not None:
            return self._shape_of(node, given[0])
        if numbers is not None:
            return Value(shape=numbers.shape, numbers=numbers, weights=True)
        move = MOVES.get(node.op)
        value = move(node, given) if move is not None and given else None
        if value is None and node.op in POINTWISE:
            value = Value(shape=broadcast([one.shape for one in given]))
        if value is None:
            value = Value(shape=self._declared(node))
        return replace(value, numbers=None, weights=True)

    def _shape_of(self, node: Node, value: Value) -> Value:
        from numpy import asarray  # noqa: PLC0415

        if value.shape is None:
            return Value()
        stop = node.integer("end", len(value.shape))
        part = value.shape[slice(node.integer("start"), stop)]
        if None in part:
            return Value(shape=(len(part),))
        numbers = asarray([size or 0 for size in part], dtype="int64")
        return Value(shape=numbers.shape, numbers=numbers)

    def _moved(self, node: Node, given: list[Value], image: list[Value]) -> Value:
        """What an operation without a kernel makes."""
        move = MOVES.get(node.op)
        if move is not None and (node.op == "Concat" or given[0].image):
            value = move(node, given)
            if value is not None:
                return value
        elif node.op in NORMALISATIONS or (node.op in POINTWISE and node.op not in MERGES):
            return given[0] if given[0].image else image[0]
        elif node.op in POINTWISE:
            return self._pointwise(given, image)
        elif node.op in ("MatMul", "Gemm", "Einsum"):  # of two images: attention
            return Value(shape=self._declared(node), axes=everything(image))
        elif node.op.startswith(("Reduce", "ArgM", "TopK")):
            return Value(shape=self._declared(node), axes=merge(image))
        self._unknown.append(node.op)
        return Value(shape=self._declared(node), axes=merge(image))

    def _pointwise(self, given: list[Value], image: list[Value]) -> Value:
        shape = broadcast([value.shape for value in given])
        largest = max(image, key=lambda value: (len(value.places), _elements(value.shape)))
        places = largest.places
        if shape is not None and largest.shape is not None:
            places = tuple(place + len(shape) - len(largest.shape) for place in places)
        return replace(largest, shape=shape or self._largest(given), axes=merge(image), places=places)

    def _largest(self, given: list[Value]) -> Shape | None:
        return max((value.shape for value in given), key=_elements, default=None)

    def _declared(self, node: Node) -> Shape | None:
        """As the file says; it decides about nothing but the sizes in a table."""
        shape = self._graph.declared.get(node.outputs[0]) if node.outputs else None
        return None if not shape else (shape[0] or _BATCH, *shape[1:])

    # --- layers ----------------------------------------------------------------------------------------

    def _layer(self, node: Node, given: Sequence[Value], value: Value, layer: Layer) -> Value:
        depth = given[0].depth + (layer.op in WEIGHTED)
        return self._add(node, replace(value, depth=depth), layer, given[0].layers)

    def _plain_layer(self, node: Node, value: Value) -> Value:
        shape = value.shape or ()
        channels = shape[1] if len(shape) > 1 else None
        sizes = tuple(axis.size for axis in value.placed())
        layer = Layer("", node.op, channels_in=channels, channels_out=channels, size_in=sizes, size_out=sizes)
        return self._add(node, value, layer, value.layers)

    def _add(self, node: Node, value: Value, layer: Layer, inputs: tuple[int, ...]) -> Value:
        names = tuple(self._layers[at].name for at in inputs)
        self._layers.append(replace(layer, name=self._name(node, layer), inputs=names))
        return replace(
            value, image=True, raw=False, layers=(len(self._layers) - 1,), padded=(), before=value.before
        )

    def _join(self, node: Node, image: Sequence[Value], value: Value) -> None:
        """Two branches meet, and at least one of them went through a layer that the other didn't."""
        if len(image) < 2 or node.op not in ("Add", "Sum", "Mean", "Concat", "Mul"):
            return
        if len({one.layers for one in image}) < 2:
            return
        inputs = tuple(self._layers[at].name for at in value.layers)
        shape = value.shape or ()
        channels = shape[1] if len(shape) > 1 else None
        self._joins.append(
            Layer(self._name(node, None), node.op, channels_out=channels, inputs=inputs, after=value.axes)
        )

    def _name(self, node: Node, layer: Layer | None) -> str:
        """The module's path, or the weights' owner, or what the file calls the result; each once."""
        owner = ""
        if layer is not None and layer.op in WEIGHTED | NORMALISATIONS and len(node.inputs) > 1:
            source = self._graph.sources.get(node.inputs[1])
            owner = source.name.rpartition(".")[0] if source is not None and source.initializer else ""
        result = (node.outputs[0] if node.outputs else node.op) or node.op
        kind = self._kinds.get(node.module, "")
        module = node.module if not self._kinds or any(one in kind for one in _LEAVES) or _ends(kind) else ""
        path = f"{node.module}.{result}" if node.module else result
        for name in (owner, module, path):
            if name and name not in self._taken:
                break
        else:
            name = f"{path} ({len(self._taken)})"
        self._taken.add(name)
        return name


def _ends(kind: str) -> bool:
    """An activation's class is named as its operation is."""
    lower = kind.lower()
    return any(lower == name.lower() for name in ACTIVATIONS) or lower in ("silu", "relu6", "hardswish")


def _image(shape: Shape) -> Value:
    """The network's input. Its axes are what comes after the channels; channels last are known by their
    number."""
    places: tuple[int, ...] = ()
    if len(shape) == 3:
        places = (1, 2)
    elif len(shape) > 3:
        last = shape[-1] in (1, 3, 4) and shape[1] not in (1, 3, 4)
        places = tuple(range(1, len(shape) - 1)) if last else tuple(range(2, len(shape)))
    axes = tuple(Axis(shape[place]) for place in places)
    return Value(shape=shape, axes=axes, places=places, image=True, raw=True)


def _few(value: Value) -> Value:
    """The value, without a shape that no network has."""
    if value.shape is None or len(value.shape) <= _MOST_AXES:
        return value
    return replace(value, shape=None, numbers=None, axes=(), places=(), before=None)


def _elements(shape: Shape | None) -> int:
    count = 1
    for size in shape or ():
        count *= size or 1
    return count if shape is not None else 0
