"""How many images a second a named GPU can train on at all.

The bounds are rough and generous: no source gives them. A ResNet-18 at 224 x 224 in mixed precision should
stay well below each, with a data path that costs nothing. Smaller images or networks could pass them, so a
log above its bound is for a person to look at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autograder.checks.logs.found import TrainingLog

_IMAGES_S: tuple[tuple[str, int], ...] = (
    (r"h[12]00", 20_000),
    (r"a100|l40s?", 12_000),
    (r"rtx(?:50|40)\d\d\w*|a6000|a5000|a40|a30", 10_000),
    (r"v100|rtx30\d\d\w*|titanrtx|titanv|a10g?|l4", 6_000),
    (r"rtx20\d\d\w*|p100|t4", 4_000),
    (r"gtx\w+|titan\w+|p40", 2_500),
    (r"k80|k40|m60|m40", 800),
)
MOST_GPUS = 64


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    images_s: float
    line: int


def fastest_images_s(log: TrainingLog) -> Machine | None:
    """The bound for the hardware that the log names, or None where it names none or doesn't say how many."""
    named = log.hinted("hardware")
    if not named:
        return None
    counts = [hint.number for hint in log.hinted("gpus") if 0 < hint.number <= MOST_GPUS]
    many = max(counts, default=8)  # as many as one machine usually has
    bounds = [(_bound(hint.text), hint) for hint in named]
    best, hint = max(bounds, key=lambda pair: pair[0])
    return Machine(f"{many} x {hint.text}", many * float(best), hint.line) if best else None


def _bound(name: str) -> int:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((bound for pattern, bound in _IMAGES_S if re.fullmatch(pattern, plain)), 0)
