"""What a notebook's cells printed, as lines: cleaned, the states of a progress bar reduced to the last.

A bar draws itself with carriage returns, older ones with backspaces, and is torn into several outputs where
something else prints between. What was overwritten was never said. All of it is bounded: a notebook may hold
48 million characters of output, and no more than some thousand lines of a cell are worth reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.loaders.notebook import Cell, Notebook, Output
from autograder.text import clean

MOST_LINES = 80_000  # of a notebook
FEW_LINES = 100
MOST_LINES_OF_CELL = 20_000
MOST_LINE_CHARS = 4_000  # of a longer line the beginning and the end are read
SHOWN_CHARS = 300

_CUT_OUT = re.compile(r"… \([\d,]+ characters cut out here\) …")
_EPOCH = re.compile(r"epoch\W{0,4}(\d{1,6})", re.IGNORECASE)
# 100%|████| 938/938 [00:10<00:00, 90.1it/s, loss=0.03]   or without the drawing: 938it [00:10, 90.1it/s]
_BAR = re.compile(
    r"(?P<percent>\d{1,3})%(?:\|[^|\n]{0,400}\|)?\s{0,4}(?P<n>\d{1,9})/(?P<total>\d{1,9}) ?\[[^\]\[]{0,40}"
    r"|(?<![\w.])(?P<many>\d{1,9})it \[[^\]\[]{0,30}"
)
_RATE = re.compile(r"[\d?.:<, ]*(?:it/s|s/it|\?it/s|\w{1,12}/s)(?P<rest>[^\]]*)\]?")
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<\s{0,3}/?\s{0,3}(?:br|p|div|li|tr|h\d|pre)\b[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line as a reader sees it. Of a bar ``text`` is what stands around it, ``step`` of ``steps``."""

    cell: int
    text: str  # without a bar's own drawing, times and rates
    shown: str  # cleaned, for a person
    bar: bool = False
    step: int | None = None
    steps: int | None = None
    result: bool = False  # the value of the cell's last expression


@dataclass(frozen=True, slots=True)
class Block:
    """An output that may hold a table."""

    cell: int
    html: str


def lines_of(cell: Cell, most: int = MOST_LINES_OF_CELL) -> Iterator[Line | Block]:
    """What a cell put out, in order; of more than ``most`` lines the first and the last."""
    if cell.kind != "code":
        return
    budget = _Budget(most)
    open_bars: dict[str, Line] = {}  # a bar that isn't at its end goes on in a later output
    for output in cell.outputs:
        if output.kind == "error":
            continue
        html = output.data.get("text/html", "")
        if "<table" in html.lower():
            yield from _drain(open_bars)
            yield Block(cell.number, html)
            continue
        for text in budget.kept(_text(output, html).split("\n")):
            for state in _states(text):
                line = _line(cell.number, state, result=output.kind == "result")
                if line is not None and not line.bar:
                    yield line
                elif line is not None:
                    yield from _advance(open_bars, line)
    yield from _drain(open_bars)


def lines_in(number: int, text: str) -> Iterator[Line]:
    """What one line of a text file shows, with ``number`` in the place of a cell's: a bar's last states."""
    for state in _states(text):
        line = _line(number, state, result=False)
        if line is not None:
            yield line


def budgets_of(notebook: Notebook) -> dict[int, int]:
    """How many lines of each cell may be read. When they are used up, of each a few are read all the same."""
    left, budgets = MOST_LINES, {}
    for cell in notebook.cells:
        budgets[cell.number] = min(MOST_LINES_OF_CELL, max(left, FEW_LINES))
        left -= min(sum(output.text.count("\n") for output in cell.outputs), budgets[cell.number])
    return budgets


class _Budget:
    """How many lines are still read: half of them at once, the other half from the end of each text."""

    def __init__(self, most: int) -> None:
        self._left = most

    def kept(self, lines: list[str]) -> list[str]:
        room = max(self._left, 20)
        self._left = max(self._left - len(lines), 0)
        return lines if len(lines) <= room else [*lines[: room // 2], "", *lines[len(lines) - room // 2 :]]


def _text(output: Output, html: str) -> str:
    text = output.text
    if not text or text.startswith("<IPython"):  # the plain form of what is meant to be seen as a page
        text = output.data.get("text/markdown", "") or _TAG.sub("", _BREAK.sub("\n", html))
    return _without_torn(text) if "…" in text else text


def _without_torn(text: str) -> str:
    """Without the lines on both sides of a place where the middle was cut out: they may be torn."""
    lines = text.split("\n")
    torn = {
        near
        for number, line in enumerate(lines)
        if len(line) < 100 and _CUT_OUT.fullmatch(line)
        for near in (number - 1, number, number + 1)
    }
    return "\n".join("" if number in torn else line for number, line in enumerate(lines))


def _states(line: str) -> list[str]:
    """What stands there in the end; and before it the last state of each epoch, where one line shows many."""
    line = line.rstrip("\r\b")
    if "\b" in line:
        line = _without_backspaces(line)
    if "\r" not in line:
        return _pieces(line)
    last = ""
    kept: list[str] = []
    epoch = None
    for state in line.split("\r"):
        if not state.strip():
            continue
        found = _EPOCH.search(state[:MOST_LINE_CHARS])
        if found and epoch is not None and found[1] != epoch:
            kept.append(last)
        epoch = found[1] if found else epoch
        last = state
    return [piece for state in [*kept, last] for piece in _pieces(state)]


def _without_backspaces(line: str) -> str:
    """A run of backspaces takes back what stands before it, as on a terminal."""
    shown = ""
    for part in re.split("(\b+)", line):
        if part.startswith("\b"):
            shown = shown[: max(len(shown) - len(part), 0)] if len(part) < len(shown) else ""
        else:
            shown = (shown + part)[-2 * MOST_LINE_CHARS :]
    return shown


def _pieces(line: str) -> list[str]:
    """The line; or the beginning and the end of a long one, without a word that was cut through."""
    if len(line) <= MOST_LINE_CHARS:
        return [line]
    half = MOST_LINE_CHARS // 2
    return [line[:half].rpartition(" ")[0], line[-half:].partition(" ")[2]]


def _line(cell: int, raw: str, *, result: bool) -> Line | None:
    if not raw or raw.isspace():
        return Line(cell, "", "")
    text = clean(raw, MOST_LINE_CHARS, line_limit=MOST_LINE_CHARS)
    if result:
        text = text.strip().strip("'\"")
    shown = clean(text.strip(), SHOWN_CHARS, line_limit=SHOWN_CHARS)
    found = _BAR.search(text)
    if not found:
        return Line(cell, text, shown, result=result)
    step = int(found["n"] or found["many"])
    steps = int(found["total"]) if found["total"] else None
    after = found.end()
    before = text[: found.start()].rstrip(" :")
    opened = text.rfind("[", found.start(), after)
    rate = _RATE.match(text, opened + 1)
    if rate:
        around = f"{before} , {rate['rest']} , {text[rate.end() :]}"
    else:
        closed = text.find("]", after)
        around = f"{before} , {text[closed + 1 :] if closed >= 0 else ''}"
    return Line(cell, around, shown, bar=True, step=step, steps=steps)


def _advance(open_bars: dict[str, Line], line: Line) -> Iterator[Line]:
    """A bar's later state takes the place of an earlier one; a finished bar is said at once."""
    key = str(line.steps)
    before = open_bars.pop(key, None)
    if before is not None and (before.step or 0) > (line.step or 0):
        yield before
    if line.steps is not None and line.step == line.steps:
        yield line
    else:
        open_bars[key] = line


def _drain(open_bars: dict[str, Line]) -> Iterator[Line]:
    """The bars that never came to their end."""
    yield from open_bars.values()
    open_bars.clear()
