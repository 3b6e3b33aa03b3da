"""Times that run backwards, epochs that are out of line, numbers that are missing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from statistics import median

from autograder.checks.logs.found import Suspicion, TrainingLog

FEWEST = 5
MUCH_FASTER = 0.4  # of the median; caching and a quieter machine give 0.7
BACKWARDS_S = 2.0  # two processes' lines may come in the wrong order
DAY_S = 86_400
MOST_NAMED = 8
ALIKE_S = 1e-3


def missing(log: TrainingLog) -> Iterator[Suspicion]:
    """Gaps in the epochs, and a beginning that is none."""
    numbers = [one.number for one in log.epochs]
    if not numbers:
        return
    gaps = [(before + 1, after - 1) for before, after in itertools.pairwise(numbers) if after > before + 1]
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    regular = len(steps) == 1 or (
        len(numbers) > 3 and len({b - a for a, b in itertools.pairwise(numbers)}) == 1
    )
    if gaps and not regular:
        shown = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in gaps[:MOST_NAMED])
        line = next(one.line for one in log.epochs if one.number > gaps[0][1])
        yield Suspicion(f"Epochs are missing: {shown}.", line, "moderate", "missing epochs")
    if numbers[0] > 1 and not (regular and gaps and numbers[0] <= max(steps)):
        yield Suspicion(
            f"The log begins with epoch {numbers[0]}; what was trained before is not in it.",
            log.epochs[0].line,
            "moderate",
            "begins late",
        )


def clocks(log: TrainingLog) -> Iterator[Suspicion]:
    """Stamps that go back, and epochs that took next to no time."""
    yield from _backwards(log)
    took = [(one, one.seconds) for one in log.epochs if one.seconds is not None]
    if len(took) < FEWEST:
        return
    middle = median(seconds for _, seconds in took)
    fast = [one for one, seconds in took[:-1] if seconds < MUCH_FASTER * middle]
    fast = [one for one in fast if one.number not in log.resumed_from]
    if fast and len(fast) <= len(took) // 3:
        one = fast[0]
        yield Suspicion(
            f"{len(fast)} epochs took less than {MUCH_FASTER:.0%} of the usual {middle:,.1f} s, "
            f"such as epoch {one.number} with {one.seconds:,.1f} s.",
            one.line,
            "moderate" if len(fast) > 1 else "weak",
            "fast epochs",
        )
    alike = max(seconds for _, seconds in took) - min(seconds for _, seconds in took)
    fine = any(abs(seconds - round(seconds, 1)) > ALIKE_S / 10 for _, seconds in took)
    if fine and alike < ALIKE_S:
        yield Suspicion(
            f"All {len(took)} epochs took the same {middle:,.3f} s to a thousandth.",
            took[0][0].line,
            "moderate",
            "same times",
        )


def _backwards(log: TrainingLog) -> Iterator[Suspicion]:
    stamped = [(one, one.clock) for one in log.epochs if one.clock is not None]
    for (before, was), (one, now) in itertools.pairwise(stamped):
        if now >= was - BACKWARDS_S:
            continue
        undated = was < DAY_S
        if undated and was - now > DAY_S / 2:
            continue  # past midnight
        yield Suspicion(
            f"The clock runs backwards by {was - now:,.0f} s between epochs {before.number} "
            f"and {one.number}.",
            one.line,
            "moderate",
            "clock runs backwards",
        )
        return
