"""For how many epochs a network was really trained, by the batches that its steps took.

A training may be spread: over two optimizers, over cells, over a loop that is run twice. What counts is the
network, so all its runs are added up. What isn't a training of it is left out: another network's runs, those
of one that was made anew, and the few steps that search for a learning rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from autograder.checks.initial_weights import random_start
from autograder.checks.statistics import Standing
from autograder.sandbox.training import Feed, Training, TrainingRun
from autograder.sandbox.training_weights import Begun

# What may be too much, in epochs. Half of one is room for a search of the learning rate or a trial of the
# loop; nine tenths of one are an epoch that was left before its end.
_ROOM, _ONE_MORE = 0.5, 0.9
_SEARCH = 3.0  # epochs that a cell may take to search a learning rate: 100 steps of large batches
_LATE = 0.02  # of a run's steps, above which batches were kept and used again after their pass
_TWO_LOADERS = 1.05  # steps that loaders fed, over steps made: each was fed by two at once
_LARGER = 1.1  # times the training set: more than a last batch that isn't full
_SEARCHES = re.compile(
    r"lr_?(?:range_?)?(?:find|test)|range_test|find_lr|learning_?rate_?finder", re.IGNORECASE
)


def searches_rate(source: str) -> bool:
    """Whether a cell's source looks as if it searched for a learning rate."""
    return _SEARCHES.search(source) is not None


@dataclass(frozen=True, slots=True)
class RunEpochs:
    """One run's part of a network's training; ``epochs`` is None where they can't be told."""

    run: TrainingRun
    epochs: float | None
    searched: float  # more epochs, that went into a search of the learning rate and aren't counted


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """All that was seen of one network's training.

    ``sure``: that all the runs were of this one network. ``images``: that one pass served, at most.
    """

    model: str
    runs: tuple[RunEpochs, ...]
    sure: bool
    images: int | None

    @property
    def epochs(self) -> float | None:
        known = [one.epochs for one in self.runs if one.epochs is not None]
        return sum(known) if len(known) == len(self.runs) else None

    @property
    def least(self) -> float | None:
        """The epochs that are sure: of one run alone, where the runs may be of several networks."""
        known = [one.epochs for one in self.runs if one.epochs is not None]
        return self.epochs if self.sure else max(known, default=None)

    @property
    def searched(self) -> float:
        return sum(one.searched for one in self.runs)

    @property
    def steps(self) -> int:
        return sum(one.run.steps for one in self.runs)

    @property
    def told(self) -> str:
        """Such as "15 epochs (7,035 steps): 10 in cell 7 and 5 in cell 9"."""
        epochs, told = self.epochs, f"{self.steps:,} steps"
        if epochs is not None:
            told = f"{_number(epochs)} epoch{'' if _number(epochs) == '1' else 's'} ({told})"
        parts = [one for one in self.runs if one.epochs is not None]
        if len(parts) > 1:
            named = [f"{_number(one.epochs or 0.0)} in cell {one.run.cell}" for one in parts[:6]]
            told += ": " + ", ".join(named[:-1]) + f" and {named[-1]}" + (", …" if len(parts) > 6 else "")
        return told


def epochs_of(
    training: Training, *, images: int | None = None, search_cells: Collection[int] = ()
) -> tuple[TrainedNetwork, ...]:
    """Each network's training, in the order of their beginnings.

    ``images``: of an epoch, for trainings that no loader feeds. ``search_cells``: those that search for a
    learning rate.
    """
    chains: list[tuple[list[TrainingRun], bool]] = []
    for run, fresh in _starts(training):
        chain = next((one for one, _ in reversed(chains) if one[-1].model == run.model), None)
        if chain is None or fresh is True:
            chains.append(([run], True))
            continue
        chain.append(run)
        if fresh is None:
            chains = [(one, sure and one is not chain) for one, sure in chains]
    return tuple(_network(training, chain, sure, images, search_cells) for chain, sure in chains)


def _starts(training: Training) -> Iterator[tuple[TrainingRun, bool | None]]:
    """Each run that trains, and whether its network was fresh: True, False, or None for unknown."""
    begun, used = training.beginnings, set[int]()
    before = 0
    for run in sorted(training.runs, key=lambda each: each.number):
        at = _beginning_of(run, before, begun, used)
        before += run.steps
        if not run.trains:
            continue
        if at is not None:
            used.add(at)
            start = random_start(begun[at].tensors)
            yield run, start is None or not start.certain
        else:
            # A network begins once, so one that began before is trained on.
            earlier = any(begun[one].model == run.model for one in used)
            yield run, False if earlier and run.model else _fresh_by_loss(training, run)


def _beginning_of(run: TrainingRun, before: int, begun: Sequence[Begun], used: Collection[int]) -> int | None:
    """Which of the beginnings is this run's: the one after as many steps, else the next in its cell."""
    same = [at for at, one in enumerate(begun) if one.model == run.model and at not in used]
    exactly = [at for at in same if begun[at].steps == before]
    return next(iter(exactly or [at for at in same if begun[at].cell == run.cell]), None)


def _fresh_by_loss(training: Training, run: TrainingRun) -> bool | None:
    """A network that is trained on begins near the loss that it had; a fresh one where it began at first."""
    earlier = [one for one in training.runs if one.number < run.number and one.model == run.model]
    earlier = [one for one in earlier if one.trains and one.losses]
    if not earlier or not run.losses:
        return None
    first, last, now = earlier[-1].losses[0].loss, earlier[-1].losses[-1].loss, run.losses[0].loss
    if first <= last:
        return None
    fallen = (now - last) / (first - last)  # 0 where it ended, 1 where it began
    return True if fallen > 0.7 else False if fallen < 0.3 else None


def _network(
    training: Training,
    runs: Sequence[TrainingRun],
    sure: bool,
    images: int | None,
    search_cells: Collection[int],
) -> TrainedNetwork:
    served = [count for run in runs for count in _served(training, run)]
    parts = tuple(_part(run, _passes(training, run, images), search_cells) for run in runs)
    return TrainedNetwork(runs[-1].model, parts, sure, max(served, default=None))


def _part(run: TrainingRun, epochs: float | None, search_cells: Collection[int]) -> RunEpochs:
    if epochs is None or not run.steps:
        return RunEpochs(run, epochs, 0.0)
    each = [epochs * one.steps / run.steps for one in run.cells if one.cell in search_cells]
    searched = sum(one for one in each if one <= _SEARCH)
    return RunEpochs(run, epochs - searched, searched)


def _passes(training: Training, run: TrainingRun, images: int | None) -> float | None:
    """For how many epochs a run trained: its batches over those that a pass has."""
    feeds = [feed for feed in run.feeds if feed.steps + feed.after_end and (feed.proven or not feed.checked)]
    if sum(feed.steps + feed.after_end for feed in feeds) > _TWO_LOADERS * run.steps:
        feeds = [max(feeds, key=lambda feed: feed.steps + feed.after_end)]
    passes = [_passes_of(training, feed) for feed in feeds]
    fed = sum(feed.steps + feed.after_end for feed in feeds)
    if passes and None not in passes and fed:
        # A step that no loader is known to have fed is taken for one like the others.
        return sum(one or 0.0 for one in passes) * max(1.0, run.steps / fed)
    if images and run.batch:
        return max(run.steps, run.backwards) * run.batch / images
    return None


def _passes_of(training: Training, feed: Feed) -> float | None:
    loader = training.loader(feed.loader)
    if loader is None or not loader.batches:  # a stream has no length: its passes are all there is
        return float(feed.passes) if feed.passes else None
    taken = feed.batches
    if feed.after_end > _LATE * (feed.steps + feed.after_end):
        taken = max(taken, feed.steps + feed.after_end)
    return taken / loader.batches


def _served(training: Training, run: TrainingRun) -> Iterator[int]:
    """How many images one pass over each of the run's loaders serves, where that is known."""
    for feed in run.feeds:
        loader = training.loader(feed.loader)
        if loader is not None and loader.batches and loader.batch and feed.steps + feed.after_end:
            yield loader.batches * loader.batch


def _number(epochs: float) -> str:
    """15 or 15.2, and never 16 for 15.96."""
    nearest = round(epochs)
    return f"{nearest:,}" if abs(epochs - nearest) < 0.02 else f"{math.floor(10 * epochs) / 10:,.1f}"


# --- held against what is allowed ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EpochsJudged:
    """Whether a training kept to the epochs that are allowed; ``staff`` is what a human should look at."""

    standing: Standing
    told: str
    staff: str = ""


def judge_epochs(trained: TrainedNetwork | None, allowed: int, *, images: int | None = None) -> EpochsJudged:
    """Whether the network was trained for at most so many epochs, of ``images`` each where that is said."""
    if trained is None:
        told = "No training was seen, so its epochs could not be counted."
        return EpochsJudged(Standing.TOO_CLOSE, told, told)
    if trained.epochs is None or trained.least is None:
        told = f"The network was trained for {trained.told}; how many epochs that is can't be told."
        return EpochsJudged(Standing.TOO_CLOSE, told, told)
    told = f"The network was trained for {trained.told}, and {allowed} are allowed."
    staff = _for_staff(trained, allowed, images)
    if trained.epochs <= allowed + _ROOM:
        return EpochsJudged(Standing.MET, told, staff)
    if trained.least >= allowed + _ONE_MORE:
        told += " A training that goes on, in another cell or with another optimizer, is the same training."
        return EpochsJudged(Standing.NOT_MET, told, staff)
    if trained.least < trained.epochs:
        why = "The runs may be of several networks, each made anew"
    else:
        why = "What is more than that may be a search for a learning rate, or a trial"
    return EpochsJudged(Standing.TOO_CLOSE, told, f"{told} {why}. {staff}".strip())


def _for_staff(trained: TrainedNetwork, allowed: int, images: int | None) -> str:
    told = []
    if trained.searched:
        told.append(
            f"{_number(trained.searched)} epochs, in a cell that searches for a learning rate, do not count."
        )
    if images and trained.images and trained.images > _LARGER * images:
        told.append(
            f"One pass of its loader serves {trained.images:,} images, and the training set has {images:,}: "
            f"what counts as one epoch of {allowed} is more than one."
        )
    return " ".join(told)
