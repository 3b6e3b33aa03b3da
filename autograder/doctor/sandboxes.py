"""Each sandbox, proved or not, and the one that a grading gets."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from autograder.doctor.finding import Finding, State
from autograder.outcome import Fault
from autograder.sandbox.backend import Backend, BoxSpec
from autograder.sandbox.choose import BACKENDS
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.preflight import prove

Maker = Callable[[BoxSpec], Backend]
_MEND = "Mend what stands above as missing or closed; until then no grading will use it."


def _backends() -> Mapping[str, Maker]:
    """The sandboxes by name, in the order in which `auto` takes them."""
    return BACKENDS


def examine() -> Iterator[Finding]:
    """A line for each sandbox, and one for what `auto` takes."""
    proved = []
    for name, make in _backends().items():
        finding = examine_one(name, make)
        if finding.state is State.OK:
            proved.append(name)
        yield finding
    if proved:
        yield Finding.ok("sandbox", f"`--sandbox auto` takes {proved[0]!r}")
    else:
        yield Finding.failed("sandbox", "none holds here, so nothing can be graded", _what_next())


def _what_next() -> str:
    if sys.platform != "linux":
        return (
            f"Grade on Linux or with Docker; on {platform.system()}, students use `./run_autograder check`."
        )
    if os.geteuid() == 0:
        return "Mend one of the sandboxes above; 'privdrop' needs the least: Landlock and seccomp."
    return "Mend one of the sandboxes above, or run `sudo ./run_autograder grade ...`."


def examine_one(name: str, make: Maker) -> Finding:
    """Try to get out of one sandbox, as the preflight of each grading does."""
    line = f"sandbox {name!r}"
    if name == "privdrop" and (sys.platform != "linux" or os.geteuid() != 0):
        return Finding.warning(line, "it needs root on Linux", "Run it with sudo, if you mean to use it.")
    started = time.monotonic()
    try:
        backend = make(BoxSpec(BoxLimits()))
        try:
            probes = prove(backend)
        finally:
            backend.close()
    except Fault as fault:
        sends_here = "doctor" in fault.remedy
        return Finding.warning(line, f"not proved: {fault.message}", _MEND if sends_here else fault.remedy)
    took = time.monotonic() - started
    return Finding.ok(line, f"proved in {took:.1f} s: {len(probes)} ways out were tried, and all are closed")
