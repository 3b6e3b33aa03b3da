"""Guesses what a network's constructor was called with: from its parameters' names, and shapes of weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Sizes = Mapping[str, tuple[int, ...]]

_CLASSES = re.compile(r"class|^(n_?|num_?|dim_?)?out(put)?s?(_?(dim|size|features|channels|ch))?$|^nc$", re.I)
_INPUT = re.compile(
    r"^(n_?|num_?|dim_?)?in(put)?s?(_?(dim|size|features|channels|ch|planes))?$|^channels$", re.I
)
_HIDDEN = re.compile(r"hidden|width|filters|^(nf|ngf|ndf|planes|base)|hid_", re.I)
_KERNEL = re.compile(r"kernel|^ks?$", re.I)
_DROP = re.compile(r"drop|^p$|^prob", re.I)
_FALSE = re.compile(r"pretrain|weights|progress|verbose|debug", re.I)


def guessed(kind: Callable[..., Any], state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Keyword arguments to try: what has no default, and then also what has one and can be told."""
    try:
        parameters = [one for one in inspect.signature(kind).parameters.values() if _can_be_named(one)]
    except (TypeError, ValueError):
        return
    sizes = {name: tuple(one.shape) for name, one in state.items()}
    needed = [one for one in parameters if one.default is one.empty]
    known = {one.name: _guess(one.name, sizes) for one in parameters}
    if any(known[one.name] is None for one in needed):
        return
    least = {one.name: known[one.name] for one in needed}
    if least:
        yield least
    more = {
        one.name: known[one.name]
        for one in parameters
        if known[one.name] is not None and (one in needed or type(one.default) is type(known[one.name]))
    }
    if more and more != least:
        yield more


def _can_be_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _guess(name: str, sizes: Sizes) -> int | float | bool | None:
    layers = [shape for key, shape in sizes.items() if key.endswith("weight") and len(shape) >= 2]
    if not layers:
        return None
    if _FALSE.search(name):
        return False
    if _CLASSES.search(name):
        return layers[-1][0]
    if _INPUT.search(name):
        return layers[0][1]
    if _HIDDEN.search(name):
        return layers[0][0]
    if _KERNEL.search(name):
        return next((shape[-1] for shape in layers if len(shape) == 4), None)
    return 0.0 if _DROP.search(name) else None
