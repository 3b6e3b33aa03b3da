"""What a network is built of: its layers with their kernels, where it pools, how deep it is.

    structure = read_structure(weighed)
    structure.max_pools[0].sees          # the receptive field of what goes into the first max-pooling
    structure.global_average_pooling

All of it is read off the exported graph but for `dropouts`: a network in evaluation has none, so those are
what the box reported.
"""

from __future__ import annotations

from dataclasses import dataclass

from autograder.checks.models.following import Followed, follow
from autograder.checks.models.layers import Layer
from autograder.checks.models.operations import GLOBAL_AVERAGE, NORMALISATIONS
from autograder.checks.models.weigh import Weighed

_CONVOLUTIONS = frozenset(("Conv", "ConvTranspose"))


@dataclass(frozen=True, slots=True)
class MaxPool:
    """A max-pooling, with the receptive field of the units that it chooses from."""

    name: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    size_in: tuple[int | None, ...]
    sees: int
    after_convolutions: int  # how many of them lie before it in the graph


@dataclass(frozen=True, slots=True)
class Dropout:
    """As the box reported it: measured, where all else here is verified."""

    name: str
    kind: str
    p: float


@dataclass(frozen=True, slots=True)
class Structure:
    """``residual`` and ``concatenations`` count where branches meet; ``unknown`` operations were not
    followed."""

    layers: tuple[Layer, ...]
    joins: tuple[Layer, ...]
    max_pools: tuple[MaxPool, ...]
    batch_norms: tuple[str, ...]
    other_norms: tuple[str, ...]
    dropouts: tuple[Dropout, ...]
    global_average_pooling: bool
    depth: int
    unknown: tuple[str, ...]

    @property
    def convolutions(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.op in _CONVOLUTIONS)

    @property
    def linear(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.op == "Linear")

    @property
    def residual(self) -> int:
        """How often a branch is added to another."""
        return sum(one.op in ("Add", "Sum", "Mean") for one in self.joins)

    @property
    def concatenations(self) -> int:
        return sum(one.op == "Concat" for one in self.joins)

    @property
    def last_kernel(self) -> tuple[int, ...]:
        """The kernel of the last convolution; () without any."""
        found = self.convolutions
        return found[-1].kernel if found else ()

    @property
    def collapsing(self) -> Layer | None:
        """The layer with weights that takes all that is left of the image at once, where more than one unit
        is: a big last kernel, or a linear layer on a flattened image. None where a pooling does it."""
        for layer in self.layers:
            weighted = layer.op in _CONVOLUTIONS or layer.op == "Linear"
            over_all = layer.widens and layer.size_in == layer.kernel
            if weighted and over_all and all(size == 1 for size in layer.size_out):
                return layer
        return None


def read_structure(weighed: Weighed) -> Structure:
    """The structure of a network that was weighed."""
    followed = follow(weighed.graph, weighed.living, weighed.reported)
    layers = followed.layers
    return Structure(
        layers=layers,
        joins=followed.joins,
        max_pools=_max_pools(followed),
        batch_norms=tuple(layer.name for layer in layers if layer.op == "BatchNormalization"),
        other_norms=tuple(
            layer.name for layer in layers if layer.op in NORMALISATIONS and layer.op != "BatchNormalization"
        ),
        dropouts=_dropouts(weighed),
        global_average_pooling=any(layer.op == GLOBAL_AVERAGE for layer in layers),
        depth=followed.depth,
        unknown=followed.unknown,
    )


def _max_pools(followed: Followed) -> tuple[MaxPool, ...]:
    pools, convolutions = [], 0
    for layer in followed.layers:
        convolutions += layer.op in _CONVOLUTIONS
        if layer.op == "MaxPool":
            sees = max((axis.pixels for axis in layer.before), default=1)
            pools.append(MaxPool(layer.name, layer.kernel, layer.stride, layer.size_in, sees, convolutions))
    return tuple(pools)


def _dropouts(weighed: Weighed) -> tuple[Dropout, ...]:
    found = []
    for module in weighed.reported.modules:
        p = module.settings.get("p")
        if "Dropout" in module.kind and isinstance(p, float | int) and p > 0:
            found.append(Dropout(module.name, module.kind, float(p)))
    return tuple(found)
