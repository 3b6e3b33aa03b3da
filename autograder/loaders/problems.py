"""What is wrong with a file that was handed in or written in a box, in one sentence.

Every loader raises `Malformed` and nothing else, whatever the bytes are. `TooLarge` is a `Malformed` that
would have been fine if it were smaller; it is raised before the memory is taken.
"""

from __future__ import annotations

from autograder.outcome import CheckFailed
from autograder.text import quote

MIB = 1024 * 1024


class Malformed(CheckFailed):
    """A file that isn't what its kind has to be; ``where`` says the place in it, such as "line 3"."""

    def __init__(self, name: str, problem: str, *, where: str = "", hint: str = "") -> None:
        at = f" ({where})" if where else ""
        super().__init__(f"{quote(name)} {problem}{at}.", hint=hint)
        self.name, self.problem, self.where = name, problem, where


class TooLarge(Malformed):
    """A file that holds more, or asks for more memory, than its loader's limits allow."""


def size(count: float) -> str:
    """A number of bytes for a message."""
    return f"{count / MIB:,.1f} MiB" if count >= MIB else f"{count:,.0f} bytes"


def check_bytes(name: str, data: bytes, allowed: int, *, hint: str = "Save only what is asked for.") -> None:
    """Refuse more bytes than a loader takes; the door's limit is the file system's, this one the format's."""
    if len(data) > allowed:
        raise TooLarge(name, f"is {size(len(data))} large, where {size(allowed)} are allowed", hint=hint)
