"""The numbers by which a submission's sources normalise images, and those that people use.

They are read off the syntax: whatever three numbers stand in a row may be means or deviations of the three
channels, and the next three the other. A pair that is neither agrees with nothing and does no harm.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autograder.checks.script_settings import MOST_SOURCE_CHARS
from autograder.sandbox.exported import Prepared

_CHANNELS = 3
_SIZES = {0.0, 1.0, 3.0, 32.0}  # of images: no means
_MOST_TRIPLES = 12  # of all sources
_TOP = 255.0
_BYTES_FROM = 1.5  # means above it are those of pixels up to 255


@dataclass(frozen=True, slots=True)
class Normalising:
    """(pixel - mean) / deviation, of pixels from 0 to 1, or to 255 where the means say so."""

    name: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def prepare(self, images: np.ndarray) -> Prepared:
        """uint8 images (N, H, W, 3) as the homework's transforms give them: (N, 3, H, W)."""
        top = _TOP if max(self.mean) > _BYTES_FROM else 1.0
        made = (images * (top / _TOP) - np.array(self.mean)) / np.array(self.deviation)
        return Prepared(self.name, np.ascontiguousarray(made.transpose(0, 3, 1, 2), dtype=np.float32))


USUAL = (
    # the homework's own; its deviations are those of the images' means
    Normalising(
        "the homework's numbers", (0.49131522, 0.48209435, 0.44646862), (0.01897398, 0.03039277, 0.03872553)
    ),
    Normalising("CIFAR-10's numbers", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    Normalising("CIFAR-10's numbers, as often copied", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    Normalising("ImageNet's numbers", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Normalising("pixels from -1 to 1", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    Normalising("pixels from 0 to 1", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    Normalising("pixels from 0 to 255", (0.0, 0.0, 0.0), (1 / _TOP, 1 / _TOP, 1 / _TOP)),
    Normalising("pixels less their mean", (0.4914, 0.4822, 0.4465), (1.0, 1.0, 1.0)),
)


def named_in(sources: Mapping[str, str]) -> tuple[Normalising, ...]:
    """What the sources (path: text) may mean, those of the homework's own files first."""
    found: dict[tuple[tuple[float, ...], tuple[float, ...]], Normalising] = {}
    for path, text in sources.items():
        triples = list(dict.fromkeys(_triples(text)))[:_MOST_TRIPLES]
        pairs = [*pairwise(triples), *((one, (1.0,) * _CHANNELS) for one in triples[:1])]
        for mean, deviation in pairs:
            if min(deviation) > 0 and max(mean) <= _TOP and len(found) < _MOST_TRIPLES:
                found.setdefault((mean, deviation), Normalising(f"the numbers in {path}", mean, deviation))
    return tuple(found.values())


def _triples(text: str) -> Iterator[tuple[float, ...]]:
    if len(text) > MOST_SOURCE_CHARS:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a student's source
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    rows = [node for node in ast.walk(tree) if isinstance(node, (ast.List, ast.Tuple))]
    for row in sorted(rows, key=lambda node: (node.lineno, node.col_offset)):
        numbers = tuple(_numbers(row.elts)) if len(row.elts) == _CHANNELS else ()
        if len(numbers) == _CHANNELS and all(map(math.isfinite, numbers)) and not _SIZES.issuperset(numbers):
            yield numbers


def _numbers(nodes: Iterable[ast.expr]) -> Iterator[float]:
    """Numbers, and quotients such as 125.3 / 255."""
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = list(_numbers([node.left, node.right]))
            if len(parts) == 2 and parts[1]:
                yield parts[0] / parts[1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            yield float(node.value) if abs(node.value) < 1e6 else math.inf
