"""What the backends share that start each box in an enclosure of its own, by bubblewrap or in a container.

There is no warm process to fork from here: an enclosure is closed from outside before anything runs in it, so
every box would pay for the start of an interpreter and for its imports. Instead one enclosure is always kept
ready, with everything imported and no submission in it. A box takes it, and the next one is prepared in the
background.
"""

from __future__ import annotations

import contextlib
import os
import py_compile
import shutil
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from autograder.outcome import EnvironmentFault, Fault, SandboxFault
from autograder.sandbox.backend import BoxSpec, data_folders, fill_home, remove_folder, require_room
from autograder.sandbox.channel import Channel, DeadlineExceeded
from autograder.sandbox.forkserver import missing_packages, open_pipe, thread_variables
from autograder.sandbox.interpreter import interpreter
from autograder.sandbox.jail import BoxJail
from autograder.sandbox.leftovers import run_folder
from autograder.sandbox.policy import Box
from autograder.sandbox.wire import WireError

_ENGINE = Path(__file__).resolve().parents[2]
_KERNEL = _ENGINE / "autograder" / "sandbox" / "kernel"
# The engine's folder is on the path only while the worker is imported; see forkserver.py.
BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
from autograder.sandbox import solo
sys.path.pop(0)
solo.boot()
"""
# What an enclosed worker imports of ours, and all of the engine that its enclosure shows.
_WORKER_FILES = (
    "__init__.py",
    "sandbox/channel.py",
    "sandbox/confine.py",
    "sandbox/landlock.py",
    "sandbox/loader.py",
    "sandbox/placeholders.py",
    "sandbox/policy.py",
    "sandbox/processes.py",
    "sandbox/seccomp.py",
    "sandbox/solo.py",
    "sandbox/vision.py",
    "sandbox/wire.py",
    "sandbox/worker.py",
    *sorted(path.relative_to(_ENGINE / "autograder").as_posix() for path in _KERNEL.rglob("*.py")),
)
PATH = "/usr/local/bin:/usr/bin:/bin"
IDLE_PROCESSES = 2  # an init and the holder
_START_S = 120.0  # importing torch from a cold disk; numpy alone takes 0.2 s
_CONFINE_S = 30.0
_MAX_REPLY = 1 << 16


def stage_worker() -> Path:
    """A folder with a copy of what a worker imports of ours, compiled, for enclosures to show."""
    folder = run_folder("worker")
    folder.chmod(0o755)
    for name in _WORKER_FILES:
        copied = folder / "autograder" / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ENGINE / "autograder" / name, copied)
        py_compile.compile(str(copied))
    subprocess.run(["chmod", "-R", "a+rX", "--", str(folder)], check=True)  # noqa: S603, S607  (whatever our umask is)
    return folder


class Enclosure(Protocol):
    """A started enclosure: its worker is on the other side of ``control`` and is importing, or has."""

    home: Path
    control: Channel
    owner: int | None
    """The uid that the home's files must belong to; None for our own."""

    def belongs(self, pid: str, status: bytes) -> bool: ...

    def kill(self) -> None:
        """End all that runs in it; raises SandboxFault if something is left."""

    def has_lost_its_host(self) -> bool: ...

    def ran_out_of_memory(self) -> bool: ...

    def last_words(self) -> str:
        """What was said on stderr by whatever set it up, for a fault's message."""

    def release(self) -> None:
        """Give back what was lent to it; after `kill`."""


class EnclosedBackend:
    """A backend that keeps one warm enclosure in stock. ``name`` is the subclass's; `_enclose` makes one."""

    name: str
    isolates = True

    def __init__(self, spec: BoxSpec) -> None:
        self.spec = spec
        self._python = interpreter(spec.python)
        self._data = data_folders(spec)
        self._engine = stage_worker()
        # One thread that starts them all and lives as long as this: what is told to die with its parent dies
        # with the thread that started it.
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="enclosures")
        self._stock: Future[Enclosure] | None = None
        self._lock = threading.Lock()

    def _enclose(self) -> Enclosure:
        raise NotImplementedError

    def launch(self, tree: Path) -> BoxJail:
        enclosure = self._take()
        reading, writing = open_pipe()
        try:
            fill_home(enclosure.home, tree, enclosure.owner, self.spec.unavailable)
            require_room(enclosure.home, self.spec.limits)
            self._hand_over(enclosure, writing)
        except BaseException:
            os.close(reading)
            _throw_away(enclosure)
            raise
        finally:
            os.close(writing)
        return BoxJail(
            control=enclosure.control,
            output_fd=reading,
            home=enclosure.home,
            belongs=enclosure.belongs,
            kill_all=enclosure.kill,
            has_lost_its_host=enclosure.has_lost_its_host,
            ran_out_of_memory=enclosure.ran_out_of_memory,
            release=enclosure.release,
            idle_processes=IDLE_PROCESSES,
        )

    def close(self) -> None:
        with self._lock:
            stock, self._stock = self._stock, None
        try:
            if stock is not None and not stock.cancel() and stock.exception() is None:
                _throw_away(stock.result())
        finally:
            self._maker.shutdown()
            remove_folder(self._engine)

    def _take(self) -> Enclosure:
        """A warm enclosure, and another one on its way."""
        with self._lock:
            stock, self._stock = self._stock, None
        enclosure = None
        if stock is not None and stock.exception() is None:
            enclosure = stock.result()
            if enclosure.has_lost_its_host():
                _throw_away(enclosure)
                enclosure = None
        if enclosure is None:
            enclosure = self._maker.submit(self._warm).result()
        with self._lock:
            if self._stock is None:
                self._stock = self._maker.submit(self._warm)
        return enclosure

    def _warm(self) -> Enclosure:
        """An enclosure whose worker has imported everything; raises EnvironmentFault or SandboxFault."""
        enclosure = self._enclose()
        try:
            hello, _ = enclosure.control.receive(_MAX_REPLY, seconds=_START_S)
        except (EOFError, DeadlineExceeded, WireError) as error:
            said = enclosure.last_words()
            _throw_away(enclosure)
            raise SandboxFault(
                f"The sandbox {self.name!r} did not start: {said or type(error).__name__}.",
                remedy="Run `./run_autograder doctor` on this machine.",
            ) from error
        except BaseException:
            _throw_away(enclosure)
            raise
        if "ready" not in hello or not self._fits(str(hello["ready"])):
            _throw_away(enclosure)
            raise self._unready(hello)
        return enclosure

    def _fits(self, python: str) -> bool:
        """Whether the worker's Python is the one meant: a user that can't read it may be given another."""
        return python == self._python.version

    def _unready(self, hello: dict[str, object]) -> Fault:
        if "ready" in hello:
            theirs = str(hello["ready"])[:50]
            return EnvironmentFault(
                f"The sandbox {self.name!r} runs Python {theirs!r}, not {self._python.version[:50]!r}.",
                remedy="Make its environment again, from the same Python as the autograder's.",
            )
        return EnvironmentFault(
            f"The sandbox can't import what this assignment needs: {str(hello.get('refused'))[:300]}.",
            remedy=missing_packages(self.spec.python),
        )

    def _hand_over(self, enclosure: Enclosure, output_fd: int) -> None:
        """Tell the worker what its box is, and wait until it says that it is confined."""
        box = Box(
            home=str(enclosure.home),
            limits=self.spec.limits,
            readable=(),  # the worker finds them itself: they are its interpreter's
            unavailable=self.spec.unavailable,
            unavailable_reason=self.spec.unavailable_reason,
            enclosed=True,
            counts_processes=self._counts_processes(),
            data=self._data,
        )
        try:
            enclosure.control.send({"box": box.to_json()}, fds=(output_fd,), seconds=_CONFINE_S)
            hello, _ = enclosure.control.receive(_MAX_REPLY, seconds=_CONFINE_S)
        except (EOFError, OSError, DeadlineExceeded, WireError) as error:
            said = enclosure.last_words()
            raise SandboxFault(
                f"The sandbox's first process ended before it was confined: {said or type(error).__name__}.",
                remedy="Run `./run_autograder doctor` on this machine.",
            ) from error
        if "confined" not in hello:
            raise SandboxFault(
                f"The sandbox could not be closed: {str(hello.get('refused'))[:300]}.",
                remedy="Run `./run_autograder doctor` on this machine; nothing was run without it.",
            )

    def _counts_processes(self) -> bool:
        return True

    def _environment(self, home: Path) -> dict[str, str]:
        """All of a worker's environment."""
        # Some package looks for a folder for temporary files while it is imported.
        fixed = {"PATH": PATH, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "TMPDIR": str(home)}
        return fixed | thread_variables(self.spec.limits.threads)


def _throw_away(enclosure: Enclosure) -> None:
    """End an enclosure that no box came of."""
    try:
        with contextlib.suppress(SandboxFault):
            enclosure.kill()
    finally:
        enclosure.control.close()
        remove_folder(enclosure.home.parent)
        enclosure.release()
