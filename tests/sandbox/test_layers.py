"""Takes each step of the confinement away in turn, and sees what comes open.

So every layer is shown to be needed, and every attack of attacks.py to be able to succeed. And where a step
fails, or does nothing without saying so, no student code runs.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from autograder.outcome import SandboxFault
from autograder.sandbox.submission import Module
from tests.sandbox.attacks import SOURCE
from tests.sandbox.boxes import (
    LIMITS,
    NO_DEATH,
    NO_LANDLOCK,
    NO_LIMITS,
    NO_SECCOMP,
    Watched,
    call,
    needs_root,
    opened,
    pids_of,
    soon,
)

pytestmark = needs_root


@pytest.fixture
def without(
    weakened: Watched, leave_out: Callable[..., None], tmp_path: Path
) -> Iterator[Callable[..., Module]]:
    """A module in a box that was confined without some steps."""
    with ExitStack() as stack:

        def make(*steps: str) -> Module:
            leave_out(*steps)
            return stack.enter_context(opened(weakened, tmp_path, SOURCE))

        yield make
    weakened.assert_nothing_left()


def is_open(module: Module, name: str, *arguments: Any) -> bool:
    """Whether an attack gets through."""
    return str(call(module, name, *arguments)).startswith("open")


@pytest.fixture
def outside(scratch: Path, request: pytest.FixtureRequest) -> Path:
    """A file that everybody may read and write, as far as its mode goes."""
    file = scratch / f"{request.node.name}.txt"
    file.write_text("secret", encoding="utf-8")
    file.chmod(0o666)
    return file


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def unix_sockets(scratch: Path) -> Iterator[tuple[str, str, str]]:
    """A stream and a datagram socket that everybody may write to, and an abstract one."""
    names = [str(scratch / "stream"), str(scratch / "datagram"), f"\0autograder-test-layers-{os.getpid()}"]
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM)
    sockets = [socket.socket(socket.AF_UNIX, kind) for kind in kinds]
    for sock, name in zip(sockets, names, strict=True):
        sock.bind(name)
        if sock.type == socket.SOCK_STREAM:
            sock.listen()
    for name in names[:2]:
        Path(name).chmod(0o777)
    yield names[0], names[1], names[2][1:]
    for sock in sockets:
        sock.close()
    for name in names[:2]:
        Path(name).unlink()


def test_with_every_step_all_is_closed(
    without: Callable[..., Module], outside: Path, port: int, unix_sockets: tuple[str, str, str]
) -> None:
    module = without()
    assert not is_open(module, "read", "/etc/passwd")
    assert not is_open(module, "write", str(outside))
    assert not is_open(module, "mark", str(outside))
    assert not is_open(module, "tcp", port)
    assert not is_open(module, "udp", port)
    assert not is_open(module, "unix", unix_sockets[0])
    assert not is_open(module, "unix_datagram", unix_sockets[1])
    assert not is_open(module, "abstract", unix_sockets[2])
    assert not is_open(module, "memfd")


def test_landlock_is_what_closes_files(without: Callable[..., Module], outside: Path) -> None:
    module = without(NO_LANDLOCK)
    assert is_open(module, "read", "/etc/passwd")
    assert is_open(module, "read", "/proc/self/status")
    assert is_open(module, "listing", "/")
    assert is_open(module, "write", str(outside))
    assert not is_open(module, "read", f"/proc/{os.getpid()}/environ")  # that, the user closes as well
    assert call(module, "new_privileges") == 1


def test_seccomp_is_what_closes_sockets_and_the_rest(
    without: Callable[..., Module], outside: Path, port: int, unix_sockets: tuple[str, str, str]
) -> None:
    module = without(NO_SECCOMP)
    assert is_open(module, "udp", port)
    assert is_open(module, "unix", unix_sockets[0])
    assert is_open(module, "unix_datagram", unix_sockets[1])
    assert is_open(module, "memfd")
    assert is_open(module, "shared_memory")
    assert is_open(module, "larger_socket")
    assert is_open(module, "mark", str(outside))
    assert call(module, "type_into_terminal") == "closed: ENOTTY"
    if platform.machine() == "x86_64":
        segment = str(call(module, "syscall", 29, 0, 4096, 0o600))  # shmget
        assert segment.startswith("open: ")
        assert is_open(module, "syscall", 31, int(segment.removeprefix("open: ")), 0, 0)  # shmctl: remove it
        assert is_open(module, "syscall", 101, 0, 0, 0, 0)  # ptrace: let the parent trace me


def test_landlock_and_seccomp_both_close_tcp_and_abstract_sockets(
    without: Callable[..., Module], port: int, unix_sockets: tuple[str, str, str]
) -> None:
    module = without(NO_SECCOMP)
    assert not is_open(module, "tcp", port)
    assert not is_open(module, "abstract", unix_sockets[2])
    module = without(NO_SECCOMP, NO_LANDLOCK)
    assert is_open(module, "tcp", port)
    assert is_open(module, "abstract", unix_sockets[2])


def test_the_limits_are_what_stops_a_flood(without: Callable[..., Module]) -> None:
    module = without(NO_LIMITS)
    assert call(module, "fork_many", LIMITS.processes + 8) == LIMITS.processes + 8
    assert is_open(module, "big_mapping", 2 * 2**30)
    assert is_open(module, "open_many", 300)


def test_a_box_outlives_the_fork_server_unless_it_asks_to_die(
    without: Callable[..., Module], weakened: Watched
) -> None:
    module = without(NO_DEATH)
    module.load()
    uid = weakened.boxes[-1][2]
    os.kill(weakened.fork_server_pid or 0, signal.SIGKILL)
    assert not soon(lambda: pids_of(uid) == [], within_s=0.2)
    module.close()
    assert pids_of(uid) == []  # the next fork server has killed what this one left


# --- steps that fail ----------------------------------------------------------------------------------

FAIL = "def fail(*_, **__): raise PermissionError(1, 'refused, as a test asks')"


@pytest.mark.parametrize(
    "step",
    [
        "confine.limit_resources",
        "confine.seccomp.build_filter",
        "confine.os.setgroups",
        "confine.os.setresgid",
        "confine.os.setresuid",
        "confine.enter_home",
        "confine.landlock.restrict",
        "confine.landlock._call",
        "confine.resource.setrlimit",
    ],
)
def test_nothing_runs_where_a_step_fails(
    without: Callable[..., Module], weakened: Watched, step: str
) -> None:
    module = without(FAIL, f"{step} = fail")
    with pytest.raises(SandboxFault, match=r"could not be closed: .*(as a test asks|landlock)") as caught:
        module.load()
    assert "doctor" in caught.value.remedy
    assert weakened.boxes == []


@pytest.mark.parametrize(
    "lie",
    [
        "confine.os.setresuid = lambda *_: None",
        "confine.os.setresgid = lambda *_: None",
        "confine.os.setgroups([0, 4]); confine.os.setgroups = lambda _: None",
        "confine.landlock.abi_version = lambda: 0",
        "import builtins; builtins.__import__ = (lambda real: lambda name, *rest: "
        "fail() if name == 'pyseccomp' else real(name, *rest))(builtins.__import__)",
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "1 / 0",
    ],
)
def test_nothing_runs_where_a_step_does_nothing(without: Callable[..., Module], lie: str) -> None:
    module = without(FAIL, lie)
    with pytest.raises(SandboxFault):
        module.load()
