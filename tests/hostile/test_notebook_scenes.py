"""What a notebook leaves behind attacks its tests' processes, and whoever ends them; and faults by force."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.loaders.notebook import load_notebook
from autograder.outcome import LimitExceeded, ProcessEnded, SandboxFault, SubmissionProblem
from autograder.sandbox.notebook import NotebookModule
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.submission import Submission
from tests.hostile.forging import SERVER
from tests.sandbox.boxes import Watched
from tests.sandbox.notebooks import LIMITS, PLAN, opened_notebook, written

SMALL = replace(LIMITS, wall_s=1.0)
QUICK = replace(PLAN, cell_wall_s=3.0, wall_s=12.0)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that no box may end."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


SPINS = "def spin():\n    while True: pass\ndef fine(): return 7"
OTHERS_PID = """
import os
forked = os.fork
def fork():
    return {pid} if forked() else 0
os.fork = fork
"""


@pytest.mark.parametrize("pid", ["{outside}", "1", "0", "-1", "os.getpid()", "os.getppid()", "10**30"])
def test_the_end_of_a_scene_ends_nobody_else(
    boxes: Watched, tmp_path: Path, pid: str, bystander: subprocess.Popen[bytes]
) -> None:
    """The process id of a scene comes from the box, which may say anybody's."""
    cell = OTHERS_PID.format(pid=pid.format(outside=bystander.pid))
    with opened_notebook(boxes, tmp_path, SPINS, cell, plan=QUICK, limits=SMALL) as module:
        assert module.run.whole
        started = time.monotonic()
        with suppress(SubmissionProblem), module.scene() as scene, pytest.raises(SubmissionProblem):
            scene.call("spin")
        assert time.monotonic() - started < 10
        with suppress(SubmissionProblem), module.scene() as scene:
            assert scene.call("fine").fetch() == 7
        assert bystander.poll() is None
    boxes.assert_nothing_left()


REST: dict[str, dict[str, object]] = {
    "nothing": {"scene": {}, "ended": {}, "end": {}},
    "odd": {"scene": {"pid": "1"}, "ended": {"status": "x"}, "end": []},
    "killed": {"scene": {"pid": 2**31 - 1}, "ended": {"status": -9}, "end": {"status": 10**18}},
    "huge": {"scene": {"pid": 10**400}, "ended": {"status": 10**400}, "end": {"status": -(10**400)}},
    "raised": {"scene": {"raised": 5}, "ended": {"raised": 5}, "end": {}},
    "silent": {},
}


@pytest.mark.parametrize("rest", REST.values(), ids=REST.keys())
def test_forged_answers_about_scenes(boxes: Watched, tmp_path: Path, rest: dict[str, object]) -> None:
    files = {"answers.jsonl": "", "rest.json": json.dumps({"names": {}} | rest)}
    with opened_notebook(boxes, tmp_path, SERVER, plan=QUICK, limits=SMALL, files=files) as module:
        assert module.run.whole
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(SubmissionProblem), module.scene() as scene:
                scene.call("f")
        assert time.monotonic() - started < 10
    boxes.assert_nothing_left()


LEFT = {
    "kills its parent": "import os, time\ndef f():\n    os.kill(os.getppid(), 9)\n    time.sleep(60)",
    "leaves a child": "import os, time\ndef f():\n    if os.fork() == 0: time.sleep(60)\n    return 1",
    "leaves a daemon": "import os, time\ndef f():\n    if os.fork() == 0:\n        os.setsid()\n"
    "        if os.fork() == 0: time.sleep(60)\n    return 1",
    "closes its channel": "import os\ndef f(): os.closerange(3, 256)",
    "hoards": "def f():\n    x = []\n    while True: x.append(bytearray(10**7))",
    "ends": "import os\ndef f(): os._exit(0)",
    "spins and catches": "def f():\n    while True:\n        try:\n            while True: pass\n"
    "        except BaseException: pass",
    "threads of the cells": "import threading, time\n"
    "lock = threading.Lock()\ndef hold():\n    with lock: time.sleep(60)\n"
    "threading.Thread(target=hold, daemon=True).start()\ntime.sleep(0.1)\ndef f():\n    with lock: return 1",
    "print of a thread": "import logging, sys, threading, time\n"
    "log = logging.StreamHandler(sys.stdout).stream\n"
    "def talk():\n    while True:\n        log.write('x\\n')\n        time.sleep(0.01)\n"
    "threading.Thread(target=talk, daemon=True).start()\ntime.sleep(1.5)\ndef f(): return 1",
}


@pytest.mark.parametrize("cell", LEFT.values(), ids=LEFT.keys())
def test_a_scene_that_attacks_ends_named(boxes: Watched, tmp_path: Path, cell: str) -> None:
    with opened_notebook(boxes, tmp_path, cell, plan=QUICK, limits=SMALL) as module:
        assert module.run.whole, module.run.stopped
        told: list[str] = []
        for _ in range(2):
            try:
                with module.scene() as scene:
                    assert scene.call("f").fetch() in (1, None)
            except SubmissionProblem as problem:
                told.append(problem.message)
        assert all(told)
    boxes.assert_nothing_left()


def test_a_thread_that_prints_leaves_the_answers_alone(boxes: Watched, tmp_path: Path) -> None:
    """Its progress would stand where the next answer is expected."""
    with opened_notebook(boxes, tmp_path, LEFT["print of a thread"], plan=QUICK, limits=SMALL) as module:
        assert module.run.whole
        assert "f" in module.names
        for _ in range(3):
            with module.scene() as scene:
                assert scene.call("f").fetch() == 1


@contextmanager
def on_first_try(boxes: Watched, tree: Path, *cells: str) -> Iterator[NotebookModule]:
    """The notebook as a grading's first attempt has it, which takes a kill for a fault."""
    data = written(*cells)
    (tree / "work.ipynb").write_bytes(data)
    submission = Submission(boxes, tree, SMALL, RunClock(600), first_try=True)
    try:
        yield submission.notebook("work.ipynb", load_notebook(data, "work.ipynb"), QUICK)
    finally:
        submission.close()


KILLS = {
    "itself": "import os\nos.kill(os.getpid(), 9)",
    "by a child": "import os, time\nif os.fork() == 0: os.kill(os.getppid(), 9)\ntime.sleep(60)",
    "everybody": "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nos._exit(1)",
}


@pytest.mark.parametrize("cell", KILLS.values(), ids=KILLS.keys())
def test_a_fault_is_not_to_be_forced(boxes: Watched, tmp_path: Path, cell: str) -> None:
    """A kill is a fault once, for all tests that need the run, and the run is made once for them."""
    slow = "import time\ntime.sleep(0.5)"
    with on_first_try(boxes, tmp_path, slow, cell) as module:
        with pytest.raises(SandboxFault) as first:
            _ = module.run
        started = time.monotonic()
        for again in (lambda: module.run, module.scene, lambda: module.require("f")):
            with pytest.raises(SandboxFault) as caught:
                again()
            assert caught.value is first.value
        assert time.monotonic() - started < 0.3
    with opened_notebook(boxes, tmp_path, slow, cell, plan=QUICK, limits=SMALL) as module:
        assert isinstance(module.run.stopped, ProcessEnded)
    boxes.assert_nothing_left()


def test_a_fault_in_one_test_is_one_for_those_that_need_the_same_run(boxes: Watched, tmp_path: Path) -> None:
    """They would fail for good otherwise, and only the first would be tried once more."""
    cell = LEFT["kills its parent"] + "\ndef fine(): return 7"
    with on_first_try(boxes, tmp_path, cell) as module:
        with pytest.raises(SandboxFault), module.scene() as scene:
            scene.call("f")
        with pytest.raises(SandboxFault):
            module.scene()
    boxes.assert_nothing_left()


def test_a_run_without_time_left_is_no_fault(boxes: Watched, tmp_path: Path) -> None:
    data = written("1")
    (tmp_path / "work.ipynb").write_bytes(data)
    submission = Submission(boxes, tmp_path, SMALL, RunClock(0.0))
    module = submission.notebook("work.ipynb", load_notebook(data, "work.ipynb"), QUICK)
    with pytest.raises(LimitExceeded, match="whole grading"):
        _ = module.run
