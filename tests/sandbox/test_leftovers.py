"""What a run leaves that is killed with no time to clean up, and who removes it: the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox.backend import Backend
from autograder.sandbox.container import LABEL, connect, remove_abandoned
from autograder.sandbox.leftovers import is_gone, mark, run_folder, sweep_folders
from tests.runs import ROOT, folder_for_all
from tests.sandbox.boxes import BACKEND_PARAMS, KINDS, SPEC, pids_of, soon, why_not

# A run with one box, in which a daemon of the submission's lives on; says who they are, and waits.
RUN = """
import sys, tempfile, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
tempfile.tempdir = sys.argv[3]
from tests.sandbox.boxes import KINDS, SPEC
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.submission import Submission
backend = KINDS[sys.argv[2]](SPEC)
module = Submission(backend, Path(sys.argv[3]) / "tree", SPEC.limits, RunClock(600)).module("m.py")
with module.scene() as scene:
    print(scene.call("daemon").fetch(), flush=True)
    time.sleep(600)
"""
DAEMON = """
import os, time
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(100):
                try:
                    os.close(fd)
                except OSError:
                    pass
            time.sleep(600)
        os._exit(0)
    return os.getuid()
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own, into which everybody may go."""
    with folder_for_all() as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        yield folder


def test_a_mark_tells_whether_its_process_lives() -> None:
    machine, pid, started = mark().split("-")
    assert not is_gone(mark())
    assert is_gone(f"{machine}-{pid}-{int(started) + 1}")  # another process had that number
    with subprocess.Popen(["sleep", "0"]) as ended:
        ended.wait()
    assert is_gone(f"{machine}-{ended.pid}-{started}")
    assert not is_gone(f"{'0' * 8}-{ended.pid}-{started}")  # another machine's: nobody here can tell


def test_only_folders_of_the_dead_are_swept(place: Path) -> None:
    machine, pid, started = mark().split("-")
    ours = run_folder("box")
    dead = place / f"autograder-box-{machine}-{pid}-{int(started) + 1}-abc"
    elsewhere = place / f"autograder-box-{'0' * 8}-{pid}-{int(started) + 1}-abc"
    others = place / "autograder-notes"
    link = place / f"autograder-box-{machine}-{pid}-{int(started) + 1}-link"
    for folder in (dead, elsewhere, others):
        (folder / "deep").mkdir(parents=True)
    link.symlink_to(others)
    assert sweep_folders() == [dead.name]
    assert {entry.name for entry in place.iterdir()} == {
        each.name for each in (ours, elsewhere, others, link)
    }


@pytest.mark.parametrize("name", [each for each in BACKEND_PARAMS if each != "none"])
def test_the_next_run_removes_what_a_killed_one_left(place: Path, name: str) -> None:
    if why := why_not(name):
        pytest.skip(why)
    (place / "tree").mkdir()
    (place / "tree" / "m.py").write_text(DAEMON, encoding="ascii")
    command = [sys.executable, "-c", RUN, str(ROOT), name, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        uid = int(run.stdout.readline())
        assert [*place.glob("autograder-box-*")]
        os.killpg(run.pid, signal.SIGKILL)  # the fork server goes with it
        run.wait()
    backend: Backend = KINDS[name](SPEC)
    try:
        if uid != os.geteuid():
            assert soon(lambda: pids_of(uid) == [])
        sweep_folders()
        kept = [folder.name for folder in place.glob("autograder-*") if f"-{run.pid}-" in folder.name]
        assert kept == []
        if name == "docker":
            assert soon(lambda: not left_of(run.pid), within_s=20)
    finally:
        backend.close()


def left_of(pid: int) -> list[str]:
    """The containers of the run with this number that another opening leaves.

    The engine may have been making one when the run was killed, which then comes after the first opening.
    """
    client = connect()
    try:
        remove_abandoned(client)
    finally:
        client.close()
    return [label for label in labels() if f"-{pid}-" in label]


def labels() -> list[str]:
    """The marks of all containers that runs of ours made."""
    client = connect()
    try:
        return [
            each.labels[LABEL]
            for each in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
        ]
    finally:
        client.close()
