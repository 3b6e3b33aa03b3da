"""From the start to the results of one submission, and of each further one in the same process.

`python -m benchmarks.startup [--rounds 7] [--further 9]`, as root. What a student's own functions take is
measured beside each grading and taken off it: the rest is the overhead.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import median, spread, table
from benchmarks.machine import ASSIGNMENT, ROOT, provenance
from benchmarks.meter import Meter, Spent
from benchmarks.one_process import Series, student_s
from benchmarks.submissions import Student, make_students

AIM_SINGLE_S, AIM_FURTHER_S = 1.5, 0.1


@dataclass(slots=True)
class Measured:
    """One value a round; ``student`` is what the student's functions took in the grading beside it."""

    single: list[Spent] = field(default_factory=list)
    student: list[float] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)


def run_single(student: Student, out: Path, meter: Meter) -> Spent:
    """The command as a person types it."""
    command = ["./run_autograder", "grade", ASSIGNMENT, str(student.archive), "--out", str(out)]
    command += ["--sandbox", "privdrop"]  # what runs on Gradescope
    with meter.measure() as spent:
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    return spent[0]


def seed_of(out: Path) -> int:
    document = json.loads((out / "results.json").read_bytes())
    return int(document["extra_data"]["seed"])


def run_series(count: int) -> Series:
    command = [sys.executable, "-m", "benchmarks.one_process", str(count)]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
    series: Series = json.loads(printed)
    return series


def measure(rounds: int, further: int, folder: Path, meter: Meter) -> Measured:
    students = make_students(rounds + 1, folder)
    measured = Measured()
    for number, student in enumerate(students):
        out = folder / f"single-{number}"
        single = run_single(student, out, meter)
        alone = student_s(student, seed_of(out))
        series = run_series(further + 1)
        if number == 0:
            continue  # a warm-up: byte code, the disk's cache
        measured.single.append(single)
        measured.student.append(alone)
        measured.series.append(series)
        print(f"round {number} of {rounds}", file=sys.stderr)
    return measured


def report(measured: Measured) -> str:
    """Two tables: the parts, and the overheads beside their aims."""
    firsts = [one["gradings"][0] for one in measured.series]
    rest = [grading for one in measured.series for grading in one["gradings"][1:]]
    parts = [
        [
            "`./run_autograder grade` as a whole process",
            spread([one.wall for one in measured.single], "s"),
            spread([one.cpu for one in measured.single], "s"),
        ],
        ["in one process: the imports", spread([one["imports"] for one in measured.series], "s"), ""],
        ["… opening and proving the sandbox", spread([one["sandbox"] for one in measured.series], "s"), ""],
        ["… the first grading", *(spread([one[key] for one in firsts], "s") for key in ("wall", "cpu"))],
        ["… each further grading", *(spread([one[key] for one in rest], "s") for key in ("wall", "cpu"))],
        ["the student's functions alone, called directly", spread(measured.student, "s"), ""],
    ]
    single = [one.wall - alone for one, alone in zip(measured.single, measured.student, strict=True)]
    single_cpu = [one.cpu - alone for one, alone in zip(measured.single, measured.student, strict=True)]
    overheads = [
        _overhead("a single submission, as a whole process", single, single_cpu, AIM_SINGLE_S),
        _overhead(
            "each further one in the same process",
            [one["wall"] - one["student"] for one in rest],
            [one["cpu"] - one["student"] for one in rest],
            AIM_FURTHER_S,
        ),
    ]
    return "\n\n".join(
        [
            table(["what", "wall time", "processor time"], parts),
            table(
                ["overhead over the student's own compute", "wall time", "processor time", "aim (wall)"],
                overheads,
            ),
        ]
    )


def _overhead(what: str, wall: list[float], cpu: list[float], aim_s: float) -> list[str]:
    verdict = "holds" if median(wall) < aim_s else "does not hold"
    return [what, spread(wall, "s"), spread(cpu, "s"), f"< {aim_s:g} s: {verdict}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.startup")
    parser.add_argument("--rounds", type=int, default=7, help="fresh processes of each kind")
    parser.add_argument("--further", type=int, default=9, help="gradings after the first in one process")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as folder, Meter() as meter:
        notes = {"processor time": meter.method}
        counts = {"rounds": options.rounds, "further_gradings_a_round": options.further}
        print(provenance("Start-up", notes, **counts))
        print(report(measure(options.rounds, options.further, Path(folder), meter)))


if __name__ == "__main__":
    main()
