"""Imports a student's module as it lies in the tree, inside the sandbox."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from autograder.sandbox.placeholders import ForbiddenModules, MissingModules

_ODD_NAME = "module"  # what a file is imported as whose own name can't be a module's
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
        if not folders:
            return _load_loose(file)
        package = ".".join(folder.name for folder in folders)
        if "." in file.stem:
            importlib.import_module(package)
            return _load_as(f"{package}.{_ODD_NAME}", file)
        return importlib.import_module(f"{package}.{file.stem}")


def _package_folders(file: Path, tree: Path) -> list[Path]:
    """The packages that ``file`` lies in, outermost first; empty for a file that lies in none.

    A folder called like a module that is installed, such as "code" or "test", makes none: Python would find
    the other.
    """
    chain: list[Path] = []
    folder = file.parent
    while folder != tree and folder.name.isidentifier():
        chain.insert(0, folder)
        folder = folder.parent
    declared = [folder for folder in chain if (folder / "__init__.py").is_file()]
    chain = chain[chain.index(declared[0]) :] if declared else chain[-1:]
    while chain and _is_taken(chain[0]):
        del chain[0]
    return chain


def _is_taken(folder: Path) -> bool:
    """Whether importing a folder's name gives another module than the one that the folder makes."""
    loaded = sys.modules.get(folder.name)
    if loaded is not None:
        return str(folder) not in list(getattr(loaded, "__path__", ()))
    if (folder / "__init__.py").is_file():
        return folder.name in sys.stdlib_module_names
    # A folder without it gives way to a package of that name anywhere on the path.
    elsewhere = PathFinder.find_spec(folder.name)
    return elsewhere is not None and elsewhere.origin is not None


def _load_loose(file: Path) -> ModuleType:
    """Import a file that lies in no package, in one made for it, so that relative imports find neighbours."""
    package = ModuleType(_LOOSE_PACKAGE)
    package.__path__ = [str(file.parent)]
    sys.modules.setdefault(_LOOSE_PACKAGE, package)
    if not file.stem.isidentifier():
        return _load_as(f"{_LOOSE_PACKAGE}.{_ODD_NAME}", file)
    return importlib.import_module(f"{_LOOSE_PACKAGE}.{file.stem}")


def _load_as(name: str, file: Path) -> ModuleType:
    """Import a file whose own name can't be a module's."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
