"""Which handed-in file is which deliverable, and which module holds the student's functions.

The rules for one file and one deliverable are in `autograder.checks.matching`; here they are applied to
all of them, the clearest case first, and the outcome is put into words.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from autograder.checks.matching import Homework, Match, Rank
from autograder.checks.names import Name, has_wildcard

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.assignment import Deliverable
    from autograder.intake import Tree

CLOSE_NAME = 0.7  # how alike a file must be (difflib's ratio) to be named beside a missing one
MAX_SOURCE_BYTES = 1024 * 1024
# Python's parser is quadratic for some sources and takes 500 times their size for others (measured: 1.4 s and
# 65 MB at the first of these). What lies beyond is searched as text; the second is for all files together.
MAX_PARSED_BYTES = 128 * 1024
MAX_PARSED_IN_ALL = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Near:
    """A file that was taken for a deliverable although its path is not the one asked for."""

    key: str
    path: str
    wanted: str
    why: str

    def describe(self) -> str:
        asked_for = self.wanted.rpartition("/")[2]
        return f"{self.path} was taken for {asked_for} ({self.wanted}): {self.why}."


@dataclass(frozen=True, slots=True)
class Missing:
    """A deliverable that no file was taken for; ``closest`` is a file that may have been meant."""

    key: str
    title: str
    wanted: str
    question: str
    hint: str
    closest: str | None

    def describe(self) -> str:
        closest = f" If {self.closest} is it, {self._mend}." if self.closest else ""
        return " ".join(f"{self.wanted} is missing: {_sentence(self.title)} {self.hint}{closest}".split())

    @property
    def _mend(self) -> str:
        """What to do with `closest`: another name doesn't make a spreadsheet a table in plain text."""
        wanted = Name.of(self.wanted).ending
        same = self.closest is not None and Name.of(self.closest).ending == wanted
        return "rename it" if same else f"hand it in as a {wanted} file"


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What was found. ``missing`` are required deliverables, ``absent`` are optional ones."""

    found: Mapping[str, str]
    near: tuple[Near, ...]
    missing: tuple[Missing, ...]
    absent: tuple[Missing, ...]

    def describe(self) -> str:
        """Text for the student: how many were found, which file was taken for which, what is missing."""
        required = f"{len(self.missing)} required {_files(self.missing)} missing"
        asked_for = len(self.found) + len(self.missing) + len(self.absent)
        head = (
            f"{len(self.found)} of {asked_for} files found, {required if self.missing else 'none missing'}."
        )
        absent = [f"{item.wanted} is not there; it is optional." for item in self.absent]
        near = [item.describe() for item in self.near]
        missing = [item.describe() for item in self.missing]
        return "\n".join([head, *near, *missing, *absent])


def match(tree: Tree, deliverables: Sequence[Deliverable]) -> Deliveries:
    """Finds each deliverable's file; every file serves one deliverable at most, the clearest case first."""
    homework = Homework(deliverables)
    names = [Name.of(path) for path in tree.files]
    candidates = sorted(
        (fit, order)
        for order, deliverable in enumerate(deliverables)
        for name in names
        if (fit := homework.best_match(name, deliverable.key)) is not None
    )
    chosen: dict[int, Match] = {}
    used: set[str] = set()
    for fit, order in candidates:
        if order not in chosen and fit.path not in used:
            chosen[order] = fit
            used.add(fit.path)
    unused = [name for name in names if name.path not in used]
    missing = [
        (deliverable.required, _missing(deliverable, homework, unused))
        for order, deliverable in enumerate(deliverables)
        if order not in chosen
    ]
    taken = [(deliverables[order].key, chosen[order]) for order in sorted(chosen)]
    return Deliveries(
        found={key: fit.path for key, fit in taken},
        near=tuple(Near(key, fit.path, fit.wanted, fit.why) for key, fit in taken if fit.rank > Rank.EXACT),
        missing=tuple(item for required, item in missing if required),
        absent=tuple(item for required, item in missing if not required),
    )


def others_for(tree: Tree, deliverables: Sequence[Deliverable], key: str) -> list[str]:
    """Files that fit the deliverable ``key`` too, and serve none, the best of them first."""
    found = match(tree, deliverables).found
    homework, used = Homework(deliverables), set(found.values())
    names = (Name.of(path) for path in tree.files if path not in used)
    return [fit.path for fit in sorted(filter(None, (homework.best_match(one, key) for one in names)))]


def folders_of(deliverables: Iterable[Deliverable]) -> frozenset[str]:
    """The folders that a homework's own layout has: intake never takes them for wrappers."""
    return frozenset(
        folder
        for deliverable in deliverables
        for pattern in deliverable.patterns
        for folder in pattern.split("/")[:-1]
        if not has_wildcard(folder)
    )


def find_module(tree: Tree, deliverable: Deliverable, functions: Sequence[str]) -> str | None:
    """The path of the .py file that defines most of ``functions``; None when none defines any.

    A function that is still as empty as in the template counts for less than any other. Of files that define
    equally many, the one is taken that fits the deliverable best.
    """
    counts: dict[str, tuple[int, int]] = {}
    room = MAX_PARSED_IN_ALL
    for path in tree.files:
        file = tree.root / path
        counted = count_defined(file, functions, parse=room > 0)
        if path.casefold().endswith(".py"):
            room -= min(file.stat().st_size, MAX_PARSED_BYTES)
        if counted != (0, 0):
            counts[path] = counted
    if not counts:
        return None
    homework = Homework([deliverable])
    fits = {path: homework.best_match(Name.of(path), deliverable.key) for path in counts}

    def order(path: str) -> tuple[object, ...]:
        fit = fits[path]
        place = (fit.rank, fit.preference, fit.folders, fit.words) if fit else (Rank.PART + 1, 0, 0, 0)
        written, defined = counts[path]
        return (-written, -defined, place, path.count("/"), path)

    return min(counts, key=order)


def find_mention(tree: Tree, functions: Sequence[str]) -> str | None:
    """A file that seems to hold the functions, but not so that they can be called: a notebook, a class."""
    for path in sorted(tree.files, key=lambda path: (not path.endswith((".py", ".ipynb")), path)):
        file = tree.root / path
        if file.stat().st_size <= MAX_SOURCE_BYTES:
            source = file.read_bytes().decode("utf-8", errors="replace")
            if any(re.search(rf"(?:\b|\\n)def {name}\b", source) for name in functions):
                return path
    return None


def count_defined(path: Path, functions: Sequence[str], *, parse: bool = True) -> tuple[int, int]:
    """How many of ``functions`` the file at ``path`` defines at its top level: with content, and at all."""
    if path.suffix.casefold() != ".py" or path.stat().st_size > MAX_SOURCE_BYTES:
        return 0, 0
    source = path.read_bytes().decode("utf-8-sig", errors="replace")
    if not any(name in source for name in functions):
        return 0, 0
    defined = {name: written for name, written in _defined(source, parse=parse).items() if name in functions}
    return sum(defined.values()), len(defined)


def _defined(source: str, *, parse: bool) -> dict[str, bool]:
    """The names that a module defines, and whether there is more behind each than a template has."""
    if parse and len(source) <= MAX_PARSED_BYTES:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a student's docstring is no concern of ours
                return dict(_names(ast.parse(source).body))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            # Python 2, or a file that can't be parsed at all. The two last are how the parser ends when code
            # is nested a hundred thousand deep; it does not crash.
            pass
    return dict.fromkeys(re.findall(r"^def[ \t]+(\w+)[ \t]*\(", source, re.MULTILINE), True)


def _names(body: Sequence[ast.AST]) -> Iterator[tuple[str, bool]]:
    """What the statements define, in either branch of an ``if`` or a ``try``, but not inside a class."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, _is_written(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = (part for target in targets for part in ast.walk(target))
            yield from ((part.id, True) for part in parts if isinstance(part, ast.Name))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "handlers", "orelse", "finalbody"):
                yield from _names(getattr(node, part, []))
        elif isinstance(node, ast.ExceptHandler):
            yield from _names(node.body)


def _is_written(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it works anything out, and not only says ``out = None`` or ``raise NotImplementedError()``."""
    return any(
        isinstance(part, ast.Call | ast.For | ast.While | ast.BinOp | ast.comprehension)
        for statement in function.body
        if not isinstance(statement, ast.Raise)
        for part in ast.walk(statement)
    )


def _missing(deliverable: Deliverable, homework: Homework, unused: Sequence[Name]) -> Missing:
    wanted = Name.of(deliverable.patterns[0])
    alike = {
        name.squashed: name.path
        for name in reversed(unused)
        if name.ending == wanted.ending and not homework.is_elsewhere(name, wanted, deliverable.key)
    }
    close = get_close_matches(wanted.squashed, alike, n=1, cutoff=CLOSE_NAME)
    otherwise = [  # such as predictions.xlsx and predictions.csv.gz
        name.path
        for name in unused
        if wanted.words
        and set(wanted.words) <= set(name.words)
        and name.ending not in homework.endings
        and not homework.is_elsewhere(name, wanted, deliverable.key)
    ]
    return Missing(
        key=deliverable.key,
        title=deliverable.title,
        wanted=deliverable.patterns[0],
        question=deliverable.question,
        hint=deliverable.hint,
        closest=alike[close[0]] if close else next(iter(otherwise), None),
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _files(items: Sequence[object]) -> str:
    return "file" if len(items) == 1 else "files"
