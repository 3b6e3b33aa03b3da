"""The narrow interface of a sandbox: start a box, watch it, kill it, throw it away.

A backend knows nothing of assignments, and whoever uses it knows nothing of users, namespaces or containers.
Every backend passes the same conformance suite (tests/sandbox/test_conformance.py).
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autograder.outcome import EnvironmentFault
from autograder.sandbox.channel import Channel
from autograder.sandbox.policy import MIB, BoxLimits
from autograder.sandbox.processes import Usage

_ENGINE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class BoxSpec:
    """What a grading asks for; the backend turns it into a `Box` of its own.

    ``python`` is the interpreter of the assignment's own environment (autograder.environments), "" for ours.
    ``data`` are folders that the box may read and never write, at the same path as outside.
    """

    limits: BoxLimits
    preload: tuple[str, ...] = ("numpy",)
    unavailable: tuple[str, ...] = ()
    unavailable_reason: str = ""
    python: str = ""
    data: tuple[str, ...] = ()


class Jail(Protocol):
    """One running box. ``control`` speaks to its first process, ``output_fd`` is what it prints.

    ``idle_processes`` is how many processes it has while it runs no test: its holder, and the init of a PID
    namespace where there is one.
    """

    control: Channel
    output_fd: int
    home: Path
    idle_processes: int

    def usage(self) -> Usage: ...

    def exact_memory_mib(self) -> float: ...

    def deleted_bytes(self) -> int:
        """Disk space of files that its processes deleted and still hold open."""

    def orphaned(self) -> bool:
        """Whether what the box runs on has died, and the box with it, through no doing of its code's."""

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel ended one of its processes for the memory that the box took."""

    def kill(self) -> None:
        """Kill everything in the box; returns when nothing is left. May be called twice, from any thread."""

    def close(self) -> None:
        """`kill`, then remove the box's files and give its users back."""


class Backend(Protocol):
    """A way to run student code. ``isolates`` is False only for the one that protects nothing."""

    name: str
    isolates: bool
    spec: BoxSpec

    def launch(self, tree: Path) -> Jail:
        """A box with a copy of ``tree`` in its home, confined and ready; raises SandboxFault."""

    def close(self) -> None: ...


def data_folders(spec: BoxSpec) -> tuple[str, ...]:
    """The real paths of a box's data folders; raises EnvironmentFault for one that can't be shown to it.

    Whether the files in them can be read is for the preflight to find out.
    """
    folders = tuple(dict.fromkeys(os.path.realpath(folder) for folder in spec.data))
    for folder in folders:
        if not Path(folder).is_dir() or not os.access(folder, os.R_OK | os.X_OK):
            raise EnvironmentFault(
                f"The data folder {folder!r} is missing, or can't be read.",
                remedy="Name a folder that is there, or run `./run_autograder data`.",
            )
        for ours in (_ENGINE, tempfile.gettempdir()):
            if Path(os.path.realpath(ours)).is_relative_to(folder):
                raise EnvironmentFault(
                    f"The data folder {folder!r} holds {str(ours)!r}, which no submission may read.",
                    remedy="Put the data into a folder of its own.",
                )
        if os.geteuid() == 0 and (closed := _closed_to_others(Path(folder))):
            raise EnvironmentFault(
                f"The data folder {folder!r} can't be read by the sandbox's user: {str(closed)!r} is closed "
                "to others.",
                remedy=f"Open it (`chmod o+rx {shlex.quote(str(closed))}`), or put the data elsewhere.",
            )
    return folders


def _closed_to_others(folder: Path) -> Path | None:
    """The folder, or the outermost above it, that a user without any rights of their own can't enter."""
    for place in (*reversed(folder.parents), folder):
        needed = stat.S_IXOTH | (stat.S_IROTH if place == folder else 0)
        if place.stat().st_mode & needed != needed:
            return place
    return None


def require_room(folder: Path, limits: BoxLimits) -> None:
    """Raise EnvironmentFault where the disk has less room than a submission may use: it would fail for it."""
    disk = os.statvfs(folder)
    free_mib = disk.f_bavail * disk.f_frsize // MIB
    if free_mib < limits.disk_mib:
        raise EnvironmentFault(
            f"The disk of {str(folder)!r} has {free_mib} MiB left, where a submission may use "
            f"{limits.disk_mib}.",
            remedy="Make room there, or set TMPDIR to a folder on a larger disk; then grade again.",
        )
    if disk.f_files and disk.f_favail < limits.files:  # some file systems don't count them
        raise EnvironmentFault(
            f"The disk of {str(folder)!r} has room for {disk.f_favail} files, and a submission may make "
            f"{limits.files}.",
            remedy="Remove files there, or set TMPDIR to a folder on another disk; then grade again.",
        )


def make_home(folder: Path, owner: int | None) -> Path:
    """A box's empty home below ``folder``, which belongs to ``owner`` (a uid, None: us)."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    if owner is not None:
        os.chown(home, owner, owner)
    return home


def fill_home(home: Path, tree: Path, owner: int | None, unavailable: Collection[str] = ()) -> None:
    """Put a copy of ``tree`` into a box's home, where it belongs to the box's user.

    A module that a homework forbids in any folder (".fast_layers") is left out: the hook that closes it to
    imports is the box's to take away, and a file that is there can be copied to another name.
    """
    forbidden = {name[1:] for name in unavailable if name.startswith(".")}
    copied = home / "tree"
    shutil.copytree(
        tree, copied, ignore=lambda _, names: [name for name in names if name.partition(".")[0] in forbidden]
    )
    if owner is not None:
        for parent, _, files in os.walk(copied):
            for path in (parent, *(os.path.join(parent, name) for name in files)):  # noqa: PTH118
                os.chown(path, owner, owner, follow_symlinks=False)


def remove_folder(folder: Path) -> None:
    """Remove a folder that student code wrote in: rm goes down a chain of any depth and follows no link.

    Where we are not root, and the folders in it are of our own user, student code may have closed them to us.
    """
    _run("rm", "-rf", "--", str(folder))
    if folder.is_dir():
        _run("chmod", "-R", "u+rwx", "--", str(folder))
        _run("rm", "-rf", "--", str(folder))


def _run(*command: str) -> None:
    # Spawned, because subprocess needs pipes, and descriptors may be what has run out.
    quiet = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=quiet)
    os.waitpid(pid, 0)
