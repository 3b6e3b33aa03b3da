"""What intake leaves out of an upload: files that no student wrote for the homework.

Leaving out is not refusing. It is reported, it costs nothing, and nothing below a folder that is left
out is looked at, whatever it holds. Compiled files are left out because they would run in place of the
source that everyone reads: Python prefers an unchecked ``.pyc`` and an extension module to the ``.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

MAX_LISTED = 50  # entries in the report; beyond that they are summed up by reason
MAX_SINGLY = 3  # files of one folder that are reported one by one

ENVIRONMENT_NAMES = frozenset({"venv", ".venv", "env"})
ENVIRONMENT_MARK = "pyvenv.cfg"


class Reason(StrEnum):
    """Why something is left out, in the words that the student reads."""

    COMPILED = "compiled"
    CACHE = "cache"
    SYSTEM = "made by the operating system"
    HISTORY = "version control"
    ENVIRONMENT = "installed packages"
    EDITOR = "editor settings"


# Names and patterns, compared without regard to case.
_NAMES = {
    "__macosx": Reason.SYSTEM,
    ".ds_store": Reason.SYSTEM,
    "icon\r": Reason.SYSTEM,  # a folder's icon on macOS
    "thumbs.db": Reason.SYSTEM,
    "desktop.ini": Reason.SYSTEM,
    ".ipynb_checkpoints": Reason.CACHE,
    "__pycache__": Reason.CACHE,
    ".mypy_cache": Reason.CACHE,
    ".pytest_cache": Reason.CACHE,
    ".git": Reason.HISTORY,
    ".hg": Reason.HISTORY,
    ".svn": Reason.HISTORY,
    "node_modules": Reason.ENVIRONMENT,
    ".idea": Reason.EDITOR,
    ".vscode": Reason.EDITOR,
}
_PATTERNS = {
    "._*": Reason.SYSTEM,  # AppleDouble: a Mac's second half of the file without the prefix
    "*.pyc": Reason.COMPILED,
    "*.pyo": Reason.COMPILED,
    "*.pyd": Reason.COMPILED,
    "*.so": Reason.COMPILED,
    "*.dylib": Reason.COMPILED,
    "*.dll": Reason.COMPILED,
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One thing that was left out, or ``count`` files of one folder; a folder's path ends with a slash."""

    path: str
    reason: str
    count: int = 1

    def describe(self) -> str:
        files = f"{self.count} files in {self.path}" if self.path else f"{self.count} more"
        return f"{self.path if self.path and self.count == 1 else files} ({self.reason})"


@lru_cache(maxsize=4096)
def reason_for(name: str) -> Reason | None:
    """Why a file or folder of this name is left out; None when it isn't."""
    folded = name.casefold()
    if folded in _NAMES:
        return _NAMES[folded]
    return next((why for pattern, why in _PATTERNS.items() if fnmatchcase(folded, pattern)), None)


def find_left_out(
    parts: tuple[str, ...], environments: Collection[tuple[str, ...]]
) -> tuple[int, Reason] | None:
    """How many leading ``parts`` make up the thing that is left out, and why; None when nothing is."""
    for depth, name in enumerate(parts, start=1):
        reason = reason_for(name)
        if reason is None and parts[:depth] in environments:
            reason = Reason.ENVIRONMENT
        if reason is not None:
            return depth, reason
    return None


def environments_among(paths: Iterable[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    """The folders among ``paths`` that hold a virtual environment."""
    return frozenset(
        parts[:-1]
        for parts in paths
        if len(parts) > 1 and parts[-1] == ENVIRONMENT_MARK and parts[-2].casefold() in ENVIRONMENT_NAMES
    )


def sum_up(left_out: Collection[LeftOut]) -> tuple[LeftOut, ...]:
    """The same report, short: many files of one folder become one entry, and so does a long tail."""
    together: dict[tuple[str, str], list[LeftOut]] = defaultdict(list)
    entries: list[LeftOut] = []
    for item in sorted(left_out, key=lambda item: item.path):
        if item.path.endswith("/"):
            entries.append(item)
        else:
            together[item.path.rpartition("/")[0], item.reason].append(item)
    for (folder, reason), items in together.items():
        if len(items) > MAX_SINGLY:
            entries.append(LeftOut(f"{folder or '.'}/", reason, len(items)))
        else:
            entries.extend(items)
    entries.sort(key=lambda item: item.path)
    tail: dict[str, int] = defaultdict(int)
    for item in entries[MAX_LISTED:]:
        tail[item.reason] += item.count
    return (*entries[:MAX_LISTED], *(LeftOut("", reason, count) for reason, count in sorted(tail.items())))


def report(left_out: Iterable[LeftOut]) -> str:
    """One sentence for the student, or nothing."""
    listed = ", ".join(item.describe() for item in left_out)
    return f"Left out, because it is not part of what is graded: {listed}." if listed else ""
