"""What the sandbox's tests share: backends that remember their boxes, and proof that nothing is left."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from autograder.outcome import SubmissionProblem
from autograder.sandbox import forkserver, uids
from autograder.sandbox.backend import Backend, BoxSpec, Jail
from autograder.sandbox.bubblewrap import Bubblewrap
from autograder.sandbox.container import Docker
from autograder.sandbox.forkserver import ForkServer
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Module, Submission
from tests.container.sandbox_image import sandbox_image, why_no_image

# Small, so that running into them is quick; the time is long enough for a machine that is busy.
LIMITS = BoxLimits(
    wall_s=10, memory_mib=200, processes=12, disk_mib=4, files=40, output_kib=32, message_mib=2, threads=1
)
SPEC = BoxSpec(LIMITS)
# For generated examples: a machine that is busy with other tests is no reason to fail.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
IS_ROOT = sys.platform == "linux" and os.geteuid() == 0
NEEDS_ROOT = "privdrop needs root on Linux"
needs_root = pytest.mark.skipif(not IS_ROOT, reason=NEEDS_ROOT)


AnyBackend = Privdrop | Unconfined | Bubblewrap | Docker
KINDS: dict[str, type[AnyBackend]] = {
    "privdrop": Privdrop,
    "bubblewrap": Bubblewrap,
    "docker": Docker,
    "none": Unconfined,
}


def why_not(name: str) -> str:
    """Why a backend can't be tried here, or nothing."""
    if name == "privdrop" and not IS_ROOT:
        return NEEDS_ROOT
    if name == "docker":
        if why := why_no_image():
            return why
        sandbox_image()
    return ""


# Docker's tests in one process: its engine does one thing after the other anyway.
BACKEND_PARAMS = [
    pytest.param(name, marks=[pytest.mark.docker, pytest.mark.xdist_group("docker")])
    if name == "docker"
    else name
    for name in KINDS
]


class Watched:
    """A backend that remembers each box it made, for `assert_nothing_left`."""

    def __init__(self, backend: AnyBackend) -> None:
        self.inner = backend
        self.name, self.isolates, self.spec = backend.name, backend.isolates, backend.spec
        self.boxes: list[tuple[Jail, Path, int]] = []  # with its home and its user

    def launch(self, tree: Path) -> Jail:
        jail = self.inner.launch(tree)
        self.boxes.append((jail, jail.home, jail.home.stat().st_uid))
        return jail

    @property
    def fork_server(self) -> ForkServer:
        assert isinstance(self.inner, Privdrop | Unconfined)
        return self.inner._server

    @property
    def fork_server_pid(self) -> int | None:
        return self.fork_server.pid

    def close(self) -> None:
        self.inner.close()

    def assert_nothing_left(self) -> None:
        """No process, file or lock of any box that was closed; call it when all of them were."""
        for jail, home, uid in self.boxes:
            assert not home.parent.exists()
            own = self.isolates and uid != os.geteuid()
            # There are not many users: another test's box may have been given this one meanwhile.
            assert soon(partial(_is_empty, jail, uid if own else None)), jail.usage()
            if own:
                assert soon(partial(is_nobodys, uid)), [_command(pid) for pid in pids_of(uid)]
        self.boxes.clear()


@contextmanager
def running(kind: type[AnyBackend], spec: BoxSpec, scratch: Path) -> Iterator[Watched]:
    """A backend whose boxes are made below ``scratch``, and nothing of it afterwards."""
    before = {*scratch.iterdir()}  # another backend may be open
    watched = Watched(kind(spec))
    try:
        yield watched
        watched.assert_nothing_left()
    finally:
        server = getattr(watched.inner, "fork_server_pid", None)
        watched.close()
    assert server is None or not exists(server)
    left = [entry.name for entry in scratch.glob("autograder-*") if entry not in before]
    assert not left, left


@contextmanager
def opened(
    backend: Backend, tree: Path, files: str | dict[str, str | bytes], limits: BoxLimits = LIMITS
) -> Iterator[Module]:
    """The module "m.py" (or the first of ``files``) of a submission, ready to be used."""
    files = {"m.py": files} if isinstance(files, str) else files
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    submission = Submission(backend, tree, limits, RunClock(600))
    try:
        yield submission.module(next(iter(files)))
    finally:
        submission.close()


def call(module: Module, name: str = "f", *arguments: Any) -> Any:
    """What a function returns, in a scene of its own."""
    with module.scene() as scene:
        return scene.call(name, *arguments).fetch()


def problem_of(module: Module, name: str, *arguments: Any) -> SubmissionProblem:
    """The problem that calling a function ends in."""
    with pytest.raises(SubmissionProblem) as caught:
        call(module, name, *arguments)
    return caught.value


@contextmanager
def fork_server_boots(statements: str) -> Iterator[None]:
    """Fork servers that start meanwhile run these statements before they serve."""
    boot = forkserver._BOOT.replace("sys.path.pop(0)\n", f"{statements}\nsys.path.pop(0)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forkserver, "_BOOT", boot)
        yield


# Runs in each box before it confines itself, with the statements that a test has written down.
HOOK = """
from autograder.sandbox import channel, confine, landlock, seccomp
def leave_out(box, parent, confined=worker.confine, names=dict(globals())):
    with open({path!r}) as file:
        exec(file.read(), names)
    confined(box, parent)
worker.confine = leave_out
"""
NO_LANDLOCK = "confine.landlock.restrict = lambda **_: 0"
NO_SECCOMP = "confine.seccomp.build_filter = type('Filter', (), {'load': lambda self: None})"
NO_LIMITS = "confine.limit_resources = lambda box: None"
NO_DEATH = "confine.die_with_parent = lambda parent: None"


def pids_of(uid: int) -> list[int]:
    """The living processes of which this is the real, effective, saved or file-system user."""
    names = [entry.name for entry in Path("/proc").iterdir()]
    return [int(name) for name in names if name.isdigit() and uid in _users(int(name))]


def _users(pid: int) -> tuple[int, ...]:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        if "\nState:\tZ" not in status:
            return tuple(map(int, status.partition("\nUid:")[2].partition("\n")[0].split()))
    return ()


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")[:200]
    return f"{pid}, which has ended since"


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _is_empty(jail: Jail, uid: int | None) -> bool:
    return (uid is not None and is_anothers(uid)) or jail.usage().processes == 0


def is_anothers(uid: int) -> bool:
    """Whether another process than this one holds the lock of this user."""
    inode = (uids.LOCK_FOLDER / str(uid)).stat().st_ino
    held = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    holders = [int(fields[4]) for fields in held if int(fields[5].rpartition(":")[2]) == inode]
    return any(pid != os.getpid() for pid in holders)


def is_nobodys(uid: int) -> bool:
    """Whether the user has no process and its lock is free; or both are another test's meanwhile.

    A process that is being started has the lock open until it runs, and one that was killed takes a moment.
    """
    return is_anothers(uid) or (not pids_of(uid) and is_free(uid))


def is_free(uid: int) -> bool:
    """Whether nobody holds the lock of this user."""
    with (uids.LOCK_FOLDER / str(uid)).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def soon(holds: object, within_s: float = 5.0) -> bool:
    """Whether a condition (a callable) holds within that time."""
    assert callable(holds)
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return bool(holds())
