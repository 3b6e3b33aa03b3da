"""The lines that the solvers of the CS231n homeworks print, the old one's and the new one's.

(Epoch 3 / 10) train acc: 0.610000; val_acc: 0.530000
Finished epoch 3 / 10: cost 1.234567, train: 0.610000, val 0.530000, lr 9.025000e-05
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from autograder.checks.notebooks.lines import Line, budgets_of, lines_of
from autograder.loaders.notebook import Notebook, Output

MOST_LINE_CHARS = 400  # of such a line; theirs have 90

_NUMBER = r"(\d{1,3}(?:\.\d{1,12})?|\.\d{1,12})\s?(%?)"
_EPOCH = re.compile(r"epoch\s{0,4}:?\s{0,4}(\d{1,6})\s{0,4}(?:/|of)\s{0,4}(\d{1,6})", re.IGNORECASE)
_VALUE = re.compile(
    rf"\bval(?:idation)?(?:[_ ]?(?:acc(?:uracy)?|set accuracy))?\s{{0,4}}[:=]?\s{{0,4}}{_NUMBER}(?!\w)",
    re.IGNORECASE,
)
_TRAIN = re.compile(
    rf"\btrain(?:ing)?(?:[_ ]?acc(?:uracy)?)?\s{{0,4}}[:=]?\s{{0,4}}{_NUMBER}(?!\w)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class SolverLine:
    """One line of an epoch's end; accuracies are shares of 1."""

    cell: int
    line: str
    epoch: int
    epochs: int
    train: float
    valid: float


def joined(notebook: Notebook) -> Notebook:
    """The notebook with what a cell printed as one text.

    Old notebook programs began a new output every so many milliseconds, in the middle of a line too.
    """
    return replace(
        notebook, cells=tuple(replace(one, outputs=tuple(_joined(one.outputs))) for one in notebook.cells)
    )


def _joined(outputs: Sequence[Output]) -> Iterator[Output]:
    before: Output | None = None
    for output in outputs:
        if before is not None and before.kind == output.kind == "stream" and before.name == output.name:
            before = replace(
                before, text=before.text + output.text, cut_chars=before.cut_chars + output.cut_chars
            )
            continue
        if before is not None:
            yield before
        before = output
    if before is not None:
        yield before


def read_solver_lines(notebook: Notebook) -> tuple[SolverLine, ...]:
    """Every such line of the outputs, in order."""
    budgets = budgets_of(notebook)
    return tuple(
        found
        for cell in notebook.cells
        if cell.kind == "code" and cell.outputs
        for line in lines_of(cell, budgets[cell.number])
        if isinstance(line, Line)
        for found in _read(cell.number, line.text)
    )


def _read(cell: int, text: str) -> Iterator[SolverLine]:
    if len(text) > MOST_LINE_CHARS or "val" not in text.lower():
        return
    epoch = _EPOCH.search(text)
    if epoch is None:
        return
    rest = text[epoch.end() :]
    train, valid = _TRAIN.search(rest), _VALUE.search(rest)
    if train is None or valid is None:
        return
    percent = any(found[2] == "%" or float(found[1]) > 1 for found in (train, valid))
    shares = [round(float(found[1]) / (100 if percent else 1), 12) for found in (train, valid)]
    if max(shares) <= 1:
        yield SolverLine(cell, text.strip(), int(epoch[1]), int(epoch[2]), shares[0], shares[1])
