"""What a submission may have left on this machine: processes, files, shared memory, keys."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox.container import LABEL
from autograder.sandbox.leftovers import mark

# Where everybody may write, or where whoever got out would. Others use them too: only what belongs to a box's
# user, or bears an attack's mark, is the attack's.
SHARED = tuple(map(Path, ("/tmp", "/dev/shm", "/var/tmp", "/run/lock", "/dev/mqueue", "/")))  # noqa: S108
_SOON_S = 3.0  # the kernel takes a moment to bury what was killed
_IPC = ("shm", "sem", "msg")
IPC_KEY = 0x41474D


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: folders that are the tests' alone, and among them the one that boxes are made in.

    A backend that keeps a box in stock has one there at any time, and its processes: where there are two, one
    of them is left.
    """

    own: tuple[Path, ...]
    boxes: Path
    keeps_a_spare: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was there before an attack."""

    processes: frozenset[int]  # that descend from this one
    files: frozenset[str]
    shared: frozenset[str]  # everything in the shared folders, whosever it is
    boxes: frozenset[str]
    ipc: frozenset[str]
    keys: frozenset[str]


def snapshot(places: Places) -> Snapshot:
    return Snapshot(
        processes=frozenset(_descendants(os.getpid())),
        files=frozenset(_files(places.own)),
        shared=frozenset(entry.path for entry in _in_shared_folders()),
        boxes=frozenset(entry.name for entry in places.boxes.iterdir()),
        ipc=frozenset(_ipc()),
        keys=_keys(),
    )


def left_over(before: Snapshot, places: Places, users: Collection[int], word: str) -> list[str]:
    """What is there now and was not before, as far as it can be the attack's."""
    return [
        *(f"process {pid} is left: {_command(pid)!r}" for pid in _processes_left(before, places, users)),
        *(f"file {name!r} is left" for name in sorted(frozenset(_files(places.own)) - before.files)),
        *(f"box {name!r} is left" for name in _boxes_left(before, places)),
        *(f"file {name!r} is left" for name in _marked(before, users, word)),
        *(f"IPC object {line!r} is left" for line in _ipc_left(before, users)),
        *(f"key {line!r} is left" for line in sorted(_keys() - before.keys)),
    ]


def _processes_left(before: Snapshot, places: Places, users: Collection[int]) -> list[int]:
    give_up = time.monotonic() + _SOON_S
    while True:
        if places.keeps_a_spare:
            left = _of_further_boxes()
        else:
            left = {pid for pid in _pids() if _users_of(pid) & set(users)}
            left |= {pid for pid in _descendants(os.getpid()) if pid not in before.processes}
        if not left or time.monotonic() > give_up:
            return sorted(left)
        time.sleep(0.02)


def _of_further_boxes() -> set[int]:
    """What runs in PID namespaces below us or in our containers, if there are more than the one in stock."""
    inside: dict[str, set[int]] = {}
    for pid in _descendants(os.getpid()) | _in_our_containers():
        with suppress(OSError):
            inside.setdefault(os.readlink(f"/proc/{pid}/ns/pid"), set()).add(pid)  # noqa: PTH115
    inside.pop(os.readlink("/proc/self/ns/pid"), None)  # noqa: PTH115
    return set().union(*inside.values()) if len(inside) > 1 else set()


def _in_our_containers() -> set[int]:
    """The first processes of the containers that this process made."""
    if shutil.which("docker") is None:
        return set()
    ours = ["docker", "ps", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={mark()}"]
    names = subprocess.run(ours, capture_output=True, text=True, check=False, timeout=60).stdout.split()
    if not names:
        return set()
    first = ["docker", "inspect", "--format", "{{.State.Pid}}", *names]
    told = subprocess.run(first, capture_output=True, text=True, check=False, timeout=60).stdout.split()
    return set(map(int, told)) - {0}


def _boxes_left(before: Snapshot, places: Places) -> list[str]:
    """New folders where boxes are made, but for the one of the box in stock."""
    give_up = time.monotonic() + _SOON_S
    while True:
        there = {entry.name for entry in places.boxes.iterdir()}
        left = there - before.boxes
        if places.keeps_a_spare and len(_boxes(there)) <= max(1, len(_boxes(before.boxes))):
            left -= _boxes(there)  # one in stock in place of another
        if not left or time.monotonic() > give_up:
            return sorted(left)
        time.sleep(0.02)


def _boxes(names: Collection[str]) -> set[str]:
    return {name for name in names if name.startswith("autograder-box-")}


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _descendants(root: int) -> set[int]:
    """Living processes below ``root``; orphans stay below it, since the sandbox's server adopts them."""
    children: dict[int, list[int]] = {}
    dead = set()
    for pid in _pids():
        fields = _stat(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
            if fields[0] == "Z":
                dead.add(pid)
    found: set[int] = set()
    pending = [root]
    while pending:
        below = children.get(pending.pop(), [])
        found.update(below)
        pending += below
    return found - dead


def _users_of(pid: int) -> set[int]:
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return set()
    if "\nState:\tZ" in status:
        return set()
    return set(map(int, status.partition("\nUid:")[2].partition("\n")[0].split()))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")[:200]
    except OSError:
        return "(gone)"


def _files(own: Collection[Path]) -> Iterator[str]:
    """Names, kinds and sizes of everything in the tests' own folders."""
    for folder in own:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in (*folders, *files):
                path = Path(parent) / name
                found = path.lstat()
                yield f"{path} {found.st_mode:o} {found.st_size if name in files else ''}"


def _in_shared_folders() -> Iterator[os.DirEntry[str]]:
    for folder in SHARED:
        if folder.is_dir():
            yield from os.scandir(folder)


def _marked(before: Snapshot, users: Collection[int], word: str) -> list[str]:
    found = []
    for entry in _in_shared_folders():
        try:
            owner = entry.stat(follow_symlinks=False).st_uid
        except OSError:
            continue  # somebody else's, and gone
        if word in entry.name or (owner in users and entry.path not in before.shared):
            found.append(entry.path)
    return found


def sweep(word: str) -> None:
    """Remove what an attack left in shared folders, so that the next is not blamed for it."""
    for entry in _in_shared_folders():
        if word in entry.name:
            with suppress(OSError):
                Path(entry.path).unlink()


def _ipc() -> dict[str, frozenset[int]]:
    """Every SysV object, with its key and its users."""
    found = {}
    for kind in _IPC:
        path = Path(f"/proc/sysvipc/{kind}")
        head, *lines = path.read_text().splitlines() if path.exists() else [""]
        for line in lines:
            told = dict(zip(head.split(), line.split(), strict=False))
            number = next(told[name] for name in ("shmid", "semid", "msqid") if name in told)
            found[f"{kind} {number}"] = frozenset(int(told[name]) for name in ("key", "uid", "cuid"))
    return found


def _ipc_left(before: Snapshot, users: Collection[int]) -> list[str]:
    """New objects with the key that the attacks use, or of one of these users: others make some too."""
    return sorted(
        name for name, marks in _ipc().items() if name not in before.ipc and marks & {IPC_KEY, *users}
    )


def _keys() -> frozenset[str]:
    """The keys that this process can see, by number and description; a container engine makes one for each of
    its containers, called _ses and the container's name, and takes it away when it likes."""
    path = Path("/proc/keys")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return frozenset(
        f"{line.split()[0]} {' '.join(line.split()[7:])}" for line in lines if " _ses" not in line
    )
