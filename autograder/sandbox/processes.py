"""What the processes of one box use, read from /proc by the trusted side."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_KIB_IN_MIB = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """All processes of a box together; memory is resident and shared memory, in MiB, and tasks are threads,
    which is what the kernel counts where it limits processes."""

    processes: int = 0
    memory_mib: float = 0.0
    tasks: int = 0


def _pids() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 (ten times a second)
    except FileNotFoundError:
        return []  # macOS


def _status(pid: str) -> bytes:
    try:
        fd = os.open(f"/proc/{pid}/status", os.O_RDONLY)
    except OSError:
        return b""  # it ended meanwhile
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _field(status: bytes, name: bytes) -> bytes:
    start = status.find(b"\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 2
    return status[start : status.index(b"\n", start)]


def _living(belongs: Callable[[str, bytes], bool]) -> Iterator[tuple[str, bytes]]:
    for pid in _pids():
        status = _status(pid)
        if not (status and belongs(pid, status)):
            continue
        if _is_zombie(status):
            status = _of_another_thread(pid)
        if status:
            yield pid, status


def _is_zombie(status: bytes) -> bool:
    return b"Z" in _field(status, b"State")[:3]


def _of_another_thread(pid: str) -> bytes:
    """The status of a thread that runs on after the first one ended: the kernel then calls the whole process
    a zombie and shows no memory for it, and code that knows this would pass every limit."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return b""
    statuses = (_status(f"{pid}/task/{thread}") for thread in threads if thread != pid)
    return next((status for status in statuses if status and not _is_zombie(status)), b"")


def has_uid(uid: int) -> Callable[[str, bytes], bool]:
    """Whether a process's real user is ``uid``. (The owner of /proc/PID says root for some; the helper that
    kills has ``uid`` as its effective user alone.)"""
    wanted = str(uid).encode()
    return lambda _pid, status: _field(status, b"Uid").split()[:1] == [wanted]


def in_group(group: int) -> Callable[[str, bytes], bool]:
    """Whether a process belongs to the process group ``group``."""

    def belongs(pid: str, _status: bytes) -> bool:
        try:
            return os.getpgid(int(pid)) == group
        except OSError:
            return False

    return belongs


def in_pid_namespace(inode: int) -> Callable[[str, bytes], bool]:
    """Whether a process lives in the PID namespace with this inode number, and not in one around it."""

    def belongs(pid: str, status: bytes) -> bool:
        if len(_field(status, b"NSpid").split()) < 2:
            return False
        try:
            return os.stat(f"/proc/{pid}/ns/pid").st_ino == inode  # noqa: PTH116
        except OSError:
            return False  # it ended meanwhile, or is none of ours to look at

    return belongs


def in_cgroup(name: str, uid: int) -> Callable[[str, bytes], bool]:
    """Whether a process has this real user and a cgroup whose path holds ``name``, a container's id."""
    wanted, has_user = name.encode(), has_uid(uid)

    def belongs(pid: str, status: bytes) -> bool:
        if not has_user(pid, status):
            return False
        try:
            with open(f"/proc/{pid}/cgroup", "rb") as file:  # noqa: PTH123
                return wanted in file.read(1 << 16)
        except OSError:
            return False

    return belongs


def living_uids() -> set[int]:
    """The real users of all living processes."""
    users = (_field(status, b"Uid").split()[:1] for _, status in _living(lambda _pid, _status: True))
    return {int(user[0]) for user in users if user}


def any_process_of(uid: int) -> bool:
    """Whether a living process has this user."""
    return next(_living(has_uid(uid)), None) is not None


def usage(belongs: Callable[[str, bytes], bool]) -> Usage:
    """Number and memory of the processes for which ``belongs`` holds.

    Pages that a fork shares with its parent are counted for both, so this errs upwards: `exact_memory_mib`
    settles it where it matters.
    """
    count, tasks, kib = 0, 0, 0
    for _pid, status in _living(belongs):
        count += 1
        tasks += int(_field(status, b"Threads") or 1)
        kib += _kib(status, b"RssAnon") + _kib(status, b"RssShmem")
    return Usage(count, kib / _KIB_IN_MIB, tasks)


def _kib(status: bytes, name: bytes) -> int:
    field = _field(status, name).split()
    return int(field[0]) if field else 0


def exact_memory_mib(belongs: Callable[[str, bytes], bool]) -> float:
    """The same, with each shared page divided among those that share it; some milliseconds a process."""
    kib = 0
    for pid, status in _living(belongs):
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
                rollup = file.read(4096)
        except OSError:
            rollup = b""
        if not rollup:
            kib += _kib(status, b"RssAnon") + _kib(status, b"RssShmem")
            continue
        kib += _kib(rollup, b"Pss_Anon") + _kib(rollup, b"Pss_Shmem")
    return kib / _KIB_IN_MIB


def deleted_bytes(belongs: Callable[[str, bytes], bool]) -> int:
    """Disk space of files that have no name any more, but are still open in one of the processes.

    Root without CAP_SYS_PTRACE, as in a plain container, doesn't see other users' descriptors: then it is 0.
    """
    sizes: dict[tuple[int, int], int] = {}
    for pid, _status in _living(belongs):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                found = os.stat(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH116
            except OSError:
                continue  # closed meanwhile
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())
