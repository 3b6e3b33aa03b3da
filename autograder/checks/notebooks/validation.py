"""The best validation accuracy that a notebook's training by the homework's solver printed.

The solver's own lines count first. What the notebook prints besides, such as ``max(solver.val_acc_history)``,
counts where it may be of a training that printed no lines, or was computed on the spot; it can't be better
than the lines of the one training that it is taken from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.cellcode import Code, called_name
from autograder.checks.notebooks.found import Reading
from autograder.checks.notebooks.histories import read_histories
from autograder.checks.notebooks.series import read_series
from autograder.checks.notebooks.solver_lines import SolverLine, joined, read_solver_lines
from autograder.checks.notebooks.solver_use import SolverUse, Training, read_solver_use
from autograder.checks.notebooks.source import read_source
from autograder.loaders.notebook import Notebook
from autograder.outcome import CheckFailed
from autograder.text import quote

ROUNDING = 0.00051  # a share that was printed with three decimals, or as a percentage with one
_EVALUATES = re.compile(r"loss|predict|acc|argmax|mean|eval|score", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Printed:
    """One accuracy on the validation images, where it stands, and who printed it."""

    value: float
    cell: int
    line: str
    by_solver: bool

    def describe(self) -> str:
        return f"{100 * self.value:.1f} % in cell {self.cell} ({quote(self.line.strip())})"


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found: the best that counts, what was left out and why, and what a person should look at.

    ``unfinished`` tells of trainings whose outputs don't show what they came to.
    """

    use: SolverUse
    best: Printed | None
    left_out: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


def read_validation(notebook: Notebook, modules: Mapping[str, str]) -> Validation:
    """The best that a training by the solver printed; ``modules`` are the submission's Python files."""
    notebook = joined(notebook)
    use = read_solver_use(notebook, modules)
    if not use.solver or not use.trainings:
        return Validation(use, None)
    lines = read_solver_lines(notebook)
    by_cell = {training.cell: training for training in use.trainings}
    left_out: list[str] = []
    counted: list[Printed] = []
    for line in lines:
        why = _why_not(by_cell.get(line.cell))
        if why:
            left_out.append(f"What cell {line.cell} printed was left out: {why}.")
        else:
            counted.append(Printed(line.valid, line.cell, line.line, by_solver=True))
    others, untrue = _others(notebook, by_cell, lines, counted)
    counted += others
    best = max(counted, key=lambda one: (one.value, one.by_solver, -one.cell), default=None)
    doubts = _doubts(use, lines, best)
    unfinished = tuple(_unfinished(use.trainings, lines, counted))
    return Validation(use, best, tuple(dict.fromkeys((*left_out, *untrue))), doubts, unfinished)


def _unfinished(
    trainings: Sequence[Training], lines: Sequence[SolverLine], counted: Sequence[Printed]
) -> Iterator[str]:
    """A sentence for each training that could count and whose outputs end too early."""
    for training in trainings:
        own = [line for line in lines if line.cell == training.cell]
        if _why_not(training):
            continue
        if own and own[-1].epoch < own[-1].epochs:
            yield (
                f"What cell {training.cell} shows ends at epoch {own[-1].epoch} of {own[-1].epochs}: it was "
                "interrupted, or its outputs were cut."
            )
        elif not own and not any(one.cell == training.cell for one in counted):
            yield f"Cell {training.cell} trains, and its outputs show no validation accuracy."


def _why_not(training: Training | None) -> str:
    """Why a training's accuracies don't count; nothing where they do."""
    if training is None:
        return "no call of the solver's train() leads to it"
    if training.framework:
        return f"what it trains uses {training.framework}, not only the layers of cs231n"
    if training.own_images:
        return "it validates on the images that it trains on"
    if training.convolves is False:
        return "the network that it trains has no convolution"
    return ""


def _others(
    notebook: Notebook,
    trainings: Mapping[int, Training],
    lines: Sequence[SolverLine],
    counted: Sequence[Printed],
) -> tuple[list[Printed], list[str]]:
    """What was printed besides the solver's lines and counts, and what was left out."""
    code = Code(notebook)
    written = {named.place.cell for named in read_source(notebook).hard_coded if named.certain}
    told = {line.line for line in lines}
    silent = [
        one for one in trainings.values() if not _why_not(one) and one.cell not in {x.cell for x in lines}
    ]
    good = [one for one in trainings.values() if not _why_not(one)]
    top = max((one.value for one in counted), default=None)
    taken: list[Printed] = []
    left_out: list[str] = []
    for reading in _printed(notebook):
        one = Printed(reading.value, reading.point.cell, reading.point.line, by_solver=False)
        if one.line.strip() in told or not good or one.cell < good[0].cell:
            continue
        if one.cell in written:
            left_out.append(f"{one.describe()} was left out: the number stands in the source as text.")
        elif one.cell in trainings and _why_not(trainings[one.cell]):
            left_out.append(f"{one.describe()} was left out: {_why_not(trainings[one.cell])}.")
        elif top is not None and one.value > top + ROUNDING and not silent and not _computes(code, one.cell):
            left_out.append(
                f"{one.describe()} was left out: no line of your solver's reaches it, the best is "
                f"{100 * top:.1f} %."
            )
        else:
            taken.append(one)
    return taken, left_out


def _printed(notebook: Notebook) -> list[Reading]:
    series = [
        one for one in read_series(notebook) if one.quantity == "accuracy" and one.split == "valid"
    ] + list(read_histories(notebook))
    return [Reading(point.value, one.split, point, one) for one in series for point in one.points]


def _computes(code: Code, cell: int) -> bool:
    """Whether a cell works an accuracy out by itself, and doesn't only tell what a training left behind."""
    return any(_EVALUATES.search(called_name(call)) for call in code.calls(code.trees.get(cell)))


def _doubts(use: SolverUse, lines: Sequence[SolverLine], best: Printed | None) -> tuple[str, ...]:
    found: list[str] = []
    if not use.in_tree:
        found.append(f"The notebook trains with {use.solver}, which was not handed in.")
    if use.frameworks:
        found.append(f"The notebook imports {', '.join(use.frameworks)}, outside of what trains its convnet.")
    for training in use.trainings:
        told = {line.epochs for line in lines if line.cell == training.cell}
        if training.epochs is not None and told and training.epochs not in told:
            found.append(
                f"Cell {training.cell} asks for {training.epochs} epochs, and its lines say "
                f"{', '.join(map(str, sorted(told)))}: its outputs may be of another run."
            )
        if best is not None and training.cell == best.cell and training.convolves is None:
            found.append(f"Which network cell {training.cell} trains can't be told from its source.")
    if (
        best is not None
        and lines
        and not best.by_solver
        and best.value > max(x.valid for x in lines) + ROUNDING
    ):
        found.append(f"The accuracy that counts, {best.describe()}, is better than any line of the solver's.")
    return tuple(dict.fromkeys(found))


def count_stored(ran: Validation, stored: Validation, threshold: float, margin: float) -> str:
    """Why what the notebook came with counts although it was run here; nothing where our run's counts.

    Two runs of one training differ by chance, and a notebook of an older Python may not run here at all.
    """
    if stored.best is None or stored.best.value < threshold:
        return ""
    if ran.best is None:
        return "its run here showed no validation accuracy"
    if threshold - margin <= ran.best.value < threshold:
        return f"its run here came to {100 * ran.best.value:.1f} %, which is too near to tell the two apart"
    return ""


def require_solver(use: SolverUse) -> None:
    """Raise CheckFailed where the notebook doesn't train with the homework's solver."""
    besides = f" It imports {', '.join(use.frameworks)}." if use.frameworks else ""
    hint = (
        "Train with the solver of the homework's package, as its notebook does, and run the notebook again."
    )
    if not use.solver:
        raise CheckFailed(
            f"Your notebook makes no solver of the homework's package cs231n.{besides}", hint=hint
        )
    if not use.trainings:
        raise CheckFailed(f"Your notebook never calls train() of {quote(use.solver)}.{besides}", hint=hint)


def require_validation(found: Validation, threshold: float) -> str:
    """What to note; raises CheckFailed where the best validation accuracy is below ``threshold``."""
    require_solver(found.use)
    aside = "".join(f"\n{one}" for one in (*found.left_out[:6], *found.unfinished[:3]))
    if found.best is None:
        raise CheckFailed(
            f"No validation accuracy was found in your notebook's outputs.{aside}",
            hint="Run it from the top, with the solver's verbose=True, and save it with its outputs.",
        )
    told = f"The best validation accuracy that was found is {found.best.describe()}."
    if found.best.value < threshold:
        raise CheckFailed(
            f"{told} At least {100 * threshold:g} % is asked for.{aside}",
            hint="Train for longer, or with another learning rate, and save the notebook with its outputs.",
        )
    return told + "".join(f"\n{one}" for one in found.left_out[:6])
