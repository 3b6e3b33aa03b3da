"""Whom the kernel killed for lack of memory: whether it was for ours, and where it counted that.

The machine's own count goes up for every container on it, so alone it says nothing of us. It is believed
where memory was really short; the count of a cgroup, which is for its own processes, always.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SCARCE_MIB = 256  # less than this available, and the kernel may kill; a machine at work has gigabytes
CGROUPS = Path("/sys/fs/cgroup")
VMSTAT, MEMINFO = Path("/proc/vmstat"), Path("/proc/meminfo")
_KIB_IN_MIB = 1024


@dataclass(frozen=True, slots=True)
class Kills:
    """How many processes the kernel killed for memory so far: in our own cgroup, and on the whole machine."""

    ours: int
    machine: int


def kills() -> Kills:
    """The counts by now; 0 for one that this system doesn't keep."""
    # In a container, the folder of its own cgroup is mounted as if it were the root.
    at_the_root = (CGROUPS / "memory.events", CGROUPS / "memory" / "memory.oom_control")
    events = memory_events(os.getpid()) or next((path for path in at_the_root if path.exists()), None)
    return Kills(kills_in(events) if events else 0, _number(VMSTAT, "oom_kill"))


def ran_short(before: Kills, now: Kills, least_available_mib: float) -> bool:
    """Whether between two counts somebody of ours was killed because there was no memory left."""
    return now.ours > before.ours or (now.machine > before.machine and least_available_mib < SCARCE_MIB)


def available_mib() -> float:
    """What the machine could still give; infinite where it doesn't say."""
    kib = _number(MEMINFO, "MemAvailable:")
    return kib / _KIB_IN_MIB if kib else float("inf")


def memory_events(pid: int) -> Path | None:
    """The file in which the kernel counts the kills for memory in a process's cgroup, of either version."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found.append(CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control")
        elif not controllers:
            found.append(CGROUPS / path.lstrip("/") / "memory.events")
    return next((path for path in found if path.exists()), None)


def kills_in(events: Path) -> int:
    """The count that such a file holds; 0 where its cgroup is gone."""
    return _number(events, "oom_kill")


def _number(file: Path, name: str) -> int:
    """The number that follows ``name`` at the beginning of one of the file's lines."""
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
