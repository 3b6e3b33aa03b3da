"""The limits of the container that we run in, read from the files of cgroups, version 1 or 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
_ROOT = Path("/")
_NO_LIMIT = 1 << 60  # version 1 says "no limit" with a number near 2**63


@dataclass(frozen=True, slots=True)
class Confines:
    """The limits of the container, or the slice, that we run in; None where there is none."""

    version: str = ""  # of the cgroups that limit memory: "v1", "v2", or nothing
    memory_mib: float | None = None
    used_mib: float = 0.0
    processes: int | None = None
    processors: float | None = None


def confines(root: Path = _ROOT) -> Confines:
    """Read the cgroup files of both versions, up from our own group, and take the tightest."""
    memory = [*_values(root, "memory", "memory.max"), *_values(root, "memory", "memory.limit_in_bytes")]
    pids = _values(root, "pids", "pids.max")
    quotas = []
    for folder in _groups(root, "cpu"):
        quota, period = [*read(folder / "cpu.max").split(), "", ""][:2]
        if not quota:
            quota, period = read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            quotas.append(int(quota) / int(period))
    limit = min(memory, default=None)
    used, version = 0, ""
    if limit is not None:
        folder, used = limit[1], 0
        version = "v2" if (folder / "memory.max").exists() else "v1"
        current = "memory.current" if version == "v2" else "memory.usage_in_bytes"
        used = int(read(folder / current) or 0) - _cache(folder)
    return Confines(
        version=version,
        memory_mib=limit[0] / MIB if limit else None,
        used_mib=max(used, 0) / MIB,
        processes=min(pids)[0] if pids else None,
        processors=min(quotas, default=None),
    )


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of our own group and of those above it, in both hierarchies.

    In a container the path that /proc names may not be mounted: then its root is our own group.
    """
    mounted = root / "sys/fs/cgroup"
    for line in read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        tops = [mounted, mounted / "unified"] if not controllers else [mounted / controllers]
        if controllers and controller not in controllers.split(","):
            continue
        for top in tops:
            own = top / path.lstrip("/")
            while own != top and top in own.parents:
                yield own
                own = own.parent
            yield top


def _values(root: Path, controller: str, file: str) -> list[tuple[int, Path]]:
    found = [(read(folder / file), folder) for folder in _groups(root, controller)]
    return [(int(text), folder) for text, folder in found if text.isdigit() and int(text) < _NO_LIMIT]


def _cache(folder: Path) -> int:
    """Bytes of files that the kernel keeps in memory as long as nobody needs it."""
    found = re.search(r"^(?:total_)?inactive_file (\d+)$", read(folder / "memory.stat"), re.MULTILINE)
    return int(found[1]) if found else 0


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
