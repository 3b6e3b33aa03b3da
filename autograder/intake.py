"""An upload becomes a clean tree, or is refused with one sentence.

Theory of operation. An upload is a zip, a folder (Gradescope unpacks zips itself, links and all) or a
single file. Whichever it is, it is *listed* first (`autograder.entries`, `autograder.archive`), *judged*
name by name (here, and `autograder.leftout`), and *copied* into a crate (`autograder.crate`) that counts
every byte. Zips inside are put aside and unpacked last, when it is known which folder names are free.
Nothing is written but below ``scratch``, nothing is executed, no link is followed, and sizes that the
upload declares are never believed. In the end the real root is found below wrapper folders, so that
graders see the same tree however it was packed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.archive import archive_kind, open_zip
from autograder.crate import FOLDER_MODE, Crate, Parts, split_name
from autograder.entries import (
    MAX_ENTRIES,
    Entry,
    Kind,
    file_entry,
    folder_entries,
    refused,
    too_many_entries,
)
from autograder.leftout import LeftOut, environments_among, find_left_out, report, sum_up
from autograder.outcome import EnvironmentFault, UsageError
from autograder.text import one_line, quote

if TYPE_CHECKING:
    from autograder.assignment import IntakeLimits

__all__ = ["LeftOut", "Tree", "take_in"]

TREE_FOLDER = "submission"  # below scratch; tracebacks show it to students
SPOOL_FOLDER = "nested"
MAX_UNPACKED_NOTES = 10
MAX_LEFT_OUT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Tree:
    """A submission that is safe to read: regular files of ours, below ``root``.

    ``files`` are posix paths relative to ``root``, sorted. ``notes`` are sentences for the student, with
    what was left out among them. ``digest`` depends on paths and contents only, not on the packing.
    """

    root: Path
    files: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    digest: str


def take_in(source: Path, scratch: Path, limits: IntakeLimits, keep: Collection[str] = ()) -> Tree:
    """Copies the upload at ``source`` into ``scratch``, an empty folder that the caller made and removes.

    ``keep`` names folders that are never taken for a wrapper, although nothing lies beside them: the ones
    that the homework's own layout has (`autograder.checks.deliverables.folders_of` lists them).

    Raises IntakeRefused for what the student can mend, UsageError when ``source`` isn't there, and
    EnvironmentFault when the disk is full or fails.
    """
    if not (source.is_dir() or source.is_file()):
        raise UsageError(f"There is no submission at {str(source)!r}: give a zip, a folder or a file.")
    if source.is_dir() and scratch.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"{str(source)!r} holds the grader's working folder too: give the homework's own folder."
        )
    try:
        intake = _Intake(scratch, limits)
        intake.take_source(source)
        return intake.tree(keep)
    except OSError as exc:
        raise EnvironmentFault(
            f"The submission could not be copied into {str(scratch)!r}: {exc}",
            remedy="Check the free space there, and that the submission can be read; then run it again.",
        ) from exc


class _Intake:
    def __init__(self, scratch: Path, limits: IntakeLimits) -> None:
        root, self._spool = scratch / TREE_FOLDER, scratch / SPOOL_FOLDER
        for folder in (root, self._spool):
            folder.mkdir()
        root.chmod(FOLDER_MODE)
        self._limits = limits
        self._crate = Crate(root, self._spool, limits)
        self._left_out: set[LeftOut] = set()
        self._unpacked: list[str] = []
        self._listed = 0

    def take_source(self, source: Path) -> None:
        if source.is_dir():
            self._take(folder_entries(source, self._limits.max_depth), (), 0)
        elif source.suffix.lower() == ".zip":
            with open_zip(source, source.name) as entries:
                self._take(entries, (), 0)
        else:
            with source.open("rb") as file:
                other = archive_kind(file.read(512))
            if other is not None:
                raise refused(f"{quote(source.name)} is {other}", "export it as .zip and upload that")
            self._take([file_entry(source)], (), 0)
        self._spool.rmdir()

    def tree(self, keep: Collection[str]) -> Tree:
        left_out = sum_up(self._left_out)
        digests = self._crate.digests
        if not digests:
            such = f" but files that don't count, such as {quote(left_out[0].path)}" if left_out else ""
            raise refused(
                f"Your upload holds nothing{such}", "check that you picked the right file or folder"
            )
        wrapper = _wrapper(digests, {name.casefold() for name in keep})
        files = {"/".join(parts[len(wrapper) :]): digest for parts, digest in digests.items()}
        within = f"Your files were taken from the folder {quote('/'.join(wrapper))}." if wrapper else ""
        return Tree(
            root=self._crate.root.joinpath(*wrapper),
            files=tuple(sorted(files)),
            left_out=left_out,
            notes=tuple(note for note in (*self._unpacked_notes(), within, report(left_out)) if note),
            digest=_digest(files),
        )

    def _take(self, entries: Sequence[Entry], prefix: Parts, level: int) -> None:
        """Puts what one zip or folder holds below ``prefix``; ``level`` counts the zips around it."""
        self._listed += len(entries)
        if self._listed > MAX_ENTRIES:
            raise too_many_entries()
        paths = [(*prefix, *split_name(entry.name)) for entry in entries]
        environments = environments_among(paths)
        nested: list[tuple[Parts, Path]] = []
        for parts, entry in zip(paths, entries, strict=True):
            out = find_left_out(parts, environments)
            if out is not None:
                self._leave_out(parts, *out, is_folder=entry.kind is Kind.FOLDER)
            elif entry.kind is Kind.FOLDER:
                if parts != prefix:  # an archive may list its own root
                    self._crate.add_folder(parts)
            elif entry.kind is not Kind.FILE:
                _refuse_special(entry, parts)
            elif parts and parts[-1].lower().endswith(".zip"):
                self._refuse_too_nested(parts, level)
                nested.append((parts, self._crate.spool(parts, entry.size, entry.chunks())))
            else:
                self._crate.add_file(parts, entry.size, entry.chunks())
        for parts, spooled in nested:
            self._unpack(parts, spooled, level + 1)

    def _leave_out(self, parts: Parts, depth: int, reason: str, *, is_folder: bool) -> None:
        path = one_line("/".join(parts[:depth]), MAX_LEFT_OUT_CHARS)
        self._left_out.add(LeftOut(f"{path}/" if is_folder or depth < len(parts) else path, reason))

    def _unpack(self, parts: Parts, path: Path, level: int) -> None:
        folder = self._crate.folder_for(parts)
        self._crate.add_folder(folder)
        name = "/".join(parts)
        with open_zip(path, name) as entries:
            self._take(entries, folder, level)
        path.unlink()
        self._unpacked.append(f"{quote(name)} was unpacked into the folder {quote('/'.join(folder))}.")

    def _unpacked_notes(self) -> list[str]:
        more = len(self._unpacked) - MAX_UNPACKED_NOTES
        tail = [f"So were {more} more zips."] if more > 0 else []
        return self._unpacked[:MAX_UNPACKED_NOTES] + tail

    def _refuse_too_nested(self, parts: Parts, level: int) -> None:
        if level >= self._limits.max_nested:
            raise refused(
                f"Your upload holds zips inside zips more than {self._limits.max_nested} deep, "
                f"{quote('/'.join(parts))}",
                "unpack the inner ones and zip the folder once",
            )


def _refuse_special(entry: Entry, parts: Parts) -> None:
    name = quote("/".join(parts))
    if entry.kind is Kind.LINK:
        raise refused(
            f"Your upload holds a link, {name}", "put the file itself in its place and upload again"
        )
    raise refused(f"Your upload holds {name}, which is {entry.kind.value}", "remove it and upload again")


def _wrapper(files: Collection[Parts], keep: Collection[str]) -> Parts:
    """The folders around everything: each is all that its folder holds. Empty folders don't count."""
    first, last = min(files), max(files)
    wrapper: list[str] = []
    # The smallest and the largest path share exactly what all of them share.
    for one, other in zip(first[:-1], last[:-1], strict=False):
        if one != other or one.casefold() in keep:
            break
        wrapper.append(one)
    return tuple(wrapper)


def _digest(files: dict[str, bytes]) -> str:
    """SHA-256 over the sorted paths, each with the SHA-256 of its content."""
    whole = hashlib.sha256()
    for path in sorted(files):
        # A path holds no NUL and a digest has one length, so no two trees spell the same bytes.
        whole.update(path.encode() + b"\0" + files[path])
    return whole.hexdigest()
