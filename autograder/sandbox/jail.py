"""A running box as the trusted side holds it, whichever backend made it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from autograder.sandbox.backend import remove_folder
from autograder.sandbox.channel import Channel
from autograder.sandbox.processes import Usage, deleted_bytes, exact_memory_mib, usage


class BoxJail:
    """What every backend's boxes have in common.

    ``belongs`` tells the box's processes from all others, ``kill_all`` ends them and returns when none is
    left, ``has_lost_its_host`` says whether the box died of something that its code can't have done, and
    ``release`` gives back what was lent to it.
    """

    def __init__(  # noqa: PLR0913  (all by keyword: a box is the sum of these)
        self,
        *,
        control: Channel,
        output_fd: int,
        home: Path,
        belongs: Callable[[str, bytes], bool],
        kill_all: Callable[[], None],
        has_lost_its_host: Callable[[], bool],
        release: Callable[[], None],
        ran_out_of_memory: Callable[[], bool] = lambda: False,
        idle_processes: int = 1,
    ) -> None:
        self.control, self.output_fd, self.home = control, output_fd, home
        self._belongs, self._kill_all, self._release = belongs, kill_all, release
        self._has_lost_its_host, self._ran_out_of_memory = has_lost_its_host, ran_out_of_memory
        self.idle_processes = idle_processes
        self._lock = threading.Lock()
        self._dead = self._closed = False

    def usage(self) -> Usage:
        return usage(self._belongs)

    def exact_memory_mib(self) -> float:
        return exact_memory_mib(self._belongs)

    def deleted_bytes(self) -> int:
        return deleted_bytes(self._belongs)

    def orphaned(self) -> bool:
        return self._has_lost_its_host()

    def ran_out_of_memory(self) -> bool:
        return self._ran_out_of_memory()

    def kill(self) -> None:
        with self._lock:
            if not self._dead:
                self._kill_all()
                self._dead = True

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self.kill()
        finally:
            self.control.close()
            os.close(self.output_fd)
            remove_folder(self.home.parent)
            self._release()
