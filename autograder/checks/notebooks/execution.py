"""Whether a notebook was run, as far as its outputs can tell.

Counts prove little: many notebooks are saved with all outputs and no count at all. That a cell has nothing to
show proves nothing either, if there was nothing to show. So a cell is missed only where its source says that
something must have come out.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from autograder.checks.notebooks.cellcode import Code, called_name, last_expression, own_calls, shows_value
from autograder.checks.notebooks.found import CellError, Execution
from autograder.loaders.notebook import Cell, Notebook, Output
from autograder.text import clean, one_line

MESSAGE_CHARS = 500

_CODE_LINE = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)
_INTERRUPTED = frozenset({"KeyboardInterrupt"})


def read_execution(notebook: Notebook) -> Execution:
    """What speaks for and against the notebook's having been run from top to bottom."""
    trees = (code := Code(notebook)).trees
    printing = {name for name, node in code.functions.items() if _prints_straight(node)}
    cells = [cell for cell in notebook.cells if cell.kind == "code" and _CODE_LINE.search(cell.source)]
    shown = tuple(cell.number for cell in cells if cell.outputs)
    missing = tuple(
        cell.number
        for cell in cells
        if not cell.outputs and _must_show(cell, trees.get(cell.number), printing)
    )
    counts = [(cell.number, cell.execution_count) for cell in cells if cell.execution_count is not None]
    # A count of a cell that has one, while its neighbours have none, was cleared or never given.
    uncounted = tuple(cell.number for cell in cells if cell.execution_count is None) if counts else ()
    numbers = [count for _, count in counts if count > 0]
    errors = tuple(_error(cell.number, one) for cell in cells for one in cell.outputs if one.kind == "error")
    found = Execution(
        code_cells=len(cells),
        with_outputs=shown,
        missing=missing,
        errors=errors,
        never_run=bool(cells) and not shown and not counts,
        counted=bool(counts),
        uncounted=tuple(number for number in uncounted if number not in shown),
        out_of_order=_out_of_order(counts),
        reran=bool(numbers) and sorted(numbers) != list(range(1, len(numbers) + 1)),
    )
    return _with_notes(found)


def _out_of_order(counts: list[tuple[int, int]]) -> tuple[int, ...]:
    highest, found = 0, []
    for number, count in counts:
        if count < highest:
            found.append(number)
        highest = max(highest, count)
    return tuple(found)


def _must_show(cell: Cell, tree: ast.Module | None, printing: set[str]) -> bool:
    """Whether the cell's own lines print, plot or end in a value, on every way through it."""
    if tree is None:
        return False
    for statement in tree.body:
        if isinstance(statement, (ast.Expr, ast.Assign)) and _prints(statement, printing):
            return True
        if isinstance(statement, ast.For) and _prints_in_loop(statement, printing):
            return True
    expression = last_expression(tree)
    if expression is None or not shows_value(cell, tree):
        return False
    if isinstance(expression, ast.Call):
        return _is_picture(expression)
    return isinstance(
        expression,
        (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Compare, ast.Tuple, ast.List, ast.JoinedStr),
    )


def _prints(statement: ast.stmt, printing: set[str]) -> bool:
    """A call of print or of what shows a figure, here or straight in a function called here."""
    return any(
        _is_print(call) or _is_picture(call) or called_name(call) in printing for call in own_calls(statement)
    )


def _prints_straight(function: ast.AST) -> bool:
    """Whether one of the function's own lines prints, under no condition."""
    lines = function.body if isinstance(function, ast.FunctionDef) else []
    return any(isinstance(line, ast.Expr) and any(map(_is_print, own_calls(line))) for line in lines)


def _prints_in_loop(loop: ast.For, printing: set[str]) -> bool:
    counted = isinstance(loop.iter, ast.Call) and called_name(loop.iter) in ("range", "enumerate", "trange")
    return counted and any(isinstance(line, ast.Expr) and _prints(line, printing) for line in loop.body)


def _is_print(call: ast.Call) -> bool:
    silent = any(keyword.arg == "file" for keyword in call.keywords)
    return called_name(call) in ("print", "display", "pprint") and bool(call.args) and not silent


def _is_picture(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="plt" | "pyplot"), attr="show" | "imshow" | "plot"):
            return True
    return False


def _error(cell: int, output: Output) -> CellError:
    name = one_line(output.name) or "an error"
    text = clean(output.text.split("\n", 1)[0].removeprefix(f"{output.name}:").strip(), MESSAGE_CHARS)
    return CellError(cell, name, text, interrupted=output.name in _INTERRUPTED)


def _with_notes(found: Execution) -> Execution:
    notes = []
    if found.never_run:
        notes.append("No cell has an output or a count: the notebook was not run before it was saved.")
    if found.counted and found.out_of_order:
        notes.append(f"{_cells(found.out_of_order)} ran before a cell that stands above.")
    if found.counted and found.reran:
        notes.append("The counts don't go from 1 upwards without a gap: cells were run again, or taken out.")
    if not found.counted and not found.never_run and found.code_cells:
        notes.append("No cell has a count; whether they ran in order can't be told.")
    return replace(found, notes=tuple(notes))


def _cells(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
    return f"Cell {shown}" if len(numbers) == 1 else f"Cells {shown}"
