"""The environments that assignments bring for the code that they grade: made, and fit to be used?"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from autograder.assignment import Assignment
from autograder.doctor.finding import Finding, State
from autograder.doctor.needs import Needs
from autograder.doctor.python import first_closed
from autograder.environments import find_interpreter, make_command
from autograder.outcome import Fault
from autograder.sandbox.interpreter import interpreter


def examine(needs: Needs) -> Iterator[Finding]:
    """A line for each assignment with a requirements.txt."""
    for assignment in needs.assignments:
        finding = examine_one(assignment)
        if finding is not None:
            yield finding


def examine_one(assignment: Assignment) -> Finding | None:
    """Whether an assignment's environment is there; None where it brings or uses none."""
    if not any(assignment.in_own_environment(kind) for kind in assignment.kinds):
        return None
    name = f"environment of {assignment.name!r}"
    command = make_command(Path(shlex.quote(str(assignment.folder))))
    try:
        path = find_interpreter(assignment.folder)
        if path == "":
            return None
        if path is None:
            return Finding.warning(
                name,
                "not made yet: the first grading makes it, which takes a minute",
                f"To have it made now, run `{command}`.",
            )
        python = interpreter(path)
    except (Fault, OSError, subprocess.SubprocessError) as trouble:
        message, remedy = _of(trouble, command)
        return Finding(name, State.WARNING, message, remedy)
    places = [Path(path), *(Path(each) for each in (*python.library, *python.packages))]
    if os.geteuid() == 0 and (closed := first_closed(places)) is not None:
        return Finding.warning(
            name,
            f"{str(closed)!r} is closed to other users; student code runs as one of them",
            f"Delete {python.prefix!r}, and run `{command}`.",
        )
    return Finding.ok(name, f"Python {python.version.split()[0]} at {path}")


def _of(trouble: Exception, command: str) -> tuple[str, str]:
    if isinstance(trouble, Fault):
        return " ".join(trouble.message.split()), trouble.remedy
    return f"it can't be looked for: {trouble}", f"Run `{command}`."
