"""Starting something as student code would be started: as another user where we are root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from autograder.sandbox.uids import lease

_TRY_S = 30.0
PATH = "/usr/local/bin:/usr/bin:/bin"


def as_boxes_run(command: Sequence[str]) -> tuple[int, subprocess.CompletedProcess[str]]:
    """Run a command as a user of the sandbox's, or as ourselves without root; that user, and how it ended.

    Raises SandboxFault where no such user is free, OSError where the command can't be started.
    """
    if os.geteuid() != 0:
        return os.geteuid(), _run(command, None)
    users = lease()
    try:
        return users.uid, _run(command, users.uid)
    finally:
        users.release()


def _run(command: Sequence[str], uid: int | None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            command,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TRY_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no end within {_TRY_S:g} s")


def last_line(text: str) -> str:
    """The line of an error's output that says what went wrong."""
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]
