"""Which Python a box runs, and where its files lie: our own, or that of an assignment's own environment."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path

from autograder.outcome import EnvironmentFault
from autograder.sandbox.policy import LIBRARY_NAMES, PACKAGE_NAMES, Interpreter

_ASK_S = 60.0  # a start takes 50 ms; from a cold disk a second or two
_ASK = """
import json, sys, sysconfig
print(json.dumps([sys.version, sys.prefix, *map(sysconfig.get_path, sys.argv[1:])]))
"""
_MAKE_AGAIN = "Delete its folder, and grade again: it is then made anew."


def interpreter(python: str) -> Interpreter:
    """The interpreter at this path, our own for ""; raises EnvironmentFault where it can't be started."""
    return _asked(python) if python else Interpreter.running()


@functools.lru_cache
def _asked(python: str) -> Interpreter:
    try:
        done = subprocess.run(  # noqa: S603  (an environment that scripts/environment made)
            [python, "-I", "-B", "-c", _ASK, *LIBRARY_NAMES, *PACKAGE_NAMES],
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_ASK_S,
        )
        version, prefix, *paths = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise EnvironmentFault(
            f"The Python of the assignment's own environment can't be started: {python!r} ({''.join(last)}).",
            remedy=_MAKE_AGAIN,
        ) from error
    split = len(LIBRARY_NAMES)
    return Interpreter(python, version, prefix, tuple(paths[:split]), tuple(paths[split:]))


def mounted_path(executable: str) -> str:
    """An interpreter by a path without links in its folders, which a mount namespace doesn't show."""
    path = Path(executable)
    return str(Path(os.path.realpath(path.parent)) / path.name)
