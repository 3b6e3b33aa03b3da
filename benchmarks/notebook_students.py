"""Five-cell notebooks to grade, no two alike: everything in them is right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.notebook_checks import FUNCTIONS

_CELLS = (
    "import numpy as np\n\nstudent = {student}\ndraws = np.random.default_rng(student)",
    "def softmax(scores):\n"
    "    powers = np.exp(scores - scores.max(axis=1, keepdims=True))\n"
    "    return powers / powers.sum(axis=1, keepdims=True)\n\n\n"
    "def accuracy(scores, labels):\n"
    "    return np.mean(scores.argmax(axis=1) == labels)",
    "def loss(features, targets, weights):\n    return np.mean((features @ weights - targets) ** 2)",
    "def fit(features, targets, steps=500, rate=0.1):\n"
    "    weights = np.zeros(features.shape[1])\n"
    "    for _ in range(steps):\n"
    "        wrong = features @ weights - targets\n"
    "        weights -= rate * 2 * features.T @ wrong / len(targets)\n"
    "    return weights",
    "features = draws.normal(size=(200, 4))\n"
    "targets = features @ np.array([1.0, -2.0, 0.5, 3.0])\n"
    'print(f"loss {{loss(features, targets, fit(features, targets)):.6f}}")',
)


@dataclass(frozen=True, slots=True)
class Student:
    """What one student hands in; ``with_checks`` is the same with nbgrader's cells below it."""

    name: str
    notebook: Path
    with_checks: Path


def make_students(count: int, folder: Path) -> list[Student]:
    """Write ``count`` submissions below ``folder``."""
    students = []
    for k in range(count):
        name = f"student_{k:02}"
        (folder / name).mkdir(parents=True)
        students.append(Student(name, folder / name / f"{name}.ipynb", folder / name / "cells.ipynb"))
        students[k].notebook.write_bytes(notebook(k))
        students[k].with_checks.write_bytes(notebook(k, with_checks=True))
    return students


def notebook(student: int, *, with_checks: bool = False) -> bytes:
    cells = [_cell(f"cell-{k}", source.format(student=student)) for k, source in enumerate(_CELLS)]
    if with_checks:
        cells += [_check(name) for name in FUNCTIONS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    return json.dumps(document).encode()


def _check(name: str) -> dict[str, Any]:
    """A cell that nbgrader puts back as it was, runs and counts."""
    told = {"grade": True, "grade_id": f"check-{name}", "locked": True, "points": 1, "schema_version": 3}
    call = f'check("{name}", {name}, int(os.environ["SEED"]))'
    source = f"import os\nfrom benchmarks.notebook_checks import check\n\n{call}"
    return _cell(f"check-{name}", source, nbgrader=told | {"solution": False, "task": False})


def _cell(name: str, source: str, **metadata: Any) -> dict[str, Any]:
    written = {"cell_type": "code", "id": name, "metadata": metadata, "source": source}
    return written | {"outputs": [], "execution_count": None}
