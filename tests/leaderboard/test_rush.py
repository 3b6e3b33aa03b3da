"""Many who hand in at once lose nothing, and get no more than their share."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from autograder.challenge.limits import admitted
from autograder.leaderboard.entry import Entry
from autograder.leaderboard.store import Store
from tests.leaderboard import rush

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_S = 200


def test_fifty_at_once(store_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.leaderboard.rush", store_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    rounds = {name: Counter(outcomes) for name, outcomes in json.loads(done.stdout).items()}
    assert not rounds.pop("")  # what went wrong outside of the rounds
    with Store.open(store_url) as store:
        entries = store.entries("rush")
        assert all(set(store.labels(entry)) == {entry.at.second + 60 * entry.at.minute} for entry in entries)
    kept = Counter(entry.team for entry in entries)

    assert len(rounds["each its own team"]) == rush.AT_ONCE  # as many entries, each with its own number
    assert sum(kept[f"team {number}"] for number in range(rush.AT_ONCE)) == rush.AT_ONCE
    assert_full(rounds["all one team"], [entry for entry in entries if entry.team == "everybody"], teams=1)
    assert_full(rounds["five teams"], [entry for entry in entries if entry.team.startswith("crowd")], teams=5)
    assert list(rounds["one file"].values()) == [rush.AT_ONCE]
    assert kept["once"] == 1


def assert_full(outcomes: Counter[str], entries: list[Entry], *, teams: int) -> None:
    """Each team got all that it may have, and nothing more; nobody saw an error."""
    most = teams * rush.ALLOWANCE.submissions
    assert outcomes.pop("over") == rush.AT_ONCE - most
    assert set(outcomes) == {f"entry {entry.id}" for entry in entries}
    assert len(entries) == most
    for team in {entry.team for entry in entries}:
        times = [entry.at for entry in entries if entry.team == team]
        assert all(admitted(times, rush.ALLOWANCE))


ENDLESS = """
import sys
from autograder.leaderboard.store import Store
from tests.leaderboard.rush import new_entry
with Store.open(sys.argv[1]) as store:
    for number in range(10_000):
        print(store.add(new_entry("endless", number, "e")).id, flush=True)
"""


def test_a_killed_grading_loses_nothing_that_was_kept(store_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, store_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(10)]
    process.send_signal(signal.SIGKILL)
    with process.stdout:
        said += process.stdout.readlines()
    process.wait()
    told = [int(line) for line in said if line.endswith("\n")]
    with Store.open(store_url) as store:
        entries = store.entries("rush")
        after = store.add(rush.new_entry("endless", 20_000, "e"))
    assert [entry.id for entry in entries][: len(told)] == told
    assert len(entries) <= len(told) + 1  # one may have been kept that it had no time to say
    assert after.id > entries[-1].id
