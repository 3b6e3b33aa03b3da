"""The guard, over a jail that is only pretended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.outcome import LimitExceeded, SandboxFault
from autograder.sandbox import guard as guards
from autograder.sandbox.channel import Channel
from autograder.sandbox.guard import Guard
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.processes import Usage
from autograder.sandbox.submission import Module
from tests.sandbox.boxes import SPEC, Watched, opened, soon

LIMITS = BoxLimits(memory_mib=100, disk_mib=1, files=20, output_kib=8)


class Pretended:
    """A jail without a process: it uses what a test says, and remembers that it was killed."""

    control: Channel
    idle_processes = 1

    def __init__(self, home: Path) -> None:
        self.home = home
        self.output_fd, self.writing = os.pipe()
        os.set_blocking(self.output_fd, False)
        self.rough = self.exact = 10.0
        self.deleted = 0
        self.trouble: Exception | None = None
        self.kills = 0

    def usage(self) -> Usage:
        if self.trouble:
            raise self.trouble
        return Usage(1, self.rough)

    def exact_memory_mib(self) -> float:
        return self.exact

    def ran_out_of_memory(self) -> bool:
        return False

    def deleted_bytes(self) -> int:
        return self.deleted

    def orphaned(self) -> bool:
        return False

    def kill(self) -> None:
        self.kills += 1

    def close(self) -> None:
        for fd in (self.output_fd, self.writing):
            if fd >= 0:
                os.close(fd)
        self.output_fd = self.writing = -1


@pytest.fixture
def jail(tmp_path: Path) -> Iterator[Pretended]:
    found = Pretended(tmp_path)
    yield found
    found.close()


@pytest.fixture
def watch(jail: Pretended, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Guard]]:
    monkeypatch.setattr(guards, "SCAN_EVERY_S", 0.01)
    watching: list[Guard] = []

    def start() -> Guard:
        watching.append(Guard(jail, LIMITS))
        return watching[-1]

    yield start
    for guard in watching:
        guard.stop()
        guard.stop()  # once is enough
        assert not guard._thread.is_alive()


def exceeded(guard: Guard, within_s: float = 3.0) -> LimitExceeded | None:
    soon(lambda: guard.exceeded is not None, within_s)
    return guard.exceeded


def test_it_leaves_a_box_alone_that_keeps_to_its_limits(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    os.write(jail.writing, b"x" * 8192)
    (jail.home / "file").write_bytes(b"x" * 500_000)
    for number in range(19):
        (jail.home / f"file{number}").touch()
    jail.rough, jail.exact = 150.0, 99.0  # pages that are shared are counted twice at first
    assert exceeded(guard, within_s=0.3) is None
    assert jail.kills == 0
    guard.stop()
    assert guard.output == "x" * 8192


def test_memory(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    jail.rough = jail.exact = 100.6
    found = exceeded(guard)
    assert found is not None
    assert (found.limit, found.allowed, found.used) == ("memory_mib", 100, 101)
    time.sleep(0.05)
    assert jail.kills == 1  # and no more


def test_output(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    os.write(jail.writing, b"x" * 8193)
    found = exceeded(guard)
    assert found is not None
    assert (found.limit, found.allowed) == ("output_kib", 8)
    os.write(jail.writing, b"y" * 10_000)  # it is still read, so that nobody hangs who writes
    guard.stop()
    assert guard.output == "x" * 8192
    assert jail.kills == 1


def test_output_is_read_to_its_end(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    os.write(jail.writing, "half a character: é".encode()[:-1])
    os.close(jail.writing)
    jail.writing = -1
    guard.stop()
    assert guard.output == "half a character: \ufffd"


def test_files(watch: Callable[[], Guard], jail: Pretended) -> None:
    for number in range(30):  # what was handed in doesn't count
        (jail.home / f"before{number}").touch()
    guard = watch()
    assert exceeded(guard, within_s=0.2) is None
    (jail.home / "folder").mkdir()
    for number in range(20):
        (jail.home / "folder" / f"file{number}").touch()
    found = exceeded(guard)
    assert found is not None
    assert (found.limit, found.allowed) == ("files", 20)


def test_bytes(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    with (jail.home / "sparse").open("wb") as file:
        file.truncate(10**9)  # takes nothing
    assert exceeded(guard, within_s=0.2) is None
    (jail.home / "full").write_bytes(os.urandom(3 * 2**20))
    found = exceeded(guard)
    assert found is not None
    assert (found.limit, found.allowed) == ("disk_mib", 1)
    assert found.used in (3, 4)  # with the blocks of the folder


def test_links_are_not_followed(watch: Callable[[], Guard], jail: Pretended) -> None:
    (jail.home / "link").symlink_to("/usr")
    (jail.home / "loop").symlink_to(".")
    guard = watch()
    assert exceeded(guard, within_s=0.2) is None
    assert guard.error is None


def test_a_deep_chain_of_folders(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    folder = os.open(jail.home, os.O_RDONLY)
    for _ in range(300):  # longer than a path may be
        os.mkdir("d" * 40, dir_fd=folder)
        below = os.open("d" * 40, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    found = exceeded(guard)
    assert found is not None
    assert found.limit == "files"


def test_its_own_failure_ends_the_box_and_is_remembered(watch: Callable[[], Guard], jail: Pretended) -> None:
    guard = watch()
    jail.trouble = RuntimeError("no /proc")
    assert soon(lambda: guard.error is not None)
    assert str(guard.error) == "no /proc"
    assert soon(lambda: jail.kills == 1)
    assert guard.exceeded is None


def test_it_holds_no_descriptor_afterwards(jail: Pretended) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        Guard(jail, LIMITS).stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- its failure is ours, not the student's -----------------------------------------------------------


WATCHDOG = r"watchdog of a sandbox failed: RuntimeError: no /proc"


def fail(_guard: Guard, *, with_disk: bool) -> None:
    raise RuntimeError(f"no /proc ({with_disk})")


def has_failed(module: Module) -> bool:
    return module._box is not None and module._box.guard.error is not None


def nap_under_a_guard_that_fails(module: Module, patch: pytest.MonkeyPatch, when: str) -> None:
    if when == "during the import":
        patch.setattr(Guard, "_scan", fail)
    with module.scene() as scene:
        assert scene.call("f").fetch() == 1
        patch.setattr(Guard, "_scan", fail)
        assert when != "before a call" or soon(lambda: has_failed(module))
        scene.call("nap")


@pytest.mark.parametrize("when", ["before a call", "during a call", "during the import"])
def test_a_guard_that_fails_is_a_fault_of_ours(
    backend: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    source = "import time\ndef nap():\n    time.sleep(60)\ndef f():\n    return 1\n"
    if when == "during the import":
        source += "nap()\n"
    with opened(backend, tmp_path, source, replace(SPEC.limits, wall_s=1.5)) as module:
        with monkeypatch.context() as patch, pytest.raises(SandboxFault, match=WATCHDOG) as caught:
            nap_under_a_guard_that_fails(module, patch, when)
        assert "not counted" in caught.value.remedy
        if when == "during the import":
            with pytest.raises(LimitExceeded):  # the next box is as good as new, and as slow
                module.load()
        else:
            with module.scene() as scene:
                assert scene.call("f").fetch() == 1
    backend.assert_nothing_left()


def test_a_guard_that_fails_unseen_is_told_in_the_end(
    backend: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(backend, tmp_path, "x = 1\n") as module:
        module.load()
        with monkeypatch.context() as patch:
            patch.setattr(Guard, "_scan", fail)
            assert soon(lambda: has_failed(module))
        with pytest.raises(SandboxFault, match=WATCHDOG):
            module.close()
    backend.assert_nothing_left()
