"""Whether a long-lived process stays as it is: its memory, its descriptors, its threads.

Memory follows what is graded: after one huge answer the allocator keeps what that took, and nothing is lost
by it. So the same submissions are graded again, in laps, the first of which is a warm-up. What was only a
high-water mark is reached once more and not surpassed; what leaks has grown with every single one by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import median

LAPS = 3  # a warm-up and two to compare
FEWEST = 16  # submissions of a lap: fewer are over before the process has warmed up
# From one lap to the next. Python takes its memory by the MiB (an arena), and what is handed in reaches it in
# another order each time: a step of one MiB is chance, and more laps or longer ones tell.
MEMORY_KIB = 2048
OTHERS = 2  # descriptors or threads


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process."""

    rss_kib: int
    pss_kib: int
    descriptors: int
    threads: int


def look_at(pid: int) -> Sample | None:
    """What /proc says of a process now; None if it has ended or is another user's."""
    process = Path(f"/proc/{pid}")
    try:
        rollup = dict(_numbers((process / "smaps_rollup").read_text(encoding="ascii")))
        status = dict(_numbers((process / "status").read_text(encoding="utf-8", errors="replace")))
        descriptors = len(os.listdir(process / "fd"))  # noqa: PTH208  (names alone)
        return Sample(rollup["Rss"], rollup["Pss"], descriptors, status["Threads"])
    except (OSError, KeyError):
        return None


def _numbers(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        value = rest.split()[:1]
        if value and value[0].isdigit():
            yield name, int(value[0])


def growth(samples: Sequence[Sample], lap: int, what: str) -> float | None:
    """By how much the last lap is above the one before, at the same submissions; None if too few say so."""
    if lap < FEWEST or len(samples) < LAPS * lap:
        return None
    before, after = samples[-2 * lap : -lap], samples[-lap:]
    return float(median([getattr(b, what) - getattr(a, what) for a, b in zip(before, after, strict=True)]))


def unsteady(samples: Sequence[Sample], lap: int) -> list[str]:
    """What is not flat, in words."""
    found = []
    memory = growth(samples, lap, "rss_kib")
    if memory is not None and memory > MEMORY_KIB:
        found.append(
            f"memory has grown by {memory:.0f} KiB in {lap} gradings, {memory / lap:.1f} KiB for each"
        )
    for what in ("descriptors", "threads"):
        more = growth(samples, lap, what)
        if more is not None and more > OTHERS:
            found.append(f"{what} have grown by {more:g} in {lap} gradings")
    return found
