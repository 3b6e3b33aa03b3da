"""What stands in, inside the sandbox, for a module that a homework forbids or that isn't installed.

An import at the top of a file that is never used costs a student nothing: the import succeeds, and only
*using* the module raises, with a sentence that names it. An import inside ``try`` fails as it would on any
machine without that package, so that the fallback which the student wrote runs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
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
    """Whether a dotted name is one of ``tops`` or lies below one of them."""
    parts = name.split(".")
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

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> NoReturn:
        self._use()

    def __instancecheck__(self, _instance: object) -> bool:
        return False

    def __bool__(self) -> bool:
        return True  # as modules, functions and classes are; else it would be asked for its length

    def __subclasscheck__(self, _subclass: type) -> bool:
        return False


def _used(self: _Unusable, *_args: Any, **_keywords: Any) -> NoReturn:
    self._use()


for _operator in (
    "call iter next len contains getitem setitem delitem enter exit aenter aexit await "
    "lt le gt ge add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv "
    "mod rmod pow rpow matmul rmatmul imatmul and rand or ror xor rxor lshift rshift neg pos abs invert "
    "int float complex index round array"
).split():
    setattr(_Unusable, f"__{_operator}__", _used)


class _Absent(_Unusable):
    """An attribute of a module that isn't there."""

    def __init__(self, name: str, reason: str) -> None:
        self.__dict__["_what"] = (name, reason)

    @property
    def _absent(self) -> tuple[str, str]:
        found: tuple[str, str] = self.__dict__["_what"]
        return found

    def __getattr__(self, attribute: str) -> _Absent:
        if attribute.startswith("__") and attribute.endswith("__"):
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
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)
        return _Absent(f"{self.__name__}.{attribute}", self.__dict__["_reason"])


class _PlaceholderLoader(Loader):
    def __init__(self, reason: str) -> None:
        self._reason = reason

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name, self._reason)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


class _Finder(MetaPathFinder):
    """Common to both finders: they answer according to who imports."""

    def __init__(self, tree: Path) -> None:
        self._tree = f"{tree.resolve()}/"
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
        if importer is not None and _has_fallback(importer):
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
        return self._stand_in(fullname, self._reason(fullname), importer)

    def _reason(self, fullname: str) -> str:
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if parent is None or isinstance(parent, _Placeholder):
            return NOT_INSTALLED
        places = [str(place) for place in getattr(parent, "__path__", ())]
        return NOT_HANDED_IN if any(f"{p}/".startswith(self._tree) for p in places) else NOT_IN_THIS_VERSION


def _is_machinery(filename: str) -> bool:
    return filename == __file__ or "importlib" in filename


def _has_fallback(frame: FrameType) -> bool:
    """Whether the line that ``frame`` is at lies in the body of a ``try`` that catches a failed import."""
    try:
        source = Path(frame.f_code.co_filename).read_text(encoding="utf-8", errors="replace")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
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
