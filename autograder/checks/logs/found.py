"""What reading a training log finds. All of it is claimed: whoever trained could have written anything.

Accuracies are shares of 1, rates of errors have become accuracies, and each epoch names the line that it was
read from. What is suspicious about a log is told in sentences for staff; no sentence is a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from autograder.checks.notebooks.found import Split

Weight = Literal["weak", "moderate", "strong"]
HintKind = Literal[
    "dataset", "classes", "batch size", "train images", "images", "pretrained", "resumed", "hardware", "gpus"
]


@dataclass(frozen=True, slots=True)
class LoggedEpoch:
    """One epoch as the log has it, from the last time that it was run; ``number`` as printed."""

    number: int
    line: int
    train_loss: float | None = None
    train_top1: float | None = None
    train_top5: float | None = None
    loss: float | None = None  # on the images that ``top1`` is about
    top1: float | None = None
    top5: float | None = None
    test_top1: float | None = None  # where the log tells a validation set and a test set apart
    correct: int | None = None  # the counts behind ``top1``, where they were printed
    total: int | None = None
    digit: float | None = None  # what one in the last printed place of ``top1`` is worth, as a share
    averaged: bool = False  # ``top1`` is the running average beside a bar or a batch, and no summary's
    also: tuple[float, ...] = ()  # other accuracies that it has: of averaged weights, of other crops
    seconds: float | None = None
    clock: float | None = None  # when its last line was printed, in seconds since some fixed moment
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Images:
    """How many images a set has: exactly, or between two bounds where batches were counted."""

    low: int
    high: int
    how: str
    line: int = 0

    @property
    def exact(self) -> int | None:
        return self.low if self.low == self.high else None

    def holds(self, number: int) -> bool:
        return self.low <= number <= self.high


@dataclass(frozen=True, slots=True)
class Hint:
    """A line that says something about the run: a path, a number of classes, a GPU's name."""

    kind: HintKind
    text: str
    number: int
    line: int


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that reading came across and that a person should know."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first values of a run: the loss of its first batches, an evaluation before its first epoch."""

    line: int
    loss: float | None = None
    top1: float | None = None
    step: int | None = None


@dataclass(frozen=True)
class TrainingLog:
    """One run. A file may hold several, and a run may stand in several files."""

    path: str
    format: str
    epochs: tuple[LoggedEpoch, ...]
    run: int = 1  # which one of its file
    split: Split = "unknown"  # what ``top1`` was counted on, as the log calls it
    images: Images | None = None  # of that set
    train_images: Images | None = None
    classes: int | None = None
    final_test: float | None = None  # the last accuracy that is said to be of a test set
    wall_s: float | None = None
    resumed_from: tuple[int, ...] = ()  # epochs at which the run began again
    planned: int | None = None  # epochs, as "3/15" says it
    batches: tuple[int, int] | None = None  # of an epoch's training, and of an evaluation
    beginning: Beginning | None = None
    hints: tuple[Hint, ...] = ()
    oddities: tuple[Oddity, ...] = ()
    notes: tuple[str, ...] = ()  # how what was unclear was taken

    @cached_property
    def evaluated(self) -> tuple[LoggedEpoch, ...]:
        return tuple(epoch for epoch in self.epochs if epoch.top1 is not None)

    @property
    def best(self) -> LoggedEpoch | None:
        """The first epoch with the highest top-1 accuracy."""
        return max(self.evaluated, key=lambda one: (one.top1 or 0.0, -one.number), default=None)

    @property
    def last(self) -> LoggedEpoch | None:
        """The last epoch that was evaluated."""
        return self.evaluated[-1] if self.evaluated else None

    @property
    def epochs_run(self) -> int:
        return len(self.epochs)

    def hinted(self, kind: HintKind) -> tuple[Hint, ...]:
        return tuple(hint for hint in self.hints if hint.kind == kind)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A sentence for staff, the line that it is about (0: the whole log), how much it weighs, its kind."""

    text: str
    line: int
    weight: Weight
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An accuracy that a file tells without any training: a share, and its line."""

    path: str
    top1: float
    line: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could have been a log and was not read."""

    path: str
    why: str
