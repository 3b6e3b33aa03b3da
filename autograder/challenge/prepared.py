"""Whether a challenge's answers are there: all that reading a manifest has to know of them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

FOLDER, FILE = "challenge", "answers.npz"
STANDINGS = "standings.sqlite"  # beside them, unless a course keeps its standings elsewhere
STAFF = "staff/"  # before the name of each of the staff's models


@dataclass(frozen=True, slots=True)
class Prepared:
    """What of a challenge was prepared: the answers, and a model of the staff's to beat."""

    answers: bool
    staff: bool


def answers_path(folder: Path) -> Path:
    """Where the answers of the assignment in ``folder`` lie, if they are there."""
    return folder / FOLDER / FILE


def prepared_parts(folder: Path) -> Prepared:
    """What is there. A file that can't be read counts as there: then a grading says what is wrong with it."""
    path = answers_path(folder)
    try:
        with zipfile.ZipFile(path) as archive:
            return Prepared(True, any(name.startswith(STAFF) for name in archive.namelist()))
    except FileNotFoundError:
        return Prepared(False, False)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return Prepared(True, True)
