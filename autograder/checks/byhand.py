"""Finds, in a module's source, where functions that should be written by hand call a library instead.

The sandbox makes the libraries unavailable, so such a call fails there in any case; this says it up front,
with the line. Only what the homework's functions can reach counts: an unused import, or another homework's
function in the same file, is nobody's business.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.outcome import CheckFailed, StudentException
from autograder.sandbox.placeholders import is_below

MAX_SOURCE_CHARS = 128 * 1024  # ten times the longest of such files; see deliverables.MAX_PARSED_BYTES
MAX_USES = 5  # quoted in a message; more of them say nothing new


@dataclass(frozen=True, slots=True)
class Use:
    """A forbidden name, and the line and the function, class or variable of the module that uses it."""

    name: str
    line: int
    where: str


def require_by_hand(
    path: str, source: str, functions: Sequence[str], forbidden: Sequence[str], reason: str
) -> None:
    """Raise CheckFailed if one of ``functions`` reaches a ``forbidden`` module.

    Raises StudentException where the source is not Python 3, so that nobody passes by being unreadable; nor
    does anybody by handing in more than can be read.
    """
    if len(source) > MAX_SOURCE_CHARS:
        raise CheckFailed(
            f"{path} is too long to be looked through: {len(source):,} characters.",
            hint=f"Leave in it what the homework asks for, at most {MAX_SOURCE_CHARS:,} characters.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a "\d" in a docstring is no concern of ours
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        text = (error.text or "").lstrip() if isinstance(error, SyntaxError) else ""
        raise StudentException(
            f"{path}{line} is not Python 3: {type(error).__name__}.",
            exception=type(error).__name__,
            hint="A line that starts with % or ! works in a notebook alone: take it out of the file."
            if text.startswith(("%", "!"))
            else "Run the file once with Python 3; in Python 2 code, `print` is the usual reason.",
        ) from error
    uses = find_uses(tree, _package(path), functions, forbidden)
    if uses:
        listed = "; ".join(f"{use.name} in {use.where}, line {use.line}" for use in uses[:MAX_USES])
        raise CheckFailed(f"{path} calls a library for what is asked for: {listed}.", hint=reason)


def _package(path: str) -> str:
    """The dotted package that relative imports in this file start from."""
    folders = path.split("/")[:-1]
    return folders[-1] if folders else ""


def find_uses(
    tree: ast.Module, package: str, functions: Sequence[str], forbidden: Sequence[str]
) -> list[Use]:
    """Every use of a ``forbidden`` module in ``functions`` or in what they reach in the same file."""
    defined = _defined(tree)
    everywhere = _imports(
        (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))), package
    )
    banned = {alias: full for alias, full in everywhere.items() if _is_forbidden(full, forbidden)}
    return [
        use
        for name in _reachable(functions, defined)
        for use in sorted(
            {use for node in defined[name] for use in _uses_in(node, name, banned)}, key=lambda use: use.line
        )
    ]


def _defined(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """What the module gives names to, inside an ``if`` or a ``try`` as well, with the statements that do."""
    defined: dict[str, list[ast.stmt]] = {}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.setdefault(node.name, []).append(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for name in _stored(node):
                defined.setdefault(name, []).append(node)
        elif not isinstance(node, ast.expr):
            pending += ast.iter_child_nodes(node)
    return defined


def _stored(node: ast.AST) -> set[str]:
    return {
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


def _imports(nodes: Iterator[ast.Import | ast.ImportFrom], package: str) -> dict[str, str]:
    """What each imported name stands for, dotted and absolute."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        else:
            base = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            for alias in node.names:
                names[alias.asname or alias.name] = f"{base}.{alias.name}"
    return names


def _is_forbidden(full: str, forbidden: Sequence[str]) -> bool:
    return is_below(full, frozenset(forbidden))


def _reachable(functions: Sequence[str], defined: Mapping[str, Sequence[ast.stmt]]) -> list[str]:
    """The functions, and everything of the module's own that they mention, directly or not."""
    found: list[str] = []
    pending = [name for name in functions if name in defined]
    while pending:
        name = pending.pop(0)
        if name in found:
            continue
        found.append(name)
        for node in defined[name]:
            mentioned = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            pending += sorted((mentioned - _bound_in(node)) & defined.keys())
    return found


def _uses_in(node: ast.stmt, name: str, banned: Mapping[str, str]) -> Iterator[Use]:
    own = _bound_in(node)
    where = f"{name}()" if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else name
    for part in ast.walk(node):
        if not isinstance(part, ast.Name) or not isinstance(part.ctx, ast.Load):
            continue
        if part.id in banned and part.id not in own:
            yield Use(banned[part.id], part.lineno, where)


def _bound_in(node: ast.AST) -> set[str]:
    """The names that a function gives a value of its own: its F is the number of filters, and not what
    ``import torch.nn.functional as F`` calls so, unless it is the function itself that imports it."""
    parts = list(ast.walk(node))
    bound = {part.arg for part in parts if isinstance(part, ast.arg)}
    bound |= _stored(node)
    return (
        bound
        - _imports((part for part in parts if isinstance(part, (ast.Import, ast.ImportFrom))), "").keys()
    )
