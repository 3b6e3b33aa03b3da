"""The plot's geometry: steps where the scores are, everything inside or said to be outside."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.leaderboard.chart import COLOURS, Chart, Size, chart_of, colour_of, sparklines
from autograder.leaderboard.standings import Baseline, Standings
from tests.leaderboard.boards import STAFF, Tries, board, many

SIZE = Size(960, 400, right=176)


def drawn(standings: Standings, *, names: bool = True, size: Size = SIZE) -> Chart:
    chart = chart_of(standings, size, names=names)
    assert chart is not None
    return chart


def corners(path: str) -> list[tuple[float, float]]:
    """The corners of a staircase."""
    found: list[tuple[float, float]] = []
    for step, numbers in re.findall(r"([MHV])([-\d. e]+)", path):
        values = [float(number) for number in numbers.split()]
        x, y = found[-1] if found else (0.0, 0.0)
        found.append(
            (values[0], values[1]) if step == "M" else (values[0], y) if step == "H" else (x, values[0])
        )
    return found


def test_a_line_is_the_best_so_far() -> None:
    chart = drawn(board({"a": [(0, 0.5, 0), (10, 0.7, 0), (30, 0.6, 0), (50, 0.9, 0)]}, baselines=()))
    (line,) = chart.lines
    at = {tick.text: tick.at for tick in chart.scores}
    level = {n: at["50 %"] + (at["90 %"] - at["50 %"]) * (n - 50) / 40 for n in (50, 70, 90)}
    xs, ys = zip(*corners(line.path), strict=True)
    assert ys == pytest.approx([level[n] for n in (50, 50, 70, 70, 90, 90)], abs=0.2)
    assert xs[0] == SIZE.left
    width = (SIZE.end - SIZE.left) / 51  # of an hour: the plot goes on for a fiftieth
    assert xs[1:] == pytest.approx([SIZE.left + h * width for h in (10, 10, 50, 50, 51)], abs=0.2)
    assert line.end == ys[-1]


def test_where_less_is_better_the_line_goes_down() -> None:
    teams = {"a": [(0, 2.3, 0), (9, 1.1, 0), (19, 0.5, 0)]}
    (line,) = drawn(board(teams, baselines=(), metric="log_loss")).lines
    ys = [y for _, y in corners(line.path)]
    assert ys == sorted(ys)
    assert ys[0] < ys[-1]


def test_the_first_teams_stand_out_and_are_drawn_last() -> None:
    standings = board(many(30))
    colours = colour_of(standings)
    first = [index for index, row in enumerate(standings.rows) if not row.baseline][:COLOURS]
    assert colours == {index: place for place, index in enumerate(first, start=1)}
    chart = drawn(standings)
    assert len(chart.lines) == 30
    assert [line.colour for line in chart.lines] == [0] * 22 + [8, 7, 6, 5, 4, 3, 2, 1]
    assert chart.lines[-1].label.startswith("1 team-")
    assert drawn(standings, names=False).lines[-1].label == "1"


def test_guesses_squeeze_nobody() -> None:
    teams = {f"t{n}": [(n, 0.80 + n / 100, 0.0)] for n in range(10)} | {"guess": [(3, 0.1, 0.1)]}
    chart = drawn(board(teams, baselines=(Baseline("Guess", 0.1, 0.1, 0.1), STAFF[0])))
    assert chart.beyond == "79.5 %"
    assert [level.label for level in chart.levels] == ["Staff model"]
    ends = sorted(line.end for line in chart.lines)
    assert ends[-1] > SIZE.foot  # the guess lies below the plot
    assert ends[-2] - ends[0] > 200  # and the others have all of it
    losses = {f"t{n}": [(n, 0.8 + n / 100, 0.0)] for n in range(10)} | {"guess": [(3, 2.3, 2.3)]}
    assert drawn(board(losses, metric="log_loss", baselines=())).beyond == "0.895"


def test_labels_stand_where_their_lines_end() -> None:
    teams = {"best": [(0, 0.95, 0.0)], **{f"t{n}": [(n, 0.8, 0.0)] for n in range(4)}, "far": [(3, 0.5, 0.0)]}
    lines = {line.label: line for line in drawn(board(teams, baselines=())).lines}
    alike = [lines[f"{n + 2} t{n}"] for n in range(4)]
    end = alike[0].end
    assert [line.label_at for line in alike] == pytest.approx([end - 22.5, end - 7.5, end + 7.5, end + 22.5])
    assert all(lines[name].label_at == lines[name].end for name in ("1 best", "6 far"))


def test_nothing_to_draw() -> None:
    assert chart_of(board({}), SIZE, names=True) is None
    assert sparklines(board({})) == {}


@pytest.mark.parametrize("hours", [0, 0.001, 2, 30, 24 * 14, 24 * 365, 24 * 365 * 20])
def test_the_times_are_round_and_not_too_many(hours: float) -> None:
    for size in (SIZE, Size(320, 280, left=42, right=28)):
        ticks = drawn(board({"a": [(0, 0.5, 0), (hours, 0.6, 0)]}), size=size).times
        gaps = [after.at - before.at for before, after in pairwise(ticks)]
        assert len(ticks) <= 12
        assert all(gap > 40 for gap in gaps)
        assert all(
            re.fullmatch(r"\d{1,2} [A-Z][a-z]{2}|\d\d:\d\d|[A-Z][a-z]{2} \d{4}", tick.text) for tick in ticks
        )
        assert all(size.left <= tick.at <= size.end for tick in ticks)


SCORES = st.floats(0, 1).map(lambda value: round(value, 2))
TRIES = st.lists(st.tuples(st.floats(0, 5000), SCORES, SCORES), min_size=1, max_size=5)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=9), TRIES, max_size=12), st.booleans())
def test_any_scores_can_be_drawn(teams: dict[str, Tries], less_is_better: bool) -> None:
    standings = board(teams, metric="log_loss" if less_is_better else "accuracy")
    chart = chart_of(standings, SIZE, names=True)
    assert (chart is None) is (not teams)
    assert set(sparklines(standings)) == {line.index for line in chart.lines} if chart else True
    if chart is None:
        return
    best = (
        min(line.end for line in chart.lines) if not less_is_better else max(line.end for line in chart.lines)
    )
    assert SIZE.top <= best <= SIZE.foot
    outside = [line for line in chart.lines if not SIZE.top <= line.end <= SIZE.foot]
    assert bool(chart.beyond) >= bool(outside)
    assert 2 <= len(chart.scores) <= 12
    labels = sorted(line.label_at for line in chart.lines if line.colour)
    assert all(below - above > 14.5 for above, below in pairwise(labels))
    assert all(SIZE.top <= label <= SIZE.foot for label in labels)
    assert all(x <= SIZE.end for line in chart.lines for x, _ in corners(line.path))
