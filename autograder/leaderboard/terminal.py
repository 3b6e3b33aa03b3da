"""A board on a terminal, for staff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.leaderboard import table
from autograder.leaderboard.standings import Row, Standings, View
from autograder.leaderboard.table import Column
from autograder.sheet import flat

_TITLE_CHARS = 120
_GAP = 2
_FOLDED = ("name", "team")
_LEAST_NAME = 12  # letters on a line
_LEFT_OUT = ("exact", "reached", "entries", "public", "shake")  # where it is too narrow, in this order
_VIEWS = {
    View.PUBLIC: "Standings, by {} on the public part of the images",
    View.PRIVATE: "Standings for staff, by {} on the private part of the images; not to be shown to students",
    View.FINAL: "Final standings, by {} on the private part of the images",
}
Rows: TypeAlias = Sequence[tuple[int, Row]]
_ASCII = {"▲": "+", "▼": "-", "–": "-", "…": "..."}


def to_console(standings: Standings, console: Console) -> None:
    """Print the board."""
    write = _Writer(console)
    console.print()
    write.line(flat(standings.title, _TITLE_CHARS), "bold")
    write.line(f"{_VIEWS[standings.view].format(table.metric_name(standings))}.")
    write.line(_summary(standings))
    if standings.frozen is not None:
        write.line(_freeze(standings.frozen, standings.late))
    console.print()
    if standings.rows:
        write.board(standings)
        console.print()


def _summary(standings: Standings) -> str:
    if not any(not row.baseline for row in standings.rows):
        return "Nobody has handed in yet."
    last = table.last_entry(standings)
    when = f"; the last one came {table.moment(last)} UTC" if last is not None else ""
    return f"{table.counted(standings)}{when}."


def _freeze(frozen: datetime, late: int) -> str:
    told = f"Entries until {table.moment(frozen)} UTC count"
    if not late:
        return f"{told}."
    return f"{told}; {late:,} came later and {'does' if late == 1 else 'do'}n't."


def _fitting(columns: Sequence[Column], rows: Rows, width: int) -> list[Column]:
    """Those that a terminal of this width has room for beside names that can still be read."""
    kept = list(columns)
    for key in _LEFT_OUT:
        if sum(_width(column, rows) + _GAP for column in kept) <= width:
            break
        kept = [column for column in kept if column.key != key]
    return kept


def _width(column: Column, rows: Rows) -> int:
    """How wide a column wants to be; names can be folded."""
    texts = [column.heading, *(_written(column, index, row) for index, row in rows)]
    wanted = max(map(cell_len, texts))
    return min(wanted, _LEAST_NAME) if column.key in _FOLDED else wanted


def _written(column: Column, index: int, row: Row) -> str:
    text = column.cell(index, row).text
    return f"{text} (staff)" if row.baseline and column.key == "name" else text


class _Writer:
    """Puts text on a console as it is, and in ASCII where the console has no more."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str, style: str = "") -> None:
        self._console.print(self._text(text, style))

    def board(self, standings: Standings) -> None:
        rows = list(enumerate(standings.rows))
        columns = _fitting(table.columns(standings, for_staff=True), rows, self._console.width)
        grid = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bright_black", show_edge=False)
        for column in columns:
            grid.add_column(
                self._text(column.heading),
                justify="right" if column.is_number else "left",
                min_width=None if column.key in _FOLDED else _width(column, rows),
                overflow="fold",
            )
        for index, row in rows:
            cells = [_written(column, index, row) for column in columns]
            grid.add_row(*map(self._text, cells), style="italic bright_black" if row.baseline else "")
        self._console.print(grid)

    def _text(self, text: str, style: str = "") -> Text:
        if self._console.options.ascii_only:
            for symbol, plain in _ASCII.items():
                text = text.replace(symbol, plain)
            text = text.encode("ascii", "backslashreplace").decode("ascii")
        return Text(text, style=style, overflow="fold")  # an ellipsis would swallow what was written
