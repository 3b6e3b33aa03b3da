"""Whether two networks are built alike: their graphs without names, weights, classes and image size.

    architecture_of(weighed)          # "resnet18", or "" for none of torchvision's
    same_architecture(one, other)

Each operation gets a hash of what it is (its kind, its kernel, the shape of its weights) and of the hashes of
what goes into it. The hash of the output then stands for everything before it. Left out is what a wrapper or
another task changes: constants that scale the image, a softmax at the end, how many classes the last layer
tells apart, biases, the way in which what the convolutions gave is averaged and flattened before the last
layers. Kept is what makes an architecture: every convolution with its width, normalisations, activations,
poolings between them, and how branches meet.

torchvision is not needed for it: `torchvision.json` beside this file holds the hashes of its classification
models. `python -m autograder.checks.models.fingerprinting` writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.checks.models.graph import Graph, Node
from autograder.checks.models.living import Living
from autograder.checks.models.operations import ACTIVATIONS, NORMALISATIONS, POOLS
from autograder.checks.models.weigh import Weighed

FORMAT = 1  # of a hash; raise it when what goes into one changes
TORCHVISION = Path(__file__).with_name("torchvision.json")
_IMAGE = "image"
_NONE = ""
# What changes neither numbers nor places, and what only depends on how an export is written.
_TRANSPARENT = frozenset(
    "Identity Cast CastLike Dropout Reshape Flatten Squeeze Unsqueeze Expand Transpose Split SplitToSequence "
    "SequenceAt Slice Gather Pad Concat".split()
)
_SYMMETRIC = frozenset("Add Mul Sum Max Min Mean".split())
_WEIGHTED = frozenset("Conv ConvTranspose Gemm MatMul".split())
_SETTINGS = ("kernel_shape", "strides", "dilations", "pads")
_LEARNING = ACTIVATIONS | NORMALISATIONS | {"MatMul", "Gemm", "Clip", "Einsum"}
_ENDS = frozenset("Softmax LogSoftmax Sigmoid".split())


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``parts`` are the hashes of all operations that count, so that two can be compared part by part."""

    whole: str
    parts: Counter[str]

    def alike(self, other: Fingerprint) -> float:
        """The share of operations that the two have in common, at the same place behind the same others."""
        common = sum((self.parts & other.parts).values())
        return common / max(sum(self.parts.values()), sum(other.parts.values()), 1)


def fingerprint(graph: Graph, living: Living) -> Fingerprint:
    """The fingerprint of a graph's network."""
    return _Reading(graph, living).read()


def same_architecture(one: Weighed, other: Weighed) -> bool:
    """Whether the two are built alike."""
    return fingerprint(one.graph, one.living).whole == fingerprint(other.graph, other.living).whole


def architecture_of(weighed: Weighed) -> str:
    """The name of the torchvision model that is built like this one, "" where there is none."""
    return known().get(fingerprint(weighed.graph, weighed.living).whole, "")


@cache
def known() -> dict[str, str]:
    """torchvision's classification models, by their fingerprints."""
    held = json.loads(TORCHVISION.read_text(encoding="utf-8"))
    return {digest: name for name, digest in held["models"].items()}


def known_version() -> str:
    """The version of torchvision whose models are known."""
    held: str = json.loads(TORCHVISION.read_text(encoding="utf-8"))["torchvision"]
    return held


class _Reading:
    def __init__(self, graph: Graph, living: Living) -> None:
        self._graph, self._living = graph, living
        self._said: dict[str, str] = dict.fromkeys(graph.inputs, _IMAGE)
        self._shapes = {name: source.shape for name, source in graph.sources.items()}
        self._last = self._last_weights()
        self._parts: Counter[str] = Counter()
        self._head = False  # no convolution comes any more

    def read(self) -> Fingerprint:
        convolutions = [node for node in self._living.nodes if node.op.startswith("Conv")]
        left = len(convolutions)
        for node in self._living.nodes:
            left -= node.op.startswith("Conv")
            self._head = left == 0 and bool(convolutions)
            said = self._of(node)
            for name in node.outputs:
                self._said[name] = said
        answers = sorted({self._said.get(name, _NONE) for name in self._graph.outputs})
        whole = _hash(str(FORMAT), *answers, str(sum(self._parts.values())))
        return Fingerprint(whole, self._parts)

    def _last_weights(self) -> Node | None:
        """The layer that tells classes apart: the last one with weights."""
        return next((node for node in reversed(self._living.nodes) if self._weights(node)), None)

    def _weights(self, node: Node) -> tuple[int, ...]:
        """The shape of the weights of a layer that has some."""
        if node.op not in _WEIGHTED:
            return ()
        return self._shapes.get(node.input(1), ())

    def _of(self, node: Node) -> str:
        given = [said for name in node.inputs if (said := self._said.get(name, _NONE))]
        if not given:
            if len(node.inputs) == 1 and node.inputs[0] in self._shapes and node.op == "Transpose":
                self._shapes[node.outputs[0]] = self._shapes[node.inputs[0]][::-1]
            return _NONE
        weights = self._weights(node)
        if weights:
            return self._part(
                node.op if node.op != "MatMul" else "Gemm", *self._width(node, weights), given[0]
            )
        different = list(dict.fromkeys(given))
        if different == [_IMAGE]:
            return _IMAGE  # scaled, normalised or cut, but nothing learned from it yet
        if node.op in _TRANSPARENT and len(different) == 1:
            return different[0]
        if len(given) == 1 and node.op in _SYMMETRIC | {"Sub", "Div", "Pow"}:
            return given[0]  # with a constant, or a bias
        if node.op in _ENDS and node.outputs[0] in self._graph.outputs:
            return given[0]
        if node.op in POOLS and (self._head or node.op.startswith(("Reduce", "Global"))):
            return self._averaged(node, given[0])
        if self._head and len(different) == 1 and node.op not in _LEARNING:
            return different[0]  # what an average over odd sizes is written out as
        return self._part(node.op, *self._settings(node), *self._ordered(node, given))

    def _averaged(self, node: Node, given: str) -> str:
        """A pooling behind all convolutions is one thing, whatever the image's size makes of it."""
        kind = "largest" if "Max" in node.op else "average"
        said = _hash(kind, given)
        return given if self._head and kind == "average" else said

    def _ordered(self, node: Node, given: list[str]) -> list[str]:
        return sorted(given) if node.op in _SYMMETRIC else given

    def _width(self, node: Node, weights: tuple[int, ...]) -> list[str]:
        """The shape of the weights, without what depends on the classes or on the image's size."""
        if node.op.startswith("Conv"):
            shape = list(weights)
            if node is self._last:
                shape[0] = 0
            groups = node.integer("group", 1)
            return [repr(shape), repr(groups), *self._settings(node)]
        if len(weights) != 2:
            return [repr(weights)]
        out, features = weights if node.op == "Gemm" and node.integer("transB") else weights[::-1]
        return [repr(0 if node is self._last else out), repr(features if node is self._last else 0)]

    def _settings(self, node: Node) -> list[str]:
        """A setting that is as by default is as if it weren't there."""
        said = []
        for name in _SETTINGS:
            default = 0 if name == "pads" else 1
            if any(one != default for one in node.ints(name)):
                said.append(f"{name}{node.ints(name)!r}")
        return said

    def _part(self, *told: str) -> str:
        said = _hash(*told)
        self._parts[said] += 1
        return said


def _hash(*told: str) -> str:
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]
