"""The numbers of parameters that a notebook's cells printed: summaries' tables, prints, bare values.

What a cell prints is its author's claim; the count that grades a model comes from the model itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograder.checks.notebooks.cellcode import called_name, last_expression, trees_of
from autograder.checks.notebooks.found import ParameterCount
from autograder.checks.notebooks.lines import Line, budgets_of, lines_of
from autograder.loaders.notebook import Notebook

MOST_PARAMETERS = 10**12
MOST_FOUND = 1_000

_NUMBER = (
    r"(?<![\w.])(\d{1,3}(?:[,_']\d{3}){1,5}(?![\d,])|\d{1,15}(?:\.\d{1,6})?)"
    r"\s?(k|m|b|thousand|million|billion)?\b"
)
_SCALES = {"k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6, "b": 10**9, "billion": 10**9}
# Words that stand with the count; between them and the number no other number, and not many letters.
_NAMED = re.compile(r"\b(?:params?|parameters?|numel)\b[^\d\n]{0,50}?(?<![\d.,])" + _NUMBER, re.IGNORECASE)
_BEFORE = re.compile(
    _NUMBER
    + r"\s{1,20}(?:(?:total|trainable|learnable|model|training|non-trainable) ){0,2}(?:params?|parameters)\b",
    re.IGNORECASE,
)
_RESULT = re.compile(r"\s*(?:tensor\(|np\.int64\(|array\()?" + _NUMBER + r"\)?\s*", re.IGNORECASE)
_COUNTER = re.compile(
    r"(?:count|num|total|n|number)_?\w{0,40}para?m|para?m\w{0,40}_?(?:count|num)|count_params", re.IGNORECASE
)
_WORD = re.compile(r"para?m(?:eter)?s?|numel", re.IGNORECASE)
# Sizes in memory, limits, and what else a summary counts.
_NOT_COUNTS = re.compile(
    r"size|\bMB\b|memory|mult|flops|macs|target|limit|budget|less than|fewer|under|below|at most|max|<|>"
    r"|allowed|restrict|ratio|percent|%|learning|rate|\blr\b|hyper|optimizer|group|per layer|saved|reduc",
    re.IGNORECASE,
)
_FROZEN = re.compile(r"non[- _]?trainable|frozen|untrainable", re.IGNORECASE)
_TRAINABLE = re.compile(r"trainable|learnable|requires_grad", re.IGNORECASE)
_SUMMARY = re.compile(
    r"^\s*\W{0,3}(?:total[ \t])?(?:total|trainable|non[- ]trainable)?[ \t]?params:", re.IGNORECASE
)
_KERAS_SIZE = re.compile(r"\(\s?[\d.,]{1,12}\s?[KMG]?i?B(?:yte)?\s?\)")
_NAMED_TENSOR = re.compile(r"\.(?:weight|bias)\b|\b(?:conv|fc|bn|linear|layer)\w*\.", re.IGNORECASE)


def read_parameter_counts(notebook: Notebook) -> tuple[ParameterCount, ...]:
    """Every count, in order; the same count printed again in a cell is given once."""
    trees, budgets = trees_of(notebook), budgets_of(notebook)
    found: dict[tuple[int, int, str], ParameterCount] = {}
    for cell in notebook.cells:
        if cell.kind != "code" or not cell.outputs:
            continue
        named = _counts_parameters(trees.get(cell.number))
        for line in lines_of(cell, budgets[cell.number]):
            if isinstance(line, Line) and len(found) < MOST_FOUND:
                for count in _counts(line, named):
                    found.setdefault((count.cell, count.value, count.kind), count)
    return tuple(found.values())


def _counts(line: Line, named: str) -> Iterator[ParameterCount]:
    text = _KERAS_SIZE.sub("", line.text[:1_000])
    value = _RESULT.fullmatch(text) if line.result and named else None
    if value:
        yield from _built(line, value[1], value[2], named, "result")
        return
    if line.bar or not _WORD.search(text) or _NAMED_TENSOR.search(text):
        return
    by = "summary" if _SUMMARY.match(text) else "print"
    for clause in re.split(r"[;|│]|(?<=\d)\s?\(|,(?=\s*[A-Za-z])", text):
        if not _WORD.search(clause) or _NOT_COUNTS.search(clause):
            continue
        matches = list(_NAMED.finditer(clause)) or list(_BEFORE.finditer(clause))
        # "learned parameters: w=3" names a value, not how many there are.
        if len(matches) == 1 and not {":", "="} <= set(matches[0][0]):
            kind = _kind(clause)
            yield from _built(line, matches[0][1], matches[0][2], kind, by)


def _built(line: Line, digits: str, scale: str | None, kind: str, by: str) -> Iterator[ParameterCount]:
    plain = re.sub(r"[,_' ]", "", digits)
    if not scale and "." in plain:
        if plain.rpartition(".")[2].strip("0"):
            return  # 7750.0 is a count, 0.12 is not
        plain = plain.partition(".")[0]
    value = round(float(plain) * _SCALES[scale.lower()]) if scale else int(plain)
    if not 0 <= value <= MOST_PARAMETERS or (value == 0 and kind != "frozen"):
        return
    yield ParameterCount(
        value,
        "frozen" if kind == "frozen" else "trainable" if kind == "trainable" else "total",
        not scale,
        "summary" if by == "summary" else "result" if by == "result" else "print",
        line.cell,
        line.shown,
    )


def _kind(clause: str) -> str:
    if _FROZEN.search(clause):
        return "frozen"
    return "trainable" if _TRAINABLE.search(clause) else "total"


def _counts_parameters(tree: ast.Module | None) -> str:
    """Which parameters the cell's last expression counts, if it does; no if it doesn't say."""
    expression = last_expression(tree)
    if expression is None:
        return ""
    names = {
        getattr(node, "id", None) or getattr(node, "attr", None)
        for node in ast.walk(expression)
        if isinstance(node, (ast.Name, ast.Attribute))
    }
    summed = isinstance(expression, ast.Call) and called_name(expression) == "sum"
    if summed and "parameters" in names and names & {"numel", "nelement", "size", "shape", "prod"}:
        return "trainable" if "requires_grad" in names else "total"
    called = called_name(expression) if isinstance(expression, ast.Call) else getattr(expression, "id", "")
    if not _COUNTER.search(called[:100]):
        return ""
    return "trainable" if _TRAINABLE.search(called) else "total"
