"""Watches one box while it lives: what it prints, its memory, its processes, the files that it writes."""

from __future__ import annotations

import contextlib
import math
import os
import select
import threading
import time
from dataclasses import dataclass

from autograder.outcome import LimitExceeded
from autograder.sandbox.backend import Jail
from autograder.sandbox.policy import MIB, BoxLimits
from autograder.sandbox.shortage import available_mib

SCAN_EVERY_S = 0.1  # a process that allocates 2 GB/s gets 200 MB past its limit before it is seen
AT_THE_LIMIT = 10  # scans with as many processes as are allowed: a second, and a fork bomb
DISK_EVERY = 5  # scans of processes for each walk over the files
KEPT_OUTPUT_KIB = 64  # of what is printed: some thousand lines, more than anybody reads
_CHUNK = 65536


class Guard:
    """A thread that kills the box at the first limit it passes and remembers which one it was."""

    def __init__(self, jail: Jail, limits: BoxLimits) -> None:
        self._jail, self._limits = jail, limits
        self._stop_reading, self._stop_writing = os.pipe()
        self._output = bytearray()
        self._printed = self._at_the_limit = 0
        self._before = _disk_use(str(jail.home), limits.files + 10_000)  # the tree itself doesn't count
        self.peak_mib = 0.0  # the most memory that a scan saw
        self.least_available_mib = available_mib()  # on the machine
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
            printed_kib = math.ceil(self._printed / 1024)
            self._kill(LimitExceeded("output_kib", self._limits.output_kib, printed_kib))
        return bool(data)

    def _scan(self, *, with_disk: bool) -> None:
        usage = self._jail.usage()
        self._count(usage.tasks - (self._jail.idle_processes - 1))  # an init is none of its own
        memory = usage.memory_mib
        self.peak_mib = max(self.peak_mib, memory)
        self.least_available_mib = min(self.least_available_mib, available_mib())
        if memory > self._limits.memory_mib:
            memory = self._jail.exact_memory_mib()
            if memory > self._limits.memory_mib:
                self._kill(LimitExceeded("memory_mib", self._limits.memory_mib, math.ceil(memory)))
        if with_disk:
            self._scan_disk()

    def _count(self, tasks: int) -> None:
        """The kernel keeps this limit itself. Code that doesn't mind being refused, and asks again and again,
        is found here."""
        self._at_the_limit = self._at_the_limit + 1 if tasks >= self._limits.processes else 0
        if self._at_the_limit > AT_THE_LIMIT or tasks > self._limits.processes:
            self._kill(LimitExceeded("processes", self._limits.processes, tasks))

    def _scan_disk(self) -> None:
        use = _disk_use(str(self._jail.home), self._before.files + self._limits.files)
        written_mib = (use.size + self._jail.deleted_bytes() - self._before.size) / MIB
        if use.files - self._before.files > self._limits.files:
            written = use.files - self._before.files
            self._kill(LimitExceeded("files", self._limits.files, written))
        elif written_mib > self._limits.disk_mib:
            self._kill(LimitExceeded("disk_mib", self._limits.disk_mib, math.ceil(written_mib)))

    def _kill(self, why: LimitExceeded) -> None:
        if self.exceeded is None:
            self.exceeded = why
            self._jail.kill()


@dataclass(frozen=True, slots=True)
class _DiskUse:
    files: int
    size: int  # bytes that are really allocated, so that a sparse file counts what it takes


DEEPEST = 100  # folders in folders; intake allows far fewer, and each costs the walk two descriptors


def _disk_use(folder: str, at_most: int) -> _DiskUse:
    """Files and bytes below a folder, without following a link, giving up after ``at_most`` entries.

    No folder is passed over, however many lie side by side. Folders nested deeper than `DEEPEST` count as too
    many files.
    """
    files = size = 0
    open_folders: list[_Folder] = [_Folder(os.open(folder, _FOLDER))]
    try:
        while open_folders and files <= at_most:
            entry = open_folders[-1].next()
            if entry is None:
                open_folders.pop().close()
                continue
            files += 1
            try:
                size += entry.stat(follow_symlinks=False).st_blocks * 512
                if not entry.is_dir(follow_symlinks=False):
                    continue
                if len(open_folders) > DEEPEST:
                    return _DiskUse(at_most + 1, size)
                open_folders.append(_Folder(os.open(entry.name, _FOLDER, dir_fd=open_folders[-1].fd)))
            except PermissionError:
                return _DiskUse(at_most + 1, size)  # its owner closed it to us, who may not be root
            except OSError:
                continue  # it went away, or was swapped for a link, while we looked
    finally:
        for one in open_folders:
            one.close()
    return _DiskUse(files, size)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Folder:
    """One folder on the way down a walk: its descriptor, and the entries still to come."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        try:
            self._entries = os.scandir(fd)
        except BaseException:
            os.close(fd)
            raise

    def next(self) -> os.DirEntry[str] | None:
        try:
            return next(self._entries, None)
        except OSError:
            return None  # it was removed

    def close(self) -> None:
        self._entries.close()
        os.close(self.fd)
