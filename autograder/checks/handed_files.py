"""Files that were handed in, by the key of their deliverable, read as data."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from autograder.loaders.notebook import Notebook, load_notebook
from autograder.loaders.problems import Malformed
from autograder.outcome import CheckFailed

if TYPE_CHECKING:
    from autograder.handed_in import HandedIn
    from autograder.intake import Tree

MOST_MODULES = 200  # of Python that are read for what a training uses
MOST_MODULE_BYTES = 512 * 1024
_UNNAMED_LOGS = ("nohup.out", "slurm-*.out")


def required(submission: HandedIn, key: str) -> str:
    """The path of a deliverable; raises CheckFailed where none was handed in."""
    path = submission.deliveries.found.get(key)
    if path is not None:
        return path
    missing = (*submission.deliveries.missing, *submission.deliveries.absent)
    raise CheckFailed(next((one.describe() for one in missing if one.key == key), f"{key} is missing."))


def handed(submission: HandedIn, key: str) -> str:
    """The path of a deliverable, or nothing."""
    return submission.deliveries.found.get(key, "")


def log_path(submission: HandedIn, key: str, named: str = "") -> str:
    """The path of a log; else of the file that its command writes to, ``named``, or that a scheduler wrote.

    Raises CheckFailed where there is none of them.
    """
    if handed(submission, key):
        return handed(submission, key)
    taken = set(submission.deliveries.found.values())
    free = [path for path in submission.tree.files if path not in taken]
    for pattern in (PurePosixPath(named).name, *_UNNAMED_LOGS):
        found = [
            path
            for path in free
            if pattern and fnmatchcase(PurePosixPath(path).name.lower(), pattern.lower())
        ]
        if len(found) == 1:
            return found[0]
    return required(submission, key)


def same_files(tree: Tree, path: str) -> list[str]:
    """Other files with the very content of the one at ``path``."""
    data = (tree.root / path).read_bytes()
    others = (one for one in tree.files if one != path and (tree.root / one).stat().st_size == len(data))
    return [one for one in others if data and (tree.root / one).read_bytes() == data]


def data_of(submission: HandedIn, key: str) -> bytes:
    """The content of a deliverable; raises CheckFailed where none was handed in."""
    return (submission.tree.root / required(submission, key)).read_bytes()


def stored_notebook(submission: HandedIn, key: str) -> Notebook:
    """A notebook as it was handed in; raises CheckFailed where it can't be read."""
    try:
        return load_notebook(data_of(submission, key), required(submission, key))
    except Malformed as problem:
        raise CheckFailed(problem.message, hint=problem.hint) from problem


def python_files(tree: Tree) -> dict[str, str]:
    """The submission's modules, path and source; those that are too long are left empty."""
    paths = [path for path in tree.files if path.casefold().endswith(".py")][:MOST_MODULES]
    found: dict[str, str] = {}
    for path in paths:
        file = tree.root / path
        small = file.stat().st_size <= MOST_MODULE_BYTES
        found[path] = file.read_bytes().decode("utf-8-sig", errors="replace") if small else ""
    return found
