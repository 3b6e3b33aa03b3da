"""What a scene knows of libraries that its worker doesn't name: their seeds, and the networks made with them.

All of ours that a scene needs is imported with this: a box can't read our files.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.random  # loaded on first use otherwise: 15 ms in every scene

from autograder.sandbox.kernel.export import Asked, Exporter
from autograder.sandbox.kernel.predict import Predictor

if TYPE_CHECKING:
    from autograder.sandbox.kernel.shell import Kernel


def settle(seed: int) -> None:
    """Start every generator from the same state, in a process that was just forked."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that student code uses
    if (torch := real_torch()) is not None:
        torch.manual_seed(seed)
        torch.set_num_threads(1)  # the parent's others didn't come along with the fork


def real_torch() -> Any:
    """torch, if it was imported; "torch" alone may be a placeholder, which nobody must use."""
    return sys.modules["torch"] if "torch._C" in sys.modules else None


@dataclass(slots=True)
class Networks:
    """The networks that a module, or a notebook's cells, left behind; each call leaves them as they were.

    ``kernel`` is the notebook's, None for a module.
    """

    module: ModuleType
    kernel: Kernel | None
    tree: Path
    _predictor: Predictor | None = field(default=None, init=False)

    @property
    def _namespace(self) -> Mapping[str, Any]:
        return vars(self.module)

    @property
    def _stepped(self) -> Sequence[frozenset[int]]:
        return self.kernel.stepped if self.kernel is not None else ()

    def predict(self, images: np.ndarray, ways: Sequence[int], budget_s: float) -> list[dict[str, Any]]:
        """Scores of images (see predict.py)."""
        if self._predictor is None:
            self._predictor = Predictor(self._namespace, self._stepped)
        return self._predictor.answer(images, ways, budget_s)

    def export(self, probes: np.ndarray, asked: dict[str, Any]) -> dict[str, Any]:
        """The networks as ONNX, and the probes prepared; arrays stand in it as they are (see export.py)."""
        exporter = Exporter(self._namespace, self._stepped, self.tree)
        if self.kernel is not None:
            exporter.kept = self.kernel.kept
        return exporter.answer(probes, Asked.read(asked))
