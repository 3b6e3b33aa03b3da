"""Zips for the other two homes: Gradescope's, with everything, and the students', with nothing hidden.

The public bundle is made from lists of what may go in, never by taking things out: a file that nobody
thought of stays at home. It judges by case packs that hold the right answers of the public cases, so it needs
no reference; and its manifest comes without the secret seed.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from autograder.assignment import MANIFEST, Assignment
from autograder.challenge.prepared import FILE, FOLDER
from autograder.environments import REQUIREMENTS
from autograder.handed_in import public_seed
from autograder.outcome import GraderFault

ENGINE = ("autograder", "scripts", "requirements")  # folders
STARTERS = ("run_autograder", "pyproject.toml", "README.md")
GRADESCOPE_ONLY = ("setup.sh",)
REFERENCE = "reference"
DATA = "data"  # the course's own, for Gradescope alone; see data.py
MAKE_PUBLIC = "make_public.py"  # of a grader: writes the public cases; it never leaves home
PUBLIC_FOLDER = "public"
SECRET_SEED = re.compile(r"""^[ \t]*(["']?)seed\1[ \t]*=.*$""", re.MULTILINE)
_FIRST_TABLE = re.compile(r"^([ \t]*\[)", re.MULTILINE)
PUBLIC_SEED = "seed = 0 # students' copy"
_LEFT_AT_HOME = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")
_EXECUTABLE = {"run_autograder", "setup.sh"}
_SMALL_NUMBER = 9999  # a seed up to this may stand in a manifest for other reasons
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold: the same bundle always has the same bytes


def gradescope_bundle(assignment: Assignment, home: Path, target: Path) -> Path:
    """Write the zip that is uploaded to Gradescope: the engine, this one grader, and the reference."""
    with _zip(target) as archive:
        for name in (*STARTERS, *GRADESCOPE_ONLY):
            _add(archive, home / name, name)
        for folder in (*ENGINE, REFERENCE):
            _add_folder(archive, home / folder, folder)
        _add_folder(archive, assignment.folder, f"graders/{assignment.name}", _goes_to_gradescope)
        _add_folder(archive, home / DATA, DATA)
    return target


def public_bundle(assignment: Assignment, home: Path, target: Path) -> Path:
    """Write the zip that students get: the engine, the public tests, and their cases with answers."""
    if not assignment.public_tests:
        raise GraderFault(
            f"The assignment {assignment.name!r} declares no public tests.",
            remedy="List the files that students may have under public_tests in its manifest.",
        )
    grader = f"graders/{assignment.name}"
    with _zip(target) as archive, tempfile.TemporaryDirectory() as scratch:
        for name in STARTERS:
            _add(archive, home / name, name)
        for folder in ENGINE:
            _add_folder(archive, home / folder, folder)
        _write(archive, f"{grader}/{MANIFEST}", _without_seed(assignment).encode())
        for name in (*assignment.public_tests, *_requirements(assignment), *_image_ids(assignment)):
            _add(archive, assignment.folder / name, f"{grader}/{name}")
        packs = Path(scratch) / PUBLIC_FOLDER
        packs.mkdir()
        _make_public(assignment, packs)
        _add_folder(archive, packs, f"{grader}/{PUBLIC_FOLDER}")
    return target


def _requirements(assignment: Assignment) -> list[str]:
    """The packages that students need too, if the assignment names them."""
    return [REQUIREMENTS] if (assignment.folder / REQUIREMENTS).exists() else []


def _image_ids(assignment: Assignment) -> list[str]:
    """The list of the challenge's images, which a file of predictions is held against."""
    return [assignment.challenge.ids] if assignment.challenge is not None and assignment.challenge.ids else []


def _goes_to_gradescope(path: PurePosixPath) -> bool:
    """Of a challenge the answers alone: the standings hold people's names."""
    return path.parts[0] != FOLDER or path.parts == (FOLDER, FILE)


def _without_seed(assignment: Assignment) -> str:
    """The manifest's text without the secret seed; raises GraderFault rather than let it out."""
    text = (assignment.folder / MANIFEST).read_text(encoding="utf-8")
    head, table, rest = _FIRST_TABLE.split(text, maxsplit=1) if _FIRST_TABLE.search(text) else (text, "", "")
    public, found = SECRET_SEED.subn(PUBLIC_SEED, head)
    public += table + rest  # where a seed is another one: [notebook]'s, which no secret follows from
    told = re.search(rf"\b{assignment.seed}\b", public) if assignment.seed > _SMALL_NUMBER else None
    if found != 1 or told is not None:
        raise GraderFault(
            f"The secret seed can't be kept out of the students' {MANIFEST}.",
            remedy="Let the manifest name it once, on a line of its own: seed = NUMBER.",
        )
    return public


def _make_public(assignment: Assignment, folder: Path) -> None:
    """Let the grader write its public cases, if it has any to write."""
    script = assignment.folder / MAKE_PUBLIC
    if not script.exists():
        return
    spec = importlib.util.spec_from_file_location(f"graders_{assignment.name}_make_public", script)
    if spec is None or spec.loader is None:
        raise GraderFault(f"{str(script)!r} can't be imported.", remedy="Make it a Python module.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make_public(folder, public_seed(assignment))


@contextmanager
def _zip(target: Path) -> Iterator[zipfile.ZipFile]:
    """A zip that is whole or not there: nobody shall upload half of one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _add_folder(
    archive: zipfile.ZipFile,
    folder: Path,
    name: str,
    belongs: Callable[[PurePosixPath], bool] = lambda _path: True,
) -> None:
    for path in _files(folder):
        inside = path.relative_to(folder).as_posix()
        if belongs(PurePosixPath(inside)):
            _add(archive, path, f"{name}/{inside}")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not set(path.parts) & set(_LEFT_AT_HOME):
            yield path


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    executable = path.name in _EXECUTABLE or (path.parent.name == "scripts" and path.suffix == "")
    try:
        _write(archive, name, path.read_bytes(), executable=executable)
    except OSError as error:
        raise GraderFault(
            f"{str(path)!r} belongs in the bundle, but can't be read: {error.strerror}.",
            remedy="Check the manifest's public_tests, and that this is a complete checkout.",
        ) from error


def _write(archive: zipfile.ZipFile, name: str, data: bytes, *, executable: bool = False) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)
