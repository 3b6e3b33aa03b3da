"""Files of a kernel that isn't this one, and assignments that need something."""

from __future__ import annotations

from pathlib import Path

from autograder.doctor.needs import Needs
from tests.small import Small

NO_ENGINE = "unix:///nowhere/docker.sock"
ORDINARY = 60999  # an ordinary user; not one that a box may be given, whose processes are killed at will


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def needs_of(small: Small, **limits: int) -> Needs:
    if limits:
        small.more += "[limits]\n" + "".join(f"{name} = {value}\n" for name, value in limits.items())
    small.assignment()
    return Needs.below(small.folder / "graders")
