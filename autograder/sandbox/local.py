"""The two backends that fork on this machine: `Privdrop`, where we are root, and `Unconfined`, which
protects nothing and exists for a student's own code on a student's own machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

from autograder.outcome import EnvironmentFault, Fault, SandboxFault
from autograder.sandbox.backend import (
    BoxSpec,
    data_folders,
    fill_home,
    make_home,
    remove_folder,
    require_room,
)
from autograder.sandbox.channel import Channel, DeadlineExceeded
from autograder.sandbox.forkserver import ForkServer, open_pipe
from autograder.sandbox.interpreter import interpreter
from autograder.sandbox.jail import BoxJail
from autograder.sandbox.leftovers import run_folder
from autograder.sandbox.policy import Box, listable_paths, readable_paths
from autograder.sandbox.processes import any_process_of, has_uid, in_group, usage
from autograder.sandbox.uids import UidLease, abandoned, lease
from autograder.sandbox.wire import WireError

_CONFINE_S = 30.0
_DYING_S = 5.0  # a process that was killed is gone in milliseconds, unless the machine is in trouble
_MAX_HELLO = 1 << 16


class _LocalBackend:
    """What both have in common: a fork server, a home for each box, and the greeting of its first process."""

    def __init__(self, spec: BoxSpec) -> None:
        self.spec = spec
        python = interpreter(spec.python)
        self._readable = readable_paths(spec.unavailable, python)
        self._listable = listable_paths(python)
        self._data = data_folders(spec)
        self._server = ForkServer(spec.preload, spec.limits.threads, spec.python)

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
            listable=self._listable,
            data=self._data,
            unavailable=self.spec.unavailable,
            unavailable_reason=self.spec.unavailable_reason,
            uid=users.uid if users else None,
            reaper_uid=users.reaper_uid if users else None,
            counts_processes=users is not None,
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
            refused = str(hello.get("refused"))[:300]
            if refused.startswith("PermissionError: [Errno 13]"):
                raise EnvironmentFault(
                    f"The sandbox's user can't read Python and its packages: {refused}.",
                    remedy="The interpreter and its packages must be readable by every user: put the "
                    "environment where others can read it (AUTOGRADER_ENV).",
                )
            raise SandboxFault(
                f"The sandbox could not be closed: {refused}.",
                remedy="Run `./run_autograder doctor` on this machine; nothing was run without it.",
            )
        return pid, control, reading


class Privdrop(_LocalBackend):
    """For root: each box a fresh user, Landlock, seccomp and limits. See confine.py."""

    name = "privdrop"
    isolates = True

    def __init__(self, spec: BoxSpec) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise EnvironmentFault(
                "The sandbox 'privdrop' drops from root to another user, and this is not root on Linux.",
                remedy="Use `sudo`, a container as root, or bubblewrap, which needs neither.",
            )
        super().__init__(spec)
        self.sweep()

    def launch(self, tree: Path) -> BoxJail:
        users = lease()
        folder = run_folder("box")
        folder.chmod(0o711)
        try:
            home = make_home(folder, users.uid)
            fill_home(home, tree, users.uid, self.spec.unavailable)
            require_room(folder, self.spec.limits)
            _, control, output_fd = self._start(self._box(home, users))
        except BaseException:
            with contextlib.suppress(Fault, OSError):  # what kept it from starting may keep this from it too
                self._server.reap(users.uid, users.reaper_uid)
            remove_folder(folder)
            users.release()
            raise
        return BoxJail(
            control=control,
            output_fd=output_fd,
            home=home,
            belongs=has_uid(users.uid),
            kill_all=lambda: self._kill(users),
            has_lost_its_host=self._server.death_of_this_one(),
            release=users.release,
        )

    def sweep(self) -> None:
        """Kill what an earlier run's boxes left running: a run that was killed together with its fork server
        could not do it, and outside a container nobody else does."""
        for users in abandoned():
            try:
                self._kill(users)
            finally:
                users.release()

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

    def launch(self, tree: Path) -> BoxJail:
        folder = run_folder("box")
        try:
            home = make_home(folder, None)
            fill_home(home, tree, None, self.spec.unavailable)
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

        return BoxJail(
            control=control,
            output_fd=output_fd,
            home=home,
            belongs=belongs,
            kill_all=kill_group,
            has_lost_its_host=self._server.death_of_this_one(),
            release=lambda: None,
        )
