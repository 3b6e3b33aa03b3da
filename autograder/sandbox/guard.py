"""Watches one box while it lives: what it prints, its memory, its processes, the files that it writes."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from dataclasses import dataclass

from autograder.outcome import LimitExceeded
from autograder.sandbox.backend import Jail
from autograder.sandbox.policy import MIB, BoxLimits

SCAN_EVERY_S = 0.1  # a process that allocates 2 GB/s gets 200 MB past its limit before it is seen
DISK_EVERY = 5  # scans of processes for each walk over the files
KEPT_OUTPUT_KIB = 64  # of what is printed: some thousand lines, more than anybody reads
_CHUNK = 65536


class Guard:
    """A thread that kills the box at the first limit it passes and remembers which one it was."""

    def __init__(self, jail: Jail, limits: BoxLimits) -> None:
        self._jail, self._limits = jail, limits
        self._stop_reading, self._stop_writing = os.pipe()
        self._output = bytearray()
        self._printed = 0
        self._before = _disk_use(str(jail.home), limits.files + 10_000)  # the tree itself doesn't count
        self.exceeded: LimitExceeded | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()

    @property
    def output(self) -> str:
        """The beginning of what the box printed so far."""
        return self._output.decode("utf-8", "replace")

    def stop(self) -> None:
        """End the thread after it has read what is left in the pipe."""
        if self._stop_writing >= 0:
            os.close(self._stop_writing)
            self._stop_writing = -1
            self._thread.join()
            os.close(self._stop_reading)

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # the grading must hear of a guard that fell asleep
            self.error = error
            with contextlib.suppress(Exception):  # killing may be what failed; the grading tries it again
                self._jail.kill()

    def _watch(self) -> None:
        scans, next_scan = 0, time.monotonic() + SCAN_EVERY_S
        sources = [self._jail.output_fd, self._stop_reading]
        while True:
            ready, _, _ = select.select(sources, [], [], max(0.0, next_scan - time.monotonic()))
            if self._jail.output_fd in ready and not self._drain():
                sources.remove(self._jail.output_fd)
            if self._stop_reading in ready:
                self._drain()
                return
            if time.monotonic() >= next_scan and self.exceeded is None:
                scans += 1
                self._scan(with_disk=scans % DISK_EVERY == 0)
                next_scan = time.monotonic() + SCAN_EVERY_S

    def _drain(self) -> bool:
        """Read what was printed; False at the end of the pipe. Past the limit it is read and thrown away."""
        allowed = self._limits.output_kib * 1024
        kept = min(allowed, KEPT_OUTPUT_KIB * 1024)
        try:
            data = os.read(self._jail.output_fd, _CHUNK)
        except BlockingIOError:
            return True
        self._output += data[: max(0, kept - len(self._output))]
        self._printed += len(data)
        if self._printed > allowed:
            self._kill(LimitExceeded("output_kib", self._limits.output_kib))
        return bool(data)

    def _scan(self, *, with_disk: bool) -> None:
        memory = self._jail.usage().memory_mib
        if memory > self._limits.memory_mib:
            memory = self._jail.exact_memory_mib()
            if memory > self._limits.memory_mib:
                self._kill(LimitExceeded("memory_mib", self._limits.memory_mib, round(memory)))
        if with_disk:
            self._scan_disk()

    def _scan_disk(self) -> None:
        use = _disk_use(str(self._jail.home), self._before.files + self._limits.files + 1)
        written_mib = (use.size - self._before.size) / MIB
        if use.files - self._before.files > self._limits.files:
            self._kill(LimitExceeded("files", self._limits.files))
        elif written_mib > self._limits.disk_mib:
            self._kill(LimitExceeded("disk_mib", self._limits.disk_mib, round(written_mib)))

    def _kill(self, why: LimitExceeded) -> None:
        if self.exceeded is None:
            self.exceeded = why
            self._jail.kill()


@dataclass(frozen=True, slots=True)
class _DiskUse:
    files: int
    size: int  # bytes that are really allocated, so that a sparse file counts what it takes


def _disk_use(folder: str, at_most: int) -> _DiskUse:
    """Files and bytes below a folder, without following a link, giving up after ``at_most`` entries."""
    files = size = 0
    pending = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)]
    try:
        while pending and files <= at_most:
            fd = pending.pop()
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        files += 1
                        size += _measure(entry, fd, pending)
                        if files > at_most:
                            break
            finally:
                os.close(fd)
    finally:
        for fd in pending:
            os.close(fd)
    return _DiskUse(files, size)


def _measure(entry: os.DirEntry[str], folder: int, pending: list[int]) -> int:
    """The bytes of one entry; a folder's descriptor is added to those that are still to be walked."""
    try:
        size = entry.stat(follow_symlinks=False).st_blocks * 512
        if entry.is_dir(follow_symlinks=False) and len(pending) < OPEN_FOLDERS:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            pending.append(os.open(entry.name, flags, dir_fd=folder))
    except OSError:
        return 0  # it went away, or was swapped for a link, while we looked
    return size


OPEN_FOLDERS = 200  # descriptors that a walk may hold; a tree with more open branches is past its limit soon
