"""The tools that are compared: the environment of the others, and the commands that grade with each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.direct import CHECKS
from benchmarks.machine import ASSIGNMENT, ROOT
from benchmarks.submissions import Student

_PACKAGES = ("otter-grader", "ipykernel", "gradescope-utils", "pytest", "numpy", "pydantic", "safetensors")
_TESTS = ROOT / "benchmarks" / "peer_tests"
_OUR_FULL_MARKS = 4.0  # what question 9.1 gives
_SEED = "231"


@dataclass(frozen=True, slots=True)
class Command:
    """Grades one submission or several; ``proof`` raises unless all of them got full marks."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    proof: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Tool:
    """``commands(students, folder, lanes)``: what grades these into the folder, ``lanes`` at a time."""

    name: str
    sandbox: str
    commands: Callable[[Sequence[Student], Path, int], list[Command]]


def make_environment(folder: Path, packages: Sequence[str] = _PACKAGES) -> Path:
    """The others' environment, made unless it is there; returns its interpreter."""
    pins, complete = ROOT / "requirements" / "constraints.txt", folder / "complete"
    wanted = f"{' '.join(packages)}\n{pins.read_text(encoding='utf-8')}"
    python = folder / "bin" / "python"
    if complete.is_file() and complete.read_text(encoding="utf-8") == wanted:
        return python
    found = _printed("bash", str(ROOT / "scripts" / "find-python"))
    _printed(found, "-m", "venv", "--clear", str(folder))
    _printed(str(python), "-m", "pip", "install", "-qq", "--constraint", str(pins), *packages)
    complete.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path, packages: Sequence[str] = _PACKAGES) -> str:
    code = "from importlib.metadata import version; import sys; print(*map(version, sys.argv[1:]))"
    found = _printed(str(python), "-c", code, *packages, "nbconvert").split()
    pairs = zip((*packages, "nbconvert"), found, strict=True)
    return ", ".join(f"{name} {version}" for name, version in pairs)


def _printed(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # noqa: S603


# --- ours --------------------------------------------------------------------------------------------


def _ours(students: Sequence[Student], out: Path) -> Command:
    """One process for these submissions."""
    archives = [str(student.archive) for student in students]
    folders = [out] if len(students) == 1 else [out / student.archive.stem for student in students]

    def proof() -> None:
        for folder in folders:
            require_points(folder / "results.json", lambda results: float(results["score"]), _OUR_FULL_MARKS)

    command = [str(ROOT / "run_autograder"), "grade", ASSIGNMENT, *archives, "--out", str(out)]
    command += ["--sandbox", "privdrop"]  # what runs on Gradescope
    return Command(command, os.environ, proof)


def _ours_each(students: Sequence[Student], folder: Path, _lanes: int) -> list[Command]:
    return [_ours([student], folder / student.archive.stem) for student in students]


def _ours_together(students: Sequence[Student], folder: Path, lanes: int) -> list[Command]:
    return [_ours(students[lane::lanes], folder / str(lane)) for lane in range(lanes)]


def our_tools() -> list[Tool]:
    return [
        Tool("this project, one process for all", "yes", _ours_together),
        Tool("this project, a process each", "yes", _ours_each),
    ]


# --- the others --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Peers:
    """The other tools' commands; ``home`` is what they take for the user's."""

    python: Path
    home: Path
    _environment: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        own = {"HOME": str(self.home), "PYTHONPATH": str(ROOT), "SEED": _SEED}
        self._environment.update(os.environ | own)

    def tools(self) -> list[Tool]:
        return [
            Tool("otter-grader, `otter run`", "no", self._otter),
            Tool("gradescope-utils' JSONTestRunner", "no", self._gradescope_utils),
            Tool("plain pytest", "no", self._pytest),
        ]

    def prepare(self) -> None:
        """Make otter's assignment, as its own `otter generate` does."""
        tests = self.home / "otter" / "tests"
        tests.mkdir(parents=True)
        shutil.copy(_TESTS / "otter_layers.py", tests)
        command = [self._otter_program(), "generate", "-t", str(tests), "-o", str(self._otter_zip())]
        # Its files of requirements are for an image; here the environment is made already.
        command += ["--no-requirements", "--no-environment", "--no-config"]
        subprocess.run(command, env=self._environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S603

    def _command(self, student: Student, arguments: Sequence[str], proof: Callable[[], None]) -> Command:
        return Command(arguments, {**self._environment, "SUBMISSION": str(student.layers)}, proof)

    def _otter_program(self) -> str:
        return str(self.python.with_name("otter"))

    def _otter_zip(self) -> Path:
        return self.home / "otter" / "autograder.zip"

    def _otter(self, students: Sequence[Student], folder: Path, _lanes: int) -> list[Command]:
        commands = []
        for student in students:
            out = folder / student.archive.stem
            out.mkdir(parents=True)
            arguments = [self._otter_program(), "run", "--no-logo", "-a", str(self._otter_zip())]
            arguments += ["-o", str(out), str(student.layers)]
            commands.append(self._command(student, arguments, _all_passed(out / "results.json")))
        return commands

    def _gradescope_utils(self, students: Sequence[Student], folder: Path, _lanes: int) -> list[Command]:
        folder.mkdir(parents=True)
        commands = []
        for student in students:
            results = folder / f"{student.archive.stem}.json"
            arguments = [str(self.python), "-m", "benchmarks.peer_tests.unittest_layers", str(results)]
            commands.append(self._command(student, arguments, _all_passed(results)))
        return commands

    def _pytest(self, students: Sequence[Student], _folder: Path, _lanes: int) -> list[Command]:
        arguments = [str(self.python), "-m", "pytest", "-q", "--config-file=/dev/null", f"--rootdir={_TESTS}"]
        arguments += ["-p", "no:cacheprovider", str(_TESTS / "test_layers.py")]
        return [
            self._command(student, arguments, lambda: None) for student in students
        ]  # its exit code says it


def _all_passed(results: Path) -> Callable[[], None]:
    return lambda: require_points(results, _sum_of_scores, float(len(CHECKS)))


def _sum_of_scores(results: Mapping[str, list[Mapping[str, float]]]) -> float:
    return sum(float(test.get("score", 0)) for test in results["tests"])


def require_points(path: Path, score: Callable[..., float], wanted: float) -> None:
    """Leave with what went wrong unless the results at ``path`` give these points."""
    found = score(json.loads(path.read_bytes()))
    if found != wanted:
        raise SystemExit(f"{path}: {found!r} points, not {wanted!r}; look there for what went wrong.")
