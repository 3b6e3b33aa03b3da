"""One five-cell notebook and twenty of them, beside other tools that run it and make the same checks.

`python -m benchmarks.notebooks [--submissions 20] [--rounds 3]`, as root. The other tools' environment is
made first, if it isn't there (some 700 MB).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import median, ratios, spread, table
from benchmarks.machine import provenance
from benchmarks.meter import Meter, Spent
from benchmarks.notebook_kits import BARE, OTTER, OURS, PACKAGES, TOOLS, NotebookTools
from benchmarks.notebook_students import Student, make_students
from benchmarks.peer_kits import make_environment, versions
from benchmarks.peers import cache_folder, run

ONE_AIM_S = 0.4  # beyond the bare kernel's own time
MANY_AIM = 0.1  # of otter's loop
Figures = dict[tuple[str, int], list[Spent]]  # tool, number of notebooks -> one a round


def grade_all(tools: NotebookTools, name: str, students: Sequence[Student], meter: Meter) -> Spent:
    """Grade all of them with one tool; the proof that it did so isn't timed."""
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as folder:
        commands = tools.commands(name, students, Path(folder))
        with meter.measure() as spent:
            for command in commands:
                run(command)
        for command in commands:
            command.proof()
    return spent[0]


def measure(tools: NotebookTools, students: Sequence[Student], rounds: int, meter: Meter) -> Figures:
    figures: Figures = defaultdict(list)
    for name in TOOLS:  # a warm-up: byte code, the disk's cache, environments, and does it work at all
        grade_all(tools, name, students[:1], meter)
    for number in range(rounds):
        for count in (1, len(students)):
            for name in TOOLS:
                figures[name, count].append(grade_all(tools, name, students[:count], meter))
                print(f"round {number + 1} of {rounds}, {count}: {name}", file=sys.stderr)
    return figures


def report(figures: Figures, count: int) -> str:
    """Seconds for all ``count`` of them together, and how many times ours that is in the same round."""
    ours = [one.wall for one in figures[OURS, count]]
    rows = []
    for name in TOOLS:
        spent = figures[name, count]
        wall = [one.wall for one in spent]
        cpu = spread([one.cpu for one in spent], "s")
        rows.append(
            [name, "yes" if name == OURS else "no", spread(wall, "s"), cpu, spread(ratios(wall, ours))]
        )
    what = "one notebook" if count == 1 else f"{count} notebooks"
    return table([what, "sandbox", "wall time", "processor time", "÷ ours"], rows)


def aims(figures: Figures, count: int) -> str:
    """Whether the aims hold, by the medians of what was measured in the same round."""
    walls = {key: [one.wall for one in spent] for key, spent in figures.items()}
    pairs = zip(walls[OURS, 1], walls[BARE, 1], strict=True)
    beyond = median([ours - bare for ours, bare in pairs])
    share = median(ratios(walls[OURS, count], walls[OTTER, count]))
    lines = [
        f"- at most {ONE_AIM_S:g} s beyond the bare kernel's own time for one: {_holds(beyond <= ONE_AIM_S)} "
        f"({beyond:.2f} s)",
        f"- {count} in less than a tenth of otter's loop: {_holds(share < MANY_AIM)} ({share:.3f})",
    ]
    return "\n".join(lines)


def _holds(so: bool) -> str:
    return "holds" if so else "does not hold"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.notebooks")
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    where = cache_folder() / "notebook-peers"
    parser.add_argument("--environment", type=Path, default=where, help="where the other tools lie")
    options = parser.parse_args()
    python = make_environment(options.environment.absolute(), PACKAGES)
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as name, Meter() as meter:
        notes = {"the other tools' packages": versions(python, PACKAGES), "processor time": meter.method}
        counts = {"rounds": options.rounds, "notebooks_a_round": options.submissions}
        print(provenance("Notebooks", notes, **counts))
        students = make_students(options.submissions, Path(name) / "handed_in")
        tools = NotebookTools(python, Path(name) / "home")
        tools.prepare()
        figures = measure(tools, students, options.rounds, meter)
        tables = [report(figures, count) for count in (1, options.submissions)]
        print("\n\n".join([*tables, aims(figures, options.submissions)]))


if __name__ == "__main__":
    main()
