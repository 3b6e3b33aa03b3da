"""How the networks of a training began, what was loaded, and which epochs' weights were kept: as measured.

The counterpart of kernel/meter_weights.py, which notes this beside student code. So it is hostile until it is
read, like all of the meter's report (see training.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from autograder.sandbox.measured import Junk, Record

_MOST_NETWORKS, _MOST_TENSORS = 64, 1_000
_MOST_DIMENSIONS, _MOST_NUMBERS = 8, 10**10  # of one tensor
_SLACK = 1e-5  # numbers come with six digits


@dataclass(frozen=True, slots=True)
class Beginning:
    """What one tensor of a network looked like before the network's first training batch."""

    name: str
    shape: tuple[int, ...]
    mean: float
    std: float
    least: float
    most: float

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def kind(self) -> str:
        """`weight`, `running_mean`: the last part of its name."""
        return self.name.rpartition(".")[2]

    @property
    def layer(self) -> str:
        """The rest of its name, which the other tensors of its layer share."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Begun:
    """One network when it was first trained. ``steps``: of all optimizers together, before that."""

    cell: int
    steps: int
    model: str
    tensors: tuple[Beginning, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Something was loaded: a file by its name, or a state dict by its type."""

    kind: str
    what: str
    cell: int
    steps: int


@dataclass(frozen=True, slots=True)
class KeptEpoch:
    """The weights at the end of this epoch of a run were kept."""

    run: int
    epoch: int
    steps: int


def read_begun(value: object, junk: Junk) -> tuple[Begun, ...]:
    """The report's list of beginnings, as far as it is one."""
    return tuple(_begun(one, junk) for one in _dicts(value, _MOST_NETWORKS, junk))


def load(record: Record) -> Load:
    return Load(record.name("kind"), record.name("what"), record.count("cell"), record.count("steps"))


def kept_epoch(record: Record) -> KeptEpoch:
    return KeptEpoch(record.count("run"), record.count("epoch"), record.count("steps"))


def _begun(value: dict[str, Any], junk: Junk) -> Begun:
    record = Record(value, junk)
    tensors = (_beginning(one, junk) for one in _dicts(value.get("tensors"), _MOST_TENSORS, junk))
    return Begun(
        cell=record.count("cell"),
        steps=record.count("steps"),
        model=record.name("model"),
        tensors=tuple(one for one in tensors if one is not None),
    )


def _beginning(value: dict[str, Any], junk: Junk) -> Beginning | None:
    """None where a part of it isn't what it should be, or where the parts contradict each other."""
    record, shape = Record(value, junk), _shape(value.get("shape"))
    mean, std, least, most = (record.number(name) for name in ("mean", "std", "least", "most"))
    if shape is None or mean is None or std is None or least is None or most is None:
        junk.drop()
        return None
    slack = _SLACK * max(abs(least), abs(most))
    if not (least - slack <= mean <= most + slack and 0 <= std <= most - least + slack):
        junk.drop()
        return None
    return Beginning(record.name("name"), shape, mean, std, least, most)


def _shape(value: object) -> tuple[int, ...] | None:
    if type(value) is not list or len(value) > _MOST_DIMENSIONS:
        return None
    if not all(type(length) is int and 0 < length <= _MOST_NUMBERS for length in value):
        return None
    return tuple(value) if prod(value) <= _MOST_NUMBERS else None


def _dicts(value: object, most: int, junk: Junk) -> list[dict[str, Any]]:
    listed = value if type(value) is list else []
    kept = [one for one in listed[:most] if type(one) is dict]
    junk.count += len(listed) - len(kept) + (value is not None and type(value) is not list)
    return kept
