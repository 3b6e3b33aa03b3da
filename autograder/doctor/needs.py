"""What the assignments that lie here need of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import MANIFEST, Assignment, load_assignment
from autograder.doctor.finding import Finding, State
from autograder.environments import REQUIREMENTS
from autograder.outcome import ManifestFault


@dataclass(frozen=True, slots=True)
class Needs:
    """The assignments that lie here, and which of them can't be read."""

    assignments: tuple[Assignment, ...] = ()
    unreadable: tuple[ManifestFault, ...] = ()

    @classmethod
    def below(cls, graders: Path) -> Needs:
        found, faults = [], []
        for manifest in sorted(graders.glob(f"*/{MANIFEST}")):
            try:
                found.append(load_assignment(manifest.parent))
            except ManifestFault as fault:
                faults.append(fault)
        return cls(tuple(found), tuple(faults))

    def stopping(self, stopped: Iterable[Assignment]) -> State:
        """How bad it is that these can't be graded: with all of them stopped, nothing can be."""
        count = len(list(stopped))
        if count == 0:
            return State.OK
        return State.FAILED if count == len(self.assignments) else State.WARNING

    def most(self, limit: str) -> tuple[float, str]:
        """The largest value of a limit, and the assignment that sets it; 0 where there is none."""
        values = [(float(getattr(each.limits, limit)), each.name) for each in self.assignments]
        return max(values, default=(0.0, ""))

    def importing(self, module: str) -> list[Assignment]:
        """The assignments that import a module of our own environment's before their first test."""
        return [
            each
            for each in self.assignments
            if not (each.folder / REQUIREMENTS).exists()
            and any(name.partition(".")[0] == module for name in each.sandbox.preload)
        ]


def names(assignments: Iterable[Assignment]) -> str:
    return ", ".join(repr(each.name) for each in assignments)


def assignments(needs: Needs) -> Iterator[Finding]:
    """The manifests that lie here, and the data that they name."""
    name = "assignments"
    for fault in needs.unreadable:
        state = State.WARNING if needs.assignments else State.FAILED
        yield Finding(name, state, fault.message, fault.remedy)
    if needs.assignments:
        yield Finding.ok(name, names(needs.assignments))
    elif not needs.unreadable:
        yield Finding.warning(name, "none lies here", "Name one by its folder when you grade.")
    state = needs.stopping(each for each in needs.assignments if any(_unreadable_data(each)))
    for each in needs.assignments:
        for path in _unreadable_data(each):
            yield Finding(
                "data",
                state,
                f"{str(path)!r} of {each.name!r} is missing, or can't be read",
                "Put it there, or correct its path in assignment.toml.",
            )
    if state is State.OK and any(each.data for each in needs.assignments):
        yield Finding.ok("data", "everything that the assignments name is there")


def _unreadable_data(assignment: Assignment) -> Iterator[Path]:
    for data in assignment.data.values():
        path = assignment.folder / data.path
        if not os.access(path, os.R_OK):
            yield path
