"""The series of accuracies and losses that a notebook's outputs hold, cell by cell.

A line says a value; its epoch, the part of the data it is about and whether 1.0 is all or one in a hundred
may stand above it, in the cell's source, or in the other values of its series. What stays unclear is left
out, or marked: nobody should lose a point, or win one, to a number that was read wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from autograder.checks.notebooks.bare import Naming
from autograder.checks.notebooks.found import Pace, Point, Quantity, Reading, Series, Split, SplitFrom
from autograder.checks.notebooks.lines import Block, Line, budgets_of, lines_of
from autograder.checks.notebooks.marks import marks_of
from autograder.checks.notebooks.measures import Measure, measures_in
from autograder.checks.notebooks.tables import (
    Column,
    Row,
    cells_of_line,
    header_of,
    is_rule,
    row_of,
    rows_of_html,
)
from autograder.checks.notebooks.words import word
from autograder.loaders.notebook import Cell, Notebook

MOST_POINTS = 200_000
HEADED_LINES = 3  # so many lines a heading such as "Test Error:" speaks for

_NOT_OUTPUT = re.compile(r"\b\w*Warning:|^\s*(?:File \"|Traceback )")
_HEADING_WORD = re.compile(r"[^\W\d_]+")
_OTHER_K = re.compile(
    r"top_?k\w*[^\n]{0,80}\bk\s*=\s*(?!5\b)\d|\bk\s*=\s*(?!5\b)\d[^\n]{0,80}top_?k", re.IGNORECASE
)
_FILLERS = frozenset(
    "on the a of set data dataset images results result evaluation evaluating checking accuracy error phase "
    "performance metrics summary loop mode report scores for evaluate".split()
)


@dataclass(frozen=True, slots=True)
class _Value:
    """One measure with its surroundings, before its scale is settled."""

    measure: Measure
    split: Split
    split_from: SplitFrom
    pace: Pace
    cell: int
    line: str
    place: int
    epoch: int | None
    step: int | None
    running: bool

    @property
    def key(self) -> tuple[object, ...]:
        one = self.measure
        return (self.cell, one.quantity, self.split, one.label, self.pace, self.running, one.best)


def read_series(notebook: Notebook) -> tuple[Series, ...]:
    """Every series of accuracy, top-5 accuracy, error rate and loss, in the order of their first values."""
    naming, budgets = Naming(notebook), budgets_of(notebook)
    values: list[_Value] = []
    for cell in notebook.cells:
        if cell.kind == "code" and cell.outputs and len(values) < MOST_POINTS:
            values.extend(_Reader(cell, naming, len(values)).read(budgets[cell.number]))
    if any(_OTHER_K.search(cell.source[:200_000]) for cell in notebook.cells if cell.kind == "code"):
        values = [value for value in values if not re.search(r"top_?k", value.measure.label)]
    return tuple(_series(values))


def final_accuracy(series: Iterable[Series], *splits: Split) -> Reading | None:
    """The last accuracy that was printed of the first of ``splits`` that any was printed of.

    "Final" is where the notebook ends: the last value in the order of the cells, not the best. Left out are
    averages over an epoch that goes on, values within an epoch and those printed as the best so far, unless
    nothing else of the split is there. A rate of errors counts as the accuracy it leaves.
    """
    return _chosen(series, splits, best=False)


def best_accuracy(series: Iterable[Series], *splits: Split) -> Reading | None:
    """The highest accuracy that was printed of the first of ``splits`` that any was printed of; the first."""
    return _chosen(series, splits, best=True)


def _chosen(series: Iterable[Series], splits: tuple[Split, ...], *, best: bool) -> Reading | None:
    series = list(series)
    for split in splits or ("test",):
        of_split = [one for one in series if one.split == split and one.quantity in ("accuracy", "error")]
        whole = [one for one in of_split if not one.running and one.pace != "step"]
        final = [one for one in whole if best or not one.best]
        for kept in (final, whole, of_split):
            readings = [_reading(one, point) for one in kept for point in one.points]
            if readings and best:
                return max(readings, key=lambda reading: (reading.value, -reading.point.place))
            if readings:
                return max(readings, key=lambda reading: reading.point.place)
    return None


def _reading(series: Series, point: Point) -> Reading:
    value = 1 - point.value if series.quantity == "error" else point.value
    return Reading(value, series.split, point, series)


class _Reader:
    """One cell being read, from its first output to its last."""

    def __init__(self, cell: Cell, naming: Naming, place: int) -> None:
        self._cell, self._naming, self._place = cell, naming, place
        self._epoch: int | None = None
        self._heading: Split = "unknown"
        self._headed = 0  # lines for which the heading still speaks
        self._header: tuple[Column, ...] | None = None
        self._columns_before: list[str] = []
        self._last_split: Split = "unknown"
        self._by_source: Split | None = None
        self._values: list[_Value] = []

    def read(self, most: int) -> list[_Value]:
        for item in lines_of(self._cell, most):
            if isinstance(item, Block):
                self._html(item)
            elif item.text.strip() and not _NOT_OUTPUT.search(item.shown):
                self._line(item)
        return self._values

    def _html(self, block: Block) -> None:
        header: tuple[Column, ...] | None = None
        first = True
        for cells in rows_of_html(block.html):
            if not cells:
                header, first = None, True
                continue
            row = row_of(header, cells) if header else None
            if row is not None:
                self._row(row)
            elif first or (header is None and header_of(cells, plain=False)):
                header, first = header_of(cells, plain=False), False
            if len(cells) == 2 and header is None and re.search(r"[^\W\d_]", cells[0]):
                self._line(Line(block.cell, f"{cells[0]}: {cells[1]}", f"{cells[0]}: {cells[1]}"[:300]))

    def _row(self, row: Row) -> None:
        pace: Pace = "step" if row.step is not None and row.epoch is None else "epoch"
        for measure in row.measures:
            self._add(measure, Line(self._cell.number, "", row.shown), pace, row.epoch, row.step)

    def _line(self, line: Line) -> None:
        if self._table_line(line):
            return
        marks = marks_of(line.text)
        if marks.epoch is not None:
            self._epoch = marks.epoch
        step = marks.step if marks.step is not None else line.step
        found = measures_in(marks.rest)
        epoch = self._epoch
        if not found:
            found, said = self._naming.measures(self._cell, line.text, result=line.result)
            epoch = said if said is not None else epoch
        if not found:
            self._head(line.text)
            return
        pace: Pace = "epoch" if epoch is not None else "unknown"
        if marks.part and not line.bar:
            pace = "step"
        for measure in self._with_star(line, found):
            kept = "list" if measure.listed else pace
            self._add(measure, line, kept, epoch, step)
        self._headed -= 1

    def _with_star(self, line: Line, found: list[Measure]) -> list[Measure]:
        """`` * Acc@1 69.7`` sums up the lines above it."""
        said = [measure.split for measure in found if measure.split != "unknown"]
        if line.text.lstrip().startswith("* ") and not said and self._last_split in ("test", "valid"):
            found = [replace(measure, split=self._last_split) for measure in found]
        if said:
            self._last_split = said[-1]
        return found

    def _table_line(self, line: Line) -> bool:
        if line.bar or len(line.text) > 1_000:
            return False
        if is_rule(line.text):
            return True
        cells = cells_of_line(line.text)
        if self._header is not None:
            row = row_of(self._header, cells)
            if row is not None and (row.epoch is not None or row.step is not None):
                self._row(row)
                return True
        self._header = header_of(cells, plain=True)
        return self._header is not None

    def _head(self, text: str) -> None:
        """A line without a value may say what the next ones are about: "Test Error:", "-- Validation --"."""
        if len(text) > 120:
            return
        words = [found.lower() for found in _HEADING_WORD.findall(text)]
        splits = {split for one in words if (split := word(one).split)}
        others = [one for one in words if not word(one).split and one not in _FILLERS]
        verb = {"training", "trained", "train", "testing"} & set(words) and len(words) > 1
        if len(splits) == 1 and not others and len(words) <= 8 and not verb:
            self._heading, self._headed = next(iter(splits)), HEADED_LINES
        elif words and (others or splits):
            self._headed = 0

    def _add(self, measure: Measure, line: Line, pace: Pace, epoch: int | None, step: int | None) -> None:
        split, split_from = self._split(measure, line)
        running = measure.running or line.bar or (pace == "step" and measure.quantity != "loss")
        self._values.append(
            _Value(
                measure,
                split,
                split_from,
                pace,
                self._cell.number,
                line.shown,
                self._place + len(self._values),
                epoch,
                step,
                running,
            )
        )

    def _split(self, measure: Measure, line: Line) -> tuple[Split, SplitFrom]:
        if measure.split != "unknown":
            return measure.split, "label"
        if self._headed > 0:
            return self._heading, "heading"
        said = line.text.lower()
        if line.bar:
            return ("unknown", "") if "eval" in said else ("train", "bar")
        if "val_" in said and re.search(rf"(?<![a-z])val_{re.escape(measure.label)}\b", said):
            return "train", "label"  # Keras: loss, accuracy, val_loss, val_accuracy
        if self._by_source is None:
            self._by_source = self._naming.split_of(self._cell.number)
        return self._by_source, "source" if self._by_source != "unknown" else ""


def _series(values: list[_Value]) -> Iterator[Series]:
    groups: dict[tuple[object, ...], list[_Value]] = {}
    for value in values:
        groups.setdefault(value.key, []).append(value)
    percents = _percent_labels(values)
    for group in groups.values():
        one = group[0]
        points, doubt = _points(group, percents)
        if points:
            pace: Pace = "once" if one.pace == "unknown" and len(points) == 1 else one.pace
            measure = one.measure
            yield Series(
                measure.quantity,
                one.split,
                one.split_from,
                measure.label,
                pace,
                tuple(points),
                one.running,
                measure.best,
                doubt,
            )


def _percent_labels(values: list[_Value]) -> set[tuple[Quantity, str]]:
    """The labels under which some bare value is greater than 1: all that stands under them is in per cent."""
    return {
        (value.measure.quantity, value.measure.label)
        for value in values
        if value.measure.unit != "counts" and value.measure.quantity != "loss" and value.measure.number > 1
    }


def _points(group: list[_Value], percents: set[tuple[Quantity, str]]) -> tuple[list[Point], str]:
    measure = group[0].measure
    in_percent = (measure.quantity, measure.label) in percents
    doubt = ""
    points = []
    for value in group:
        number, unit = value.measure.number, value.measure.unit
        if measure.quantity != "loss" and unit != "counts":
            if unit == "percent" and not in_percent and 0 < number < 1 and value.measure.decimals >= 2:
                doubt = "printed below 1 with a percent sign; taken as fractions"
            elif unit == "percent" or in_percent:
                number = round(number / 100, value.measure.decimals + 2)  # 99.12 % is 0.9912 and no bit more
        points.append(
            Point(
                number,
                value.cell,
                value.line,
                value.place,
                value.epoch,
                value.step,
                value.measure.right,
                value.measure.of,
            )
        )
    return points, doubt
