"""What gradings have left on this machine: processes, files, containers, locks, mounts, shared memory.

Others may work here too. So what is looked for is what belongs to the gradings that were watched: to their
processes, to the users that they gave their boxes, to their folder for temporary files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autograder.outcome import EnvironmentFault
from autograder.sandbox import uids
from autograder.sandbox.container import LABEL, connect

_LOOK_EVERY_S = 0.05  # a box lives longer
_SOON_S = 5.0  # the kernel takes a moment to bury what was killed
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_SHARED = ("/dev/shm", "/dev/mqueue", "/var/tmp", "/tmp")  # noqa: S108
_IPC = ("shm", "sem", "msg")


def adopt_orphans() -> None:
    """From now on, whatever loses its parent below this process becomes its child, and is seen."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this process can't adopt orphans")


class Traces:
    """Watches the gradings whose processes it is told of; use it in a ``with`` statement."""

    def __init__(self, temporary: Path, patience_s: float = _SOON_S) -> None:
        self._temporary, self._patience_s = temporary, patience_s
        self._graders: set[int] = set()
        self._users: set[int] = set() if os.geteuid() == 0 else {os.getuid()}
        self._before = frozenset(_shared())
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="traces", daemon=True)

    def grader(self, pid: int) -> None:
        self._graders.add(pid)

    @property
    def users(self) -> int:
        """How many users of boxes were seen."""
        return len(self._users)

    def left_over(self) -> list[str]:
        """What is left, in words; call it when all graders have ended."""
        return [
            *(f"process: {command!r}" for command in _living_children(self._patience_s)),
            *(f"process of the user {uid}" for uid in self._abandoned()),
            *(f"file: {path}" for path in sorted(self._temporary.iterdir())),
            *(f"lock of the user {uid}" for uid in sorted(self._locked())),
            *(f"{what} of the user {uid}" for uid, what in sorted(self._shared_now())),
            *(f"mount: {line}" for line in _mounts(self._temporary)),
            *(f"container: {name}" for name in self._containers()),
        ]

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            self._users |= self._locked()

    def _locked(self) -> set[int]:
        """The users that the graders hold leases for."""
        return {uid for pid, uid in _leases() if pid in self._graders}

    def _abandoned(self) -> list[int]:
        """Users with processes that nobody holds any more. Who is held by now is another run's."""
        if os.geteuid() != 0:
            return []
        found = []
        for lease in uids.abandoned():
            if lease.uid in self._users:
                found.append(lease.uid)
            lease.release()
        return found

    def _shared_now(self) -> set[tuple[int, str]]:
        now = frozenset(_shared()) - self._before
        # A box's second user is the number after its first.
        return {(uid, what) for uid, what in now if {uid, uid - 1} & self._users}

    def _containers(self) -> list[str]:
        try:
            client: Any = connect()
        except EnvironmentFault:
            return []
        try:
            found = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
            return [one.name for one in found if int(one.labels[LABEL].split("-")[1]) in self._graders]
        finally:
            client.close()

    def __enter__(self) -> Traces:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._watcher.join()


def _living_children(patience_s: float) -> list[str]:
    """Bury all children of this process that have ended; the command lines of those that don't soon."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if not ended:
            if time.monotonic() > give_up:
                return [_command(pid) for pid in _children(os.getpid())]
            time.sleep(0.02)


def _children(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text(encoding="ascii").split()]
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"(process {pid}, gone)"
    return words.replace("\0", " ")[:200]


def _leases() -> Iterator[tuple[int, int]]:
    """The process that took it, and the user, for each lease that is held on this machine."""
    if not uids.LOCK_FOLDER.is_dir():
        return
    with contextlib.suppress(OSError):
        by_inode = {entry.inode(): int(entry.name) for entry in os.scandir(uids.LOCK_FOLDER)}
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()  # 1: FLOCK ADVISORY WRITE 4711 fe:00:131 0 EOF
            if words[1] == "FLOCK" and (uid := by_inode.get(int(words[5].split(":")[2]))) is not None:
                yield int(words[4]), uid


def _shared() -> Iterator[tuple[int, str]]:
    """The owner and the name of what lies where everybody may make files, queues and IPC objects."""
    for folder in filter(os.path.isdir, _SHARED):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):  # somebody else's, and gone
                yield entry.stat(follow_symlinks=False).st_uid, entry.path
    for kind in _IPC:
        path = Path(f"/proc/sysvipc/{kind}")
        lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
        for line in lines[1:]:
            words = dict(zip(lines[0].split(), line.split(), strict=False))
            yield int(words["uid"]), f"IPC object {kind} {line.split()[1]}"


def _mounts(below: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if str(below) in line]
