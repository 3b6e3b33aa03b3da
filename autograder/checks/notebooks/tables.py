"""Tables of a training: what fastai shows, DataFrames of a history, Markdown, columns of plain text.

A table is read as a series only where its rows are epochs or steps. Rows of models, of classes or of settings
that were tried look the same, and a number out of them would be taken for what it isn't. A table of two
columns, a name and a number, is read like printed lines.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from autograder.checks.notebooks.found import Quantity, Split
from autograder.checks.notebooks.measures import Measure
from autograder.checks.notebooks.words import word
from autograder.text import clean

MOST_ROWS = 5_000
MOST_COLUMNS = 60
_MOST_CELL_CHARS = 200

_TABLE_TAG = re.compile(r"<\s{0,3}(/?)\s{0,3}(table|tr|th|td)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_NUMBER = re.compile(r"([-+]?(?:\d{1,15}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?) ?(%?)")
_RULE = re.compile(r"[\s|+:=\-─━═┼╪╇┃│┌┐└┘├┤┬┴╭╮╰╯┏┓┗┛┡┩┳┻╋*]*")
_BARS = re.compile(r"[|│┃║]")
_CLASSES = frozenset("class classes label labels digit category name model models lr optimizer fold".split())
_BESIDE = frozenset("time dur duration lr learning_rate wall elapsed cp".split())


@dataclass(frozen=True, slots=True)
class Column:
    kind: Literal["epoch", "step", "value", "beside", "foreign"]
    label: str
    quantity: Quantity | None = None
    split: Split = "unknown"
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its epoch or step where it has one, and what its cells say."""

    shown: str
    measures: tuple[Measure, ...]
    epoch: int | None
    step: int | None


def rows_of_html(source: str) -> Iterator[list[str]]:
    """The cells' texts, row by row, of all tables in ``source``; an empty row ends a table."""
    row: list[str] = []
    opened = -1  # where the text of the open cell begins
    for count, tag in enumerate(_TABLE_TAG.finditer(source)):
        closing, name = bool(tag[1]), tag[2].lower()
        if opened >= 0 and (closing or name in ("tr", "td", "th", "table")):
            row.append(_cell_text(source[opened : min(tag.start(), opened + 4 * _MOST_CELL_CHARS)]))
            opened = -1
        if name in ("td", "th") and not closing:
            opened = tag.end()
        elif name == "tr" and row:
            yield row[:MOST_COLUMNS]
            row = []
        elif name == "table":
            if row:
                yield row[:MOST_COLUMNS]
                row = []
            yield []
        if count > MOST_ROWS * MOST_COLUMNS:
            return


def _cell_text(raw: str) -> str:
    text = html.unescape(_TAG.sub("", raw)[:_MOST_CELL_CHARS])
    return " ".join(clean(text, _MOST_CELL_CHARS).split())


def cells_of_line(text: str) -> list[str]:
    """The columns of a line of plain text: between bars, else between blanks."""
    if _BARS.search(text):
        return [cell.strip() for cell in _BARS.split(text.strip().strip("|│┃║"))][:MOST_COLUMNS]
    return text.split()[:MOST_COLUMNS]


def is_rule(text: str) -> bool:
    """A line drawn between rows."""
    return len(text) < 1_000 and bool(text.strip()) and _RULE.fullmatch(text) is not None


def header_of(cells: Sequence[str], *, plain: bool) -> tuple[Column, ...] | None:
    """The columns, if these cells head a table of a training; ``plain``: of words between blanks."""
    if len(cells) < 2 or any(_NUMBER.fullmatch(cell) for cell in cells):
        return None
    columns = [_column(cell) for cell in cells]
    values = sum(1 for column in columns if column.kind == "value")
    along = any(column.kind in ("epoch", "step") for column in columns)
    if not values or (plain and (values + along < 2 or any(len(cell) > 40 for cell in cells))):
        return None
    if plain and (not along or any(column.kind == "foreign" for column in columns)):
        return None
    if any(column.label in _CLASSES for column in columns):
        return None
    if not along:
        # Rows without a name are epochs only if nothing else tells them apart: a DataFrame of a history.
        if cells[0] or any(column.kind == "foreign" for column in columns[1:]):
            return None
        columns[0] = Column("epoch", "")
    return tuple(_with_splits(columns))


def _column(head: str) -> Column:
    label = " ".join(head.lower().split())[:60]
    bare = label.strip("*_#:. ")
    if bare in ("epoch", "epochs", "ep", "epoch no.", "epoch number", "epoch no"):
        return Column("epoch", bare)
    if bare in ("step", "iter", "iteration", "batch", "steps"):
        return Column("step", bare)
    meanings = [word(part) for part in re.findall(r"[^\W_][\w@]*", head)[:10]]
    names = [one.quantity for one in meanings if one.quantity]
    spoilt = any(one.spoils or one.other or one.best for one in meanings)
    if bare in _BESIDE or (not names and spoilt) or "time" in bare:
        return Column("beside", bare)
    if not names:
        return Column("foreign", bare)
    if spoilt or (len(set(names)) > 1 and set(names) != {"accuracy", "top5"}):
        return Column("beside", bare)
    splits = {one.split for one in meanings if one.split}
    split: Split = splits.pop() or "unknown" if len(splits) == 1 else "unknown"
    quantity: Quantity | None = "top5" if "top5" in names else names[0]
    if quantity == "error" and not any(one.rate for one in meanings) and "%" not in label:
        return Column("beside", bare)
    percent = "%" in label or any(one.percent for one in meanings)
    return Column("value", bare, quantity, split, percent)


def _with_splits(columns: list[Column]) -> Iterator[Column]:
    """``accuracy`` beside ``val_accuracy`` is the training's; beside ``valid_loss`` the validation's."""
    said: dict[Quantity | None, set[Split]] = {}
    for column in columns:
        if column.kind == "value":
            said.setdefault(column.quantity, set()).add(column.split)
    losses = said.get("loss", set())
    for column in columns:
        if column.kind != "value" or column.split != "unknown":
            yield column
        elif "valid" in said[column.quantity] and "train" not in said[column.quantity]:
            yield replace(column, split="train")
        elif (
            column.quantity != "loss"
            and losses >= {"train", "valid"}
            and said[column.quantity] == {"unknown"}
        ):
            yield replace(column, split="valid")
        else:
            yield column


def row_of(header: Sequence[Column], cells: Sequence[str]) -> Row | None:
    """What a row says, or None if it doesn't belong under this head."""
    if len(cells) == len(header) + 1 and header[0].kind != "epoch" and cells[0].isdecimal():
        cells = cells[1:]  # a DataFrame's index, under which printing leaves no head
    if len(cells) != len(header):
        return None
    epoch = step = None
    measures = []
    for column, cell in zip(header, cells, strict=True):
        if column.kind == "beside":
            continue
        found = _NUMBER.fullmatch(cell.strip("*` "))
        if column.kind in ("epoch", "step"):
            whole = _whole(cell.partition("/")[0].strip("*` "))
            if whole is None:
                return None
            epoch, step = (whole, step) if column.kind == "epoch" else (epoch, whole)
        elif found and column.quantity:
            value = float(found[1])
            good = column.quantity == "loss" or 0 <= value <= 100
            if good and abs(value) < 1e12:
                percent = bool(found[2]) or column.percent
                unit: Literal["percent", "bare"] = "percent" if percent else "bare"
                unit = "bare" if column.quantity == "loss" else unit
                decimals = len(found[1].partition(".")[2])
                measures.append(Measure(column.quantity, column.split, column.label, value, unit, decimals))
    shown = clean(" | ".join(cells), 300, line_limit=300)
    return Row(shown, tuple(measures), epoch, step)


def _whole(cell: str) -> int | None:
    found = _NUMBER.fullmatch(cell)
    if not found or found[2]:
        return None
    value = float(found[1])
    return int(value) if value == int(value) and 0 <= value < 1e9 else None
