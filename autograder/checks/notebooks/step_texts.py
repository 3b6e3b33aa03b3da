"""The Target, the Results and the Analysis that a notebook begins or ends with, however they are spelt.

They may stand in Markdown, in strings that stand alone, in strings that are printed, or in comments; each
under a heading of its own, behind a word with a colon, or in a table. A text goes on to the next of the three
words, or to another heading. What they are worth is for a human; here it is only told that they are there.
"""

from __future__ import annotations

import ast
import html
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from autograder.checks.notebooks.cellcode import trees_of
from autograder.checks.notebooks.prose import count_words, plain_text
from autograder.checks.notebooks.questions import without_placeholders
from autograder.checks.notebooks.step_words import Headed, Part, headed, split_inline
from autograder.loaders.notebook import Cell, Notebook
from autograder.text import clean

MAX_TEXT_CHARS = 8_000  # of one part of one step
MAX_LINES = 1_500  # of one cell
_MAX_SOURCE = 60_000


class Where(Enum):
    """How a part was written, those first that were surely meant as text."""

    MARKDOWN = "Markdown"
    STRING = "a string in the code"
    COMMENT = "comments"


class Place(Enum):
    """Where in the notebook it stands."""

    START = "at the start"
    MIDDLE = "in the middle"
    END = "at the end"


@dataclass(frozen=True, slots=True)
class StepText:
    """One part; ``text`` is cleaned, and never empty."""

    part: Part
    text: str
    cell: int
    where: Where
    place: Place

    @property
    def words(self) -> int:
        return count_words(self.text)


@dataclass(frozen=True, slots=True)
class StepTexts:
    """What was found of the three; ``empty`` are those whose heading is there without a text."""

    texts: tuple[StepText, ...]
    empty: tuple[Part, ...] = ()

    def of(self, part: Part) -> StepText | None:
        return next((one for one in self.texts if one.part is part), None)

    @property
    def missing(self) -> tuple[Part, ...]:
        return tuple(part for part in Part if self.of(part) is None)


@dataclass(slots=True)
class _Piece:
    """Lines under one heading, as they are gathered; a ``frame`` is a heading over all of the three."""

    parts: tuple[Part, ...]
    lines: list[str]
    cell: int
    where: Where


def read_step_texts(notebook: Notebook) -> StepTexts:
    """The three parts of a notebook's step."""
    places = _places(notebook)
    found: dict[Part, StepText] = {}
    empty: dict[Part, None] = {}
    for piece in _pieces(notebook):
        text = _tidied(piece.lines)
        for part in piece.parts:
            if not text:
                empty.setdefault(part)
                continue
            now = StepText(part, text, piece.cell, piece.where, places.get(piece.cell, Place.MIDDLE))
            before = found.get(part)
            if before is None or (before.where is Where.COMMENT and now.where is not Where.COMMENT):
                found[part] = now
            elif before.where is now.where and text not in before.text:
                joined = f"{before.text}\n{text}"[:MAX_TEXT_CHARS]
                found[part] = replace(before, text=joined)
    return StepTexts(
        tuple(found[part] for part in Part if part in found),
        tuple(part for part in empty if part not in found),
    )


def read_plain_texts(text: str) -> StepTexts:
    """The same of a text that is no notebook, such as a part of a README."""
    cell = Cell(1, "markdown", text[:_MAX_SOURCE])
    return read_step_texts(Notebook((cell,)))


def _tidied(lines: Sequence[str]) -> str:
    text = clean("\n".join(lines), MAX_TEXT_CHARS, line_limit=2_000).strip(" \n\t-–—_:#=|>")
    kept = without_placeholders(text).strip()
    return text.strip() if re.search(r"\w", kept) else ""


# --- the texts of a notebook, one after the other --------------------------------------------------------


def _pieces(notebook: Notebook) -> Iterator[_Piece]:
    trees = trees_of(notebook)
    opened: _Piece | None = None  # a heading at the end of a cell: its text is the next cell's
    for cell in notebook.cells:
        for where, source in _texts_of(cell, trees.get(cell.number)):
            pieces = list(_pieces_of(source, cell.number, where, opened))
            opened = None
            if pieces and cell.kind == "markdown" and not _tidied(pieces[-1].lines):
                opened = pieces.pop()
            yield from pieces
        if opened is not None and cell.kind == "code" and cell.source.strip():
            yield opened
            opened = None
    if opened is not None:
        yield opened


def _texts_of(cell: Cell, tree: ast.Module | None) -> Iterator[tuple[Where, str]]:
    source = cell.source[:_MAX_SOURCE]
    if cell.kind != "code":
        yield Where.MARKDOWN, source
        return
    first = source.lstrip().partition("\n")[0].strip().lower()
    if first in ("%%markdown", "%%html", "%%latex"):
        yield Where.MARKDOWN, source.lstrip().partition("\n")[2]
        return
    if _is_text(source) and len(set(_parts_in(source))) > 1:
        yield Where.STRING, source  # its author forgot to make it Markdown
        return
    for text in _strings(tree) if tree is not None else ():
        if any(_parts_in(text)):
            yield Where.STRING, text
    for text in _comments(source):
        if any(_parts_in(text)):
            yield Where.COMMENT, text


def _is_text(source: str) -> bool:
    """Whether Python can't read it, or reads it as names with a type each ("Target: skeleton")."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return not _MAGIC.search(source)
    return bool(body) and all(isinstance(one, ast.AnnAssign) and one.value is None for one in body)


_MAGIC = re.compile(r"^[ \t]*[!%]", re.MULTILINE)
_COMMENT = re.compile(r"[ \t]*#+!?[ \t]?(.*)")


def _comments(source: str) -> Iterator[str]:
    """Lines of comments in a row, without their signs."""
    lines: list[str] = []
    for line in [*source.split("\n")[:MAX_LINES], ""]:
        found = _COMMENT.match(line)
        if found:
            lines.append(found[1])
        elif lines:
            yield "\n".join(lines)
            lines = []


def _strings(tree: ast.Module) -> Iterator[str]:
    """The strings that stand alone, are assigned or are given to a call, outside of functions and classes."""
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inner: set[int] = set()
        for node in ast.walk(statement):
            if isinstance(node, ast.JoinedStr):
                inner |= {id(part) for part in ast.walk(node)}
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
                )
                yield text
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
                yield node.value[:_MAX_SOURCE]


def _parts_in(text: str) -> Iterator[Part]:
    for line in split_inline(text).split("\n")[:MAX_LINES]:
        found = headed(line)
        if found is not None:
            yield from found.parts


# --- one text, line by line ------------------------------------------------------------------------------

_BREAK = re.compile(r"<\s?/?\s?(?:br|p|div|li|ul|ol|tr|h[1-6])\b[^<>]{0,200}>", re.IGNORECASE)
_CELL_END = re.compile(r"<\s?/\s?t[dh]\s?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
_RULE = re.compile(r"[|:\s*_=-]*")
_MARKDOWN_HEADING = re.compile(r"\s{0,3}#{1,6}\s")


def _pieces_of(source: str, cell: int, where: Where, opened: _Piece | None) -> Iterator[_Piece]:
    """The text's parts; its first lines belong to ``opened``, if there is such a heading before it."""
    current = opened
    columns: tuple[Part | None, ...] = ()
    for line in _lines(source):
        row = _row(line)
        columns, was = _columns(row) or (columns if len(row) > 1 or not line.strip() else ()), columns
        if columns and len(row) > 1:
            if columns == was and not _RULE.fullmatch(line):
                yield from _in_columns(columns, row, cell, where)
            continue
        found = headed(line.strip("| ")) if len(row) <= 1 else _headed_row(row)
        if found is None and (current is None or not _ends(line, current)):
            if current is not None:
                current.lines.append(plain_text(line) if where is Where.MARKDOWN else line)
            continue
        if current is not None:
            yield current
        rest = [found.rest] if found is not None and found.rest else []
        current = _Piece(found.parts, rest, cell, where) if found is not None else None
    if current is not None:
        yield current


def _in_columns(
    columns: Sequence[Part | None], row: Sequence[str], cell: int, where: Where
) -> Iterator[_Piece]:
    for part, value in zip(columns, row, strict=False):
        if part is not None:
            yield _Piece((part,), [value], cell, where)


def _ends(line: str, current: _Piece) -> bool:
    """Whether another heading begins, behind a text that is already there."""
    return bool(_MARKDOWN_HEADING.match(line)) and any(one.strip() for one in current.lines)


def _lines(source: str) -> list[str]:
    text = _TAG.sub("", _CELL_END.sub(" | ", _BREAK.sub("\n", source)))
    return split_inline(html.unescape(text)).split("\n")[:MAX_LINES]


def _row(line: str) -> list[str]:
    line = line.strip()
    if "|" not in line or len(line) > 4_000:
        return []
    return [cell.strip() for cell in line.strip("|").split("|")]


def _columns(row: Sequence[str]) -> tuple[Part | None, ...]:
    """The parts that a table's columns are headed with, if at least two are."""
    found = [headed(cell) for cell in row]
    parts = tuple(one.parts[0] if one is not None and not one.rest else None for one in found)
    return parts if len({part for part in parts if part is not None}) > 1 else ()


def _headed_row(row: Sequence[str]) -> Headed | None:
    """A row such as ``| Target | 99.4 % |``."""
    found = headed(row[0])
    if found is None or found.rest:
        return None
    return replace(found, rest=" ".join(cell for cell in row[1:] if cell))


# --- where a cell stands ---------------------------------------------------------------------------------

_WORK = re.compile(
    r"^\s*(?:class\s+\w+|def\s+\w+|for\s+\w+|while\s)|\bDataLoader\(|\.fit\(|\bSequential\(|\btrain\w*\(",
    re.MULTILINE,
)
_SHOWS = re.compile(r"\bplt\.|\bplot\w*\(|imshow|matplotlib|seaborn|\.figure\(")


def _places(notebook: Notebook) -> dict[int, Place]:
    """For each cell whether it stands before all cells that do the work, behind them, or between."""
    work = [
        cell.number
        for cell in notebook.cells
        if cell.kind == "code"
        and _WORK.search(cell.source[:_MAX_SOURCE])
        and not (_SHOWS.search(cell.source[:_MAX_SOURCE]) and "class " not in cell.source)
    ]
    first, last = (work[0], work[-1]) if work else (len(notebook.cells) + 1, 0)
    return {
        cell.number: Place.START
        if cell.number <= first
        else Place.END
        if cell.number >= last
        else Place.MIDDLE
        for cell in notebook.cells
    }
