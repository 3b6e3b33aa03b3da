"""Imports: of libraries, which give names their paths, and of modules beside the notebook, which are read."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from autograder.checks.notebooks.source_functions import ModuleRef
from autograder.checks.notebooks.source_library import FRAMEWORKS
from autograder.checks.notebooks.source_values import Scope, Value, constant

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_run import Reader


def imported(run: Reader, node: ast.Import) -> bool:
    for alias in node.names:
        _framework(run, alias.name)
        top = alias.name.partition(".")[0]
        module = _module(run, alias.name if alias.asname else top)
        path = alias.name if alias.asname else top
        run.scope.bind(alias.asname or top, Value(target=module) if module else Value(path=path))
    return False


def imported_from(run: Reader, node: ast.ImportFrom) -> bool:
    name = node.module or ""
    _framework(run, name)
    module = _module(run, name)
    for alias in node.names:
        if alias.name == "*":
            if module:
                run.scope.names.update(module.scope.names)
            continue
        inner = _module(run, f"{name}.{alias.name}" if name else alias.name)
        value = module.scope.names.get(alias.name) if module else None
        if value is None:
            value = Value(target=inner) if inner else Value(path=f"{name}.{alias.name}")
        run.scope.bind(alias.asname or alias.name, value)
    return False


def _framework(run: Reader, name: str) -> None:
    top = name.partition(".")[0]
    if top in FRAMEWORKS:
        run.frameworks.setdefault(FRAMEWORKS[top])


def _module(run: Reader, name: str) -> ModuleRef | None:
    """The module beside the notebook of that name, read when it is first imported."""
    key = (
        next((key for key in run.modules if key == name or key.endswith(f".{name}")), None) if name else None
    )
    if key is None:
        return None
    if key not in run.read_modules:
        scope = run.read_modules[key] = Scope()
        outer, run.scope = run.scope, scope
        unit, run.unit = run.unit, run.modules[key]
        loops, run.loops = run.loops, []
        run.scope.bind("__name__", constant(key))
        run.block(run.unit.tree.body)
        run.scope, run.unit, run.loops = outer, unit, loops
    return ModuleRef(key, run.read_modules[key])
