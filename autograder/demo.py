"""`demo`: three submissions that come with the project, graded before the reader's eyes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from autograder import report
from autograder.assignment import find_assignment
from autograder.boxes import Mode, open_backend
from autograder.grading import grade
from autograder.outcome import EnvironmentFault

ASSIGNMENT = "gatech_convnet"


@dataclass(frozen=True, slots=True)
class _Act:
    fixture: str
    what: str


_ACTS = (
    _Act("excellent", "a submission in which everything is right"),
    _Act(
        "slip_conv_forward_pad_fixed_1",
        "one known slip: the padding is fixed at 1, whatever the caller asks for",
    ),
    _Act("limit_endless_loop", "a loop that never ends"),
)


def run(home: Path, console: Console) -> None:
    """Grade the three: with every test where a sandbox holds, else with the public ones."""
    try:
        _run(home, console, Mode.GRADE)
    except EnvironmentFault as fault:
        console.print(Text(f"{fault.message}\nSo these are the public tests alone."))
        _run(home, console, Mode.CHECK)


def _run(home: Path, console: Console, mode: Mode) -> None:
    from fixtures.build import build  # noqa: PLC0415  (bundles come without fixtures, and without a demo)

    assignment = find_assignment(ASSIGNMENT, home / "graders")
    limits = assignment.limits.model_copy(update={"wall_s": 3.0})  # nobody wants to watch 20 seconds of it
    with (
        tempfile.TemporaryDirectory(prefix="autograder-demo-") as folder,
        open_backend(assignment, mode, limits) as backend,
    ):
        for number, act in enumerate(_ACTS, 1):
            console.rule(f"{number} of {len(_ACTS)}: {act.what}")
            place = Path(folder) / act.fixture
            place.mkdir()
            graded = grade(
                assignment,
                build(act.fixture, place),
                place / "out",
                mode=mode,
                limits=limits,
                backend=backend,
            )
            report.terminal(graded.document, console)
