"""Files that are whole or not there, in a folder that may hold anything.

An output folder can hold what an earlier run or a submission left: a link where our file should go, a folder
under its name. So nothing is opened by its final name: a new file is made under a name that nobody could
have prepared, written, flushed to the disk and put in place in one step, relative to the open folder. A link
is replaced and never followed; a folder in the way is moved aside, since it may be somebody's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_file(folder: Path, name: str, data: bytes, *, durable: bool = True) -> None:
    """Make ``folder/name`` hold ``data``: whenever we are killed, it is the old file or the new one.

    ``durable`` waits until it would survive a power cut as well, some 10 ms on a slow disk.
    """
    temporary = f"{_prefix(name)}{secrets.token_hex(8)}.tmp"
    with _opened(folder) as fd:
        try:
            _write_new(fd, temporary, data, durable=durable)
            _set_aside_folder(fd, name)
            os.replace(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=fd)
            raise
        if durable:
            os.fsync(fd)


def rename_file(folder: Path, old: str, new: str) -> None:
    """Give ``folder/old`` the name ``new``, in one step and in place of whatever had it."""
    with _opened(folder) as fd:
        _set_aside_folder(fd, new)
        os.replace(old, new, src_dir_fd=fd, dst_dir_fd=fd)
        os.fsync(fd)


def remove_file(folder: Path, name: str) -> None:
    """Remove ``folder/name`` and what a killed ``write_file`` of it left; it need not be there."""
    with _opened(folder) as fd:
        _set_aside_folder(fd, name)
        for each in (name, *_left_over(folder, name)):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(each, dir_fd=fd)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _left_over(folder: Path, name: str) -> list[str]:
    return [
        path.name
        for path in folder.iterdir()
        if path.name.startswith(_prefix(name)) and path.suffix == ".tmp"
    ]


def _prefix(name: str) -> str:
    return f".{name}."


def _write_new(folder_fd: int, name: str, data: bytes, *, durable: bool) -> None:
    with os.fdopen(os.open(name, _NEW_FILE, 0o644, dir_fd=folder_fd), "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _set_aside_folder(folder_fd: int, name: str) -> None:
    try:
        mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        aside = f"{name}.moved-aside-{secrets.token_hex(4)}"
        os.rename(name, aside, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
