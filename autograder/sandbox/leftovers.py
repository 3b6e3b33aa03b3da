"""Folders for one run, and what a run that was killed left behind, found and removed by the next.

A folder's name carries who made it: ``autograder-box-MACHINE-PID-START-RANDOM``. MACHINE stands for this
boot and this PID namespace, since elsewhere the same number is another process; START tells a process from a
later one with the same number. Who can't be judged is left alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path

from autograder.sandbox.backend import remove_folder

_NAME = re.compile(r"autograder-[a-z]+-([0-9a-f]{8})-(\d+)-(\d+)-.+")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NO_MACHINE = "00000000"


def run_folder(kind: str) -> Path:
    """A new folder below the system's temporary one, marked as this process's."""
    return Path(tempfile.mkdtemp(prefix=f"autograder-{kind}-{mark()}-"))


def mark() -> str:
    """This process, so that another one can tell later whether it still lives."""
    return f"{_machine()}-{os.getpid()}-{_started(os.getpid())}"


def is_gone(its_mark: str) -> bool:
    """Whether the process that a mark names has ended, as far as can be judged from here."""
    machine, pid, started = its_mark.split("-")
    return machine == _machine() != _NO_MACHINE and _started(int(pid)) != int(started)


def sweep_folders() -> list[str]:
    """Remove our user's folders whose makers have ended; returns their names."""
    swept = []
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if not found or not entry.is_dir(follow_symlinks=False):
                continue
            try:
                ours = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
            except FileNotFoundError:
                continue  # another run's, which removed it meanwhile
            if ours and is_gone("-".join(found.groups())):
                remove_folder(Path(entry.path))
                swept.append(entry.name)
    return swept


@lru_cache(maxsize=1)
def _machine() -> str:
    try:
        boot = _BOOT_ID.read_text(encoding="ascii")
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return _NO_MACHINE  # macOS
    return hashlib.sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]


def _started(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
