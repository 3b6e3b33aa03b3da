"""A notebook's cells become Python's syntax trees, line for line, whatever IPython's own lines stand in them.

A line that starts with ``%``, ``!`` or ``?`` is replaced by ``pass``, so that an ``if`` around it stays whole
and every line keeps its number. What can't be parsed even so loses the offending line, a few times over; then
the cell is left out, and a note says so.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.checks.notebooks.source_facts import Place
from autograder.loaders.notebook import Notebook
from autograder.text import clean, quote

MAX_PARSED_CHARS = 128 * 1024  # of one cell or module; Python's parser is quadratic for some sources
MAX_PARSED_IN_ALL = 2 * 1024 * 1024
MAX_MENDED_LINES = 12
_QUOTED_CHARS = 200

_MAGIC = re.compile(r"[ \t]*(?:%|!|\?|,\s*$)")
_HELP = re.compile(r"[ \t]*[\w.]+\?{1,2}\s*")
_ASSIGNED = re.compile(r"([ \t]*)([\w, .\[\]'\"]+?)[ \t]*=[ \t]*[!%](?!=)(.*)")
# Magics whose rest of the line, or of the cell, is Python that runs.
_RUNS_LINE = re.compile(
    r"([ \t]*)%{1,2}(?:time|timeit|prun|memit|mprun)\b((?:[ \t]+-\w+(?:[ \t]+\d+)?)*)[ \t]*(.*)"
)
_RUNS_CELL = re.compile(r"%%(?:time|timeit|capture|prun|memit|wandb|skip_if_fail)\b")
_WRITES = re.compile(r"%%(?:writefile|file)[ \t]+(?:-a[ \t]+)?(\S+\.py)[ \t]*$")
_SHELL_CELL = re.compile(r"%%(?:bash|sh|shell|script|cmd|!)|!!")
_SHELL_LINE = re.compile(r"[ \t]*(?:[\w, ]+=[ \t]*)?(?:!|%(?:sx|system|pip|conda|run|load|cd)\b)(.*)")


@dataclass(slots=True)
class Unit:
    """One cell, or one module beside the notebook, with its tree."""

    cell: int
    file: str
    lines: Sequence[str]
    tree: ast.Module

    def place(self, line: int) -> Place:
        text = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        return Place(self.cell, line, clean(text[: 4 * _QUOTED_CHARS], _QUOTED_CHARS), self.file)


@dataclass(frozen=True, slots=True)
class Shell:
    """A line that went to a shell, not to Python."""

    command: str
    place: Place


@dataclass(slots=True)
class Parsed:
    """All that could be parsed; ``modules`` maps dotted names to what they hold."""

    cells: list[Unit] = field(default_factory=list)
    modules: dict[str, Unit] = field(default_factory=dict)
    shell: list[Shell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def parse(notebook: Notebook, modules: Mapping[str, str]) -> Parsed:
    """The trees of the code cells, and of the modules given as path and source."""
    parsed, room = Parsed(), MAX_PARSED_IN_ALL
    sources = dict(modules)
    for cell in notebook.cells:
        if cell.kind != "code" or not cell.source.strip():
            continue
        first = next((line for line in cell.source.split("\n", 50) if line.strip()), "").strip()
        written = _WRITES.match(first)
        if written:
            sources[written[1]] = cell.source.partition(first)[2]
            continue
        room -= len(cell.source)
        unit = _unit(cell.source, cell.number, "", parsed, room)
        if unit:
            parsed.cells.append(unit)
    for path, source in sources.items():
        room -= len(source)
        unit = _unit(source, 0, path, parsed, room)
        if unit:
            name = path.removeprefix("./").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            parsed.modules[name] = unit
    return parsed


def _unit(source: str, cell: int, file: str, parsed: Parsed, room: int) -> Unit | None:
    where = quote(file) if file else f"Cell {cell}"
    if len(source) > MAX_PARSED_CHARS or room < 0:
        parsed.notes.append(f"{where} is too long to be read ({len(source):,} characters); it was left out.")
        return None
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    unit = Unit(cell, file, source.split("\n"), ast.Module([], []))
    python = source if file else "\n".join(_without_magics(unit, parsed.shell))
    tree, left_out = _parse(python)
    if tree is None:
        parsed.notes.append(f"{where} is not Python 3 that can be parsed; it was left out.")
        return None
    if left_out:
        lines = ", ".join(map(str, sorted(left_out)))
        parsed.notes.append(f"{where} is not Python 3 in line {lines}; the rest was read.")
    unit.tree = tree
    return unit


def _parse(source: str) -> tuple[ast.Module | None, set[int]]:
    left_out: set[int] = set()
    lines: list[str] = []
    for _ in range(MAX_MENDED_LINES + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a string is no concern of ours
                return ast.parse("\n".join(lines) if lines else source), left_out
        except SyntaxError as error:
            lines = lines or source.split("\n")
            number = error.lineno or 0
            if not 0 < number <= len(lines) or number in left_out:
                return None, left_out
            bad = lines[number - 1]
            lines[number - 1] = f"{bad[: len(bad) - len(bad.lstrip())]}pass"
            left_out.add(number)
        except (ValueError, RecursionError, MemoryError):
            return None, left_out
    return None, left_out


def _without_magics(unit: Unit, shell: list[Shell]) -> Iterator[str]:
    """The lines, those of IPython replaced; a whole cell of another language is replaced by nothing."""
    lines = unit.lines
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    head = lines[first].strip()
    if head.startswith(("%%", "!!")) and not _RUNS_CELL.match(head):
        if _SHELL_CELL.match(head):
            shell += [
                Shell(line.strip(), unit.place(number))
                for number, line in enumerate(lines, start=1)
                if number > first + 1 and line.strip()
            ]
        yield from ("" for _ in lines)
        return
    inside, continued = _Nesting(), False
    for number, line in enumerate(lines, start=1):
        if continued or (not inside.open and _is_magic(line)):
            command = _SHELL_LINE.match(line)
            if continued and shell:
                shell[-1] = Shell(f"{shell[-1].command} {line.strip()}", shell[-1].place)
            elif command:
                shell.append(Shell(command[1].strip(), unit.place(number)))
            yield "" if continued else _replaced(line)
            continued = line.rstrip().endswith("\\")
            continue
        yield line
        inside.read(line)


def _is_magic(line: str) -> bool:
    start = line.lstrip()[:1]
    if start in ("%", "!", "?"):
        return True
    if line.rstrip().endswith("?") and len(line) < 500:
        return _HELP.fullmatch(line) is not None
    return len(line) < 2_000 and ("!" in line or "%" in line) and _ASSIGNED.fullmatch(line) is not None


def _replaced(line: str) -> str:
    runs = _RUNS_LINE.match(line[:5_000])
    if runs and runs[3] and not line.lstrip().startswith("%%"):
        return f"{runs[1]}{runs[3]}"
    assigned = _ASSIGNED.fullmatch(line) if len(line) < 2_000 else None
    if assigned and not line.lstrip().startswith(("%", "!", "?")):
        return f"{assigned[1]}{assigned[2]} = None"
    return f"{line[: len(line) - len(line.lstrip())]}pass"


class _Nesting:
    """Whether the next line starts inside brackets or a string, where a % is Python's own."""

    _TOKEN = re.compile(r"\\.|\"\"\"|'''|[\"'()\[\]{}#]")

    def __init__(self) -> None:
        self._depth, self._string, self._continued = 0, "", False

    @property
    def open(self) -> bool:
        return self._depth > 0 or bool(self._string) or self._continued

    def read(self, line: str) -> None:
        self._continued = line.endswith("\\")
        for token in self._TOKEN.finditer(line):
            mark = token[0]
            if self._string:
                if mark == self._string:
                    self._string = ""
            elif mark == "#":
                break
            elif mark in ('"', "'", '"""', "'''"):
                self._string = mark
            elif mark in "([{":
                self._depth += 1
            elif mark in ")]}":
                self._depth = max(self._depth - 1, 0)
        if len(self._string) == 1 and not self._continued:
            self._string = ""  # an ordinary string ends with its line
