"""Changes a cell's syntax tree before it runs, where a name or a number can't be changed from outside.

Each change calls a function of ours at the place, so that what is done is decided, and reported, only if the
place is reached.
"""

from __future__ import annotations

import ast
import builtins
import sys
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.places import Places, is_elsewhere

_PLACE, _FIRST = "_place_in_the_submission", "_first_of_data"
OLD = "old spelling"


def install(context: Context, places: Places) -> ast.NodeTransformer:
    """Put the functions where every cell finds them; the transformer is for the shell."""

    def first(data: Any) -> Any:
        """``loss.data[0]``, which was how one took the number out of a loss."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(data, torch.Tensor) and data.dim() == 0:
            context.used(OLD, ".data[0] of a single number: it is .item() now")
            return data.item()
        return data[0]

    setattr(builtins, _PLACE, lambda text, is_start: places.here(text, is_start=is_start))
    setattr(builtins, _FIRST, first)
    return _Rewriter()


class _Rewriter(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)  # a docstring

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:  # the annotation is no path
            node.value = self.visit(node.value)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        """A pattern takes no call; the subject and what the cases do may hold one."""
        node.subject = self.visit(node.subject)
        for case in node.cases:
            case.body = [self.visit(statement) for statement in case.body]
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _placed(node, is_start=False)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        parts: list[ast.expr] = []
        for number, part in enumerate(node.values):
            if isinstance(part, ast.Constant):
                place = _placed(part, is_start=number + 1 < len(node.values)) if number == 0 else part
                if place is not part:
                    place = ast.copy_location(ast.FormattedValue(place, -1, None), part)
                parts.append(place)
            else:
                parts.append(self.generic_visit(part))  # type: ignore[arg-type]  # it gives back what it gets
        node.values = parts
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        node.value = self.visit(node.value)  # what stands behind the colon is no path
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        left, right = node.left, node.right
        goes_on = isinstance(node.op, ast.Add) and not _starts_with_slash(right)
        if isinstance(left, ast.Constant) and goes_on:
            node.left = _placed(left, is_start=True)
            node.right = self.visit(right)
            return node
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if (
            isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "data"
            and isinstance(node.slice, ast.Constant)
            and node.slice.value == 0
        ):
            return _call(_FIRST, node, node.value)
        return node


def _placed(node: ast.Constant, *, is_start: bool) -> ast.expr:
    if not isinstance(node.value, str) or not is_elsewhere(node.value):
        return node
    return _call(_PLACE, node, node, ast.Constant(is_start))


def _call(name: str, at: ast.expr, *arguments: ast.expr) -> ast.expr:
    call = ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
    return ast.fix_missing_locations(ast.copy_location(call, at))


def _starts_with_slash(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/")
