"""What stands in, inside the sandbox, for a module that a homework forbids or that isn't installed.

An import at the top of a file that is never used costs a student nothing: the import succeeds, and only
*using* the module raises, with a sentence that names it. What a file does with it while it is imported
(``plt.rcParams[...] = ...``, ``torch.manual_seed(0)``, ``class Net(nn.Module)``) gives one more thing that
isn't there, so that only the functions that need it fail. A progress bar is nothing that anybody needs:
tqdm hands on what it is given. An import inside ``try`` fails as it would on any
machine without that package, so that the fallback which the student wrote runs.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

NOT_INSTALLED = "this module isn't installed where you are graded"
NOT_HANDED_IN = "your submission has no such module"
NOT_IN_THIS_VERSION = "the version that is installed where you are graded has no such module"
REASONS = (NOT_INSTALLED, NOT_HANDED_IN, NOT_IN_THIS_VERSION)
# Handlers that catch a failed import; a ``try`` with others is no fallback for it.
_CATCHES_IMPORT_ERROR = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))


class ModuleUnavailable(ImportError):
    """Raised where a placeholder is used."""


def is_below(name: str, tops: Collection[str]) -> bool:
    """Whether a dotted name is one of ``tops`` or lies below one of them.

    One of ``tops`` that starts with a dot, such as ".fast_layers", is meant in whatever package it lies.
    """
    parts = name.split(".")
    if any(f".{part}" in tops for part in parts):
        return True
    return any(".".join(parts[:count]) in tops for count in range(1, len(parts) + 1))


class _Unusable:
    """The answers of a thing that isn't there: it may be imported and passed on, but not used.

    Python looks operators up in the class, so each stands here by name (see the loop below). Comparing for
    equality and testing for a type are left alone: nothing equals, or is, what isn't there.
    """

    def _use(self) -> NoReturn:
        name, reason = self._absent
        raise ModuleUnavailable(f"{name}: {reason}", name=name)

    @property
    def _absent(self) -> tuple[str, str]:
        raise NotImplementedError

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        if not self._is_imported_by(sys._getframe(1)):
            self._use()
        return ()

    def _is_imported_by(self, frame: FrameType) -> bool:
        """Whether a student's file is being imported, and ``frame`` is at its top level."""
        code = frame.f_code
        return not code.co_flags & CO_OPTIMIZED and code.co_filename.startswith(_Finder.students)

    def __instancecheck__(self, _instance: object) -> bool:
        return False

    def __bool__(self) -> bool:
        return True  # as modules, functions and classes are; else it would be asked for its length

    def __subclasscheck__(self, _subclass: type) -> bool:
        return False


def _used(self: _Unusable, *_args: Any, **_keywords: Any) -> NoReturn:
    self._use()


def _used_later(self: _Unusable, *_args: Any, **_keywords: Any) -> _Absent:
    if not self._is_imported_by(sys._getframe(1)):
        self._use()
    return _Absent(*self._absent)


for _operator in (
    "iter next len contains enter exit aenter aexit await "
    "neg pos abs invert int float complex index round array"
).split():
    setattr(_Unusable, f"__{_operator}__", _used)
for _operator in (
    "call getitem setitem delitem "
    "lt le gt ge add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv "
    "mod rmod pow rpow matmul rmatmul imatmul and rand or ror xor rxor lshift rshift"
).split():
    setattr(_Unusable, f"__{_operator}__", _used_later)


def _is_pythons(attribute: str) -> bool:
    return attribute.startswith("__") and attribute.endswith("__")


class _Absent(_Unusable):
    """An attribute of a module that isn't there."""

    def __init__(self, name: str, reason: str) -> None:
        self.__dict__["_what"] = (name, reason)

    @property
    def _absent(self) -> tuple[str, str]:
        found: tuple[str, str] = self.__dict__["_what"]
        return found

    def __getattr__(self, attribute: str) -> _Absent:
        if _is_pythons(attribute):
            raise AttributeError(attribute)
        name, reason = self._absent
        return _Absent(f"{name}.{attribute}", reason)


class _Placeholder(_Unusable, ModuleType):
    """A module without content; any name can be imported from it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.__dict__.update(__path__=[], __all__=[], _reason=reason)

    @property
    def _absent(self) -> tuple[str, str]:
        return self.__name__, self.__dict__["_reason"]

    def __getattr__(self, attribute: str) -> _Absent:
        asked_for = attribute == "__version__" and self._is_imported_by(sys._getframe(1))
        if _is_pythons(attribute) and not asked_for:
            raise AttributeError(attribute)
        return _Absent(f"{self.__name__}.{attribute}", self.__dict__["_reason"])


class _PlaceholderLoader(Loader):
    def __init__(self, reason: str) -> None:
        self._reason = reason

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name, self._reason)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


class _Bar:
    """Stands in for tqdm's progress bar, and shows nothing."""

    def __init__(self, iterable: Iterable[Any] = (), *_args: Any, **_keywords: Any) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]  # as for tqdm's own

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def __getattr__(self, attribute: str) -> Any:
        if _is_pythons(attribute):
            raise AttributeError(attribute)
        return _nothing

    @staticmethod
    def write(*_args: Any, **_keywords: Any) -> None:
        """Nothing to write between the bars that aren't shown."""


def _nothing(*_args: Any, **_keywords: Any) -> None:
    """In place of update(), set_description() and so on."""


def _range_with_bar(*args: int, **_keywords: Any) -> _Bar:
    return _Bar(range(*args))


class _BarLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(
            tqdm=_Bar, tqdm_notebook=_Bar, trange=_range_with_bar, tnrange=_range_with_bar, __path__=[]
        )


class _Finder(MetaPathFinder):
    """Common to both finders: they answer according to who imports."""

    students = "/"  # the folder with the student's files; a process has one

    def __init__(self, tree: Path) -> None:
        self._tree = _Finder.students = f"{tree.resolve()}/"
        self.used: list[str] = []  # modules that were replaced, in order, for the report

    def _is_students(self, importer: FrameType | None) -> bool:
        return importer is not None and importer.f_code.co_filename.startswith(self._tree)

    def _importer(self) -> FrameType | None:
        """The frame whose import statement, or call, is being carried out."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not self._is_students(frame) and _is_machinery(frame.f_code.co_filename):
            frame = frame.f_back
        return frame

    def _stand_in(self, name: str, reason: str, importer: FrameType | None) -> ModuleSpec:
        if importer is not None and has_fallback(importer):
            raise ModuleNotFoundError(f"No module named {name!r} ({reason})", name=name)
        if name not in self.used:
            self.used.append(name)
        return ModuleSpec(name, _PlaceholderLoader(reason), is_package=True)


class ForbiddenModules(_Finder):
    """First in line: the modules that this homework wants done without, whoever imports them."""

    def __init__(self, tree: Path, names: Sequence[str], reason: str) -> None:
        super().__init__(tree)
        self._names, self._reason = frozenset(names), reason

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if is_below(fullname, self._names):
            return self._stand_in(fullname, self._reason, self._importer())
        return None


class MissingModules(_Finder):
    """Last in line: what student code imports and no finder before found. Packages that aren't installed,
    extensions that were never compiled."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        importer = self._importer()
        if not self._is_students(importer):
            return None
        if fullname.partition(".")[0] == "tqdm":
            return ModuleSpec(fullname, _BarLoader(), is_package=True)
        return self._stand_in(fullname, self._reason(fullname), importer)

    def _reason(self, fullname: str) -> str:
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if parent is None or isinstance(parent, _Placeholder):
            return NOT_INSTALLED
        places = [str(place) for place in getattr(parent, "__path__", ())]
        return NOT_HANDED_IN if any(f"{p}/".startswith(self._tree) for p in places) else NOT_IN_THIS_VERSION


def _is_machinery(filename: str) -> bool:
    return filename == __file__ or "importlib" in filename


def has_fallback(frame: FrameType) -> bool:
    """Whether the line that ``frame`` is at lies in the body of a ``try`` that catches a failed import."""
    name = frame.f_code.co_filename
    if Path(name).is_file():  # it may have been written anew; a notebook's cells are only in the cache
        linecache.checkcache(name)
    source = "".join(linecache.getlines(name))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    line = frame.f_lineno
    return any(
        any(_catches(handler) for handler in node.handlers)
        and node.body[0].lineno <= line <= (node.body[-1].end_lineno or line)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
    )


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _CATCHES_IMPORT_ERROR for kind in kinds)
