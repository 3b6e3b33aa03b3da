"""Where the lines of a plot go: every team's best score over time, and the staff's models as levels.

A team's best is a staircase: it stays until a better one comes. All teams are drawn; the first few in colour,
because nobody can tell two hundred colours apart, and the rest in grey to be seen against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import mean

import numpy as np

from autograder.leaderboard.standings import Row, Standings
from autograder.leaderboard.table import NAME_CHARS, formatter
from autograder.sheet import flat

COLOURS = 8  # lines that stand out
_LINE_PX = 15.0  # from one label to the next
_TICK_PX = 70.0  # from one date to the next, at the least
_CHAR_PX = 6.6  # a letter of a label, on average
_FENCE = 1.5  # quartile ranges below the lower quartile: what lies further is not drawn
_FEW = 10  # scores, of which none is called an outlier
_STEPS_H = (1, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688, 5376, 8760, 17520, 43800)
_MONTHS_H = 2688  # from such steps on, days are too fine to be named
_NO_TIME = timedelta(hours=1)  # shown on either side where everything came at once


@dataclass(frozen=True, slots=True)
class Size:
    """Of a plot and of its margins, in pixels."""

    width: float
    height: float
    left: float = 56
    right: float = 24
    top: float = 14
    bottom: float = 30

    @property
    def foot(self) -> float:
        return self.height - self.bottom

    @property
    def end(self) -> float:
        return self.width - self.right


@dataclass(frozen=True, slots=True)
class Line:
    """A team's; ``index`` is its row in the board, ``colour`` 1 to COLOURS or 0 for grey."""

    index: int
    colour: int
    path: str
    end: float  # where it ends, from the top
    label: str
    label_at: float  # from the top; labels keep off each other
    told: str


@dataclass(frozen=True, slots=True)
class Level:
    """A baseline's."""

    label: str
    at: float
    label_at: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot; ``beyond`` is the score past which nothing is drawn, or nothing if all is."""

    size: Size
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    times: tuple[Tick, ...]
    scores: tuple[Tick, ...]
    beyond: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.stop - self.start), 1)


def colour_of(standings: Standings) -> dict[int, int]:
    """Which rows stand out, and in which colour: the first teams of the ranking."""
    ranked = [index for index, row in enumerate(standings.rows) if not row.baseline and row.history]
    return {index: place + 1 for place, index in enumerate(ranked[:COLOURS])}


def chart_of(standings: Standings, size: Size, *, names: bool) -> Chart | None:
    """The plot, or nothing if nobody has handed in; with ``names`` beside the lines, else their ranks."""
    teams = [(index, row) for index, row in enumerate(standings.rows) if row.history and not row.baseline]
    baselines = [row for row in standings.rows if row.baseline]
    if not teams:
        return None
    low, high, beyond = _score_range([row for _, row in teams], baselines, standings.higher_is_better)
    up = _Axis(low, high, size.foot, size.top)
    start, stop = _time_range([row for _, row in teams])
    across = _Axis(start.timestamp(), stop.timestamp(), size.left, size.end)
    ticks = _nice(low, high)
    written = formatter(ticks, standings.metric)
    lines = _lines(teams, colour_of(standings), across, up, size, names=names)
    return Chart(
        size,
        lines,
        _levels(baselines, up, size),
        tuple(Tick(across(at.timestamp()), text) for at, text in _time_ticks(start, stop, size)),
        tuple(Tick(up(value), written(value)) for value in ticks),
        "" if beyond is None else formatter([beyond], standings.metric)(beyond),
    )


def sparklines(standings: Standings, width: float = 96, height: float = 28) -> dict[int, str]:
    """For each team's row the path of its best score in a box of its own, on scales that all rows share."""
    teams = {i: row for i, row in enumerate(standings.rows) if row.history and not row.baseline}
    if not teams:
        return {}
    low, high, _ = _score_range(list(teams.values()), [], standings.higher_is_better)
    start, stop = _time_range(list(teams.values()))
    across = _Axis(start.timestamp(), stop.timestamp(), 1.5, width - 1.5)
    up = _Axis(low, high, height - 2, 2)
    return {index: _staircase(row, across, up) for index, row in teams.items()}


def _staircase(row: Row, across: _Axis, up: _Axis) -> str:
    first = row.history[0]
    path = [f"M{across(first.at.timestamp()):g} {up(first.value):g}"]
    for point in row.history[1:]:
        path.append(f"H{across(point.at.timestamp()):g}V{up(point.value):g}")
    return "".join([*path, f"H{across.stop:g}"])


def _lines(  # noqa: PLR0913  (what, in which colours, on which scales: a record of them has no other use)
    teams: Sequence[tuple[int, Row]],
    colours: dict[int, int],
    across: _Axis,
    up: _Axis,
    size: Size,
    *,
    names: bool,
) -> tuple[Line, ...]:
    ends = {index: min(max(up(row.history[-1].value), 0.0), size.height) for index, row in teams}
    labelled = [index for index, _ in teams if index in colours]
    places = dict(zip(labelled, _apart([ends[i] for i in labelled], size.top, size.foot), strict=True))
    room = int((size.right - 20) / _CHAR_PX) if names else NAME_CHARS
    lines = []
    for index, row in teams:
        name = flat(row.name, NAME_CHARS)
        label = _short(f"{row.rank} {name}", room) if names else f"{row.rank}"
        told = f"{row.rank}. {name}"
        path = _staircase(row, across, up)
        label_at = places.get(index, ends[index])
        lines.append(Line(index, colours.get(index, 0), path, ends[index], label, label_at, told))
    return tuple(sorted(lines, key=lambda line: (line.colour > 0, -line.colour)))  # the first drawn last


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _levels(baselines: Sequence[Row], up: _Axis, size: Size) -> tuple[Level, ...]:
    inside = [row for row in baselines if size.top <= up(row.shown) <= size.foot]
    heights = [up(row.shown) for row in inside]
    labels = _apart([at - 5 for at in heights], size.top, size.foot)
    return tuple(
        Level(_short(flat(row.name, NAME_CHARS), 36), at, label_at)
        for row, at, label_at in zip(inside, heights, labels, strict=True)
    )


def _apart(wanted: Sequence[float], top: float, foot: float) -> list[float]:
    """The nearest places to the wanted ones, a line's height apart and within the plot.

    Labels that would overlap become a block in the middle of where they wanted to be.
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    step = min(_LINE_PX, (foot - top) / max(len(wanted), 1))
    blocks: list[list[float]] = []  # of each label, where the block would begin if only it counted
    for n, i in enumerate(order):
        blocks.append([wanted[i] - n * step])
        while len(blocks) > 1 and mean(blocks[-2]) > mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    starts = [mean(block) for block in blocks for _ in block]
    last = foot - (len(wanted) - 1) * step
    places = {i: min(max(starts[n], top), last) + n * step for n, i in enumerate(order)}
    return [round(places[i], 1) for i in range(len(wanted))]


def _score_range(
    teams: Sequence[Row], baselines: Sequence[Row], higher_is_better: bool
) -> tuple[float, float, float | None]:
    """From where to where the plot goes, and where it ends though there is more.

    First tries, and a team that hands in guesses, would squeeze all the others into one line. So the worse
    end is that of the worst score that is no outlier among those that there are.
    """
    sign = 1.0 if higher_is_better else -1.0
    scores = [sign * point.value for row in teams for point in row.history]
    scores += [sign * row.shown for row in baselines]
    worst = min(score for score in scores if score >= _fence(scores) - 1e-9)
    step = _step(max(scores) - worst or abs(worst) or 1.0, 20)
    ends = step * np.floor(worst / step - 0.5), step * np.ceil(max(scores) / step + 0.5)
    low, high = sorted(sign * float(end) for end in ends)
    return low, high, (sign * float(ends[0]) if min(scores) < ends[0] else None)


def _fence(scores: Sequence[float]) -> float:
    """What is worse is an outlier."""
    if len(scores) < _FEW:
        return min(scores)
    lower, upper = (float(q) for q in np.quantile(scores, (0.25, 0.75)))
    return lower - _FENCE * max(upper - lower, (max(scores) - min(scores)) / 10)


def _time_range(teams: Sequence[Row]) -> tuple[datetime, datetime]:
    start = min(row.history[0].at for row in teams)
    stop = max([point.at for row in teams for point in row.history] + [row.last for row in teams if row.last])
    if start == stop:
        return start - _NO_TIME, stop + _NO_TIME
    return start, stop + (stop - start) / 50  # so that the last step is seen


def _step(length: float, most: int) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that goes at most ``most`` times into ``length``."""
    power = 10.0 ** np.floor(np.log10(length / most))
    return float(next(power * by for by in (1, 2, 5, 10) if power * by >= length / most * (1 - 1e-9)))


def _nice(low: float, high: float) -> list[float]:
    """Round values for an axis."""
    step = _step(high - low, 6)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(int(first), int(last) + 1)]


def _time_ticks(start: datetime, stop: datetime, size: Size) -> list[tuple[datetime, str]]:
    """Round moments in UTC: hours within a day, else days."""
    most = max((size.end - size.left) / _TICK_PX, 2)
    hours = (stop - start).total_seconds() / 3600
    step = next((step for step in _STEPS_H if hours / step <= most), _STEPS_H[-1])
    midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    write = _as_hour if step < 24 else _as_day if step < _MONTHS_H else _as_month
    moments = (midnight + timedelta(hours=step * n) for n in range(int(hours / step) + 26))
    return [(at, write(at)) for at in moments if start <= at <= stop]


def _as_day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def _as_month(at: datetime) -> str:
    return f"{at:%b %Y}"


def _as_hour(at: datetime) -> str:
    return _as_day(at) if at.hour == 0 else f"{at:%H:%M}"
