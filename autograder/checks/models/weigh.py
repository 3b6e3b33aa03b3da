"""How many numbers a network is made of: read off its graph, and held against what its code says.

    weighed = weigh(export)
    weighed.count("counted")    # learned weights and biases, as torchsummary counts them
    weighed.count("honest")     # every number that the output depends on

A student's `parameters()` can say anything, and so can the names in the file; neither lowers a count here.
What the names and the report are used for is to say *which* tensor is which. docs/models.md explains each
count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from autograder.checks.models.crumbs import (
    MOST_WRITTEN,
    drawn,
    statistics_beyond,
    wiring_beyond,
    written,
)
from autograder.checks.models.graph import Graph, Source, read_graph
from autograder.checks.models.living import RANDOM, Living, Use, trace
from autograder.checks.models.names import Names
from autograder.loaders.network import load_network
from autograder.outcome import CheckFailed
from autograder.sandbox.exported import Export, Reported
from autograder.text import quote

if TYPE_CHECKING:
    import onnx

Rule = Literal["counted", "honest"]
# A constant of this many numbers is a constant: a 3 x 3 filter, a mean and a deviation for three channels, a
# factor. The bias of a layer with ten classes is more.
MOST_OF_A_CONSTANT = 9
# Different numbers in all such constants together: networks here have up to a dozen (GELU written out has
# four). Beyond it somebody may have cut weights into crumbs, and they count as weights.
MOST_CONSTANTS = 64
# A shape has at most eight axes; a Pad or a Slice has two numbers for each, a Split one for each part.
_MOST_OF_A_SHAPE = 64
_MOST_LISTED = 8
_MANY_OPERATIONS = 1_000  # to be told people: a ResNet-152 has some 700


@dataclass(frozen=True, slots=True)
class WeighedTensor:
    """A tensor that is worth naming; ``role`` says why, in words."""

    name: str
    shape: tuple[int, ...]
    numel: int
    role: str

    def __str__(self) -> str:
        return f"{quote(self.name)} {self.shape!r}: {self.numel:,} numbers, {self.role}"


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """One network's counts. ``hidden`` is part of ``learned``; ``frozen`` and ``tied`` are, too."""

    name: str
    kind: str
    model: onnx.ModelProto
    graph: Graph
    living: Living
    learned: int
    statistics: int
    constants: int
    hidden: tuple[WeighedTensor, ...]
    frozen: tuple[WeighedTensor, ...]
    tied: tuple[WeighedTensor, ...]
    unused: tuple[WeighedTensor, ...]
    said: int | None
    reported: Reported

    @property
    def counted(self) -> int:
        """Learned weights and biases: what torchsummary would count, if nothing were hidden from it."""
        return self.learned

    @property
    def honest(self) -> int:
        """Every number that the output depends on, but for shapes and axes."""
        return self.learned + self.statistics + self.constants

    def count(self, rule: Rule) -> int:
        return self.counted if rule == "counted" else self.honest

    def describe(self) -> str:
        """All of it for people, one fact a line."""
        lines = [
            f"learned weights and biases in the exported graph: {self.learned:,}",
            f"BatchNorm statistics: {self.statistics:,}; other constants: {self.constants:,}; "
            f"every number together: {self.honest:,}",
        ]
        if len(self.living.nodes) > _MANY_OPERATIONS:
            lines.append(f"operations in the graph: {len(self.living.nodes):,}")
        if self.said is not None:
            agrees = "as counted" if self.said == self.learned else "not what the graph holds"
            lines.append(f"your parameters() says {self.said:,}: {agrees}")
        for title, tensors in (
            ("used, and not among the parameters", self.hidden),
            ("used, and never trained (requires_grad=False)", self.frozen),
            ("tied", self.tied),
            ("registered, and never used", self.unused),
        ):
            if tensors:
                lines.append(f"{title}: {sum(one.numel for one in tensors):,} numbers")
                lines += [f"  {one}" for one in tensors[:_MOST_LISTED]]
                if len(tensors) > _MOST_LISTED:
                    lines.append(f"  and {len(tensors) - _MOST_LISTED} more")
        return "\n".join(lines)


def weigh(export: Export) -> Weighed:
    """Raises CheckFailed where there is no export, or none that is sound."""
    if export.onnx is None:
        raise CheckFailed(
            f"Your network {quote(export.name)} could not be exported to ONNX: {export.problem}.",
            hint="Let forward() compute with tensors alone: no `if` on their values, no NumPy, no `.item()`.",
        )
    model = load_network(export.onnx, f"the exported network {export.name}")
    graph = read_graph(model)
    return _Scales(graph, trace(graph), export).weigh(model)


class _Scales:
    """Puts each tensor of a graph on one pile."""

    def __init__(self, graph: Graph, living: Living, export: Export) -> None:
        self._graph, self._living, self._export = graph, living, export
        self._names = Names(export.reported, graph)
        self._of_layers = _of_layers(graph, living)
        self._hidden: list[WeighedTensor] = []
        self._crumbs: list[Source] = []
        self._learned: list[Source] = []
        self._statistics: list[Source] = []
        self._beyond = 0  # statistics that can be none

    def weigh(self, model: onnx.ModelProto) -> Weighed:
        for source, use in self._sources():
            self._put(source, use)
        constants = self._weigh_crumbs()
        self._random()
        self._too_many()
        again = {one.key for one in self._names.copies(self._learned)}
        hidden = sum(one.numel for one in self._hidden)
        reported = self._export.reported
        return Weighed(
            name=self._export.name,
            kind=self._export.kind,
            model=model,
            graph=self._graph,
            living=self._living,
            learned=sum(one.numel for one in self._learned if one.key not in again) + hidden,
            statistics=sum(one.numel for one in self._statistics) - self._beyond,
            constants=constants,
            hidden=tuple(self._hidden),
            frozen=tuple(self._frozen()),
            tied=tuple(self._tied()),
            unused=tuple(self._unused()),
            said=reported.said,
            reported=reported,
        )

    def _sources(self) -> Iterator[tuple[Source, Use]]:
        """Each place in the file once, with its strongest use."""
        found: dict[int, tuple[Source, Use]] = {}
        for name, source in self._graph.sources.items():
            use = max(self._living.of(name), found.get(source.key, (source, Use.NONE))[1])
            found[source.key] = (source, use)
        yield from found.values()

    def _put(self, source: Source, use: Use) -> None:
        if use is Use.STATISTICS:
            self._statistics.append(source)
        elif use is Use.SHAPE and source.numel > _MOST_OF_A_SHAPE:
            self._hide(source, "more than a shape has")
        elif use is Use.DATA:
            if source.initializer and self._names.is_parameter(source.name, source.shape):
                self._learned.append(source)
            elif source.initializer and not self._names.any:
                self._learned.append(source)  # nothing was reported, so nothing can be told apart
            elif source.key in self._of_layers and source.numel > 1:
                self._hide(source, "a layer's own, which parameters() leaves out")
            elif information(source) <= MOST_OF_A_CONSTANT:
                self._crumbs.append(source)
            else:
                self._hide(source, self._why_hidden(source))

    def _why_hidden(self, source: Source) -> str:
        if not source.initializer:
            return "written into the graph as a constant"
        if self._names.is_buffer(source.name):
            return "a buffer, which parameters() leaves out, and no statistic of a BatchNorm"
        return "a tensor that parameters() leaves out"

    def _hide(self, source: Source, role: str) -> None:
        kind = "" if source.floating else ", not of a floating type"
        self._hidden.append(WeighedTensor(source.name, source.shape, source.numel, role + kind))

    def _weigh_crumbs(self) -> int:
        """The different numbers among the small constants. Too many of them are hidden weights."""
        different: set[bytes] = set()
        for source in self._crumbs:
            held = source.array()
            numbers = [*range(source.numel)] if held is None else held.reshape(-1).tolist()
            different.update(repr(float(number)).encode() for number in numbers)
        for name in self._living.measured:
            measured = self._graph.sources.get(name)
            if measured is not None:  # its lengths are numbers that the network computes with
                different.update(repr(float(length)).encode() for length in measured.shape)
        most = written(self._crumbs, information)
        if most <= MOST_WRITTEN and len(different) <= MOST_CONSTANTS:
            return len(different)
        most = max(most, len(different))
        role = "in small constants, more than a network's code has"
        self._hidden.append(WeighedTensor("small constants", (most,), most, role))
        return 0

    def _too_many(self) -> None:
        """What no single tensor shows: numbers in the wiring, and a table that is called statistics."""
        learned = sum(one.numel for one in self._learned)
        self._beyond = statistics_beyond(self._graph, self._living, self._statistics, learned)
        if self._beyond:
            role = "called statistics of a BatchNorm, and more than its layers have, or of no images"
            self._hidden.append(WeighedTensor("statistics", (self._beyond,), self._beyond, role))
        wires = wiring_beyond(self._graph, self._living, (*self._learned, *self._statistics))
        if wires:
            role = "in the wiring: which of many operations takes what, more than so many weights need"
            self._hidden.append(WeighedTensor("wiring", (wires,), wires, role))

    def _random(self) -> None:
        """Numbers that an operation draws from a seed are weights that nobody stored."""
        for node in self._living.nodes:
            if node.op in RANDOM:
                shape = drawn(self._graph, node)
                role = f"drawn by chance with {node.op}"
                self._hidden.append(WeighedTensor(node.module or node.op, shape, prod(shape), role))

    def _frozen(self) -> Iterator[WeighedTensor]:
        for source in self._learned:
            if self._names.is_frozen(source.name):
                yield WeighedTensor(source.name, source.shape, source.numel, "frozen")

    def _tied(self) -> Iterator[WeighedTensor]:
        readers: dict[int, int] = {}
        for node in self._living.nodes:
            for name in {*node.inputs}:
                if name in self._graph.sources and self._living.of(name) is Use.DATA:
                    key = self._graph.sources[name].key
                    readers[key] = readers.get(key, 0) + 1
        for source in self._learned:
            role = self._names.tie(source)
            if not role and readers.get(source.key, 0) > 1:
                role = f"used {readers[source.key]} times, counted once"
            if role:
                yield WeighedTensor(source.name, source.shape, source.numel, role)

    def _unused(self) -> Iterator[WeighedTensor]:
        used = {source.name for source in (*self._learned, *self._statistics)}
        for tensor in self._names.parameters():
            if not used & self._names.aliases(tensor.name):
                yield WeighedTensor(
                    tensor.name, tensor.shape, tensor.numel, "no path leads from it to the output"
                )


# Which inputs are a layer's bias or a norm's scale. (A kernel may be small and fixed: a blur.)
_LAYERS = {"Conv": (2,), "ConvTranspose": (2,), "Gemm": (2,), "PRelu": (1,), "BatchNormalization": (1, 2)}
_LAYERS |= dict.fromkeys(("InstanceNormalization", "LayerNormalization", "GroupNormalization"), (1, 2))


def _of_layers(graph: Graph, living: Living) -> set[int]:
    """The keys of initializers that a layer has for its own, however small they are."""
    read = (node.input(at) for node in living.nodes for at in _LAYERS.get(node.op, ()))
    found = (graph.sources.get(name) for name in read)
    return {source.key for source in found if source is not None and source.initializer}


def information(source: Source) -> int:
    """How many numbers one must write down to make this tensor: less than it has where they repeat."""
    held = source.array()
    if held is None or held.size <= MOST_OF_A_CONSTANT:
        return source.numel
    flat = held.reshape(-1).astype(np.float64)
    if (flat == flat[0]).all():
        return 1
    if (np.diff(flat) == flat[1] - flat[0]).all():
        return 2  # the first and the step
    rows = held.reshape(len(held), -1)
    return int(rows.shape[1]) if (rows == rows[0]).all() else source.numel
