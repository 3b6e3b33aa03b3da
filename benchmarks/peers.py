"""Many submissions, one after another and two at a time, beside other tools that make the same checks.

`python -m benchmarks.peers [--submissions 20] [--rounds 3]`, as root. The other tools' environment is made
first, if it isn't there (some 550 MB, nearly all of it otter-grader's requirements).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import ratios, spread, table
from benchmarks.machine import provenance
from benchmarks.meter import Meter, Spent
from benchmarks.peer_kits import Command, Peers, Tool, make_environment, our_tools, versions
from benchmarks.submissions import Student, make_students

LANES = {1: "one after another", 2: "two at a time"}
Figures = dict[tuple[int, str], list[Spent]]  # lanes, tool -> one a round, for all submissions together


def run(command: Command) -> None:
    done = subprocess.run(  # noqa: S603
        command.arguments,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command.arguments)}: exit code {done.returncode}\n{done.stdout}")


def grade_all(tool: Tool, students: Sequence[Student], lanes: int, meter: Meter) -> Spent:
    """Grade all of them with one tool; the proof that it did so isn't timed."""
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as folder:
        commands = tool.commands(students, Path(folder) / "results", lanes)
        with ThreadPoolExecutor(max_workers=lanes) as pool, meter.measure() as spent:
            list(pool.map(run, commands))
        for command in commands:
            command.proof()
    return spent[0]


def measure(tools: Sequence[Tool], students: Sequence[Student], rounds: int, meter: Meter) -> Figures:
    figures: Figures = defaultdict(list)
    for tool in tools:  # a warm-up: byte code, the disk's cache, and does it work at all
        grade_all(tool, students[:1], 1, meter)
    for number in range(rounds):
        for lanes, words in LANES.items():
            for tool in tools:
                figures[lanes, tool.name].append(grade_all(tool, students, lanes, meter))
                print(f"round {number + 1} of {rounds}, {words}: {tool.name}", file=sys.stderr)
    return figures


def report(figures: Figures, tools: Sequence[Tool], lanes: int, count: int) -> str:
    """Seconds for one submission, and how many times ours that is, in the same round."""
    ours = [tool.name for tool in our_tools()]
    rows = []
    for tool in tools:
        spent = figures[lanes, tool.name]
        wall = [one.wall for one in spent]
        times = [spread(ratios(wall, [one.wall for one in figures[lanes, name]])) for name in ours]
        cpu = spread([one.cpu / count for one in spent], "s")
        rows.append([tool.name, tool.sandbox, spread([one / count for one in wall], "s"), cpu, *times])
    head = [f"tool ({LANES[lanes]})", "sandbox", "wall time", "processor time", "÷ ours, one process"]
    return table([*head, "÷ ours, a process each"], rows)


def cache_folder() -> Path:
    """Where the other tools' environments are made."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autograder"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.peers")
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--environment", type=Path, default=cache_folder() / "peers", help="where the other tools lie"
    )
    options = parser.parse_args()
    python = make_environment(options.environment.absolute())
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as name, Meter() as meter:
        folder = Path(name)
        notes = {"the other tools' packages": versions(python), "processor time": meter.method}
        counts = {"rounds": options.rounds, "submissions_a_round": options.submissions}
        print(provenance("Peers", notes, **counts))
        students = make_students(options.submissions, folder)
        peers = Peers(python, folder / "home")
        peers.prepare()
        tools = [*our_tools(), *peers.tools()]
        figures = measure(tools, students, options.rounds, meter)
        print("\n\n".join(report(figures, tools, lanes, options.submissions) for lanes in LANES))


if __name__ == "__main__":
    main()
