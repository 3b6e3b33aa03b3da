"""Finds what a notebook left behind that could be its trained network, and how it prepares images for it.

Nothing in a namespace says so. What an optimizer stepped is a network, the test set's own transform is how
images are prepared; beyond that there are habits. So this gives several of each, the likeliest first, and the
trusted side, which alone has the labels, takes the pair that does best: a right solution must not fail
because we guessed wrong.
"""

from __future__ import annotations

import gc
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

_MOST_NETWORKS = 5
_MOST_ITEMS = 64  # of a container that is looked into
_DEPTH = 3  # containers and objects inside each other
_MOST_SEEN = 20_000  # values that are looked at
_SHELLS = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_FUNCTION = re.compile(
    r"^(my_?|simple_?|batch_?)?(model|net|network|nn|cnn|mlp|predict\w*|forward|classif\w*|linear\d*|logits?|clf)"
    r"(_?fn|_?func|_?\d+)?$",
    re.IGNORECASE,
)
_OWN_CODE = "__main__"


@dataclass(frozen=True, slots=True)
class Network:
    """Something that may turn a batch into scores; ``name`` is what the notebook calls it."""

    name: str
    call: Callable[[Any], Any]
    module: Any = None  # None for a function


def walk(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values that a notebook's names lead to, with the way to each: ``learn.model``, ``models['a']``."""
    seen: set[int] = set()
    waiting = [
        (name, value, 0)
        for name, value in reversed(list(namespace.items()))  # what was assigned last is likelier
        if not name.startswith("_") and name not in _SHELLS
    ]
    for name, value, depth in waiting:
        if id(value) in seen or len(seen) >= _MOST_SEEN:
            continue
        seen.add(id(value))
        yield name, value
        if depth < _DEPTH:
            waiting += [(f"{name}{step}", inner, depth + 1) for step, inner in _inside(value)]


def _inside(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        return [(f"[{at}]", one) for at, one in enumerate(value[:_MOST_ITEMS]) if not _plain(one)]
    if isinstance(value, dict):
        return [(f"[{key!r}]"[:40], one) for key, one in list(value.items())[:_MOST_ITEMS] if not _plain(one)]
    if _is_module(value):
        return ()  # its parts are its own business
    if getattr(type(value), "__module__", "").partition(".")[0] in _LOOKED_INTO:
        held = getattr(value, "__dict__", {})
        return [(f".{key}", one) for key, one in list(held.items())[:_MOST_ITEMS] if not _plain(one)]
    return ()


# Whose objects hold networks, data sets and loaders: the notebook's own, and libraries of training loops.
_LOOKED_INTO = frozenset(
    {_OWN_CODE, "fastai", "lightning", "pytorch_lightning", "ignite", "skorch", "torch", "torchvision"}
)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, complex, str, bytes))


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and issubclass(type(value), torch.nn.Module)


# --- networks ----------------------------------------------------------------------------------------


def networks(namespace: Mapping[str, Any], stepped: Sequence[frozenset[int]]) -> list[Network]:
    """The likeliest networks first; ``stepped`` holds the ids of each training run's parameters, in order."""
    found = [(name, one) for name, one in walk(namespace) if _is_module(one) and _has_parameters(one)]
    every = frozenset[int]().union(*stepped)
    if every and not any(_parameter_ids(one) & every for _, one in found):
        found += [("a network of a function's", one) for one in _alive() if _parameter_ids(one) & every]
    parts = {id(part) for _, whole in found for part in whole.modules() if part is not whole}
    last = stepped[-1] if stepped else frozenset()

    def unlikely(one: Any) -> tuple[bool, bool, bool]:
        mine = _parameter_ids(one)
        return not mine & every, id(one) in parts, not mine & last

    found.sort(key=lambda pair: unlikely(pair[1]))  # stable: what was assigned last stays in front
    chosen = [Network(name, one, one) for name, one in found[:_MOST_NETWORKS]]
    if not any(_parameter_ids(one.module) & every for one in chosen):
        chosen += _functions(namespace)[: _MOST_NETWORKS - 1]
    return chosen


def _has_parameters(module: Any) -> bool:
    try:
        return next(iter(module.parameters()), None) is not None
    except Exception:  # a class of the student's own whose __init__ forgot its base's
        return False


def _parameter_ids(module: Any) -> frozenset[int]:
    try:
        return frozenset(id(one) for one in module.parameters())
    except Exception:
        return frozenset()


def _alive() -> list[Any]:
    """Networks that no name leads to, such as one that a function keeps for itself; the outermost ones."""
    found = [one for one in gc.get_objects() if _is_module(one) and _has_parameters(one)]
    parts = {id(part) for whole in found for part in whole.modules() if part is not whole}
    return [one for one in found if id(one) not in parts][:_MOST_NETWORKS]


def _functions(namespace: Mapping[str, Any]) -> list[Network]:
    """Networks written by hand: a function of a batch, or an object of the notebook's own to be called."""
    found = []
    for name, value in reversed(list(namespace.items())):
        own = getattr(type(value), "__module__", "") == _OWN_CODE and not isinstance(value, type)
        by_name = isinstance(value, FunctionType) and _FUNCTION.match(name) is not None
        if not name.startswith("_") and (by_name or (own and callable(value))) and _takes_one(value):
            found.append(Network(name, value))
    return found


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError):
        return False
    return True
