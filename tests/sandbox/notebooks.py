"""Notebooks for the tests of the runner, and a way to run one in a backend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autograder.loaders.notebook import load_notebook
from autograder.sandbox.backend import Backend, BoxSpec
from autograder.sandbox.notebook import NotebookModule, RunPlan
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Submission

PLAN = RunPlan(cell_wall_s=20.0, wall_s=60.0)
LIMITS = BoxLimits(wall_s=5.0, memory_mib=700, disk_mib=8, files=50, output_kib=256, notebook_wall_s=60.0)
KERNEL = ("numpy", "autograder.sandbox.kernel.shell", "IPython.core.interactiveshell")
SPEC = BoxSpec(limits=LIMITS, preload=KERNEL)


def written(*sources: str, metadata: dict[str, Any] | None = None, **cell: Any) -> bytes:
    """A notebook file with these code cells; one that starts with "# markdown" is a Markdown cell."""
    cells = [
        {"cell_type": "markdown", "source": source[len("# markdown\n") :], "metadata": {}}
        if source.startswith("# markdown\n")
        else {
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            **cell,
        }
        for source in sources
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata or {}, "cells": cells}
    return json.dumps(document).encode()


@contextmanager
def opened_notebook(
    backend: Backend,
    tree: Path,
    *sources: str,
    plan: RunPlan = PLAN,
    limits: BoxLimits = LIMITS,
    files: dict[str, str] | None = None,
) -> Iterator[NotebookModule]:
    """The notebook of these cells in a submission with these files, not run yet."""
    for name, content in (files or {}).items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    data = written(*sources)
    (tree / "work.ipynb").write_bytes(data)
    submission = Submission(backend, tree, limits, RunClock(600))
    try:
        yield submission.notebook("work.ipynb", load_notebook(data, "work.ipynb"), plan)
    finally:
        submission.close()
