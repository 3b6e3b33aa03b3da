"""The kinds of box that an assignment's gradings need, and the submissions in them.

Most assignments need one kind. One that asks for functions written by hand and for a trained network needs
two, because the first must not find PyTorch; and whoever weighs networks needs the *room*: a clean box with
our own code in it and none of a student's. Each kind has a backend of its own, opened and proved when it is
first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from autograder.assignment import Assignment, Limits
from autograder.data import prepared
from autograder.environments import interpreter_for
from autograder.manifest import MAIN, ROOM
from autograder.outcome import EnvironmentFault, UsageError
from autograder.sandbox.backend import Backend, BoxSpec, Jail
from autograder.sandbox.choose import AUTO, NONE, choose
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Module, Submission
from autograder.text import quote

SANDBOX_VARIABLE = "AUTOGRADER_SANDBOX"
ROOM_MODULE = "evaluator.py"
_ROOM_TREE = Path(__file__).resolve().parent / "room"
_ROOM_PRELOAD = ("numpy", "onnxruntime")
# Not matplotlib: it remembers the folder of its settings, which after the fork is out of reach.
_KERNEL = ("autograder.sandbox.kernel.shell", "IPython.core.interactiveshell")


class Mode(Enum):
    """Who asks: staff grade with every test, a student checks with the public ones."""

    GRADE = "grade"
    CHECK = "check"


def data_folder(assignment: Assignment, mode: Mode = Mode.GRADE) -> Path | None:
    """The folder of the data sets that the manifest's notebooks find; made when it is first asked for.

    A student who checks may not have them: then there is none.
    """
    if assignment.notebook is None or not assignment.notebook.datasets:
        return None
    try:
        return prepared(assignment)
    except EnvironmentFault:
        if mode is Mode.CHECK:
            return None
        raise


def box_limits(assignment: Assignment, limits: Limits | None = None, kind: str = MAIN) -> BoxLimits:
    """The limits of one box; ``limits`` take the place of the manifest's, a kind's own go before both."""
    names = set(BoxLimits.__dataclass_fields__)
    told = (limits or assignment.limits).model_dump() | assignment.box_kind(kind).limits.changed()
    notebook_s = assignment.notebook.wall_s if assignment.notebook is not None else 0.0
    chosen = {name: value for name, value in told.items() if name in names}
    chosen["threads"] = min(chosen["threads"], os.cpu_count() or 1)  # more only get in each other's way
    return BoxLimits(**chosen, notebook_wall_s=notebook_s)


def box_spec(
    assignment: Assignment, limits: Limits | None = None, mode: Mode = Mode.GRADE, kind: str = MAIN
) -> BoxSpec:
    """What the sandbox is asked for; ``limits`` take the place of the manifest's."""
    if kind == ROOM:  # whatever the manifest says of it beside its limits
        return BoxSpec(limits=box_limits(assignment, limits, kind), preload=_ROOM_PRELOAD)
    here = assignment.notebook is not None and assignment.notebook.box == kind
    data = data_folder(assignment, mode) if here else None
    told = assignment.box_kind(kind)
    return BoxSpec(
        limits=box_limits(assignment, limits, kind),
        preload=("numpy", *(_KERNEL if here else ()), *told.preload),
        python=interpreter_for(assignment.folder) if assignment.in_own_environment(kind) else "",
        data=(str(data),) if data is not None else (),
        unavailable=tuple(told.unavailable),
        unavailable_reason=told.unavailable_reason,
    )


class Boxes:
    """An assignment's backends, for as many gradings as are to come; itself the one of [sandbox]."""

    def __init__(
        self, assignment: Assignment, mode: Mode, main: Backend, limits: Limits | None = None
    ) -> None:
        self._assignment, self._mode, self._limits = assignment, mode, limits
        self._main = main
        self._others: dict[str, Backend] = {}
        self._specs: dict[str, BoxSpec] = {}
        self.name, self.isolates, self.spec = main.name, main.isolates, main.spec

    def launch(self, tree: Path) -> Jail:
        return self._main.launch(tree)

    def kind(self, name: str) -> Backend:
        """The backend of this kind. Raises what `choose` raises."""
        if name == MAIN:
            return self._main
        if name not in self._others:
            spec = box_spec(self._assignment, self._limits, self._mode, name)
            # The same sandbox as the first kind's, which was proved here or chosen by the staff.
            must_isolate = self._mode is Mode.GRADE
            self._others[name] = choose(spec, self._main.name, must_isolate=must_isolate)
        return self._others[name]

    @property
    def notebook_spec(self) -> BoxSpec:
        """That of the boxes that notebooks run in; of the main one where no notebook is run."""
        notebook = self._assignment.notebook
        kind = notebook.box if notebook is not None and notebook.mode != "stored" else MAIN
        if kind == MAIN:
            return self.spec
        if kind not in self._specs:
            self._specs[kind] = box_spec(self._assignment, self._limits, self._mode, kind)
        return self._specs[kind]

    def close_others(self) -> None:
        for backend in self._others.values():
            backend.close()
        self._others.clear()

    def close(self) -> None:
        self.close_others()
        self._main.close()


@contextmanager
def open_backend(
    assignment: Assignment,
    mode: Mode,
    limits: Limits | None = None,
    sandbox: str = "",
    *,
    unprotected: bool = False,
) -> Iterator[Boxes]:
    """Proven sandboxes, for as many gradings of this assignment as are to come.

    ``sandbox`` is one of `choose.NAMES`, else what the environment's `SANDBOX_VARIABLE` says, else "auto".
    Raises UsageError where that is "none" and staff grade with it without having said that they mean it.
    """
    sandbox = sandbox or os.environ.get(SANDBOX_VARIABLE) or AUTO
    if sandbox == NONE and mode is Mode.GRADE and not unprotected:
        raise UsageError(
            "--sandbox none runs other people's code as you, with all that you may read, write and reach. "
            "If you wrote every line of it, say --without-protection too; the results will say so."
        )
    main = choose(box_spec(assignment, limits, mode), sandbox, must_isolate=mode is Mode.GRADE)
    boxes = Boxes(assignment, mode, main, limits)
    try:
        yield boxes
    finally:
        boxes.close()


class Sandboxed:
    """One submission in each kind of box that a test asks for."""

    def __init__(
        self, boxes: Boxes, tree: Path, limits: BoxLimits, clock: RunClock, *, first_try: bool = False
    ) -> None:
        self._boxes, self._tree, self._limits, self._clock = boxes, tree, limits, clock
        self._first_try = first_try
        self._submissions: dict[str, Submission] = {}

    def submission(self, kind: str = MAIN) -> Submission:
        """The submission in a box of this kind."""
        if kind not in self._submissions:
            backend = self._boxes.kind(kind)
            limits = self._limits if kind == MAIN else backend.spec.limits
            tree = _ROOM_TREE if kind == ROOM else self._tree
            self._submissions[kind] = Submission(
                backend, tree, limits, self._clock, first_try=self._first_try
            )
        return self._submissions[kind]

    @property
    def room(self) -> Module:
        """Our own evaluator, in a clean box."""
        return self.submission(ROOM).module(ROOM_MODULE)

    @property
    def printed(self) -> dict[str, str]:
        """What student code printed, by the path of its module; once closed."""
        found: dict[str, str] = {}
        for kind, submission in self._submissions.items():
            for path, text in submission.printed.items():
                found[path if kind == MAIN else f"{path} ({quote(kind)})"] = text
        return found

    def close(self) -> None:
        for submission in self._submissions.values():
            submission.close()
