"""The one door through which a file that student code, or an upload, may have made is read.

Call it only when everything in the box is dead: then nothing can swap a folder for a link between two steps,
and a file that still changes while it is read says that somebody forgot. What comes through is

- reached step by step from a folder of ours, so that no step can be a link, ".." or an absolute path;
- a regular file: no link, FIFO, socket, device or folder, and none of them is ever opened;
- owned by the user whose box it was, where the caller names one;
- a file with one name only: a second hard link can lead to what that user could name but not read;
- within a size, by what the disk says before the first byte and by what is really read. A sparse file counts
  as large as it looks, because that is what reading it costs.

Whatever isn't so is told in one sentence, as the submission's doing. A disk that fails is ours: OSError.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder.loaders.problems import size
from autograder.outcome import CheckFailed
from autograder.text import quote

MAX_PATH_CHARS = 1_000
MAX_STEPS = 40  # folders in folders; intake takes fewer, and a box has no reason for more
CHUNK_BYTES = 1024 * 1024  # what copying a large file costs in memory

_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC
# O_NONBLOCK because opening a FIFO would otherwise wait for a writer that never comes.
_NO_SURPRISE = _READ_ONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What the disk answers to a name or a mode that the submission chose; anything else is the machine's.
_THEIRS = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ}


class FileMissing(CheckFailed):
    """There is no file of that name."""


class FileRefused(CheckFailed):
    """There is something of that name, and it isn't a file that may be read."""


@dataclass(frozen=True, slots=True)
class Door:
    """How files below one folder of ours may be read: at most ``max_bytes`` each, all of one user's."""

    root: Path
    max_bytes: int
    uid: int | None = None  # whose the files must be; None where anybody's will do, as in a cleaned upload

    def read(self, path: str) -> bytes:
        """The whole content of the file at ``path``, for files that memory can hold."""
        with self.open(path) as file:
            return b"".join(file.chunks())

    def copy(self, path: str, to: Path) -> int:
        """Copy a file that may be large to ``to``, a new file, in pieces; returns its size in bytes."""
        with self.open(path) as file, to.open("xb") as copied:
            try:
                for chunk in file.chunks():
                    copied.write(chunk)
            except BaseException:
                to.unlink()  # half a file must not be taken for one
                raise
            return file.size

    @contextmanager
    def open(self, path: str) -> Iterator[OpenFile]:
        """The file at ``path``, a POSIX path below the root; raises FileMissing or FileRefused."""
        steps = _steps(path)
        root = os.open(self.root, _READ_ONLY | os.O_DIRECTORY)  # ours: if it is missing, so is our folder
        with _told(path), _closing(_walk(root, steps[:-1], os.O_DIRECTORY)) as folder:
            status = os.stat(steps[-1], dir_fd=folder, follow_symlinks=False)
            self._refuse_unfit(path, status)
            descriptor = os.open(steps[-1], _NO_SURPRISE, dir_fd=folder)
        try:
            opened = os.fstat(descriptor)
            self._refuse_unfit(path, opened)
            if (opened.st_dev, opened.st_ino) != (status.st_dev, status.st_ino):
                raise _changed(path)
            yield OpenFile(path, opened.st_size, descriptor)
        finally:
            os.close(descriptor)

    def _refuse_unfit(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise _refused(f"{quote(path)} is {kind} where a file is expected", "write a plain file there")
        if self.uid is not None and status.st_uid != self.uid:
            raise _refused(f"{quote(path)} was not written by your code", "write the file yourself")
        if status.st_nlink != 1:
            names = f"{status.st_nlink} names (hard links)" if status.st_nlink else "no name any more"
            raise _refused(
                f"{quote(path)} is a file with {names}", "write a file of its own instead of a link"
            )
        if status.st_size > self.max_bytes:
            raise _refused(
                f"{quote(path)} is {size(status.st_size)} large, where {size(self.max_bytes)} are allowed",
                "write only what is asked for",
            )


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that the door let through; its bytes come in pieces, and no more of them than it was large."""

    path: str
    size: int
    descriptor: int

    def chunks(self) -> Iterator[bytes]:
        """The content from its beginning; raises FileRefused if the file shrinks or grows meanwhile."""
        position = 0
        while chunk := os.pread(self.descriptor, min(CHUNK_BYTES, self.size + 1 - position), position):
            position += len(chunk)
            if position > self.size:
                raise _changed(self.path)
            yield chunk
        if position != self.size:
            raise _changed(self.path)


def open_below(folder: Path, parts: tuple[str, ...], flags: int = 0) -> int:
    """A descriptor of ``folder``/``parts``, reached step by step so that no step can be a link.

    ``folder`` is ours, and may be named through a link.
    """
    return _walk(os.open(folder, _READ_ONLY | os.O_DIRECTORY), parts, flags)


def _walk(descriptor: int, parts: tuple[str, ...], flags: int) -> int:
    """The descriptor of what lies ``parts`` below; the one that was passed is closed, or returned."""
    for depth, name in enumerate(parts, start=1):
        wanted = flags if depth == len(parts) else os.O_DIRECTORY
        try:
            below = os.open(name, _NO_SURPRISE | wanted, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _steps(path: str) -> tuple[str, ...]:
    """The steps of a path that may have been chosen by student code."""
    steps = tuple(path.split("/"))
    # "" catches absolute paths, doubled and trailing slashes; a NUL would make the system call raise.
    if set(steps) & {"", ".", ".."} or "\0" in path:
        raise _refused(
            f"{quote(path)} is not the path of a file inside your folder", "write inside your folder"
        )
    if len(path) > MAX_PATH_CHARS or len(steps) > MAX_STEPS:
        raise _refused(f"{quote(path)} is too long a path", "use fewer folders and shorter names")
    return steps


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What the disk says about a name, told as what it means for the submission."""
    try:
        yield
    except UnicodeEncodeError:
        raise _refused(f"{quote(path)} is not a name that a file can have", "rename it") from None
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise FileMissing(
                f"There is no file {quote(path)}.",
                hint="Check that it is written, and under exactly this name.",
            ) from None
        # With O_DIRECTORY a link is ENOTDIR, without it ELOOP.
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            raise _refused(
                f"{quote(path)} leads through a link or a file where a folder is expected",
                "write it into a plain folder",
            ) from None
        if error.errno in _THEIRS:
            raise _refused(
                f"{quote(path)} can't be opened ({os.strerror(error.errno)})",
                "write it with an ordinary name and mode",
            ) from None
        raise


def _refused(problem: str, remedy: str) -> FileRefused:
    return FileRefused(f"{problem}.", hint=f"{remedy[0].upper()}{remedy[1:]}.")


def _changed(path: str) -> FileRefused:
    return _refused(
        f"{quote(path)} changed while it was being read", "finish writing before your code returns"
    )
