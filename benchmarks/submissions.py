"""Excellent submissions to grade, no two alike.

A submission's content decides about its cases, so copies of one would share the work of making them; real
ones don't.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ASSIGNMENT
from fixtures.build import load, tree
from fixtures.pack import write

FIXTURE = "excellent"
_LAYERS = "1_cs231n/cs231n/conv_layers.py"


@dataclass(frozen=True, slots=True)
class Student:
    """What one student hands in, and the module of it that is checked."""

    archive: Path
    layers: Path


def make_students(count: int, folder: Path) -> list[Student]:
    """Write ``count`` submissions below ``folder``, which must be there."""
    fixture = load(FIXTURE, ASSIGNMENT)
    files = tree(fixture)
    students = []
    for k in range(count):
        own = files | {_LAYERS: files[_LAYERS] + f"\n# student {k}\n".encode()}
        name = f"student_{k:02}"
        (folder / name).mkdir()
        layers = folder / name / "conv_layers.py"
        layers.write_bytes(own[_LAYERS])
        students.append(Student(write(own, fixture.pack, folder, name), layers))
    return students
