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
from itertools import islice
from types import FunctionType
from typing import Any

from autograder.sandbox.kernel.facts import tensors_of

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
_NOTEBOOK = "__main__"  # the module that a notebook's cells run in


@dataclass(frozen=True, slots=True)
class Network:
    """Something that may turn a batch into scores; ``name`` is what the notebook calls it."""

    name: str
    call: Callable[[Any], Any]
    module: Any = None  # None for a function
    state: Mapping[str, Any] | None = None  # weights to be put into it, where its own are others


def walk(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values that a notebook's names lead to, with the way to each: ``learn.model``, ``models['a']``."""
    seen: set[int] = set()
    own = _own_code(namespace)
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
            waiting += [(f"{name}{step}", inner, depth + 1) for step, inner in _inside(value, own)]


def _own_code(namespace: Mapping[str, Any]) -> str:
    """The outermost package of the code that made a namespace: a notebook's, or a module's."""
    return str(namespace.get("__name__") or _NOTEBOOK).partition(".")[0]


def _inside(value: Any, own: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        return [(f"[{at}]", one) for at, one in enumerate(value[:_MOST_ITEMS]) if not _plain(one)]
    if isinstance(value, dict):
        return [(f"[{key!r}]"[:40], one) for key, one in list(value.items())[:_MOST_ITEMS] if not _plain(one)]
    if is_module(value):
        return ()  # its parts are its own business
    if str(getattr(type(value), "__module__", "")).partition(".")[0] in (*_LOOKED_INTO, own):
        held = getattr(value, "__dict__", {})
        return [(f".{key}", one) for key, one in list(held.items())[:_MOST_ITEMS] if not _plain(one)]
    return ()


# Whose objects hold networks, data sets and loaders, beside the student's own: libraries of training loops.
_LOOKED_INTO = frozenset(
    {_NOTEBOOK, "fastai", "lightning", "pytorch_lightning", "ignite", "skorch", "torch", "torchvision"}
)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, complex, str, bytes))


def is_module(value: Any) -> bool:
    """Whether it is a network of torch's, or a part of one."""
    return "torch._C" in sys.modules and issubclass(type(value), sys.modules["torch"].nn.Module)


# --- networks ----------------------------------------------------------------------------------------


def networks(namespace: Mapping[str, Any], stepped: Sequence[frozenset[int]]) -> list[Network]:
    """The likeliest networks first; ``stepped`` holds the ids of each training run's parameters, in order."""
    code = _own_code(namespace)
    modules = [(name, one) for name, one in walk(namespace) if is_module(one)]
    found = [(name, one) for name, one in modules if _has_parameters(one)]
    # One of the student's own classes may keep all its numbers where torch doesn't see them.
    found = found or [(name, one) for name, one in modules if type(one).__module__.startswith(code)]
    every = frozenset[int]().union(*stepped)
    if every and not any(_parameter_ids(one) & every for _, one in found):
        found += [("a network of a function's", one) for one in _alive(every)]
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
    return bool(_parameter_ids(module))


def _parameter_ids(module: Any) -> frozenset[int]:
    """Of its parameters, as its own method has them and as torch keeps them: a class may leave some out."""
    kept = {id(one) for _, one, parameter in tensors_of(module) if parameter}
    try:
        return frozenset(kept | {id(one) for one in module.parameters()})
    except Exception:  # a class of the student's own whose __init__ forgot its base's
        return frozenset(kept)


def _alive(trained: frozenset[int]) -> list[Any]:
    """Networks that no name leads to, such as one that a function keeps for itself; the outermost ones.

    Only those with a parameter of these ids: others may be alive in any number.
    """
    found = [one for one in gc.get_objects() if is_module(one) and _has_parameters(one)]
    parts = {id(part) for whole in found for part in whole.modules() if part is not whole}
    outermost = (one for one in found if id(one) not in parts and _parameter_ids(one) & trained)
    return list(islice(outermost, _MOST_NETWORKS))


def _functions(namespace: Mapping[str, Any]) -> list[Network]:
    """Networks written by hand: a function of a batch, or an object of the notebook's own to be called."""
    found, code = [], _own_code(namespace)
    for name, value in reversed(list(namespace.items())):
        made_by = str(getattr(type(value), "__module__", "")).partition(".")[0]
        own = made_by in (code, _NOTEBOOK) and not isinstance(value, type) and not is_module(value)
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
