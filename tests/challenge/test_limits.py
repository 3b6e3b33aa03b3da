"""The rolling limit on submissions, held against a walk written another way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.challenge.limits import Allowance, admitted, counted, has_room, in_window, next_possible

START = datetime(2026, 11, 20, tzinfo=UTC)
TICK = timedelta(microseconds=1)
THREE_A_DAY = Allowance(3, timedelta(hours=24))

ticks = st.lists(st.integers(0, 40), max_size=25)
allowances = st.builds(
    Allowance, st.integers(1, 4), st.integers(1, 15).map(lambda minutes: timedelta(minutes=minutes))
)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def walked(minutes: list[int], most: int, window: int) -> list[bool]:
    """The rule, minute by minute."""
    answers = [False] * len(minutes)
    marks: dict[int, int] = {}
    for now in range(41):
        for index, then in enumerate(minutes):
            if then == now and sum(marks.get(past, 0) for past in range(now - window + 1, now + 1)) < most:
                marks[now] = marks.get(now, 0) + 1
                answers[index] = True
    return answers


@given(ticks, allowances)
def test_admits_what_the_rule_says(minutes: list[int], allowance: Allowance) -> None:
    window = allowance.window // timedelta(minutes=1)
    expected = walked(minutes, allowance.submissions, window)
    assert admitted([minute(each) for each in minutes], allowance) == tuple(expected)


@given(ticks, allowances)
def test_no_window_has_too_many_and_nobody_is_refused_without_need(
    minutes: list[int], allowance: Allowance
) -> None:
    times = [minute(each) for each in minutes]
    kept = counted(times, allowance)
    for at, counts in zip(times, admitted(times, allowance), strict=True):
        in_its_window = sum(at - allowance.window < each <= at for each in kept)
        assert in_its_window <= allowance.submissions
        assert counts or in_its_window == allowance.submissions


@given(ticks, st.lists(st.integers(41, 80), max_size=5), allowances)
def test_what_comes_later_changes_nothing(minutes: list[int], later: list[int], allowance: Allowance) -> None:
    """A regrade of an old submission sees the newer ones too."""
    times = [minute(each) for each in minutes]
    after = [minute(each) for each in later]
    assert admitted([*times, *after], allowance)[: len(times)] == admitted(times, allowance)


@given(ticks, allowances, st.randoms(use_true_random=False))
def test_order_does_not_matter(minutes: list[int], allowance: Allowance, chance: Random) -> None:
    times = [minute(each) for each in minutes]
    mixed = times.copy()
    chance.shuffle(mixed)
    assert counted(mixed, allowance) == counted(times, allowance)


@given(ticks, st.integers(0, 60), allowances)
def test_next_possible_is_the_first_moment_with_room(
    minutes: list[int], at: int, allowance: Allowance
) -> None:
    times = [minute(each) for each in minutes]
    kept = counted(times, allowance)
    first = next_possible(times, minute(at), allowance)
    assert first >= minute(at)
    assert has_room(kept, first, allowance)
    if first > minute(at):
        assert not has_room(kept, first - TICK, allowance)
        assert not any(
            has_room(kept, minute(each), allowance) for each in range(at, 80) if minute(each) < first
        )


@given(ticks, st.integers(0, 40), allowances)
def test_room_is_kept_for_later_ones(minutes: list[int], at: int, allowance: Allowance) -> None:
    """One more that there is room for takes no place away from those that count already."""
    kept = counted([minute(each) for each in minutes], allowance)
    with_it = [*kept, minute(at)]
    assert has_room(kept, minute(at), allowance) == all(admitted(with_it, allowance))


def test_three_a_day() -> None:
    times = [hour(0), hour(1), hour(2), hour(23.9), hour(24), hour(24.5), hour(25)]
    assert admitted(times, THREE_A_DAY) == (True, True, True, False, True, False, True)
    assert next_possible(times[:4], hour(23.9), THREE_A_DAY) == hour(24)
    assert next_possible(times[:2], hour(2), THREE_A_DAY) == hour(2)
    assert in_window(times, hour(23.9), THREE_A_DAY) == 3
    assert in_window(times, hour(26), THREE_A_DAY) == 2


def test_refused_ones_do_not_put_off_the_next() -> None:
    """Who keeps trying waits no longer than who does not."""
    tries = [hour(0), hour(1), hour(2), *(hour(3 + each / 10) for each in range(200))]
    assert next_possible(tries, hour(23), THREE_A_DAY) == hour(24)


def test_days_are_24_hours_when_the_clocks_change() -> None:
    """In New York, 1 November 2026 has 25 hours; by the clock on the wall the fourth would be a day later."""
    new_york = ZoneInfo("America/New_York")
    noon = datetime(2026, 10, 31, 12, tzinfo=new_york)
    fourth = datetime(2026, 11, 1, 11, 30, tzinfo=new_york)
    assert admitted([noon, noon, noon, fourth], THREE_A_DAY) == (True, True, True, True)
    assert admitted([noon.astimezone(UTC)] * 3 + [fourth], THREE_A_DAY)[3]
    assert next_possible([noon] * 3, noon, THREE_A_DAY) == datetime(2026, 11, 1, 16, tzinfo=UTC)


def test_a_window_without_end() -> None:
    forever = Allowance(1, timedelta.max)
    assert admitted([hour(0), hour(1)], forever) == (True, False)
    assert next_possible([hour(0)], hour(1), forever).year == 9999
    assert in_window([hour(0)], hour(1), forever) == 1


@pytest.mark.parametrize(("submissions", "window"), [(0, timedelta(hours=1)), (3, timedelta(0))])
def test_an_allowance_of_nothing_is_refused(submissions: int, window: timedelta) -> None:
    with pytest.raises(ValueError, match="no allowance"):
        Allowance(submissions, window)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without its zone"):
        admitted([datetime(2026, 1, 1)], THREE_A_DAY)
