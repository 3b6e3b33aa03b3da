"""Gradings at the door: the real command line, in a process of its own, on a machine that lacks something."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.contract import problems, total
from tests.runs import EARLIER, ROOT, START, Ended, folder_for_all
from tests.small import CALL_DOUBLE, Small

ONE, TWO = (CALL_DOUBLE.replace("(4)", f"({points})") for points in (1, 2))
BEFORE, AFTER = TWO.replace("test_double", "test_before"), ONE.replace("test_double", "test_after")
# A grader's tests run in the trusted process, so one of them can break something at a moment that is known.
BETWEEN = """
import os, resource, shutil, signal, subprocess, sys, threading, time
from pathlib import Path
OUT = Path({out!r})
def fill(folder, leave=0):
    with open(Path(folder) / "filler", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
def children(of):
    return [int(pid) for pid in Path(f"/proc/{{of}}/task/{{of}}/children").read_text().split()]
def fork_server():
    ours = {{pid: Path(f"/proc/{{pid}}/cmdline").read_text() for pid in children(os.getpid())}}
    return next(pid for pid, command in ours.items() if "worker.serve" in command)
def holders():
    return [pid for pid in children(fork_server()) if Path(f"/proc/{{pid}}").stat().st_uid]
@number("1")
@weight(1)
def test_between(submission):
    '''breaks something'''
    {statements}
"""


SET_LIMIT = """
import resource
resource.setrlimit(resource.{0}, ({1}, {2} or resource.getrlimit(resource.{0})[1]))
"""
LATE = """
import sys
sys.path.insert(0, {root!r})
import autograder.cli, autograder.report
sys.path.pop(0)
{statements}
"""


def after_imports(statements: str) -> str:
    """These statements, run once the command line was imported."""
    return LATE.format(root=str(ROOT), statements=statements)


@dataclass
class Door:
    """One small assignment, a submission that is right, and a folder for all that a run makes."""

    folder: Path
    sandbox: str = "privdrop"
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.small = Small(self.folder / "homework", tests=BEFORE + AFTER, questions={"1": 3.0})
        self.small.folder.mkdir()
        self.out, self.tmp = self.folder / "out", self.folder / "tmp"
        self.out.mkdir()
        self.tmp.mkdir()
        self.tmp.chmod(0o711)  # the sandbox's user walks through it
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": str(self.tmp),
            "OMP_NUM_THREADS": "1",
        }
        self.put_earlier()

    def put_earlier(self) -> None:
        (self.out / "results.json").write_bytes(EARLIER)

    def between(self, statements: str) -> Door:
        """Let a test of the grader's run these statements, after one test and before another."""
        middle = BETWEEN.format(out=str(self.out), statements="\n    ".join(statements.splitlines()))
        self.small.tests, self.small.questions = BEFORE + middle + AFTER, {"1": 4.0}
        return self

    def command(self, *, before: str = "", namespace: str = "", python: str = sys.executable) -> list[str]:
        """The command line, with Python run first or with a shell's commands in a mount namespace."""
        run = [python, "-I", "-X", "utf8", "-c", f"{before}\n{START}", str(ROOT), "grade"]
        run += [str(self.small.assignment().folder), str(self.small.submission()), "--out", str(self.out)]
        run += ["--sandbox", self.sandbox]
        if not namespace:
            return run
        return [*apart(), "sh", "-ec", f'{namespace}\nexec "$@"', "sh", *run]

    def start(
        self,
        *,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        **how: str,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command(**how),
            cwd=self.folder,
            env=self.environment,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, **how: object) -> Ended:
        return ended(self.start(**how))  # type: ignore[arg-type]

    @property
    def results(self) -> Path:
        return self.out / "results.json"

    @property
    def partial(self) -> Path:
        return self.out / "results.partial.json"

    def score(self) -> float:
        data = self.results.read_bytes()
        assert data != EARLIER
        assert problems(data) == []
        return float(json.loads(data)["score"])

    def check_nothing_left(self, *, but_folders: bool = False) -> None:
        """No process of a run's, no box, no scratch folder."""
        give_up = time.monotonic() + 15.0
        while (left := self._processes()) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert left == []
        if not but_folders:
            names = [path.name for path in self.tmp.iterdir() if path.name.startswith("autograder")]
            assert not names, names

    def _processes(self) -> list[str]:
        groups = {process.pid for process in self.started}
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                here = str(Path(f"/proc/{pid}/cwd").readlink()).startswith(str(self.tmp))
                if "\nState:\tZ" not in status and (here or os.getpgid(pid) in groups):
                    found.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}")
        return found

    def check_fault(
        self, ended: Ended, *words: str, earlier_stays: bool = False, folders_stay: bool = False
    ) -> None:
        """No score, exit 2, and staff read what it was and what to do."""
        assert ended.code == 2, (ended.code, ended.out[-2000:], ended.err[-4000:])
        assert "no score was given" in ended.told
        assert len(ended.told.partition("What to do: ")[2]) > 10
        for word in words:
            assert word in ended.told, ended.told
        if earlier_stays:
            assert self.results.read_bytes() == EARLIER
        else:
            assert not self.results.exists()
        if self.partial.exists():
            data = self.partial.read_bytes()
            assert problems(data) == []
            assert total(data) == sum(self.small.questions.values())
            document = json.loads(data)
            assert document["extra_data"]["partial"] is True
            assert "What stands here is not a grade" in document["output"]
        log = self.out / "fault.txt"
        if log.exists():
            assert "Remedy: " in log.read_text()
        self.check_nothing_left(but_folders=folders_stay)

    def check_score(self, ended: Ended, score: float | None = None) -> None:
        """A good end with the right score."""
        assert ended.code == 0, (ended.code, ended.err[-4000:])
        assert self.score() == (sum(self.small.questions.values()) if score is None else score)
        assert not self.partial.exists()
        assert not (self.out / "fault.txt").exists()
        self.check_nothing_left()

    def close(self) -> None:
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ended(process: subprocess.Popen[bytes], seconds: float = 120) -> Ended:
    out, err = process.communicate(timeout=seconds)
    return Ended(
        process.returncode, (out or b"").decode("utf-8", "replace"), (err or b"").decode("utf-8", "replace")
    )


def apart() -> Sequence[str]:
    """The beginning of a command line that runs with mounts of its own; skips where none can be made."""
    command = ("unshare", "--mount", "--propagation", "private")
    there = shutil.which("unshare") is not None
    if not there or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces can't be made here")
    return command


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """A disk of its own at ``folder``, with these options of tmpfs; skips where nothing can be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", f"mode=711,{options}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def opened_door() -> Iterator[Door]:
    """A door in a folder that every user may enter."""
    with folder_for_all() as folder:
        made = Door(folder)
        try:
            yield made
        finally:
            made.close()
