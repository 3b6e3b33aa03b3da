"""Which code runs when a cell runs, and what its last expression is: what an output is held against."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograder.checks.notebooks.source_cells import parse
from autograder.loaders.notebook import Cell, Notebook

MOST_FUNCTIONS = 50  # that one cell is followed into
MOST_CALLS = 2_000  # in them


def trees_of(notebook: Notebook) -> dict[int, ast.Module]:
    """The syntax trees of the code cells that are Python, by the cell's number."""
    return {unit.cell: unit.tree for unit in parse(notebook, {}).cells}


def last_expression(tree: ast.Module | None) -> ast.expr | None:
    """The expression whose value a notebook shows, if the cell ends in one."""
    if tree is None or not tree.body:
        return None
    last = tree.body[-1]
    return last.value if isinstance(last, ast.Expr) else None


def shows_value(cell: Cell, tree: ast.Module | None) -> bool:
    """Whether the last expression's value is shown: a semicolon behind it hides it, None is never shown."""
    expression = last_expression(tree)
    if expression is None or (isinstance(expression, ast.Constant) and expression.value in (None, ...)):
        return False
    code = [line for line in cell.source.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return not (code and code[-1].partition("#")[0].rstrip().endswith(";"))


def names_in(node: ast.AST) -> Iterator[str]:
    """Every identifier, attribute, keyword and short string below a node."""
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.Constant(value=str(text)) if len(text) <= 200:
                yield text


def called_name(call: ast.Call) -> str:
    """The last part of what is called: ``plot`` for ``plt.plot(...)``."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


class Code:
    """The notebook's source as trees, asked what runs when something in it runs.

    What a function holds is looked up once, however often it is called.
    """

    def __init__(self, notebook: Notebook) -> None:
        self.trees = trees_of(notebook)
        # Methods are among them; of two of a name the later counts.
        self.functions: dict[str, ast.AST] = {
            node.name: node
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        self._calls: dict[str, list[ast.Call]] = {}

    def used_by(self, root: ast.AST) -> list[str]:
        """The notebook's functions that run when ``root`` does, by its own calls or by theirs.

        A class that is called leads nowhere, and a function that is only defined there doesn't run.
        """
        found: dict[str, None] = {}
        waiting = own_calls(root)
        while waiting and len(found) < MOST_FUNCTIONS:
            new = {called_name(call) for call in waiting} & self.functions.keys() - found.keys()
            waiting = []
            for name in sorted(new):
                found[name] = None
                waiting += self._calls_in(name)
        return list(found)

    def calls(self, root: ast.AST | None) -> list[ast.Call]:
        """The calls that happen when ``root`` runs, in its own code and in the notebook's functions."""
        if root is None:
            return []
        inner = [call for name in self.used_by(root) for call in self._calls_in(name)[:MOST_CALLS]]
        return [*own_calls(root), *inner[:MOST_CALLS]]

    def _calls_in(self, name: str) -> list[ast.Call]:
        if name not in self._calls:
            self._calls[name] = own_calls(self.functions[name])
        return self._calls[name]


def own_calls(root: ast.AST) -> list[ast.Call]:
    """The calls in the code that runs with ``root`` itself."""
    return [node for node in _running(root) if isinstance(node, ast.Call)]


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Below ``node`` all that runs with it: not the bodies of functions and classes that it defines."""
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        one = waiting.pop()
        yield one
        if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(one))
