"""What a picture becomes on its way through the transforms, as far as they have been read."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.sandbox.kernel.datapath_steps import Step
from autograder.sandbox.kernel.datapath_values import Unknown


@dataclass(slots=True)
class Shape:
    """``kind``: a "picture" of Pillow's, then a tensor of "bytes", then one of "floats"."""

    channels: int
    height: int
    width: int
    kind: str = "picture"
    steps: list[Step] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def must_be(self, kind: str) -> None:
        if self.kind != kind:
            raise Unknown

    def add(self, step: Step) -> None:
        self.steps.append(step)
