"""Memory, processors, the clock: too little, too slow, wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.doctor import machine
from autograder.doctor.cgroups import Confines, confines
from autograder.doctor.finding import State
from autograder.doctor.needs import Needs
from tests.doctor.faked import needs_of, written
from tests.small import Small

MEMINFO = "MemTotal:       2048000 kB\nMemFree:  100 kB\nMemAvailable:   1536000 kB"


@pytest.mark.parametrize(
    ("limit", "within", "state", "told"),
    [
        (512, Confines(), "ok", "2000 MiB of this machine, 1500 free; 'small' allows a submission 512 MiB"),
        (1500, Confines(), "warning", "1500 free"),
        (3000, Confines(), "failed", "too little for 'small'"),
        (512, Confines("v2", 750.0, 20.0), "ok", "750 MiB of this container (cgroup v2), 730 free"),
        (512, Confines("v1", 700.0, 10.0), "failed", "too little for 'small'"),
        (512, Confines("v2", 8000.0, 20.0), "ok", "2000 MiB of this machine"),
    ],
)
def test_memory(small: Small, limit: int, within: Confines, state: str, told: str) -> None:
    root = written(small.folder / "root", {"proc/meminfo": MEMINFO})
    found = machine.memory(needs_of(small, memory_mib=limit), within, root)
    assert found.state == state
    assert told in found.found
    assert bool(found.remedy) == (state != "ok")


def test_one_assignment_too_large_is_a_warning(small: Small, tmp_path: Path) -> None:
    root = written(tmp_path / "root", {"proc/meminfo": MEMINFO})
    small.assignment()
    small.name = "large"
    found = machine.memory(needs_of(small, memory_mib=5000), Confines(), root)
    assert found.state is State.WARNING
    assert "too little for 'large'" in found.found
    assert "memory_mib" in found.remedy


def test_memory_without_proc(tmp_path: Path) -> None:
    total, free = machine.machine_memory(tmp_path)  # as on macOS
    assert total == free > 100
    assert machine.memory(Needs(), Confines(), tmp_path).state is State.OK


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Confines()),
        (
            {  # a container with a cgroup namespace, version 2
                "proc/self/cgroup": "0::/",
                "sys/fs/cgroup/memory.max": str(512 << 20),
                "sys/fs/cgroup/memory.current": str(100 << 20),
                "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {40 << 20}\nactive_file 7",
                "sys/fs/cgroup/pids.max": "64",
                "sys/fs/cgroup/cpu.max": "150000 100000",
            },
            Confines("v2", 512.0, 60.0, 64, 1.5),
        ),
        (
            {  # a slice of a desktop, where the limit stands further up
                "proc/self/cgroup": "0::/user.slice/me.scope",
                "sys/fs/cgroup/user.slice/me.scope/memory.max": "max",
                "sys/fs/cgroup/user.slice/me.scope/pids.max": "max",
                "sys/fs/cgroup/user.slice/me.scope/cpu.max": "max 100000",
                "sys/fs/cgroup/user.slice/memory.max": str(1 << 30),
                "sys/fs/cgroup/user.slice/memory.current": str(1 << 20),
                "sys/fs/cgroup/user.slice/pids.max": "1000",
            },
            Confines("v2", 1024.0, 1.0, 1000, None),
        ),
        (
            {  # a container of version 1: the path in /proc is the host's
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/a\n2:memory:/docker/a\n1:pids:/docker/a\n0::/x",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(750 << 20),
                "sys/fs/cgroup/memory/memory.usage_in_bytes": str(30 << 20),
                "sys/fs/cgroup/pids/pids.max": "100",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            Confines("v1", 750.0, 30.0, 100, 0.5),
        ),
        (
            {  # version 1 without any limit
                "proc/self/cgroup": "2:memory:/\n1:cpu:/",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            Confines(),
        ),
    ],
    ids=["none", "v2", "slice", "v1", "unlimited"],
)
def test_the_containers_limits(tmp_path: Path, files: dict[str, str], expected: Confines) -> None:
    assert confines(written(tmp_path, files)) == expected


def test_processors(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    needs = needs_of(small, threads=3)
    assert machine.processors(needs, Confines()).found == "4; a submission computes with 3 threads"
    found = machine.processors(needs, Confines(processors=2.0))
    assert found.state is State.WARNING
    assert found.found == "2 of 4; a submission computes with 3 threads ('small')"
    assert "`threads`" in found.remedy
    half = machine.processors(Needs(), Confines(processors=0.5))
    assert half.state is State.WARNING
    assert "--cpus 1" in half.remedy


def test_processes(small: Small) -> None:
    needs = needs_of(small, processes=20)
    assert list(machine.processes(needs, Confines())) == []
    (enough,) = machine.processes(needs, Confines(processes=100))
    (few,) = machine.processes(needs, Confines(processes=32))
    assert (enough.state, few.state) == ("ok", "warning")
    assert "--pids-limit" in few.remedy


class Clock:
    """A clock as `machine` asks it; sleeping moves both of its hands."""

    strftime, gmtime = staticmethod(time.strftime), staticmethod(time.gmtime)

    def __init__(
        self, *, now: float = 1.8e9, pace: float = 1.0, jump: float = 0.0, tick: float = 1e-9
    ) -> None:
        self.now, self.ran, self._pace, self._jump, self._tick = now, 0.0, pace, jump, tick

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ran

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self._jump
        self.ran += seconds * self._pace

    def get_clock_info(self, _name: str) -> SimpleNamespace:
        return SimpleNamespace(resolution=self._tick)


@pytest.mark.parametrize(
    ("clock", "state", "told"),
    [
        (Clock(), "ok", "2027-01-15"),
        (Clock(pace=0.0), "failed", "stands still"),
        (Clock(now=3600.0), "warning", "1970-01-01 01:00:00 UTC"),
        (Clock(jump=3600.0), "warning", "moved 3600.1"),
        (Clock(jump=-5.0), "warning", "moved -4.9"),
        (Clock(tick=0.0156), "warning", "every 0.0156 s"),
    ],
)
def test_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock, state: str, told: str) -> None:
    monkeypatch.setattr(machine, "time", clock)
    found = machine.clock()
    assert found.state == state
    assert told in found.found
    assert bool(found.remedy) == (state != "ok")


def test_the_clock_of_this_machine() -> None:
    assert machine.clock().state is State.OK
