"""What one box of student code may do: its folders, its limits, its modules."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

MIB = 2**20
# Address space that an interpreter with numpy maps but never touches (measured: 300 MiB with OpenBLAS on
# one thread), and glibc's arenas. RLIMIT_AS is a backstop; what counts is the watchdog's resident memory.
ADDRESS_SPACE_SLACK_MIB = 1024
OPEN_FILES = 256  # descriptors of one process; a DataLoader with workers uses about 60
PROGRAM_FOLDERS = ("/usr/bin", "/bin")
LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib")
DEVICES_READ = ("/dev/urandom", "/dev/random")  # not zero: shared memory that nothing counts
DEVICES_WRITE = ("/dev/null",)
OUR_PACKAGES = frozenset(("autograder", "graders", "reference", "fixtures"))  # should they be installed
LOADER_CACHE = "/etc/ld.so.cache"
LIBRARY_NAMES, PACKAGE_NAMES = ("stdlib", "platstdlib"), ("purelib", "platlib")  # as sysconfig calls them


@dataclass(frozen=True, slots=True)
class BoxLimits:
    """The limits of one box, in the units that their names say."""

    wall_s: float = 20.0
    memory_mib: int = 512
    processes: int = 16
    disk_mib: int = 32
    files: int = 200
    output_kib: int = 64
    message_mib: int = 16
    notebook_wall_s: float = 0.0  # for a notebook's cells together, where there is one
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python: its path, what it says of itself, and the folders of its library and of its packages."""

    executable: str
    version: str
    prefix: str
    library: tuple[str, ...]
    packages: tuple[str, ...]

    @classmethod
    def running(cls) -> Interpreter:
        """The one that runs this."""
        library, packages = (
            tuple(sysconfig.get_path(name) for name in names) for names in (LIBRARY_NAMES, PACKAGE_NAMES)
        )
        return cls(sys.executable, sys.version, sys.prefix, library, packages)


@dataclass(frozen=True, slots=True)
class Box:
    """One confinement: where student code lives and what it may reach.

    ``home`` belongs to the box's user and is all that it may write; ``readable`` and ``data``, the course's
    data folders, are all else that it may read, ``listable`` the folders whose names alone it may read.
    ``uid`` is the user to drop to, None where there is none: either the box is ``enclosed`` by namespaces
    already and gives up all else, or nothing is given up at all. ``counts_processes`` says whether the
    kernel's limit on processes counts this box alone.
    """

    home: str
    limits: BoxLimits
    readable: tuple[str, ...]
    listable: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    unavailable_reason: str = ""
    uid: int | None = None
    reaper_uid: int | None = None
    enclosed: bool = False
    counts_processes: bool = False
    data: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "limits": asdict(self.limits)
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Box:
        known = {field.name: data[field.name] for field in fields(cls)}
        known["limits"] = BoxLimits(**data["limits"])
        for name in ("readable", "listable", "unavailable", "data"):
            known[name] = tuple(known[name])
        return cls(**known)


def readable_paths(unavailable: tuple[str, ...], python: Interpreter | None = None) -> tuple[str, ...]:
    """The interpreter (None: ours), its libraries and its packages, without the ``unavailable`` ones.

    A package that a homework forbids is left out here, so that no trick with the import system inside the
    sandbox brings it back: the kernel won't open its files.
    """
    python = python or Interpreter.running()
    executable = Path(python.executable)
    forbidden = OUR_PACKAGES | {name.lower() for name in unavailable}
    paths = [*DEVICES_READ, LOADER_CACHE, *PROGRAM_FOLDERS, str(executable.parent)]
    paths += [str(executable.resolve().parent), str(Path(python.prefix) / "pyvenv.cfg")]
    for folder in LIBRARY_FOLDERS:
        paths += _without(Path(folder), _is_other_python)
    for name in python.library:
        paths += _without(Path(name), _is_package_folder)
    for name in python.packages:
        paths += _packages(Path(name), forbidden)
    return tuple(dict.fromkeys(os.path.realpath(path) for path in paths))


def listable_paths(python: Interpreter | None = None) -> tuple[str, ...]:
    """The folders that packages lie in. Python lists one before it opens a file in it, so without this no
    package could be imported where another one is left out."""
    python = python or Interpreter.running()
    return tuple(dict.fromkeys(os.path.realpath(path) for path in (*python.library, *python.packages)))


@dataclass(frozen=True, slots=True)
class Mounts:
    """What a mount namespace shows: whole folders and files, and what is hidden of them again."""

    shown: tuple[str, ...]
    covered: tuple[str, ...]


def mounts(unavailable: tuple[str, ...], python: Interpreter | None = None) -> Mounts:
    """`readable_paths` for a mount namespace, in which hiding little is quicker than showing all else.

    (Measured: bubblewrap takes 100 ms for the 215 paths of one assignment, since it reads its list of mounts
    again for each, and 10 ms for these.)
    """
    kept = frozenset(readable_paths(unavailable, python))
    folders = [*LIBRARY_FOLDERS, *listable_paths(python)]
    roots = [root for root in dict.fromkeys(map(os.path.realpath, folders)) if Path(root).is_dir()]
    roots = [root for root in roots if not any(root.startswith(f"{other}/") for other in roots)]
    covered = [path for root in roots if root not in kept for path in _left_out(root, kept)]
    alone = [path for path in kept if not any(path.startswith(f"{root}/") for root in roots)]
    return Mounts(tuple(sorted({*roots, *alone})), tuple(covered))


def _left_out(folder: str, kept: Collection[str]) -> list[str]:
    """What lies below ``folder`` and isn't ``kept``. Links are passed over: what they lead to counts."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.path in kept or entry.is_symlink():
            continue
        if any(path.startswith(f"{entry.path}/") for path in kept):
            found += _left_out(entry.path, kept)
        else:
            found.append(entry.path)
    return found


def _is_other_python(entry: str) -> bool:
    """Another interpreter's library, whose packages are none of ours (Debian's /usr/lib/python3)."""
    return entry.startswith("python") and entry[6:].replace(".", "").isdigit()


def _is_package_folder(entry: str) -> bool:
    return entry in ("site-packages", "dist-packages")


def _distribution(entry: str) -> str:
    """The package that an entry of site-packages belongs to: scipy for scipy.libs and scipy-1.2.dist-info."""
    return entry.lower().replace("-", ".").partition(".")[0]


def _packages(folder: Path, left_out: Collection[str]) -> list[str]:
    """The folder, or what it holds but the modules that are left out, for which "a.b" says b within a."""
    if not folder.is_dir():
        return []
    kept, whole = [], True
    for entry in sorted(folder.iterdir()):
        name = _distribution(entry.name)
        below = {other.partition(".")[2] for other in left_out if other.startswith(f"{name}.")}
        if name in left_out:
            whole = False
        elif below and entry.is_dir():
            inside = _packages(entry, below)
            kept += inside
            whole = whole and inside == [str(entry)]
        else:
            kept.append(str(entry))
    return [str(folder)] if whole else kept


def _without(folder: Path, left_out: Callable[[str], bool]) -> list[str]:
    """The folder, or its entries one by one where some of them are left out: rules can only add."""
    if not folder.is_dir():
        return []
    entries = sorted(entry.name for entry in folder.iterdir())
    kept = [name for name in entries if not left_out(name)]
    if len(kept) == len(entries):
        return [str(folder)]
    return [str(folder / name) for name in kept]
