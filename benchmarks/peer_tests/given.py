"""What a test process is given by the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.direct import CHECKS, Functions, Played, check, load_functions

if TYPE_CHECKING:
    from autograder.checks.layers import Layer, Tier

NAMES = tuple(f"{layer}_{tier}_{output}" for layer, tier, output in CHECKS)


def checker(functions: Functions | None = None) -> Callable[[int], None]:
    """Makes the check with a given number; ``functions`` are the student's where a tool has loaded them."""
    loaded = functions or load_functions(Path(os.environ["SUBMISSION"]))
    known: dict[tuple[Layer, Tier], Played] = {}
    return lambda which: check(loaded, int(os.environ["SEED"]), known, which)
