"""Results for people: on a terminal, and as one HTML page that needs nothing else.

Whatever a student wrote is shown as the characters that it is: never as rich's markup, never as HTML. The
page carries a policy that forbids scripts and anything from outside, should an escape ever be forgotten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from autograder.document import ResultsDocument
from autograder.pages import template
from autograder.summary import Group, Mark, Row, Summary, points, summarise

# A longer message would push the next one out of sight, so the page folds what comes after its beginning.
_LONG_LINES = 24
_LEAD_LINES = 12

# Below this width a test's name gets a line of its own on the terminal.
_NARROW_COLUMNS = 70


def terminal(
    document: ResultsDocument, console: Console, *, title: str | None = None, for_student: bool = False
) -> None:
    """Print the results. ``for_student`` leaves out what students may not see."""
    summary = summarise(document, title=title, for_student=for_student)
    write = _Writer(console)
    console.print()
    write.line(summary.title, "bold")
    write.line(headline(summary))
    write.message(summary.notes, indent=0)
    for group in summary.groups:
        write.group(group)
    console.print(Rule(style="bright_black", characters="-" if console.options.ascii_only else "─"))
    write.line(headline(summary), "bold")
    for step in summary.next_steps:
        write.row_of("→", step)
    console.print()


def html(document: ResultsDocument, *, title: str | None = None, for_student: bool = False) -> str:
    """The results as a page. ``for_student`` leaves out what students may not see."""
    summary = summarise(document, title=title, for_student=for_student)
    return template("report.html.j2").render(
        summary=summary, headline=headline(summary), marks=Mark, points=points, blocks=_blocks
    )


def headline(summary: Summary) -> str:
    """The score in one sentence."""
    if summary.score is None:
        return "The total is not shown, because some tests are hidden."
    if summary.partial:
        return f"No score: this grading has not ended. So far {points(summary.score)} points."
    line = f"{points(summary.score)} of {points(summary.graded_points)} points graded here"
    if summary.extra_points:
        line += f", {points(summary.extra_points)} of them extra credit"
    if summary.waiting_points:
        line += f"; {points(summary.waiting_points)} more are not graded yet"
    return f"{line}."


class _Writer:
    """Puts text on a console as it is, and in ASCII where the console has no more."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ascii = console.options.ascii_only

    def line(self, text: str, style: str = "") -> None:
        self._console.print(self._text(text, style))

    def message(self, text: str, *, indent: int) -> None:
        if text:
            self._console.print(Padding(self._text(text), (0, 0, 0, indent), expand=False))

    def row_of(self, symbol: str, text: str) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(self._text(symbol, "bold"), self._text(text))
        self._console.print(grid)

    def group(self, group: Group) -> None:
        self._console.print()
        heading = Table.grid(expand=True, padding=(0, 1))
        heading.add_column(ratio=1)
        heading.add_column(justify="right", no_wrap=True, min_width=len(group.worth))
        heading.add_row(self._text(f"{group.number}  {group.title}", "bold"), self._text(group.worth, "bold"))
        self._console.print(heading)
        for row in group.rows:
            self._row(row)

    def _row(self, row: Row) -> None:
        seen_by = "" if row.visibility == "visible" else f" ({row.visibility.replace('_', ' ')})"
        name = self._text(row.title + seen_by)
        narrow = self._console.width < _NARROW_COLUMNS
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(width=2, justify="right", no_wrap=True)
        grid.add_column(width=14, no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(width=13, justify="right", no_wrap=True)
        grid.add_column(width=8, no_wrap=True)
        grid.add_row(
            self._text(row.mark.symbol, row.mark.colour),
            self._text(row.mark.word, row.mark.colour),
            "" if narrow else name,
            self._text(row.worth),
            self._text(row.evidence, "bright_black"),
        )
        self._console.print(grid)
        if narrow and name:
            self._console.print(Padding(name, (0, 0, 0, 3), expand=False))
        self.message(row.message, indent=3 if narrow else 6)

    def _text(self, text: str, style: str = "") -> Text:
        if self._ascii:
            for symbol, plain in _ASCII.items():
                text = text.replace(symbol, plain)
            text = text.encode("ascii", "backslashreplace").decode("ascii")
        return Text(text, style=style, overflow="fold")  # an ellipsis would swallow what was written


_ASCII = {
    "✓": "+",
    "✗": "x",
    "◐": "~",
    "–": "-",
    "…": ".",
    "○": "o",
    "→": "->",
    "“": '"',
    "”": '"',
    "’": "'",
}


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph of a message; code keeps its columns."""

    text: str
    is_code: bool


def _blocks(message: str) -> tuple[list[_Block], list[_Block]]:
    """What is always shown of a message, and the rest that is folded."""
    lines = message.split("\n")
    lead = len(lines) if len(lines) <= _LONG_LINES else _LEAD_LINES
    return _paragraphs(lines[:lead]), _paragraphs(lines[lead:])


def _paragraphs(lines: list[str]) -> list[_Block]:
    blocks = [block.strip("\n") for block in re.split(r"\n\s*\n", "\n".join(lines))]
    return [
        _Block(block, is_code=re.search(r"^(\s{2}|\t)", block, re.M) is not None) for block in blocks if block
    ]
