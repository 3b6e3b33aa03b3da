"""Rules 2 and 3: a fault of ours is never a score, and no test is ever lost.

Tried from outside by killing whole runs of the command line at many moments, and from inside by breaking each
part in turn while it grades.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from autograder import atomic, cli, grading, report
from autograder.outcome import SandboxFault
from autograder.plugin import GradingPlugin
from autograder.results import PARTIAL, RESULTS
from autograder.sandbox.forkserver import ForkServer
from autograder.sandbox.guard import Guard
from autograder.sandbox.local import Privdrop
from autograder.sandbox.submission import Scene
from fixtures.build import build
from tests.contract import problems, total
from tests.small import Small, plain_asserts

ROOT = Path(__file__).resolve().parent.parent
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from autograder.cli import main; main()"
PARTIAL_WRITES = (
    19  # of a grading of gatech_convnet: one at the start, and one for each test and ungraded part
)
POINTS = 20.0  # of gatech_convnet, with its extra credit
EARLIER = b'{"score": 4, "tests": []}'  # results of an earlier run in the same folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="grading needs root, for the sandbox")


# --- killing the run ----------------------------------------------------------------------------------


class Run:
    """A grading by the command line, in a process group and below a temporary folder of its own."""

    def __init__(self, submission: Path, folder: Path) -> None:
        self.out, self._temporary = folder / "out", folder / "tmp"
        self.out.mkdir(parents=True)
        self._temporary.mkdir()
        for path in (folder, self._temporary):
            path.chmod(0o711)  # the sandbox's user walks through them
        (self.out / RESULTS).write_bytes(EARLIER)
        command = [sys.executable, "-I", "-c", START, str(ROOT), "grade", "gatech_convnet", str(submission)]
        self.process = subprocess.Popen(  # noqa: S603  (our own command line)
            [*command, "--out", str(self.out)],
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(self._temporary), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """Kill the grader and its fork server, all at once and without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def left_over(self) -> list[str]:
        """The command lines of processes that outlive the run: in its group, or in one of its boxes."""
        return [line for pid in _pids() if (line := self._ours(pid))]

    def _ours(self, pid: int) -> str:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            in_a_box = str(Path(f"/proc/{pid}/cwd").readlink()).startswith(str(self._temporary))
            if "\nState:\tZ" in status or not (in_a_box or os.getpgid(pid) == self.process.pid):
                return ""
            return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"
        except OSError:
            return ""  # it ended while we looked

    def check_what_is_left(self, whole: bytes) -> None:
        """Look at everything that a killed run leaves; ``whole`` are the results of one that wasn't."""
        give_up = time.monotonic() + 10.0
        while (left := self.left_over()) and time.monotonic() < give_up:
            time.sleep(0.02)
        assert left == []
        if (self.out / RESULTS).exists():
            data = (self.out / RESULTS).read_bytes()
            # Killed before our first line ran, or after the last: then it is the earlier run's, or complete.
            assert data == EARLIER or _without_times(data) == _without_times(whole)
        if (self.out / PARTIAL).exists():
            assert not (self.out / RESULTS).exists()
            data = (self.out / PARTIAL).read_bytes()
            assert problems(data) == []
            assert total(data) == total(whole)
            document = json.loads(data)
            assert document["extra_data"]["partial"] is True or document["score"] == 4.0
            assert [key for key, *_ in _ends(data)] == [key for key, *_ in _ends(whole)]
            assert all(end in (*_ends(whole), (end[0], "pending", 0.0)) for end in _ends(data))


def _ends(document: bytes) -> list[tuple[str, str, float]]:
    return [
        (test["extra_data"]["key"], test["extra_data"]["outcome"], test["score"])
        for test in json.loads(document)["tests"]
    ]


def _without_times(data: bytes) -> object:
    document = json.loads(data)
    del document["execution_time"]
    for test in document["tests"]:
        del test["extra_data"]["seconds"]
    return document


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


@pytest.fixture(scope="module")
def excellent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("excellent", tmp_path_factory.mktemp("excellent"))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the sandbox's user can walk through, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="rules-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Whole:
    """A run that nobody killed."""

    seconds: float
    results: bytes


@pytest.fixture(scope="module")
def whole(excellent: Path) -> Whole:
    folder = Path(tempfile.mkdtemp(prefix="rules-"))
    try:
        start = time.monotonic()
        run = Run(excellent, folder)
        assert run.process.wait() == 0
        results = (run.out / RESULTS).read_bytes()
        assert problems(results) == []
        assert json.loads(results)["score"] == 4.0
        assert total(results) == 20.0
        assert not (run.out / PARTIAL).exists()
        assert run.left_over() == []
        return Whole(time.monotonic() - start, results)
    finally:
        shutil.rmtree(folder)


@needs_root
def test_killed_at_random_moments(excellent: Path, place: Path, whole: Whole) -> None:
    chance = random.Random(2)  # noqa: S311  (moments, not secrets)
    for number in range(12):
        run = Run(excellent, place / str(number))
        try:
            time.sleep(whole.seconds * (number + chance.random()) / 12)
            killed = run.running()
        finally:
            run.kill()
        if killed:
            run.check_what_is_left(whole.results)


@needs_root
@pytest.mark.parametrize("change", [1, 2, 6, 11, 16, 20])
def test_killed_right_after_a_change_of_the_partial_results(
    excellent: Path, place: Path, whole: Whole, change: int
) -> None:
    run = Run(excellent, place / "run")
    seen, last = 0, 0
    try:
        while seen < change and run.running():
            with contextlib.suppress(FileNotFoundError):
                file = (run.out / PARTIAL).stat().st_ino
                seen, last = seen + (file != last), file
    finally:
        run.kill()
    run.check_what_is_left(whole.results)


@needs_root
def test_killed_while_student_code_runs_and_never_ends(place: Path, whole: Whole) -> None:
    run = Run(build("limit_endless_loop", place / "submission"), place / "run")
    try:
        give_up = time.monotonic() + 30.0
        while not any("student" in line for line in busy(run)) and time.monotonic() < give_up:
            time.sleep(0.02)
        assert len(run.left_over()) >= 4  # the grader, its fork server, the box and the scene in it
    finally:
        run.kill()
    run.check_what_is_left(whole.results)


def busy(run: Run) -> list[str]:
    """A word for each process of the run: those of its boxes are the student's."""
    words = []
    for line in run.left_over():
        pid = line.partition(":")[0]
        with contextlib.suppress(OSError):
            ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
            uid = Path(f"/proc/{pid}").stat().st_uid
            words.append("student" if uid and ticks > 20 else "ours")  # a fifth of a second of its own
    return words


# --- breaking each part -------------------------------------------------------------------------------

DOUBLE = """
@number("1")
@weight({points})
def test_{name}(submission):
    '''double doubles'''
    with submission.module("work.py").scene() as scene:
        assert scene.call("double", 21).fetch() == 42, "It doesn't."
"""
Plant = Callable[[pytest.MonkeyPatch], None]


class Ended:
    """How a run of the command line in this process ended."""

    def __init__(self, code: object, said: str) -> None:
        self.code, self.said = code, said


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(
        tmp_path, tests=DOUBLE.format(points=1, name="first") + DOUBLE.format(points=3, name="second")
    )
    made.out.mkdir()
    made.results.write_bytes(EARLIER)
    return made


@pytest.fixture
def grade_small(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Grade ``small`` by the command line; ``out`` takes the place of its results folder."""

    def run(out: Path | None = None) -> Ended:
        arguments = ["grade", str(small.assignment().folder), str(small.submission())]
        monkeypatch.setattr(sys, "argv", ["run_autograder", *arguments, "--out", str(out or small.out)])
        before = signal.getsignal(signal.SIGTERM)
        try:
            with plain_asserts(), pytest.raises(SystemExit) as left:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        return Ended(left.value.code, capsys.readouterr().err)

    return run


def is_a_fault(ended: Ended, small: Small) -> None:
    """No score, exit 2, and staff read what to do, not a traceback alone."""
    assert ended.code == 2
    assert not small.results.exists()
    assert "not the student's fault" in ended.said
    remedy = " ".join(ended.said.split()).partition("What to do: ")[2]
    assert len(remedy) > 10
    if small.partial.exists():
        data = small.partial.read_bytes()
        assert problems(data) == []
        assert total(data) == 4.0
        assert json.loads(data)["extra_data"]["partial"] is True


def raiser(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def replace(owner: object, name: str, error: BaseException) -> Plant:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, raiser(error))


def after(calls: int, owner: object, name: str, error: BaseException) -> Plant:
    """Let ``owner.name`` do its work ``calls`` times, and raise from then on."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        works: Callable[..., Any] = getattr(owner, name)
        left = [calls]

        def failing(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise error
            return works(*arguments, **options)

        monkeypatch.setattr(owner, name, failing)

    return plant


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill_the_fork_server(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Kill it as the kernel would when memory runs out, right before student code is called."""
    servers: list[ForkServer] = []
    running, call = ForkServer._running, Scene.call
    left = [times]

    def noting(self: ForkServer) -> Any:
        servers[:] = [self]
        return running(self)

    def killing(self: Scene, name: str, *arguments: Any) -> Any:
        if name == "double" and left[0] > 0:
            left[0] -= 1
            assert servers[0].pid is not None
            os.kill(servers[0].pid, signal.SIGKILL)
            time.sleep(0.1)
        return call(self, name, *arguments)

    monkeypatch.setattr(ForkServer, "_running", noting)
    monkeypatch.setattr(Scene, "call", killing)


def break_the_guard(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the watchdog's thread fail while a box runs student code."""
    left, armed = [times], [False]  # the preflight is another test's

    def failing(_self: Guard, *, with_disk: bool) -> None:
        if armed[0] and left[0] > 0:
            left[0] -= 1
            raise RuntimeError(f"the watchdog tripped {with_disk}")

    call = Scene.call

    def slow(self: Scene, name: str, *arguments: Any) -> Any:
        if name == "double":
            armed[0] = True
            time.sleep(0.25)  # the guard looks ten times a second
        return call(self, name, *arguments)

    monkeypatch.setattr(Guard, "_scan", failing)
    monkeypatch.setattr(Scene, "call", slow)


NO_SANDBOX = SandboxFault("There is none.", remedy="Get one, as the manual says.")
PLANTS: dict[str, Plant] = {
    "the sandbox does not start": replace(Privdrop, "launch", NO_SANDBOX),
    "the sandbox starts for the preflight alone": after(1, Privdrop, "launch", NO_SANDBOX),
    "no process can be forked": after(1, Privdrop, "launch", OSError(errno.EAGAIN, "Try again")),
    "no room for a box": after(2, tempfile, "mkdtemp", full_disk()),
    "the sandbox can't be closed": replace(Privdrop, "_kill", NO_SANDBOX),
    "the fork server is killed again and again": lambda patch: kill_the_fork_server(patch, 10**6),
    "the guard fails again and again": lambda patch: break_the_guard(patch, 10**6),
    "intake has no disk": replace(grading, "take_in", full_disk()),
    "intake has a bug": replace(grading, "take_in", RecursionError("deep")),
    "intake meets an end of file": replace(grading, "take_in", EOFError()),
    "memory runs out": replace(grading, "take_in", MemoryError()),
    "the disk is full at once": replace(atomic, "_write_new", full_disk()),
    "the disk is full after the first test": after(2, atomic, "_write_new", full_disk()),
    "the disk is full at the end": after(3, atomic, "_write_new", full_disk()),
    "the disk is full for the page": after(4, atomic, "_write_new", full_disk()),
    "the disk breaks": replace(os, "replace", OSError(errno.EIO, os.strerror(errno.EIO))),
    "the page has a bug": replace(report, "html", KeyError("colour")),
    "the plugin has a bug": replace(GradingPlugin, "_verdict", KeyError("verdict")),
    "pytest has a bug": replace(GradingPlugin, "_end", KeyError("pytest")),
    "the versions can't be told": replace(grading, "versions", ValueError("no version")),
}


@needs_root
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_a_fault_in_any_part_is_no_score(
    plant: Plant, small: Small, grade_small: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    is_a_fault(grade_small(), small)


@needs_root
def test_without_a_fault_there_is_a_score(small: Small, grade_small: Callable[..., Ended]) -> None:
    ended = grade_small()
    assert ended.code == 0
    assert json.loads(small.results.read_bytes())["score"] == 4.0


@needs_root
@pytest.mark.parametrize(
    ("break_it", "times"),
    [(kill_the_fork_server, 1), (kill_the_fork_server, 2), (break_the_guard, 1)],  # in each test, or in one
)
def test_a_sandbox_that_dies_once_costs_no_points(
    break_it: Callable[[pytest.MonkeyPatch, int], None],
    times: int,
    small: Small,
    grade_small: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_it(monkeypatch, times)
    ended = grade_small()
    assert ended.code == 0, ended.said
    assert json.loads(small.results.read_bytes())["score"] == 4.0


@needs_root
def test_a_file_in_the_way_of_the_results(small: Small, grade_small: Callable[..., Ended]) -> None:
    shutil.rmtree(small.out)
    (small.folder / "file").touch()
    is_a_fault(grade_small(small.folder / "file" / "out"), small)
    is_a_fault(grade_small(small.folder / "file"), small)


@needs_root
def test_a_results_folder_where_nothing_can_be_made(small: Small, grade_small: Callable[..., Ended]) -> None:
    shutil.rmtree(small.out)
    is_a_fault(grade_small(Path("/proc/no_folder_can_be_made_here")), small)
    is_a_fault(grade_small(Path("/proc/self")), small)


@needs_root
def test_links_and_folders_in_the_place_of_our_files(small: Small, grade_small: Callable[..., Ended]) -> None:
    target = small.folder / "target"
    target.write_text("mine")
    small.results.unlink()
    small.results.symlink_to(target)
    small.partial.mkdir()
    (small.partial / "kept").touch()
    assert grade_small().code == 0
    assert not small.results.is_symlink()
    assert target.read_text() == "mine"
    assert any((path / "kept").exists() for path in small.out.iterdir())


@needs_root
@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("title = ", "TOML"),
        ("", "title"),
        (
            'title = "x"\nseed = 1\nno_such_key = 1\n[[questions]]\nnumber = "1"\ntitle = "t"\npoints = 4',
            "no_such_key",
        ),
        ("\xff\xfe", "UTF-8"),
    ],
    ids=["syntax", "empty", "key", "bytes"],
)
def test_a_broken_manifest(
    manifest: str, said: str, small: Small, grade_small: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small.assignment().folder
    (folder / "assignment.toml").write_bytes(manifest.encode("latin-1"))
    monkeypatch.setattr(Small, "assignment", lambda _self: type("", (), {"folder": folder}))
    small.results.unlink()  # the manifest is read before anything is known of the results
    ended = grade_small()
    is_a_fault(ended, small)
    assert said in ended.said


@needs_root
def test_a_reference_that_breaks(
    excellent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reference.conv_cases.build_pack", raiser(ZeroDivisionError("the reference broke")))
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["", "grade", "gatech_convnet", str(excellent), "--out", str(out)])
    with plain_asserts(), pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert "the reference broke" in " ".join(capsys.readouterr().err.split())
    assert not (out / RESULTS).exists()
    data = (out / PARTIAL).read_bytes()
    assert problems(data) == []
    assert total(data) == 20.0
    outcomes = [test["extra_data"]["outcome"] for test in json.loads(data)["tests"]]
    assert outcomes.count("fault") > 0
    assert outcomes.count("failed") == outcomes.count("error") == 0
    assert all(
        test["score"] == 0 and "not your fault" in test["output"]
        for test in json.loads(data)["tests"]
        if test["extra_data"]["outcome"] == "fault"
    )
