"""Finds the network that a state dict belongs to: one that is there, one of the submission's classes, or one
of torchvision's, and says in a sentence what doesn't fit where none does.

It fits when every tensor has its place and its shape. Names may have had a wrapper's prefix.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel.candidates import is_module, walk
from autograder.sandbox.kernel.deadline import OutOfTime, within
from autograder.sandbox.kernel.facts import shape_of, tensors_of
from autograder.sandbox.kernel.guesses import guessed
from autograder.sandbox.kernel.onnxfile import quiet
from autograder.sandbox.kernel.torchvisions import torchvision_makers

_MOST_MAKERS = 60
_MOST_FITTED = 3
_MAKING_S = 20.0  # for one network; a VGG-16 takes 2
_FURTHER_S = 5.0  # for others that fit, once one does
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.")
# Entries that are no weights: older versions lack them, and counters leave them behind.
_OPTIONAL = re.compile(r"(^|\.)(num_batches_tracked|total_ops|total_params|n_averaged)$")
_MAKES = re.compile(r"net|model|cnn|vgg|mlp|dense|mobile|efficient|build|make|create|get_|lenet|conv", re.I)
_MAKES_NOT = re.compile(
    r"train|test|eval|load|save|fit|run|main|plot|show|data|predict|summary|count|param", re.I
)


@dataclass(frozen=True, slots=True)
class Maker:
    """Something that gives a fresh network, by its name; ``sketch`` gives its shapes alone, where that costs
    less."""

    name: str
    make: Callable[[], Any]
    sketch: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where a network and a state dict differ."""

    name: str
    missing: tuple[str, ...]  # what the network has and the file hasn't
    unexpected: tuple[str, ...]
    shaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # name, in the file, in the network

    @property
    def count(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.shaped)

    def describe(self, file: str) -> str:
        """In one sentence."""
        parts = []
        if self.missing:
            parts.append(f"{len(self.missing)} missing (first {self.missing[0]})")
        if self.unexpected:
            parts.append(f"{len(self.unexpected)} without a place in it (first {self.unexpected[0]})")
        if self.shaped:
            name, there, wanted = self.shaped[0]
            parts.append(f"{len(self.shaped)} of another shape (first {name}: {there} in place of {wanted})")
        return f"{file} holds weights for another architecture than {self.name}; tensors: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network with the state dict's tensors in it, and what it was made from."""

    name: str
    module: Any


@dataclass(frozen=True, slots=True)
class Code:
    """Where a network may come from: a namespace and the submission's other modules, and what a grader knows:
    ``arguments`` are keywords to try for a constructor, ``classes`` the names to try first."""

    namespace: Mapping[str, Any]
    tree: Path
    arguments: Sequence[Mapping[str, Any]] = ()
    classes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Fits:
    """The networks that a state dict fits, of one class each; where there is none, what comes nearest."""

    networks: tuple[Fitted, ...]
    nearest: Misfit | None


def fit(state: Mapping[str, Any], code: Code, give_up: float) -> Fits:
    """Look for networks that fit until that time. Two classes may have the same tensors and compute other
    things with them, so the first isn't always the one."""
    found: list[Fitted] = []
    misfits: list[Misfit] = []
    for maker in _makers(state, code)[:_MOST_MAKERS]:
        left = give_up - time.monotonic()
        if left <= 0 or len(found) >= _MOST_FITTED or (found and maker.sketch is not None):
            break
        fitted = _fitted(maker, state, left, misfits)
        if fitted is None or any(type(one.module) is type(fitted.module) for one in found):
            continue
        found.append(fitted)
        give_up = min(give_up, time.monotonic() + _FURTHER_S)
    return Fits(tuple(found), min(misfits, key=lambda one: one.count, default=None))


def _fitted(maker: Maker, state: Mapping[str, Any], left_s: float, misfits: list[Misfit]) -> Fitted | None:
    """What the maker makes, filled, if the state dict fits; else ``misfits`` gets why not."""
    module = _made(maker.sketch or maker.make, left_s)
    for named in _renamings(state) if module is not None else ():
        misfit = _compare(maker.name, named, module)
        if misfit.count:
            misfits.append(misfit)
            continue
        whole = _made(maker.make, left_s) if maker.sketch is not None else module
        if whole is not None:
            _fill(whole, named)
            return Fitted(maker.name, whole)
    return None


def fresh(code: Code, give_up: float) -> Fitted | None:
    """A network with random weights: the first of the classes that were asked for that can be made."""
    own = list(_definitions(code.namespace, code.tree))
    for name, kind in [pair for wanted in code.classes for pair in own if pair[0] == wanted]:
        for make in (*(partial(kind, **given) for given in code.arguments), kind):
            left = give_up - time.monotonic()
            module = _made(make, left) if left > 0 else None
            if module is not None:
                return Fitted(name, module)
    return None


def _made(make: Callable[[], Any], left_s: float) -> Any:
    try:
        with quiet(), within(min(left_s, _MAKING_S)):
            module = make()
    except (Exception, OutOfTime):  # a constructor that wants other arguments, or trains
        return None
    return module if is_module(module) else None


def fill(module: Any, state: Mapping[str, Any]) -> Misfit:
    """Put a state dict's tensors into a network as far as they fit; returns what doesn't."""
    misfit = _compare(type(module).__name__, state, module)
    _fill(module, state)
    return misfit


def _compare(name: str, state: Mapping[str, Any], module: Any) -> Misfit:
    kept = set(module.state_dict()) if callable(getattr(module, "state_dict", None)) else set()
    own = {key: shape_of(one) for key, one, parameter in tensors_of(module) if parameter or key in kept}
    missing = [key for key in own if key not in state and not _OPTIONAL.search(key)]
    unexpected = [key for key in state if key not in own and not _OPTIONAL.search(key)]
    shaped = [
        (key, tuple(state[key].shape), shape)
        for key, shape in own.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    return Misfit(name, tuple(missing), tuple(unexpected), tuple(shaped))


def _fill(module: Any, state: Mapping[str, Any]) -> None:
    torch = sys.modules["torch"]
    with torch.no_grad():
        for key, one, _ in tensors_of(module):
            if key in state and tuple(state[key].shape) == shape_of(one):
                one.copy_(state[key])


def _renamings(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The state dict, and again without the prefix that all its names have."""
    yield state
    for _ in range(2):
        prefix = next((one for one in _PREFIXES if state and all(key.startswith(one) for key in state)), "")
        if not prefix:
            return
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        yield state


# --- what could make the network ---------------------------------------------------------------------


def _makers(state: Mapping[str, Any], code: Code) -> list[Maker]:
    """The likeliest first: classes that were asked for, networks that are there, other classes, functions."""
    own = list(_definitions(code.namespace, code.tree))
    asked = [pair for name in code.classes for pair in own if pair[0] == name]
    others = [pair for pair in own if pair not in asked]
    there = [(name, one) for name, one in walk(code.namespace) if is_module(one)]
    made = [maker for name, kind in asked for maker in _calls(name, kind, state, code.arguments)]
    made += [Maker(name, partial(copy.deepcopy, one)) for name, one in there]
    made += [maker for name, kind in others for maker in _calls(name, kind, state, code.arguments)]
    return made + [Maker(*one) for one in torchvision_makers(state, code.classes)]


def _definitions(namespace: Mapping[str, Any], tree: Path) -> Iterator[tuple[str, Any]]:
    """The submission's own classes of networks, and then functions that may make one; the last come first."""
    places = [namespace]
    for module in list(sys.modules.values()):
        held = getattr(module, "__dict__", {})
        if held is not namespace and str(getattr(module, "__file__", None) or "").startswith(f"{tree}/"):
            places.append(held)
    values = [(name, one) for place in places for name, one in reversed(list(place.items()))]
    seen: set[int] = set()
    for wanted in (_is_network_class, _is_maker):
        for name, one in values:
            if id(one) not in seen and wanted(name, one) and _is_own(one, namespace):
                seen.add(id(one))
                yield name, one


def _is_network_class(_: str, value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, sys.modules["torch"].nn.Module)


def _is_maker(name: str, value: Any) -> bool:
    plain = inspect.isfunction(value) and not name.startswith("_")
    likely = name[:1].isupper() or _MAKES.search(name) is not None  # DPN26() is spelled as a class
    return plain and likely and not _MAKES_NOT.search(name)


def _is_own(value: Any, namespace: Mapping[str, Any]) -> bool:
    top = str(getattr(value, "__module__", "")).partition(".")[0]
    own = str(namespace.get("__name__", "")).partition(".")[0]
    file = str(getattr(sys.modules.get(top), "__file__", None) or "")
    return top in (own, "__main__") or "site-packages" not in file


def _calls(
    name: str, kind: Any, state: Mapping[str, Any], arguments: Sequence[Mapping[str, Any]]
) -> Iterable[Maker]:
    """The calls to try: as it is, with what the grader says, with sizes guessed from the state dict."""
    yield Maker(name, kind)
    for given in arguments:
        yield Maker(name, partial(kind, **given))
    for keywords in guessed(kind, state):
        yield Maker(name, partial(kind, **keywords))
