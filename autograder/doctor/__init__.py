"""`doctor`: does this machine have what a grading needs, and if not, which command mends it?

One line for each thing. A line fails only if no grading can run here until it is mended; what only some
gradings need, such as torch or another sandbox than the one that `auto` takes, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autograder.doctor import challenges, engine, environments, folders, kernel, machine, python, sandboxes
from autograder.doctor.cgroups import confines
from autograder.doctor.finding import Finding, State
from autograder.doctor.needs import Needs, assignments
from autograder.grading import versions
from autograder.sandbox import vision_pair

__all__ = ["Finding", "State", "examine"]

_GRADERS = Path(__file__).resolve().parents[2] / "graders"


def examine(graders: Path = _GRADERS) -> Iterator[Finding]:
    """Everything that a grading needs here, one finding at a time; all of it takes a few seconds."""
    needs = Needs.below(graders)
    pair = vision_pair.installed()
    trial = vision_pair.Trial(pair) if pair.complete else None  # importing torch takes the longest: start now
    try:
        yield python.interpreter()
        yield python.numpy(versions().get("numpy", ""))
        yield python.readable(python.places())
        yield from _machine(needs)
        yield from kernel.examine()
        yield from engine.examine(needs)
        yield from python.torch(trial.result() if trial else pair, needs)
        yield from environments.examine(needs)
        yield from challenges.examine(needs)
        # Last, when nothing else of ours is busy: they say how long they took.
        yield from sandboxes.examine()
    finally:
        if trial is not None:
            trial.stop()


def _machine(needs: Needs) -> Iterator[Finding]:
    within = confines()
    yield machine.memory(needs, within)
    yield machine.processors(needs, within)
    yield from machine.processes(needs, within)
    yield folders.shared_memory()
    yield folders.temporary(needs)
    yield machine.clock()
    yield from assignments(needs)
