"""What a call gives: the notebook's own functions are followed, a library's are recognised by their names."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.checks.notebooks import source_data, source_settings, source_training, source_weights
from autograder.checks.notebooks import source_library as library
from autograder.checks.notebooks.source_facts import Place
from autograder.checks.notebooks.source_functions import ClassRef, FunctionRef, Instance, Method, Partial
from autograder.checks.notebooks.source_values import (
    UNKNOWN,
    Value,
    constant,
    merged,
    sequence,
    union,
)

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_run import Reader

_NEUTRAL = frozenset(
    "shape size ndim dtype device batch_size classes class_to_idx num_classes c vocab n".split()
)
_KEEPS_ARRAY = re.compile(r"(?:np|numpy|torch|tf|tensorflow|jnp|jax|cupy|cp|sklearn)\b")
_SPLIT_PARAMETERS = ("train", "is_train", "training", "split", "mode", "phase", "subset", "kind", "dataset")


@dataclass(slots=True)
class Call:
    """One call: the dotted path of what is called as far as it has one, its last name, its arguments."""

    path: str
    name: str
    owner: Value | None  # what the method is called on
    args: list[Value]
    kwargs: dict[str, Value]
    node: ast.Call
    place: Place

    def argument(self, position: int | None, *names: str) -> Value | None:
        for name in names:
            if name in self.kwargs:
                return self.kwargs[name]
        return self.args[position] if position is not None and position < len(self.args) else None

    @property
    def values(self) -> list[Value]:
        return [*self.args, *self.kwargs.values()]


_PASSES_ON = frozenset(
    "tqdm tqdm_notebook notebook_tqdm progress_bar track master_bar list tuple iter reversed prefetch cycle "
    "deepcopy copy".split()
)
Recogniser = Callable[["Reader", Call], Value | None]


def called(run: Reader, node: ast.Call) -> Value:
    """What the call gives, and everything noted that it says."""
    owner = None
    if isinstance(node.func, ast.Attribute):
        owner = run.value(node.func.value)
        callee = run.attribute(owner, node.func.attr)
        name = node.func.attr
    else:
        callee = run.value(node.func)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
    args, kwargs = _arguments(run, node)
    if isinstance(callee.target, Partial):
        args, kwargs = [*callee.target.args, *args], {**callee.target.kwargs, **kwargs}
        callee = callee.target.function
    path = callee.path
    call = Call(path, path.rpartition(".")[2] or name, owner, args, kwargs, node, run.place(node))
    source_weights.note_own_call(run, call)
    if isinstance(callee.target, FunctionRef | ClassRef | Method | Instance) and not _wraps(callee):
        return run.call(callee, args, kwargs)
    for recognise in _RECOGNISERS:
        result = recognise(run, call)
        if result is not None:
            return result
    _call_back(run, call)
    return _anything(call, callee)


def _wraps(callee: Value) -> bool:
    """A notebook's own subclass of a library's model or trainer keeps the library's methods."""
    return False if not isinstance(callee.target, Instance) else callee.target.made.method("__call__") is None


def _arguments(run: Reader, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
    args: list[Value] = []
    for one in node.args:
        value = run.value(one)
        if isinstance(one, ast.Starred) and value.items is not None:
            args += value.items
        else:
            args.append(value)
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        value = run.value(keyword.value)
        if keyword.arg is None:
            kwargs |= value.entries
        else:
            kwargs[keyword.arg] = value
    return args, kwargs


def _call_back(run: Reader, call: Call) -> None:
    """A library that is handed a function calls it, with what it was handed beside it."""
    functions = [one for one in call.values if isinstance(one.target, FunctionRef | Method)]
    if not functions:
        return
    others = [one for one in call.values if one.origins]
    for function in functions[:3]:
        reference = function.target if isinstance(function.target, FunctionRef) else function.target.function
        if call.name in ("map", "filter", "vmap", "starmap") or (not reference.called and others):
            run.call(function, others, {})


def _anything(call: Call, callee: Value) -> Value:
    """What a call that nobody knows gives: something made of its arguments."""
    values = [*([call.owner] if call.owner else []), callee, *call.values]
    if call.name in library.SHAPES or call.name in ("print", "isinstance"):
        return Value(made_by=call.path or call.name)
    first = call.args[0] if call.args else None
    if call.name in library.STATISTICS and any(one.data for one in (call.owner, first) if one is not None):
        return Value(made_by=call.name)
    method_of_data = call.owner is not None and call.owner.data
    array = _KEEPS_ARRAY.match(call.path) and first is not None and first.data
    wrapped = first is not None and (first.length is not None or first.items is not None or first.entries)
    return Value(
        origins=union(values),
        made_by=call.path or call.name,
        data=(call.owner.data if method_of_data and call.owner else "array" if array else ""),
        length=first.length if first is not None and wrapped else None,
        entries=first.entries if first is not None and wrapped and not call.owner else {},
    )


# Python's own ---------------------------------------------------------------------------------------------


def _python(run: Reader, call: Call) -> Value | None:
    owner, name = call.owner, call.name
    if owner is not None and owner.entries and not call.path:
        return _of_dict(owner, name, call)
    if name in ("range", "trange", "arange"):
        return _range(call)
    if name in ("enumerate", "zip") and call.args and not (owner and owner.data):
        inner = call.args[:1] if name == "enumerate" else call.args
        return Value(
            origins=union(inner), made_by=name, items=tuple(inner), length=inner[0].length, data=inner[0].data
        )
    if name in _PASSES_ON and call.args:
        return call.args[0]
    if name in ("join", "joinpath") and (owner is not None and (owner.path or owner.origins)) and call.args:
        return _joined_path(
            owner if not owner.path else call.args[0], call.args[0 if not owner.path else 1 :]
        )
    if name in ("Path", "str", "PosixPath", "fspath", "expanduser", "int", "float", "abspath") and call.args:
        return call.args[0]
    if name == "partial" and call.args:
        return Value(target=Partial(call.args[0], tuple(call.args[1:]), dict(call.kwargs)))
    if name in (
        "SimpleNamespace",
        "Namespace",
        "dict",
        "EasyDict",
        "DotDict",
        "edict",
        "AttrDict",
        "OrderedDict",
    ):
        entries = {**(call.args[0].entries if call.args else {}), **call.kwargs}
        return Value(entries=entries, origins=union(call.values))
    return _argparse(run, call)


def _range(call: Call) -> Value:
    numbers = [value.number for value in call.args[:3]]
    length = None
    if numbers and all(isinstance(one, int) for one in numbers):
        whole = [int(one) for one in numbers if one is not None]
        if len(whole) < 3 or whole[2] != 0:
            length = min(len(range(*whole)), 10**9) if all(abs(one) < 10**12 for one in whole) else None
    elif len(call.args) == 2:
        length = _difference(call.node)
    return Value(made_by="range", length=length)


def _difference(node: ast.Call) -> int | None:
    """``range(start, start + 10)`` runs ten times, whatever it starts from."""
    match node.args:
        case [
            ast.Name(id=start),
            ast.BinOp(left=ast.Name(id=again), op=ast.Add(), right=ast.Constant(value=int(n))),
        ]:
            return n if start == again else None
    return None


def _of_dict(owner: Value, name: str, call: Call) -> Value | None:
    pairs = list(owner.entries.items())[:64]
    if name == "items":
        return sequence([sequence([constant(key), value]) for key, value in pairs])
    if name == "values":
        return sequence([value for _, value in pairs])
    if name == "keys":
        return sequence([constant(key) for key, _ in pairs])
    if name == "get" and call.args and call.args[0].word:
        default = call.args[1] if len(call.args) > 1 else constant(None)
        return owner.entries.get(call.args[0].word, default)
    return None


def _joined_path(first: Value, rest: Sequence[Value]) -> Value:
    path = first
    for part in rest:
        path = source_data.subfolder(path, part.word) if part.word else merged(path, UNKNOWN)
    return path


def _argparse(run: Reader, call: Call) -> Value | None:
    if call.name == "add_argument":
        for option in call.args:
            if option.word:
                name = option.word.lstrip("-").replace("-", "_")
                run.arguments[name] = call.kwargs.get("default", UNKNOWN)
        return UNKNOWN
    if call.name in ("parse_args", "parse_known_args"):
        found = Value(entries=dict(run.arguments))
        return found if call.name == "parse_args" else sequence([found, UNKNOWN])
    if call.name in ("GrandparentSplitter", "DataBlock"):
        return Value(
            made_by=call.name, entries=dict(call.kwargs) or {"": UNKNOWN}, origins=union(call.values)
        )
    return None


_RECOGNISERS: tuple[Recogniser, ...] = (
    source_settings.recognise,
    source_weights.recognise,
    source_training.recognise,
    source_data.torch_data,
    source_data.other_data,
    source_data.data_file,
    source_data.halved,
    source_data.loader,
    source_data.concatenation,
    source_data.grown,
    _python,
)
