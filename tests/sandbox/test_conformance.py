"""What every backend must do, whatever it is made of: the same cases, with the same outcomes.

See also test_values.py and test_lies.py.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.outcome import CheckFailed, LimitExceeded, ProcessEnded, StudentException
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.submission import Module, Submission
from tests.sandbox.boxes import LIMITS, Watched, call, opened, problem_of
from tests.sandbox.students import STUDENT


def assert_still_works(module: Module) -> None:
    assert call(module, "echo", 5) == 5


# --- what is left of a scene --------------------------------------------------------------------------


def test_what_a_scene_changes_ends_with_it(module: Module) -> None:
    with module.scene() as scene:
        assert [scene.call("remember", n).fetch() for n in range(3)] == [1, 2, 3]
    assert call(module, "remember", 0) == 1


def test_every_scene_draws_the_same_random_numbers(module: Module) -> None:
    assert call(module, "draw").tolist() == call(module, "draw").tolist()


def test_a_child_that_comes_back_gives_no_second_answer(module: Module) -> None:
    with module.scene() as scene:
        first = scene.call("fork_and_come_back").fetch()
        assert [scene.call("echo", n).fetch() for n in range(20)] == list(range(20))
        assert scene.call("make", "os.getpid()").fetch() == first


def test_a_thread_that_goes_on_does_not_keep_the_scene(module: Module) -> None:
    start = time.monotonic()
    assert call(module, "start_thread") == "started"
    assert_still_works(module)
    assert time.monotonic() - start < 5


def test_its_home_is_its_own(backend: Watched, module: Module) -> None:
    home = str(backend.boxes[-1][1])
    assert call(module, "places") == (home, home, str(Path(home, "tmp")), "student")


# --- exceptions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "exception", "line", "hint"),
    [
        ("divide", "ZeroDivisionError", "return 1 / 0", "divided by zero"),
        ("unwritten", "NotImplementedError", "raise NotImplementedError", "still to be written"),
        ("own", "an exception of its own (a kind of ValueError)", "raise Mine('mine')", "Your own code"),
        ("ugly", "an exception of its own", "raise Ugly()", "Your own code"),
        ("leave", "SystemExit", "sys.exit(3)", "sys.exit()"),
        ("interrupt", "KeyboardInterrupt", "raise KeyboardInterrupt", "Don't end the program"),
        ("recurse", "RecursionError", "return recurse()", "calls itself"),
        ("ask", "EOFError", "return input('name? ')", "input()"),
        ("huge_array", "MemoryError", "return np.ones(10**12)", "more memory"),
    ],
)
def test_an_exception_is_told_with_its_line(
    module: Module, name: str, exception: str, line: str, hint: str
) -> None:
    problem = problem_of(module, name)
    assert isinstance(problem, StudentException)
    assert problem.exception == exception
    number = STUDENT.split("\n").index(f"    {line}") + 1
    assert f"{name}() raised {exception}" in problem.message
    assert f" at m.py, line {number}: `{line}`." in problem.message
    assert hint in problem.hint


def test_an_exception_costs_the_call_alone(module: Module) -> None:
    with module.scene() as scene:
        for _ in range(2):
            with pytest.raises(StudentException):
                scene.call("divide")
            assert scene.call("remember", 0).fetch() in (1, 2)


def test_wrong_arguments_are_told(module: Module) -> None:
    problem = problem_of(module, "add", 1)
    assert "add() raised TypeError (add() missing 1 required positional argument: 'y')." in problem.message
    assert "`def` line" in problem.hint


def test_a_function_that_is_not_there(module: Module) -> None:
    problem = problem_of(module, "nothing")
    assert isinstance(problem, CheckFailed)
    assert "nothing()" in problem.message
    with pytest.raises(CheckFailed, match=r"m\.py defines no nothing\(\), CALLS\(\)"):
        module.require("echo", "nothing", "CALLS")


# --- endings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [("exit_at_once", "exit code 3"), ("crash", "SIGSEGV"), ("kill_itself", "SIGKILL")],
)
def test_a_process_that_ends_is_told_how(module: Module, name: str, says: str) -> None:
    with module.scene() as scene:
        for _ in range(2):  # the scene is over, and says the same again
            with pytest.raises(ProcessEnded, match=says) as caught:
                scene.call(name)
            assert caught.value.hint
    assert_still_works(module)


@pytest.mark.parametrize(("name", "arguments"), [("spin", ()), ("nap", (30,))])
def test_the_time_limit(limited: Callable[..., Module], name: str, arguments: tuple[int, ...]) -> None:
    module = limited(wall_s=0.5)
    module.load()
    start = time.monotonic()
    problem = problem_of(module, name, *arguments)
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed, problem.doing) == ("wall_s", 0.5, f"{name}()")
    assert 0.4 < time.monotonic() - start < 3
    assert_still_works(module)


def test_the_time_limit_counts_all_calls_of_a_scene(limited: Callable[..., Module]) -> None:
    module = limited(wall_s=0.5)
    with module.scene() as scene:
        assert scene.call("nap", 0.3).fetch() == 0.3
        with pytest.raises(LimitExceeded):
            scene.call("nap", 0.3)
    with module.scene() as scene:  # and only those
        scene.call("echo", 1)
        time.sleep(0.6)
        assert scene.call("echo", 1).fetch() == 1


def test_the_time_limit_of_the_whole_grading(backend: Watched, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(STUDENT, encoding="utf-8")
    submission = Submission(backend, tmp_path, LIMITS, RunClock(1.0))
    start = time.monotonic()
    try:
        problem = problem_of(submission.module("m.py"), "nap", 30)
        assert isinstance(problem, LimitExceeded)
        assert problem.limit == "run_wall_s"
        assert time.monotonic() - start < 5  # long before the call's own limit
        with pytest.raises(LimitExceeded, match="whole grading"):
            submission.module("m.py").scene()
    finally:
        submission.close()


@pytest.mark.parametrize("name", ["grow", "grow_in_children"])
def test_the_memory_limit(limited: Callable[..., Module], name: str) -> None:
    module = limited()
    problem = problem_of(module, name)
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed, problem.doing) == ("memory_mib", 200, f"{name}()")
    assert problem.used is not None
    assert problem.used > 200
    assert_still_works(module)


def test_the_limit_on_printed_output(limited: Callable[..., Module]) -> None:
    module = limited()
    problem = problem_of(module, "shout")
    assert isinstance(problem, LimitExceeded)
    assert problem.limit == "output_kib"
    assert_still_works(module)
    module.close()
    assert len(module.printed) == 32 * 1024
    assert module.printed.startswith("xxx")


def test_what_is_printed_is_kept(limited: Callable[..., Module]) -> None:
    module = limited()
    call(module, "say", "hello")
    module.close()
    assert sorted(module.printed.splitlines()) == ["hello", "to stderr"]


@pytest.mark.parametrize(
    ("expression", "allowed", "used"),
    [("np.zeros(2**19)", 2, 5), ("[1.5] * 100_000", 2, None), ("[1.5] * 200_000", 4, None)],
)
def test_the_limit_on_returned_values(
    limited: Callable[..., Module], expression: str, allowed: float, used: float | None
) -> None:
    module = limited()
    problem = problem_of(module, "make", expression)
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed) == ("message_mib", allowed)
    assert problem.used is not None
    assert problem.used > allowed
    assert used is None or problem.used == used
    assert_still_works(module)


def test_the_limit_on_files(limited: Callable[..., Module]) -> None:
    module = limited()
    problem = problem_of(module, "write_files", 100)
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed, problem.used) == ("files", 40, 41)  # the walk stops there
    assert_still_works(module)


def test_the_limit_on_bytes_written(limited: Callable[..., Module]) -> None:
    module = limited()
    problem = problem_of(module, "write_bytes", 6, 2**20)
    assert isinstance(problem, LimitExceeded)
    assert problem.limit == "disk_mib"
    assert problem.used is not None
    assert problem.used > 4
    assert_still_works(module)


def test_one_file_that_is_too_large(module: Module) -> None:
    problem = problem_of(module, "write_bytes", 1, 5 * 2**20)
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed, problem.used) == ("disk_mib", 4, 4)
    assert "at m.py, line " in problem.hint


def test_as_much_as_is_allowed(limited: Callable[..., Module]) -> None:
    module = limited()
    assert call(module, "write_files", 38) == 38  # and the folder that they lie in
    assert call(module, "write_bytes", 1, 4 * 2**20 - 200_000) is None
    assert call(module, "hold", "fork", LIMITS.processes - 2) == LIMITS.processes - 2
    assert_still_works(module)


@pytest.mark.parametrize("kind", ["fork", "thread"])
def test_the_limit_on_processes(backend: Watched, limited: Callable[..., Module], kind: str) -> None:
    if not backend.isolates:
        pytest.skip("where nothing counts the box's processes, only the watchdog does, ten times a second")
    module = limited()
    problem = problem_of(module, "hold", kind, LIMITS.processes + 1)
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed, problem.used) == ("processes", 12, 12)
    assert problem.doing == "hold()"
    assert "at m.py, line " in problem.hint
    assert_still_works(module)


def test_a_fork_bomb_that_does_not_mind_being_refused(limited: Callable[..., Module]) -> None:
    module = limited()
    start = time.monotonic()
    problem = problem_of(module, "bomb")
    assert isinstance(problem, LimitExceeded)
    assert (problem.limit, problem.allowed, problem.doing) == ("processes", 12, "bomb()")
    assert problem.used is not None
    assert problem.used >= 12
    assert time.monotonic() - start < 9  # before the time limit
    assert_still_works(module)


@pytest.mark.parametrize("where", ["memfd", "/dev/shm", "mmap"])  # noqa: S108
def test_memory_that_no_process_is_charged_for_is_not_to_be_had(
    backend: Watched, module: Module, where: str
) -> None:
    if not backend.isolates:
        pytest.skip("this one closes nothing")
    assert call(module, "hoard", where, 2**20).split()[0] in ("ENOSYS", "EACCES", "EPERM", "ENOENT", "EROFS")
    assert list(Path("/dev/shm").glob("hoard*")) == []  # noqa: S108


# --- imports ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("1 / 0\n", "raised ZeroDivisionError (division by zero) at m.py, line 1: `1 / 0`", "divided"),
        ("x = 1\nprint x\n", "raised SyntaxError at m.py, line 2: `print x`", "print(...)"),
        ("def f():\n\treturn 1\n        return 2\n", "raised TabError at m.py, line 3: `return 2`", "spaces"),
        ("raise ValueError('all of it')\n", "It said: all of it", "Check the values"),
        ("import sys\nsys.exit()\n", "raised SystemExit at m.py, line 2: `sys.exit()`", "sys.exit()"),
        ("x = '\x00'\n", "null bytes", "UTF-8"),
        (
            "open('data/train.bin')\n",
            "It said: [Errno 2] No such file or directory: 'data/train.bin'",
            "hand",
        ),
        ("open(__file__ + 'x')\n", "It said: [Errno 2] No such file or directory: 'm.pyx'", "hand"),
    ],
)
def test_a_module_that_can_not_be_imported(
    backend: Watched, tmp_path: Path, source: str, message: str, hint: str
) -> None:
    with opened(backend, tmp_path, source) as module:
        before = len(backend.boxes)
        for _ in range(2):
            with pytest.raises(StudentException) as caught:
                module.scene()
            assert caught.value.message.startswith("The import of m.py raised ")
            assert message in caught.value.message
            assert hint in caught.value.hint
        assert len(backend.boxes) == before + 1  # what failed once isn't tried again
    assert_nothing_runs(backend)


def assert_nothing_runs(backend: Watched) -> None:
    jail, home, _ = backend.boxes[-1]
    assert jail.usage().processes == 0
    assert not home.exists()


def test_a_module_that_ends_the_process(backend: Watched, tmp_path: Path) -> None:
    with opened(backend, tmp_path, "import os\nos._exit(0)\n") as module:
        for _ in range(2):
            with pytest.raises(ProcessEnded, match=r"the import of m\.py"):
                module.scene()


def test_a_module_that_never_ends_to_import(backend: Watched, tmp_path: Path) -> None:
    source = "while True:\n    pass\n"
    with (
        opened(backend, tmp_path, source, replace(LIMITS, wall_s=0.5)) as module,
        pytest.raises(LimitExceeded, match=r"time limit .* the import of m\.py"),
    ):
        module.scene()
    assert_nothing_runs(backend)


def test_a_module_that_forks_while_it_is_imported(backend: Watched, tmp_path: Path) -> None:
    with opened(backend, tmp_path, "import os\nos.fork()\ndef f(): return 1\n") as module:
        assert [call(module, "f") for _ in range(3)] == [1, 1, 1]


def test_a_file_that_is_not_there(backend: Watched, tmp_path: Path) -> None:
    with opened(backend, tmp_path, {"a.py": ""}) as module:
        submission_path = module.path
        assert submission_path == "a.py"
        module.path = "b.py"
        with pytest.raises(StudentException, match=r"The import of b\.py raised ModuleNotFoundError"):
            module.load()


def test_a_box_after_a_kill_has_the_files_as_they_were_handed_in(backend: Watched, tmp_path: Path) -> None:
    source = "import os, time\ndef spoil():\n    open(__file__, 'w').write('1 / 0')\n"
    source += "    os.kill(os.getppid(), 9)\n    time.sleep(60)\n"
    with opened(backend, tmp_path, source + "def f(): return 1\n") as module:
        problem = problem_of(module, "spoil")
        assert isinstance(problem, ProcessEnded)
        assert call(module, "f") == 1


_ROUNDS = 5


def test_descriptors_do_not_add_up(backend: Watched, tmp_path: Path) -> None:
    counts = []
    for _ in range(_ROUNDS):
        with opened(backend, tmp_path, STUDENT) as module:
            assert_still_works(module)
            problem_of(module, "kill_itself")
            problem_of(module, "exit_at_once")
        gc.collect()  # what exceptions keep
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    # A leak adds one a round; a thread of the grading's own that opens /proc just now adds one once.
    assert counts[-1] - counts[0] < _ROUNDS - 1
