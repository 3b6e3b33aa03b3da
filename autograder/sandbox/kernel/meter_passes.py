"""Passes over loaders: which is being iterated, what was taken out of it, and which one a loss came from."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from autograder.sandbox.kernel import meter_graph as graph
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.meter_loaders import Known, LoaderUse, Pass, describe
from autograder.sandbox.kernel.meter_runs import Source

_MARK = "_autograder_pass"
_MOST_LOADERS = 256
_MOST_EVALUATIONS = 512
_OPEN = 64  # passes whose end may still come
_LATE = 8  # passes after which one that is over has surely got no step any more
_FIRST_PROOFS, _PROOF_EVERY = 2, 64  # of the losses of one pass
_UNLIKELY_MODULES = 8  # without parameters, called before the network: an augmentation
_NAME_CHARS, _ERROR_CHARS = 60, 200


@dataclass(slots=True)
class Evaluation:
    """Passes over one loader in one cell during which no step was taken."""

    loader: int
    cell: int
    passes: int = 0
    complete: int = 0
    batches: int = 0
    with_grad: int = 0
    training_mode: int = 0
    eval_mode: int = 0
    last_order: int = 0
    last_training: bool | None = None
    model: str = ""

    def add(self, one: Pass) -> None:
        self.passes += 1
        self.complete += one.complete
        self.batches += one.batches
        self.with_grad += one.grad
        self.training_mode += one.training is True
        self.eval_mode += one.training is False
        if one.order >= self.last_order:
            self.last_order, self.last_training, self.model = one.order, one.training, one.model

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Passes:
    """All loaders and the passes over them.

    ``on_begin`` hears of a pass and of the network that its first batch is about to be given to, ``on_end``
    of a pass that came to its end.
    """

    on_begin: Callable[[Pass, Any], None] | None = None
    on_end: Callable[[Pass], None] | None = None

    def __init__(self, context: Context, known: Known) -> None:
        self._context, self._known = context, known
        self._loaders: dict[int, tuple[weakref.ref[Any], LoaderUse]] = {}
        self._uses: list[LoaderUse] = []
        self._loaders_dropped = 0
        self._order = 0
        self._open: list[Pass] = []
        self._evaluations: dict[tuple[int, int], Evaluation] = {}
        self._fresh: list[Pass] = []  # gave a batch since the last backward pass
        self._sources: list[Pass] = []  # where the last backward pass came from
        self._armed: Any = None
        self._arming: Pass | None = None
        self._unlikely = 0
        self._torch: ModuleType | None = None
        self.failures, self.failure = 0, ""

    def patch(self, torch: ModuleType) -> None:
        """Hear of every batch. The loaders' and iterators' own types stay what they are."""
        self._torch = torch
        loading = torch.utils.data.dataloader
        begin, following = loading.DataLoader.__iter__, loading._BaseDataLoaderIter.__next__

        @functools.wraps(begin)
        def iterate(loader: Any) -> Any:
            iterator = begin(loader)
            taken = self.begin(loader, iterator)
            if taken is not None:
                setattr(iterator, _MARK, taken)
            return iterator

        @functools.wraps(following)
        def take(iterator: Any) -> Any:
            try:
                batch = following(iterator)
            except StopIteration:
                self.ended(getattr(iterator, _MARK, None))
                raise
            self.gave(getattr(iterator, _MARK, None), batch)
            return batch

        loading.DataLoader.__iter__ = iterate
        loading._BaseDataLoaderIter.__next__ = take

    def begin(self, loader: Any, iterator: Any = None) -> Pass | None:
        """A pass begins; ``iterator``, where there is one, tells when nobody can go on with it."""
        try:
            use = self._use(loader)
            if use is None:
                return None
            self._sweep()
            self._order += 1
            alive = weakref.ref(iterator) if iterator is not None else None
            one = Pass(use, self._context.cell, self._order, alive=alive)
            self._open.append(one)
        except Exception as error:  # a loader with an odd data set is iterated all the same
            self.failures += 1
            self.failure = self.failure or f"{type(error).__name__}: {error}"[:_ERROR_CHARS]
            return None
        return one

    def gave(self, one: Pass | None, batch: Any) -> None:
        """The pass gave a batch."""
        if one is None or self._torch is None:
            return
        one.batches += 1
        one.batch, one.gave_in = batch, self._context.cell
        for feed in one.credited:
            feed.batches += 1
        grad = self._torch.is_grad_enabled()
        if one.batches == 1:
            one.grad = grad
            self._arm(one)
        if grad and not any(one is other for other in self._fresh):
            self._fresh.append(one)

    def ended(self, one: Pass | None) -> None:
        """The pass came to its loader's end."""
        if one is None or one.complete:
            return
        one.complete, one.batch = True, None
        for feed in one.credited:
            feed.complete += 1
        if self.on_end is not None:
            self.on_end(one)

    def sources(self, root: Any) -> tuple[Source, ...]:
        """The passes that the loss with this graph came from, and whether that is proven."""
        fresh = [one for one in self._fresh if not one.complete]
        if not fresh:
            # The same batch once more; batches that were put by are told from it by nothing.
            fresh = [one for one in self._sources if not one.complete] or self._fresh[-1:] or self._sources
        self._fresh = []
        open_ones = [one for one in fresh if one.batch is not None]
        if not open_ones or not self._worth_a_proof(open_ones):
            self._sources = fresh[-1:] if len(fresh) > 1 else fresh
            return tuple(Source(one, None, one.complete) for one in self._sources)
        found = graph.found_in(root, [graph.memories(one.batch) for one in open_ones])
        proven = [one for one, is_in in zip(open_ones, found, strict=True) if is_in]
        if proven:
            self._sources = proven
            return tuple(Source(one, True, one.complete) for one in proven)
        before = [one for one in open_ones if any(one is other for other in self._sources)]
        self._sources = (before or open_ones)[-1:]
        return tuple(Source(one, False, one.complete) for one in self._sources)

    def _worth_a_proof(self, passes: list[Pass]) -> bool:
        """Always where there are several to choose from, else in samples: it reads the graph."""
        if len(passes) > 1:
            return True
        one = passes[0]
        one.checks += 1
        return one.checks <= _FIRST_PROOFS or one.checks % _PROOF_EVERY == 0

    def forget(self, cell: int) -> None:
        """A new cell begins: what was taken before is no longer what a loss comes from."""
        self._fresh = [one for one in self._fresh if one.gave_in == cell]
        self._sources = []

    def _use(self, loader: Any) -> LoaderUse | None:
        known = self._loaders.get(id(loader))
        if known is not None and known[0]() is loader:
            return known[1]
        if len(self._uses) >= _MOST_LOADERS:
            self._loaders_dropped += 1
            return None
        use = describe(loader, len(self._uses), self._context.cell, self._known)
        self._uses.append(use)
        self._loaders[id(loader)] = (weakref.ref(loader), use)
        return use

    def _sweep(self) -> None:
        """Count as evaluations the passes that are over and have got no step."""
        kept = []
        for one in self._open:
            late = self._order - one.order >= _LATE
            if (one.left and late) or (one.left and one.credited) or self._order - one.order >= _OPEN:
                self._fold(one, self._evaluations)
                one.batch = None
            else:
                kept.append(one)
        self._open = kept
        self._fresh = self._fresh[-_LATE:]

    def _fold(self, one: Pass, into: dict[tuple[int, int], Evaluation]) -> None:
        if one.credited or one.batches == 0:
            return
        at = (one.loader.number, one.cell)
        if at in into or len(into) < _MOST_EVALUATIONS:
            into.setdefault(at, Evaluation(*at)).add(one)

    # In which mode the network is, asked once in each pass

    def _arm(self, one: Pass) -> None:
        assert self._torch is not None
        self._arming, self._unlikely = one, 0
        if self._armed is None:
            register = self._torch.nn.modules.module.register_module_forward_pre_hook
            self._armed = register(self._called)

    def _called(self, module: Any, _inputs: Any) -> None:
        if self._arming is None or (self._torch is not None and self._torch.compiler.is_compiling()):
            return
        self._unlikely += 1
        if next(module.parameters(), None) is None and self._unlikely < _UNLIKELY_MODULES:
            return
        one, self._arming = self._arming, None
        one.training = module.training if type(module.training) is bool else None
        one.model, one.network = type(module).__name__[:_NAME_CHARS], weakref.ref(module)
        one.grad = self._torch.is_grad_enabled() if self._torch is not None else one.grad
        if self._armed is not None:
            self._armed.remove()
            self._armed = None
        if self.on_begin is not None:
            self.on_begin(one, module)

    def as_json(self) -> dict[str, Any]:
        evaluations = {at: Evaluation(**one.as_json()) for at, one in self._evaluations.items()}
        for one in self._open:
            self._fold(one, evaluations)
        return {
            "loaders": [use.as_json() for use in self._uses],
            "loaders_dropped": self._loaders_dropped,
            "evaluations": [one.as_json() for one in evaluations.values()],
        }
