"""Which sandbox a grading gets, and the proof that it holds before anything runs in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

from autograder.outcome import EnvironmentFault, Fault, UsageError
from autograder.sandbox.backend import Backend, BoxSpec
from autograder.sandbox.bubblewrap import Bubblewrap
from autograder.sandbox.container import Docker
from autograder.sandbox.leftovers import sweep_folders
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.preflight import prove

# The strongest first. A container has the kernel's limit on memory besides what bubblewrap has; bubblewrap,
# which gets a user of its own from root too, has namespaces besides what privdrop has.
BACKENDS: dict[str, Callable[[BoxSpec], Backend]] = {
    "docker": Docker,
    "bubblewrap": Bubblewrap,
    "privdrop": Privdrop,
}
AUTO, NONE = "auto", "none"
NAMES = (AUTO, *BACKENDS, NONE)


def choose(spec: BoxSpec, sandbox: str = AUTO, *, must_isolate: bool) -> Backend:
    """The backend of that name, or for "auto" the strongest, that proves itself here.

    ``must_isolate`` is False only for a student who checks their own code: where nothing better proves itself
    they get the backend that protects nothing, unless they are root. Raises EnvironmentFault, SandboxFault or
    UsageError; a backend that was named is never replaced by another.
    """
    if sandbox not in NAMES:
        raise UsageError(f"There is no sandbox {sandbox!r}: choose one of {', '.join(NAMES)}.")
    if sandbox == NONE:
        return Unconfined(spec)
    sweep_folders()
    if sandbox != AUTO:
        return proved(sandbox, spec)
    refusals: list[str] = []
    for name, found in attempts(spec):
        if not isinstance(found, Fault):
            return found
        refusals.append(f"{name}: {found.message}")
    if not must_isolate and not _is_root():
        return Unconfined(spec)
    listed = "\n".join(refusals)
    raise EnvironmentFault(
        f"Grading runs other people's code, and no sandbox holds on this machine.\n{listed}",
        remedy="Grade as root on Linux (in a container, for one), or install bubblewrap; "
        "`./run_autograder doctor` tells what each lacks. To try your own submission, use "
        "`./run_autograder check`, without root.",
    )


def attempts(spec: BoxSpec) -> Iterator[tuple[str, Backend | Fault]]:
    """Each backend by name, the strongest first: proved and open, or why it isn't. Whoever asks closes it."""
    for name in BACKENDS:
        try:
            yield name, proved(name, spec)
        except Fault as fault:
            yield name, fault


def proved(name: str, spec: BoxSpec) -> Backend:
    """The backend of that name after it was proved; raises EnvironmentFault or SandboxFault."""
    backend = BACKENDS[name](spec)
    try:
        prove(backend)
    except BaseException:
        backend.close()
        raise
    return backend


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform == "linux"
