"""Wall time, and the processor time of a benchmark with everything that it starts.

Processor time says more than wall time on a machine that others use as well. `os.times` can't give it: the
processes of the sandbox are buried by the kernel, unseen by their parent, so their time is never added up.
A cgroup counts every process that was ever in it. Where none can be made (no root, a container with a
read-only /sys), the figures leave the sandbox's processes out, and `Meter.method` says so.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds."""

    wall: float
    cpu: float


class Meter:
    """Use it in a ``with`` statement, around all that is to be measured."""

    def __init__(self) -> None:
        self._before: Path | None = None
        self._group: Path | None = None

    @property
    def method(self) -> str:
        if self._group is not None:
            return "all processes, by their cgroup"
        return "without the processes of the sandbox, because no cgroup could be made"

    def cpu(self) -> float:
        """Seconds of processor time so far: user and system, of this process and all its descendants."""
        if self._group is not None:
            words = (self._group / "cpu.stat").read_text(encoding="ascii").split()
            return int(words[words.index("usage_usec") + 1]) / 1e6
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    @contextmanager
    def measure(self) -> Iterator[list[Spent]]:
        """What the body took; the list holds it after the body's end."""
        found: list[Spent] = []
        cpu, wall = self.cpu(), time.perf_counter()
        yield found
        found.append(Spent(time.perf_counter() - wall, self.cpu() - cpu))

    def __enter__(self) -> Meter:
        self._before = _own_group()
        if self._before is not None:
            group = self._before / f"autograder-benchmark-{os.getpid()}"
            with contextlib.suppress(OSError):
                group.mkdir()
                _move_to(group)
                self._group = group
        return self

    def __exit__(self, *_: object) -> None:
        if self._group is not None and self._before is not None:
            _move_to(self._before)
            with contextlib.suppress(OSError):  # a process that outlives us keeps it
                self._group.rmdir()
            self._group = None


def _move_to(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")


def _own_group() -> Path | None:
    """The folder of this process's cgroup (version 2), or None where there is none."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    roots = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    paths = [line.removeprefix("0::/") for line in groups if line.startswith("0::/")]
    return Path(roots[0]) / paths[0] if roots and paths else None
