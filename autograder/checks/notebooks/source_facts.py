"""What a notebook's source says about its training: the words for it.

All of it is read, never run, so all of it is *claimed*: a notebook can compute a name that we can't follow. A
finding says whether it is ``certain``, which means that every name on the way could be followed; what is not
certain is for a human to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a cell, or of a module beside the notebook (then ``file`` is its path and ``cell`` 0)."""

    cell: int
    line: int
    quoted: str = ""
    file: str = ""

    def describe(self) -> str:
        where = self.file or f"cell {self.cell}"
        return f"{where}, line {self.line}: {self.quoted}" if self.quoted else f"{where}, line {self.line}"


class Split(Enum):
    """Which part of a data set a value holds."""

    TRAIN = "train"
    TEST = "test"
    VALID = "validation"  # held out by name, though not the official test set
    ALL = "all"  # not split yet
    BOTH = "train and test together"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DataUse:
    """A data set that the source makes or reads."""

    name: str
    split: Split
    place: Place
    part: bool = False  # a subset or a random part of it


@dataclass(frozen=True, slots=True)
class Setting:
    """A number that was asked for, or None where it can't be followed."""

    value: float | None
    place: Place
    how: str  # the call, the loop or the name that says it


@dataclass(frozen=True, slots=True)
class Named:
    """Something known by its name: an optimizer, a transform, a download, a saved checkpoint."""

    name: str
    place: Place
    certain: bool = True


class LeakKind(Enum):
    """How held-out data got, or seems to have got, where it must not be."""

    TRAINED_ON_TEST = "test data is trained on"
    MIXED = "train and test data are put together"
    TEST_IS_TRAIN = "what is called test holds training data"
    TRAIN_IS_TEST = "what is called train holds test data"
    SELECTED_ON_TEST = "the test data chooses the model or when to stop"  # a note, never a verdict


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding of that kind."""

    kind: LeakKind
    place: Place
    certain: bool
    why: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method that the notebook defines.

    ``reads`` are the splits that it was seen to loop over or to be given; ``trains`` that it was seen to
    update a model.
    """

    name: str
    parameters: tuple[str, ...]
    place: Place
    computes_accuracy: bool = False
    trains: bool = False
    reads: frozenset[Split] = frozenset()


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What was read; each tuple in the order of the notebook, each thing once."""

    frameworks: tuple[str, ...] = ()
    data: tuple[DataUse, ...] = ()
    trained_on: tuple[DataUse, ...] = ()
    epochs: tuple[Setting, ...] = ()
    steps: tuple[Setting, ...] = ()  # loops that train without a loop over the data inside
    batch_sizes: tuple[Setting, ...] = ()
    learning_rates: tuple[Setting, ...] = ()
    optimizers: tuple[Named, ...] = ()
    schedulers: tuple[Named, ...] = ()
    augmentations: tuple[Named, ...] = ()
    pretrained: tuple[Named, ...] = ()
    own_checkpoints: tuple[Named, ...] = ()
    downloads: tuple[Named, ...] = ()
    leaks: tuple[Leak, ...] = ()
    functions: tuple[Function, ...] = ()
    hard_coded: tuple[Named, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def accuracy_functions(self) -> tuple[Function, ...]:
        """The functions that compute an accuracy, the likeliest for test accuracy first."""
        found = [one for one in self.functions if one.computes_accuracy]
        return tuple(sorted(found, key=lambda one: (Split.TEST not in one.reads, one.trains)))

    def certain_leaks(self, *kinds: LeakKind) -> tuple[Leak, ...]:
        """The certain findings, of these kinds if any are named."""
        return tuple(leak for leak in self.leaks if leak.certain and (not kinds or leak.kind in kinds))
