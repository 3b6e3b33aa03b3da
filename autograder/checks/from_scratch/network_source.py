"""Where a submission defines its network: which file to load, which class, and how its script makes it.

Only a file that is safe to import can be loaded: one that defines things, and trains only when it is started.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.checks.from_scratch.settings import Settings, parsed, written
from autograder.checks.logs.datasets import IMAGENET

_MODULE = re.compile(r"(?:^|\.)(?:Module|LightningModule|Sequential|PyTorchModelHubMixin)$")
_MOST_LITERAL_CHARS = 500
_MOST_ARGUMENTS = 12
_ARCHITECTURE_OPTIONS = ("arch", "model", "model_name", "net", "network", "architecture", "backbone")
_CLASS_KEYWORDS = ("num_classes", "n_classes", "classes", "nb_classes", "num_class", "out_features")
_FACTORY = re.compile(r"net|model|vgg|former|vit|_\d+$|\d+$", re.IGNORECASE)

Value = str | int | float | bool | list["Value"] | tuple["Value", ...] | None


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """``path`` is the file to load, "" where none is safe; ``names`` are classes and functions to prefer.

    ``own`` are the names of network classes that the submission defines; ``arguments`` are keywords that its
    scripts make them with, and usual ones.
    """

    path: str
    names: tuple[str, ...]
    own: tuple[str, ...]
    arguments: tuple[dict[str, Value], ...]


@dataclass(frozen=True, slots=True)
class _Classes:
    """The network classes of one file, those of them that no other class is made of, and its functions."""

    path: str
    all: tuple[str, ...]
    outer: tuple[str, ...]
    factories: tuple[str, ...]


def find_network(sources: Mapping[str, str], training: Sequence[str], settings: Settings) -> NetworkSource:
    """Look through the Python files; ``training`` are those that train."""
    trees = {path: parsed(source) for path, source in sources.items()}
    classes = [_classes_of(path, tree) for path, tree in trees.items()]
    classes = [one for one in classes if one.all]
    used = " ".join(sources[path] for path in training)
    asked = [
        option.value
        for name in _ARCHITECTURE_OPTIONS
        if (option := settings.option(name)) is not None and option.value.isidentifier()
    ]

    def order(one: _Classes) -> tuple[bool, bool, bool, str]:
        named = any(re.search(rf"\b{re.escape(name)}\b", used) for name in (*one.outer, *one.factories))
        wanted = any(
            name.casefold() in {a.casefold() for a in asked} for name in (*one.outer, *one.factories)
        )
        return not wanted, not named, one.path in training, one.path

    classes.sort(key=order)
    safe = [one for one in classes if _is_safe(trees[one.path])]
    outer = [name for one in classes for name in one.outer]
    made = [name for one in classes for name in one.factories]
    names = dict.fromkeys(
        [*_wanted(asked, [*outer, *made]), *asked, *_used_in(used, [*outer, *made]), *outer]
    )
    path = safe[0].path if safe else next((one for one in trees if _is_safe(trees[one])), "")
    arguments = _arguments(trees.values(), set(names) | set(made))
    return NetworkSource(path, tuple(names)[:20], tuple(dict.fromkeys(outer)), arguments)


def _wanted(asked: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    folded = {one.casefold().replace("_", "") for one in asked}
    return (name for name in names if name.casefold().replace("_", "") in folded)


def _used_in(text: str, names: Sequence[str]) -> Iterator[str]:
    return (name for name in names if re.search(rf"\b{re.escape(name)}\s*\(", text))


def _classes_of(path: str, tree: ast.Module) -> _Classes:
    defined = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    networks = {name for name, node in defined.items() if _names_module(node)}
    while more := {
        name
        for name, node in defined.items()
        if name not in networks and any(isinstance(b, ast.Name) and b.id in networks for b in node.bases)
    }:
        networks |= more
    inner: set[str] = set()
    for name in networks:
        for part in ast.walk(defined[name]):
            if isinstance(part, ast.Name) and part.id in networks and part.id != name:
                inner.add(part.id)
    outer = [name for name in defined if name in networks and name not in inner]
    # A block may be handed over, as in ResNet(Bottleneck, [3, 4, 6, 3]), and is no network either.
    handed = _handed_over(tree, networks)
    outer = [name for name in outer if name not in handed] or outer
    factories = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _FACTORY.search(node.name)
    ]
    return _Classes(path, tuple(networks), tuple(outer), tuple(factories))


def _names_module(node: ast.ClassDef) -> bool:
    return any(_MODULE.search(written(base)) for base in node.bases)


def _handed_over(tree: ast.Module, networks: set[str]) -> set[str]:
    given = (
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords))
    )
    return {one.id for one in given if isinstance(one, ast.Name) and one.id in networks}


def _is_safe(tree: ast.Module) -> bool:
    """Whether importing it only defines things: no loop and no call at its top level that may train."""
    for node in tree.body:
        if isinstance(node, ast.For | ast.While | ast.With):
            return False
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not _harmless(node.value):
            return False
        if isinstance(node, ast.Assign) and "parse_args" in written(node.value):
            return False  # there is no command line when it is imported
    return True


def _harmless(call: ast.Call) -> bool:
    name = written(call.func)
    return bool(re.search(r"add_argument|seed|warn|filter|print|path|set_|basicConfig|use$", name))


def _parameters(name: str, trees: Iterable[ast.Module]) -> list[str]:
    """The names of what a class, or a function, of the submission takes in order."""
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return [one.arg for one in node.args.args]
            if isinstance(node, ast.ClassDef) and node.name == name:
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                        return [one.arg for one in part.args.args[1:]]
    return []


def _literal(node: ast.expr) -> tuple[Value] | None:
    """The value of a constant, or of a list or tuple of them, in a tuple of its own; None for all else."""
    if len(written(node)) > _MOST_LITERAL_CHARS:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None
    return (value,) if _is_plain(value) else None


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


def _arguments(trees: Iterable[ast.Module], names: set[str]) -> tuple[dict[str, Value], ...]:
    """What calls of these names give as literals, by its keywords; then the number of classes alone."""
    trees = list(trees)
    found: list[dict[str, Value]] = []
    for tree in trees:
        for node in ast.walk(tree):
            name = written(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if not isinstance(node, ast.Call) or name not in names:
                continue
            placed = zip(_parameters(name, trees), node.args, strict=False)
            said = [*placed, *((one.arg, one.value) for one in node.keywords if one.arg)]
            given = {key: value[0] for key, one in said if (value := _literal(one))}
            if given and given not in found:
                found.append(given)
    usual: list[dict[str, Value]] = [{name: IMAGENET.classes} for name in _CLASS_KEYWORDS]
    return (*found[:_MOST_ARGUMENTS], *(one for one in usual if one not in found))
