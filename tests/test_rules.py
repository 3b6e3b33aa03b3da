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
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from autograder import atomic, grading, report
from autograder.outcome import SandboxFault
from autograder.plugin import GradingPlugin
from autograder.results import PARTIAL, RESULTS
from autograder.sandbox.forkserver import ForkServer
from autograder.sandbox.guard import Guard
from autograder.sandbox.local import Privdrop
from autograder.sandbox.submission import Scene
from fixtures.build import build
from tests.contract import problems, total
from tests.runs import EARLIER, Ended, Run, folder_for_all, in_this_process, needs_root
from tests.small import Small

# --- killing the run ----------------------------------------------------------------------------------


def check_what_is_left(run: Run, whole: bytes) -> None:
    """Look at everything that a killed run leaves; ``whole`` are the results of one that wasn't."""
    assert run.left_over() == []
    if run.results.exists():
        data = run.results.read_bytes()
        # Killed before our first line ran, or after the last: then it is the earlier run's, or complete.
        assert data == EARLIER or _without_times(data) == _without_times(whole)
    if run.partial.exists():
        assert not run.results.exists()
        data = run.partial.read_bytes()
        assert problems(data) == []
        assert total(data) == total(whole)
        document = json.loads(data)
        assert document["extra_data"]["partial"] is True or document["score"] == 10.0
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


@pytest.fixture(scope="module")
def excellent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("excellent", tmp_path_factory.mktemp("excellent"))


@pytest.fixture
def place() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


@dataclass(frozen=True)
class Whole:
    """A run that nobody killed."""

    seconds: float
    results: bytes


@pytest.fixture(scope="module")
def whole(excellent: Path) -> Whole:
    with folder_for_all() as folder:
        start = time.monotonic()
        run = Run(excellent, folder / "run")
        code, said = run.wait()
        assert code == 0, said
        seconds, results = time.monotonic() - start, run.results.read_bytes()
        assert problems(results) == []
        assert json.loads(results)["score"] == 10.0
        assert total(results) == 20.0
        assert not run.partial.exists()
        assert run.left_over() == []
        return Whole(seconds, results)


@needs_root
def test_killed_at_random_moments(excellent: Path, place: Path, whole: Whole) -> None:
    chance = random.Random(2)  # noqa: S311  (moments, not secrets)
    for number in range(10):
        run = Run(excellent, place / str(number))
        try:
            time.sleep(min(whole.seconds, 1.5) * (number + chance.random()) / 10)
            killed = run.running()
        finally:
            run.end()
        if killed:
            check_what_is_left(run, whole.results)


@needs_root
@pytest.mark.parametrize("change", [1, 4, 11, 20])
def test_killed_right_after_a_change_of_the_partial_results(
    excellent: Path, place: Path, whole: Whole, change: int
) -> None:
    run = Run(excellent, place / "run")
    seen, last = 0, 0
    try:
        while seen < change and run.running():
            with contextlib.suppress(FileNotFoundError):
                file = run.partial.stat().st_ino
                seen, last = seen + (file != last), file
    finally:
        run.end()
    check_what_is_left(run, whole.results)


@needs_root
@pytest.mark.parametrize("fixture", ["limit_endless_loop", "import_endless"])
def test_killed_while_student_code_runs_and_never_ends(place: Path, whole: Whole, fixture: str) -> None:
    run = Run(build(fixture, place / "submission"), place / "run")
    try:
        run.wait_for_student_code()
    finally:
        run.end()
    check_what_is_left(run, whole.results)


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
    run = in_this_process(monkeypatch, capsys)
    return lambda out=None: run(
        "grade", small.assignment().folder, small.submission(), "--out", out or small.out
    )


def is_a_fault(ended: Ended, small: Small) -> None:
    """No score, exit 2, and staff read what to do, not a traceback alone."""
    assert ended.code == 2
    assert not small.results.exists()
    assert "not the student's fault" in ended.told
    remedy = ended.told.partition("What to do: ")[2]
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
    assert ended.code == 0, ended.told
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


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for the results, but not for the page beside them."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@needs_root
def test_a_disk_that_is_really_full(small: Small, grade_small: Callable[..., Ended], tiny_disk: Path) -> None:
    small.results.unlink()
    is_a_fault(grade_small(tiny_disk / "out"), small)
    left = {path.name for path in (tiny_disk / "out").iterdir()}
    assert RESULTS not in left
    assert not any(name.endswith(".tmp") for name in left)


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
        ("no_such_key = 1", "no_such_key"),
        ("\xff\xfe", "UTF-8"),
    ],
    ids=["syntax", "empty", "key", "bytes"],
)
def test_a_broken_manifest(
    manifest: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    small: Small,
) -> None:
    folder = small.assignment().folder
    (folder / "assignment.toml").write_bytes(manifest.encode("latin-1"))
    small.results.unlink()  # the manifest is read before anything is known of the results
    ended = in_this_process(monkeypatch, capsys)("grade", folder, small.submission(), "--out", small.out)
    is_a_fault(ended, small)
    assert said in ended.told


@needs_root
def test_a_reference_that_breaks(
    excellent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reference.conv_cases.build_pack", raiser(ZeroDivisionError("the reference broke")))
    ended = in_this_process(monkeypatch, capsys)("grade", "gatech_convnet", excellent, "--out", tmp_path)
    assert ended.code == 2
    assert "the reference broke" in ended.told
    assert not (tmp_path / RESULTS).exists()
    data = (tmp_path / PARTIAL).read_bytes()
    assert problems(data) == []
    assert total(data) == 20.0
    outcomes = [outcome for _, outcome, _ in _ends(data)]
    assert "fault" in outcomes
    assert set(outcomes).isdisjoint({"failed", "error"})
    for test in json.loads(data)["tests"]:
        if test["extra_data"]["outcome"] == "fault":
            assert test["score"] == 0
            assert "not your fault" in test["output"]
