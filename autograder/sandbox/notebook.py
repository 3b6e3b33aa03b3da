"""A notebook as graders hold it: run cell by cell in a box of its own, and then called like a module.

    work = submission.notebook("u6n1-mnist-clf.ipynb", notebook, plan)
    run = work.run                              # outputs, times, errors, what was measured
    with work.scene() as scene:                 # what the cells defined, in a fresh process for each test
        scores = scene.call("evaluate", images).fetch()

Each cell is sent by itself, so what was there before it survives whatever it does. A cell that raises doesn't
end the run: the cells after it may work, and its author sees each error. A cell past its time is interrupted,
and if that doesn't help the box is killed, which ends the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from autograder.loaders.notebook import Cell, Notebook, NotebookLimits, Output, load_notebook
from autograder.loaders.problems import Malformed
from autograder.outcome import Fault, LimitExceeded, ProcessEnded, SubmissionProblem
from autograder.sandbox.explain import explain, limit_behind
from autograder.sandbox.openbox import OpenBox
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Module
from autograder.sandbox.training import Progress, Training, predict
from autograder.text import clean, cut_line

GRACE_S = 5.0  # from a cell's interrupt to its kill: time for a `finally` that saves a model
_OPENING_S = 60.0  # IPython's shell takes 30 ms; a machine in trouble takes seconds
_JUDGED_AFTER_S = 10.0  # of training, before its rate says anything: caches fill, the first batches are slow
_HOPELESS = 1.25  # times what is left: a prediction that far beyond it isn't noise
_FIRST_LINE = 60  # characters of a cell's first line in a message
_MOST_USES, _USE_CHARS = 500, 300
_MOST_NAMES, _NAME_CHARS = 2_000, 100
_MOST_OUTPUTS = 50_000  # of all cells together; a loop that shows a picture in each step is cut at 400 a cell
_LONGEST_S = 7 * 24 * 3600.0  # that a prediction tells; what says more was made up


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How a notebook is run. Times are in seconds.

    ``epochs`` is how many the source asks for; where it is known and ``gives_up``, a training that can't end
    in time is stopped as soon as its rate shows it. Of each training the weights at the end of its last
    ``epochs_kept`` epochs are kept (kernel/snapshots.py).
    """

    cell_wall_s: float
    wall_s: float
    seed: int = 0
    data: str = ""  # the folder of data sets that the box may read
    epochs: int | None = None
    gives_up: bool = False
    in_memory: bool = True
    epochs_kept: int = 0


class CellEnd(Enum):
    """How a cell's run ended."""

    RAN = "ran"
    RAISED = "raised"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class CellRun:
    """One code cell's run; ``problem`` says what went wrong, for the student."""

    number: int
    end: CellEnd
    seconds: float = 0.0
    problem: SubmissionProblem | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Something stood in for what the notebook asked for; cell 0 is none."""

    kind: str
    detail: str
    cell: int


class TooSlow(LimitExceeded):
    """The training can't end in the time that is left; found out from its own first steps."""

    def __init__(self, predicted_s: float, left_s: float, epochs: int) -> None:
        super().__init__("notebook_wall_s", left_s, doing=f"a training of {epochs} epochs")
        predicted_s = min(predicted_s, _LONGEST_S)
        self.message = (
            f"A training of {epochs} epochs would take about {predicted_s / 60:.0f} more minutes on this "
            f"machine, by the rate of its first steps; {left_s / 60:.0f} were left."
        )


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """What came of running a notebook. ``notebook`` holds its cells with the outputs of this run.

    ``stopped`` is why it didn't come to its last cell; None where it did, errors on the way or not.
    """

    notebook: Notebook
    cells: tuple[CellRun, ...]
    uses: tuple[Use, ...]
    training: Training
    seed: int
    seconds: float
    stopped: SubmissionProblem | None = None

    @property
    def whole(self) -> bool:
        """Whether every cell ran without an error."""
        return all(cell.end is CellEnd.RAN for cell in self.cells)

    @property
    def first_problem(self) -> CellRun | None:
        """The first cell that didn't end well."""
        return next((cell for cell in self.cells if cell.problem is not None), None)


class NotebookModule(Module):
    """A student's notebook. It is run when it is first used, and once: a run may take most of an hour."""

    keeps_its_box = True

    def __init__(
        self, path: str, notebook: Notebook, plan: RunPlan, open_box: Callable[[], OpenBox], limits: BoxLimits
    ) -> None:
        super().__init__(path, open_box, limits)
        self._notebook, self._plan = notebook, plan
        self._done: NotebookRun | None = None
        self._fault: Fault | None = None

    @property
    def run(self) -> NotebookRun:
        """The run, made now if it wasn't; whatever the notebook does, there is one.

        Raises the fault that ended it, each time: a run that takes half an hour is not made again for each
        test that asks for it, but once when the grading is tried once more.
        """
        if self._fault is not None:
            raise self._fault
        if self._done is None:
            self.close()
            try:
                self._box = self._open()
                self._done = _Runner(self.path, self._notebook, self._plan, self._box).run()
                self.names = self._ask_names(self._box)
            except Fault as fault:
                self._fault = fault
                raise
        return self._done

    def load(self) -> None:
        """Run the notebook if it wasn't. Raises why its namespace is gone."""
        run = self.run
        if self._box is not None and self._box.alive:
            return
        if self._box is not None and self._box.fault is not None:
            raise self._box.fault  # ours, so the tests after it are tried again too
        if run.stopped is not None:
            raise run.stopped
        raise ProcessEnded(
            f"The process that had run {self.path} was ended by a test before this one.",
            hint="Look at what that test says; the notebook is not run twice.",
        )

    def _ask_names(self, box: OpenBox) -> tuple[str, ...]:
        if not box.alive:
            return ()
        request = {"do": "names", "path": self.path}
        try:
            reply, _ = box.ask(box.jail.control, request, budget_s=self._limits.wall_s, doing="its last cell")
        except SubmissionProblem:
            box.kill()
            return ()
        return tuple(name[:_NAME_CHARS] for name in _strings(reply.get("names"))[:_MOST_NAMES])


class _Runner:
    """One run: the cells one after the other, and what they gave."""

    def __init__(self, path: str, notebook: Notebook, plan: RunPlan, box: OpenBox) -> None:
        self._path, self._notebook, self._plan, self._box = path, notebook, plan, box
        self._started = time.monotonic()
        self._outputs: dict[int, tuple[Output, ...]] = {}
        self._room, self._outputs_left = NotebookLimits().max_kept_chars, _MOST_OUTPUTS
        self._so_far: list[Any] = []
        self._runs: list[CellRun] = []
        self._uses: Any = []
        self._training: Any = {}
        self._stopped: SubmissionProblem | None = None

    def run(self) -> NotebookRun:
        code = [cell for cell in self._notebook.cells if cell.kind == "code"]
        box = self._box
        names = ("data", "seed", "in_memory", "epochs_kept")
        plan = {name: getattr(self._plan, name) for name in names}
        request = {"do": "notebook", "path": self._path, "plan": plan}
        try:
            box.ask(box.jail.control, request, budget_s=_OPENING_S, doing="the start of the notebook")
        except SubmissionProblem as problem:
            self._stopped = self._named(problem, "the start of the notebook")
        for cell in code:
            self._runs.append(self._run_cell(cell) if self._stopped is None else _not_run(cell))
        return NotebookRun(
            self._executed(),
            tuple(self._runs),
            _uses(self._uses),
            Training.from_json(self._training),
            self._plan.seed,
            time.monotonic() - self._started,
            self._stopped,
        )

    def _run_cell(self, cell: Cell) -> CellRun:
        if not cell.source.strip():
            return CellRun(cell.number, CellEnd.RAN)
        doing = f"cell {cell.number} ({_first_line(cell.source)})"
        left = self._left()
        if left <= 0:
            self._stopped = LimitExceeded("notebook_wall_s", self._plan.wall_s)
            return CellRun(cell.number, CellEnd.NOT_RUN, problem=self._stopped)
        soft = min(self._plan.cell_wall_s, left)
        request = {"do": "cell", "number": cell.number, "source": cell.source, "soft_s": soft}
        started, self._so_far = time.monotonic(), []
        try:
            reply, _ = self._box.ask(
                self._box.jail.control,
                request,
                budget_s=soft + GRACE_S,
                doing=doing,
                on_progress=self._on_progress,
            )
        except SubmissionProblem as problem:
            self._outputs[cell.number] = self._read_outputs(self._so_far)
            self._box.kill()
            self._stopped = self._named(problem, doing, soft)
            return CellRun(cell.number, CellEnd.KILLED, time.monotonic() - started, self._stopped)
        return self._ended(cell, reply.get("cell", reply), doing, soft, time.monotonic() - started)

    def _ended(self, cell: Cell, reply: Any, doing: str, soft: float, seconds: float) -> CellRun:
        reply = reply if isinstance(reply, dict) else {}
        self._outputs[cell.number] = self._read_outputs(reply.get("outputs"))
        self._uses = reply.get("uses", self._uses)
        self._training = reply.get("training") or self._training
        if reply.get("interrupted") is True and seconds >= soft:
            return CellRun(cell.number, CellEnd.INTERRUPTED, seconds, self._too_long(doing, soft))
        if "raised" in reply:
            # Nothing hidden has come into this box, so what the exception says gives nothing away.
            problem = explain(reply["raised"], doing, public=True, trusted=self._box.trusted)
            at_limit = limit_behind(problem, self._box.limits, doing)
            return CellRun(cell.number, CellEnd.RAISED, seconds, at_limit or problem)
        return CellRun(cell.number, CellEnd.RAN, seconds)

    def _on_progress(self, message: dict[str, Any]) -> None:
        so_far = message.get("so_far")
        self._so_far = so_far if isinstance(so_far, list) else self._so_far
        plan = self._plan
        progress = Progress.from_json(message.get("progress"))
        if not plan.gives_up or plan.epochs is None or progress is None:
            return
        if (progress.elapsed_s or 0.0) < _JUDGED_AFTER_S:
            return
        predicted, left = predict(progress, plan.epochs), self._left()
        if predicted is not None and predicted > left * _HOPELESS:
            raise TooSlow(predicted, left, plan.epochs)

    def _left(self) -> float:
        spent = time.monotonic() - self._started
        return min(self._plan.wall_s - spent, self._box.clock.remaining)

    def _named(self, problem: SubmissionProblem, doing: str, soft: float = 0.0) -> SubmissionProblem:
        """A channel that closed says nothing, and the box's own time limit is one call's, not a cell's."""
        if isinstance(problem, ProcessEnded) and not problem.message:
            self._box.kill()
            return self._box.explain_exit(None, doing)
        if isinstance(problem, LimitExceeded) and problem.limit == "wall_s":
            return self._too_long(doing, soft)
        return problem

    def _too_long(self, doing: str, allowed_s: float) -> LimitExceeded:
        whole = allowed_s < self._plan.cell_wall_s
        limit, allowed = ("notebook_wall_s", self._plan.wall_s) if whole else ("cell_wall_s", allowed_s)
        return LimitExceeded(limit, allowed, doing=doing)

    def _read_outputs(self, raw: Any) -> tuple[Output, ...]:
        """A cell's outputs, read through the same door as a file from a student.

        What forged outputs hold that no notebook may hold costs the cell all of them. There is room for as
        much as a file may have, in all cells together.
        """
        limits = NotebookLimits()
        limits = replace(
            limits,
            max_outputs=min(limits.max_outputs, max(self._outputs_left, 0)),
            max_kept_chars=max(self._room, 0),
        )
        cell = {"cell_type": "code", "source": "", "outputs": raw if isinstance(raw, list) else []}
        try:
            written = json.dumps({"nbformat": 4, "cells": [cell]}).encode()
            outputs = load_notebook(written, "the executed notebook", limits).cells[0].outputs
        except (Malformed, RecursionError, ValueError):
            return ()
        self._outputs_left -= len(outputs)
        self._room -= sum(_chars(output) for output in outputs)
        return outputs

    def _executed(self) -> Notebook:
        """The notebook with this run's outputs."""
        return Notebook(
            tuple(
                replace(
                    cell,
                    execution_count=None,
                    outputs=self._outputs.get(cell.number, ()),
                    attachments={},
                )
                for cell in self._notebook.cells
            )
        )


def _chars(output: Output) -> int:
    return len(output.text) + sum(map(len, output.data.values()))


def _not_run(cell: Cell) -> CellRun:
    return CellRun(cell.number, CellEnd.NOT_RUN if cell.source.strip() else CellEnd.RAN)


def _first_line(source: str) -> str:
    line = next((line for line in source.splitlines() if line.strip()), "")
    return f"`{cut_line(clean(line).strip(), _FIRST_LINE)}`"


def _uses(raw: Any) -> tuple[Use, ...]:
    found = []
    for item in raw[:_MOST_USES] if isinstance(raw, list) else []:
        match item:
            case [str(kind), str(detail), int(cell)] if type(cell) is int and 0 <= cell < 10**6:
                found.append(Use(clean(kind, _USE_CHARS), clean(detail, _USE_CHARS), cell))
    return tuple(found)


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
