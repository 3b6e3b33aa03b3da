"""What every backend must do, whatever it is made of: the same cases, with the same outcomes."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.outcome import CheckFailed, LimitExceeded, ProcessEnded, StudentException, SubmissionProblem
from autograder.sandbox import wire
from autograder.sandbox.submission import Module, RunClock, Scene, Submission
from tests.sandbox.boxes import LIMITS, Watched, opened

STUDENT = """
import ctypes, os, signal, sys, threading, time
import numpy as np

CALLS = []


class Thing:
    pass


class Mine(ValueError):
    pass


class Ugly(Exception):
    def __str__(self):
        raise SystemExit(5)


def echo(x):
    return x


def add(x, y):
    return x + y


def make(expression):
    return eval(expression)


def overwrite(x):
    x[...] = 7.0
    return None


def remember(x):
    CALLS.append(x)
    return len(CALLS)


def draw():
    return np.random.rand(3)


def divide():
    return 1 / 0


def unwritten():
    raise NotImplementedError


def own():
    raise Mine('mine')


def ugly():
    raise Ugly()


def leave():
    sys.exit(3)


def interrupt():
    raise KeyboardInterrupt


def recurse():
    return recurse()


def ask():
    return input('name? ')


def exit_at_once():
    os._exit(3)


def crash():
    ctypes.string_at(0)


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def nap(seconds):
    time.sleep(seconds)
    return seconds


def spin():
    for number in range(1, 64):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def fork_and_come_back():
    os.fork()
    return os.getpid()


def start_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
    return 'started'


def grow():
    kept = []
    while True:
        kept.append(np.ones(2**17))


def grow_in_children():
    for _ in range(2):
        if os.fork() == 0:
            kept = np.ones(11 * 2**20)
            time.sleep(60)
    kept = np.ones(11 * 2**20)
    time.sleep(60)


def huge_array():
    return np.ones(10**12)


def shout():
    while True:
        print('x' * 1000)


def say(words):
    print(words)
    print('to stderr', file=sys.stderr)
    sys.stdout.flush()


def write_files(count):
    for number in range(count):
        with open('file%d' % number, 'w') as file:
            file.write('x')
    time.sleep(3)
    return count


def write_bytes(files, size):
    for number in range(files):
        with open('file%d' % number, 'wb') as file:
            file.write(b'x' * size)
    time.sleep(3)


def places():
    import getpass, tempfile
    with tempfile.TemporaryFile() as file:
        file.write(b'x')
    return os.getcwd(), os.environ['HOME'], tempfile.gettempdir(), getpass.getuser()
"""


@pytest.fixture(scope="module")
def module(backend: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Module]:
    """The student's module in a box that the tests below share; one that is killed is replaced."""
    with opened(backend, tmp_path_factory.mktemp("tree"), STUDENT) as found:
        found.load()
        yield found
    backend.assert_nothing_left()


@pytest.fixture
def limited(backend: Watched, tmp_path: Path) -> Iterator[Callable[..., Module]]:
    """The same module in a box of this test's own, with other limits."""
    submissions: list[Submission] = []

    def make(**limits: float) -> Module:
        (tmp_path / "m.py").write_text(STUDENT, encoding="utf-8")
        submissions.append(Submission(backend, tmp_path, replace(LIMITS, **limits), RunClock(60)))  # type: ignore[arg-type]
        return submissions[-1].module("m.py")

    yield make
    for submission in submissions:
        submission.close()


def call(module: Module, name: str, *arguments: Any) -> Any:
    """What a function returns, in a scene of its own."""
    with module.scene() as scene:
        return scene.call(name, *arguments).fetch()


def problem_of(module: Module, name: str, *arguments: Any) -> SubmissionProblem:
    """The problem that calling a function ends in."""
    with pytest.raises(SubmissionProblem) as caught, module.scene() as scene:
        scene.call(name, *arguments).fetch()
    return caught.value


def assert_still_works(module: Module) -> None:
    assert call(module, "echo", 5) == 5


# --- values -------------------------------------------------------------------------------------------

GRID = np.arange(24.0).reshape(2, 3, 4)
SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308])
ARRAYS = {
    "float64": GRID,
    "float32": GRID.astype(np.float32),
    "float16": GRID.astype(np.float16),
    "int64": GRID.astype(np.int64),
    "int8": GRID.astype(np.int8),
    "uint64": np.array([0, 2**64 - 1], dtype=np.uint64),
    "bool": GRID > 5,
    "special": SPECIAL,
    "0-d": np.array(2.5),
    "empty": np.empty((0, 3)),
    "strided": GRID[:, ::2, ::-1],
    "transposed": GRID.T,
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
    "big-endian": SPECIAL.astype(">f8"),
    "big-endian-ints": np.arange(4, dtype=">i4"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_as_they_went(module: Module, name: str) -> None:
    sent = ARRAYS[name]
    got = call(module, "echo", sent)
    assert type(got) is np.ndarray
    assert got.shape == sent.shape
    assert got.dtype == sent.dtype.newbyteorder("=")
    assert got.tobytes() == np.ascontiguousarray(sent, got.dtype).tobytes()


PLAIN: list[object] = [
    None,
    True,
    0,
    -(10**300),
    1.5,
    -0.0,
    math.inf,
    -math.inf,
    5e-324,
    "",
    "Grüße 你好 \x00\n",
    (),
    [],
    {},
    (1, [2.0, (None, "x")], {"stride": 1, 2: (3,), (1, 2): False, None: []}),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_went(module: Module, value: object) -> None:
    got = call(module, "echo", value)
    assert repr(got) == repr(value)  # tells True from 1, and 0.0 from -0.0


def test_nan_comes_back(module: Module) -> None:
    assert math.isnan(call(module, "echo", math.nan))


MADE = {
    "np.float64(1.5)": "1.5",
    "np.float32(0.5)": "0.5",
    "np.int8(-3)": "-3",
    "np.bool_(True)": "True",
    "np.matrix([[1.0, 2.0]])": "array([[1., 2.]])",
    "np.ma.array([1.0, 2.0], mask=[True, False])": "array([1., 2.])",
    "type('Sub', (int,), {})(4)": "4",
    "type('Sub', (float,), {'__eq__': lambda *_: True})(4)": "4.0",
    "type('Sub', (list,), {})([1])": "[1]",
    "{1, 2}": "Opaque(type_name='set')",
    "len": "Opaque(type_name='builtin_function_or_method')",
    "Thing()": "Opaque(type_name='Thing')",
    "[Thing()]": "[Opaque(type_name='Thing')]",
    "type('Secret', (), {})()": "Opaque(type_name='of your own')",
    "b'bytes'": "Opaque(type_name='bytes')",
    "1j": "Opaque(type_name='complex')",
    "np.array([1j])": "Opaque(type_name='array of dtype complex128')",
    "np.array([None])": "Opaque(type_name='array of dtype object')",
    "np.array(['x'])": "Opaque(type_name='of your own')",
    "np.zeros(2, np.datetime64)": "Opaque(type_name='array of dtype datetime64')",
    "10**5000": "Opaque(type_name='int (too large)')",
    "NotImplemented": "Opaque(type_name='NotImplementedType')",
    "...": "Opaque(type_name='ellipsis')",
}


@pytest.mark.parametrize("expression", MADE)
def test_what_is_no_plain_value_is_made_one_or_named(module: Module, expression: str) -> None:
    assert repr(call(module, "make", expression)) == MADE[expression]


def test_endless_nesting_ends(module: Module) -> None:
    got = call(module, "make", "(lambda box: (box.append(box), box)[1])([])")
    for _ in range(wire.MAX_DEPTH + 1):
        (got,) = got
    assert got == wire.Opaque("list (nested too deeply)")


def test_a_dict_with_more_entries_than_anybody_needs_stays_inside(module: Module) -> None:
    assert call(module, "make", "dict.fromkeys(range(100_000))") == wire.Opaque("dict")


# --- handles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "kind", "length"),
    [
        ("np.zeros(3)", "array", None),
        ("(1, 2)", "tuple", 2),
        ("[]", "list", 0),
        ("{'a': 1}", "dict", 1),
        ("True", "number", None),
        ("2.5", "number", None),
        ("np.float32(2)", "number", None),
        ("None", "none", None),
        ("'x'", "object: str", None),
        ("Thing()", "object: Thing", None),
        ("type('Secret', (), {})()", "object: of your own", None),
    ],
)
def test_a_handle_says_what_it_is(module: Module, expression: str, kind: str, length: int | None) -> None:
    with module.scene() as scene:
        handle = scene.call("make", expression)
        assert (handle.kind, handle.length) == (kind, length)


def test_items_of_a_handle_and_handles_as_arguments(module: Module) -> None:
    with module.scene() as scene:
        result = scene.call("make", "(np.arange(3.0), {'deep': [10.0, Thing()]})")
        assert result[1]["deep"].kind == "list"
        assert result[1]["deep"].length == 2
        total = scene.call("add", result[0], result[1]["deep"][0])
        assert total.fetch().tolist() == [10.0, 11.0, 12.0]
        assert scene.call("echo", result[1]["deep"][1]).kind == "object: Thing"
        assert scene.call("add", (result[0], 1), (2,)).length == 3


@pytest.mark.parametrize(("key", "exception"), [(5, "IndexError"), ("x", "TypeError")])
def test_an_item_that_is_not_there(module: Module, key: int | str, exception: str) -> None:
    with module.scene() as scene:
        handle = scene.call("make", "(1, 2)")
        with pytest.raises(StudentException) as caught:
            handle[key].fetch()
        assert caught.value.exception == exception
        assert handle[1].fetch() == 2


def test_whether_an_input_was_changed_can_be_seen(module: Module) -> None:
    mine = np.zeros(3)
    with module.scene() as scene:
        kept, changed = scene.put_all(mine, mine)
        scene.call("echo", kept)
        scene.call("overwrite", changed)
        assert [value.tolist() for value in scene.fetch_all(kept, changed)] == [[0.0] * 3, [7.0] * 3]
        scene.call("overwrite", mine)
    assert mine.tolist() == [0.0] * 3


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
    try:
        problem = problem_of(submission.module("m.py"), "nap", 30)
        assert isinstance(problem, LimitExceeded)
        assert problem.limit == "run_wall_s"
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
    assert problem.limit == "files"
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
    assert isinstance(problem, StudentException)
    assert problem.exception == "OSError"
    assert "don't write files" in problem.hint


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
    source = "import os\ndef spoil():\n    open(__file__, 'w').write('1 / 0')\n    os.kill(os.getppid(), 9)\n"
    with opened(backend, tmp_path, source + "def f(): return 1\n") as module:
        problem = problem_of(module, "spoil")
        assert isinstance(problem, ProcessEnded)
        assert call(module, "f") == 1


# --- lies ---------------------------------------------------------------------------------------------

LIAR = """
import gc, os, struct
from autograder.sandbox import channel


def channels():
    return [thing for thing in gc.get_objects() if isinstance(thing, channel.Channel)]


def say(frame):
    for one in channels():
        try:
            one._sock.sendall(frame)
        except OSError:
            pass
    return 1


def reply(text):
    return say(struct.pack('>II', len(text), 0) + text.encode())


def frame(text_size, blob_size, rest):
    return say(struct.pack('>II', text_size, blob_size) + rest.encode())
"""
LIES = [
    ("reply", "[]"),
    ("reply", "{}"),
    ("reply", '{"raised": 5}'),
    ("reply", '{"raised": {"type": [[]], "bases": 5, "text": {}, "frames": [[1]], "replaced": 7}}'),
    ("reply", '{"kind": ' + "[" * 900 + "]" * 900 + "}"),
    ("reply", '{"raised": {"text": ' + "[" * 900 + "]" * 900 + "}}"),
    ("reply", '{"handle": 1e400, "kind": "tuple", "length": -3}'),
    ("reply", '{"handle": true, "kind": null, "length": ' + "9" * 4000 + "}"),
    ("reply", '{"missing": {}}'),
    ("reply", '{"values": [["handle", 3, []]]}'),
    ("reply", "NaN"),
    ("reply", '{"a": NaN}'),
    ("reply", "not json"),
    ("frame", 2**32 - 1, 2**32 - 1, ""),
    ("frame", 2, 8, "{}lies    "),
    ("frame", 5, 0, "{}"),
]


def outcome(scene: Scene, name: str, *arguments: Any) -> Any:
    """What a call returns, or the problem that it ends in."""
    try:
        handle = scene.call(name, *arguments)
        assert isinstance(handle.kind, str)
        assert handle.length is None or 0 <= handle.length < 2**31
        return handle.fetch()
    except SubmissionProblem as problem:
        return problem


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_reply_that_lies_is_a_problem_or_a_value(
    backend: Watched, tmp_path: Path, lie: tuple[Any, ...]
) -> None:
    """Whatever a box says: never a fault of ours, never anything but plain values."""
    name, *arguments = lie
    with opened(backend, tmp_path, LIAR, replace(LIMITS, wall_s=1.0)) as module, module.scene() as scene:
        for _ in range(2):
            found = outcome(scene, name, *arguments)
            if isinstance(found, SubmissionProblem):
                assert 0 < len(found.student_text) < 1000
            else:
                assert isinstance(found, (int, wire.Opaque, type(None)))


def test_a_lie_about_names_is_no_fault(backend: Watched, tmp_path: Path) -> None:
    source = LIAR + '\nreply(\'{"names": 5, "replaced": {"a": 1}}\')\n'
    with opened(backend, tmp_path, source) as module:
        module.load()
        assert (module.names, module.replaced) == ((), ())


def test_descriptors_do_not_add_up(backend: Watched, tmp_path: Path) -> None:
    def count() -> int:
        gc.collect()  # what other tests' exceptions keep
        return len(list(Path("/proc/self/fd").iterdir()))

    with opened(backend, tmp_path, STUDENT) as module:
        assert_still_works(module)
    before = count()
    with opened(backend, tmp_path, STUDENT) as module:
        assert_still_works(module)
        problem_of(module, "kill_itself")
        problem_of(module, "exit_at_once")
    assert count() == before
