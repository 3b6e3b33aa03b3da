"""Fifty who hand in at once, in processes of several threads each: `python -m tests.leaderboard.rush URL`.

A program of its own, because a process of pytest's has threads and should not be forked. All wait for each
other before each round; before the first, the store is not there. It prints what each round came to, as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from autograder.challenge.limits import Allowance
from autograder.leaderboard.entry import NewEntry, OverLimit
from autograder.leaderboard.store import Store
from autograder.outcome import GradingError

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

PROCESSES, THREADS = 10, 5
AT_ONCE = PROCESSES * THREADS
START = datetime(2026, 11, 20, tzinfo=UTC)
ALLOWANCE = Allowance(3, timedelta(hours=24))
IMAGES = 1_000
WAIT_S = 60


def new_entry(team: str, seconds: int, digest: str) -> NewEntry:
    at = START + timedelta(seconds=seconds)
    labels = np.full(IMAGES, seconds, dtype=np.int16)
    return NewEntry("rush", team, at, digest, 0.5, 0.5, 0.5, {}, labels, {})


# What the one with a number hands in. The times don't come in the order of the numbers.
ROUNDS: dict[str, Callable[[int], NewEntry]] = {
    "each its own team": lambda number: new_entry(f"team {number}", number, "a"),
    "all one team": lambda number: new_entry("everybody", number * 37 % 101, f"b{number}"),
    "five teams": lambda number: new_entry(f"crowd {number % 5}", number * 37 % 101, f"c{number}"),
    "one file": lambda _: new_entry("once", 7, "d"),
}


def hand_in(url: str, number: int, start: Barrier, told: SimpleQueue[tuple[str, str]]) -> None:
    try:
        start.wait(WAIT_S)
        with Store.open(url) as store:
            for name, make in ROUNDS.items():
                start.wait(WAIT_S)
                told.put((name, outcome(store, make(number))))
    except Exception as error:  # reported, and the test fails for it
        start.abort()
        told.put(("", repr(error)))
    told.put(("", ""))


def outcome(store: Store, new: NewEntry) -> str:
    try:
        return f"entry {store.add(new, ALLOWANCE).id}"
    except OverLimit:
        return "over"
    except GradingError as error:
        return repr(error)


def several(url: str, numbers: Sequence[int], start: Barrier, told: SimpleQueue[tuple[str, str]]) -> None:
    threads = [Thread(target=hand_in, args=(url, number, start, told)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(url: str) -> None:
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(AT_ONCE)
    told: SimpleQueue[tuple[str, str]] = fork.SimpleQueue()
    processes = [
        fork.Process(target=several, args=(url, range(first, first + THREADS), start, told))
        for first in range(0, AT_ONCE, THREADS)
    ]
    for process in processes:
        process.start()
    outcomes: dict[str, list[str]] = {}
    done = 0
    while done < AT_ONCE:
        name, result = told.get()
        outcomes.setdefault(name, []).append(result)
        done += (name, result) == ("", "")
    for process in processes:
        process.join()
    outcomes[""] = [error for error in outcomes[""] if error]
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1])
