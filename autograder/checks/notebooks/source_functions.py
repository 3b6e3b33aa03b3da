"""The functions, classes and modules that a notebook defines, and what a function works out."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from autograder.checks.notebooks.source_cells import Unit
from autograder.checks.notebooks.source_facts import Split
from autograder.checks.notebooks.source_values import UNKNOWN, Scope, Value, sequence, union

_BASES_OF_DATA = frozenset(
    "Dataset IterableDataset TensorDataset DataLoader Sequence PyDataset Subset".split()
)
_CHOOSES = frozenset("argmax max topk argsort round arg_max predict predict_classes sort".split())
_COUNTS = frozenset("sum mean count_nonzero item size".split())
_EQUALS = frozenset("eq equal isclose".split())
_BY_LIBRARY = frozenset(
    "accuracy_score Accuracy MulticlassAccuracy top_k_categorical_accuracy sparse_categorical_accuracy "
    "categorical_accuracy top_k_accuracy_score multiclass_accuracy CategoricalAccuracy "
    "SparseCategoricalAccuracy validate evaluate score".split()
)


@dataclass(slots=True, eq=False)
class FunctionRef:
    """A function as it was defined; what is seen of it later is noted in it."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    unit: Unit
    defaults: dict[str, Value]
    no_grad: bool = False
    owner: ClassRef | None = None
    called: bool = False
    trains: bool = False
    reads: set[Split] = field(default_factory=set)

    @property
    def parameters(self) -> list[str]:
        arguments = self.node.args
        return [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]

    def bound(self, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Value]:
        """The value that each parameter gets."""
        arguments = self.node.args
        positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        names = dict.fromkeys(self.parameters, UNKNOWN) | self.defaults
        names |= dict(zip(positional, args, strict=False))
        names |= {name: value for name, value in kwargs.items() if name in names}
        if arguments.vararg:
            names[arguments.vararg.arg] = sequence(args[len(positional) :])
        if arguments.kwarg:
            others = {name: value for name, value in kwargs.items() if name not in names}
            names[arguments.kwarg.arg] = Value(origins=union(others.values()), entries=others)
        return names


@dataclass(slots=True, eq=False)
class ClassRef:
    """A class of the notebook's."""

    name: str
    bases: list[Value]
    fields: dict[str, Value]

    def family(self) -> Iterable[ClassRef]:
        """The class and those of its bases that the notebook defines, each once."""
        found: list[ClassRef] = []
        pending = [self]
        while pending and len(found) < 20:
            one = pending.pop(0)
            if one not in found:
                found.append(one)
                pending += [base.target for base in one.bases if isinstance(base.target, ClassRef)]
        return found

    def field(self, name: str) -> Value | None:
        return next((one.fields[name] for one in self.family() if name in one.fields), None)

    def method(self, name: str) -> FunctionRef | None:
        found = self.field(name)
        return found.target if found and isinstance(found.target, FunctionRef) else None

    def libraries(self) -> list[str]:
        """The dotted names of its bases that are no classes of the notebook's."""
        return [base.path for one in self.family() for base in one.bases if base.path]

    @property
    def is_data(self) -> bool:
        own = self.field("__getitem__") or self.field("__iter__")
        return own is not None or any(path.rpartition(".")[2] in _BASES_OF_DATA for path in self.libraries())


@dataclass(slots=True, eq=False)
class Instance:
    """An object of such a class; its fields change as the reading goes on."""

    made: ClassRef
    fields: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method taken from an object."""

    instance: Instance
    function: FunctionRef


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """What ``functools.partial`` makes."""

    function: Value
    args: tuple[Value, ...]
    kwargs: dict[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class ModuleRef:
    """A module beside the notebook."""

    name: str
    scope: Scope


def accuracy_computers(functions: Iterable[FunctionRef]) -> set[FunctionRef]:
    """Those that compare predictions with labels and count or average, or that call one that does."""
    parts = {function: list(ast.walk(function.node)) for function in functions}
    found = {function for function, nodes in parts.items() if _computes_accuracy(nodes)}
    grew = True
    while grew:
        grew = False
        names = {function.name.rpartition(".")[2] for function in found}
        for function, nodes in parts.items():
            if function not in found and any(_called_name(node) in names for node in nodes):
                found.add(function)
                grew = True
    return found


def _computes_accuracy(nodes: list[ast.AST]) -> bool:
    called = {name for node in nodes if (name := _called_name(node))}
    if called & _BY_LIBRARY:
        return True
    compares = bool(called & _EQUALS) or any(_compares_values(node) for node in nodes)
    adds = any(isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) for node in nodes)
    counts = bool(called & _COUNTS) or adds
    names = {node.id.casefold() for node in nodes if isinstance(node, ast.Name)}
    chooses = bool(called & _CHOOSES) or any("pred" in name or "correct" in name for name in names)
    return compares and counts and chooses


def _compares_values(node: ast.AST) -> bool:
    """Whether it is a ``==`` of two things that are both worked out, and not of a mode with a word."""
    return (
        isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq) for operator in node.ops)
        and not any(isinstance(side, ast.Constant) for side in (node.left, *node.comparators))
    )


def _called_name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
