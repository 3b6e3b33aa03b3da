"""Notebooks, read as data: cells, sources and outputs, without what a page or a kernel would act on.

The JSON is bounded by its loader. Then only what is known is picked out, and named with its cell where it
isn't what it has to be. Metadata stays behind but for two words that say something about the student's work;
nothing in it may steer a run. What a cell printed is cut to a size, with a note of how much: the beginning
and the end of a training log say more than its middle.

nbformat's schema is not asked: it refuses files that every notebook program opens (a missing id, a field too
many), and its message is about the schema, not about the student's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.loaders.jsonfile import JsonLimits, load_json
from autograder.loaders.notebook3 import upgraded
from autograder.loaders.problems import MIB, Malformed, TooLarge
from autograder.text import quote


@dataclass(frozen=True, slots=True)
class NotebookLimits:
    """How large a notebook is taken, and how much of its outputs is kept."""

    max_bytes: int = 64 * MIB  # full of pictures; text of 4 bytes a character takes 9 times that for a moment
    max_values: int = 500_000
    max_cells: int = 2_000
    max_source_chars: int = 1_000_000  # of one cell
    max_outputs: int = 2_000  # kept of one cell
    max_output_chars: int = 200_000  # kept of one text
    max_picture_chars: int = 8 * MIB  # of one picture in base64; a larger one is left out
    max_kept_chars: int = 48 * MIB  # of all outputs and attachments together


@dataclass(frozen=True, slots=True)
class Output:
    """One output: a ``stream`` (``name`` says which), a ``display``, a ``result`` or an ``error``.

    ``text`` is what reads as plain text: what was printed, the plain form of a result, or the traceback.
    ``data`` holds the other forms by media type: HTML as text (never put on a page as it is), pictures in
    base64. For an error ``name`` is the exception's and ``data`` is empty.
    """

    kind: str
    name: str = ""
    text: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    cut_chars: int = 0  # how much of the text was cut out


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell; ``number`` counts all cells from 1, as messages do."""

    number: int
    kind: str  # "code", "markdown" or "raw"
    source: str
    execution_count: int | None = None
    outputs: tuple[Output, ...] = ()
    attachments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # name -> media type -> base64


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook; ``notes`` say in a sentence each what was changed or cut while it was read."""

    cells: tuple[Cell, ...]
    language: str = ""  # as the notebook claims
    kernel: str = ""  # as above; "colab" where Google Colab wrote it
    notes: tuple[str, ...] = ()


_PICTURES = ("image/png", "image/jpeg")
_TEXTS = ("text/html", "text/latex", "text/markdown", "image/svg+xml", "application/json")
_KINDS = {"display_data": "display", "execute_result": "result"}
_HINT = "Open it in Jupyter or Colab, save it there and hand in that file."
_SMALLER = "Clear the outputs of cells that print or plot too much, and save it again."


def load_notebook(data: bytes, name: str, limits: NotebookLimits | None = None) -> Notebook:
    """The notebook in ``data``. Raises Malformed."""
    limits = limits or NotebookLimits()
    json_limits = JsonLimits(limits.max_bytes, max_values=limits.max_values, max_text=limits.max_bytes)
    document = load_json(data, name, json_limits)
    return _Reading(name, limits).notebook(document)


class _Reading:
    """One notebook being read: what was cut, and how much more may be kept."""

    def __init__(self, name: str, limits: NotebookLimits) -> None:
        self._name, self._limits = name, limits
        self._room = limits.max_kept_chars
        self._cut: dict[str, list[int]] = {}  # what happened -> the cells where it did
        self._notes: list[str] = []
        self._at = ""

    def notebook(self, document: Any) -> Notebook:
        document = self._of_format_4(document)
        found = self._expect(document.get("cells"), list, "cells")
        if len(found) > self._limits.max_cells:
            problem = f"has {len(found):,} cells, where {self._limits.max_cells:,} are allowed"
            raise TooLarge(self._name, problem, hint="Hand in only the notebook that is asked for.")
        cells = tuple(self._cell(number, cell) for number, cell in enumerate(found, start=1))
        self._notes += [f"{what} (in {_cells(numbers)})." for what, numbers in self._cut.items()]
        metadata = _mapping(document.get("metadata"))
        kernel, language = _mapping(metadata.get("kernelspec")), _mapping(metadata.get("language_info"))
        return Notebook(
            cells,
            language=_word(language.get("name")) or _word(kernel.get("language")),
            kernel="colab" if "colab" in metadata else _word(kernel.get("name")),
            notes=tuple(self._notes),
        )

    def _of_format_4(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict) or type(document.get("nbformat")) is not int:
            raise Malformed(
                self._name, "is JSON, but not a notebook: it doesn't say its nbformat", hint=_HINT
            )
        version = document["nbformat"]
        if version == 4:
            return document
        if version != 3:
            problem = f"is a notebook of format {version}, where 4 is expected"
            raise Malformed(self._name, problem, hint=_HINT)
        self._notes.append("The notebook is of the older format 3 and was read as format 4.")
        return upgraded(document)

    def _cell(self, number: int, cell: Any) -> Cell:
        self._at = f"cell {number}"
        cell = self._expect(cell, dict, "the cell")
        kind = cell.get("cell_type")
        if not isinstance(kind, str) or kind not in {"code", "markdown", "raw"}:
            problem = f"has a cell of the type {_shown(kind)}"
            raise Malformed(self._name, problem, where=self._at, hint=_HINT)
        source = self._joined(cell.get("source"), "source")
        if len(source) > self._limits.max_source_chars:
            problem = f"has a cell of {len(source):,} characters"
            raise TooLarge(self._name, problem, where=self._at, hint="Read data from a file instead.")
        if kind != "code":
            return Cell(number, kind, source, attachments=self._attachments(number, cell))
        count = cell.get("execution_count")
        return Cell(
            number,
            kind,
            source,
            execution_count=count if type(count) is int else None,
            outputs=self._outputs(number, self._expect(cell.get("outputs", []), list, "outputs")),
        )

    def _outputs(self, number: int, found: list[Any]) -> tuple[Output, ...]:
        if len(found) > self._limits.max_outputs:
            self._note(f"Only the first {self._limits.max_outputs:,} outputs of a cell were kept", number)
        kept = found[: self._limits.max_outputs]
        return tuple(self._output(number, self._expect(one, dict, "an output")) for one in kept)

    def _output(self, number: int, output: dict[str, Any]) -> Output:
        claimed = output.get("output_type")
        if claimed == "stream":
            text, cut = self._capped(number, self._joined(output.get("text"), "text"))
            return Output("stream", _word(output.get("name")), text, cut_chars=cut)
        if claimed == "error":
            said = [f"{_word(output.get('ename'))}: {_string(output.get('evalue'))}"]
            said += [_string(line) for line in self._expect(output.get("traceback", []), list, "traceback")]
            text, cut = self._capped(number, "\n".join(said))
            return Output("error", _word(output.get("ename")), text, cut_chars=cut)
        if not isinstance(claimed, str) or claimed not in _KINDS:
            problem = f"has an output of the type {_shown(claimed)}"
            raise Malformed(self._name, problem, where=self._at, hint=_HINT)
        data = self._expect(output.get("data", {}), dict, "data")
        text, cut = self._capped(number, self._joined(data.get("text/plain", ""), "text/plain"))
        return Output(_KINDS[claimed], "", text, self._media(number, data), cut)

    def _media(self, number: int, data: dict[str, Any]) -> dict[str, str]:
        """The forms that somebody may want to see; widgets' state, scripts and the like stay behind."""
        kept: dict[str, str] = {}
        for media in _PICTURES:
            if media in data:
                picture = "".join(self._joined(data[media], media).split())
                if len(picture) > min(self._limits.max_picture_chars, self._room):
                    self._note("A picture was too large and was left out", number)
                else:
                    self._room -= len(picture)
                    kept[media] = picture
        for media in _TEXTS:
            if isinstance(data.get(media), (str, list)):
                kept[media] = self._capped(number, self._joined(data[media], media))[0]
        return kept

    def _attachments(self, number: int, cell: dict[str, Any]) -> dict[str, dict[str, str]]:
        found = self._expect(cell.get("attachments", {}), dict, "attachments")
        return {name: self._media(number, _mapping(forms)) for name, forms in found.items()}

    def _capped(self, number: int, text: str) -> tuple[str, int]:
        """The text's beginning and end within what may be kept, and how many characters were cut out."""
        allowed = min(self._limits.max_output_chars, self._room)
        cut = max(len(text) - allowed, 0)
        if cut:
            self._note("An output was long; its middle was cut out", number)
            tail = allowed // 2
            text = (
                f"{text[: allowed - tail]}\n… ({cut:,} characters cut out here) …\n{text[len(text) - tail :]}"
            )
        self._room -= min(len(text), allowed)
        return text, cut

    def _note(self, what: str, number: int) -> None:
        numbers = self._cut.setdefault(what, [])
        if number not in numbers[-1:]:
            numbers.append(number)

    def _joined(self, text: Any, what: str) -> str:
        """A text that may be kept as a list of its lines."""
        if isinstance(text, list) and all(isinstance(line, str) for line in text):
            return "".join(text)
        if not isinstance(text, str):
            raise self._odd(text, "text", what)
        return text

    def _expect(self, value: Any, kind: type, what: str) -> Any:
        if not isinstance(value, kind):
            raise self._odd(value, "a list" if kind is list else "an object", what)
        return value

    def _odd(self, value: Any, expected: str, what: str) -> Malformed:
        found = "nothing" if value is None else f"a {type(value).__name__}"
        problem = f"is not a valid notebook: {quote(what)} is {found} where {expected} is expected"
        return Malformed(self._name, problem, where=self._at, hint=_HINT)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Any) -> str:
    return _string(value)[:100]


def _shown(value: Any) -> str:
    return quote(value, 40) if isinstance(value, str) else type(value).__name__


def _cells(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    return f"cell {shown}" if len(numbers) == 1 else f"cells {shown}"
