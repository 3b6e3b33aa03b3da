"""Gradescope's container: its folders, its metadata, and its sign for an autograder error.

Source of the layout: Gradescope's documentation for autograders ("Autograder Specifications"). A missing
``results.json`` is how Gradescope learns that the autograder, and not the student, failed: it uses up no
attempt and staff can rerun it. So a fault of ours leaves none.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.assignment import Assignment, list_assignments
from autograder.challenge.history import History, from_metadata
from autograder.outcome import EnvironmentFault

ROOT = Path("/autograder")
_NO_HISTORY = History()
_METADATA_BYTES = 64 * 2**20  # the results of one submission are some 20 KiB


@dataclass(frozen=True, slots=True)
class Folders:
    """Where Gradescope puts things, below ``root``."""

    root: Path = ROOT

    @property
    def submission(self) -> Path:
        return self.root / "submission"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def metadata(self) -> Path:
        return self.root / "submission_metadata.json"

    @property
    def here(self) -> bool:
        """Whether this machine is laid out as Gradescope lays out its containers."""
        return self.submission.is_dir() and self.results.is_dir()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of ``submission_metadata.json`` a grading needs; empty where Gradescope gives none."""

    id: str = ""
    points: float | None = None  # the assignment's total on Gradescope, which it writes as text
    history: History = _NO_HISTORY  # of the same people's submissions
    too_large: bool = False  # to be read, so that nothing else is known


def read_metadata(path: Path) -> Metadata:
    """Read the metadata; whatever is odd about it is Gradescope's doing and stops no grading."""
    try:
        if path.stat().st_size > _METADATA_BYTES:
            return Metadata(too_large=True)
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return Metadata()
    if not isinstance(data, dict):
        return Metadata()
    return Metadata(str(data.get("id", "")), _points(data), from_metadata(data))


def _points(data: dict[str, Any]) -> float | None:
    try:
        points = float(data["assignment"]["total_points"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return points if math.isfinite(points) else None


def the_assignment(graders: Path) -> Assignment:
    """The one assignment of a bundle; raises EnvironmentFault where there is none, or more than one."""
    found = list_assignments(graders)
    if len(found) != 1:
        names = ", ".join(assignment.name for assignment in found) or "none"
        raise EnvironmentFault(
            f"A Gradescope bundle holds exactly one assignment, but here there are: {names}.",
            remedy="Make the zip with `./run_autograder bundle ASSIGNMENT` and upload that.",
        )
    return found[0]


def points_warning(assignment: Assignment, metadata: Metadata) -> str:
    """A sentence for staff where Gradescope's total isn't the manifest's; empty where they agree."""
    ours = assignment.total_points
    if metadata.points is None or abs(metadata.points - ours) < 1e-6:
        return ""
    return (
        f"Gradescope has this assignment at {metadata.points:g} points, the manifest at {ours:g}: set the "
        "autograder points of the assignment on Gradescope to the manifest's."
    )


def history_of(assignment: Assignment, metadata: Metadata) -> History:
    """What was handed in before; raises EnvironmentFault where without it a challenge had no limit."""
    if assignment.challenge is not None and metadata.too_large:
        raise EnvironmentFault(
            f"Gradescope's metadata are over {_METADATA_BYTES // 2**20} MiB, so the earlier submissions "
            "aren't known, and the challenge would have no limit.",
            remedy="See on Gradescope how often this was handed in: thousands of times is a program's doing.",
        )
    return metadata.history


def challenge_warnings(assignment: Assignment, metadata: Metadata) -> list[str]:
    """Sentences for staff on what keeps a challenge from working on Gradescope."""
    warnings: list[str] = []
    if assignment.challenge is None:
        return warnings
    if assignment.waiting:
        warnings.append(
            f"Questions {', '.join(assignment.waiting)} were not graded: prepare the challenge "
            f"(`run_autograder challenge {assignment.name}`), then make the zip again and upload it."
        )
    if metadata.history.at is None:
        warnings.append(
            "Gradescope's metadata don't say when this was handed in, so the challenge had no limit here."
        )
    elif metadata.history.forgotten:
        warnings.append(
            "The challenge's limit, and what was earned before, may be wrong here: "
            f"{metadata.history.forgotten}."
        )
    return warnings
