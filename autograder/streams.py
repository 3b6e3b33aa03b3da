"""Standard output and standard error that a grading outlives.

A full disk behind ``>``, a pager that was left, a terminal that is gone: the score stands in its file, so
none of them may end a run or change its exit code. What can't be written is dropped, and said once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, TextIO, cast

_STANDARD = (0, 1, 2)


class Tolerant:
    """A text stream that drops what it can't write; ``error`` is the first reason why."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        if self.error is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.error = error
        # Python tries once more when it ends, with what is still in the buffer, and says so by its exit code.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_standard_descriptors() -> None:
    """A file that is opened later would get the number of one that is closed, and all that is printed."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def make_tolerant() -> Tolerant | None:
    """Let `sys.stdout` and `sys.stderr` be tolerant; returns the former, None where there is none."""
    open_standard_descriptors()
    out = Tolerant(sys.stdout) if sys.stdout is not None else None
    sys.stdout = cast(TextIO, out)
    if sys.stderr is not None:
        sys.stderr = cast(TextIO, Tolerant(sys.stderr))
    return out
