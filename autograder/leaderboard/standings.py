"""A challenge's board: who stands where, for students and for staff.

What students may know is a function of the rounded public scores alone. So the public view is made of them
and of times and nothing else, also where the order of two teams is concerned: equal rounded scores are
ordered by the time at which they were first reached, and not by the finer numbers behind them.

The private views rank each team by one entry of its own, which the course's rule picks: the one with the best
public score, the last, or the one with the best private score. The shake-up is how many places a team gains
(or loses) against the public ranking of the same entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from itertools import groupby
from typing import Literal

from autograder.leaderboard.entry import Entry

FinalRule = Literal["best_public", "last", "best_private"]
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class View(Enum):
    """For whom a board is, and what it ranks by."""

    PUBLIC = "public"  # for students: by the rounded score on the public part, and nothing else is in it
    PRIVATE = "private"  # for staff while the challenge runs: by the private score, of all entries so far
    FINAL = "final"  # after the deadline: the same without the late entries


@dataclass(frozen=True, slots=True)
class Point:
    """The best score that a team had shown at ``at``."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """The score of a model of the teaching staff, shown among the teams without a rank."""

    name: str
    public: float
    private: float
    shown: float


@dataclass(frozen=True, slots=True)
class Row:
    """One team, or one baseline, of a board."""

    rank: int | None  # None for a baseline
    name: str  # as it is shown
    team: str  # as the store knows it; "" in the public view
    shown: float  # the rounded public score
    public: float | None = None  # the same unrounded; None in the public view
    private: float | None = None  # None in the public view
    entries: int = 0
    first: datetime | None = None  # None for a baseline, as are the next two
    last: datetime | None = None
    best: datetime | None = None  # when the score was first reached
    history: tuple[Point, ...] = ()
    shake: int | None = None  # places gained from the public to the private ranking
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Standings:
    """A board, its rows in order: the best first, baselines in their place among the teams."""

    title: str
    metric: str
    view: View
    rows: tuple[Row, ...]
    higher_is_better: bool = True
    frozen: datetime | None = None
    late: int = 0  # entries after the freeze, which don't count


def standings(  # noqa: PLR0913  (one call, one board)
    entries: Iterable[Entry],
    *,
    view: View,
    metric: str,
    higher_is_better: bool,
    baselines: Sequence[Baseline] = (),
    final: FinalRule = "best_public",
    freeze: datetime | None = None,
    shown_name: Callable[[str], str] = str,
    title: str = "",
) -> Standings:
    """The board of ``entries``. Those after ``freeze`` count only in staff's view of a running challenge."""
    frozen = None if view is View.PRIVATE else freeze
    sound = [entry for entry in entries if not entry.fault]
    by_team = _by_team(_until(sound, frozen))
    order = _Order(higher_is_better)
    public = _ranked([_public_row(of_team, order, shown_name) for of_team in by_team.values()], order, _shown)
    if view is View.PUBLIC:
        rows = [*(replace(row, team="") for row in public), *map(_public_baseline, baselines)]
        by = _shown
    else:
        places = {row.team: row.rank for row in public}
        private = [_private_row(row, by_team[row.team], order, final) for row in public]
        rows = [_shaken(row, places[row.team]) for row in _ranked(private, order, _private)]
        rows += map(_private_baseline, baselines)
        by = _private
    late = len(sound) - sum(map(len, by_team.values()))
    rows.sort(key=lambda row: order.key(row, by))
    return Standings(title, metric, view, tuple(rows), higher_is_better, frozen, late)


def counting_entries(
    entries: Iterable[Entry],
    *,
    final: FinalRule,
    higher_is_better: bool,
    freeze: datetime | None = None,
) -> tuple[Entry, ...]:
    """The entry of each team that decides its final standing."""
    sound = [entry for entry in entries if not entry.fault]
    order = _Order(higher_is_better)
    return tuple(_counting(of_team, order, final) for of_team in _by_team(_until(sound, freeze)).values())


@dataclass(frozen=True, slots=True)
class _Order:
    """The order of a board: the best score first, then who reached it first."""

    higher_is_better: bool

    def loss(self, score: float) -> float:
        return -score if self.higher_is_better else score

    def key(self, row: Row, by: Callable[[Row], float]) -> tuple[float, datetime, str, str]:
        """A team that only reaches a baseline's score has not beaten it, so the baseline stands before it."""
        return self.loss(by(row)), row.best or _BEFORE_ALL, row.name, row.team


def _shown(row: Row) -> float:
    return row.shown


def _private(row: Row) -> float:
    assert row.private is not None
    return row.private


def _until(entries: Iterable[Entry], freeze: datetime | None) -> list[Entry]:
    return [entry for entry in entries if freeze is None or entry.at <= freeze]


def _by_team(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """Each team's entries in order of time."""
    ordered = sorted(entries, key=lambda entry: (entry.team, entry.at, entry.id))
    return {team: tuple(of_team) for team, of_team in groupby(ordered, key=lambda entry: entry.team)}


def _public_row(of_team: Sequence[Entry], order: _Order, shown_name: Callable[[str], str]) -> Row:
    history: list[Point] = []
    for entry in of_team:
        if not history or order.loss(entry.shown) < order.loss(history[-1].value):
            history.append(Point(entry.at, entry.shown))
    return Row(
        rank=None,
        name=shown_name(of_team[0].team),
        team=of_team[0].team,
        shown=history[-1].value,
        entries=len(of_team),
        first=of_team[0].at,
        last=of_team[-1].at,
        best=history[-1].at,
        history=tuple(history),
    )


def _counting(of_team: Sequence[Entry], order: _Order, final: FinalRule) -> Entry:
    """The entry by which a team is ranked at the end; of equal ones the earlier."""
    if final == "last":
        return of_team[-1]
    if final == "best_public":
        return min(of_team, key=lambda entry: order.loss(entry.public))
    return min(of_team, key=lambda entry: order.loss(entry.private))


def _private_row(row: Row, of_team: Sequence[Entry], order: _Order, final: FinalRule) -> Row:
    entry = _counting(of_team, order, final)
    return replace(row, shown=entry.shown, public=entry.public, private=entry.private, best=entry.at)


def _ranked(rows: Iterable[Row], order: _Order, by: Callable[[Row], float]) -> list[Row]:
    """In order and with their ranks; the same score at the same moment is the same rank."""
    ranked: list[Row] = []
    for place, row in enumerate(sorted(rows, key=lambda row: order.key(row, by)), start=1):
        before = ranked[-1] if ranked else None
        tied = before and (by(before), before.best) == (by(row), row.best)
        ranked.append(replace(row, rank=before.rank if before and tied else place))
    return ranked


def _shaken(row: Row, public_rank: int | None) -> Row:
    assert row.rank is not None
    assert public_rank is not None
    return replace(row, shake=public_rank - row.rank)


def _public_baseline(baseline: Baseline) -> Row:
    return Row(rank=None, name=baseline.name, team="", shown=baseline.shown, baseline=True)


def _private_baseline(baseline: Baseline) -> Row:
    return replace(_public_baseline(baseline), public=baseline.public, private=baseline.private)
