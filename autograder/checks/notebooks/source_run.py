"""Follows a source's names from statement to statement, the way it would run, without running it.

Each cell is read once, in order. A call of a function that the notebook defines is followed into it with the
values at hand, so that the one loop that trains and the one that tests aren't confused when they share their
code. A condition that can be worked out (``if phase == "train"``) is; otherwise both branches are read and
what they give is put together. A loop's body is read once, or once for each item of a short list. All of it
is bounded by a number of steps, whatever the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autograder.checks.notebooks import source_data, source_expressions, source_modules, source_training
from autograder.checks.notebooks.source_cells import Unit
from autograder.checks.notebooks.source_expressions import MAX_UNROLLED, element, kind, operated, words
from autograder.checks.notebooks.source_facts import LeakKind, Place, Split
from autograder.checks.notebooks.source_functions import ClassRef, FunctionRef, Instance, Method
from autograder.checks.notebooks.source_record import Loop, Record
from autograder.checks.notebooks.source_values import (
    UNKNOWN,
    Origin,
    Scope,
    Value,
    constant,
    merged,
    union,
)

MAX_STEPS = 300_000  # parts of the source looked at, a called function's each time: half a second or so
MAX_DEPTH = 10  # calls within calls

# Words of a condition that may keep a training step from running: where it can't be known, there is doubt.
_MODE = re.compile(
    r"train|phase|mode|eval|valid|val\b|test|grad|opt|update|backward|is_|split", re.IGNORECASE
)
_TEST_NAME = re.compile(r"test(?!ed|er\b|imate)", re.IGNORECASE)
_NOT_TEST = re.compile(r"latest|fastest|greatest|contest|nearest|train|val", re.IGNORECASE)
_TRAIN_NAME = re.compile(r"train", re.IGNORECASE)
_NOT_TRAIN = re.compile(r"trained|trainer|constrain|test|val", re.IGNORECASE)


class OutOfSteps(Exception):
    """The source is longer to follow than anybody's homework."""


@dataclass(slots=True)
class Reader:
    """Where the reading stands."""

    record: Record
    modules: dict[str, Unit]
    unit: Unit = field(default_factory=lambda: Unit(0, "", [], ast.Module([], [])))
    scope: Scope = field(default_factory=Scope)
    loops: list[Loop] = field(default_factory=list)
    stack: list[FunctionRef] = field(default_factory=list)
    functions: list[FunctionRef] = field(default_factory=list)
    classes: list[ClassRef] = field(default_factory=list)
    frameworks: dict[str, None] = field(default_factory=dict)
    arguments: dict[str, Value] = field(default_factory=dict)  # what argparse was told
    pending: list[tuple[frozenset[Origin], Place, bool]] = field(
        default_factory=list
    )  # backward, no step yet
    returned: list[Value] = field(default_factory=list)
    read_modules: dict[str, Scope] = field(default_factory=dict)
    steps: int = MAX_STEPS
    doubt: int = 0
    no_grad: int = 0

    def read(self, unit: Unit) -> None:
        """Read one cell, in the notebook's own names."""
        self.unit = unit
        for statement in unit.tree.body:
            try:
                self.block([statement])
            except RecursionError:
                self.note(f"{self.place(statement).describe()}: too deeply nested to be followed.")
            self.loops.clear()
            self.stack.clear()
            self.doubt = self.no_grad = 0
            self.unit = unit
        self.pending.clear()

    def read_uncalled(self) -> None:
        """Functions that nothing was seen to call: a library may, and what they ask for counts."""
        for function in list(self.functions):
            if not function.called:
                try:
                    self.loops.clear()
                    self.stack.clear()
                    self.doubt = 1
                    self.call_function(function, [], {})
                except RecursionError:
                    continue
                finally:
                    self.pending.clear()

    def note(self, text: str) -> None:
        self.record.notes.setdefault(text)

    def place(self, node: ast.AST) -> Place:
        return self.unit.place(getattr(node, "lineno", 0))

    def step(self, cost: int = 1) -> None:
        self.steps -= cost
        if self.steps < 0:
            raise OutOfSteps

    # Statements -------------------------------------------------------------------------------------------

    def block(self, body: Sequence[ast.stmt]) -> bool:
        """Read the statements; whether the flow surely leaves them before their end."""
        for statement in body:
            self.step()
            handler = _STATEMENTS.get(type(statement))
            if handler is not None and handler(self, statement):
                return True
        return False

    def _expression(self, node: ast.Expr) -> bool:
        self.value(node.value)
        return False

    def _assign(self, node: ast.Assign) -> bool:
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value)
        source_training.updated_by_hand(self, node, node.value, value)
        return False

    def _annotated(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self.bind(node.target, self.value(node.value))
        return False

    def _augmented(self, node: ast.AugAssign) -> bool:
        value = self.value(node.value)
        before = self.value(_loaded(node.target))
        source_training.updated_by_hand(self, node, node.value, value)
        if isinstance(node.op, ast.Add) and before.data and value.data:
            self.bind(node.target, source_data.concatenated(self, [before, value], node))
        else:
            self.bind(node.target, operated(node.op, before, value))
        return False

    def bind(self, target: ast.expr, value: Value) -> None:
        """Give the target the value; names that say which split they hold are held to it."""
        self.step()
        match target:
            case ast.Name(id=name):
                source_training.noted_by_name(self, name, value, target)
                self.scope.bind(name, value)
                self.check_name(name, value, target)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part, item in zip(parts, _spread(value, parts), strict=True):
                    self.bind(part.value if isinstance(part, ast.Starred) else part, item)
            case ast.Attribute(value=owner, attr=attr):
                self.check_name(attr, value, target)
                self._bind_attribute(owner, attr, value)
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                self._bind_item(name, self.value(index), value, target)
            case _:
                pass

    def _bind_attribute(self, owner: ast.expr, attr: str, value: Value) -> None:
        holder = self.value(owner)
        if isinstance(holder.target, Instance | ClassRef):
            holder.target.fields[attr] = value
        elif isinstance(owner, ast.Name) and holder.path == "" and (value.origins or holder.entries):
            entries = {**holder.entries, attr: value} if holder.entries else holder.entries
            origins = union((holder, value)) if value.data else holder.origins
            self.scope.bind(owner.id, replace(holder, origins=origins, entries=entries))

    def _bind_item(self, name: str, index: Value, value: Value, target: ast.expr) -> None:
        holder = self.scope.find(name) or UNKNOWN
        key = index.only
        if isinstance(key, str):
            self.check_name(key, value, target)
            entries = {**holder.entries, key: value} if len(holder.entries) < 200 else holder.entries
            self.scope.bind(name, replace(holder, entries=entries))
        elif value.data:
            self.scope.bind(
                name, replace(holder, origins=union((holder, value)), data=holder.data or value.data)
            )

    def check_name(self, name: str, value: Value, target: ast.AST) -> None:
        if not value.data or not value.origins or value.items is not None or value.entries:
            return
        splits, sure = value.splits, all(origin.certain for origin in value.origins)
        source = min(value.origins, key=lambda origin: (origin.place.cell, origin.place.line))
        made = f"{source.name} is read in {source.place.describe()}"
        whole = not any(origin.part for origin in value.origins)
        if splits == {Split.TRAIN} and whole and _TEST_NAME.search(name) and not _NOT_TEST.search(name):
            why = f"{name!r} holds the training set: {made}."
            self.record.leak(LeakKind.TEST_IS_TRAIN, self.place(target), sure, why)
        if splits == {Split.TEST} and _TRAIN_NAME.search(name) and not _NOT_TRAIN.search(name):
            why = f"{name!r} holds the test set: {made}."
            self.record.leak(LeakKind.TRAIN_IS_TEST, self.place(target), sure, why)

    def _if(self, node: ast.If) -> bool:
        test = self.value(node.test)
        source_training.chosen_by_test(self, node, test)
        truth = self.truth(node.test, test)
        if truth is not None:
            return self.block(node.body if truth else node.orelse)
        return self._branches([node.body, node.orelse], doubted=_MODE.search(words(node.test)) is not None)

    def _branches(self, branches: Sequence[Sequence[ast.stmt]], *, doubted: bool) -> bool:
        """Read each branch from the same state; afterwards that holds which any that goes on leaves."""
        before = self.scope.names
        self.step(1 + len(before) // 8)
        self.doubt += doubted
        after: list[dict[str, Value]] = []
        for branch in branches:
            self.scope.names = dict(before)
            if not self.block(branch):
                after.append(self.scope.names)
        self.doubt = max(self.doubt - doubted, 0)
        self.scope.names = before
        for names in after[1:]:
            for name, value in names.items():
                if name in after[0]:
                    after[0][name] = merged(after[0][name], value)
                else:
                    after[0][name] = value
        if after:
            before.clear()
            before.update(after[0])
        return not after

    def truth(self, node: ast.expr, value: Value) -> bool | None:
        """Whether the condition holds, if that can be worked out; a name of a library's says nothing."""
        if value.path and value.path != "__main__" and not value.known:
            return None
        return value.truth if isinstance(node, ast.Name | ast.Attribute) or value.known else None

    def _for(self, node: ast.For | ast.AsyncFor) -> bool:
        self.loop(node.target, self.value(node.iter), node.body, node)
        self.block(node.orelse)
        return False

    def loop(self, target: ast.expr, over: Value, body: Sequence[ast.stmt], node: ast.AST) -> None:
        """Read a loop's body, with the loop known to whatever trains inside."""
        self._forget_changing(body)
        loop = Loop(kind(over), over.length, words(target)[:60], self.place(node))
        self.loops.append(loop)
        for function in self.stack:
            function.reads |= over.splits
        items = over.items if over.items is not None and not over.made_by else None
        if items is not None and 0 < len(items) <= MAX_UNROLLED:
            for item in items:
                self.bind(target, item)
                if self.block(body) and _returns(body):
                    break
        else:
            self.bind(target, element(over))
            self.block(body)
        self.loops.pop()

    def _forget_changing(self, body: Sequence[ast.stmt]) -> None:
        """Names that the loop's body changes hold no constant from before it: it may be the second time."""
        for statement in body:
            for part in ast.walk(statement):
                self.step()
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    value = self.scope.names.get(part.id)
                    if value is not None and value.known:
                        self.scope.names[part.id] = replace(value, known=())

    def _while(self, node: ast.While) -> bool:
        test = self.value(node.test)
        if self.truth(node.test, test) is False:
            return self.block(node.orelse)
        self._forget_changing(node.body)
        self.loops.append(Loop("other", None, words(node.test)[:60], self.place(node)))
        self.block(node.body)
        self.loops.pop()
        return False

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        off = 0
        for item in node.items:
            context = self.value(item.context_expr)
            off += source_training.turns_gradients_off(context)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, context)
        self.no_grad += off
        ended = self.block(node.body)
        self.no_grad = max(self.no_grad - off, 0)
        return ended

    def _try(self, node: ast.Try | ast.TryStar) -> bool:
        whole = [*node.body, *node.orelse]
        ended = self._branches([whole, *([*node.body, *h.body] for h in node.handlers[:2])], doubted=False)
        return self.block(node.finalbody) or ended

    def _return(self, node: ast.Return) -> bool:
        self.returned.append(self.value(node.value) if node.value is not None else constant(None))
        return True

    def _leaves(self, _node: ast.stmt) -> bool:
        return True

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        off = any(source_training.turns_gradients_off(self.value(one)) for one in node.decorator_list)
        function = self.defined(node, node.name, off)
        self.functions.append(function)
        self.scope.bind(node.name, Value(target=function))
        return False

    def defined(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, name: str, off: bool = False
    ) -> FunctionRef:
        positional = [*node.args.posonlyargs, *node.args.args]
        defaults = dict(
            zip(
                [one.arg for one in positional[len(positional) - len(node.args.defaults) :]],
                [self.value(default) for default in node.args.defaults],
                strict=True,
            )
        )
        for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if default is not None:
                defaults[one.arg] = self.value(default)
        return FunctionRef(name, node, self.scope, self.unit, defaults, no_grad=off)

    def _class(self, node: ast.ClassDef) -> bool:
        bases = [self.value(base) for base in node.bases]
        outer, first = self.scope, len(self.functions)
        self.scope = Scope(outer)
        self.block(node.body)
        fields, self.scope = self.scope.names, outer
        found = ClassRef(node.name, bases, fields)
        for function in self.functions[first:]:
            if function.node in node.body:
                function.name, function.owner, function.scope = f"{node.name}.{function.name}", found, outer
        self.classes.append(found)
        self.scope.bind(node.name, Value(target=found))
        return False

    def _declared(self, node: ast.Global | ast.Nonlocal) -> bool:
        self.scope.outer.update(node.names)
        return False

    def _match(self, node: ast.Match) -> bool:
        self.value(node.subject)
        return self._branches([case.body for case in node.cases[:20]], doubted=True)

    # Calls ------------------------------------------------------------------------------------------------

    def call(self, callee: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """What a call of something of the notebook's own gives."""
        match callee.target:
            case FunctionRef() as function:
                return self.call_function(function, args, kwargs)
            case Method(instance=instance, function=function):
                return self.call_function(function, [Value(target=instance), *args], kwargs)
            case ClassRef() as made:
                return self.instance(made, args, kwargs)
            case Instance() as instance:
                own = instance.made.method("__call__")
                if own:
                    return self.call_function(own, [callee, *args], kwargs)
        return Value(origins=union([*args, *kwargs.values()]))  # a model of data: what it says about it

    def call_function(self, function: FunctionRef, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Read the function's body with these arguments; what it returns, put together."""
        self.step(2)
        function.called = True
        given = [*args, *kwargs.values()]
        for value in given:
            if value.data:
                function.reads |= value.splits
        if function in self.stack or len(self.stack) >= MAX_DEPTH:
            return Value(origins=union(given))
        scope, unit, returned, no_grad = self.scope, self.unit, self.returned, self.no_grad
        self.scope, self.unit, self.returned = Scope(function.scope), function.unit, []
        for name, value in function.bound(args, kwargs).items():
            self.scope.names[name] = value
        self.stack.append(function)
        self.no_grad += function.no_grad
        try:
            if isinstance(function.node, ast.Lambda):
                self.returned.append(self.value(function.node.body))
            elif not self.block(function.node.body) and not self.returned:
                self.returned.append(constant(None))
            result = self.returned[0] if self.returned else UNKNOWN
            for other in self.returned[1:]:
                result = merged(result, other)
            return result
        finally:
            self.stack.pop()
            self.scope, self.unit, self.returned, self.no_grad = scope, unit, returned, no_grad

    def instance(self, made: ClassRef, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A new instance of a class of the notebook's; one that is a data set holds what it was given."""
        library = source_data.instance_of_library(self, made, args, kwargs)
        fresh = Instance(made)
        start = made.method("__init__")
        if start:
            self.call_function(start, [Value(target=fresh), *args], kwargs)
        else:
            fresh.fields.update(kwargs)
        if library is not None:
            return replace(library, target=fresh)
        if not made.is_data:
            return Value(target=fresh)
        given = [*args, *kwargs.values(), *fresh.fields.values()]
        return Value(target=fresh, origins=union(given), data="dataset")

    def value(self, node: ast.expr | None) -> Value:
        """What is known about an expression's value."""
        return source_expressions.value(self, node)

    def attribute(self, owner: Value, attr: str) -> Value:
        """What is known about ``owner.attr``."""
        return source_expressions.attribute(owner, attr)


def _spread(value: Value, parts: Sequence[ast.expr]) -> Iterable[Value]:
    """What each of the names on the left gets."""
    if value.items is not None and len(value.items) == len(parts):
        return value.items
    return [Value(origins=value.origins, data=value.data, made_by=value.made_by) for _ in parts]


def _returns(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.Return | ast.Break) for statement in body)


def _loaded(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(id=name):
            return ast.copy_location(ast.Name(name, ast.Load()), target)
        case ast.Attribute(value=owner, attr=attr):
            return ast.copy_location(ast.Attribute(owner, attr, ast.Load()), target)
    return target


_STATEMENTS: dict[type[ast.stmt], Callable[[Reader, Any], bool]] = {
    ast.Expr: Reader._expression,
    ast.Assign: Reader._assign,
    ast.AnnAssign: Reader._annotated,
    ast.AugAssign: Reader._augmented,
    ast.If: Reader._if,
    ast.For: Reader._for,
    ast.AsyncFor: Reader._for,
    ast.While: Reader._while,
    ast.With: Reader._with,
    ast.AsyncWith: Reader._with,
    ast.Try: Reader._try,
    ast.TryStar: Reader._try,
    ast.Return: Reader._return,
    ast.Raise: Reader._leaves,
    ast.Break: Reader._leaves,
    ast.Continue: Reader._leaves,
    ast.Import: source_modules.imported,
    ast.ImportFrom: source_modules.imported_from,
    ast.FunctionDef: Reader._function,
    ast.AsyncFunctionDef: Reader._function,
    ast.ClassDef: Reader._class,
    ast.Global: Reader._declared,
    ast.Nonlocal: Reader._declared,
    ast.Match: Reader._match,
}
