"""Did every cell of a notebook run, here or on its author's machine?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.execution import read_execution
from autograder.handed_notebook import NotebookWork
from autograder.loaders.notebook import Notebook
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.notebook import CellEnd

_MOST_PROBLEMS = 3  # that a message tells
_MISSING_SHARE = 0.25  # of the code cells may lack an output that we expect: a guess of ours may be wrong


@dataclass(frozen=True, slots=True)
class Through:
    """How many of the notebook's code cells ran well; ``notes`` say what the others met with."""

    ran: int
    cells: int
    notes: tuple[str, ...]
    evidence: Evidence


def ran_through(work: NotebookWork) -> Through:
    """How far the notebook ran: here, or where it can't be run here, by its own outputs."""
    if not any(cell.kind == "code" and cell.source.strip() for cell in work.stored.cells):
        raise CheckFailed(f"{work.name} has no code.", hint="Hand in the notebook that you wrote.")
    if work.why_stored or work.run is None:
        return _stored(work)
    cells = {cell.number for cell in work.stored.cells if cell.kind == "code" and cell.source.strip()}
    ends = [cell for cell in work.run.cells if cell.number in cells]
    problems = [cell.problem.student_text for cell in ends if cell.problem is not None]
    left = sum(cell.end is CellEnd.NOT_RUN for cell in ends)
    notes = problems[:_MOST_PROBLEMS]
    if len(problems) > _MOST_PROBLEMS:
        notes.append(f"{len(problems) - _MOST_PROBLEMS} more cells had a problem, perhaps because of these.")
    if left:
        notes.append(f"{left} {'cell' if left == 1 else 'cells'} after that could not be run any more.")
    ran = sum(cell.end is CellEnd.RAN for cell in ends)
    return Through(ran, len(ends), tuple(notes), Evidence.MEASURED)


def _stored(work: NotebookWork) -> Through:
    seen = read_execution(work.stored)
    wrong = {*seen.missing, *(error.cell for error in seen.errors)}
    notes = [f"The outputs that it came with were read, because {work.why_stored}."]
    notes += [
        f"Cell {error.cell} ended with {error.name}: {error.message}"
        for error in seen.errors[:_MOST_PROBLEMS]
    ]
    notes += [f"{_cells(seen.missing)} no output."] if seen.missing else []
    ran = 0 if seen.never_run else seen.code_cells - len(wrong)
    return Through(ran, max(seen.code_cells, 1), tuple(notes), Evidence.CLAIMED)


def require_outputs(stored: Notebook) -> Sequence[str]:
    """What to note of the outputs that a notebook came with; raises CheckFailed where it wasn't run."""
    seen = read_execution(stored)
    hint = "Choose “Restart and run all”, wait for the last cell, save, and hand in that file."
    if not seen.has_outputs:
        raise CheckFailed(
            "The notebook came without any outputs: it was not run before it was saved.", hint=hint
        )
    if seen.errors:
        listed = ", ".join(f"cell {error.cell} ({error.name})" for error in seen.errors[:_MOST_PROBLEMS])
        raise CheckFailed(f"The notebook was saved with errors in it: {listed}.", hint=hint)
    if len(seen.missing) > _MISSING_SHARE * seen.code_cells:
        raise CheckFailed(f"{_cells(seen.missing)} no output, where one is expected.", hint=hint)
    notes = [f"{_cells(seen.missing)} no output."] if seen.missing else []
    if seen.out_of_order:
        notes.append(
            "By their counts, some cells ran before a cell that stands above them; that costs nothing."
        )
    return notes


def _cells(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
    return f"Cell {shown} has" if len(numbers) == 1 else f"Cells {shown} have"
