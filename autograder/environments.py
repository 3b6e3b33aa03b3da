"""The Python environment that an assignment may bring for the code that it grades.

An assignment with a ``requirements.txt`` in its folder gets an environment of its own, beside the engine's,
that holds what that file asks for and what the sandbox's worker needs. scripts/environment makes it and knows
where it lies.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from autograder.outcome import EnvironmentFault
from autograder.sandbox.interpreter import interpreter
from autograder.text import quote

REQUIREMENTS = "requirements.txt"
_SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "environment"
_NOT_MADE = 3  # exit code of `scripts/environment --find`
_FIND_S = 60.0  # it takes 20 ms
_LAST_LINES = 12
_found: dict[tuple[Path, bytes], str] = {}  # what doesn't change is asked for once


def make_command(folder: Path) -> str:
    """What a person types to have the environment made."""
    return f"scripts/environment assignment {folder}"


def interpreter_for(folder: Path) -> str:
    """The interpreter for code handed in to the assignment in ``folder``; "" where that is our own.

    Makes the environment on first use, which takes a minute and says so on stderr. Raises EnvironmentFault
    where that fails.
    """
    requirements = folder / REQUIREMENTS
    try:
        asked = requirements.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise EnvironmentFault(
            f"{quote(str(requirements))} can't be read: {error.strerror}.", remedy="Open it, and grade again."
        ) from error
    key = folder.resolve(), asked
    if key not in _found or not Path(_found[key]).exists():
        _found[key] = _make(folder)
    return _found[key]


def find_interpreter(folder: Path) -> str | None:
    """The same without making anything: None where the environment is not made yet."""
    if not (folder / REQUIREMENTS).exists():
        return ""
    done = subprocess.run(  # noqa: S603
        ["bash", str(_SCRIPT), "--find", "assignment", str(folder)],  # noqa: S607
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_FIND_S,
    )
    if done.returncode == _NOT_MADE:
        return None
    if done.returncode != 0:
        raise _not_made(folder, done.stderr.strip().splitlines())
    return done.stdout.strip()


def requirements_of(python: str) -> bytes:
    """The requirements that an assignment's environment was made from, by the path of its interpreter."""
    copy = Path(python).parent.parent / REQUIREMENTS
    try:
        return copy.read_bytes()
    except OSError as error:
        raise EnvironmentFault(
            f"The environment of {quote(python)} lacks its {REQUIREMENTS}: {error.strerror}.",
            remedy="Delete its folder, and grade again: it is then made anew.",
        ) from error


def versions_in(python: str, names: Sequence[str]) -> dict[str, str]:
    """The versions of those of these packages that an assignment's environment has."""
    folders = list(interpreter(python).packages)
    found = [next(iter(metadata.distributions(name=name, path=folders)), None) for name in names]
    return {name: each.version for name, each in zip(names, found, strict=True) if each is not None}


def _make(folder: Path) -> str:
    """Run scripts/environment, and pass on what it says while it works."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    command = ["bash", str(_SCRIPT), "assignment", str(folder)]
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            last.append(line.rstrip())
            print(line, end="", file=sys.stderr, flush=True)
        python = process.stdout.read().strip()
    if process.returncode != 0 or not python:
        raise _not_made(folder, list(last))
    return python


def _not_made(folder: Path, said: list[str]) -> EnvironmentFault:
    told = "\n".join(line for line in said if not line.startswith("Next:")) or "it gave no reason"
    return EnvironmentFault(
        f"The environment that {quote(folder.name)} asks for by its {REQUIREMENTS} was not made:\n{told}",
        remedy=f"Mend what stands there, then run `{make_command(folder)}` and grade again.",
    )
