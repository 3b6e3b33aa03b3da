"""The part of a notebook that defines its network, without the data and without the training.

A network can be weighed without having been trained. So of each cell are taken the imports, the definitions
and the plain assignments, each as a cell of its own, so that one that fails here (for want of data, say)
stops nothing else. What trains, loads data or loops is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autograder.checks.notebooks.cellcode import called_name, trees_of
from autograder.loaders.notebook import Cell, Notebook

MAX_CELLS = 1_500
_BUILDS = frozenset(
    "add_module append extend insert register_buffer register_parameter to cuda apply manual_seed".split()
)
_DATA = re.compile(
    r"dataset|loader|mnist|cifar|\btrain|\btest|\bfit\b|\brun\b|download|\binput\b|\bopen\b|\bnext\b|\biter\b|urlopen|"
    r"wget|\bmount\b|lr_?find|range_test|\bload\b|imread|plot|subplots|figure|history|\bevaluate",
    re.IGNORECASE,
)
_WRITES = re.compile(r"\s*%%(?:writefile|file)\b")
_NETWORK = re.compile(r"Module\b|Net\b|Model\b")


def model_alone(notebook: Notebook) -> Notebook:
    """The cells that define the network, and for each network's class that no cell makes one that does."""
    trees = trees_of(notebook)
    sources: list[str] = []
    classes: dict[str, None] = {}
    made: set[str] = set()
    for cell in notebook.cells:
        if cell.kind == "code" and _WRITES.match(cell.source):
            sources.append(cell.source)
            continue
        for statement in trees[cell.number].body if cell.number in trees else ():
            if isinstance(statement, ast.ClassDef) and _is_network(statement):
                classes.setdefault(statement.name)
            if _is_kept(statement):
                made |= _makes(statement)
                sources.append(_source_of(statement))
    sources += [f"network_of_{name} = {name}()" for name in classes if name not in made]
    kept = (source for source in sources if source.strip())
    cells = (Cell(at, "code", source) for at, source in enumerate(kept, 1) if at <= MAX_CELLS)
    return Notebook(tuple(cells))


def _makes(statement: ast.stmt) -> set[str]:
    """What is called when the statement runs; what a function or a class calls waits for another call."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return set()
    return {called_name(node) for node in ast.walk(statement) if isinstance(node, ast.Call)}


def _source_of(statement: ast.stmt) -> str:
    try:
        return ast.unparse(statement)
    except (RecursionError, ValueError):
        return ""


def _is_network(node: ast.ClassDef) -> bool:
    return any(_NETWORK.search(_source_of(ast.Expr(base))) for base in node.bases)


def _is_kept(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)):
        return True
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return statement.value is not None and not any(map(_is_of_data, _calls(statement.value)))
    if isinstance(statement, ast.Expr):
        calls = list(_calls(statement.value))
        return bool(calls) and called_name(calls[0]) in _BUILDS and not any(map(_is_of_data, calls))
    if isinstance(statement, (ast.If, ast.Try)):
        inner = [*statement.body, *statement.orelse]
        return all(_is_kept(one) or isinstance(one, (ast.Expr, ast.Pass)) for one in inner) and not any(
            map(_is_of_data, _calls(statement))
        )
    return False


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Call))


def _is_of_data(call: ast.Call) -> bool:
    return _DATA.search(_source_of(ast.Expr(call.func))) is not None
