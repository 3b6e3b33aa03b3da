"""A training script that was handed in, rerun in the sandbox as a notebook of two cells.

The first cell is ours: it sets the arguments that run_convnet.sh gives and lays the course's data where the
script looks for it. The second is the script. So all that is there for notebooks works for it too: the
meter, what stands in for the author's machine, limits, a forecast of its time, the export of its network.
No shell runs: the arguments were read by checks/shell_scripts.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from autograder.assignment import NotebookSpec
from autograder.checks.handed_files import python_files
from autograder.checks.script_settings import Settings
from autograder.handed_notebook import NotebookWork, is_this_machines
from autograder.intake import Tree
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import SubmissionProblem
from autograder.sandbox.notebook import NotebookModule, NotebookRun, RunPlan
from autograder.sandbox.submission import Scene, Submission
from autograder.text import cut_line

_REASON = 300  # characters of a problem that a reason quotes
_MOST_EPOCHS = 1_000_000
_DATA = "cifar-10-batches-py"
_DATA_OPTIONS = (
    "cifar10-dir",
    "cifar-dir",
    "data-dir",
    "data",
    "data-root",
    "dataset-dir",
    "root",
    "data-path",
)
_USUAL_FOLDERS = ("data", "datasets", ".")
_IMPORT_S = 60.0  # for a module that builds a network
_CS231N_FOLDERS = [f"{folder}/{_DATA}" for folder in ("cs231n/datasets", "datasets", "data")]
_SCRIPT, _PREPARATION = 2, 1  # the cells' numbers

# Made of our own words but for `repr` of strings; nothing that it imports stays behind. The homework's own
# cifar10.py asks torchvision whether the files have sums that it knows: the course's copy may have others.
_BEGIN = """\
def _begin():
    import os, sys
    sys.argv = {argv!r}
    globals()['__file__'] = {name!r}
    source = os.path.join({data!r}, {batches!r})
    for target in {targets!r}:
        if {data!r} and os.path.isdir(source) and not os.path.lexists(target):
            os.makedirs(os.path.dirname(target) or '.', exist_ok=True)
            os.symlink(source, target)
    if {sums!r} and os.path.isdir(source):
        import torchvision.datasets.utils as utils
        utils.check_integrity = lambda path, *_, **__: os.path.exists(path)
_begin()
del _begin
"""


@dataclass(frozen=True, slots=True)
class Script:
    """What is rerun: the script at ``path`` in the tree, with these settings, for so many epochs."""

    path: str
    settings: Settings
    epochs: int | None = None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


class NotebookWithData(NotebookWork):
    """A notebook that reads the data set's files by itself, from a folder beside it, as CS231n's do."""

    @cached_property
    def module(self) -> NotebookModule:
        data = next(iter(self._sandboxed.data), "")
        begin = _BEGIN.format(
            argv=[""], name=self.name, data=data, batches=_DATA, targets=_CS231N_FOLDERS, sums=False
        )
        cells = (Cell(0, "code", begin), *self.stored.cells)
        return self._sandboxed.notebook(self.path, replace(self.stored, cells=cells), self._plan())


class ScriptWork:
    """One script's rerun, made once, when something first asks for it."""

    def __init__(self, script: Script, tree: Tree, spec: NotebookSpec, sandboxed: Submission) -> None:
        self.script, self._tree, self._spec, self._sandboxed = script, tree, spec, sandboxed

    @cached_property
    def module(self) -> NotebookModule:
        """What the script defines, in the sandbox."""
        spec, epochs = self._spec, self.script.epochs
        data = next(iter(self._sandboxed.data), "")
        plan = RunPlan(
            cell_wall_s=spec.cell_wall_s,
            wall_s=spec.wall_s,
            seed=spec.seed,
            data=data,
            epochs=epochs if epochs is not None and 0 < epochs <= _MOST_EPOCHS else None,
            gives_up=spec.mode == "auto",
            in_memory=spec.in_memory,
            epochs_kept=spec.epochs_kept,
        )
        source = (self._tree.root / self.script.path).read_bytes().decode("utf-8-sig", errors="replace")
        sums = any("check_integrity" in text for text in python_files(self._tree).values())
        notebook = as_notebook(self.script, source, data, sums=sums)
        return self._sandboxed.notebook(self.script.path, notebook, plan)

    @property
    def run(self) -> NotebookRun:
        """Its run, finished or not."""
        return self.module.run

    @property
    def problem(self) -> SubmissionProblem | None:
        """Why it didn't come to its end; None where it did."""
        first = self.run.first_problem
        return self.run.stopped or (first.problem if first is not None else None)

    @property
    def why_not(self) -> str:
        """Why the run doesn't count although it was asked for: what this machine lacks, and nothing else."""
        problem = self.problem
        if problem is None or self._spec.mode == "rerun" or not is_this_machines(problem):
            return ""
        told = cut_line(problem.message, _REASON).rstrip(".")
        return f"{self.script.name} could not be repeated here: {told}"

    @property
    def printed(self) -> str:
        """What it printed, as its log would have it."""
        cell = next((cell for cell in self.run.notebook.cells if cell.number == _SCRIPT), None)
        return "".join(output.text for output in cell.outputs if output.kind == "stream") if cell else ""

    def scene(self) -> Scene:
        """What the script left, in a fresh process; use it in a ``with`` statement."""
        return self.module.scene()


def as_notebook(script: Script, source: str, data: str, *, sums: bool = False) -> Notebook:
    """The script as a notebook; ``data`` is the folder of data sets in the box, or nothing.

    ``sums``: the data's files are not held against the sums that torchvision knows.
    """
    begin = _BEGIN.format(
        argv=[script.name, *_arguments(script.settings, data)],
        name=script.name,
        data=data,
        batches=_DATA,
        targets=_targets(script.settings),
        sums=sums,
    )
    return Notebook((Cell(_PREPARATION, "code", begin), Cell(_SCRIPT, "code", source)))


def weights_notebook(
    sandboxed: Submission, weights: str, model: str, spec: NotebookSpec | None
) -> NotebookModule:
    """The sandbox with the names of the module ``model``, out of which the network of ``weights`` is built.

    It stands in the folder of the weights, with that module's package beside it: a network that was pickled
    whole names its class by the path that the training script imported it by.
    """
    folders = [PurePosixPath(model).parent, PurePosixPath(model).parent.parent]
    lines = ["import importlib, os, sys"]
    for folder in folders:
        lines.append(f"sys.path.insert(0, os.path.abspath({_way(weights, folder)!r}))")
    parts = PurePosixPath(model.removesuffix(".py")).parts
    dotted = ".".join(parts[-2:])
    for name in dict.fromkeys((dotted, parts[-1])) if model else ():
        lines += ["try:", f"    globals().update(vars(importlib.import_module({name!r})))"]
        lines += ["except ImportError:", "    pass"]
    plan = RunPlan(spec.cell_wall_s, spec.wall_s) if spec is not None else RunPlan(_IMPORT_S, _IMPORT_S)
    notebook = Notebook((Cell(_PREPARATION, "code", "\n".join(lines)),))
    return sandboxed.notebook(f"{weights}.ipynb", notebook, plan)


def _way(start: str, folder: PurePosixPath) -> str:
    """From the folder of the file ``start`` to another, both in the tree."""
    up = len(PurePosixPath(start).parts) - 1
    return "/".join((*[".."] * up, str(folder))) if up else str(folder)


def _data_option(settings: Settings) -> tuple[str, str] | None:
    """The option that names the folder of the data, and what it says."""
    for name in _DATA_OPTIONS:
        value = settings.text(name)
        if value is not None:
            return f"--{name}", value
    return None


def _is_elsewhere(folder: str) -> bool:
    """Whether a folder lies outside of what was handed in, where nothing can be laid."""
    return folder.startswith(("/", "~")) or ".." in PurePosixPath(folder).parts or "$" in folder


def _arguments(settings: Settings, data: str) -> tuple[str, ...]:
    """The command's arguments, the data's folder replaced where it is one of the author's own machine."""
    option = _data_option(settings)
    arguments = settings.command.arguments
    if not data or option is None or not _is_elsewhere(option[1]):
        return arguments
    return (*arguments, option[0], data)  # of an option that is given twice the later counts


def _targets(settings: Settings) -> list[str]:
    """Where the data may be looked for, from the script's folder."""
    option = _data_option(settings)
    named = [option[1]] if option is not None and not _is_elsewhere(option[1]) else []
    folders = dict.fromkeys((*named, *_USUAL_FOLDERS))
    return [
        folder if PurePosixPath(folder).name == _DATA else str(PurePosixPath(folder) / _DATA)
        for folder in folders
    ]
