"""Which sandbox a grading gets, and the proof that it holds before anything runs in it."""

from __future__ import annotations

import os
import sys

from autograder.outcome import EnvironmentFault
from autograder.sandbox.backend import Backend, BoxSpec
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.preflight import prove


def choose(spec: BoxSpec, *, must_isolate: bool) -> Backend:
    """The strongest backend that proves itself here.

    ``must_isolate`` is False only for a student who checks their own code: without root they get the
    backend that protects nothing. Raises EnvironmentFault or SandboxFault, never falls back.
    """
    if os.geteuid() == 0 and sys.platform == "linux":
        backend = Privdrop(spec)
        try:
            prove(backend)
        except BaseException:
            backend.close()
            raise
        return backend
    if not must_isolate:
        return Unconfined(spec)
    raise EnvironmentFault(
        "Grading runs other people's code, and without root this version has no sandbox for it.",
        remedy="Run `sudo ./run_autograder grade ...` on Linux, or grade inside a container as root. To try "
        "your own submission, use `./run_autograder check`.",
    )
