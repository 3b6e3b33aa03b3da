"""What of a graph reaches its output, and as what: as a number of the computation, or only as a shape.

Only what reaches an output counts as used. An exported graph is full of small integers that say how to
reshape, where to slice and which axes to sum over; they are no weights. So a use has one of four strengths,
and a tensor has that of its strongest use. A shape that is computed with afterwards (cast to float and added
to the image, say) is a number like any other: the strength flows backwards from the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from autograder.checks.models.graph import Graph, Node


class Use(IntEnum):
    """How the output depends on a value, weakest first."""

    NONE = 0
    SHAPE = 1  # how large something is, which axes, where to cut
    STATISTICS = 2  # the mean and the variance of a BatchNormalization
    DATA = 3


# Which inputs say only how large something is, or where.
_SHAPES: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(
        ("Reshape", "Expand", "Unsqueeze", "Squeeze", "Upsample", "Tile", "TopK", "Split", "CumSum"),
        frozenset((1,)),
    ),
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
        frozenset((1,)),
    ),
    **dict.fromkeys(("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "Trilu"), frozenset((1,))),
    **dict.fromkeys(("SplitToSequence", "SequenceAt", "CenterCropPad"), frozenset((1,))),
    "Slice": frozenset((1, 2, 3, 4)),
    "Pad": frozenset((1, 3)),
    "Resize": frozenset((1, 2, 3)),
    "ConstantOfShape": frozenset((0,)),
    "Dropout": frozenset((1, 2)),
}
# Which inputs are only looked at from outside: their shape or their type.
_OUTSIDE: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(("Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"), frozenset((0,))),
    "CastLike": frozenset((1,)),
}
_STATISTICS = frozenset((3, 4))
RANDOM = frozenset(
    ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")
)


@dataclass(frozen=True, slots=True, eq=False)
class Living:
    """``uses`` has the strength of each value that is used at all; ``nodes`` compute data, in order."""

    uses: Mapping[str, Use]
    nodes: tuple[Node, ...]
    measured: frozenset[str]  # values of which the *shape* is computed with

    def of(self, name: str) -> Use:
        return self.uses.get(name, Use.NONE)


def trace(graph: Graph) -> Living:
    """Backwards from the outputs."""
    uses: dict[str, Use] = dict.fromkeys(graph.outputs, Use.DATA)
    nodes: list[Node] = []
    measured: set[str] = set()
    for node in reversed(graph.nodes):
        use = max((uses.get(name, Use.NONE) for name in node.outputs), default=Use.NONE)
        sized = not measured.isdisjoint(node.outputs)
        if use is Use.NONE and not sized:
            continue
        if use is Use.DATA:
            nodes.append(node)
            if node.op in ("Shape", "Size"):
                measured.add(node.input(0))
        for position, name in enumerate(node.inputs):
            passed = _passed(node, position, use)
            if sized and position in _SHAPES.get(node.op, ()):
                passed = Use.DATA  # the length that it sets is a number of the computation
            elif sized:
                measured.add(name)
            if name and passed > uses.get(name, Use.NONE):
                uses[name] = passed
    return Living(uses, tuple(reversed(nodes)), frozenset(measured))


def _passed(node: Node, position: int, use: Use) -> Use:
    if use is Use.NONE or position in _OUTSIDE.get(node.op, ()):
        return Use.NONE
    if position in _SHAPES.get(node.op, ()):
        return Use.SHAPE
    if node.op == "BatchNormalization" and position in _STATISTICS:
        return min(use, Use.STATISTICS)
    return use
