"""What reading a notebook's outputs finds; every value says which cell it stands in.

A value that was printed is worth what a print is worth: of a notebook that was handed in it is a claim, of
one that we ran it was measured. The reader doesn't know which; whoever calls it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantity = Literal["accuracy", "top5", "error", "loss"]
Split = Literal["train", "test", "valid", "unknown"]
# How the split is known: the line's own words, a heading above it, the cell's source, a training loop's
# progress bar (which shows the batch that was just trained on), or not at all.
SplitFrom = Literal["label", "heading", "source", "bar", ""]
PlotKind = Literal["curve", "images", "other", "unknown"]
Pace = Literal["epoch", "step", "once", "list", "unknown"]


@dataclass(frozen=True, slots=True)
class Point:
    """One value. ``epoch`` and ``step`` are as printed: some count from 0, and a resumed run counts again."""

    value: float  # accuracies and errors as a fraction of 1
    cell: int
    line: str  # what it was read from, cleaned
    place: int  # counts all points of the notebook in the order in which they were printed
    epoch: int | None = None
    step: int | None = None
    right: int | None = None  # so many images were classified right …
    of: int | None = None  # … of so many


@dataclass(frozen=True, slots=True)
class Series:
    """The values that one cell printed under one label."""

    quantity: Quantity
    split: Split
    split_from: SplitFrom
    label: str
    pace: Pace
    points: tuple[Point, ...]
    running: bool = False  # an average over an epoch that goes on, as beside a progress bar
    best: bool = False  # printed as the best so far
    doubt: str = ""  # why the values may be other than they read

    @property
    def cell(self) -> int:
        return self.points[0].cell

    @property
    def last(self) -> Point:
        return self.points[-1]


@dataclass(frozen=True, slots=True)
class Reading:
    """One value out of a series, and where it comes from."""

    value: float
    split: Split
    point: Point
    series: Series


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """A number of parameters that a cell printed."""

    value: int
    kind: Literal["total", "trainable", "frozen"]
    exact: bool  # False where it was printed rounded, such as 9.8K
    by: Literal["summary", "print", "result"]  # a summary's table, a print, the value of a last expression
    cell: int
    line: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture among the outputs. What the source says of it is None where the source can't be told."""

    cell: int
    width: int  # 0 where it can't be read: ``problem`` says why
    height: int
    blank: bool
    kind: PlotKind
    axes_labelled: bool | None
    titled: bool | None
    legend: bool | None
    shows: tuple[str, ...] = ()  # "loss", "accuracy", "confusion matrix": as the source's words say
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CellError:
    """An exception among the outputs."""

    cell: int
    name: str
    message: str
    interrupted: bool  # by the student, or a deadline


@dataclass(frozen=True, slots=True)
class Execution:
    """Whether the notebook was run, as far as its outputs can tell."""

    code_cells: int  # that hold code
    with_outputs: tuple[int, ...]
    missing: tuple[int, ...]  # cells whose source prints, plots or ends in a value, and that have no output
    errors: tuple[CellError, ...]
    never_run: bool  # no output and no count anywhere
    counted: bool  # some execution_count is there
    uncounted: tuple[int, ...]  # cells with code and without a count, where others have one
    out_of_order: tuple[int, ...]  # cells whose count is lower than that of a cell above them
    reran: bool  # counts have gaps, or don't begin with 1: cells were run more than once
    notes: tuple[str, ...] = ()

    @property
    def has_outputs(self) -> bool:
        return bool(self.with_outputs)

    @property
    def everything_ran(self) -> bool:
        """Nothing speaks against it."""
        return not (self.never_run or self.missing or self.errors or self.uncounted)
