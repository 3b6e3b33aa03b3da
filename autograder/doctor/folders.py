"""The folders that a grading writes to, or that people expect it to."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

from autograder.doctor.finding import Finding
from autograder.doctor.needs import Needs

MIB = 2**20
SMALL_SHM_MIB = 64  # what a container gets that asked for nothing


def shared_memory(folder: Path = Path("/dev/shm")) -> Finding:  # noqa: S108  (asked about, not used)
    """Not for boxes, which don't see it, but for training outside of one."""
    name = "/dev/shm"  # noqa: S108
    if sys.platform != "linux":
        return Finding.ok(name, "no such thing on this system, and nothing here needs it")
    workers = "a DataLoader with workers hands its batches through it"
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return Finding.warning(
            name,
            f"missing ({error.strerror}): {workers}, and fails",
            "Set num_workers=0, or run `mount -t tmpfs tmpfs /dev/shm`. No submission in a sandbox sees it.",
        )
    size = found.f_blocks * found.f_frsize / MIB
    if size <= SMALL_SHM_MIB:
        return Finding.warning(
            name,
            f"{size:.0f} MiB: {workers}, and dies of a bus error when it is full",
            "Set num_workers=0, or start the container with `--shm-size 1g`. No submission in a sandbox "
            "sees it.",
        )
    return Finding.ok(name, f"{size:.0f} MiB")


def temporary(needs: Needs, folder: Path | None = None) -> Finding:
    """Where boxes are made: can we write there, is there room, does the sandbox's user get through?"""
    name = "temporary folder"
    try:
        folder = folder or Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
        space = os.statvfs(folder)
    except OSError as error:
        return Finding.failed(
            name,
            f"nothing can be written to {str(folder or '/tmp')!r}: {error.strerror}",  # noqa: S108
            "Free or open it, or name another: `export TMPDIR=/var/tmp`.",
        )
    closed = _first_without_passage(folder) if os.geteuid() == 0 else None
    if closed is not None:
        return Finding.failed(
            name,
            f"the sandbox's user can't pass through {str(closed)!r} to {str(folder)!r}",
            f"Run `chmod o+x {str(closed)!r}`, or name another: `export TMPDIR=/var/tmp`.",
        )
    free = space.f_bavail * space.f_frsize / MIB
    found = f"{free:.0f} MiB free in {str(folder)!r}"
    wanted = {each.name: each.intake.max_total_mib + each.limits.disk_mib for each in needs.assignments}
    most = max(wanted.values(), default=0)
    inodes = space.f_favail if space.f_files else None
    most_files = max((each.intake.max_files + each.limits.files for each in needs.assignments), default=0)
    if free < most or (inodes is not None and inodes < most_files):
        found += f" and room for {inodes} files" if inodes is not None else ""
        return Finding.warning(
            name,
            f"{found}; a large submission takes {most} MiB and {most_files} files",
            "Clear it, or name another: `export TMPDIR=/var/tmp`.",
        )
    if space.f_flag & getattr(os, "ST_NOEXEC", 0):
        return Finding.warning(
            name,
            f"{found}, mounted noexec: a submission can't use what it compiled",
            f"Run `mount -o remount,exec {str(folder)!r}`, or name another: `export TMPDIR=/var/tmp`.",
        )
    return Finding.ok(name, found)


def _first_without_passage(folder: Path) -> Path | None:
    for place in (*reversed(folder.resolve().parents), folder.resolve()):
        if not place.stat().st_mode & stat.S_IXOTH:
            return place
    return None
