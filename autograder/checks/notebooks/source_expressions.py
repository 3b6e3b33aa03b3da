"""What an expression's value is, as far as it can be followed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autograder.checks.notebooks import source_calls, source_data
from autograder.checks.notebooks.source_functions import ClassRef, Instance, Method, ModuleRef
from autograder.checks.notebooks.source_record import Loop
from autograder.checks.notebooks.source_values import (
    UNKNOWN,
    Scope,
    Value,
    arithmetic,
    constant,
    merged,
    sequence,
    union,
)

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_run import Reader

MAX_UNROLLED = 8  # items of a list that a loop is read for one by one


def value(run: Reader, node: ast.expr | None) -> Value:
    """What is known about an expression's value."""
    run.step()
    if node is None:
        return UNKNOWN
    handler = _EXPRESSIONS.get(type(node))
    if handler is not None:
        return handler(run, node)
    return Value(origins=union([run.value(one) for one in _parts(node)]))


def _constant(_run: Reader, node: ast.Constant) -> Value:
    return constant(node.value)


def _name(run: Reader, node: ast.Name) -> Value:
    found = run.scope.find(node.id)
    if found is not None:
        return found
    return constant("__main__") if node.id == "__name__" else Value(path=node.id)


def _attribute(run: Reader, node: ast.Attribute) -> Value:
    return run.attribute(run.value(node.value), node.attr)


def attribute(owner: Value, attr: str) -> Value:
    target = owner.target
    if isinstance(target, ModuleRef):
        return target.scope.names.get(attr, UNKNOWN)
    if isinstance(target, Instance):
        if attr in target.fields:
            return target.fields[attr]
        function = target.made.method(attr)
        if function:
            return Value(target=Method(target, function))
        return target.made.field(attr) or Value(origins=owner.origins if owner.data else frozenset())
    if isinstance(target, ClassRef):
        return target.field(attr) or UNKNOWN
    if attr in owner.entries:
        return owner.entries[attr]
    if owner.path:
        return Value(path=f"{owner.path}.{attr}"[-200:])
    return source_data.attribute_of_data(owner, attr)


def _subscript(run: Reader, node: ast.Subscript) -> Value:
    owner, index = run.value(node.value), run.value(node.slice)
    if isinstance(node.slice, ast.Slice):
        return source_data.sliced(owner, *(run.value(one) for one in (node.slice.lower, node.slice.upper)))
    key = index.only
    if isinstance(key, str) and key in owner.entries:
        return owner.entries[key]
    if owner.items is not None and isinstance(key, int) and -len(owner.items) <= key < len(owner.items):
        return owner.items[key]
    if owner.path and isinstance(key, str):
        return Value(path=f"{owner.path}.{key}"[-200:])  # os.environ["X"], Weights["DEFAULT"]
    return Value(origins=union((owner, index)), data="array" if owner.data else "", made_by=owner.made_by)


def _call(run: Reader, node: ast.Call) -> Value:
    return source_calls.called(run, node)


def _sequence(run: Reader, node: ast.Tuple | ast.List | ast.Set) -> Value:
    parts: list[Value] = []
    for element_node in node.elts:
        value = run.value(element_node)
        spread = isinstance(element_node, ast.Starred) and value.items is not None
        parts += value.items or () if spread else [value]
    return sequence(parts)


def _starred(run: Reader, node: ast.Starred) -> Value:
    return run.value(node.value)


def _dict(run: Reader, node: ast.Dict) -> Value:
    entries: dict[str, Value] = {}
    values: list[Value] = []
    for key, value_node in zip(node.keys, node.values, strict=True):
        value = run.value(value_node)
        values.append(value)
        if key is None:
            entries.update(value.entries)
            continue
        word = run.value(key).only
        if isinstance(word, str) and len(entries) < 200:
            entries[word] = value
            run.check_name(word, value, value_node)
    return Value(origins=union(values), entries=entries, made_by="" if entries else "dict")


def _binary(run: Reader, node: ast.BinOp) -> Value:
    left, right = run.value(node.left), run.value(node.right)
    if isinstance(node.op, ast.Add) and left.data and right.data:
        return source_data.concatenated(run, [left, right], node)
    if isinstance(node.op, ast.Div) and right.word:
        return source_data.subfolder(left, right.word)
    return operated(node.op, left, right)


def operated(operator: ast.operator, left: Value, right: Value) -> Value:
    plain = {value.data for value in (left, right) if not value.known} == {"array"}
    return Value(
        known=arithmetic(operator, left, right),
        origins=union((left, right)),
        data="array" if plain and (left.data or right.data) else "",
        made_by="arithmetic",
    )


def _boolean(run: Reader, node: ast.BoolOp) -> Value:
    values = [run.value(one) for one in node.values]
    truths = [run.truth(one, value) for one, value in zip(node.values, values, strict=True)]
    deciding = isinstance(node.op, ast.Or)
    if deciding in truths:
        at = truths.index(deciding)
        return values[at] if None not in truths[:at] else constant(deciding)
    return values[-1] if None not in truths else Value(origins=union(values))


def _unary(run: Reader, node: ast.UnaryOp) -> Value:
    value = run.value(node.operand)
    if isinstance(node.op, ast.Not):
        truth = run.truth(node.operand, value)
        return Value(origins=value.origins) if truth is None else constant(not truth)
    if isinstance(node.op, ast.USub) and value.number is not None:
        return constant(-value.number)
    return replace(value, known=(), items=None)


def _compare(run: Reader, node: ast.Compare) -> Value:
    values = [run.value(one) for one in (node.left, *node.comparators)]
    truth = _compared(node.ops[0], values[0], values[1]) if len(values) == 2 else None
    return Value(origins=union(values)) if truth is None else constant(truth)


def _choice(run: Reader, node: ast.IfExp) -> Value:
    truth = run.truth(node.test, run.value(node.test))
    if truth is not None:
        return run.value(node.body if truth else node.orelse)
    return merged(run.value(node.body), run.value(node.orelse))


def _lambda(run: Reader, node: ast.Lambda) -> Value:
    return Value(target=run.defined(node, "lambda"))


def _joined(run: Reader, node: ast.JoinedStr) -> Value:
    """The text as far as it is known, so that a file's name can be told by its beginning."""
    text, whole, origins = "", True, []
    for part in node.values:
        value = run.value(part.value if isinstance(part, ast.FormattedValue) else part)
        origins.append(value)
        if len(value.known) == 1:
            text = f"{text}{value.only}"[:500]
        else:
            text, whole = f"{text}…"[:500], False
    made = "" if whole else "f-string"
    return Value(known=(text,), origins=union(origins), made_by=made)


def _comprehension(run: Reader, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
    outer, run.scope = run.scope, Scope(run.scope)
    before = len(run.loops)
    overs = []
    for generator in node.generators:
        over = run.value(generator.iter)
        overs.append(over)
        run.loops.append(Loop(kind(over), over.length, words(generator.target)[:60], run.place(node)))
        run.bind(generator.target, element(over))
        for condition in generator.ifs:
            run.value(condition)
    items = overs[0].items if len(overs) == 1 and not overs[0].made_by else None
    if items and len(items) <= MAX_UNROLLED and not node.generators[0].ifs:
        result = _each(run, node, items)
    else:
        made = [run.value(one) for one in _made(node)]
        result = Value(origins=union(made), data="array" if made[-1].data else "", made_by="comprehension")
    del run.loops[before:]
    run.scope = outer
    return result


def _made(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> list[ast.expr]:
    return [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]


def _each(
    run: Reader, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, items: Iterable[Value]
) -> Value:
    """A comprehension over a short list, item by item: ``{x: MNIST(train=x == "train") for x in ...}``."""
    entries: dict[str, Value] = {}
    made: list[Value] = []
    for item in items:
        run.bind(node.generators[0].target, item)
        *keys, value = (run.value(one) for one in _made(node))
        made.append(value)
        if keys and keys[0].word:
            entries[keys[0].word] = value
            run.check_name(keys[0].word, value, node)
    return Value(origins=union(made), entries=entries) if isinstance(node, ast.DictComp) else sequence(made)


def _named(run: Reader, node: ast.NamedExpr) -> Value:
    value = run.value(node.value)
    run.bind(node.target, value)
    return value


def _yield(run: Reader, node: ast.Yield | ast.YieldFrom) -> Value:
    value = run.value(node.value)
    if run.stack:
        run.returned.append(Value(origins=value.origins, data="loader" if value.data else ""))
    return UNKNOWN


def _await(run: Reader, node: ast.Await) -> Value:
    return run.value(node.value)


def element(over: Value) -> Value:
    """One item of what is looped over."""
    if over.made_by == "enumerate" and over.items:
        return sequence([UNKNOWN, element(over.items[0])])
    if over.made_by == "zip" and over.items:
        return sequence([element(one) for one in over.items])
    if over.items:
        result = over.items[0]
        for item in over.items[1:MAX_UNROLLED]:
            result = merged(result, item)
        return result
    if over.made_by == "range" or (over.length is not None and not over.origins):
        return UNKNOWN
    return Value(origins=over.origins, data="array" if over.data else "")


def kind(over: Value) -> str:
    if over.made_by == "range":
        return "range"
    return "data" if over.origins and not all(origin.weights for origin in over.origins) else "other"


def _compared(operator: ast.cmpop, left: Value, right: Value) -> bool | None:
    if isinstance(operator, ast.Is | ast.IsNot | ast.Eq | ast.NotEq) and right.is_none:
        if left.is_none:
            return isinstance(operator, ast.Is | ast.Eq)
        something = (
            left.target is not None or left.made_by or left.data or (left.known and None not in left.known)
        )
        return isinstance(operator, ast.IsNot | ast.NotEq) if something else None
    if len(left.known) != 1:
        return None
    one = left.only
    if isinstance(operator, ast.In | ast.NotIn):
        return _contained(operator, one, right)
    if len(right.known) != 1 or "…" in left.word or "…" in right.word:
        return None
    other = right.only
    if isinstance(operator, ast.Eq | ast.Is):
        return one == other
    if isinstance(operator, ast.NotEq | ast.IsNot):
        return one != other
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return None
    match operator:
        case ast.Lt():
            return one < other
        case ast.LtE():
            return one <= other
        case ast.Gt():
            return one > other
        case ast.GtE():
            return one >= other
    return None


def _contained(operator: ast.cmpop, one: object, right: Value) -> bool | None:
    if right.items is not None and all(len(item.known) == 1 for item in right.items):
        inside = any(item.only == one for item in right.items)
    elif isinstance(one, str) and right.word and "…" not in right.word:
        inside = one in right.word
    elif isinstance(one, str) and right.entries:
        inside = one in right.entries
    else:
        return None
    return inside if isinstance(operator, ast.In) else not inside


def _parts(node: ast.AST) -> Iterable[ast.expr]:
    return (one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr))


def words(node: ast.AST) -> str:
    """The expression's own words, as far as they tell its names."""
    words: list[str] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            words.append(part.id)
        elif isinstance(part, ast.Attribute):
            words.append(part.attr)
        if len(words) > 20:
            break
    return ", ".join(words)


_EXPRESSIONS: dict[type[ast.expr], Callable[[Reader, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Set: _sequence,
    ast.Starred: _starred,
    ast.Dict: _dict,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.Lambda: _lambda,
    ast.JoinedStr: _joined,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.NamedExpr: _named,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.Await: _await,
}
