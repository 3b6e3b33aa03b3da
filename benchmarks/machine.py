"""Where figures come from: the machine, the versions, the state of the code. Stands above every table.

`python -m benchmarks.machine` prints it alone.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = "gatech_convnet"  # the homework that all benchmarks grade
_PACKAGES = ("numpy", "pytest", "pydantic", "safetensors", "pyseccomp", "gradescope-utils", "rich", "typer")
_GIB = 1 << 30


def provenance(title: str, notes: Mapping[str, str] | None = None, **counts: int) -> str:
    """A heading, and what whoever reads the figures below it must know; ``counts`` says how many of what."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "n": ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items()),
        "processor": f"{_processor()}, {os.cpu_count()} cores, {_memory()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load before": _load(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "code": _commit(),
        **(notes or {}),
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value]
    return "\n".join([f"### {title}", "", *lines, ""])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / _GIB:.0f} GiB of memory"


def _load() -> str:
    """Near 0 on a quiet machine. More than that, and wall times say more about the others than about us."""
    return f"{os.getloadavg()[0]:.1f} processes (mean of a minute)"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _commit() -> str:
    try:
        found = [
            subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
            for command in (["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return "not a checkout"
    return f"{found[0]}, with changes that are not committed" if found[1] else found[0]


if __name__ == "__main__":
    print(provenance("Machine"))
