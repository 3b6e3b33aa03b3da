"""What a grading leaves for staff alone: the reading sheet, and each notebook as it was executed here.

Nothing of it goes to Gradescope's students, and `check` writes none of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from autograder.atomic import remove_file, write_file
from autograder.document import ResultsDocument
from autograder.sheet import Sheet

if TYPE_CHECKING:  # only notebooks need them, and they take 0.2 s to import
    from autograder.handed_notebook import NotebookWork
    from autograder.sheet_run import RunNotes

READING = "reading.html"
EXECUTED = "executed.ipynb"
_OURS = re.compile(r"executed(-[\w.-]+)?\.ipynb", re.ASCII)
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 60  # characters of a notebook's own name


def write_staff_files(  # noqa: PLR0913  (what, of what, to where: a record of them would have no other use)
    out: Path,
    sheet: Sheet,
    works: Sequence[NotebookWork],
    *,
    document: ResultsDocument,
    submission: str,
    python: str = "",
) -> tuple[str, ...]:
    """Write them into ``out`` and return their names: the sheet's first, if anything was put on it.

    ``python`` is the interpreter of the notebooks' own environment, or nothing where that is ours.
    """
    executed = _write_executed(out, works)
    if sheet.empty:
        return tuple(executed.values())
    from autograder import sheet_page  # noqa: PLC0415  (see above)
    from autograder.sheet_run import versions_in  # noqa: PLC0415

    runs = _runs(works, executed)
    versions = versions_in(python) if python else {}
    page = sheet_page.render(sheet, document, submission, runs, versions)
    write_file(out, READING, page.encode("utf-8"), durable=False)
    return READING, *executed.values()


def remove_staff_files(out: Path) -> None:
    """Remove what an earlier grading left in ``out``."""
    for name in (READING, *(path.name for path in out.iterdir() if _OURS.fullmatch(path.name))):
        remove_file(out, name)


def doubts_as_text(sheet: Sheet) -> str:
    """The doubts for staff who see a grading's output alone, as on Gradescope."""
    told = [f"- {doubt.text}{f' ({doubt.where})' if doubt.where else ''}" for doubt in sheet.doubts]
    return "\n".join(["For a human to decide; no points were taken for these:", *told]) if told else ""


def _runs(works: Sequence[NotebookWork], executed: Mapping[str, str]) -> list[RunNotes]:
    from autograder.sheet_run import MAX_CELLS, notes_of  # noqa: PLC0415

    most = MAX_CELLS // max(len(works), 1)
    return [notes_of(work, executed.get(work.path, ""), most_cells=most) for work in works]


def _write_executed(out: Path, works: Sequence[NotebookWork]) -> dict[str, str]:
    """Every notebook that was run, with the outputs of that run; path -> the file's name."""
    runs = {work.path: run for work in works if (run := work.made_run) is not None}
    if not runs:
        return {}
    from autograder.loaders.notebook_file import notebook_file  # noqa: PLC0415  (nbformat is slow to import)

    names = _names(list(runs))
    for path, run in runs.items():
        write_file(out, names[path], notebook_file(run.notebook), durable=False)
    return names


def _names(paths: Sequence[str]) -> dict[str, str]:
    if len(paths) == 1:
        return {paths[0]: EXECUTED}
    names: dict[str, str] = {}
    for path in paths:
        stem = _UNFIT.sub("_", PurePosixPath(path).stem)[:_MAX_NAME].strip("_.") or "notebook"
        name, count = f"executed-{stem}.ipynb", 1
        while name in names.values():
            count += 1
            name = f"executed-{stem}-{count}.ipynb"
        names[path] = name
    return names
