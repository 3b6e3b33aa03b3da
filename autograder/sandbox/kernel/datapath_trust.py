"""Makes batches in memory as long as they are what the student's own path makes, to the bit.

The first batches of every data set and recipe are made both ways, and one in some dozens later on: pictures,
labels, and the state of every random generator afterwards must be equal. Of two batches the student gets the
one that their own path made, so being tested changes nothing.
"""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.datapath_affine import OutOfRange
from autograder.sandbox.kernel.datapath_batches import Order, Recipe, read_order
from autograder.sandbox.kernel.datapath_guard import Guard
from autograder.sandbox.kernel.datapath_values import Unknown
from autograder.sandbox.kernel.patching import KIND as FAULT

KIND = "data path"
_FEWEST = 8  # in a batch; below it, nothing is gained
_TESTED = 2  # batches of each data set and recipe
_SPOT_EVERY = 64
Plain = Callable[[Any, Any], Any]


@dataclass(slots=True)
class _Trust:
    made: int = 0
    broken: bool = False


class DataPath:
    """``fetch`` is in place of the fetcher's; ``plain`` is the fetcher's own."""

    def __init__(self, context: Context, plain: Plain) -> None:
        self._context, self._plain = context, plain
        self._guard = Guard()
        self._trusted: weakref.WeakKeyDictionary[Any, dict[Recipe, _Trust]] = weakref.WeakKeyDictionary()
        self._told: set[str] = set()

    def fetch(self, fetcher: Any, indices: Any) -> Any:
        order = self._known(fetcher, indices)
        if order is None:
            return self._plain(fetcher, indices)
        trust = self._trusted.setdefault(fetcher.dataset, {}).setdefault(order.recipe, _Trust())
        if trust.broken:
            return self._plain(fetcher, indices)
        trust.made += 1
        if trust.made <= _TESTED or trust.made % _SPOT_EVERY == 0:
            return self._test(fetcher, indices, order, trust)
        batch = self._make(order, trust)
        return self._plain(fetcher, indices) if batch is None else batch

    def _known(self, fetcher: Any, indices: Any) -> Order | None:
        if not self._context.in_memory:
            return None
        try:
            if len(indices) < _FEWEST or not self._guard.all_is_usual():
                return None
            return read_order(fetcher, indices)
        except Exception:  # whatever the student's objects raise when they are looked at
            return None

    def _make(self, order: Order, trust: _Trust) -> list[torch.Tensor] | None:
        """The batch; None, and nothing drawn, where it can't be made."""
        before = torch.default_generator.get_state()
        try:
            return order.make()
        except (Unknown, OutOfRange):
            pass  # of this batch alone
        except Exception as error:
            trust.broken = True
            self._context.used(FAULT, f"data path: {type(error).__name__}: {error}")
        torch.default_generator.set_state(before)
        return None

    def _test(self, fetcher: Any, indices: Any, order: Order, trust: _Trust) -> Any:
        before = _Generators.now()
        theirs = self._plain(fetcher, indices)
        after = _Generators.now()
        before.restore()
        ours = self._make(order, trust)
        now = _Generators.now()
        after.restore()
        if ours is not None and (not _same(ours, theirs) or now != after):
            trust.broken = True
            self._tell(f"{_described(order.recipe)} came out otherwise in memory, so the loader makes them")
        elif ours is not None and trust.made >= _TESTED:
            self._tell(f"{_described(order.recipe)} are made in memory, equal to the loader's to the bit")
        return theirs

    def _tell(self, detail: str) -> None:
        if detail not in self._told:
            self._told.add(detail)
            self._context.used(KIND, detail)


def _described(recipe: Recipe) -> str:
    return f"batches of {recipe.name} ({', '.join(recipe.reading.names)})"


def _same(ours: list[torch.Tensor], theirs: Any) -> bool:
    return (
        type(theirs) is list
        and len(theirs) == len(ours)
        and all(_same_bits(one, other) for one, other in zip(ours, theirs, strict=True))
    )


def _same_bits(one: torch.Tensor, other: Any) -> bool:
    if type(other) is not torch.Tensor or (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if one.stride() != other.stride() or one.requires_grad != other.requires_grad:
        return False
    if one.is_floating_point():  # where -0 would equal 0
        one, other = one.view(torch.int32), other.view(torch.int32)
    return torch.equal(one, other)


@dataclass(frozen=True, slots=True)
class _Generators:
    """The states of all random generators that a transform could draw from."""

    torch: bytes
    python: tuple[Any, ...]
    numpy: tuple[Any, ...]

    @classmethod
    def now(cls) -> _Generators:
        kind, words, *rest = np.random.get_state()
        state = bytes(torch.default_generator.get_state().numpy())
        return cls(state, random.getstate(), (kind, np.asarray(words).tobytes(), *rest))

    def restore(self) -> None:
        torch.default_generator.set_state(torch.frombuffer(bytearray(self.torch), dtype=torch.uint8))
        random.setstate(self.python)
        kind, words, *rest = self.numpy
        np.random.set_state((kind, np.frombuffer(words, np.uint32), *rest))
