"""The trusted side's end of the fork server: one warm process for all boxes of one kind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox.channel import Channel, DeadlineExceeded
from autograder.sandbox.policy import Box
from autograder.sandbox.wire import WireError

_ENGINE = Path(__file__).resolve().parents[2]
# The engine's folder is on the path only while the worker is imported: a forked child that imports by name
# must find the interpreter's packages and the student's tree, and nothing of ours.
_BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
from autograder.sandbox import worker
sys.path.pop(0)
worker.serve(int(sys.argv[2]), sys.argv[3:])
"""
_START_S = 120.0  # importing torch from a cold disk; numpy alone takes 0.2 s
_REQUEST_S = 30.0  # a fork or a kill takes milliseconds; only a machine in trouble takes seconds
_MAX_REPLY = 1 << 16
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class ForkServer:
    """Starts on first use; `launch` and `reap` may be called from several threads."""

    def __init__(self, preload: Sequence[str], threads: int, python: str = "") -> None:
        self._preload, self._threads = tuple(preload), threads
        self._own_python = python  # of an assignment's own environment
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._lock = threading.Lock()
        self.started = 0  # how often: one that died is replaced, but its boxes died with it

    def launch(self, box: Box, control: socket.socket, output_fd: int) -> int:
        """Fork a box's first process; returns its process id."""
        reply = self._ask({"do": "launch", "box": box.to_json()}, (control.fileno(), output_fd))
        return int(reply["pid"])

    def reap(self, uid: int, reaper_uid: int) -> None:
        """Kill every process of ``uid``; a fork server that died is replaced by one that can."""
        request = {"do": "reap", "uid": uid, "reaper_uid": reaper_uid}
        try:
            self._ask(request)
        except SandboxFault:
            self._ask(request)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Whether it runs, as far as the kernel has told by now."""
        return self._process is not None and self._process.poll() is None

    def death_of_this_one(self) -> Callable[[], bool]:
        """A question for later: has the process that runs now died, whether or not another took its place?"""
        born = self.started
        return lambda: self.started != born or not self.alive()

    def _ask(self, request: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        with self._lock:
            try:
                channel = self._running()
                channel.send(request, fds=fds, seconds=_REQUEST_S)
                reply, _ = channel.receive(_MAX_REPLY, seconds=_REQUEST_S)
            except (EOFError, OSError, DeadlineExceeded, WireError) as error:
                self._stop()  # the next request starts a fresh one
                raise SandboxFault(
                    f"The sandbox's fork server stopped answering ({type(error).__name__}).",
                    remedy="Run the grading again; if it happens again, look for an out-of-memory kill in "
                    "the machine's log.",
                ) from error
            return reply

    def _running(self) -> Channel:
        if self._channel is not None and not self.alive():
            self._stop()  # whoever had a box there is told by the box; a new one loses nothing
        if self._channel is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = self._start(theirs.fileno())
                self.started += 1
            self._channel = Channel(ours)
            hello, _ = self._channel.receive(_MAX_REPLY, seconds=_START_S)
            if "ready" not in hello:
                self._stop()
                refused = str(hello.get("refused"))
                raise EnvironmentFault(
                    f"The sandbox can't import what this assignment needs: {refused}.",
                    remedy="Install libseccomp: apt-get install libseccomp2."
                    if "seccomp" in refused
                    else missing_packages(self._own_python),
                )
        return self._channel

    def _start(self, fd: int) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
        environment |= thread_variables(self._threads)
        python = self._own_python or sys.executable
        command = [python, "-I", "-B", "-c", _BOOT, str(_ENGINE), str(fd), *self._preload]
        return subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            cwd="/",
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            umask=0o022,
        )

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=_REQUEST_S)  # its channel is closed: it kills its boxes and leaves
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._channel = self._process = None

    def close(self) -> None:
        with self._lock:
            self._stop()


def missing_packages(own_python: str) -> str:
    """What to do where a package that an assignment preloads can't be imported."""
    if own_python:
        return f"Add it to the assignment's requirements.txt. (Its environment is that of {own_python!r}.)"
    return "Install the assignment's packages: run scripts/environment again."


def thread_variables(threads: int) -> dict[str, str]:
    """The environment that keeps every numeric library to so many threads."""
    return {name: str(threads) for name in _THREAD_VARIABLES}


def open_pipe() -> tuple[int, int]:
    """A pipe for what a box prints: the reading end doesn't block."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    return reading, writing
