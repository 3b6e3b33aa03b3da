"""Boards: the order, the ties, the freeze, the shake-up, and that students see nothing private."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.leaderboard.entry import Entry
from autograder.leaderboard.standings import (
    Baseline,
    Point,
    Standings,
    View,
    counting_entries,
    standings,
)
from tests.leaderboard.made import entry, hour

BASELINES = [Baseline("Staff's model", 0.7219, 0.7011, 0.72), Baseline("Chance", 0.1037, 0.1, 0.1)]

# The public order is b, a, c; the private one c, a, b.
ENTRIES = [
    entry("a", 1, 0.701, 0.694),
    entry("a", 2, 0.744, 0.721),
    entry("a", 6, 0.723, 0.733),
    entry("b", 3, 0.781, 0.712),
    entry("b", 4, 0.779, 0.717),
    entry("c", 5, 0.662, 0.744),
]


def board(entries: list[Entry], view: View, **options: Any) -> Standings:
    settings: dict[str, Any] = {"metric": "accuracy", "higher_is_better": True, "baselines": BASELINES}
    return standings(entries, view=view, **(settings | options))


def placed(made: Standings) -> list[tuple[int | None, str]]:
    return [(row.rank, row.name) for row in made.rows]


def test_public_board() -> None:
    made = board(ENTRIES, View.PUBLIC, title="CIFAR-10", shown_name=str.upper)
    assert (made.title, made.metric, made.view, made.late) == ("CIFAR-10", "accuracy", View.PUBLIC, 0)
    assert placed(made) == [(1, "B"), (2, "A"), (None, "Staff's model"), (3, "C"), (None, "Chance")]
    first, second = made.rows[:2]
    assert (first.shown, first.entries, first.first, first.last, first.best) == (
        0.78,
        2,
        hour(3),
        hour(4),
        hour(3),
    )
    assert second.history == (Point(hour(1), 0.7), Point(hour(2), 0.74))
    assert (second.best, second.last) == (hour(2), hour(6))
    assert made.rows[2].baseline
    assert made.rows[2].shown == 0.72


@pytest.mark.parametrize(
    ("final", "order", "privates", "shakes"),
    [
        ("best_public", "cab", [0.744, 0.721, 0.712], [2, 0, -2]),
        ("last", "cab", [0.744, 0.733, 0.717], [2, 0, -2]),
        ("best_private", "cab", [0.744, 0.733, 0.717], [2, 0, -2]),
    ],
)
def test_final_board(final: str, order: str, privates: list[float], shakes: list[int]) -> None:
    made = board(ENTRIES, View.FINAL, final=final)
    teams = [row for row in made.rows if not row.baseline]
    assert "".join(row.team for row in teams) == order
    assert [row.private for row in teams] == privates
    assert [row.shake for row in teams] == shakes
    assert [row.rank for row in teams] == [1, 2, 3]
    assert [row.name for row in made.rows if row.baseline] == ["Staff's model", "Chance"]
    assert made.rows[-2].private == 0.7011


def test_the_rules_pick_different_entries() -> None:
    entries = [entry("a", 1, 0.80, 0.70), entry("a", 2, 0.75, 0.78), entry("a", 3, 0.76, 0.60)]
    for final, hours in (("best_public", 1), ("best_private", 2), ("last", 3)):
        [row] = board(entries, View.FINAL, final=final, baselines=[]).rows
        [counts] = counting_entries(entries, final=final, higher_is_better=True)  # type: ignore[arg-type]
        assert counts == entries[hours - 1]
        assert (row.best, row.private, row.public, row.shown) == (
            hour(hours),
            counts.private,
            counts.public,
            counts.shown,
        )
    for final, hours in (("best_public", 2), ("best_private", 3), ("last", 3)):
        [counts] = counting_entries(entries, final=final, higher_is_better=False)  # type: ignore[arg-type]
        assert counts == entries[hours - 1]


def test_ties_by_the_time_at_which_the_score_was_reached() -> None:
    """The finer number behind an equal score decides nothing that a student sees."""
    entries = [
        entry("late but finer", 3, 0.7249, 0.7),
        entry("early", 2, 0.7151, 0.7),
        entry("early", 4, 0.7249, 0.7),  # the same shown score once more
        entry("began first", 1, 0.5, 0.7),
        entry("began first", 5, 0.7249, 0.7),
    ]
    made = board(entries, View.PUBLIC, baselines=[])
    assert placed(made) == [(1, "early"), (2, "late but finer"), (3, "began first")]
    made = board(entries, View.FINAL, final="best_private", baselines=[])
    assert placed(made) == [(1, "began first"), (2, "early"), (3, "late but finer")]


def test_the_same_score_at_the_same_moment_is_the_same_rank() -> None:
    entries = [entry(team, 1, 0.7, 0.7) for team in "cab"] + [entry("d", 2, 0.7, 0.7)]
    for view in View:
        assert placed(board(entries, view, baselines=[])) == [(1, "a"), (1, "b"), (1, "c"), (4, "d")]


def test_who_only_reaches_a_baseline_stands_below_it() -> None:
    entries = [entry("a", 1, 0.72, 0.7011)]
    for view in View:
        assert placed(board(entries, view))[:2] == [(None, "Staff's model"), (1, "a")]


def test_where_less_is_better() -> None:
    baselines = [Baseline("Staff's model", 0.9, 0.95, 0.9)]
    made = board(ENTRIES, View.PUBLIC, metric="log_loss", higher_is_better=False, baselines=baselines)
    assert placed(made) == [(1, "c"), (2, "a"), (3, "b"), (None, "Staff's model")]
    assert made.rows[1].history == (Point(hour(1), 0.7),)
    assert not made.higher_is_better
    made = board(ENTRIES, View.FINAL, higher_is_better=False, baselines=baselines)
    assert [(row.team, row.private) for row in made.rows[:3]] == [("a", 0.694), ("b", 0.717), ("c", 0.744)]


def test_a_freeze_leaves_out_what_came_later() -> None:
    freeze = hour(4)
    for view in (View.PUBLIC, View.FINAL):
        made = board(ENTRIES, view, freeze=freeze)
        assert (made.frozen, made.late) == (freeze, 2)
        assert made == dataclasses.replace(board(ENTRIES[:2] + ENTRIES[3:5], view, freeze=freeze), late=2)
        b = next(row for row in made.rows if row.name == "b")
        assert b.last == freeze  # one at the very moment counts
    running = board(ENTRIES, View.PRIVATE, freeze=freeze)
    assert running == board(ENTRIES, View.PRIVATE)
    assert (running.frozen, running.late) == (None, 0)
    counting = counting_entries(ENTRIES, final="last", higher_is_better=True, freeze=freeze)
    assert [(each.team, each.at) for each in counting] == [("a", hour(2)), ("b", hour(4))]


def test_our_faults_are_on_no_board() -> None:
    broken = [entry("a", 0, 0.99, 0.99, fault=True), entry("d", 9, 0.99, 0.99, fault=True)]
    for view in View:
        assert board([*ENTRIES, *broken], view, freeze=hour(8)) == board(ENTRIES, view, freeze=hour(8))
    assert len(counting_entries(broken, final="last", higher_is_better=True)) == 0


def test_an_empty_board_has_the_baselines() -> None:
    for view in View:
        assert [row.name for row in board([], view).rows] == ["Staff's model", "Chance"]
    assert board([], View.PUBLIC, baselines=[]).rows == ()


scores = st.integers(0, 1_000).map(lambda thousandths: thousandths / 1_000)
some_entries = st.lists(
    st.builds(entry, st.sampled_from("abcdef"), st.integers(0, 30).map(float), scores, scores), max_size=20
)


@given(some_entries, st.randoms(use_true_random=False), st.none() | st.integers(0, 30), st.booleans())
def test_the_public_board_depends_on_nothing_private(
    entries: list[Entry], chance: Any, freeze: int | None, higher: bool
) -> None:
    """Whatever the private scores and the unrounded ones are, students see the same."""
    options: dict[str, Any] = {
        "freeze": None if freeze is None else hour(freeze),
        "higher_is_better": higher,
    }
    for_students = board(entries, View.PUBLIC, **options)
    others = [
        dataclasses.replace(
            each,
            public=chance.random(),
            private=chance.random(),
            metrics={"accuracy": chance.random()},
            points={"9.4.2": chance.random()},
            digest="other",
        )
        for each in entries
    ]
    baselines = [
        dataclasses.replace(each, public=chance.random(), private=chance.random()) for each in BASELINES
    ]
    for final in ("best_public", "last", "best_private"):
        assert board(others, View.PUBLIC, baselines=baselines, final=final, **options) == for_students


def leaves(thing: object) -> Iterator[object]:
    if dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from leaves(getattr(thing, field.name))
    elif isinstance(thing, tuple):
        for each in thing:
            yield from leaves(each)
    else:
        yield thing


def test_nothing_private_stands_anywhere_in_a_public_board() -> None:
    entries = [
        dataclasses.replace(each, public=each.public + math.pi / 1e6, private=each.private + math.pi / 1e6)
        for each in ENTRIES
    ]
    made = board(entries, View.PUBLIC, shown_name=lambda team: f"name of {ord(team)}")
    held = set(leaves(made))
    assert {0.78, 0.74, hour(3), "name of 98"} <= held  # so that the walk is seen to work
    unwanted: set[object] = {
        each for one in entries for each in (one.public, one.private, one.team, one.digest)
    }
    unwanted |= {each for one in BASELINES for each in (one.public, one.private)} - {0.1}
    assert not held & unwanted
    assert all(isinstance(each, str | int | float | datetime | View | None) for each in held)
    staff = set(leaves(board(entries, View.FINAL)))
    assert {each.private for each in entries} & staff


@given(some_entries, st.sampled_from(list(View)), st.booleans())
def test_ranks_and_history_hang_together(entries: list[Entry], view: View, higher: bool) -> None:
    made = board(entries, view, higher_is_better=higher)
    teams = [row for row in made.rows if not row.baseline]
    assert len(teams) == len({each.team for each in entries})
    assert sum(row.entries for row in teams) == len(entries)
    ranks = [row.rank for row in teams if row.rank is not None]
    assert ranks == sorted(ranks)
    assert all(1 <= rank <= place for place, rank in enumerate(ranks, start=1))
    ranked_by = [row.shown if view is View.PUBLIC else row.private for row in made.rows]
    assert ranked_by == sorted(ranked_by, key=lambda score: score or 0.0, reverse=higher)
    for row in teams:
        assert row.first is not None and row.best is not None and row.last is not None  # noqa: PT018
        assert row.first == row.history[0].at <= row.best <= row.last
        values = [point.value for point in row.history]
        assert values == sorted(set(values), reverse=not higher)
        assert (row.shake is None) == (view is View.PUBLIC)
    if view is not View.PUBLIC and len(set(ranks)) == len(ranks):
        public = board(entries, View.PUBLIC, higher_is_better=higher, shown_name=str)
        places = {row.name: row.rank for row in public.rows}
        assert all(row.shake == (places[row.team] or 0) - (row.rank or 0) for row in teams)
