"""What the parts of a data set have in common: where to look, what came out, and how to refuse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autograder.outcome import EnvironmentFault


@dataclass(frozen=True, slots=True)
class Split:
    """Images (uint8) and their labels, in the data set's own order."""

    images: np.ndarray  # (N, height, width), or (N, height, width, 3)
    labels: np.ndarray  # (N,), int64


@dataclass(frozen=True, slots=True)
class Source:
    """The files that a data set was found in; ``kind`` says how they are to be read."""

    kind: str
    files: tuple[Path, ...]

    def fingerprint(self) -> str:
        """What changes when the files do, without reading them."""
        stats = [(path, path.stat()) for path in self.files]
        return repr([self.kind, *((str(path), found.st_size, found.st_mtime_ns) for path, found in stats)])


def first_file(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The first of these files that is there."""
    names = list(names)
    return next((path for folder in folders for name in names if (path := folder / name).is_file()), None)


def unusable(path: Path, why: str) -> EnvironmentFault:
    """A file of the course's data that isn't what its name says."""
    return EnvironmentFault(
        f"The data file {str(path)!r} can't be used: {why}.",
        remedy="Put the original file there (a broken download, perhaps), or take it away.",
    )
