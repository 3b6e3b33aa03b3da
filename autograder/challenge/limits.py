"""How often one may submit to a challenge: at most so many in any stretch of so many hours.

The window rolls: there is no midnight at which a day begins, so nobody's day is shorter in another time zone.
Walking through the submissions in the order of their times, one is admitted if fewer than ``submissions``
admitted ones lie in the window that ends with it, ``(its time - window, its time]``. One that was refused
counts for nothing later. Nothing here looks at a clock: a regrade, a year later, gives the same answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most ``submissions`` in any ``window``."""

    submissions: int
    window: timedelta

    def __post_init__(self) -> None:
        if self.submissions < 1 or self.window <= timedelta(0):
            raise ValueError(f"no allowance: {self.submissions!r} submissions in {self.window!r}")


def admitted(times: Sequence[datetime], allowance: Allowance) -> tuple[bool, ...]:
    """Which of the submissions at ``times``, in any order, count. Of two at the same time the first does."""
    moments = _utc(times)
    kept: list[datetime] = []
    admissions = [False] * len(moments)
    for index in sorted(range(len(moments)), key=moments.__getitem__):
        if has_room(kept, moments[index], allowance):
            kept.append(moments[index])
            admissions[index] = True
    return tuple(admissions)


def has_room(kept: Sequence[datetime], at: datetime, allowance: Allowance) -> bool:
    """Whether one more at ``at`` leaves no window with too many; ``kept`` all count, in order of time.

    Later ones matter too: one that arrives out of order must not make a window overflow that was full.
    """
    place = bisect_right(kept, at)
    ordered = [*kept[:place], at, *kept[place:]]
    first = max(0, place - allowance.submissions)
    windows = zip(ordered[first : place + 1], ordered[first + allowance.submissions :], strict=False)
    return all(last - start >= allowance.window for start, last in windows)


def next_possible(times: Sequence[datetime], at: datetime, allowance: Allowance) -> datetime:
    """The first moment (in UTC), not before ``at``, at which one more than those at ``times`` is admitted."""
    kept = counted(times, allowance)
    [moment] = _utc([at])
    ends = (_later(each, allowance.window) for each in kept)
    candidates = [moment, *(end for end in ends if end > moment)]
    return next((each for each in candidates if has_room(kept, each, allowance)), _END_OF_TIME)


def in_window(times: Sequence[datetime], at: datetime, allowance: Allowance) -> int:
    """How many of those at ``times`` that count lie in the window that ends at ``at``."""
    [moment] = _utc([at])
    return sum(each <= moment < _later(each, allowance.window) for each in counted(times, allowance))


def counted(times: Sequence[datetime], allowance: Allowance) -> list[datetime]:
    """The ``times`` of those that were admitted, in order (in UTC)."""
    admissions = zip(_utc(times), admitted(times, allowance), strict=True)
    return sorted(time for time, counts in admissions if counts)


def _utc(times: Iterable[datetime]) -> list[datetime]:
    """In UTC, where a difference is a duration: within one zone Python subtracts what the wall clocks say."""
    moments = []
    for time in times:
        if time.utcoffset() is None:
            raise ValueError(f"a time without its zone: {time!r}")
        moments.append(time.astimezone(UTC))
    return moments


def _later(time: datetime, window: timedelta) -> datetime:
    try:
        return time + window
    except OverflowError:
        return _END_OF_TIME
