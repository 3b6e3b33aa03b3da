"""Says which Python environments the assignments below a folder need beside the engine's own.

    python environments_needed.py GRADERS

prints "torch" where the engine's own has to hold PyTorch, and for each assignment whose submissions run in an
environment of their own "assignment FOLDER": the arguments of scripts/environment, a line each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.assignment import Assignment, list_assignments
from autograder.environments import REQUIREMENTS
from autograder.outcome import Fault


def needed(assignment: Assignment) -> Iterator[str]:
    """What one assignment needs."""
    own = (assignment.folder / REQUIREMENTS).is_file()
    for kind in assignment.kinds:
        if own and assignment.in_own_environment(kind):
            yield f"assignment {assignment.folder}"
        elif "torch" in assignment.box_kind(kind).preload:
            yield "torch"


def main() -> None:
    found = [line for each in list_assignments(Path(sys.argv[1])) for line in needed(each)]
    print("\n".join(dict.fromkeys(found)))


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"{fault.message}\n{fault.remedy}")
