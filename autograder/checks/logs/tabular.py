"""CSV of a training: Lightning's ``metrics.csv``, timm's ``summary.csv``, Keras' CSVLogger, a spreadsheet's.

Any delimiter is taken, and decimals behind a comma. Lightning writes what it learns about an epoch into
several rows, each with most cells empty; they are joined by their epoch.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from autograder.checks.logs.columns import Column, column_of, columns_of, is_log
from autograder.checks.logs.entries import Entry, Number, as_written, entry_of_row, number_of, seconds_of

MOST_ROWS = 300_000
MOST_COLUMNS = 500
MOST_LINE_CHARS = 20_000
_DELIMITERS = ",;\t|"
_COMMA_DECIMAL = re.compile(r"-?\d{1,9},\d{1,12}(?:e[-+]?\d{1,3})?\s?%?", re.IGNORECASE)
_POINT_DECIMAL = re.compile(r"-?\d{1,9}\.\d{1,20}(?:e[-+]?\d{1,3})?\s?%?", re.IGNORECASE)
_LOOKED_ROWS = 200


@dataclass(frozen=True, slots=True)
class Table:
    entries: tuple[Entry, ...]
    format: str


def read_table(text: str, name: str) -> Table | None:
    """The rows of ``text`` where it is a table of a training; None where it is none."""
    lines = text.splitlines()
    at = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if at is None or len(lines[at]) > MOST_LINE_CHARS:
        return None
    delimiter = max(_DELIMITERS, key=lines[at].count)
    if delimiter not in lines[at]:
        return None
    kept = [line if len(line) <= MOST_LINE_CHARS else "" for line in islice(lines, at, at + MOST_ROWS)]
    rows = _rows(kept, delimiter)
    if len(rows) < 2 or len(rows[0]) > MOST_COLUMNS:
        return None
    columns = _columns(rows[0], name)
    if columns is None:
        return None
    entries = _entries(columns, rows, at + 1, comma=_with_commas(rows, delimiter))
    return Table(tuple(entries), _format(columns, name)) if entries else None


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    """One row a line: a quotation mark that is never closed may not swallow the rest."""
    rows = []
    for line in lines:
        try:
            row = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            row = []
        rows.append([cell.strip() for cell in row])
    return rows


def _columns(heads: Sequence[str], name: str) -> tuple[Column, ...] | None:
    columns = columns_of(list(heads))
    if [column.label for column in columns] == ["wall time", "step", "value"]:
        # TensorBoard's own export: the tag stands in the file's name.
        stem = re.sub(r"(?:run-)?(.{0,200}?)-?tag-", "", name.rpartition("/")[2].rpartition(".")[0])
        tagged = column_of(re.sub(r"[_-]", " ", stem))
        if tagged.kind == "value":
            return (columns[0], replace(columns[1], kind="epoch"), tagged)
    if is_log(columns):
        return columns
    values = [column for column in columns if column.kind == "value"]
    others = [column for column in columns if column.kind == "other"]
    if len(values) >= 2 and (not others or (len(others) == 1 and not heads[0])):
        # A DataFrame of a history: its rows are epochs, and their numbers stand under no name.
        first = replace(columns[0], kind="epoch") if not heads[0] else columns[0]
        return (first, *columns[1:])
    return None


def _with_commas(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    if delimiter == ",":
        # Quoted cells may still hold them: "65,32".
        return any(_COMMA_DECIMAL.fullmatch(cell) for row in rows[1:_LOOKED_ROWS] for cell in row)
    cells = [cell for row in rows[1:_LOOKED_ROWS] for cell in row]
    return any(map(_COMMA_DECIMAL.fullmatch, cells)) and not any(map(_POINT_DECIMAL.fullmatch, cells))


def _entries(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], line: int, *, comma: bool
) -> list[Entry]:
    numbered = any(column.kind == "epoch" for column in columns)
    by_step = not numbered and any(column.kind == "step" for column in columns)
    entries: list[Entry] = []
    for place, row in enumerate(rows[1:], start=1):
        if len(row) != len(columns):
            continue
        numbers = [_number(column, cell, comma=comma) for column, cell in zip(columns, row, strict=True)]
        entry = entry_of_row(columns, numbers, line + place)
        if entry is None or (numbered and entry.epoch is None) or not entry.values:
            continue
        if not numbered and not by_step:
            entry = replace(entry, epoch=len(entries) + 1)
        entries.append(entry)
    return _epochs_by_step(entries) if by_step else entries


def _number(column: Column, cell: str, *, comma: bool) -> Number | None:
    if column.kind == "seconds" and (took := seconds_of(cell)) is not None:
        return as_written(took)
    return number_of(cell, comma=comma)


def _epochs_by_step(entries: list[Entry]) -> list[Entry]:
    """Steps alone: each row with an evaluated accuracy ends an epoch."""
    numbered, epoch = [], 1
    for entry in entries:
        numbered.append(replace(entry, epoch=epoch, row=False))
        epoch += any(one.quantity != "loss" and one.split in ("valid", "test") for one in entry.values)
    return numbered


def _format(columns: Sequence[Column], name: str) -> str:
    labels = {column.label for column in columns}
    if name.rpartition("/")[2] == "metrics.csv" and {"epoch", "step"} <= labels:
        return "Lightning's metrics.csv"
    if {"eval_loss", "eval_top1"} <= labels:
        return "timm's summary.csv"
    return "CSV"
