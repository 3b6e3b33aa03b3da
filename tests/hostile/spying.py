"""A backend between the grading and the real one that keeps what every box wrote and printed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, cast

from autograder.sandbox.backend import Backend, Jail
from autograder.sandbox.submission import Submission

_MOST_BYTES = 2**16  # of one file that a box wrote; loot is small
_MOST_FILES = 500
_DEEPEST = 30  # folders in folders


class SpyingBackend:
    """Passes everything on; ``users`` are those that the boxes' files belonged to."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.name, self.isolates, self.spec = inner.name, inner.isolates, inner.spec
        self.users: set[int] = set()
        self.written: list[tuple[str, bytes]] = []

    def launch(self, tree: Path) -> Jail:
        jail = self._inner.launch(tree)
        home = Path(jail.home)
        if home.is_dir() and home.stat().st_uid != os.geteuid():
            self.users.add(home.stat().st_uid)
        return cast(Jail, _SpyingJail(jail, self))

    def close(self) -> None:
        """The one who opened the real backend closes it."""

    def forget(self) -> None:
        self.users.clear()
        self.written.clear()


class _SpyingJail:
    def __init__(self, inner: Jail, backend: SpyingBackend) -> None:
        self._inner, self._backend = inner, backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def close(self) -> None:
        try:
            self._inner.kill()
            self._backend.written += _contents(Path(self._inner.home))
        finally:
            self._inner.close()


def _contents(home: Path) -> list[tuple[str, bytes]]:
    """The beginnings of the regular files that lie in a box's home after everything in it is dead."""
    found: list[tuple[str, bytes]] = []
    for parent, folders, names in os.walk(home):
        if parent.count("/") > _DEEPEST:  # a chain of thousands takes longer to walk than the grading may
            folders.clear()
        for name in names:
            if len(found) >= _MOST_FILES:
                return found
            try:
                fd = os.open(os.path.join(parent, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # noqa: PTH118
            except OSError:
                continue
            try:
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    found.append((f"the file {name!r} that it wrote", os.read(fd, _MOST_BYTES)))
            finally:
                os.close(fd)
    return found


class ListeningSubmission(Submission):
    """Remembers what all boxes printed."""

    heard: list[str] = []  # noqa: RUF012  (one list for all of a process's gradings, on purpose)

    def close(self) -> None:
        super().close()
        self.heard.extend(self.printed.values())
