"""The tools that grade notebooks: their environment, and the commands that grade one or many with each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.notebook_checks import FUNCTIONS
from benchmarks.notebook_students import Student, notebook
from benchmarks.peer_kits import Command, require_points

PACKAGES = ("otter-grader", "nbgrader", "nbclient", "ipykernel", "numpy")
OURS = "this project"
BARE = "bare nbclient"
OTTER = "otter-grader, `otter run`"
NBGRADER = "nbgrader, `nbgrader autograde`"
TOOLS = (OURS, BARE, NBGRADER, OTTER)
_HOMEWORK = ROOT / "benchmarks" / "five_cells"
_OTTER_TESTS = ROOT / "benchmarks" / "peer_tests" / "otter_cells.py"
_FULL_MARKS = float(len(FUNCTIONS))
_SEED = "231"
_ASSIGNMENT = "cells"

# Runs notebooks one after another, each in a kernel of its own, and checks nothing.
_EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
for path in sys.argv[1:]:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert "loss 0.000000" in notebook.cells[4].outputs[0].text
"""
_SCORES = """
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(*[one.score for one in book.assignment_submissions("cells")])
"""


@dataclass(frozen=True, slots=True)
class NotebookTools:
    """``python`` is the others' interpreter, ``home`` what they take for the user's folder."""

    python: Path
    home: Path
    environment: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        own = {"HOME": str(self.home), "PYTHONPATH": str(ROOT), "SEED": _SEED}
        # nbgrader looks for its database's program there.
        programs = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        self.environment.update(os.environ | own | {"PATH": programs})

    def prepare(self) -> None:
        """Make the others' assignments, each by its own command."""
        tests, course = self.home / "otter" / "tests", self._course
        tests.mkdir(parents=True)
        shutil.copy(_OTTER_TESTS, tests)
        command = [self._program("otter"), "generate", "-t", str(tests), "-o", str(self._otter_zip)]
        self._run([*command, "--no-requirements", "--no-environment", "--no-config"], self.home)
        source = course / "source" / _ASSIGNMENT
        source.mkdir(parents=True)
        (source / f"{_ASSIGNMENT}.ipynb").write_bytes(notebook(0, with_checks=True))
        (course / "nbgrader_config.py").write_text("", encoding="utf-8")
        self._run([self._program("nbgrader"), "generate_assignment", _ASSIGNMENT], course)

    def commands(self, tool: str, students: Sequence[Student], folder: Path) -> list[Command]:
        """What grades them into the folder, one command after another."""
        makers = {OURS: self._ours, BARE: self._bare, OTTER: self._otter, NBGRADER: self._nbgrader}
        return makers[tool](students, folder)

    # --- the tools ---

    def _ours(self, students: Sequence[Student], folder: Path) -> list[Command]:
        """One process for all of them."""
        out = folder / "ours"
        outs = [out] if len(students) == 1 else [out / student.notebook.name for student in students]
        arguments = [str(ROOT / "run_autograder"), "grade", str(_HOMEWORK)]
        arguments += [*(str(student.notebook) for student in students), "--out", str(out)]
        arguments += ["--sandbox", "privdrop"]  # what runs on Gradescope

        def proof() -> None:
            for one in outs:
                require_points(one / "results.json", lambda results: float(results["score"]), _FULL_MARKS)

        return [Command(arguments, os.environ, proof)]

    def _bare(self, students: Sequence[Student], _folder: Path) -> list[Command]:
        paths = [str(student.notebook) for student in students]
        return [Command([str(self.python), "-c", _EXECUTE, *paths], self.environment, lambda: None)]

    def _otter(self, students: Sequence[Student], folder: Path) -> list[Command]:
        """A process each: `otter run` takes one submission."""
        commands = []
        for student in students:
            out = folder / "otter" / student.name
            out.mkdir(parents=True)
            arguments = [self._program("otter"), "run", "--no-logo", "-a", str(self._otter_zip)]
            arguments += ["-o", str(out), str(student.notebook)]
            proof = partial(require_points, out / "results.json", _sum_of_scores, _FULL_MARKS)
            commands.append(Command(arguments, self.environment, proof))
        return commands

    def _nbgrader(self, students: Sequence[Student], folder: Path) -> list[Command]:
        """One process for all of them, in a fresh copy of the course: it skips what it has graded before."""
        course = folder / "nbgrader"
        shutil.copytree(self._course, course)
        for student in students:
            place = course / "submitted" / student.name / _ASSIGNMENT
            place.mkdir(parents=True)
            shutil.copy(student.with_checks, place / f"{_ASSIGNMENT}.ipynb")
        arguments = [self._program("nbgrader"), "autograde", _ASSIGNMENT]
        arguments.append(f"--CourseDirectory.root={course}")

        def proof() -> None:
            found = self._run([str(self.python), "-c", _SCORES], course).split()
            if [float(score) for score in found] != [_FULL_MARKS] * len(students):
                raise SystemExit(f"nbgrader: {found} points for {len(students)} submissions.")

        environment = self.environment | {"JUPYTER_CONFIG_DIR": str(self.home / "jupyter")}
        return [Command(arguments, environment, proof)]

    # --- small things ---

    @property
    def _course(self) -> Path:
        return self.home / "course"

    @property
    def _otter_zip(self) -> Path:
        return self.home / "otter" / "autograder.zip"

    def _program(self, name: str) -> str:
        return str(self.python.with_name(name))

    def _run(self, command: Sequence[str], folder: Path) -> str:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, env=dict(self.environment), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def _sum_of_scores(results: Mapping[str, list[Mapping[str, float]]]) -> float:
    return sum(float(test.get("score", 0)) for test in results["tests"])
