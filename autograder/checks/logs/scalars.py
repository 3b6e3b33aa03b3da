"""TensorBoard's scalars as epochs. A step is an epoch or a batch; the evaluations say which."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from autograder.checks.logs.columns import Column, column_of, columns_of
from autograder.checks.logs.entries import Entry, Number, entry_of_row
from autograder.checks.logs.events import Scalar, scalars_of
from autograder.checks.logs.records import split_of_folder
from autograder.checks.notebooks.found import Split

MOST_TAGS = 1_000
MOST_POINTS = 400_000
_DECIMALS = 7  # of a 32-bit float
_TAGS = (("epoch_accuracy", "accuracy"), ("epoch_loss", "loss"))  # Keras, with the split in the folder's name


@dataclass(frozen=True, slots=True)
class Point:
    column: Column
    split: Split
    scalar: Scalar


def group_of(path: str) -> str:
    """Event files of one run: Keras writes train/ and validation/, add_scalars a folder for each curve."""
    folder = path.rpartition("/")[0]
    parent, _, own = folder.rpartition("/")
    column = column_of(own.replace("_", " "))
    if split_of_folder(own) != "unknown" or column.kind == "value":
        return parent
    return folder


def entries_of_events(files: Mapping[str, bytes]) -> list[Entry]:
    """The entries of the event files of one run. Raises Malformed."""
    points: list[Point] = []
    epochs_said: dict[int, int] = {}
    for path, data in files.items():
        own = path.rpartition("/")[0].rpartition("/")[2]
        folder = split_of_folder(own)
        columns: dict[str, tuple[Column, Split]] = {}
        for scalar in scalars_of(data, path):
            if scalar.tag not in columns and len(columns) < MOST_TAGS:
                columns[scalar.tag] = _column(scalar.tag, own, folder)
            column, split = columns.get(scalar.tag, (Column("other", ""), "unknown"))
            if column.kind == "epoch" and 0 <= scalar.value < 100_000:
                epochs_said[scalar.step] = int(scalar.value)
            elif column.kind in ("value", "rate", "seconds") and len(points) < MOST_POINTS:
                points.append(Point(column, split, scalar))
    return _entries(_with_splits(points), epochs_said)


def _column(tag: str, own: str, folder: Split) -> tuple[Column, Split]:
    for keras, plain in _TAGS:
        if tag.startswith(keras):
            tag = plain + tag[len(keras) :]
    column = column_of(tag)
    if column.kind == "other" and (named := column_of(own.replace("_", " "))).kind == "value":
        column = named  # add_scalars("Loss", {"train": ...}) writes the folder Loss_train
    return column, column.split if column.split != "unknown" else folder


def _with_splits(points: list[Point]) -> list[Point]:
    """``accuracy`` beside ``val_accuracy`` is the training's, as in a table."""
    tags = list(dict.fromkeys(point.column.label for point in points))
    told = {column.label: column.split for column in columns_of(tags)}
    return [
        replace(point, split=told.get(point.column.label, "unknown")) if point.split == "unknown" else point
        for point in points
    ]


def _entries(points: list[Point], said: Mapping[int, int]) -> list[Entry]:
    points.sort(key=lambda point: (point.scalar.wall_time, point.scalar.record))
    ends = _ends(points)
    number = _numbering(ends, said)
    entries = []
    for point in points:
        scalar = point.scalar
        at = min(bisect.bisect_left(ends, scalar.step), len(ends) - 1) if ends else 0
        epoch = said.get(scalar.step, number[ends[at]]) if ends else said.get(scalar.step, scalar.step)
        if ends and scalar.step > ends[-1] and point.split == "train" and scalar.step not in said:
            continue  # after the last evaluation: an epoch that never ended
        entry = entry_of_row(
            [replace(point.column, split=point.split)], [Number(scalar.value, _DECIMALS)], scalar.record
        )
        if entry is not None or point.column.kind != "value":
            entries.append(_made(entry, epoch, point))
    return entries


def _made(entry: Entry | None, epoch: int, point: Point) -> Entry:
    scalar, kind = point.scalar, point.column.kind
    return replace(
        entry or Entry(scalar.record),
        epoch=max(epoch, 0),
        clock=scalar.wall_time or None,
        learning_rate=scalar.value if kind == "rate" else None,
        seconds=scalar.value if kind == "seconds" and scalar.value > 0 else None,
        row=False,
    )


def _ends(points: Iterable[Point]) -> list[int]:
    """The steps at which something was evaluated; without any, all steps."""
    evaluated = {
        point.scalar.step
        for point in points
        if point.column.kind == "value"
        and point.split in ("valid", "test")
        and point.column.quantity != "loss"
    }
    return sorted(evaluated or {point.scalar.step for point in points if point.column.kind == "value"})


def _numbering(ends: list[int], said: Mapping[int, int]) -> dict[int, int]:
    """Steps that follow each other are epochs; others are counted."""
    if said:
        known = sorted(said)
        return {end: said[known[max(bisect.bisect_right(known, end) - 1, 0)]] for end in ends}
    if ends and ends[0] in (0, 1) and ends[-1] - ends[0] < 4 * len(ends):
        return {end: end for end in ends}
    return {end: place for place, end in enumerate(ends)}
