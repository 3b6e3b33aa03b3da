"""The two backends that fork on this machine: `Privdrop`, where we are root, and `Unconfined`, which
protects nothing and exists for a student's own code on a student's own machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox.backend import BoxSpec, make_home, remove_folder
from autograder.sandbox.channel import Channel, DeadlineExceeded
from autograder.sandbox.forkserver import ForkServer, open_pipe
from autograder.sandbox.policy import Box, listable_paths, readable_paths
from autograder.sandbox.processes import (
    Usage,
    any_process_of,
    deleted_bytes,
    exact_memory_mib,
    has_uid,
    in_group,
    usage,
)
from autograder.sandbox.uids import UidLease, lease
from autograder.sandbox.wire import WireError

_CONFINE_S = 30.0
_DYING_S = 5.0  # a process that was killed is gone in milliseconds, unless the machine is in trouble
_MAX_HELLO = 1 << 16


class _LocalJail:
    """A box whose first process is a child of the fork server; ``kill_all`` is how its backend ends it."""

    def __init__(  # noqa: PLR0913  (all by keyword: a box is the sum of these)
        self,
        *,
        control: Channel,
        output_fd: int,
        home: Path,
        belongs: Callable[[str, bytes], bool],
        server: ForkServer,
        kill_all: Callable[[], None],
        release: Callable[[], None],
    ) -> None:
        self.control, self.output_fd, self.home = control, output_fd, home
        self._belongs, self._kill_all, self._release = belongs, kill_all, release
        self._server, self._born = server, server.started
        self._lock = threading.Lock()
        self._dead = self._closed = False

    def usage(self) -> Usage:
        return usage(self._belongs)

    def exact_memory_mib(self) -> float:
        return exact_memory_mib(self._belongs)

    def deleted_bytes(self) -> int:
        return deleted_bytes(self._belongs)

    def orphaned(self) -> bool:
        return self._server.started != self._born or not self._server.alive()

    def kill(self) -> None:
        with self._lock:
            if not self._dead:
                self._kill_all()
                self._dead = True

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self.kill()
        finally:
            self.control.close()
            os.close(self.output_fd)
            remove_folder(self.home.parent)
            self._release()


class _LocalBackend:
    """What both have in common: a fork server, a home for each box, and the greeting of its first process."""

    def __init__(self, spec: BoxSpec) -> None:
        self.spec = spec
        self._readable = readable_paths(spec.unavailable)
        self._server = ForkServer(spec.preload, spec.limits.threads)

    @property
    def fork_server_pid(self) -> int | None:
        return self._server.pid

    def close(self) -> None:
        self._server.close()

    def _box(self, home: Path, users: UidLease | None) -> Box:
        return Box(
            home=str(home),
            limits=self.spec.limits,
            readable=self._readable,
            listable=listable_paths(),
            unavailable=self.spec.unavailable,
            unavailable_reason=self.spec.unavailable_reason,
            uid=users.uid if users else None,
            reaper_uid=users.reaper_uid if users else None,
        )

    def _start(self, box: Box) -> tuple[int, Channel, int]:
        """Fork the first process and wait until it says that it is confined."""
        ours, theirs = socket.socketpair()
        reading, writing = open_pipe()
        control = Channel(ours)
        try:
            with theirs:
                pid = self._server.launch(box, theirs, writing)
            hello, _ = control.receive(_MAX_HELLO, seconds=_CONFINE_S)
        except BaseException as error:
            control.close()
            os.close(reading)
            if isinstance(error, (EOFError, DeadlineExceeded, WireError)):
                raise SandboxFault(
                    "The sandbox's first process ended before it was confined.",
                    remedy="Run `./run_autograder doctor` on this machine.",
                ) from error
            raise
        finally:
            os.close(writing)
        if "confined" not in hello:
            control.close()
            os.close(reading)
            raise SandboxFault(
                f"The sandbox could not be closed: {str(hello.get('refused'))[:300]}.",
                remedy="Run `./run_autograder doctor` on this machine; nothing was run without it.",
            )
        return pid, control, reading


class Privdrop(_LocalBackend):
    """For root: each box a fresh user, Landlock, seccomp and limits. See confine.py."""

    name = "privdrop"
    isolates = True

    def launch(self, tree: Path) -> _LocalJail:
        users = lease()
        folder = Path(tempfile.mkdtemp(prefix="autograder-box-"))
        folder.chmod(0o711)
        try:
            home = make_home(folder, tree, users.uid)
            _, control, output_fd = self._start(self._box(home, users))
        except BaseException:
            with contextlib.suppress(SandboxFault):
                self._server.reap(users.uid, users.reaper_uid)
            remove_folder(folder)
            users.release()
            raise
        return _LocalJail(
            control=control,
            output_fd=output_fd,
            home=home,
            belongs=has_uid(users.uid),
            server=self._server,
            kill_all=lambda: self._kill(users),
            release=users.release,
        )

    def _kill(self, users: UidLease) -> None:
        self._server.reap(users.uid, users.reaper_uid)
        if any_process_of(users.uid):
            raise SandboxFault(
                f"Processes of the sandbox's user {users.uid} outlived being killed.",
                remedy="Restart the container or the machine before grading on.",
            )


class Unconfined(_LocalBackend):
    """For a student's own machine, where their code may do what they may do anyway."""

    name = "none"
    isolates = False

    def __init__(self, spec: BoxSpec) -> None:
        if not hasattr(os, "fork"):
            raise EnvironmentFault(
                "This system can't fork processes, which the autograder needs.",
                remedy="On Windows, run it inside WSL (the Windows Subsystem for Linux).",
            )
        super().__init__(spec)

    def launch(self, tree: Path) -> _LocalJail:
        folder = Path(tempfile.mkdtemp(prefix="autograder-box-"))
        try:
            home = make_home(folder, tree, None)
            pid, control, output_fd = self._start(self._box(home, None))
        except BaseException:
            remove_folder(folder)
            raise

        belongs = in_group(pid)

        def kill_group() -> None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            give_up = time.monotonic() + _DYING_S
            while usage(belongs).processes and time.monotonic() < give_up:
                time.sleep(0.002)

        return _LocalJail(
            control=control,
            output_fd=output_fd,
            home=home,
            belongs=belongs,
            server=self._server,
            kill_all=kill_group,
            release=lambda: None,
        )
