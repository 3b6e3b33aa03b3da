"""A board as columns and cells, before it is known whether a terminal, a page or a spreadsheet shows it.

What each view may hold was decided in standings.py. Here no column is even named that its readers don't get:
teams as the store knows them and scores to the last digit are for staff.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from autograder.leaderboard.standings import Row, Standings, View
from autograder.sheet import flat
from autograder.text import csv_row

PLACES = "Rank"
NAME_CHARS = 60
_MOST_DIGITS = 6  # after the point; a rounded score has fewer
_WORDS = {"macro_f1": "macro F1", "log_loss": "log loss", "balanced_accuracy": "balanced accuracy"}
_IN_PERCENT = ("accuracy", "balanced_accuracy", "top_")

Order = float | str | None  # what a column is sorted by; None stands last whichever way


@dataclass(frozen=True, slots=True)
class Cell:
    """``text`` is for people; ``at`` is the moment that it names."""

    text: str
    order: Order = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` is a short name without blanks; ``explained`` says what the heading has no room for."""

    key: str
    heading: str
    cell: Callable[[int, Row], Cell]
    explained: str = ""
    is_number: bool = True
    best_is_high: bool = False


def metric_name(standings: Standings) -> str:
    """The metric as a sentence calls it."""
    metric = standings.metric
    if metric.startswith("top_"):
        return f"top-{metric.removeprefix('top_')} accuracy"
    return _WORDS.get(metric, metric.replace("_", " "))


def columns(standings: Standings, *, for_staff: bool) -> tuple[Column, ...]:
    """The columns of this view, in the order in which people read them.

    ``for_staff`` says who is behind the names, where students may see but names.
    """
    unmask = for_staff and any(row.team not in ("", row.name) for row in standings.rows)
    return tuple(_columns(standings, unmask=unmask))


def _columns(board: Standings, *, unmask: bool) -> Iterator[Column]:
    private = _score(board, lambda row: row.private)
    shown = _score(board, lambda row: row.shown)
    yield Column("rank", PLACES, _place)
    yield Column("name", "Shown as" if unmask else "Team", _name, is_number=False)
    if unmask:
        yield Column("team", "Team", _team, is_number=False)
    high = board.higher_is_better
    if board.view is View.PUBLIC:
        yield Column("score", "Score", shown, "on the public part of the images, rounded", best_is_high=high)
    else:
        yield Column("score", "Score", private, "on the private part of the images", best_is_high=high)
        yield Column(
            "public", "Public", shown, "on the public part of the images, rounded", best_is_high=high
        )
    if board.view is View.PRIVATE:
        exact = _score(board, lambda row: row.public)
        yield Column("exact", "Unrounded", exact, "the public score, not rounded", best_is_high=high)
    if board.view is not View.PUBLIC:
        yield Column(
            "shake", "Shake-up", _shake, "places gained against the public ranking", best_is_high=True
        )
    yield Column("entries", "Entries", _entries, best_is_high=True)
    yield Column("reached", "Reached", _reached, "when that entry was handed in, in UTC", is_number=False)


def formatter(values: Iterable[float | None], metric: str) -> Callable[[float], str]:
    """How to write scores of one column: all with the same digits, and no more of them than they need."""
    if metric.startswith(_IN_PERCENT):
        digits = _digits([100 * value for value in values if value is not None])
        return lambda value: f"{100 * value:.{min(digits, 2)}f} %"
    digits = _digits([value for value in values if value is not None])
    return lambda value: f"{value:.{min(digits, 4)}f}"


def _digits(values: Iterable[float]) -> int:
    return max((_digits_of(value) for value in values), default=0)


def _digits_of(value: float) -> int:
    return next((n for n in range(_MOST_DIGITS) if abs(round(value, n) - value) < 1e-9), _MOST_DIGITS)


def _score(board: Standings, of: Callable[[Row], float | None]) -> Callable[[int, Row], Cell]:
    written = formatter([of(row) for row in board.rows], board.metric)

    def cell(_index: int, row: Row) -> Cell:
        value = of(row)
        return Cell("") if value is None else Cell(written(value), value)

    return cell


def _place(index: int, row: Row) -> Cell:
    # Sorted by rank, baselines stand where they stood: between the teams that they separate.
    return Cell("–" if row.rank is None else str(row.rank), float(index))


def _name(_index: int, row: Row) -> Cell:
    name = flat(row.name, NAME_CHARS) or "(no name)"
    return Cell(name, name.casefold())


def _team(_index: int, row: Row) -> Cell:
    team = flat(row.team, NAME_CHARS)
    return Cell(team, team.casefold() or None)


def _shake(_index: int, row: Row) -> Cell:
    if row.shake is None:
        return Cell("")
    sign = "▲ " if row.shake > 0 else "▼ " if row.shake < 0 else ""
    return Cell(f"{sign}{abs(row.shake)}", float(row.shake))


def _entries(_index: int, row: Row) -> Cell:
    return Cell("") if row.baseline else Cell(f"{row.entries}", float(row.entries))


def _reached(_index: int, row: Row) -> Cell:
    if row.best is None:
        return Cell("")
    return Cell(moment(row.best), row.best.timestamp(), row.best)


def moment(at: datetime) -> str:
    """Such as 2026-11-22 10:52, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def exactly(at: datetime | None) -> str:
    """Such as 2026-11-22T10:52:10Z, or nothing."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def counted(standings: Standings) -> str:
    """Such as "12 teams, 48 entries"."""
    ranked = [row for row in standings.rows if not row.baseline]
    teams, entries = len(ranked), sum(row.entries for row in ranked)
    return f"{teams:,} team{'' if teams == 1 else 's'}, {entries:,} {'entry' if entries == 1 else 'entries'}"


def last_entry(standings: Standings) -> datetime | None:
    """When the newest entry that counts came."""
    return max((row.last for row in standings.rows if row.last is not None), default=None)


def to_csv(standings: Standings) -> str:
    """The board for spreadsheets and programs: every number as it is, times exact, names never formulas."""
    staff = standings.view is not View.PUBLIC
    heads = ["rank", "name", "baseline", *(["team"] if staff else []), f"public_{standings.metric}_rounded"]
    if staff:
        heads += [f"public_{standings.metric}", f"private_{standings.metric}", "shake_up"]
    lines = [csv_row([*heads, "entries", "first_entry", "last_entry", "reached"])]
    for row in standings.rows:
        cells: list[str | float | None] = [row.rank, row.name, "yes" if row.baseline else "no"]
        cells += [row.team] if staff else []
        cells += [row.shown, *([row.public, row.private, row.shake] if staff else [])]
        times = [exactly(row.first), exactly(row.last), exactly(row.best)]
        lines.append(csv_row([*cells, None if row.baseline else row.entries, *times]))
    return "".join(lines)
