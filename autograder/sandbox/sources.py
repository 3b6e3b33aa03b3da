"""What the trusted side knows of a submission by itself, to hold what the sandbox says against.

A report from the sandbox names files, lines, functions and types. All of it could be made up, with a hidden
input spelled out in it. So a message quotes a line from the submission as it was handed in, never as it was
reported, and repeats a word only if it stands in the submission, in Python or in NumPy.
"""

from __future__ import annotations

import builtins
import os
import re
import types
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPE_NAME = re.compile(r"[A-Za-z_0-9. ()<>\[\]]{1,120}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_SOURCE = 4 * 2**20  # bytes of Python that are read for their words; nobody writes more by hand
_MAX_FILES = 20_000
_LONGEST_WORD = 60

_TYPES = frozenset(
    kind.__name__ for space in (builtins, types) for kind in vars(space).values() if isinstance(kind, type)
)
_OF_LIBRARIES = (
    "numpy torch Tensor Parameter scipy pandas DataFrame Series PIL Image dict_keys dict_values dict_items"
).split()
_WORDS = frozenset((*vars(builtins), *_TYPES, *dir(np), *dir(np.ndarray), *_OF_LIBRARIES))
_OUR_WORDS = frozenset("array of dtype too large nested deeply locals lambda unknown".split())


class Sources:
    """A submission's own files as they were handed in; without a tree, nothing is known.

    ``cells`` are the sources of a notebook's cells, by the name that messages give them ("cell 7").
    """

    def __init__(self, tree: Path | None = None, cells: Mapping[str, str] | None = None) -> None:
        self._tree = tree
        self._cells = dict(cells or {})

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Every regular file by its path relative to the tree: reported names are looked up, never opened."""
        found: dict[str, Path] = {}
        if self._tree is None:
            return found
        for folder, _, names in os.walk(self._tree):
            for name in names:
                path = Path(folder) / name
                if len(found) < _MAX_FILES and path.is_file() and not path.is_symlink():
                    found[path.relative_to(self._tree).as_posix()] = path
        return found

    @cached_property
    def _words(self) -> frozenset[str]:
        words: set[str] = set()
        for source in self._cells.values():
            words.update(_WORD.findall(source))
        room = _MAX_SOURCE
        for name in sorted(self._files):
            words.update(_WORD.findall(name))
            if name.endswith(".py") and room > 0:
                text = self._read(name)
                room -= len(text)
                words.update(_WORD.findall(text))
        return frozenset(word for word in words if len(word) <= _LONGEST_WORD)

    def _read(self, name: str) -> str:
        if name in self._cells:
            return self._cells[name]
        try:
            with self._files[name].open("rb") as file:
                return file.read(_MAX_SOURCE).decode("utf-8-sig", "replace")
        except OSError:
            return ""

    def line(self, file: str, number: int) -> str | None:
        """Line ``number`` of ``file``, counted from 1; None where there is no such line."""
        if number < 1 or (file not in self._cells and file not in self._files):
            return None
        lines = _LINE_END.split(self._read(file))
        return lines[number - 1].strip() if number <= len(lines) else None

    def has_word(self, word: str) -> bool:
        """Whether an identifier stands in the submission, or belongs to Python or NumPy."""
        return word in _WORDS or word in self._words

    def has_dotted(self, name: str) -> bool:
        """The same for each part of a dotted name."""
        return all(self.has_word(part) for part in name.split("."))

    def type_name(self, name: str) -> str:
        """What the sandbox calls a value's type, or a stopgap where a word of it is none that we know."""
        for shown in (name, name.rpartition(".")[2]):  # a module's name may be one that we gave it
            known = all(word in _OUR_WORDS or self.has_word(word) for word in _WORD.findall(shown))
            if known and _TYPE_NAME.fullmatch(shown):
                return shown
        return "of your own"

    def is_own_module(self, name: str) -> bool:
        """Whether a dotted module name starts at a file or folder of the submission."""
        top = name.partition(".")[0]
        return any(top in parts[:-1] or parts[-1] == f"{top}.py" for parts in self._parts)

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(name.split("/")) for name in self._files)

    def star_imports(self, file: str) -> tuple[str, ...]:
        """The modules that ``file`` imports everything from, without leading dots."""
        if file not in self._cells and file not in self._files:
            return ()
        return tuple(re.findall(r"^\s*from\s+\.*([\w.]+)\s+import\s+\*", self._read(file), re.MULTILINE))
