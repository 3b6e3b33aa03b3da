"""What is timed of a sandbox: its start, a request, its proof, its watchdog.

Every function measures one round for one backend, so that whoever calls them can take the backends in turns.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autograder.assignment import find_assignment
from autograder.boxes import box_spec
from autograder.outcome import EnvironmentFault
from autograder.sandbox.backend import Backend, BoxSpec
from autograder.sandbox.choose import BACKENDS
from autograder.sandbox.enclosed import EnclosedBackend
from autograder.sandbox.local import Unconfined
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.preflight import prove
from autograder.sandbox.submission import Module, Scene, Submission
from benchmarks.machine import ASSIGNMENT, ROOT

KINDS = {"none": Unconfined, **dict(reversed(BACKENDS.items()))}
PROCESSES_MOST = 32  # room for 16 that are not at the limit, where the watchdog ends a box
_MODULE = "m.py"
_STUDENT = """
import os, signal

def nothing(x):
    return x

def crowd(count):
    for _ in range(count):
        if os.fork() == 0:
            signal.pause()
"""
_BARE = {"a bare Python": "pass", "a bare Python that imports NumPy": "import numpy"}


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds: until a new backend's first box was confined, until a further one was, and to end that one."""

    cold: float
    ready: float
    end: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Seconds: a scene with one call, from its launch to its end, and a call in a scene that is open."""

    scene: float
    call: float


@dataclass(frozen=True, slots=True)
class Proved:
    """Seconds: to open and prove a backend, and to prove one that is open and warm."""

    cold: float
    warm: float


@dataclass(frozen=True, slots=True)
class Watched:
    """The share of a core that a watchdog took, and how many processes the machine had meanwhile."""

    share: float
    processes: int


def the_spec() -> BoxSpec:
    """What the convolution homework asks of a sandbox."""
    return box_spec(find_assignment(ASSIGNMENT, ROOT / "graders"))


def available(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Those of the backends that open here, and why the others don't."""
    missing = {}
    for name in names:
        try:
            KINDS[name](the_spec()).close()
        except EnvironmentFault as fault:
            missing[name] = fault.message
    return [name for name in names if name not in missing], missing


def student_tree(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    (tree / _MODULE).write_text(_STUDENT, encoding="utf-8")
    return tree


def bare_pythons() -> dict[str, float]:
    """Seconds of each process from its start to its end."""
    took = {}
    for name, code in _BARE.items():
        start = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", code], check=True)  # noqa: S603
        took[name] = time.perf_counter() - start
    return took


def time_start(name: str, tree: Path) -> Started:
    start = time.perf_counter()
    backend = KINDS[name](the_spec())
    try:
        first = backend.launch(tree)
        cold = time.perf_counter() - start
        first.close()
        _wait_for_stock(backend)
        start = time.perf_counter()
        second = backend.launch(tree)
        ready = time.perf_counter() - start
        _wait_for_stock(backend)  # it isn't part of the end
        start = time.perf_counter()
        second.close()
        return Started(cold, ready, time.perf_counter() - start)
    finally:
        backend.close()


def _wait_for_stock(backend: Backend) -> None:
    if isinstance(backend, EnclosedBackend) and backend._stock is not None:
        backend._stock.result()


def time_proof(name: str) -> Proved:
    start = time.perf_counter()
    backend = KINDS[name](the_spec())
    try:
        prove(backend)
        cold = time.perf_counter() - start
        _wait_for_stock(backend)
        start = time.perf_counter()
        prove(backend)
        return Proved(cold, time.perf_counter() - start)
    finally:
        backend.close()


@contextmanager
def loaded(name: str, tree: Path) -> Iterator[Module]:
    """The student's module in a box of that backend."""
    spec = the_spec()
    spec = replace(spec, limits=replace(spec.limits, processes=PROCESSES_MOST))
    with contextlib.closing(KINDS[name](spec)) as backend:
        submission = Submission(backend, tree, spec.limits, RunClock(3600.0))
        with contextlib.closing(submission):
            module = submission.module(_MODULE)
            module.load()
            _wait_for_stock(backend)
            yield module


_ARRAY = np.arange(64.0).reshape(4, 4, 4)


def time_request(module: Module) -> Asked:
    start = time.perf_counter()
    with module.scene() as scene:
        _ask(scene)
    whole = time.perf_counter() - start
    with module.scene() as scene:
        _ask(scene)  # what is imported on the way is imported by now
        start = time.perf_counter()
        _ask(scene)
        return Asked(whole, time.perf_counter() - start)


def _ask(scene: Scene) -> None:
    returned = scene.call("nothing", _ARRAY).fetch()
    assert np.array_equal(returned, _ARRAY)


@contextmanager
def crowded(module: Module, processes: int) -> Iterator[None]:
    """A scene in which the box has so many processes, its first one and the scene's own among them."""
    with module.scene() as scene:
        scene.call("crowd", processes - 2)
        yield


def watch(guard: threading.Thread, seconds: float) -> Watched:
    """How much processor time a watchdog's thread takes in so many seconds."""
    assert guard.ident is not None
    clock = time.pthread_getcpuclockid(guard.ident)
    before, start = time.clock_gettime(clock), time.perf_counter()
    time.sleep(seconds)
    spent, wall = time.clock_gettime(clock) - before, time.perf_counter() - start
    return Watched(spent / wall, _processes())


def guards() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "guard"}


@contextmanager
def sleepers(at_least: int) -> Iterator[None]:
    """A machine with at least so many processes."""
    missing = max(0, at_least - _processes())
    asleep = [subprocess.Popen(["sleep", "3600"]) for _ in range(missing)]  # noqa: S607
    try:
        yield
    finally:
        for process in asleep:
            process.kill()
        for process in asleep:
            process.wait()


def _processes() -> int:
    return sum(name.isdigit() for name in os.listdir("/proc"))  # noqa: PTH208  (names alone)
