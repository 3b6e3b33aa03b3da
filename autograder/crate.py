"""Where the clean tree is put together: every name and every byte of an upload passes here.

The crate trusts nothing that it is handed. A name becomes path components that can't leave the crate, can't
meet another name (not even on a disk that ignores case), and can be shown. Bytes are counted as they
come, over the whole upload, whatever sizes were declared. What is written is a new regular file, never
an existing one, with the mode that we choose.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.entries import refused
from autograder.leftout import reason_for
from autograder.outcome import IntakeRefused
from autograder.text import is_showable, quote

if TYPE_CHECKING:
    from autograder.assignment import IntakeLimits

FILE_MODE = 0o644
FOLDER_MODE = 0o755
MAX_NAME_BYTES = 255  # what Linux file systems take

_DRIVE = re.compile(r"[A-Za-z]:")
_MIB = 1024 * 1024
_ZIP_THE_FOLDER = "zip the homework's own folder and upload that"
_RENAME = "rename it and upload again"

Parts = tuple[str, ...]


def split_name(name: str) -> Parts:
    """The components of an upload's path, free of every way to leave the folder that it is put in.

    Windows writes backslashes where others write slashes, and macOS spells accented letters in two
    characters where programs type one.
    """
    path = name.replace("\\", "/")
    if "\0" in path:
        raise refused(f"Your upload holds the name {quote(name)}, with a NUL character in it", _RENAME)
    if path.startswith("/") or _DRIVE.match(path):
        raise refused(f"Your upload holds an absolute path, {quote(path)}", _ZIP_THE_FOLDER)
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if ".." in parts:
        raise refused(f"Your upload holds a path that leaves its folder, {quote(path)}", _ZIP_THE_FOLDER)
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


class Crate:
    """A folder that is being filled; ``digests`` maps each file's path to the SHA-256 of its content."""

    def __init__(self, root: Path, spool: Path, limits: IntakeLimits) -> None:
        self.root = root
        self.digests: dict[Parts, bytes] = {}
        self._spool = spool
        self._spooled = count()
        self._limits = limits
        self._room = int(limits.max_total_mib * _MIB)
        self._taken: dict[str, tuple[Parts, bool]] = {}  # folded path -> how it is spelt, is it a folder

    def add_folder(self, parts: Parts) -> None:
        self._claim(parts, folder=True)

    def add_file(self, parts: Parts, size: int, chunks: Iterable[bytes]) -> None:
        """Writes a new file; ``size`` is what the upload claims and only ever refuses early."""
        self._claim(parts, folder=False)
        self.digests[parts] = self._write(self.root.joinpath(*parts), size, chunks)

    def spool(self, parts: Parts, size: int, chunks: Iterable[bytes]) -> Path:
        """Puts a nested zip aside, under a name of ours, to be unpacked and removed by the caller."""
        self._claim(parts, folder=False)
        path = self._spool / f"{next(self._spooled)}.zip"
        self._write(path, size, chunks)
        return path

    def folder_for(self, parts: Parts) -> Parts:
        """A free folder for the content of the zip ``parts``: its name without .zip, numbered if need be."""
        stem = parts[-1][: -len(".zip")]
        if stem.strip(". ") == "" or reason_for(stem) is not None:
            stem = "zip"
        names = (stem if number == 1 else f"{stem} ({number})" for number in count(1))
        return next(
            path for path in ((*parts[:-1], name) for name in names) if _fold(path) not in self._taken
        )

    def _claim(self, parts: Parts, *, folder: bool) -> None:
        """Makes sure that ``parts`` may be written, and makes the folders on the way (and itself, if one)."""
        self._refuse_unfit(parts)
        for depth in range(1, len(parts) + 1):
            path, is_folder = parts[:depth], folder or depth < len(parts)
            key = _fold(path)
            if key in self._taken:
                spelt, was_folder = self._taken[key]
                if not (is_folder and was_folder and spelt == path):
                    raise _collision(spelt, path, both_files=not (is_folder or was_folder))
                continue
            if len(self._taken) >= self._limits.max_files:
                raise refused(
                    f"Your upload holds more than {self._limits.max_files:,} files and folders",
                    "upload only what the homework asks for, without data sets or installed packages",
                )
            self._taken[key] = (path, is_folder)
            if is_folder:
                made = self.root.joinpath(*path)
                made.mkdir()
                made.chmod(FOLDER_MODE)  # whatever the umask says: the sandbox's own user must read it

    def _refuse_unfit(self, parts: Parts) -> None:
        path, limits = "/".join(parts), self._limits
        if not parts:
            raise refused("Your upload holds a file without a name", _ZIP_THE_FOLDER)
        if not is_showable(path):
            raise refused(
                f"Your upload holds the name {quote(path)}, whose characters can't be shown", _RENAME
            )
        if len(path) > limits.max_path_chars or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
            raise refused(
                f"Your upload holds a name that is too long, {quote(path)}",
                f"keep paths within {limits.max_path_chars} characters and upload again",
            )
        if len(parts) > limits.max_depth:
            raise refused(
                f"Your upload holds folders in folders more than {limits.max_depth} deep, {quote(path)}",
                _ZIP_THE_FOLDER,
            )

    def _write(self, path: Path, size: int, chunks: Iterable[bytes]) -> bytes:
        if size > self._room:
            raise self._too_large()
        digest = hashlib.sha256()
        with path.open("xb") as file:  # "x": a new file, and never through a link
            os.fchmod(file.fileno(), FILE_MODE)  # as for folders, whatever the umask says
            for chunk in self._counted(chunks):
                digest.update(chunk)
                file.write(chunk)
        return digest.digest()

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._room -= len(chunk)
            if self._room < 0:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> IntakeRefused:
        return refused(
            f"Your upload unpacks to more than {self._limits.max_total_mib:g} MiB",
            "leave out data sets, checkpoints and other large files and upload again",
        )


def _fold(parts: Parts) -> str:
    """Equal for two paths that some disk would take for one: case and spelling of accents don't count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", "/".join(parts)).casefold())


def _collision(spelt: Parts, path: Parts, *, both_files: bool) -> IntakeRefused:
    one, other = quote("/".join(spelt)), quote("/".join(path))
    if one != other:
        return refused(
            f"Your upload holds {one} and {other}, which many computers take for one name", _RENAME
        )
    twice = "twice" if both_files else "both as a file and as a folder"
    return refused(f"Your upload holds {one} {twice}", _ZIP_THE_FOLDER)
