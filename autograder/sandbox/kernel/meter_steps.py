"""Tells which backward pass led to which step, and finds the steps that no optimizer took."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autograder.sandbox.kernel.meter_runs import Note, Run, Watched, number

_PROBED = 16  # numbers of a parameter that are compared; a last layer's bias moves with every step
_MOST_WAITING = 256  # backward passes without a step: a demonstration of gradients, say
_MOST_GROUPS = 512
_NAME_CHARS = 60

ByHand = Callable[[Run | None, Watched, int, list[Note]], Run]


@dataclass(slots=True)
class Group:
    """The backward passes whose nearest parameter is the same, since the last step."""

    ref: weakref.ref[Any]
    shape: tuple[int, ...]
    cell: int
    watched: Watched
    probe: list[float] | None = None
    notes: list[Note] = field(default_factory=list)
    run: Run | None = None  # the run by hand, once there is one
    same: int = 0  # steps that left the parameter the same object
    rebinds: bool = False  # `w = w - lr * w.grad`: each step makes a new parameter


class Updates:
    """``by_hand`` counts a step that was taken without an optimizer, and gives the run that it belongs to."""

    def __init__(self, by_hand: ByHand) -> None:
        self._by_hand = by_hand
        self._groups: dict[int, Group] = {}
        self._last: Group | None = None

    def backward(self, parameter: Any, note: Note, cell: int) -> None:
        """A backward pass outside an optimizer's step."""
        if parameter is None:
            return
        group = self._group(parameter, cell)
        probe = _probe(parameter)
        if group.notes and probe != group.probe:
            self._step(group)
        group.probe = probe
        group.notes.append(note)
        if len(group.notes) > _MOST_WAITING:
            del group.notes[: _MOST_WAITING // 2]
        self._last = group

    def claim(self, parameter_ids: frozenset[int]) -> list[Note]:
        """The backward passes that an optimizer of these parameters has now used.

        A generator's loss ends in the discriminator, so its nearest parameter is none of the optimizer's:
        then it is the backward pass just before.
        """
        mine = [
            one
            for at, one in self._groups.items()
            if one.notes and at in parameter_ids and one.ref() is not None
        ]
        if not mine and self._last is not None:
            mine = [self._last]
        notes = [note for one in mine for note in one.notes]
        for one in mine:
            one.notes, one.probe = [], None
        return notes

    def settle(self, *, final: bool) -> None:
        """Count the steps after the last backward passes; ``final``: the cell is over."""
        for group in self._groups.values():
            if not group.notes:
                continue
            parameter = group.ref()
            # What is gone can't be asked; a run that stepped each time has stepped this time too.
            gone = (parameter is None or group.rebinds) and final and group.run is not None
            if gone or (parameter is not None and _probe(parameter) != group.probe):
                self._step(group)
        if final:
            self._groups.clear()
            self._last = None

    def _step(self, group: Group) -> None:
        notes, group.notes = group.notes, []
        group.run = self._by_hand(group.run, group.watched, group.cell, notes)
        group.same += 1

    def _group(self, parameter: Any, cell: int) -> Group:
        group = self._groups.get(id(parameter))
        if group is not None and group.ref() is parameter:
            return group
        shape = tuple(parameter.shape)
        last = self._last
        if last is not None and last.notes and last.ref() is None and last.shape == shape and last.same < 2:
            last.rebinds, last.same, last.ref = True, 0, weakref.ref(parameter)
            last.watched.aim(parameter)
            group = last
        else:
            watched = Watched([parameter])
            group = Group(weakref.ref(parameter), shape, cell, watched)
        self._forget_dead()
        self._groups[id(parameter)] = group
        return group

    def _forget_dead(self) -> None:
        for at in [at for at, one in self._groups.items() if one.ref() is None]:
            group = self._groups.pop(at)
            if group.notes and group.run is not None and group.same > 1:
                self._step(group)  # its last step, after which the model went
        while len(self._groups) >= _MOST_GROUPS:
            self._groups.pop(next(iter(self._groups)))


def _probe(parameter: Any) -> list[float]:
    values: list[float] = parameter.detach().reshape(-1)[:_PROBED].tolist()
    return values


@dataclass(frozen=True, slots=True)
class Settings:
    """What an optimizer is and is set to."""

    name: str
    momentum: float | None
    weight_decay: float | None


def settings_of(optimizer: Any) -> Settings:
    if hasattr(optimizer, "hypers"):
        return _fastai_settings(optimizer)
    first = optimizer.param_groups[0]
    momentum = first.get("momentum", first.get("betas", (None,))[0])
    return Settings(
        type(optimizer).__name__[:_NAME_CHARS],
        number(momentum),
        number(first.get("weight_decay")),
    )


def rate_of(optimizer: Any) -> float | None:
    """The learning rate, the largest of its groups'."""
    groups = optimizer.hypers if hasattr(optimizer, "hypers") else optimizer.param_groups
    return max((float(group["lr"]) for group in groups if group.get("lr") is not None), default=None)


def _fastai_settings(optimizer: Any) -> Settings:
    """fastai has one class of optimizer; what kind it is, its list of callbacks says."""
    names = [str(getattr(one, "__name__", "")) for one in optimizer.cbs]
    known = [kind for callback, kind in _FASTAI_KINDS.items() if callback in names]
    hypers = list(optimizer.hypers)
    return Settings(
        known[0] if known else (names[-1] if names else type(optimizer).__name__)[:_NAME_CHARS],
        number(hypers[-1].get("mom")),
        number(hypers[-1].get("wd")),
    )


_FASTAI_KINDS = {
    "adam_step": "Adam",
    "radam_step": "RAdam",
    "rms_prop_step": "RMSProp",
    "larc_step": "Larc",
    "lamb_step": "Lamb",
    "qhadam_step": "QHAdam",
    "momentum_step": "SGD",
    "sgd_step": "SGD",
}


def parameters_of(optimizer: Any) -> list[Any]:
    return [one for group in optimizer.param_groups for one in group["params"]]
