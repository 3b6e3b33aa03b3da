"""Gradings one after another in one process, as JSON: what startup.py starts afresh for each of its rounds.

`python -m benchmarks.one_process COUNT`
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TypedDict

_STARTED = time.perf_counter()

from autograder.assignment import find_assignment  # noqa: E402  (the import is part of what is measured)
from autograder.boxes import Mode, open_backend  # noqa: E402
from autograder.grading import grade  # noqa: E402

_IMPORTED = time.perf_counter()

from benchmarks.direct import PACKS, load_functions, play  # noqa: E402
from benchmarks.machine import ASSIGNMENT, ROOT  # noqa: E402
from benchmarks.meter import Meter  # noqa: E402
from benchmarks.submissions import Student, make_students  # noqa: E402
from reference.conv_cases import build_pack  # noqa: E402


class OneGrading(TypedDict):
    """Seconds: of the whole grading, and of the student's functions alone, called directly."""

    wall: float
    cpu: float
    student: float


class Series(TypedDict):
    imports: float
    sandbox: float
    gradings: list[OneGrading]


def student_s(student: Student, seed: int) -> float:
    """The student's own compute over the cases of a grading, in this process, which is warm by then."""
    functions = load_functions(student.layers)
    packs = [build_pack(layer, tier, seed) for layer, tier in PACKS]
    for pack in packs:
        play(functions, pack)
    start = time.perf_counter()
    for pack in packs:
        play(functions, pack)
    return time.perf_counter() - start


def series(students: list[Student], folder: Path, meter: Meter) -> Series:
    """Grade all of them with one backend."""
    assignment = find_assignment(ASSIGNMENT, ROOT / "graders")
    gradings: list[OneGrading] = []
    start = time.perf_counter()
    with open_backend(assignment, Mode.GRADE, sandbox="privdrop") as backend:
        sandbox = time.perf_counter() - start
        for student in students:
            out = folder / f"{student.archive.stem}-results"
            with meter.measure() as spent:
                graded = grade(assignment, student.archive, out, backend=backend)
            alone = student_s(student, graded.document.extra_data.seed)
            gradings.append(OneGrading(wall=spent[0].wall, cpu=spent[0].cpu, student=alone))
    return Series(imports=_IMPORTED - _STARTED, sandbox=sandbox, gradings=gradings)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as name, Meter() as meter:
        print(json.dumps(series(make_students(count, Path(name)), Path(name), meter)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
