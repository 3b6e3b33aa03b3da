"""What an upload holds, listed in one way whether it is a zip, a folder or a single file.

An `Entry` is a claim: its name and its size are the upload's own words. Nobody acts on them before
`autograder.crate` has checked the name, and sizes count only as the bytes come.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from autograder.door import open_below
from autograder.leftout import ENVIRONMENT_MARK, ENVIRONMENT_NAMES, reason_for
from autograder.outcome import IntakeRefused

CHUNK_BYTES = 256 * 1024
MAX_ENTRIES = 50_000  # listed in one upload, with all that is then left out


class Kind(Enum):
    """What an entry says it is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "neither a file nor a folder"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an upload; ``name`` is its path as the upload spells it."""

    name: str
    kind: Kind
    size: int
    chunks: Callable[[], Iterator[bytes]]


def refused(problem: str, remedy: str) -> IntakeRefused:
    """The one sentence with which an upload is refused: what is wrong, and what to do."""
    return IntakeRefused(f"{problem}; {remedy}.")


def too_many_entries() -> IntakeRefused:
    return refused(
        f"Your upload lists more than {MAX_ENTRIES:,} files and folders",
        "upload only the files that the homework asks for, without data sets or installed packages",
    )


def file_entry(path: Path) -> Entry:
    """A single file, for an upload that is nothing more."""
    return Entry(path.name, Kind.FILE, path.stat().st_size, lambda: _read(os.open(path, _READ_ONLY)))


def folder_entries(folder: Path, max_depth: int) -> list[Entry]:
    """Everything below ``folder``, by name, without opening a file.

    Links are never followed, below or on the way. What is left out by its name is listed, not entered; a
    folder that lies too deep is listed, so that it can be refused, and not entered either.
    """
    entries: list[Entry] = []
    pending: list[tuple[str, ...]] = [()]
    while pending:
        parts = pending.pop()
        inside = _scan(folder, parts)
        entries.extend(inside)
        if len(entries) > MAX_ENTRIES:
            raise too_many_entries()
        if len(parts) < max_depth:
            below = (tuple(entry.name.split("/")) for entry in inside if entry.kind is Kind.FOLDER)
            pending.extend(path for path in below if reason_for(path[-1]) is None)
    entries.sort(key=lambda entry: entry.name)
    return entries


_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}


def _scan(folder: Path, parts: tuple[str, ...]) -> list[Entry]:
    """The entries of one folder; of a virtual environment no more than the file that shows what it is."""
    descriptor = open_below(folder, parts, os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as found:
            stats = {entry.name: entry.stat(follow_symlinks=False) for entry in found}
    finally:
        os.close(descriptor)
    if ENVIRONMENT_MARK in stats and parts and parts[-1].casefold() in ENVIRONMENT_NAMES:
        stats = {ENVIRONMENT_MARK: stats[ENVIRONMENT_MARK]}
    return [_entry(folder, (*parts, name), status) for name, status in stats.items()]


def _entry(folder: Path, parts: tuple[str, ...], status: os.stat_result) -> Entry:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), Kind.OTHER)
    # A file with several hard links is copied like any other: a hard link holds no path, so it can't
    # lead out of the upload, and its content could be read by whoever made it.
    return Entry("/".join(parts), kind, status.st_size, lambda: _read(open_below(folder, parts)))


def _read(descriptor: int) -> Iterator[bytes]:
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "changed while it was being read")
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
