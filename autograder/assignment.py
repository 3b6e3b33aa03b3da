"""Assignments: folders with an ``assignment.toml``, found, read and checked."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autograder.challenge.prepared import prepared_parts
from autograder.manifest import (
    MANIFEST,
    Assignment,
    Data,
    Deliverable,
    IntakeLimits,
    Limits,
    Manifest,
    NotebookSpec,
    Prompt,
    Question,
    SandboxSpec,
    shown_path,
)
from autograder.manifest_errors import explain, meant
from autograder.outcome import ManifestFault, UsageError
from autograder.points import share_points, ungraded

WHY_WAITING = "The challenge is not scored on this machine. The course staff will do it."

__all__ = [
    "MANIFEST",
    "Assignment",
    "Data",
    "Deliverable",
    "IntakeLimits",
    "Limits",
    "NotebookSpec",
    "Prompt",
    "Question",
    "SandboxSpec",
    "find_assignment",
    "list_assignments",
    "load_assignment",
    "share_points",
    "ungraded",
]


def load_assignment(folder: Path) -> Assignment:
    """Read and check the manifest in ``folder``."""
    path, shown = folder / MANIFEST, shown_path(folder)
    remedy = f"Correct {MANIFEST} and run again."
    try:
        text = path.read_bytes().decode("utf-8")
        fields: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise ManifestFault(f"{shown}: it can't be read: {error.strerror}.", remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise ManifestFault(f"{shown}: it is not UTF-8 text: {error.reason}.", remedy=remedy) from error
    except tomllib.TOMLDecodeError as error:
        raise ManifestFault(f"{shown}: it is not TOML: {error}.", remedy=remedy) from error
    try:
        Manifest.model_validate(fields)  # by itself first: name and folder are no keys of the file
    except ValidationError as error:
        raise ManifestFault(explain(error, Manifest, fields, text, shown), remedy=remedy) from error
    found = Assignment.model_validate({**fields, "name": folder.resolve().name, "folder": folder.resolve()})
    return _with_what_waits(found)


def _with_what_waits(assignment: Assignment) -> Assignment:
    """Without the answers of its challenge, or the staff's model to beat, some questions can't be graded."""
    spec = assignment.challenge
    if spec is None:
        return assignment
    prepared = prepared_parts(assignment.folder)
    waiting = [
        *(spec.questions if not prepared.answers else ()),
        *(spec.staff_questions if not prepared.staff else ()),
    ]
    told = {"graded": False, "why_not_graded": WHY_WAITING}
    questions = [
        question.model_copy(update=told) if question.number in waiting and question.graded else question
        for question in assignment.questions
    ]
    return assignment.model_copy(update={"questions": questions, "waiting": tuple(waiting)})


def list_assignments(root: Path) -> list[Assignment]:
    """Every assignment under ``root``, by name."""
    return [load_assignment(root / name) for name in _names(root)]


def find_assignment(name_or_path: str, root: Path) -> Assignment:
    """The assignment of this name under ``root``, or in this folder."""
    names = _names(root)
    if name_or_path in names:
        return load_assignment(root / name_or_path)
    path = Path(name_or_path)
    folder = path.parent if path.name == MANIFEST else path
    if (folder / MANIFEST).is_file():
        return load_assignment(folder)
    known = f"There are: {', '.join(names)}." if names else f"There is none under {str(root)!r}."
    raise UsageError(f"There is no assignment {name_or_path!r}{meant(name_or_path, names)} {known}")


def _names(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob(f"*/{MANIFEST}"))
