"""What a source gives its names, and the counting of right answers: what a bare number may stem from."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from autograder.checks.notebooks.cellcode import called_name
from autograder.checks.notebooks.found import Quantity

MOST_GIVEN = 5  # expressions that one name is given
_RANKS = frozenset("k topk top_k top topn top_n k_best".split())  # parameters: among so many guesses


def compared(node: ast.expr) -> Quantity | None:
    """Whether the classes with the highest scores are compared with labels, and among how many."""
    equal, chosen, among, others = False, False, False, False
    for part in ast.walk(node):
        match part:
            case ast.Compare(ops=[ast.Eq()], left=left, comparators=[right]):
                equal = equal or not (isinstance(left, ast.Constant) or isinstance(right, ast.Constant))
            case ast.Call() if called_name(part) == "eq":
                equal = True
            case ast.Call() if called_name(part) in ("topk", "argsort", "isin"):
                others = True
            case ast.Constant(value=5):
                among = True
            case ast.Name(id=name) if name in _RANKS:
                others = True
        if isinstance(part, ast.Call):
            chosen = chosen or called_name(part) in ("argmax", "max")
        if isinstance(part, ast.Name):
            chosen = chosen or "pred" in part.id.lower()
    if not equal:
        return None
    if among:
        return "top5"
    return "accuracy" if chosen and not others else None


Given = dict[str, list[tuple[ast.expr, int | None]]]


def given_and_hits(trees: Iterable[ast.Module]) -> tuple[Given, dict[str, Quantity | None]]:
    """What each name is given, with its place where it is one of several; and names that count right ones."""
    given: Given = {}
    hits: dict[str, Quantity | None] = {}
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                    kind = compared(value)
                    hits[name] = kind if hits.get(name, kind) == kind else None
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    _give(given, name, value, None)
                case ast.Assign(targets=[ast.Tuple(elts=parts)], value=value):
                    each = (
                        value.elts if isinstance(value, ast.Tuple) and len(value.elts) == len(parts) else None
                    )
                    for at, part in enumerate(parts):
                        if isinstance(part, ast.Name):
                            _give(given, part.id, each[at] if each else value, None if each else at)
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[value]) if (
                    not isinstance(value, ast.Tuple | ast.List | ast.Dict)
                ):
                    _give(given, name, value, None)
    return given, hits


def _give(given: Given, name: str, value: ast.expr, at: int | None) -> None:
    begins = isinstance(value, ast.Constant) or (isinstance(value, ast.List) and not value.elts)
    if not begins and len(given.setdefault(name, [])) <= MOST_GIVEN:
        given[name].append((value, at))


def rank_of(call: ast.Call, defined: ast.AST | None) -> int | None:
    """Among how many guesses the call looks for the label: None where it isn't asked, 0 where unknown."""
    for keyword in call.keywords:
        if keyword.arg in _RANKS:
            return _number(keyword.value)
    if not isinstance(defined, ast.FunctionDef | ast.AsyncFunctionDef):
        asked = any(isinstance(one, ast.Name) and one.id in _RANKS for one in call.args)
        return 0 if asked else None
    arguments = [*defined.args.posonlyargs, *defined.args.args]
    if arguments and arguments[0].arg == "self":
        arguments = arguments[1:]
    at = next((at for at, one in enumerate(arguments) if one.arg in _RANKS), None)
    if at is None:
        return None
    if at < len(call.args):
        return _number(call.args[at])
    left_out = len(arguments) - at
    defaults = defined.args.defaults
    return _number(defaults[-left_out]) if left_out <= len(defaults) else 0


def _number(node: ast.expr) -> int:
    if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 1:
        node = node.elts[0]
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else 0
