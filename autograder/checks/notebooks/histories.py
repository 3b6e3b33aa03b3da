"""What a solver remembers of its validation accuracies, shown bare: ``solver.best_val_acc`` and its number.

No word stands beside such a number; the source says what it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograder.checks.notebooks.cellcode import called_name, last_expression, shows_value, trees_of
from autograder.checks.notebooks.found import Point, Series
from autograder.checks.notebooks.lines import Line, budgets_of, lines_of
from autograder.loaders.notebook import Cell, Notebook
from autograder.text import clean

MOST_NUMBERS = 10_000  # of one cell
_REMEMBERED = re.compile(r"best_val(?:_acc(?:uracy)?)?|val_acc(?:uracy)?(?:_hist(?:ory)?)?|val_accs", re.I)
_TRAINED_ON = re.compile(r"train", re.IGNORECASE)
_WRAPPED = re.compile(r"np\.float(?:32|64)\(|array\(|[\[\](){}]|dtype=\w+")
_SHOWN = 200  # characters of a line that are quoted


def read_histories(notebook: Notebook) -> Iterator[Series]:
    """The accuracies of each cell that shows nothing but those; shares of 1."""
    trees, budgets = trees_of(notebook), budgets_of(notebook)
    for cell in notebook.cells:
        tree = trees.get(cell.number)
        if tree is None or not cell.outputs or not _shows_only_those(cell, tree):
            continue
        points = list(_points(cell, budgets[cell.number]))
        if points:
            yield Series("accuracy", "valid", "source", "val_acc", "list", tuple(points[:MOST_NUMBERS]))


def _shows_only_those(cell: Cell, tree: ast.Module) -> bool:
    """Whether all that the cell prints or ends in is what the solver remembers of the validation."""
    shown = [
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called_name(node) == "print"
        for argument in node.args
    ]
    last = last_expression(tree)
    if last is not None and shows_value(cell, tree) and not _returns_nothing(last):
        shown.append(last)
    return bool(shown) and all(map(_is_remembered, shown))


def _returns_nothing(last: ast.expr) -> bool:
    """``print(...)`` and ``solver.train()``: what stands last and has no value."""
    return isinstance(last, ast.Call) and called_name(last) in ("print", "train")


def _is_remembered(node: ast.expr) -> bool:
    words = [
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in ast.walk(node)
        if isinstance(one, (ast.Attribute, ast.Name))
    ]
    return any(map(_REMEMBERED.fullmatch, words)) and not any(map(_TRAINED_ON.search, words))


def _points(cell: Cell, budget: int) -> Iterator[Point]:
    for line in lines_of(cell, budget):
        if not isinstance(line, Line):
            continue
        for value in _numbers(line.text):
            yield Point(value, cell.number, clean(line.text.strip(), _SHOWN), 0)


def _numbers(text: str) -> list[float]:
    """The shares that a line consists of; none where there is anything else on it."""
    found = []
    for word in _WRAPPED.sub(" ", text).replace(",", " ").split():
        try:
            value = float(word)
        except ValueError:
            return []
        if not 0 <= value <= 1:
            return []
        found.append(value)
    return found
