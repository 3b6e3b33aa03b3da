"""What one line, one row or one record of a log says, before lines are joined to epochs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.logs.columns import Column
from autograder.checks.notebooks.found import Split
from autograder.checks.notebooks.measures import Measure, Unit

MOST_EPOCH = 100_000
MOST_LOSS = 1e9
MOST_SECONDS = 1e8  # three years

_NUMBER = re.compile(r"([-+]?(?:\d{1,15}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?)\s?(%?)")
_HOURS = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d\d(?:\.\d{1,6})?)")


@dataclass(frozen=True, slots=True)
class Part:
    """``done`` of ``total`` batches (or images) of a pass."""

    done: int
    total: int

    @property
    def complete(self) -> bool:
        return self.done >= self.total - 1

    @property
    def mostly(self) -> bool:
        return self.done * 2 > self.total


@dataclass(frozen=True, slots=True)
class Entry:
    line: int
    values: tuple[Measure, ...] = ()
    epoch: int | None = None
    part: Part | None = None
    step: int | None = None
    seconds: float | None = None
    clock: float | None = None
    learning_rate: float | None = None
    planned: int | None = None
    row: bool = False  # of a table: a second one of an epoch is the epoch run again
    closes: bool = False  # "finished epoch 3": the number of what stands above
    boundary: bool = False  # begins an epoch whose number isn't known
    averages: bool = False  # of the average of the weights (EMA)


@dataclass(frozen=True, slots=True)
class Number:
    """A cell's number with its decimals as they were written."""

    value: float
    decimals: int
    percent: bool = False


def number_of(cell: str, *, comma: bool = False) -> Number | None:
    """What a cell says; ``comma``: decimals stand behind one. None for words, NaN and what is no number."""
    text = cell.strip("*`_ \t\"'")
    if len(text) > 60:
        return None
    if comma and "," in text:
        text = text.replace(".", "").replace(",", ".", 1)
    found = _NUMBER.fullmatch(text)
    if not found or not math.isfinite(value := float(found[1])):
        return None
    return Number(value, decimals_of(found[1]), bool(found[2]))


def decimals_of(digits: str) -> int:
    """Places behind the point; 1.25e-1 has three."""
    mantissa, _, exponent = digits.lower().partition("e")
    return max(len(mantissa.partition(".")[2]) - int(exponent or 0), 0)


def as_written(value: float) -> Number:
    """A number out of JSON or a binary file, with the decimals of its shortest spelling."""
    return Number(float(value), decimals_of(repr(float(value)).removesuffix(".0")))


def entry_of_row(
    columns: Sequence[Column], numbers: Sequence[Number | None], line: int, *, split: Split = "unknown"
) -> Entry | None:
    """One row under its head; None where it holds nothing that is about an epoch."""
    epoch = step = seconds = clock = rate = None
    values = []
    for column, number in zip(columns, numbers, strict=False):
        if number is None:
            continue
        value = number.value
        if column.kind == "epoch":
            # Hugging Face's trainer counts in fractions: 2.75 is in the third, 3.0 the third's end.
            epoch = math.ceil(value - 1e-6) if 0 <= value <= MOST_EPOCH else None
        elif column.kind == "step":
            step = int(value) if 0 <= value < 1e12 else None
        elif column.kind == "seconds":
            seconds = value if 0 < value < MOST_SECONDS else None
        elif column.kind == "clock":
            clock = value if 0 < value < 1e11 else None
        elif column.kind == "rate":
            rate = value if 0 <= value < 1e6 else None
        elif column.kind == "value" and (measure := _measure(column, number, split)):
            values.append(measure)
    if not values and epoch is None:
        return None
    if step is not None:
        seconds = None  # of a step
    return Entry(line, tuple(values), epoch, None, step, seconds, clock, rate, row=step is None)


def _measure(column: Column, number: Number, split: Split) -> Measure | None:
    quantity = column.quantity
    if quantity is None or abs(number.value) > MOST_LOSS:
        return None
    if quantity != "loss" and not 0 <= number.value <= 100:
        return None
    percent = number.percent or column.percent
    unit: Unit = "percent" if percent and quantity != "loss" else "bare"
    said = column.split if column.split != "unknown" else split
    return Measure(quantity, said, column.label, number.value, unit, number.decimals, running=column.running)


def seconds_of(text: str) -> float | None:
    """``14:32``, ``1:02:03`` in seconds."""
    found = _HOURS.fullmatch(text)
    if not found:
        return None
    return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])
