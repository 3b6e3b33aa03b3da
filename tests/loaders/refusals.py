"""What the loaders' tests share: the sentence of a refusal, and proof that it came before the memory."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autograder.loaders.problems import Malformed, TooLarge
from autograder.outcome import CheckFailed, Outcome

MIB = 1024 * 1024
assert issubclass(TooLarge, Malformed)
assert issubclass(Malformed, CheckFailed)


def refused(load: Callable[..., Any], data: bytes, *more: Any, kind: type[Malformed] = Malformed) -> str:
    """The sentence with which ``data`` is refused; it quotes the name, ends, and says what to do."""
    with pytest.raises(Malformed) as caught:
        _whole(load(data, "x.dat", *more))
    assert type(caught.value) is kind
    assert caught.value.outcome is Outcome.FAILED
    assert caught.value.hint.endswith(".")
    message = caught.value.message
    assert message.startswith("'x.dat")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 500
    return message.removeprefix("'x.dat' ").removesuffix(".")


def _whole(made: Any) -> None:
    """Read a table to its end: its rows come one by one."""
    if isinstance(made, Iterator):
        for _ in made:
            pass


@contextmanager
def frugal(mib: float, seconds: float = 10) -> Iterator[None]:
    """Whatever happens inside takes no more memory than this at any moment, and not much time."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
    assert peak < mib, f"it took {peak:.1f} MiB"
    assert time.process_time() - start < seconds


_PROJECT = Path(__file__).parents[2]
_PRELUDE = """
import pathlib, resource, sys
from autograder.loaders.problems import Malformed
{imports}
page = resource.getpagesize()
room = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * page + {mib} * 2**20
resource.setrlimit(resource.RLIMIT_AS, (room, room))
data = sys.stdin.buffer.read()
try:
    {call}
except Malformed as problem:
    print(problem.message)
else:
    print("loaded")
"""


def in_little_memory(imports: str, call: str, data: bytes, mib: int) -> str:
    """What becomes of ``data`` in a process that may take ``mib`` more than its imports, in any language."""
    program = _PRELUDE.format(imports=imports, call=call, mib=mib)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=data, capture_output=True, check=False, cwd=_PROJECT)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode().strip()
