"""Values as far as reading can follow them: the constants that a name may hold, the data it comes from."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from autograder.checks.notebooks.source_facts import Place, Split

Constant = bool | int | float | str | None

MOST_CONSTANTS = 8  # that one name may hold; more of them say nothing
MOST_ORIGINS = 24
MOST_ITEMS = 64
_MERGED_DEPTH = 3  # values can share parts, so that following all of them would take exponential time
_LARGEST = 1e15  # no arithmetic beyond: 10**10**10 must not be worked out
_LONGEST = 2_000

Entries = Mapping[str, "Value"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a value comes from: a part of a data set, or (``weights``) a file or address of weights."""

    name: str
    split: Split
    place: Place
    part: bool = False
    certain: bool = True
    weights: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What is known about a value; all empty: nothing is.

    ``path`` is the dotted name that it has in a library, ``made_by`` that of the call it came from. ``data``
    says what it is as data: a "dataset", a "loader" or an "array" of them; what a model made of data has
    origins, but isn't data.
    """

    known: tuple[Constant, ...] = ()
    origins: frozenset[Origin] = frozenset()
    path: str = ""
    made_by: str = ""
    data: str = ""
    items: tuple[Value, ...] | None = None
    entries: Entries = field(default_factory=dict)
    target: Any = None  # a function, class or instance of the notebook's own
    length: int | None = None

    @property
    def only(self) -> Constant:
        """The one constant that it holds, or None (which may be the constant None: see `is_none`)."""
        return self.known[0] if len(self.known) == 1 else None

    @property
    def number(self) -> float | None:
        value = self.only
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def word(self) -> str:
        value = self.only
        return value if isinstance(value, str) else ""

    @property
    def is_none(self) -> bool:
        return self.known == (None,)

    @property
    def splits(self) -> set[Split]:
        return {origin.split for origin in self.origins if not origin.weights}

    @property
    def truth(self) -> bool | None:
        """Whether it counts as true in a condition, if that is sure."""
        if self.known:
            truths = {bool(value) for value in self.known}
            return truths.pop() if len(truths) == 1 else None
        return True if self.target is not None or self.made_by or self.data else None


UNKNOWN = Value()


@dataclass(slots=True)
class Scope:
    """The names of a module, a function's call or a class."""

    parent: Scope | None = None
    names: dict[str, Value] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)  # declared global or nonlocal

    def find(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def bind(self, name: str, value: Value) -> None:
        scope = self
        while name in scope.outer and scope.parent is not None:
            scope = scope.parent
        scope.names[name] = value


def constant(value: object) -> Value:
    if isinstance(value, bytes):
        value = value[:_LONGEST].decode("latin-1")
    if value is None or isinstance(value, bool | int | float | str):
        if isinstance(value, str):
            value = value[:_LONGEST]
        return Value(known=(value,))
    return UNKNOWN


def union(values: Iterable[Value]) -> frozenset[Origin]:
    """All that the values come from, within a bound."""
    found: set[Origin] = set()
    for value in values:
        if value.origins and len(found) < MOST_ORIGINS:
            found |= value.origins
    return frozenset(found)


def sequence(values: Iterable[Value]) -> Value:
    """A tuple or list of these."""
    items = tuple(values)
    kinds = {item.data for item in items}
    return Value(
        origins=union(items),
        items=items if len(items) <= MOST_ITEMS else None,
        length=len(items),
        data="array" if items and kinds <= {"array", "dataset"} else "",
    )


def merged(one: Value, other: Value, depth: int = 0) -> Value:
    """What holds whichever of the two it is."""
    if one is other:
        return one
    constants: tuple[Constant, ...] = ()
    if one.known and other.known:
        both = {(type(value), value): value for value in (*one.known, *other.known)}
        constants = tuple(both.values()) if len(both) <= MOST_CONSTANTS else ()
    items = None
    both_listed = one.items is not None and other.items is not None and depth < _MERGED_DEPTH
    if one.items and other.items and both_listed and len(one.items) == len(other.items):
        items = tuple(merged(a, b, depth + 1) for a, b in zip(one.items, other.items, strict=True))
    return Value(
        known=constants,
        origins=union((one, other)),
        path=one.path if one.path == other.path else "",
        made_by=one.made_by if one.made_by == other.made_by else "",
        data=one.data if one.data == other.data else "",
        items=items,
        entries=one.entries if not other.entries else other.entries,
        target=one.target if other.target is None or one.target is other.target else other.target,
        length=one.length if one.length == other.length else None,
    )


def with_split(value: Value, split: Split, *, part: bool = True) -> Value:
    """The same data, of which this is known to be that split; weights stay what they are."""
    origins = {o if o.weights else replace(o, split=split, part=part) for o in value.origins}
    return replace(value, origins=frozenset(origins), items=None)


def as_part(value: Value) -> Value:
    """A part of the same data, chosen by whatever."""
    origins = {o if o.weights else replace(o, part=True) for o in value.origins}
    return replace(value, origins=frozenset(origins), items=None)


def arithmetic(operator: ast.operator, left: Value, right: Value) -> tuple[Constant, ...]:
    """The constants that the operation can give; none where it isn't sure or would be large."""
    if len(left.known) * len(right.known) > MOST_CONSTANTS:
        return ()
    found: list[Constant] = []
    for one in left.known:
        for other in right.known:
            result = _computed(operator, one, other)
            if result is None:
                return ()
            found.append(result)
    return tuple(found)


def _computed(operator: ast.operator, one: Constant, other: Constant) -> Constant:
    if isinstance(operator, ast.Add) and isinstance(one, str) and isinstance(other, str):
        return (one + other)[:_LONGEST]
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return None
    if abs(one) > _LARGEST or abs(other) > _LARGEST:
        return None
    try:
        match operator:
            case ast.Add():
                return one + other
            case ast.Sub():
                return one - other
            case ast.Mult():
                return one * other
            case ast.Div():
                return one / other
            case ast.FloorDiv():
                return one // other
            case ast.Mod():
                return one % other
            case ast.Pow() if abs(one) <= 1e4 and abs(other) <= 12:
                result = one**other
                return result if isinstance(result, int | float) else None
    except (ArithmeticError, ValueError):
        pass
    return None
