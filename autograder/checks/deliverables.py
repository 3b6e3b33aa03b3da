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
        closest = f" If {self.closest} is it, rename it." if self.closest else ""
        return " ".join(f"{self.wanted} is missing: {_sentence(self.title)} {self.hint}{closest}".split())


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

    Of files that define equally many, the one is taken that fits the deliverable best.
    """
    counts = {path: defined for path in tree.files if (defined := count_defined(tree.root / path, functions))}
    if not counts:
        return None
    homework = Homework([deliverable])
    fits = {path: homework.best_match(Name.of(path), deliverable.key) for path in counts}

    def order(path: str) -> tuple[object, ...]:
        fit = fits[path]
        place = (fit.rank, fit.preference, fit.folders, fit.words) if fit else (Rank.PART + 1, 0, 0, 0)
        return (-counts[path], place, path.count("/"), path)

    return min(counts, key=order)


def count_defined(path: Path, functions: Sequence[str]) -> int:
    """How many of ``functions`` the file at ``path`` defines at its top level."""
    if path.suffix.casefold() != ".py" or path.stat().st_size > MAX_SOURCE_BYTES:
        return 0
    source = path.read_bytes().decode("utf-8-sig", errors="replace")
    if not any(name in source for name in functions):
        return 0
    return len(_defined(source) & set(functions))


def _defined(source: str) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a student's docstring is no concern of ours
            return set(_names(ast.parse(source).body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Python 2, or a file that can't be parsed at all. The two last are how the parser ends when code is
        # nested a hundred thousand deep; it does not crash.
        return set(re.findall(r"^def[ \t]+(\w+)[ \t]*\(", source, re.MULTILINE))


def _names(body: Sequence[ast.AST]) -> Iterator[str]:
    """What the statements define, in either branch of an ``if`` or a ``try``, but not inside a class."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "handlers", "orelse", "finalbody"):
                yield from _names(getattr(node, part, []))
        elif isinstance(node, ast.ExceptHandler):
            yield from _names(node.body)


def _missing(deliverable: Deliverable, homework: Homework, unused: Sequence[Name]) -> Missing:
    wanted = Name.of(deliverable.patterns[0])
    alike = {
        name.squashed: name.path
        for name in reversed(unused)
        if name.ending == wanted.ending and not homework.is_elsewhere(name, wanted, deliverable.key)
    }
    close = get_close_matches(wanted.squashed, alike, n=1, cutoff=CLOSE_NAME)
    return Missing(
        key=deliverable.key,
        title=deliverable.title,
        wanted=deliverable.patterns[0],
        question=deliverable.question,
        hint=deliverable.hint,
        closest=alike[close[0]] if close else None,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _files(items: Sequence[object]) -> str:
    return "file" if len(items) == 1 else "files"
