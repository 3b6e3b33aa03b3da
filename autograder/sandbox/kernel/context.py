"""What the parts of a notebook's run know in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

_MOST_USES = 500  # accommodations that are reported; a loop may use one in every step
_KIND_CHARS, _DETAIL_CHARS = 40, 200


@dataclass(frozen=True, slots=True)
class Use:
    """An accommodation that was used: what kind, what for, and in which cell."""

    kind: str
    detail: str
    cell: int


@dataclass(slots=True)
class Context:
    """The run that the parts are installed for.

    ``tree`` is the submission's root in the box and ``data`` the course's data folder, in torchvision's
    layout and not to be written; ``cell`` is the number of the cell that runs, 0 between cells.
    ``in_memory`` lets known data sets come from memory (datapath.py); of each training the weights of its
    last ``epochs_kept`` epochs are kept (meter_weights.py).
    """

    tree: Path
    data: Path | None = None
    cell: int = 0
    in_memory: bool = True
    epochs_kept: int = 0
    uses: dict[Use, None] = field(default_factory=dict)  # ordered, each once

    def used(self, kind: str, detail: str) -> None:
        """Note that something stood in for what the notebook asked for."""
        if len(self.uses) < _MOST_USES:
            self.uses.setdefault(Use(kind[:_KIND_CHARS], detail[:_DETAIL_CHARS], self.cell))
