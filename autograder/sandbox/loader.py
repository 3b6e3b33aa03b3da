"""Imports a student's module as it lies in the tree, inside the sandbox."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from autograder.sandbox.placeholders import ForbiddenModules, MissingModules

_LOOSE_PACKAGE = "submission"  # the package that a module lying outside any package is given


class Loader:
    """Holds the import hooks of one box and the modules that were loaded through them."""

    def __init__(self, tree: Path, unavailable: tuple[str, ...], reason: str) -> None:
        self.tree = tree.resolve()
        self._forbidden = ForbiddenModules(self.tree, unavailable, reason)
        self._missing = MissingModules(self.tree)

    def install(self) -> None:
        sys.meta_path.insert(0, self._forbidden)
        sys.meta_path.append(self._missing)

    @property
    def replaced(self) -> list[str]:
        """Names of the modules that a placeholder stood in for."""
        return [*self._forbidden.used, *self._missing.used]

    def load(self, path: str) -> ModuleType:
        """Import the file at ``path`` (relative to the tree) under the name that its folders give it.

        A package is the chain of folders above the file whose names can be module names, up to the folder
        that stands for the homework: the outermost with an ``__init__.py``, else the file's own folder. Its
        parent is put on ``sys.path``, so both ``from .im2col import *`` and ``from cs231n.im2col import *``
        work.
        """
        file = self.tree / path
        folders = _package_folders(file, self.tree)
        top = folders[0].parent if folders else file.parent
        for place in (file.parent, self.tree, top):
            if str(place) not in sys.path:
                sys.path.insert(0, str(place))
        if folders:
            name = ".".join([*(folder.name for folder in folders), file.stem])
            return importlib.import_module(name)
        return _load_loose(file)


def _package_folders(file: Path, tree: Path) -> list[Path]:
    """The packages that ``file`` lies in, outermost first; empty for a file that lies in none."""
    chain: list[Path] = []
    folder = file.parent
    while folder != tree and folder.name.isidentifier():
        chain.insert(0, folder)
        folder = folder.parent
    declared = [folder for folder in chain if (folder / "__init__.py").is_file()]
    if declared:
        return chain[chain.index(declared[0]) :]
    return chain[-1:]


def _load_loose(file: Path) -> ModuleType:
    """Import a file that lies in no package, in one made for it, so that relative imports find neighbours."""
    package = ModuleType(_LOOSE_PACKAGE)
    package.__path__ = [str(file.parent)]
    sys.modules.setdefault(_LOOSE_PACKAGE, package)
    if not file.stem.isidentifier():
        spec = importlib.util.spec_from_file_location(f"{_LOOSE_PACKAGE}.module", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    return importlib.import_module(f"{_LOOSE_PACKAGE}.{file.stem}")
