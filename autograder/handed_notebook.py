"""A notebook that was handed in, as a grader's tests see it: what came with it, and what came of running it.

Which of the two counts is the manifest's to say. ``auto`` prefers what we saw happen, and takes what the
student's machine wrote where this one can't repeat it; the evidence says which it was, and why.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import PurePosixPath

from autograder.assignment import NotebookSpec
from autograder.checks.notebooks.execution import read_execution
from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import SourceFacts
from autograder.intake import Tree
from autograder.loaders.notebook import Notebook, load_notebook
from autograder.loaders.problems import Malformed
from autograder.outcome import (
    CheckFailed,
    Evidence,
    LimitExceeded,
    StudentException,
    SubmissionProblem,
)
from autograder.sandbox.notebook import NotebookModule, NotebookRun, RunPlan
from autograder.sandbox.submission import Scene, Submission
from autograder.text import cut_line

_REASON = 300  # characters of a problem that a reason quotes
_MOST_EPOCHS = 1_000_000  # more of them are no plan, and a number may be too large for arithmetic
_MODULES = 200  # of Python beside a notebook that are read for it
# What this machine may lack while its author's had it: a package, the network, a file in a drive of theirs.
_LACKING = ("ModuleNotFoundError", "ImportError", "URLError", "HTTPError", "gaierror", "FileNotFoundError")
_SMALLER_HERE = ("notebook_wall_s", "cell_wall_s", "run_wall_s", "memory_mib", "disk_mib", "files")
_LACKING_TEXT = re.compile(r"ModuleUnavailable|CUDA|GPU|NVIDIA|network|Connection|weights", re.IGNORECASE)


class NotebookWork:
    """One notebook. Reading it costs nothing; `run` runs it, once, when something first asks for it."""

    def __init__(self, path: str, tree: Tree, spec: NotebookSpec, sandboxed: Submission) -> None:
        self.path, self._tree, self._spec = path, tree, spec
        self._sandboxed = sandboxed

    @cached_property
    def stored(self) -> Notebook:
        """As it was handed in. Raises CheckFailed where it can't be read."""
        try:
            return load_notebook((self._tree.root / self.path).read_bytes(), self.path)
        except Malformed as problem:
            raise CheckFailed(problem.message, hint=problem.hint) from problem

    @cached_property
    def modules(self) -> dict[str, str]:
        """The Python files beside it, by path."""
        files = [file for file in sorted(self._tree.root.rglob("*.py")) if file.is_file()][:_MODULES]
        return {
            file.relative_to(self._tree.root).as_posix(): file.read_bytes().decode("utf-8", "replace")
            for file in files
        }

    @cached_property
    def source(self) -> SourceFacts:
        """What its code says it does."""
        return read_source(self.stored, self.modules)

    @cached_property
    def module(self) -> NotebookModule:
        """What its cells define, in the sandbox."""
        return self._sandboxed.notebook(self.path, self.stored, self._plan())

    def _plan(self) -> RunPlan:
        spec = self._spec
        return RunPlan(
            cell_wall_s=spec.cell_wall_s,
            wall_s=spec.wall_s,
            seed=spec.seed,
            data=next(iter(self._sandboxed.data), ""),
            epochs=self._epochs_asked(),
            gives_up=spec.mode == "auto",
            in_memory=spec.in_memory,
            epochs_kept=spec.epochs_kept,
        )

    def _epochs_asked(self) -> int | None:
        """The most epochs that a training in it asks for, as far as the source tells."""
        known = [setting.value for setting in self.source.epochs if setting.value is not None]
        return max((int(value) for value in known if 0 < value <= _MOST_EPOCHS), default=None)

    @cached_property
    def _why_not_run(self) -> str:
        """Why the notebook isn't run at all; nothing where it is."""
        if self._spec.mode == "stored":
            return "this assignment reads the outputs that a notebook was handed in with"
        frameworks = self.source.frameworks
        if self._spec.mode == "auto" and "tensorflow" in frameworks and "torch" not in frameworks:
            return "it is written with TensorFlow, which is not run here"
        return ""

    @cached_property
    def run(self) -> NotebookRun | None:
        """Its run, finished or not, made when it is first asked for; None where the notebook isn't run."""
        return None if self._why_not_run else self.module.run

    @property
    def made_run(self) -> NotebookRun | None:
        """The run if something has asked for it; to look here makes none."""
        run = vars(self).get("run")
        return run if isinstance(run, NotebookRun) else None

    @cached_property
    def why_stored(self) -> str:
        """Why the outputs that came with it count and not the run's; nothing where the run's do."""
        if self.run is None:
            return self._why_not_run
        if self._spec.mode == "rerun" or not read_execution(self.stored).has_outputs:
            return ""
        # Where the run got to its end its first problem decides: what follows one of the student's own may be
        # no more than its consequence, or an excuse.
        first = self.run.first_problem
        problem = self.run.stopped or (first.problem if first is not None else None)
        if problem is None or not is_this_machines(problem):
            return ""
        return f"it could not be repeated here: {cut_line(problem.message, _REASON).rstrip('.')}"

    @property
    def shown(self) -> Notebook:
        """The notebook with the outputs that count."""
        if self.why_stored or self.run is None:
            return self.stored
        return self.run.notebook

    @property
    def evidence(self) -> Evidence:
        """How what `shown` says was come by."""
        return Evidence.CLAIMED if self.why_stored else Evidence.MEASURED

    def scene(self) -> Scene:
        """What the cells defined, in a fresh process; use it in a ``with`` statement."""
        return self.module.scene()

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


def is_this_machines(problem: SubmissionProblem) -> bool:
    """Whether a better machine than this one, the author's perhaps, may not have had the problem."""
    if isinstance(problem, LimitExceeded):
        return problem.limit in _SMALLER_HERE
    if isinstance(problem, StudentException):
        said = f"{problem.exception} {problem.detail}"
        return problem.exception in _LACKING or _LACKING_TEXT.search(said) is not None
    return False
