"""The fork server: it starts once, serves many, and when it dies, that is our fault once and mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox import forkserver
from autograder.sandbox.backend import remove_folder
from autograder.sandbox.local import Privdrop, Unconfined
from tests.sandbox.attacks import SOURCE
from tests.sandbox.boxes import (
    IS_ROOT,
    NEEDS_ROOT,
    SPEC,
    Watched,
    call,
    exists,
    fork_server_boots,
    opened,
    pids_of,
    running,
    soon,
)

ENGINE = Path(forkserver.__file__).parents[2]


@pytest.fixture(scope="module", params=[Privdrop, Unconfined])
def backend(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Watched]:
    """The backends that have a fork server."""
    if request.param is Privdrop and not IS_ROOT:
        pytest.skip(NEEDS_ROOT)
    with running(request.param, SPEC, scratch) as watched:
        yield watched


def server_of(backend: Watched) -> int:
    pid = backend.fork_server_pid
    assert pid is not None
    return pid


def test_one_serves_all_boxes(backend: Watched, tmp_path: Path) -> None:
    servers = set()
    for _ in range(3):
        with opened(backend, tmp_path, SOURCE) as module:
            assert call(module, "me") > 0
            servers.add(server_of(backend))
    assert len(servers) == 1
    backend.assert_nothing_left()


def test_one_that_died_between_two_boxes(backend: Watched, tmp_path: Path) -> None:
    with opened(backend, tmp_path, SOURCE) as module:
        call(module, "me")
    dead = server_of(backend)
    os.kill(dead, signal.SIGKILL)
    assert soon(lambda: not backend.fork_server.alive())
    with opened(backend, tmp_path, SOURCE) as module:
        assert call(module, "me") > 0  # nothing was lost, so nobody need know
    assert server_of(backend) != dead
    assert not exists(dead)
    backend.assert_nothing_left()


def test_one_that_dies_as_it_is_asked(
    backend: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(backend, tmp_path, SOURCE) as module:
        call(module, "me")
    with opened(backend, tmp_path, SOURCE) as module:
        with monkeypatch.context() as patch:
            patch.setattr(forkserver.ForkServer, "alive", lambda _self: True)
            os.kill(server_of(backend), signal.SIGKILL)
            with pytest.raises(SandboxFault, match="fork server stopped answering") as caught:
                module.load()
        assert caught.value.remedy
        assert call(module, "me") > 0  # once, and it is mended
    backend.assert_nothing_left()


def test_one_that_died_between_two_tests(backend: Watched, tmp_path: Path) -> None:
    with opened(backend, tmp_path, SOURCE) as module:
        call(module, "me")
        os.kill(server_of(backend), signal.SIGKILL)
        assert soon(lambda: backend.boxes[-1][0].usage().processes == 0)
        with pytest.raises(SandboxFault, match="sandbox ran on died"):
            module.scene()
        assert call(module, "me") > 0
    backend.assert_nothing_left()


def test_one_that_died_during_a_call(backend: Watched, tmp_path: Path) -> None:
    """Nobody's process outlives its fork server, so the call ends; and it isn't the student who pays."""
    with opened(backend, tmp_path, SOURCE) as module:
        module.load()
        timer = threading.Timer(0.2, os.kill, (server_of(backend), signal.SIGKILL))
        timer.start()
        with pytest.raises(SandboxFault, match="sandbox ran on died"):
            call(module, "wait")
        timer.join()
        assert call(module, "me") > 0
    backend.assert_nothing_left()


def test_one_that_hangs(backend: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(backend, tmp_path, SOURCE) as module:
        call(module, "me")
    hung = server_of(backend)
    os.kill(hung, signal.SIGSTOP)
    with opened(backend, tmp_path, SOURCE) as module:
        with monkeypatch.context() as patch:
            patch.setattr(forkserver, "_REQUEST_S", 0.3)
            with pytest.raises(SandboxFault, match="stopped answering"):
                module.load()
        assert call(module, "me") > 0
    assert not exists(hung)
    backend.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_not_for_it(backend: Watched, tmp_path: Path, number: int) -> None:
    with opened(backend, tmp_path, SOURCE) as module:
        module.load()
        server = server_of(backend)
        os.kill(server, number)
        assert call(module, "me") > 0
    assert server_of(backend) == server
    backend.assert_nothing_left()


def test_boxes_from_several_threads(backend: Watched, tmp_path: Path) -> None:
    def work(number: int) -> int:
        tree = tmp_path / str(number)
        tree.mkdir()
        with opened(backend, tree, f"def f(): return {number}\n") as module:
            return int(call(module, "f"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))
    backend.assert_nothing_left()


def test_no_zombie_stays(backend: Watched, tmp_path: Path) -> None:
    with opened(backend, tmp_path, SOURCE) as module:
        for _ in range(2):
            call(module, "fork_many", 3)
            call(module, "daemon") if backend.isolates else None
    assert soon(lambda: children_of(server_of(backend)) == [])
    backend.assert_nothing_left()


def children_of(parent: int) -> list[int]:
    """Zombies among them."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found


# --- starting -----------------------------------------------------------------------------------------


def test_a_package_that_is_missing_is_named(scratch: Path, tmp_path: Path) -> None:
    with (
        running(Unconfined, replace(SPEC, preload=("numpy", "nosuchpackage")), scratch) as backend,
        opened(backend, tmp_path, SOURCE) as module,
        pytest.raises(EnvironmentFault, match="No module named 'nosuchpackage'") as caught,
    ):
        module.load()
    assert "Install" in caught.value.remedy


@pytest.mark.parametrize(
    ("statement", "fault", "says"),
    [
        (
            "def broken(name): raise RuntimeError('operator torchvision::nms does not exist')\n"
            "worker.importlib.import_module = broken",
            EnvironmentFault,
            "torchvision::nms",
        ),
        ("import os; os._exit(3)", SandboxFault, "stopped answering"),
        ("sys.exit('no')", SandboxFault, "stopped answering"),
    ],
)
def test_one_that_can_not_start(
    scratch: Path, tmp_path: Path, statement: str, fault: type[Exception], says: str
) -> None:
    with (
        running(Unconfined, SPEC, scratch) as backend,
        opened(backend, tmp_path, SOURCE) as module,
        fork_server_boots(statement),
    ):
        for _ in range(2):
            with pytest.raises(fault, match=says):
                module.load()


def test_python_variables_and_the_working_folder_do_not_reach_it(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "numpy.py").write_text("raise SystemExit('evil')\n", encoding="utf-8")
    (tmp_path / "evil" / "sitecustomize.py").write_text("raise SystemExit('evil')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "evil"))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "evil" / "numpy.py"))
    monkeypatch.chdir(tmp_path / "evil")
    with running(Unconfined, SPEC, scratch) as backend, opened(backend, tmp_path, SOURCE) as module:
        assert call(module, "me") > 0


# --- the end of the trusted process -------------------------------------------------------------------

GRADER = """
import os, sys, tempfile
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.submission import Submission
tempfile.tempdir = sys.argv[2]
limits = BoxLimits()
backend = {"privdrop": Privdrop, "none": Unconfined}[sys.argv[4]](BoxSpec(limits))
module = Submission(backend, Path(sys.argv[3]), limits, RunClock(60)).module("m.py")
with module.scene() as scene:
    pid = scene.call("daemon" if backend.isolates else "me").fetch()
    print(backend.fork_server_pid, pid, flush=True)
    scene.call("wait")
"""


def test_nothing_outlives_a_grader_that_is_killed(backend: Watched, scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(SOURCE, encoding="utf-8")
    folder = scratch / "killed"
    folder.mkdir()
    folder.chmod(0o711)
    arguments = [str(ENGINE), str(folder), str(tmp_path), backend.name]
    with subprocess.Popen(
        [sys.executable, "-I", "-c", GRADER, *arguments], stdout=subprocess.PIPE, text=True
    ) as grader:
        assert grader.stdout is not None
        server, pid = map(int, grader.stdout.readline().split())
        uid = Path(f"/proc/{pid}").stat().st_uid
        assert exists(server)
        grader.kill()
    assert soon(lambda: not exists(server) and not exists(pid), within_s=20)
    if backend.isolates:
        assert pids_of(uid) == []
    remove_folder(folder)  # a process that is killed can't tidy up its own files
