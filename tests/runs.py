"""Runs of the command line: in this process, and in one of its own that can be killed and looked into."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder import cli
from autograder.boxes import SANDBOX_VARIABLE
from autograder.results import PARTIAL, RESULTS
from tests.small import plain_asserts

ROOT = Path(__file__).resolve().parent.parent
# As run_autograder starts it.
START = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "run_autograder"
from autograder.cli import main
main()"""
EARLIER = b'{"score": 4, "tests": []}'  # results of an earlier run in the same folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="grading needs root, for the sandbox")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: object
    out: str
    err: str

    @property
    def told(self) -> str:
        """What it said on stderr, on one line: rich breaks lines where it likes."""
        return " ".join(self.err.split())


def sandbox_setting() -> dict[str, str]:
    """The part of the environment that says which sandbox the suite grades in (see tests/conftest.py)."""
    return {name: value for name, value in os.environ.items() if name == SANDBOX_VARIABLE}


def in_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """A function that runs a command here, so that parts of it can be replaced."""

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["run_autograder", *map(str, arguments)])
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with plain_asserts(), pytest.raises(SystemExit) as left:
                cli.main()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        said = capsys.readouterr()
        return Ended(left.value.code, said.out, said.err)

    return run


def command_line(*arguments: str | Path, home: Path = ROOT) -> list[str]:
    return [sys.executable, "-I", "-X", "utf8", "-c", START, str(home), *map(str, arguments)]


def run_apart(
    *arguments: str | Path, home: Path = ROOT, cwd: Path, user: int | None = None, seconds: float = 120
) -> Ended:
    """Run a command to its end in a process of its own, as the user with this number if one is given."""
    done = subprocess.run(
        command_line(*arguments, home=home),
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"} | (sandbox_setting() if user is None else {}),
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every user can walk into, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="autograder-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


class Run:
    """A grading that runs, in a process group and below a temporary folder of its own."""

    def __init__(self, submission: Path, folder: Path) -> None:
        self.out, self._temporary = folder / "out", folder / "tmp"
        self.out.mkdir(parents=True)
        self._temporary.mkdir()
        for path in (folder, self._temporary):
            path.chmod(0o711)  # the sandbox's user walks through them
        (self.out / RESULTS).write_bytes(EARLIER)
        self.process = subprocess.Popen(
            command_line("grade", "gatech_convnet", submission, "--out", self.out),
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(self._temporary), "OMP_NUM_THREADS": "1"}
            | sandbox_setting(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def running(self) -> bool:
        return self.process.poll() is None

    def end(self, how: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
        """Send this signal to the grader and its fork server at once; the exit code and the last words."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said.decode("utf-8", "replace")

    def wait_for_student_code(self) -> None:
        """Wait until student code has used a fifth of a second of a processor."""
        give_up = time.monotonic() + 60.0
        while not any(self._is_busy_student(pid) for pid in self._processes()):
            assert time.monotonic() < give_up, "student code never ran"
            assert self.running(), self.end()
            time.sleep(0.02)

    def _is_busy_student(self, pid: int) -> bool:
        try:
            ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
            return Path(f"/proc/{pid}").stat().st_uid != os.geteuid() and ticks > 20
        except OSError:
            return False

    def _processes(self) -> list[int]:
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._ours(pid)]  # noqa: PTH208

    def _ours(self, pid: int) -> bool:
        """Whether a living process is in the run's group, or in one of its boxes."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            in_a_box = str(Path(f"/proc/{pid}/cwd").readlink()).startswith(str(self._temporary))
            return "\nState:\tZ" not in status and (in_a_box or os.getpgid(pid) == self.process.pid)
        except OSError:
            return False  # it ended while we looked

    def left_over(self) -> list[str]:
        """The command lines of the run's processes that don't end within a few seconds."""
        give_up = time.monotonic() + 10.0
        while (left := self._processes()) and time.monotonic() < give_up:
            time.sleep(0.02)
        return [Path(f"/proc/{pid}/cmdline").read_text() for pid in left]

    @property
    def partial(self) -> Path:
        return self.out / PARTIAL

    @property
    def results(self) -> Path:
        return self.out / RESULTS
