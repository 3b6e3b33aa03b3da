"""What stands in, inside the sandbox, for a module that a homework forbids or that isn't installed.

An import at the top of a file that is never used costs a student nothing: the import succeeds, and only
*using* the module raises, with a sentence that names it. An import inside ``try`` fails as it would on any
machine without that package, so that the fallback which the student wrote runs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn


class ModuleUnavailable(ImportError):
    """Raised where a placeholder is used."""


class _Absent:
    """An attribute of a module that isn't there: it may be imported and passed on, but not used."""

    def __init__(self, name: str, reason: str) -> None:
        self.__dict__["_absent"] = (name, reason)

    def __getattr__(self, attribute: str) -> _Absent:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)
        name, reason = self.__dict__["_absent"]
        return _Absent(f"{name}.{attribute}", reason)

    def __call__(self, *_args: Any, **_keywords: Any) -> NoReturn:
        name, reason = self.__dict__["_absent"]
        raise ModuleUnavailable(f"{name}: {reason}", name=name)

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> NoReturn:
        self()

    def __iter__(self) -> NoReturn:
        self()

    def __getitem__(self, _key: Any) -> NoReturn:
        self()

    def __enter__(self) -> NoReturn:
        self()

    def __exit__(self, *_exc: object) -> None:
        """Never reached: entering raises."""


class _Placeholder(ModuleType):
    """A module without content; any name can be imported from it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.__dict__.update(__path__=[], __all__=[], _reason=reason)

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
    """Common to both finders: only imports that student code itself makes are answered."""

    def __init__(self, tree: Path) -> None:
        self._tree = str(tree.resolve())
        self.used: list[str] = []  # modules that were replaced, in order, for the report

    def _stand_in(self, name: str, reason: str, *, elsewhere: bool) -> ModuleSpec | None:
        importer = _importing_frame()
        by_student = importer is not None and importer.f_code.co_filename.startswith(self._tree)
        if by_student and importer is not None and _inside_try(importer):
            raise ModuleNotFoundError(f"No module named {name!r} ({reason})", name=name)
        if not by_student and not elsewhere:
            return None
        if name not in self.used:
            self.used.append(name)
        return ModuleSpec(name, _PlaceholderLoader(reason), is_package=True)


class ForbiddenModules(_Finder):
    """First in line: the modules that this homework wants done without."""

    def __init__(self, tree: Path, names: Sequence[str], reason: str) -> None:
        super().__init__(tree)
        self._names, self._reason = frozenset(names), reason

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parts = fullname.split(".")
        if any(".".join(parts[:count]) in self._names for count in range(1, len(parts) + 1)):
            return self._stand_in(fullname, self._reason, elsewhere=True)
        return None


class MissingModules(_Finder):
    """Last in line: packages that aren't installed here, and extensions that were never compiled."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return self._stand_in(fullname, "this module isn't installed where you are graded", elsewhere=False)


def _importing_frame() -> FrameType | None:
    """The frame whose import statement, or call, is being carried out."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name != __file__ and not name.startswith("<frozen importlib") and "importlib" not in name:
            return frame
        frame = frame.f_back
    return None


def _inside_try(frame: FrameType) -> bool:
    """Whether the line that ``frame`` is at lies in the body of a ``try`` that has handlers."""
    try:
        source = Path(frame.f_code.co_filename).read_text(encoding="utf-8", errors="replace")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return False
    line = frame.f_lineno
    return any(
        node.handlers and node.body[0].lineno <= line <= (node.body[-1].end_lineno or line)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
    )
