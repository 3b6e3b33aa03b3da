"""Numbers that were printed without a word beside them: what they are stands in the source.

``validate_epoch(model)`` as a cell's last line, or ``print(epoch, loss.item(), acc)`` in a loop, leave bare
numbers. They are read where exactly one expression can have printed them and its names say what it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from autograder.checks.notebooks.cellcode import Code, called_name, last_expression, names_in
from autograder.checks.notebooks.found import Quantity, Split
from autograder.checks.notebooks.given import MOST_GIVEN, compared, given_and_hits, rank_of
from autograder.checks.notebooks.measures import Measure, tokens_of
from autograder.checks.notebooks.words import word
from autograder.loaders.notebook import Cell, Notebook

MOST_VALUES = 500
_MOST_DEPTH = 12
_COUNTED_LIST = re.compile(r"\s*\(#\d{1,6}\)")
_WRAPPERS = frozenset(
    "round float int str abs mean stack cat item cpu detach numpy tolist tensor array sum max".split()
)
_MAY_STAND = frozenset(
    "tensor array np numpy float float16 float32 float64 tensorbase tensorcategory torch dtype device".split()
)
_HARMLESS = frozenset("fn function score multiclass".split())


@dataclass(frozen=True, slots=True)
class Name:
    """What an expression is, as its names say."""

    kind: Quantity | Literal["epoch"]
    split: Split
    label: str


Columns = tuple[Name | None, ...]


class Naming:
    """The notebook's source, asked what its bare numbers are."""

    def __init__(self, notebook: Notebook) -> None:
        self._code = Code(notebook)
        self._trees, self._defined = self._code.trees, self._code.functions
        self._splits_in: dict[str, set[Split]] = {}
        self._metrics = self._asked_metrics()
        self._given, self._hits = given_and_hits(self._trees.values())
        # Of the functions asked so far; one that calls itself says nothing.
        self._returns: dict[str, Columns] = {}
        self._prints: dict[int, list[tuple[Columns, bool]]] = {}

    def split_of(self, cell: int) -> Split:
        """The one part of the data that a cell's code speaks of, its own or its functions'."""
        tree = self._trees.get(cell)
        if tree is None:
            return "unknown"
        own = _splits(_of_data(tree))
        if not own:
            own = {split for name in self._code.used_by(tree) for split in self._splits_of(name)}
        return next(iter(own)) if len(own) == 1 else "unknown"

    def _splits_of(self, name: str) -> set[Split]:
        if name not in self._splits_in:
            self._splits_in[name] = _splits(_of_data(self._defined[name]))
        return self._splits_in[name]

    def measures(self, cell: Cell, text: str, *, result: bool) -> tuple[list[Measure], int | None]:
        """The values of a bare line, and its epoch where one of them is."""
        text = _COUNTED_LIST.sub("", text)
        tokens = tokens_of(text)
        numbers = [token for token in tokens if token.is_number]
        wordy = any(token.kind == "word" and token.text.lower() not in _MAY_STAND for token in tokens)
        if not numbers or wordy or len(numbers) > MOST_VALUES or any(len(t.text) > 30 for t in tokens):
            return [], None
        columns = self._result(cell.number, len(numbers)) if result else self._printed(cell, len(numbers))
        found, epoch = [], None
        after = {id(token): follow.text for token, follow in pairwise(tokens)}
        for token, name in zip(numbers, columns, strict=False):
            if name is None:
                continue
            if name.kind == "epoch":
                epoch = token.whole
                continue
            percent = after.get(id(token)) == "%" and name.kind != "loss"
            good = name.kind == "loss" or 0 <= token.value <= 100
            if good and token.value == token.value and abs(token.value) < 1e12:
                unit: Literal["percent", "bare"] = "percent" if percent else "bare"
                measure = Measure(name.kind, name.split, name.label, token.value, unit, token.decimals)
                found.append(replace(measure, listed=len(numbers) > len(set(columns))))
        return found, epoch

    def _result(self, cell: int, count: int) -> Columns:
        expression = last_expression(self._trees.get(cell))
        if expression is None:
            return ()
        columns = self._columns(expression, 0)
        if len(columns) == 1 and count > 1 and columns[0] is not None and isinstance(expression, ast.Name):
            return columns * count
        return columns if len(columns) == count else ()

    def _printed(self, cell: Cell, count: int) -> Columns:
        if cell.number not in self._prints:
            self._prints[cell.number] = self._prints_of(cell.number)
        candidates = self._prints[cell.number]
        fitting = {columns for columns, _ in candidates if len(columns) == count}
        if not fitting and len({columns for columns, _ in candidates}) == 1:
            columns, goes_on = candidates[0]
            return columns * count if goes_on and len(columns) == 1 else ()
        return fitting.pop() if len(fitting) == 1 else ()

    def _prints_of(self, cell: int) -> list[tuple[Columns, bool]]:
        tree = self._trees.get(cell)
        found = []
        for call in self._code.calls(tree):
            if called_name(call) == "print" and isinstance(call.func, ast.Name) and call.args:
                parts = _bare_parts(call.args)
                if parts is not None:
                    columns = [name for part in parts for name in self._columns(part, 0)]
                    found.append((tuple(columns), any(keyword.arg == "end" for keyword in call.keywords)))
        return found

    def _columns(self, node: ast.expr, depth: int) -> Columns:
        """What an expression's value, or each part of a tuple, is."""
        if depth > _MOST_DEPTH:
            return (None,)
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return tuple(self._name(part, depth) for part in parts)
            case ast.Call() if called_name(node) in self._defined:
                return self._returned(node, depth)
            case ast.Call(func=ast.Attribute(attr="evaluate")):
                return self._keras(node)
            case ast.Call(func=ast.Attribute(attr="validate")) if self._metrics:
                metrics = [_named(metric, "valid") for metric in self._metrics]
                return (Name("loss", "valid", "valid_loss"), *metrics)
        return (self._name(node, depth),)

    def _returned(self, call: ast.Call, depth: int) -> Columns:
        name = called_name(call)
        if name not in self._returns:
            self._returns[name] = (None,)
            self._returns[name] = self._said_by_returns(name, depth)
        columns = self._of_rank(self._returns[name], call)
        splits = _splits(names_in(call)) or self._splits_of(name)
        split: Split = next(iter(splits)) if len(splits) == 1 else "unknown"
        return tuple(
            replace(one, split=split) if one is not None and one.split == "unknown" else one
            for one in columns
        )

    def _said_by_returns(self, name: str, depth: int) -> Columns:
        returns = [
            one.value
            for one in ast.walk(self._defined[name])
            if isinstance(one, ast.Return) and one.value is not None
        ]
        said = {self._columns(value, depth + 1) for value in returns}
        columns = said.pop() if len(said) == 1 else (None,)
        return (_named(name, "unknown"),) if columns == (None,) else columns

    def _of_rank(self, columns: Columns, call: ast.Call) -> Columns:
        """An accuracy among as many guesses as the call asks for: of five it is another quantity."""
        rank = rank_of(call, self._defined.get(called_name(call)))
        if rank is None:
            return columns
        kinds: dict[int, Quantity] = {1: "accuracy", 5: "top5"}
        return tuple(
            (replace(one, kind=kinds[rank]) if rank in kinds else None)
            if one is not None and one.kind in ("accuracy", "top5")
            else one
            for one in columns
        )

    def _by_values(self, name: str, split: Split, depth: int) -> Name | None:
        """What a name is by all that it is given, where its own letters don't say."""
        given = self._given.get(name, [])
        if not given or len(given) > MOST_GIVEN:
            return None
        found = set()
        for value, at in given:
            columns = self._columns(value, depth + 1)
            whole = at is None and len(columns) == 1
            one = columns[at or 0] if whole or (at is not None and 0 <= at < len(columns)) else None
            found.add(replace(one, label=name.lower()[:60]) if one is not None else None)
        said = found.pop() if len(found) == 1 else None
        return replace(said, split=split) if said is not None and said.split == "unknown" else said

    def _name(self, node: ast.expr, depth: int) -> Name | None:
        if depth > _MOST_DEPTH:
            return None
        splits = _splits(names_in(node))
        split: Split = next(iter(splits)) if len(splits) == 1 else "unknown"
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                if name == "epoch":
                    return Name("epoch", "unknown", name)
                own = isinstance(node, ast.Name)
                return _named(name, split) or (self._by_values(name, split, depth) if own else None)
            case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
                return _named(name, split) or self._name(value, depth + 1)
            case ast.Subscript(value=value):
                return self._name(value, depth + 1)
            case ast.BinOp(left=left, op=ast.Div()) if _counts_correct(left):
                return Name("accuracy", split, "correct")
            case ast.BinOp(left=left, op=ast.Div()) if (kind := self._counted(left)) is not None:
                return Name(kind, split, "share of equal")
            case ast.BinOp(left=ast.Constant(), op=ast.Mult(), right=right):
                return self._name(right, depth + 1)
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.Add(), right=_):
                return self._name(left, depth + 1)
            case ast.Call():
                return self._called(node, split, depth)
        return None

    def _counted(self, node: ast.expr) -> Quantity | None:
        """Whether it is a number of right answers: summed here, or by a name that grows by such."""
        while (
            isinstance(node, ast.Call) and called_name(node) in _WRAPPERS and isinstance(node.func, ast.Name)
        ):
            if called_name(node) == "sum" or not node.args:
                break
            node = node.args[0]
        while isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant):
            node = node.right
        if isinstance(node, ast.Name):
            return self._hits.get(node.id)
        return compared(node)

    def _called(self, call: ast.Call, split: Split, depth: int) -> Name | None:
        name = called_name(call)
        if name in self._defined:
            columns = self._returned(call, depth)
            return columns[0] if len(columns) == 1 else None
        if name in _WRAPPERS:
            inner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if name == "mean" and inner is not None and _compares(inner):
                return Name("accuracy", split, "mean of equal")
            if call.args and (inner is None or isinstance(inner, ast.Name)):
                return self._name(call.args[0], depth + 1)
            return self._name(inner, depth + 1) if inner is not None else None
        if name == "score" and len(call.args) == 2 and isinstance(call.func, ast.Attribute):
            return Name("accuracy", split, "score")  # scikit-learn's classifiers
        named = _named(name, split)
        return self._of_rank((named,), call)[0]

    def _keras(self, call: ast.Call) -> Columns:
        splits = _splits(names_in(call))
        split: Split = next(iter(splits)) if len(splits) == 1 else "unknown"
        compiled = [one for one in self._metrics if one in ("accuracy", "acc")]
        known = len(self._metrics) == 1 and compiled
        return (Name("loss", split, "loss"), Name("accuracy", split, "accuracy")) if known else (None,)

    def _asked_metrics(self) -> list[str]:
        """The metrics that the notebook asks its library for, if it asks for the same everywhere."""
        asked = set()
        for tree in self._trees.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.keyword) and node.arg == "metrics":
                    parts = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
                    asked.add(tuple(next(iter(names_in(part)), "") for part in parts))
        return list(asked.pop()) if len(asked) == 1 else []


def _splits(names: Iterable[str]) -> set[Split]:
    """Every part of the data that identifiers speak of; ``train_test_split`` speaks of two."""
    found: set[Split] = set()
    for name in names:
        if " " not in name and len(name) <= 60:
            found |= {split for part in name.split("_") if (split := word(part).split)}
    return found


def _of_data(node: ast.AST) -> Iterable[str]:
    """The identifiers but for those of results: a ``test_acc`` may stand beside a training's loss."""
    return (name for name in names_in(node) if not word(name).quantity)


def _named(name: str, split: Split) -> Name | None:
    parts = [part for part in name.split("_") if part.lower() not in _HARMLESS]
    said = word("_".join(parts))
    if said.quantity is None or said.spoils or said.other or said.best:
        return None
    if said.quantity == "error" and not said.rate:
        return None
    return Name(said.quantity, said.split or split, name.lower()[:60])


def _counts_correct(node: ast.expr) -> bool:
    return any(word(name).correct for name in names_in(node))


def _compares(node: ast.expr) -> bool:
    """``(prediction == target)``, perhaps as numbers."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "eq":
            return True
        node = node.func.value
    return isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)


def _bare_parts(arguments: Sequence[ast.expr]) -> list[ast.expr] | None:
    """The expressions that a print shows, if no word of text stands among them."""
    parts: list[ast.expr] = []
    for argument in arguments:
        inner = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
        for part in inner:
            if isinstance(part, ast.Constant):
                if any(char.isalnum() for char in str(part.value)):
                    return None
            elif isinstance(part, ast.Starred):
                return None
            else:
                parts.append(part.value if isinstance(part, ast.FormattedValue) else part)
    return parts
