"""`doctor`: does this machine have what a grading needs, and if not, which command mends it?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.grading import versions
from autograder.outcome import Fault
from autograder.sandbox import landlock
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.local import Privdrop
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.preflight import probe

OLDEST_LANDLOCK = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination; ``remedy`` is empty where there is nothing to mend."""

    name: str
    passed: bool
    found: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Everything that a grading needs here, one finding at a time."""
    facts = versions()
    yield Finding("Python", sys.version_info >= (3, 11), f"{facts['python']} at {sys.executable}")
    yield Finding("NumPy", "numpy" in facts, facts.get("numpy", "missing"), _if_missing("numpy" in facts))
    if sys.platform != "linux":
        yield Finding(
            "sandbox", False, f"none on {sys.platform}", "Use `check` here; grade on Linux, as root."
        )
        return
    abi = landlock.abi_version()
    yield Finding(
        "Landlock",
        abi >= OLDEST_LANDLOCK,
        f"ABI {abi}" if abi else "none",
        "" if abi else "Use a kernel of 5.13 or later with Landlock, and a container profile that allows it.",
    )
    if os.geteuid() != 0:
        yield Finding(
            "sandbox", False, "not root, so no user to drop to", "Use `sudo`, or a container as root."
        )
        return
    yield from _sandbox()


def _sandbox() -> Iterator[Finding]:
    backend = Privdrop(BoxSpec(BoxLimits()))
    try:
        for tried in probe(backend):
            remedy = "" if tried.passed else "Don't grade here: this way out of the sandbox is open."
            yield Finding(f"sandbox: {tried.name}", tried.passed, tried.found, remedy)
    except Fault as fault:
        yield Finding("sandbox", False, fault.message, fault.remedy)
    finally:
        backend.close()


def _if_missing(there: bool) -> str:
    return "" if there else "Run scripts/environment again."
