"""Numbers that no single tensor shows: in many small constants, in the wiring, in statistics of nothing.

Each of these is honest in small amounts, and every network has some. So each has a bound far above what
networks have, and what lies beyond is counted as weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autograder.checks.models.graph import Graph, Node, Source
from autograder.checks.models.living import Living

# Numbers of all different small constants. Shapes that are computed with are among them: a Swin transformer
# has some hundred.
MOST_WRITTEN = 256
# Inputs that operations take from constants of the file: a GELU that is written out has five, a reshape one,
# and a DenseNet-201 with its 200 layers fewer than a thousand. With 64 different constants, each further one
# can be a weight of six bits.
_MOST_FROM_CONSTANTS = 1_000
# Inputs of all operations. A recurrent network that is unrolled over 28 rows has some 1,500.
_MOST_WIRES = 5_000
_WEIGHTS_OF_A_WIRE = 20  # further wires for a network with many weights
_UNKNOWN = 1 << 20  # numbers that are drawn from a seed, where nobody says how many


def written(crumbs: Sequence[Source], information: Callable[[Source], int]) -> int:
    """How many numbers one must write down for these constants: each different one once."""
    blocks: dict[tuple[tuple[int, ...], bytes], int] = {}
    for source in crumbs:
        held = source.array()
        if held is None or held.size == 0:
            key: tuple[tuple[int, ...], bytes] = ((), source.digest())
        else:
            numbers = held.reshape(-1).astype("float64")
            same = bool((numbers == numbers[0]).all())
            key = ((), numbers[:1].tobytes()) if same else (source.shape, numbers.tobytes())
        blocks[key] = information(source)
    return sum(blocks.values())


def wiring_beyond(graph: Graph, living: Living, weights: Sequence[Source]) -> int:
    """How many inputs of operations are more than so many weights need."""
    wires = from_constants = 0
    own = {one.key for one in weights}
    constants = {name for name, source in graph.sources.items() if source.key not in own or source.numel == 1}
    for node in living.nodes:
        named = [name for name in node.inputs if name]
        wires += len(named)
        from_constants += sum(name in constants for name in named)
    more = sum(one.numel for one in weights) // _WEIGHTS_OF_A_WIRE
    return max(wires - _MOST_WIRES - more, from_constants - _MOST_FROM_CONSTANTS - more, 0)


def statistics_beyond(graph: Graph, living: Living, statistics: Sequence[Source], learned: int) -> int:
    """How many of the numbers that stand for means and variances can be none.

    A layer's statistics are of values that depend on the image. And each of its channels is made by weights,
    more of them than the two numbers: of all networks that are known, statistics are a tenth.
    """
    total = sum(one.numel for one in statistics)
    names = {one.key: one for one in statistics}
    alive, of_nothing = {*graph.inputs}, set[int]()
    for node in living.nodes:
        if not alive.isdisjoint(node.inputs):
            alive.update(node.outputs)
        if node.op == "BatchNormalization" and node.input(0) not in alive:
            found = (graph.sources.get(name) for name in node.inputs[3:5])
            of_nothing |= {one.key for one in found if one is not None and one.key in names}
    return max(total - learned // 2, sum(names[key].numel for key in of_nothing), 0)


def drawn(graph: Graph, node: Node) -> tuple[int, ...]:
    """The shape of what an operation draws by chance, for which nobody stored a number.

    Without a seed it is noise, other in every run, and can be no weights.
    """
    shape = node.ints("shape")
    if shape or "seed" not in node.attributes:
        return shape
    like = graph.sources.get(node.input(0))
    return like.shape if like is not None else (_UNKNOWN,)
