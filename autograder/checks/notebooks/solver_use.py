"""Whether a notebook trains with the homework's own solver and layers: read from its source, never run.

The homework gives a class with a method ``train`` in a module of its package, and a network built from the
package's layers. What trains is followed by name: the cell with the call, the definitions and assignments
that it uses, wherever in the notebook they stand, and the modules of the package that they come from.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from autograder.checks.notebooks.cellcode import called_name, trees_of
from autograder.checks.notebooks.source_library import FRAMEWORKS
from autograder.loaders.notebook import Notebook

MOST_SOURCE_CHARS = 128 * 1024  # of one module; Python's parser is quadratic for some sources
MOST_MODULES = 100
MOST_NAMES = 400  # that one training is followed into

_OTHERS = {"theano": "theano", "chainer": "chainer", "cntk": "cntk", "caffe": "caffe", "xgboost": "xgboost"}
_TRAINERS = FRAMEWORKS | _OTHERS  # top module -> the library's name; what fits networks by itself
_TRAINER_MODULE = re.compile(r"(?:^|[._])(?:solver|classifier_trainer|trainer)s?$", re.IGNORECASE)
_RUNS = re.compile(
    r"^[ \t]*(?:%run|![ \t]*python[\d.]*(?:[ \t]+-u)?)[ \t]+([\w./-]{1,200}\.py)\b", re.MULTILINE
)
_UP_TO_VALIDATION = 3  # arguments of the old solver's train(): images, labels, images to validate on
_CONVOLVES = re.compile(r"conv", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Training:
    """One cell that trains by the homework's solver.

    ``framework`` is a library that what it trains uses; ``convolves`` says whether the network has a
    convolution in it, None where it can't be followed; ``own_images`` that it validates on its training
    images; ``epochs`` what it asks for.
    """

    cell: int
    framework: str = ""
    convolves: bool | None = None
    own_images: bool = False
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class SolverUse:
    """What was read. ``solver`` names the class and where it lies, which ``in_tree`` says was handed in."""

    solver: str = ""
    in_tree: bool = True
    trainings: tuple[Training, ...] = ()
    frameworks: tuple[str, ...] = ()  # imported anywhere in the notebook


def read_solver_use(notebook: Notebook, modules: Mapping[str, str]) -> SolverUse:
    """How the notebook trains; ``modules`` are the submission's Python files, path and source."""
    package = _Package(modules)
    return _Reader(with_scripts(notebook, package), package).read()


def with_scripts(notebook: Notebook, package: _Package) -> dict[int, ast.Module]:
    """The cells' trees, with the bodies of the scripts that they run, as by ``%run train.py``."""
    trees = trees_of(notebook)
    for cell in notebook.cells:
        if cell.kind != "code":
            continue
        for script in _RUNS.findall(cell.source[:MOST_SOURCE_CHARS]):
            path = package.path(script.removesuffix(".py").replace("/", "."), loosely=True)
            body = package.tree(path).body if path else []
            trees[cell.number] = ast.Module([*getattr(trees.get(cell.number), "body", []), *body], [])
    return trees


class _Package:
    """The modules that were handed in, by what an import calls them."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._sources = modules
        self._trees: dict[str, ast.Module] = {}

    def tree(self, path: str) -> ast.Module:
        if path not in self._trees:
            source = self._sources[path] if len(self._trees) < MOST_MODULES else ""
            self._trees[path] = _parsed(source)
        return self._trees[path]

    def path(self, dotted: str, *, loosely: bool = False) -> str | None:
        """The file of a module; ``loosely`` also one in another folder, if its name is the same."""
        wanted = dotted.strip(".").replace(".", "/")
        if not wanted:
            return None
        for ending in (f"{wanted}.py", f"{wanted}/__init__.py"):
            for path in self._sources:
                if path == ending or path.endswith(f"/{ending}"):
                    return path
        last = f"{wanted.rpartition('/')[2]}.py"
        return next((p for p in self._sources if loosely and p.rpartition("/")[2] == last), None)

    def definition(self, path: str, name: str, depth: int = 4) -> tuple[str, ast.AST] | None:
        """The class or function of that name in a module, or in one that it takes it from."""
        tree = self.tree(path)
        for statement in tree.body:
            if isinstance(statement, (ast.ClassDef, ast.FunctionDef)) and statement.name == name:
                return path, statement
        for node in _imports_in(tree) if depth else ():
            if not any(alias.name in ("*", name) for alias in node.names):
                continue
            inner = self.path(node.module or "")
            found = self.definition(inner, name, depth - 1) if inner and inner != path else None
            if found is not None:
                return found
        return None


class _Reader:
    def __init__(self, cells: Mapping[int, ast.Module], package: _Package) -> None:
        self._cells, self._package = cells, package
        self._names: dict[str, str] = {}  # what a name was imported as: "cs231n.solver.Solver"
        self._stars: list[str] = []
        self._defined: dict[str, list[ast.AST]] = {}  # definitions and assignments, by the name they bind
        self._frameworks: dict[str, str] = {}  # name -> library
        self._helpers: list[ast.Module] = []  # modules of the submission that make a solver themselves
        for tree in cells.values():
            for node in ast.walk(tree):
                self._note(node)
        for path in self._training_modules():
            self._helpers.append(package.tree(path))
            for node in ast.walk(self._helpers[-1]):
                self._note(node)

    def _training_modules(self) -> list[str]:
        """The modules that the notebook imports from and that import the solver: they train in its place."""
        named = [dotted.rpartition(".")[0] or dotted for dotted in self._names.values()]
        paths = dict.fromkeys(
            path
            for module in (*named, *self._names.values(), *self._stars)
            if (path := self._package.path(module)) is not None
        )
        return [path for path in paths if _imports_solver(self._package.tree(path))]

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    self._import(alias.asname or alias.name.partition(".")[0], alias.name)
                    if alias.asname is None:
                        self._names[alias.name] = alias.name
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    if alias.name == "*":
                        self._stars.append(module or "")
                    else:
                        self._import(alias.asname or alias.name, f"{module or ''}.{alias.name}")
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                self._defined.setdefault(name, []).append(node)
            case ast.Assign(targets=targets):
                for target in targets:
                    for one in ast.walk(target):
                        if isinstance(one, ast.Name):
                            self._defined.setdefault(one.id, []).append(node)

    def _import(self, name: str, dotted: str) -> None:
        self._names[name] = dotted
        top = dotted.partition(".")[0]
        if top in _TRAINERS:
            self._frameworks[name] = _TRAINERS[top]

    def read(self) -> SolverUse:
        solver, in_tree = self._solver()
        frameworks = {_TRAINERS[top] for star in self._stars if (top := star.partition(".")[0]) in _TRAINERS}
        found = tuple(sorted(frameworks | set(self._frameworks.values())))
        if not solver:
            return SolverUse(frameworks=found)
        trainings = tuple(
            self._training(cell, tree) for cell, tree in self._cells.items() if self._trains(tree)
        )
        return SolverUse(solver, in_tree, trainings, found)

    # --- the solver ---

    def _solver(self) -> tuple[str, bool]:
        """The class that trains and that the notebook makes one of, and whether its file is there."""
        trees = (*self._cells.values(), *self._helpers)
        calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
        unsure = ""
        for call in calls:
            for module, name in self._origins(self._dotted(call.func)):
                path = self._package.path(module, loosely=True)
                found = self._package.definition(path, name) if path else None
                if found is not None and _has_train(found[1]):
                    return f"{name} of {found[0]}", True
                if path is None and _TRAINER_MODULE.search(module):
                    unsure = unsure or f"{name} of {module}"
        return unsure, False

    def _origins(self, dotted: str, depth: int = 4) -> Iterator[tuple[str, str]]:
        """The same for a class, or for what a class of the notebook's own is derived from."""
        yield from self._places(dotted)
        for node in self._defined.get(dotted, ()) if depth else ():
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                yield from self._origins(self._dotted(base), depth - 1)

    def _places(self, dotted: str) -> Iterator[tuple[str, str]]:
        """The modules that a name may come from, and what it is called there."""
        if not dotted:
            return
        module, _, name = dotted.rpartition(".")
        if module:
            yield module, name
        elif dotted not in self._defined:
            yield from ((star, dotted) for star in self._stars)

    def _dotted(self, node: ast.expr) -> str:
        """``Solver`` as "cs231n.solver.Solver", whichever way it was imported."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join((self._names.get(node.id, node.id), *parts))

    def _trains(self, tree: ast.AST) -> bool:
        """Whether a cell calls ``.train(...)``, itself or by functions of the notebook."""
        waiting, seen = [tree], set[str]()
        while waiting and len(seen) < MOST_NAMES:
            for node in _running(waiting.pop()):
                if not isinstance(node, ast.Call):
                    continue
                if isinstance(node.func, ast.Attribute) and node.func.attr == "train":
                    return True
                name = called_name(node)
                if name in self._defined and name not in seen:
                    seen.add(name)
                    waiting += [one for one in self._defined[name] if isinstance(one, ast.FunctionDef)]
        return False

    # --- one training ---

    def _training(self, cell: int, tree: ast.Module) -> Training:
        closure = [tree, *self._followed(tree)]
        calls = [node for root in closure for node in ast.walk(root) if isinstance(node, ast.Call)]
        used = (self._frameworks.get(name, "") for root in closure for name in _names_of(root))
        framework = next(filter(None, used), "") or self._framework_of_modules(closure)
        epochs = {value for call in calls if (value := _keyword(call, "num_epochs")) is not None}
        return Training(
            cell,
            framework,
            self._convolves(closure),
            any(map(_validates_on_training, closure)),
            epochs.pop() if len(epochs) == 1 else None,
        )

    def _followed(self, tree: ast.AST) -> list[ast.AST]:
        """The definitions and assignments of the notebook that a cell's names lead to."""
        found: dict[int, ast.AST] = {}
        waiting, seen = list(_names_of(tree)), set[str]()
        inside = {id(node) for node in ast.walk(tree)}
        # A name that the cell binds by itself isn't another cell's, whose network may be another one.
        bound = {
            one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
        while waiting and len(seen) < MOST_NAMES:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for node in () if name in bound else self._defined.get(name, ()):
                if id(node) not in found and id(node) not in inside:
                    found[id(node)] = node
                    waiting += _names_of(node)
        return list(found.values())

    def _taken(self, closure: list[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
        """The definitions of the package that the names of a training lead to, but for the solver's."""
        seen: set[str] = set()
        for root in closure:
            for node in ast.walk(root):
                dotted = self._dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
                if not dotted or dotted in seen:
                    continue
                seen.add(dotted)
                for module, name in self._places(dotted):
                    path = self._package.path(module)
                    found = self._package.definition(path, name) if path else None
                    if found is not None and not _has_train(found[1]):
                        yield found

    def _convolves(self, closure: list[ast.AST]) -> bool | None:
        """Whether some network among what is trained uses a convolution; None where none was found."""
        networks = [node for _, node in self._taken(closure) if _is_network(node)]
        networks += [node for node in closure if _is_network(node)]
        if not networks:
            return None
        return any(_CONVOLVES.search(name) for node in networks for name in _names_of(node, attributes=True))

    def _framework_of_modules(self, closure: list[ast.AST]) -> str:
        """A library that a module of the package uses, of those that the networks come from."""
        for path, node in self._taken(closure):
            imports = _Reader({0: self._package.tree(path)}, _Package({}))
            used = next((imports._frameworks[n] for n in _names_of(node) if n in imports._frameworks), "")
            if used:
                return used
        return ""


@lru_cache(maxsize=64)
def _parsed(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a student's docstring is no concern of ours
            return ast.parse(source[:MOST_SOURCE_CHARS])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _imports_solver(tree: ast.Module) -> bool:
    return any(_TRAINER_MODULE.search(node.module or "") for node in _imports_in(tree))


@lru_cache(maxsize=64)
def _imports_in(tree: ast.Module) -> tuple[ast.ImportFrom, ...]:
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))


def _has_train(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(one, ast.FunctionDef) and one.name == "train" for one in node.body
    )


def _is_network(node: ast.AST) -> bool:
    """A class with a method ``loss``, or a function of the old kind: ``three_layer_convnet(X, model, y)``."""
    if isinstance(node, ast.ClassDef):
        return any(isinstance(one, ast.FunctionDef) and one.name in ("loss", "forward") for one in node.body)
    if not isinstance(node, ast.FunctionDef):
        return False
    arguments = [one.arg for one in node.args.args]
    return "net" in node.name.lower() and not node.name.startswith("init") and len(arguments) > 1


def _running(root: ast.AST) -> Iterator[ast.AST]:
    """What runs with ``root``: not the bodies of what it defines, but the body of a function that it is."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(root))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def _names_of(root: ast.AST, *, attributes: bool = False) -> Iterator[str]:
    for node in ast.walk(root):
        if isinstance(node, ast.Name):
            yield node.id
        elif attributes and isinstance(node, ast.Attribute):
            yield node.attr


def _keyword(call: ast.Call, name: str) -> int | None:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            value = keyword.value.value
            return value if type(value) is int else None
    return None


def _validates_on_training(root: ast.AST) -> bool:
    """Whether the images to validate on are, word for word, those to train on."""
    for node in ast.walk(root):
        if isinstance(node, ast.Dict):
            given = {
                key.value: ast.dump(value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
            if "X_val" in given and given["X_val"] == given.get("X_train"):
                return True
        if isinstance(node, ast.Call) and called_name(node) == "train":
            images = [ast.dump(one) for one in node.args[:_UP_TO_VALIDATION]]
            if len(images) == _UP_TO_VALIDATION and images[0] == images[2]:
                return True
    return False
