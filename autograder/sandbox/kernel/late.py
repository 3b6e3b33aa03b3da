"""Changes a module once it is imported, by whomever and whenever: a library nobody imports costs nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Patch = Callable[[ModuleType], None]


def when_imported(name: str, patch: Patch) -> None:
    """Call ``patch`` with the module ``name``: now if it is imported already, else right after its import.

    For a submodule too; patches of one name are called in the order in which they were asked for.
    """
    if name in sys.modules and not _is_being_imported(sys.modules[name]):
        patch(sys.modules[name])
        return
    _finder().waiting.setdefault(name, []).append(patch)


def _is_being_imported(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder


class _Finder(MetaPathFinder):
    """Finds what the other finders find, and has its loader tell us when it is done."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Patch]] = {}
        self._searching: set[str] = set()

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.waiting or fullname in self._searching:
            return None
        self._searching.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader, self.waiting.pop(fullname))
        return spec


class _Telling(Loader):
    """A loader that patches the module after the real one has executed it."""

    def __init__(self, loader: Loader, patches: Sequence[Patch]) -> None:
        self._loader, self._patches = loader, patches

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        __tracebackhide__ = True  # a student's import that fails shows their line, and the library's
        self._loader.exec_module(module)
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader  # inspect and pickle look for the real one's methods
        for patch in self._patches:
            patch(module)

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)
