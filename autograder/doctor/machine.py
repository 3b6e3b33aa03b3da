"""Memory, processors and the clock, against what the assignments here ask for."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from autograder.doctor.cgroups import MIB, Confines, read
from autograder.doctor.finding import Finding
from autograder.doctor.needs import Needs, names

OURS_MIB = 200  # the grader, its fork server and a report, besides the box (measured: 150)
OUR_PROCESSES = 16  # the grader's threads, the fork server, the helper that kills
OLDEST_CLOCK = 1_704_067_200  # the year 2024: whatever says less was never set
_ROOT = Path("/")
_JUMP_S = 0.25  # a wall clock that drifts so far within a tenth of a second was set, or runs wrong
_WATCH_S = 0.1


def machine_memory(root: Path = _ROOT) -> tuple[float, float]:
    """MiB of memory, and MiB of it that are free for us."""
    found: dict[str, str] = dict(
        re.findall(r"^(MemTotal|MemAvailable): +(\d+) kB$", read(root / "proc/meminfo"), re.M)
    )
    if "MemTotal" in found:
        return int(found["MemTotal"]) / 1024, int(found.get("MemAvailable", found["MemTotal"])) / 1024
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MIB
    except (ValueError, OSError):
        total = math.inf
    return total, total


def memory(needs: Needs, within: Confines, root: Path = _ROOT) -> Finding:
    """Has the machine, or our container, room for the largest box and for us?"""
    name = "memory"
    total, free = machine_memory(root)
    of = "this machine"
    if within.memory_mib is not None and within.memory_mib < total:
        of = f"this container (cgroup {within.version})"
        total, free = within.memory_mib, min(free, within.memory_mib - within.used_mib)
    most, by = needs.most("memory_mib")
    found = f"{total:.0f} MiB of {of}, {free:.0f} free"
    if not by:
        return Finding.ok(name, found)
    found += f"; {by!r} allows a submission {most:.0f} MiB, and the grader takes {OURS_MIB}"
    beyond = [each for each in needs.assignments if each.limits.memory_mib + OURS_MIB > total]
    if beyond:
        return Finding(
            name,
            needs.stopping(beyond),
            f"{found}: too little for {names(beyond)}",
            "Use a larger machine or container (`docker run --memory ...`), or lower `memory_mib` in the "
            "[limits] of its assignment.toml.",
        )
    if most + OURS_MIB > free:
        remedy = "End other programs first: without room, the kernel kills whatever it likes."
        return Finding.warning(name, found, remedy)
    return Finding.ok(name, found)


def processors(needs: Needs, within: Confines) -> Finding:
    name = "processors"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = within.processors
    cores = usable if quota is None else min(float(usable), quota)
    threads, by = needs.most("threads")
    found = f"{cores:g}" + (f" of {os.cpu_count()}" if cores < (os.cpu_count() or 1) else "")
    if by:
        found += f"; a submission computes with {threads:.0f} {'thread' if threads == 1 else 'threads'}"
    if threads > cores:
        return Finding.warning(
            name,
            f"{found} ({by!r})",
            "Lower `threads` in its assignment.toml: more threads than processors make it slower, and its "
            "time limits were not chosen for that.",
        )
    if cores < 1:
        return Finding.warning(name, found, "Give the container a whole processor: `docker run --cpus 1`.")
    return Finding.ok(name, found)


def processes(needs: Needs, within: Confines) -> Iterator[Finding]:
    """The container's limit on processes, where it has one."""
    if within.processes is None:
        return
    most, by = needs.most("processes")
    found = f"at most {within.processes} in this container"
    if by:
        found += f"; {by!r} allows a submission {most:.0f}, and the grader takes {OUR_PROCESSES}"
    if within.processes < most + OUR_PROCESSES:
        yield Finding.warning("processes", found, "Raise it: `docker run --pids-limit 256 ...`.")
    else:
        yield Finding.ok("processes", found)


def clock() -> Finding:
    """Time limits go by the monotonic clock; late days and the results' times by the wall clock."""
    name = "clock"
    resolution = time.get_clock_info("monotonic").resolution
    started, wall = time.monotonic(), time.time()
    time.sleep(_WATCH_S)
    ran, wall_ran = time.monotonic() - started, time.time() - wall
    if ran <= 0:
        return Finding.failed(
            name, "the monotonic clock stands still", "Restart the machine: no limit works."
        )
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))
    if wall < OLDEST_CLOCK:
        return Finding.warning(
            name,
            f"it says {shown}, which is past",
            "Set it: `sudo timedatectl set-ntp true`. Until then the results' times are wrong.",
        )
    if abs(wall_ran - ran) > _JUMP_S:
        return Finding.warning(
            name,
            f"the wall clock moved {wall_ran:.3f} s while {ran:.3f} s passed",
            "Find out what sets it (`timedatectl`, `chronyc tracking`) and let it settle.",
        )
    if resolution > 0.01:
        remedy = "Use another clock source: times under a second mean little here."
        return Finding.warning(name, f"it ticks every {resolution:g} s only", remedy)
    return Finding.ok(name, f"{shown}, ticks of {resolution:g} s")
