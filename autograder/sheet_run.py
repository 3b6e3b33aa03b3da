"""How a notebook was run, or why it wasn't, as the reading sheet tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from autograder.handed_notebook import NotebookWork
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import Evidence, SubmissionProblem
from autograder.sandbox.notebook import CellEnd, CellRun, NotebookRun, Use
from autograder.sheet import flat

MAX_CELLS, MAX_USES = 200, 100  # that a sheet lists
_LINE, _PROBLEM, _DETAIL = 80, 300, 200  # characters
_MOST_NUMBERS = 12  # of cells in which something was used
# What a notebook's figures may depend on, by the name of the package.
_TELLING = ("torch", "torchvision", "fastai", "numpy", "scikit-learn", "matplotlib", "ipython")


@dataclass(frozen=True, slots=True)
class CellLine:
    """A code cell: how it begins, how it ended, what went wrong."""

    number: int
    begins: str
    end: CellEnd
    seconds: float
    problem: str


@dataclass(frozen=True, slots=True)
class UseLine:
    """What stood in for what the notebook asked for, and the cells that asked; none where it was no cell."""

    kind: str
    detail: str
    cells: str


@dataclass(frozen=True, slots=True)
class RunNotes:
    """One notebook's run. ``counts`` says in a sentence which outputs count, ``evidence`` what they are.

    Without a run there are no cells and no uses, and no seed.
    """

    name: str
    counts: str
    evidence: Evidence
    stopped: str = ""
    seconds: float = 0.0
    seed: int | None = None
    cells: tuple[CellLine, ...] = ()
    more_cells: int = 0
    uses: tuple[UseLine, ...] = ()
    executed: str = ""  # the file that has the outputs of the run

    @property
    def ends(self) -> str:
        """Such as "23 ran, 1 raised"."""
        ends = [line.end for line in self.cells]
        told = ", ".join(f"{ends.count(end)} {end.value}" for end in CellEnd if end in ends)
        return f"{told}, {self.more_cells} more" if self.more_cells else told


def notes_of(work: NotebookWork, executed: str = "", *, most_cells: int = MAX_CELLS) -> RunNotes:
    """How this notebook was run; ``executed`` is the name of the file that has its outputs."""
    run = work.made_run
    if run is None:
        why = _stored_counts(work) if "run" in vars(work) else "no test asked for it"
        counts = f"Not run: {why}. The outputs that it was handed in with count."
        return RunNotes(flat(work.name, _DETAIL), counts, Evidence.CLAIMED)
    stored = _stored_counts(work)
    if stored:
        counts = f"Run here, but the outputs that it was handed in with count: {stored}."
    else:
        counts = "Run here, and the outputs of this run count."
    lines = tuple(_cells(run))
    return RunNotes(
        flat(work.name, _DETAIL),
        counts,
        Evidence.CLAIMED if stored else Evidence.MEASURED,
        _told(run.stopped),
        run.seconds,
        run.seed,
        lines[:most_cells],
        max(len(lines) - most_cells, 0),
        tuple(_uses(run.uses))[:MAX_USES],
        executed,
    )


def versions_in(python: str) -> dict[str, str]:
    """The versions of the environment that ``python`` is the interpreter of: what the notebook imported."""
    folders = [str(path) for path in Path(python).parent.parent.glob("lib/python3*/site-packages")]
    found = {
        (item.metadata["Name"] or "").lower(): item.version for item in metadata.distributions(path=folders)
    }
    return {name: found[name] for name in _TELLING if name in found} if folders else {}


def _stored_counts(work: NotebookWork) -> str:
    try:
        return flat(work.why_stored, _PROBLEM)
    except SubmissionProblem:  # the notebook can't be read; then it had no run either
        return ""


def _cells(run: NotebookRun) -> Iterable[CellLine]:
    cells = _by_number(run.notebook)
    for ran in run.cells:
        cell = cells.get(ran.number)
        if cell is not None and cell.source.strip():
            yield CellLine(ran.number, _begins(cell), ran.end, ran.seconds, _told_of(ran))


def _by_number(notebook: Notebook) -> dict[int, Cell]:
    return {cell.number: cell for cell in notebook.cells}


def _begins(cell: Cell) -> str:
    line = next((line for line in cell.source.splitlines() if line.strip()), "")
    return flat(line, _LINE)


def _told_of(ran: CellRun) -> str:
    return _told(ran.problem)


def _told(problem: SubmissionProblem | None) -> str:
    return flat(problem.message, _PROBLEM) if problem is not None else ""


def _uses(uses: Iterable[Use]) -> Iterable[UseLine]:
    """Each once, with all the cells that it was used in."""
    cells: dict[tuple[str, str], list[int]] = {}
    for use in uses:
        cells.setdefault((use.kind, use.detail), []).append(use.cell)
    for (kind, detail), numbers in cells.items():
        listed = sorted({number for number in numbers if number})
        more = ", …" if len(listed) > _MOST_NUMBERS else ""
        told = ", ".join(map(str, listed[:_MOST_NUMBERS])) + more
        yield UseLine(flat(kind, _DETAIL), flat(detail, _DETAIL), told)
