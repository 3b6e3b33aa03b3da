"""What becomes of a network's weights: how they began, what was loaded into them, how each epoch left them.

A network looks random before its first batch or it doesn't, and that is told by what is noted here of every
tensor. The weights that the last epochs left are kept, so that "in each of the last epochs" can be judged by
the networks themselves, after the run, and not by what a loop printed.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.late import when_imported
from autograder.sandbox.kernel.meter_loaders import Pass
from autograder.sandbox.kernel.meter_runs import Run, number

_MOST_BEGINNINGS, _MOST_TENSORS = (
    32,
    1_000,
)  # tensors of all together: a ResNet-152 has 932, some 120 kB of JSON
_MOST_LOADS, _MOST_KEPT_RUNS = 100, 16
_KEPT_BYTES = 64 << 20  # of all kept weights together: a ResNet-18 three times is 134 MB, and not kept
_NAME_CHARS, _FILE_CHARS = 60, 120


@dataclass(frozen=True, slots=True)
class Kept:
    """A network's weights at the end of one epoch."""

    run: int
    epoch: int  # complete passes of the run's so far
    steps: int
    module: Any
    tensors: Mapping[str, Any]
    bytes: int


@dataclass(slots=True)
class Weights:
    """``steps`` counts all optimizer steps so far."""

    context: Context
    steps: Callable[[], int]
    _begun: list[tuple[weakref.ref[Any], dict[str, Any]]] = field(default_factory=list)
    _loads: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _kept: dict[int, deque[Kept]] = field(default_factory=dict)
    _last: int | None = None  # the run that an epoch was kept of most lately
    _quiet: int = 0  # within a load: what it calls is no other

    def install(self) -> None:
        when_imported("torch", self._patch)
        when_imported("safetensors.torch", self._patch_safetensors)

    # How networks began

    def about_to_begin(self, module: Any) -> None:
        """The network is given the first batch of a pass."""
        if not module.training or len(self._begun) >= _MOST_BEGINNINGS:
            return
        if any(ref() is module for ref, _ in self._begun):
            return
        named = [*module.named_parameters(), *module.named_buffers()]
        room = _MOST_TENSORS - sum(len(told["tensors"]) for _, told in self._begun)
        self._begun.append(
            (
                weakref.ref(module),
                {
                    "cell": self.context.cell,
                    "steps": self.steps(),
                    "model": type(module).__name__[:_NAME_CHARS],
                    "tensors": [_looks(name, one) for name, one in named[:room] if one.numel()],
                },
            )
        )

    # What was loaded into them

    def _patch(self, torch: ModuleType) -> None:
        for owner, name in ((torch, "load"), (torch.jit, "load"), (torch.nn.Module, "load_state_dict")):
            self._listen(owner, name, "load_state_dict" if owner is torch.nn.Module else "torch.load")

    def _patch_safetensors(self, module: ModuleType) -> None:
        for name in ("load_file", "load_model"):
            if hasattr(module, name):
                self._listen(module, name, "safetensors")

    def _listen(self, owner: Any, name: str, kind: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def loading(*arguments: Any, **named: Any) -> Any:
            if not self._quiet:
                self._note(kind, arguments)
            self._quiet += 1
            try:
                return original(*arguments, **named)
            finally:
                self._quiet -= 1

        setattr(owner, name, loading)

    def _note(self, kind: str, arguments: tuple[Any, ...]) -> None:
        first = arguments[0] if arguments else ""
        if kind == "load_state_dict":
            what = type(first).__name__
        else:
            what = str(first) if isinstance(first, str) or hasattr(first, "__fspath__") else ""
            what = what.replace("\\", "/").rpartition("/")[2]
        at = (kind, what[:_FILE_CHARS], self.context.cell)
        if len(self._loads) < _MOST_LOADS:
            self._loads.setdefault(at, self.steps())

    # How epochs left them

    def epoch_ended(self, number: int, run: Run, one: Pass) -> None:
        """A pass that the run stepped on came to its end."""
        module = one.network() if one.network is not None else None
        if module is None or not self.context.epochs_kept:
            return
        held = module.state_dict()
        size = sum(tensor.numel() * tensor.element_size() for tensor in held.values())
        if size * self.context.epochs_kept > _KEPT_BYTES:
            return
        if number not in self._kept and len(self._kept) >= _MOST_KEPT_RUNS:
            self._kept.pop(next(iter(self._kept)))
        while self._kept and self._bytes() + size > _KEPT_BYTES:
            oldest = next(iter(self._kept))
            self._kept[oldest].popleft()
            if not self._kept[oldest]:
                del self._kept[oldest]
        tensors = {name: tensor.detach().clone() for name, tensor in held.items()}
        epochs = max((feed.complete for feed in run.feeds.values()), default=0)
        kept = self._kept.setdefault(number, deque(maxlen=self.context.epochs_kept))
        kept.append(Kept(number, epochs, run.steps, module, tensors, size))
        self._last = number

    def _bytes(self) -> int:
        return sum(one.bytes for kept in self._kept.values() for one in kept)

    def kept(self, at: int) -> Kept | None:
        """The weights at the end of an epoch of the last training: -1 is its last, -2 the one before."""
        kept = self._kept.get(self._last) if self._last is not None else None
        return kept[at] if kept and -len(kept) <= at < 0 else None

    def as_json(self) -> dict[str, Any]:
        last = self._kept.get(self._last, ()) if self._last is not None else ()
        return {
            "beginnings": [told for _, told in self._begun],
            "loads": [
                {"kind": kind, "what": what, "cell": cell, "steps": steps}
                for (kind, what, cell), steps in self._loads.items()
            ],
            "kept": [{"run": one.run, "epoch": one.epoch, "steps": one.steps} for one in last],
        }


def _looks(name: str, tensor: Any) -> dict[str, Any]:
    """What a tensor looks like, in a few numbers."""
    values = tensor.detach().double()
    return {
        "name": name[:_NAME_CHARS],
        "shape": list(tensor.shape),
        "mean": number(values.mean()),
        "std": number(values.std(correction=0)),
        "least": number(values.min()),
        "most": number(values.max()),
    }
