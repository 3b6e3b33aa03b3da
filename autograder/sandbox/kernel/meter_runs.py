"""What is counted for one training run, and the series of its losses."""

from __future__ import annotations

import math
import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from autograder.sandbox.kernel.meter_loaders import LoaderUse, Pass

MOST_POINTS = 400  # of a series, as reported
_KEPT_POINTS = 2 * MOST_POINTS  # before every other one is dropped
_GAPS = 256  # times between steps that the rate is taken over
_WATCHED, _WATCHED_NUMBERS = 4, 1024  # parameters, and numbers of each, whose change is followed
_MOST_BATCH_SIZES = 32
_MOST_CELLS = 256
_MOST_FEEDS = 32
_NAME_CHARS = 60


def number(value: Any) -> float | None:
    """A finite number with six digits, which is all that a report needs, or None."""
    try:
        got = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
    return float(f"{got:.6g}") if math.isfinite(got) else None


class Series:
    """Values with their steps, thinned evenly as they come: any length costs the same memory."""

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self.count = 0
        self.last: tuple[int, float] | None = None
        self._every = 1

    def add(self, step: int, value: float) -> None:
        self.last = (step, value)
        if self.count % self._every == 0:
            self.points.append(self.last)
            if len(self.points) > _KEPT_POINTS:
                self.points = self.points[::2]
                self._every *= 2
        self.count += 1

    def thinned(self, most: int) -> list[tuple[int, float]]:
        """At most so many points, evenly spaced, the first and the last among them."""
        points = list(self.points)
        if self.last is not None and points[-1] != self.last:
            points.append(self.last)
        if len(points) <= most:
            return points
        return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]


@dataclass(slots=True, eq=False)
class Feed:
    """What a loader had to do with a run.

    ``proven`` of the ``checked`` losses had the loader's batch in their graph. ``after_end`` counts the steps
    taken when the pass was already over, as with batches that were collected in a list.
    """

    loader: LoaderUse
    passes: int = 0
    complete: int = 0
    batches: int = 0
    steps: int = 0
    checked: int = 0
    proven: int = 0
    after_end: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "loader": self.loader.number,
            "passes": self.passes,
            "complete": self.complete,
            "batches": self.batches,
            "steps": self.steps,
            "checked": self.checked,
            "proven": self.proven,
            "after_end": self.after_end,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """A pass over a loader that a loss came from.

    ``proven``: whether the batch was found in the loss's graph, None where it wasn't looked for; ``ended``:
    whether the pass was over already.
    """

    taken: Pass
    proven: bool | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Note:
    """One backward pass whose step is still to come."""

    loss: float | None
    batch: int | None
    sources: tuple[Source, ...]


@dataclass(slots=True)
class InCell:
    steps: int = 0
    passes: int = 0


class Watched:
    """How far a few parameters have moved since the first step, so that steps that train nothing are seen."""

    def __init__(self, parameters: list[Any]) -> None:
        chosen = parameters[:: max(1, math.ceil(len(parameters) / _WATCHED))]
        self._first = [(weakref.ref(one), _some(one).clone()) for one in chosen]
        self._change: float | None = None

    def aim(self, parameter: Any) -> None:
        """The first one is now this one: a loop that makes new parameters in every step."""
        self._first[0] = (weakref.ref(parameter), self._first[0][1])

    def change(self) -> float | None:
        """The norm of the change over the norm of the first values, when they were last in reach."""
        moved = size = 0.0
        seen = False
        for ref, first in self._first:
            parameter = ref()
            if parameter is None or parameter.numel() == 0:
                continue
            now = _some(parameter)
            if now.shape == first.shape:
                seen = True
                moved += float((now - first).double().norm()) ** 2
                size += float(first.double().norm()) ** 2
        if seen:
            self._change = math.sqrt(moved / size) if size > 0 else math.sqrt(moved)  # begun at zero
        return self._change


def _some(parameter: Any) -> Any:
    return parameter.detach().reshape(-1)[:_WATCHED_NUMBERS].float()


@dataclass(slots=True, eq=False)
class Run:
    """A training run: an optimizer's steps, or those of a loop that updates the parameters by itself."""

    cell: int
    by_hand: bool
    optimizer: str = ""
    ref: weakref.ref[Any] | None = None
    parameters: int = 0
    parameter_ids: frozenset[int] = frozenset()
    groups: int = 0
    model: str = ""
    steps: int = 0
    backwards: int = 0
    nonfinite: int = 0
    lr_first: float | None = None
    lr_last: float | None = None
    lr_least: float | None = None
    lr_most: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    losses: Series = field(default_factory=Series)
    batches: dict[int, int] = field(default_factory=dict)
    cells: dict[int, InCell] = field(default_factory=dict)
    feeds: dict[int, Feed] = field(default_factory=dict)
    watched: Watched | None = None
    began: float = 0.0
    latest: float = 0.0
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=_GAPS))
    between_s: float = 0.0
    betweens: int = 0
    current: int = 0  # the order of the pass that the last step was in

    def note(self, note: Note) -> None:
        """A backward pass that belongs to the step that is being counted."""
        self.backwards += 1
        if note.loss is not None and math.isfinite(note.loss):
            self.losses.add(self.steps + 1, note.loss)
        elif note.loss is not None:
            self.nonfinite += 1
        if note.batch is not None and (note.batch in self.batches or len(self.batches) < _MOST_BATCH_SIZES):
            self.batches[note.batch] = self.batches.get(note.batch, 0) + 1

    def rate_lr(self, lr: float | None) -> None:
        if lr is None:
            return
        self.lr_first = lr if self.lr_first is None else self.lr_first
        self.lr_last = lr
        self.lr_least = lr if self.lr_least is None else min(self.lr_least, lr)
        self.lr_most = lr if self.lr_most is None else max(self.lr_most, lr)

    def step(self, cell: int, notes: list[Note]) -> None:
        """A step, and the backward passes that led to it."""
        for note in notes:
            self.note(note)
        self.steps += 1
        if cell in self.cells or len(self.cells) < _MOST_CELLS:
            self.cells.setdefault(cell, InCell()).steps += 1
        passes: dict[int, None] = {}
        for note in notes:
            for source in note.sources:
                self._credit(source, cell, source.taken.order not in passes)
                passes[source.taken.order] = None
        self._time(next(reversed(passes), 0))
        if self.watched is not None and self.steps & (self.steps - 1) == 0:
            self.watched.change()

    def _credit(self, source: Source, cell: int, first: bool) -> None:
        one = source.taken
        self.model = self.model or one.model
        feed = self.feeds.get(one.loader.number)
        if feed is None:
            if len(self.feeds) >= _MOST_FEEDS:
                return
            feed = self.feeds[one.loader.number] = Feed(one.loader)
        if not any(feed is other for other in one.credited):
            one.credited.append(feed)
            feed.passes += 1
            feed.complete += one.complete  # else it is counted when the pass ends
            feed.batches += one.batches
            if cell in self.cells:
                self.cells[cell].passes += 1
        if source.proven is not None:
            feed.checked += 1
            feed.proven += source.proven
        if first and source.ended:
            feed.after_end += 1
        elif first:
            feed.steps += 1

    def _time(self, current: int) -> None:
        now = time.perf_counter()
        if self.steps == 1:
            self.began = now
        elif current == self.current:
            self.gaps.append(now - self.latest)
        else:  # between two epochs stands the evaluation
            self.between_s += now - self.latest
            self.betweens += 1
        self.latest, self.current = now, current

    @property
    def rate(self) -> float | None:
        """Steps in a second within an epoch, over the last few hundred steps."""
        took = sum(self.gaps)
        return len(self.gaps) / took if took > 0 else None

    def usual_batch(self) -> int | None:
        return max(self.batches, key=lambda size: self.batches[size], default=None)

    def main_feed(self) -> Feed | None:
        return max(self.feeds.values(), key=lambda feed: feed.steps + feed.after_end, default=None)

    def progress(self, run: int, cell: int) -> dict[str, Any]:
        feed = self.main_feed()
        return {
            "run": run,
            "cell": cell,
            "by_hand": self.by_hand,
            "steps": self.steps,
            "steps_in_cell": self.cells[cell].steps if cell in self.cells else 0,
            "passes_in_cell": self.cells[cell].passes if cell in self.cells else 0,
            "steps_per_epoch": self.steps_per_epoch(feed),
            "rate": number(self.rate),
            "between_s": number(self.between_s / self.betweens) if self.betweens else None,
            "elapsed_s": number(self.latest - self.began),
            "loss": number(self.losses.last[1]) if self.losses.last else None,
        }

    def steps_per_epoch(self, feed: Feed | None) -> int | None:
        """The loader's batches, over the backward passes that one step takes where gradients are gathered."""
        if feed is None or not feed.loader.batches or self.steps == 0:
            return None
        taken = feed.batches / max(1, feed.steps + feed.after_end)
        return max(1, round(feed.loader.batches / (round(taken) if taken > 1.5 else 1)))

    def as_json(self, run: int, points: int) -> dict[str, Any]:
        change = self.watched.change() if self.watched is not None else None
        return {
            "number": run,
            "cell": self.cell,
            "by_hand": self.by_hand,
            "optimizer": self.optimizer[:_NAME_CHARS],
            "model": self.model[:_NAME_CHARS],
            "parameters": self.parameters,
            "groups": self.groups,
            "steps": self.steps,
            "backwards": self.backwards,
            "cells": [
                {"cell": cell, "steps": one.steps, "passes": one.passes} for cell, one in self.cells.items()
            ],
            "lr_first": number(self.lr_first),
            "lr_last": number(self.lr_last),
            "lr_least": number(self.lr_least),
            "lr_most": number(self.lr_most),
            "momentum": number(self.momentum),
            "weight_decay": number(self.weight_decay),
            "batch": self.usual_batch(),
            "batch_least": min(self.batches, default=None),
            "batch_most": max(self.batches, default=None),
            "losses": [[step, number(value)] for step, value in self.losses.thinned(points)],
            "losses_seen": self.losses.count,
            "nonfinite": self.nonfinite,
            "steps_per_epoch": self.steps_per_epoch(self.main_feed()),
            "rate": number(self.rate),
            "between_s": number(self.between_s / self.betweens) if self.betweens else None,
            "seconds": number(self.latest - self.began),
            "change": number(change),
            "feeds": [feed.as_json() for feed in self.feeds.values()],
        }
