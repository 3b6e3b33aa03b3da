"""Networks that the sandbox turned into data, and what it says of them, read on the trusted side.

The box made all of it beside student code (kernel/export.py): exact types and sizes first, and whatever isn't
right is as if it were missing. An ONNX file is no more than bytes here: who weighs it, parses it with care
(loaders/network.py). Every name that is shown has been cleaned.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from autograder.outcome import EnvironmentFault
from autograder.sandbox.measured import Junk, Record
from autograder.text import clean, cut_line, one_line

EXPORTING = "the export of your network"
_EXPORTER = "onnxscript"
GRACE_S = 10.0  # what the box may take beyond its budget to answer
_MOST_NETWORKS, _MOST_PREPARATIONS, _MOST_NOTES = 8, 16, 50
_MOST_TENSORS, _MOST_MODULES, _MOST_SETTINGS, _MOST_TIES = 20_000, 10_000, 40, 1_000
_MOST_TIED = 20_000  # names in all ties together
_MOST_AXES, _LONGEST = 8, 2**40  # of a tensor, and numbers along one axis
_NAME_CHARS, _TEXT_CHARS = 300, 600
_MOST_AT_ONCE = 4_096  # images of a batch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportedTensor:
    """A tensor that torch's own machinery finds in a module. ``parameter`` is False for a buffer."""

    name: str
    shape: tuple[int, ...]
    trainable: bool
    parameter: bool

    @property
    def numel(self) -> int:
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass(frozen=True, slots=True)
class ReportedModule:
    """A module, by its path in the network and its class; ``settings`` are its numbers: a Dropout's ``p``."""

    name: str
    kind: str
    settings: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reported:
    """What the box says of a network.

    ``said`` is what ``sum(p.numel() for p in model.parameters())`` gives when the student's own methods are
    asked, None where they give no number. ``ties`` are names that lead to the same tensor.
    """

    tensors: tuple[ReportedTensor, ...] = ()
    said: int | None = None
    modules: tuple[ReportedModule, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """One network. ``onnx`` is None where ``problem`` says why there is no export.

    ``takes`` is the shape of one image as the network takes it, and ``form`` how it comes from a prepared
    one, in words ("each image in one row"), "" where it is that. ``batch`` is the number of images that the
    export takes at once, 0 for any. Its one output should be (images, classes): the box arranges that.
    """

    name: str
    kind: str
    onnx: bytes | None
    problem: str = ""
    reported: Reported = field(default_factory=Reported)
    takes: tuple[int, ...] = ()
    form: str = ""
    batch: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The probes as a preparation of the notebook's gave them: float32, one image a row."""

    name: str
    images: np.ndarray


@dataclass(frozen=True, slots=True)
class Exports:
    """All that came of one request; ``notes`` are refusals, misfits and second tries, in sentences."""

    networks: tuple[Export, ...] = ()
    preparations: tuple[Prepared, ...] = ()
    notes: tuple[str, ...] = ()


def read_exports(reply: dict[str, Any], arrays: dict[str, np.ndarray], count: int) -> Exports:
    """What a reply says as far as it is well-formed; ``count`` probes were sent."""
    raw = reply.get("exports")
    raw = raw if type(raw) is dict else {}
    arrays = dict(arrays)  # each is taken out when it is used, so that nobody makes ten networks of one
    notes = [_line(one) for one in _listed(raw, "notes", _MOST_NOTES)]
    return Exports(
        networks=_all(raw, "networks", _MOST_NETWORKS, lambda one: _export(one, arrays)),
        preparations=_all(raw, "preparations", _MOST_PREPARATIONS, lambda one: _prepared(one, arrays, count)),
        notes=tuple(note for note in notes if note),
    )


def require_exporter(reply: dict[str, Any], python: str) -> None:
    """Raise EnvironmentFault if the box says that it has no exporter, and that is so; ``python`` is the
    interpreter of the environment that it runs in, "" for ours. Its word alone could be anybody's."""
    raw = reply.get("exports")
    told = _listed(raw, "networks", _MOST_NETWORKS) if type(raw) is dict else []
    if not any(type(one) is dict and one.get("lacks") is True for one in told):
        return
    if python:
        there = any(Path(python).parents[1].glob(f"lib*/python3*/site-packages/{_EXPORTER}"))
    else:
        there = importlib.util.find_spec(_EXPORTER) is not None
    if not there:
        raise EnvironmentFault(
            f"The environment that student code runs in lacks {_EXPORTER}, without which no network can be "
            "exported.",
            remedy=f"Add {_EXPORTER} to the requirements.txt in the assignment's folder.",
        )


def _export(raw: Any, arrays: dict[str, np.ndarray]) -> Export | None:
    if type(raw) is not dict:
        return None
    data = _array(raw.get("onnx"), arrays)
    whole = data is not None and data.dtype == np.uint8 and data.ndim == 1 and data.size > 0
    onnx = data.tobytes() if whole and data is not None else None
    batch = Record(raw, Junk()).count("batch")
    return Export(
        name=_line(raw.get("name")),
        kind=_line(raw.get("kind")),
        onnx=onnx,
        problem="" if onnx is not None else _line(raw.get("problem")) or "the sandbox gave no export",
        reported=_reported(raw.get("reported")),
        takes=_shape(raw.get("takes")) or (),
        form=_line(raw.get("form")),
        batch=batch if batch <= _MOST_AT_ONCE else 0,
    )


def _prepared(raw: Any, arrays: dict[str, np.ndarray], count: int) -> Prepared | None:
    if type(raw) is not dict:
        return None
    images = _array(raw.get("images"), arrays)
    if images is None or images.dtype != np.float32 or not 2 <= images.ndim <= _MOST_AXES:
        return None
    if len(images) != count or not images.size or not np.isfinite(images).all():
        return None
    return Prepared(_line(raw.get("name")), images)


def _reported(raw: Any) -> Reported:
    if type(raw) is not dict:
        return Reported()
    return Reported(
        tensors=_all(raw, "tensors", _MOST_TENSORS, _tensor),
        said=Record(raw, Junk()).count_or_none("said"),
        modules=_all(raw, "modules", _MOST_MODULES, _module),
        ties=_within(_all(raw, "ties", _MOST_TIES, _tie)),
    )


def _tensor(raw: Any) -> ReportedTensor | None:
    match raw:
        case [str(name), list(shape), bool(trainable), bool(parameter)]:
            lengths = _shape(shape)
            return None if lengths is None else ReportedTensor(_name(name), lengths, trainable, parameter)
    return None


def _module(raw: Any) -> ReportedModule | None:
    match raw:
        case [str(name), str(kind), dict(settings)]:
            read = {_name(key): _setting(value) for key, value in list(settings.items())[:_MOST_SETTINGS]}
            known = {key: value for key, value in read.items() if value is not None}
            return ReportedModule(_name(name), _name(kind), known)
    return None


def _setting(value: Any) -> float | tuple[float, ...] | None:
    if type(value) is list and 0 < len(value) <= _MOST_AXES:
        numbers = [Record({"at": one}, Junk()).number("at") for one in value]
        return tuple(one for one in numbers if one is not None) if None not in numbers else None
    return Record({"at": value}, Junk()).number("at")


def _tie(raw: Any) -> tuple[str, ...] | None:
    if type(raw) is not list or not 2 <= len(raw) <= _MOST_TIES:
        return None
    return tuple(_name(one) for one in raw if type(one) is str)


def _within(ties: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """The first of them, up to so many names in all."""
    until = accumulate(len(tie) for tie in ties)
    return tuple(tie for tie, names in zip(ties, until, strict=True) if names <= _MOST_TIED)


def _shape(raw: Any) -> tuple[int, ...] | None:
    if type(raw) is not list or len(raw) > _MOST_AXES:
        return None
    if not all(type(one) is int and 0 <= one <= _LONGEST for one in raw):
        return None
    return tuple(raw)


def _all(raw: dict[str, Any], name: str, most: int, read: Callable[[Any], T | None]) -> tuple[T, ...]:
    found = (read(one) for one in _listed(raw, name, most))
    return tuple(one for one in found if one is not None)


def _listed(raw: dict[str, Any], name: str, most: int) -> list[Any]:
    listed = raw.get(name)
    return listed[:most] if type(listed) is list else []


def _array(raw: Any, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    match raw:
        case ["array", str(name)] if type(arrays.get(name)) is np.ndarray:
            return arrays.pop(name)
    return None


def _name(value: str) -> str:
    return one_line(value[: 4 * _NAME_CHARS], _NAME_CHARS)


def _line(value: Any) -> str:
    return cut_line(" ".join(clean(value, _TEXT_CHARS).split()), _TEXT_CHARS) if type(value) is str else ""
