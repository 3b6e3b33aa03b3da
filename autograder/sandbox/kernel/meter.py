"""Measures what a notebook trains: steps, losses, learning rates, batches, passes over loaders.

It listens where every spelling of a training loop comes by: torch's global hooks around an optimizer's
step, `torch.autograd.backward` and `grad`, a loader's next batch, and fastai's own optimizers and loaders. It
changes no value, draws no random number, and where it fails itself it counts that and leaves the training
alone.

Which backward pass belongs to which optimizer is told by the parameter next to the loss. Where no optimizer
steps but that parameter is another one at the next backward pass, the loop updates its parameters by hand.
Which loader a loss came from is told by order, and proven in samples by the batch's memory in the loss's
graph: an evaluation that stands in the middle of a loop is not taken for what was trained on.

It runs beside student code, which could call all of this with what it likes: what it says is measured.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from autograder.sandbox.kernel import meter_graph as graph
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.late import when_imported
from autograder.sandbox.kernel.meter_loaders import Known, Pass
from autograder.sandbox.kernel.meter_passes import Passes
from autograder.sandbox.kernel.meter_runs import MOST_POINTS, Note, Run, Watched
from autograder.sandbox.kernel.meter_steps import Updates, parameters_of, rate_of, settings_of
from autograder.sandbox.kernel.meter_weights import Weights

_PROGRESS_S = 1.0
_MOST_RUNS = 256
_POINTS_IN_ALL = 12_000  # of all runs' series together: about 300 kB of JSON
_FEWEST_POINTS = 20
_ERROR_CHARS = 200
_VERSION = 1


def _quietly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The meter's own failure must not become the student's."""

    @functools.wraps(method)
    def kept(self: Meter, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            self.errors += 1
            self.error = self.error or f"{method.__name__}: {type(error).__name__}: {error}"[:_ERROR_CHARS]
            return None

    return kept


class Meter:
    """``on_progress`` is called with a small record, at most once a second, from a training step."""

    on_progress: Callable[[dict[str, Any]], None] | None = None

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pid = os.getpid()
        self._told = -math.inf
        self.errors, self.error = 0, ""
        self.known = Known()
        self.passes = Passes(context, self.known)
        self.runs: list[Run] = []
        self._runs_dropped = 0
        self._by_optimizer: dict[int, Run] = {}
        self._updates = Updates(self._by_hand)
        self._stepping: list[tuple[int, bool]] = []  # optimizers within their step: id, was a closure given
        self._within: list[Note] = []  # backward passes inside a step: a closure's
        self._unscaled: tuple[weakref.ref[Any], Any] | None = None
        self._cell = 0
        self.weights = Weights(context, lambda: sum(run.steps for run in self.runs))
        self.passes.on_begin, self.passes.on_end = self._pass_began, self._pass_ended

    def install(self) -> None:
        when_imported("torch", self._patch_torch)
        self.weights.install()
        when_imported("fastai.optimizer", self._patch_fastai_optimizer)
        when_imported("fastai.data.load", self._patch_fastai_loader)
        for module, names in _DATASETS.items():
            when_imported(module, functools.partial(self._patch_datasets, names=names))

    def snapshot(self) -> dict[str, Any]:
        """All that was measured so far. The measuring goes on."""
        self._settle()
        points = max(_FEWEST_POINTS, min(MOST_POINTS, _POINTS_IN_ALL // max(1, len(self.runs))))
        return {
            "version": _VERSION,
            "runs": [run.as_json(at, points) for at, run in enumerate(self.runs)],
            "runs_dropped": self._runs_dropped,
            **self.passes.as_json(),
            **self.weights.as_json(),
            "datasets": [{"cell": cell, **part.as_json()} for cell, part in self.known.made],
            "errors": self.errors + self.passes.failures,
            "error": self.error or self.passes.failure,
        }

    # What is listened to

    @_quietly
    def _patch_torch(self, torch: ModuleType) -> None:
        optimizers = sys.modules["torch.optim.optimizer"]  # torch.optim hides it behind its class
        optimizers.register_optimizer_step_pre_hook(self._before_step)
        optimizers.register_optimizer_step_post_hook(self._after_step)
        for name in ("backward", "grad"):
            _around(torch.autograd, name, self._listening(getattr(torch.autograd, name), torch))
        self.passes.patch(torch)
        _around(torch.amp.GradScaler, "scale", self._unscaling(torch.amp.GradScaler.scale))

    def _listening(self, original: Callable[..., Any], torch: ModuleType) -> Callable[..., Any]:
        plain = torch._C.DisableTorchFunctionSubclass

        @functools.wraps(original)
        def listened(*arguments: Any, **named: Any) -> Any:
            outputs = arguments[0] if arguments else named.get("tensors", named.get("outputs"))
            with plain():  # fastai's tensors would answer each question by a detour
                self._backward(outputs)
            return original(*arguments, **named)

        return listened

    def _unscaling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            scaled = original(scaler, outputs)
            if scaled is not outputs and hasattr(outputs, "untyped_storage"):
                self._unscaled = (weakref.ref(scaled), outputs.detach())
            return scaled

        return scale

    @_quietly
    def _patch_fastai_optimizer(self, module: ModuleType) -> None:
        original = module.Optimizer.step

        @functools.wraps(original)
        def step(optimizer: Any, *arguments: Any, **named: Any) -> Any:
            self._before_step(optimizer, arguments, named)
            result = original(optimizer, *arguments, **named)
            self._after_step(optimizer, arguments, named)
            return result

        _around(module.Optimizer, "step", step)

    @_quietly
    def _patch_fastai_loader(self, module: ModuleType) -> None:
        original = module.DataLoader.__iter__

        @functools.wraps(original)
        def iterate(loader: Any) -> Iterator[Any]:
            taken = self.passes.begin(loader)
            for batch in original(loader):
                self.passes.gave(taken, batch)
                yield batch
            self.passes.ended(taken)

        _around(module.DataLoader, "__iter__", iterate)

    @_quietly
    def _patch_datasets(self, module: ModuleType, names: tuple[str, ...]) -> None:
        for name in names:
            kind = getattr(module, name, None)
            if kind is not None:
                _around(kind, "__init__", self._noting(kind.__init__))

    def _noting(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def made(dataset: Any, *arguments: Any, **named: Any) -> None:
            original(dataset, *arguments, **named)
            self._made(dataset)

        return made

    @_quietly
    def _made(self, dataset: Any) -> None:
        self.known.add(dataset, self._context.cell)

    # What is heard

    def _enter(self) -> int:
        """The cell that runs; what was left open in the one before is settled."""
        cell = self._context.cell
        if cell != self._cell:
            self._updates.settle(final=True)
            self.passes.forget(cell)
            self._stepping.clear()
            self._within.clear()
            self._cell = cell
        return cell

    @_quietly
    def _pass_began(self, _one: Pass, module: Any) -> None:
        self.weights.about_to_begin(module)

    @_quietly
    def _pass_ended(self, one: Pass) -> None:
        self._updates.settle(final=False)  # a loop by hand has its last step behind it as well
        for at, run in enumerate(self.runs):
            if any(feed is other for feed in one.credited for other in run.feeds.values()):
                self.weights.epoch_ended(at, run, one)

    @_quietly
    def _settle(self) -> None:
        self._enter()
        self._updates.settle(final=False)

    @_quietly
    def _backward(self, outputs: Any) -> None:
        loss = outputs[0] if isinstance(outputs, (list, tuple)) and outputs else outputs
        root = getattr(loss, "grad_fn", None)
        if root is None:
            return
        cell = self._enter()
        if self._stepping and not self._stepping[-1][1]:
            self._stepping.clear()  # a step that raised has not told us that it ended
        note = Note(self._value(loss), graph.examples(root), self.passes.sources(root))
        if self._stepping:
            self._within.append(note)
        else:
            self._updates.backward(graph.anchor(root), note, cell)

    def _value(self, loss: Any) -> float | None:
        if self._unscaled is not None:
            scaled, plain = self._unscaled
            loss = plain if scaled() is loss else loss
            self._unscaled = None
        if loss.numel() != 1 or loss.is_complex():
            return None
        return float(loss.item())

    @_quietly
    def _before_step(self, optimizer: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._enter()
        self._stepping.append((id(optimizer), any(callable(one) for one in (*arguments, *named.values()))))
        run = self._by_optimizer.get(id(optimizer))
        if run is None or run.ref is None or run.ref() is not optimizer:
            run = self._begin(optimizer)
        if run.groups != len(optimizer.param_groups):
            self._take_parameters(run, optimizer)

    def _begin(self, optimizer: Any) -> Run:
        run = Run(self._context.cell, by_hand=False, ref=weakref.ref(optimizer))
        self._take_parameters(run, optimizer)
        self._by_optimizer[id(optimizer)] = run
        self._keep(run)
        return run

    def _take_parameters(self, run: Run, optimizer: Any) -> None:
        parameters = parameters_of(optimizer)
        run.groups = len(optimizer.param_groups)
        run.parameters = sum(one.numel() for one in parameters)
        run.parameter_ids = frozenset(id(one) for one in parameters)
        run.watched = run.watched or Watched([one for one in parameters if one.requires_grad])

    def _keep(self, run: Run) -> None:
        if len(self.runs) >= _MOST_RUNS:
            least = min(self.runs, key=lambda one: one.steps)
            self.runs.remove(least)
            self._runs_dropped += 1
        self.runs.append(run)

    @_quietly
    def _after_step(self, optimizer: Any, _arguments: tuple[Any, ...], _named: dict[str, Any]) -> None:
        while self._stepping and self._stepping.pop()[0] != id(optimizer):
            pass  # an optimizer inside this one's step that raised
        if any(one == id(optimizer) for one, _ in self._stepping):
            return  # a subclass's step, which called its base's
        run = self._by_optimizer[id(optimizer)]
        if run.steps & (run.steps - 1) == 0:  # now and then: these don't change as the learning rate does
            settings = settings_of(optimizer)
            run.optimizer, run.momentum = settings.name, settings.momentum
            run.weight_decay = settings.weight_decay
        run.rate_lr(rate_of(optimizer))
        notes, self._within = self._within, []
        run.step(self._context.cell, notes or self._updates.claim(run.parameter_ids))
        self._stepped(run)

    def _by_hand(self, run: Run | None, watched: Watched, cell: int, notes: list[Note]) -> Run:
        """A step without an optimizer, of a run that begins where there was none."""
        if run is None:
            run = Run(cell, by_hand=True, watched=watched)
            self._keep(run)
        run.step(cell, notes)
        self._stepped(run)
        return run

    def _stepped(self, run: Run) -> None:
        if self.on_progress is None or run.latest - self._told < _PROGRESS_S:
            return
        if os.getpid() != self._pid or threading.current_thread() is not threading.main_thread():
            return
        self._told = time.perf_counter()
        self.on_progress(run.progress(self.runs.index(run), self._context.cell))


_DATASETS = {
    "torchvision.datasets.mnist": ("MNIST",),  # the others of its family call its
    "torchvision.datasets.cifar": ("CIFAR10",),
    "torchvision.datasets.svhn": ("SVHN",),
}


def _around(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    setattr(owner, name, replacement)
