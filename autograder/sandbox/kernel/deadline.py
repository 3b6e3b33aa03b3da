"""Ends what takes too long inside a scene, by an alarm.

It is a courtesy, so that one network's endless loop leaves time for the next: student code can take it away.
The deadline that counts is the trusted side's.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_AGAIN_S = 1.0  # code that catches everything gets it once more


class OutOfTime(BaseException):
    """The time is up. No Exception, which libraries and student code catch."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in this block after that many seconds. Only in the main thread, and not nested."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
