"""Lists of accuracies, one value for each epoch, as many print them behind their training.

"test_acc = [97.1, 98.4]" says what it is. Of a list that stands alone the cell's own code says it, where it
prints, or ends with, one name for each list.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from autograder.checks.notebooks.cellcode import called_name, trees_of
from autograder.checks.notebooks.found import Point, Series, Split
from autograder.loaders.notebook import Cell, Notebook
from autograder.text import clean

MOST_VALUES = 200  # more of them are those of batches
_MOST_TEXT = 200_000
_MOST_LISTS = 40

_LABEL = re.compile(r"([^\W\d_][\w '\"()%.-]{0,60}?)['\"]?\s{0,3}[:=,]?\s{0,3}(?:[:=]\s{0,3})?(\[[^\[\]]*\])")
_ALONE = re.compile(r"^\s*(\[[^\[\]]*\])\s*$", re.MULTILINE)
_WRAPPED = re.compile(r"(?:tensor|np\.float\d+|array|Decimal)\(\s*([-\d.e']+)[^()]{0,60}\)")
_NUMBERS = re.compile(r"\[\s*(?:\d[\d.e-]{0,30}\s?%?\s*,\s*){1,199}\d[\d.e-]{0,30}\s?%?\s*,?\s*\]")
_NUMBER = re.compile(r"\d[\d.e-]*")
_ACCURACY = re.compile(r"acc", re.IGNORECASE)
_SPLITS: tuple[tuple[Split, re.Pattern[str]], ...] = (
    ("train", re.compile(r"train|trn", re.IGNORECASE)),
    ("valid", re.compile(r"val", re.IGNORECASE)),
    ("test", re.compile(r"test|tst|eval", re.IGNORECASE)),
)


def read_lists(notebook: Notebook) -> tuple[Series, ...]:
    """The lists of training and test accuracies among a notebook's outputs."""
    trees = trees_of(notebook)
    found: list[Series] = []
    for cell in notebook.cells:
        if cell.kind == "code" and cell.outputs and len(found) < _MOST_LISTS:
            found += _of_cell(cell, trees.get(cell.number), len(found))
    return tuple(found[:_MOST_LISTS])


def _of_cell(cell: Cell, tree: ast.Module | None, place: int) -> Iterator[Series]:
    text = "\n".join(output.text for output in cell.outputs)[:_MOST_TEXT]
    text = _WRAPPED.sub(r"\1", text)
    labelled = [(label, values) for label, values in _LABEL.findall(text) if _NUMBERS.fullmatch(values)]
    alone = [values for values in _ALONE.findall(text) if _NUMBERS.fullmatch(values)]
    names = _shown(tree)
    if len(names) == len(alone):
        labelled += zip(names, alone, strict=True)
    for at, (label, values) in enumerate(labelled):
        splits = [split for split, pattern in _SPLITS if pattern.search(label)]
        if splits and _ACCURACY.search(label):
            yield _series(cell, splits[0], label, values, place + at)


def _series(cell: Cell, split: Split, label: str, values: str, place: int) -> Series:
    shares = [float(number) for number in _NUMBER.findall(values) if _is_number(number)][:MOST_VALUES]
    percent = any(share > 1 for share in shares)
    points = [
        Point(round(share / 100, 9) if percent else share, cell.number, clean(label, 80), place * 1000 + at)
        for at, share in enumerate(shares)
        if 0 <= share <= 100
    ]
    return Series("accuracy", split, "label", clean(label, 80), "list", tuple(points))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(tree: ast.Module | None) -> Sequence[str]:
    """What a cell prints, or ends with, in their order: "test_acc", "history['val_acc']"."""
    if tree is None or not tree.body:
        return []
    shown: list[str] = []
    for statement in tree.body:
        if not isinstance(statement, ast.Expr):
            continue
        value = statement.value
        if isinstance(value, ast.Call) and called_name(value) == "print":
            shown += [ast.unparse(argument) for argument in value.args]
        elif statement is tree.body[-1]:
            parts = value.elts if isinstance(value, ast.Tuple) else [value]
            shown += [ast.unparse(part) for part in parts]
    return [name for name in shown if _ACCURACY.search(name) or "loss" in name.lower()]
