"""What a network consists of: as its own methods say, and as torch's own bookkeeping has it.

A class of the student's may have a ``parameters`` that leaves some out, or a tensor a ``numel`` that says 1.
So the tensors are read from where torch keeps them, by methods of its C++ side, which can't be replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

_MOST_MODULES, _MOST_TENSORS, _MOST_TIES = 5_000, 10_000, 500
_NAME = 300
_SETTINGS = (
    "p kernel_size stride padding dilation groups in_channels out_channels in_features out_features "
    "num_features output_size eps momentum affine track_running_stats negative_slope inplace bias "
    "hidden_size num_layers num_embeddings embedding_dim scale_factor ceil_mode count_include_pad"
).split()


def facts(module: Any) -> dict[str, Any]:
    """All of it, ready for JSON."""
    tensors = list(tensors_of(module))
    return {
        "tensors": [
            [name[:_NAME], list(shape_of(one)), bool(requires_grad(one)), parameter]
            for name, one, parameter in tensors[:_MOST_TENSORS]
        ],
        "said": said(module),
        "modules": [[name[:_NAME], kind_of(one)[:_NAME], _settings(one)] for name, one in modules_of(module)],
        "ties": _ties(tensors),
    }


def kind_of(module: Any) -> str:
    """The name of its class; a scripted module remembers the one that it was made from."""
    name = getattr(module, "original_name", None) if "Script" in type(module).__name__ else None
    return name if isinstance(name, str) else type(module).__name__


def said(module: Any) -> int | None:
    """The count that the student's own methods give."""
    try:
        count = sum(one.numel() for one in module.parameters())
        return int(count) if 0 <= count < 1 << 60 else None
    except Exception:  # a method of the student's own
        return None


def modules_of(module: Any) -> Iterator[tuple[str, Any]]:
    """Each module once, with the path to it; the outermost's is empty."""
    seen: set[int] = set()
    waiting = [("", module)]
    while waiting and len(seen) < _MOST_MODULES:
        path, one = waiting.pop(0)
        if id(one) in seen or one is None:
            continue
        seen.add(id(one))
        yield path, one
        inner = [(f"{path}.{name}" if path else str(name), part) for name, part in _kept(one, "_modules")]
        waiting[:0] = inner  # in the order of definition, each with its parts behind it


def tensors_of(module: Any) -> Iterator[tuple[str, Any, bool]]:
    """Every parameter (True) and buffer (False) under each of its names."""
    for path, one in modules_of(module):
        for kind, parameter in (("_parameters", True), ("_buffers", False)):
            for name, tensor in _kept(one, kind):
                if _is_tensor(tensor):
                    yield f"{path}.{name}" if path else str(name), tensor, parameter


def shape_of(tensor: Any) -> tuple[int, ...]:
    machinery = sys.modules["torch"]._C
    with machinery.DisableTorchFunctionSubclass():  # a subclass may answer for its base
        return tuple(int(length) for length in machinery.TensorBase.shape.__get__(tensor))


def requires_grad(tensor: Any) -> bool:
    machinery = sys.modules["torch"]._C
    with machinery.DisableTorchFunctionSubclass():
        return bool(machinery.TensorBase.requires_grad.__get__(tensor))


def evaluating(module: Any, modes: dict[int, bool]) -> None:
    """Put every module in evaluation mode, whatever its own ``eval`` does; ``modes`` gets what it was in."""
    for _, one in modules_of(module):
        modes.setdefault(id(one), bool(getattr(one, "training", False)))
        one.training = False


def restore(module: Any, modes: dict[int, bool]) -> None:
    for _, one in modules_of(module):
        one.training = modes.get(id(one), False)


def _kept(module: Any, what: str) -> list[tuple[str, Any]]:
    """What a module keeps under one of torch's own names. A scripted one keeps it on the C++ side."""
    held = vars(module).get(what)
    if isinstance(held, dict):
        return list(held.items())
    asked = {"_modules": "named_children", "_parameters": "named_parameters", "_buffers": "named_buffers"}[
        what
    ]
    named = getattr(sys.modules["torch"].nn.Module, asked)
    try:
        return list(named(module) if what == "_modules" else named(module, recurse=False))
    except Exception:  # whose __init__ forgot its base's
        return []


def _is_tensor(value: Any) -> bool:
    torch = sys.modules["torch"]
    lazy = torch.nn.parameter.UninitializedTensorMixin  # has no shape before its first batch
    return issubclass(type(value), torch.Tensor) and not issubclass(type(value), lazy)


def _ties(tensors: list[tuple[str, Any, bool]]) -> list[list[str]]:
    names: dict[int, list[str]] = {}
    for name, one, _ in tensors:
        names.setdefault(id(one), []).append(name[:_NAME])
    return [one for one in names.values() if len(one) > 1][:_MOST_TIES]


def _settings(module: Any) -> dict[str, Any]:
    held = vars(module)
    read = {name: _number(held[name]) for name in _SETTINGS if name in held}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> Any:
    if type(value) in (bool, int, float):
        number = float(value) if type(value) is float else int(value)
        return number if abs(number) < 1e12 else None  # also not for NaN
    if type(value) in (tuple, list) and 0 < len(value) <= 6:
        numbers = [_number(one) for one in value]
        return numbers if None not in numbers else None
    return None
