"""What each sandbox costs: its start, a request to it, its proof, its watchdog.

`python -m benchmarks.sandbox [--rounds 15] [--requests 200] [--windows 5] [--sandbox NAME ...]`, as root for
privdrop. In every round each backend has its turn, so that what slows a round down slows all of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from autograder.sandbox.bubblewrap import find_program
from autograder.sandbox.container import connect
from benchmarks.figures import median, ratios, spread, table
from benchmarks.machine import provenance
from benchmarks.sandbox_timing import (
    KINDS,
    Asked,
    Proved,
    Started,
    Watched,
    available,
    bare_pythons,
    crowded,
    guards,
    loaded,
    sleepers,
    student_tree,
    time_proof,
    time_request,
    time_start,
    watch,
)

AIM_REQUEST_S, AIM_PROOF_S = 0.03, 1.0
BOX_PROCESSES = 16  # what the homework allows
MACHINE_PROCESSES = 300
_MS = 1000.0

Measured = TypeVar("Measured")


def in_turns(
    names: Sequence[str], rounds: int, measure: Callable[[str], Measured], what: str
) -> dict[str, list[Measured]]:
    """So many rounds in which each name has its turn, after one that doesn't count."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names:
            value = measure(name)
            if number > 0:
                found[name].append(value)
    print(f"{what}: {rounds} rounds", file=sys.stderr)
    return found


def starts(names: Sequence[str], rounds: int, tree: Path) -> str:
    bare: list[dict[str, float]] = []

    def measure(name: str) -> Started | None:
        if name != "bare":
            return time_start(name, tree)
        bare.append(bare_pythons())
        return None

    found = in_turns(["bare", *names], rounds, measure, "start")
    warm = bare[1:]
    numpy_s = [one["a bare Python that imports NumPy"] for one in warm]
    rows = [[name, spread([one[name] for one in warm], "ms", scale=_MS), "", "", ""] for name in warm[0]]
    for name in names:
        started = [one for one in found[name] if one is not None]
        cold = [one.cold for one in started]
        rows.append(
            [
                f"`{name}`",
                spread(cold, "ms", scale=_MS),
                spread(ratios(cold, numpy_s)),
                spread([one.ready for one in started], "ms", scale=_MS),
                spread([one.end for one in started], "ms", scale=_MS),
            ]
        )
    head = ["start", "cold", "÷ a bare Python with NumPy", "a further box", "its end"]
    return table(head, rows)


def requests(names: Sequence[str], rounds: int, tree: Path) -> str:
    with ExitStack() as stack:
        modules = {name: stack.enter_context(loaded(name, tree)) for name in names}
        found: Mapping[str, list[Asked]] = in_turns(
            names, rounds, lambda name: time_request(modules[name]), "request"
        )
    rows = [
        [
            f"`{name}`",
            spread([one.scene for one in asked], "ms", scale=_MS),
            spread([one.call for one in asked], "ms", scale=_MS),
            _aim([one.scene for one in asked], AIM_REQUEST_S),
        ]
        for name, asked in found.items()
    ]
    return table(["request", "a scene of its own", "the call alone", "aim for the scene"], rows)


def proofs(names: Sequence[str], rounds: int) -> str:
    found: Mapping[str, list[Proved]] = in_turns(names, rounds, time_proof, "proof")
    rows = [
        [
            f"`{name}`",
            spread([one.cold for one in proved], "s"),
            spread([one.warm for one in proved], "s"),
            _aim([one.cold for one in proved], AIM_PROOF_S),
        ]
        for name, proved in found.items()
    ]
    return table(["preflight", "with the backend's start", "of one that is warm", "aim with the start"], rows)


def watchdogs(names: Sequence[str], windows: int, window_s: float, tree: Path) -> str:
    """One box at a time, so that no other's watchdog looks meanwhile."""
    rows = []
    for name in names:
        before = guards()
        with loaded(name, tree) as module:
            (guard,) = guards() - before

            def look() -> list[Watched]:
                return [watch(guard, window_s) for _ in range(windows)]  # noqa: B023  (called at once)

            idle = look()
            with crowded(module, BOX_PROCESSES):
                full = look()
                with sleepers(MACHINE_PROCESSES):
                    full_beside_many = look()
            with sleepers(MACHINE_PROCESSES):
                idle_beside_many = look()
        rows.append([f"`{name}`", *map(_share, (idle, full, idle_beside_many, full_beside_many))])
        print(f"watchdog of {name}: {windows} windows", file=sys.stderr)
    full_box = f"a box of {BOX_PROCESSES} processes"
    head = [
        "watchdog",
        "an idle box",
        full_box,
        "an idle box, many processes beside it",
        f"{full_box}, likewise",
    ]
    return table(head, rows)


def _share(watched: Sequence[Watched]) -> str:
    processes = int(median([one.processes for one in watched]))
    return f"{spread([100 * one.share for one in watched], '%')} ({processes} processes)"


def _aim(seconds: Sequence[float], aim_s: float) -> str:
    shown = f"< {aim_s:g} s" if aim_s >= 1 else f"< {aim_s * _MS:g} ms"
    return f"{shown}: {'holds' if median(seconds) < aim_s else 'does not hold'}"


def notes(names: Sequence[str], missing: Mapping[str, str]) -> dict[str, str]:
    found = {"user": "root" if os.geteuid() == 0 else "an ordinary one"}
    if "bubblewrap" in names:
        said = subprocess.run([find_program(), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        found["bubblewrap"] = said.stdout.strip()
    if "docker" in names:
        client = connect()
        info = client.info()
        client.close()
        found["docker"] = f"engine {info['ServerVersion']}, {info['Driver']}, cgroup v{info['CgroupVersion']}"
    return found | {f"without {name}": why for name, why in missing.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.sandbox")
    parser.add_argument("--rounds", type=int, default=15, help="starts and proofs of each backend")
    parser.add_argument("--requests", type=int, default=200, help="requests to each backend")
    parser.add_argument("--windows", type=int, default=5, help="looks at each watchdog")
    parser.add_argument("--window-s", type=float, default=2.0, help="how long each of them takes")
    parser.add_argument("--sandbox", action="append", choices=list(KINDS), help="these alone")
    options = parser.parse_args()
    names, missing = available(options.sandbox or list(KINDS))
    counts = {"starts": options.rounds, "requests": options.requests, "looks at a watchdog": options.windows}
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as name:
        tree = student_tree(Path(name))
        print(provenance("Sandboxes", notes(names, missing), **counts), flush=True)
        print(starts(names, options.rounds, tree), end="\n\n", flush=True)
        print(requests(names, options.requests, tree), end="\n\n", flush=True)
        print(proofs([name for name in names if name != "none"], options.rounds), end="\n\n", flush=True)
        print(watchdogs(names, options.windows, options.window_s, tree), flush=True)


if __name__ == "__main__":
    main()
