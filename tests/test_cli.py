"""The command line: what each command says, and the exit code that it leaves with.

0 graded, 1 the command line is wrong, 2 a fault of ours, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder import cli
from autograder.grading import grade
from autograder.outcome import Fault
from fixtures.build import build
from tests.contract import problems
from tests.runs import EARLIER, ROOT, Ended, Run, folder_for_all, in_this_process, needs_root, run_apart
from tests.small import Small

NOBODY = 65534
DOUBLE = """
@number("1")
@weight(4)
def test_double(submission):
    '''double doubles'''
    with submission.module("work.py").scene() as scene:
        assert scene.call("double", 21).fetch() == 42, "It doesn't."
"""
Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "100")
    return in_this_process(monkeypatch, capsys)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, tests=DOUBLE)


@pytest.fixture(scope="module")
def excellent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("excellent", tmp_path_factory.mktemp("excellent"))


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A checkout that every user can read."""
    with folder_for_all() as folder:
        for name in ("autograder", "graders", "reference", "fixtures"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        yield folder


@pytest.fixture
def nobodys(home: Path) -> Path:
    """A folder of an ordinary user's; skips where that user can't use this interpreter, or isn't there."""
    if os.geteuid() != 0:
        pytest.skip("this needs root, to become an ordinary user")
    tried = [sys.executable, "-I", "-c", "import numpy, pydantic, pytest, rich, typer"]
    if subprocess.run(tried, user=NOBODY, group=NOBODY, extra_groups=[], check=False, cwd="/").returncode:
        pytest.skip("the interpreter or its packages are closed to other users")
    folder = home / "of-nobody"
    folder.mkdir(exist_ok=True)
    os.chown(folder, NOBODY, NOBODY)
    return folder


# --- usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [(), ("grade",), ("check",), ("list",), ("demo",), ("bundle",), ("doctor",)])
def test_help(command: Command, of: tuple[str, ...]) -> None:
    ended = command(*of, "--help")
    assert ended.code == 0
    assert "Usage: " in ended.out
    assert "--help" in ended.out
    assert ended.err == ""


def test_help_names_every_command(command: Command) -> None:
    said = command("--help").out
    for name in ("grade", "check", "list", "demo", "bundle", "doctor"):
        assert f"\n  {name} " in said


def test_without_arguments_outside_gradescope(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.gradescope.Folders.here", False)
    ended = command()
    assert ended.code == 1
    assert "Usage: " in ended.out
    assert "Give a command" in ended.told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grade",), "Missing argument"),
        (("grade", "gatech_convnet"), "Missing argument"),
        (("grade", "gatech_convnet", "x", "--no-such-option"), "--no-such-option"),
        (("marvel",), "marvel"),
        (("bundle",), "Missing argument"),
        (("grade", "gatech_convnt", "x"), "did you mean 'gatech_convnet'"),
        (
            ("grade", "/no/such/folder", "x"),
            "There are: calvin_mnist, cifar10_notebook, eva_session5, gatech_convnet, imagenet_scratch",
        ),
        (("bundle", "gatech_convnt"), "did you mean 'gatech_convnet'"),
        (("grade", "gatech_convnet", "/no/such/submission.zip"), "'/no/such/submission.zip'"),
        (("check", "gatech_convnet", "/no/such/submission.zip"), "'/no/such/submission.zip'"),
    ],
)
def test_a_wrong_command_line_is_exit_1(command: Command, arguments: tuple[str, ...], said: str) -> None:
    ended = command(*arguments)
    assert ended.code == 1
    assert said.casefold() in ended.told.casefold()
    assert "Traceback" not in ended.err
    assert "student's fault" not in ended.told


def test_one_submission_that_isnt_there_stops_all_before_the_first(command: Command, small: Small) -> None:
    small.out.mkdir()
    ended = command(
        "grade", small.assignment().folder, small.submission(), "/no/such/zip", "--out", small.out
    )
    assert ended.code == 1
    assert not any(small.out.iterdir())


def test_two_submissions_of_one_name(command: Command, small: Small) -> None:
    for name in ("a", "b"):
        (small.folder / name).mkdir()
        (small.folder / name / "hw.zip").touch()
    ended = command("grade", small.assignment().folder, small.folder / "a/hw.zip", small.folder / "b/hw.zip")
    assert ended.code == 1
    assert "'hw'" in ended.told


def test_list(command: Command) -> None:
    ended = command("list")
    assert ended.code == 0
    (line,) = [line for line in ended.out.splitlines() if line.startswith(" gatech_convnet")]
    assert "15 + 5" in line
    assert "yes" in line


# --- grade --------------------------------------------------------------------------------------------


@needs_root
def test_grade_is_exit_0_whatever_the_score(command: Command, small: Small) -> None:
    for work, score in (("def double(x):\n    return x * 2\n", 4.0), ("def double(x):\n    1 / 0\n", 0.0)):
        small.work = work
        ended = command("grade", small.assignment().folder, small.submission(), "--out", small.out)
        assert ended.code == 0
        assert f"{score:g} of 4 points" in ended.out
        assert str(small.results) in ended.out.replace("\n", "")
        assert problems(small.results.read_bytes()) == []
        assert json.loads(small.results.read_bytes())["score"] == score
        assert (small.out / "report.html").read_text().startswith("<!")


@needs_root
def test_staff_are_warned_of_hidden_totals(command: Command, small: Small) -> None:
    small.tests = DOUBLE.replace("@weight", '@visibility("hidden")\n@weight')
    ended = command("grade", small.assignment().folder, small.submission(), "--out", small.out)
    assert ended.code == 0
    assert "Warning: Gradescope will hide every student's total" in ended.told


@needs_root
def test_several_submissions_have_a_folder_each(command: Command, small: Small) -> None:
    folder, first = small.assignment().folder, small.submission()
    second = small.folder / "second [bold].zip"  # no markup of rich's
    shutil.make_archive(str(second.with_suffix("")), "zip", first)
    ended = command("grade", folder, first, second, "--out", small.out)
    assert ended.code == 0
    assert "second [bold].zip" in ended.out
    for name in ("handed_in", "second [bold]"):
        assert json.loads((small.out / name / "results.json").read_bytes())["score"] == 4.0


@needs_root
def test_a_fault_in_one_submission_leaves_the_others_their_grades(command: Command, small: Small) -> None:
    small.tests = DOUBLE.replace(
        "with sub", 'assert "BUG" not in submission.read("work.py") or 1 / 0\n    with sub'
    )
    folder = small.assignment().folder
    for name, work in (("one", "# BUG"), ("two", "def double(x): return 2 * x")):
        (small.folder / name).mkdir()
        (small.folder / name / "work.py").write_text(work)
        (small.out / name).mkdir(parents=True)
        (small.out / name / "results.json").write_bytes(EARLIER)
    ended = command("grade", folder, small.folder / "one", small.folder / "two", "--out", small.out)
    assert ended.code == 2
    assert "ZeroDivisionError" in ended.told
    assert "to be graded again: one" in ended.told
    assert not (small.out / "one" / "results.json").exists()
    assert json.loads((small.out / "two" / "results.json").read_bytes())["score"] == 4.0


def test_grading_without_a_sandbox_must_be_meant(command: Command, small: Small) -> None:
    grade = ("grade", small.assignment().folder, small.submission(), "--out", small.out, "--sandbox", "none")
    ended = command(*grade)
    assert ended.code == 1
    assert "say --without-protection too" in ended.told
    assert not small.results.exists()
    assert command(*grade, "--without-protection").code == 0
    document = json.loads(small.results.read_bytes())
    assert document["extra_data"]["sandbox"] == "none"
    assert "graded without a sandbox" in document["output"]
    assert "nothing in these results is proof against it" in document["output"]


@pytest.mark.parametrize("sandbox", ["auto", "privdrop"])
def test_protection_is_not_waived_in_passing(command: Command, small: Small, sandbox: str) -> None:
    ended = command(
        *("grade", small.assignment().folder, small.submission(), "--out", small.out),
        *("--sandbox", sandbox, "--without-protection"),
    )
    assert ended.code == 1
    assert f"goes with --sandbox none, not with '{sandbox}'" in ended.told


def test_a_sandbox_without_a_home(command: Command, small: Small) -> None:
    ended = command(
        "grade", small.assignment().folder, small.submission(), "--out", small.out, "--sandbox", "chroot"
    )
    assert ended.code == 1
    assert (
        "There is no sandbox 'chroot': choose one of auto, docker, bubblewrap, privdrop, none." in ended.told
    )


@needs_root
def test_names_that_are_no_text(home: Path, small: Small) -> None:
    submission = small.submission().rename(small.folder / os.fsdecode(b"caf\xe9 \xe2\x80\xae"))
    ended = run_apart(
        "grade", small.assignment().folder, submission, "--out", small.out, home=home, cwd=small.folder
    )
    assert ended.code == 0, ended.err
    assert json.loads(small.results.read_bytes())["score"] == 4.0


def test_a_sandbox_that_is_not_to_be_had_is_refused_with_what_to_do(
    nobodys: Path, home: Path, excellent: Path
) -> None:
    shutil.copy(excellent, nobodys)
    out = nobodys / "graded"
    options = ("--out", out, "--sandbox", "privdrop")
    ended = run_apart(
        "grade", "gatech_convnet", excellent.name, *options, home=home, cwd=nobodys, user=NOBODY
    )
    assert ended.code == 2
    assert "'privdrop' drops from root to another user, and this is not root" in ended.told
    assert "bubblewrap" in ended.told
    assert "Traceback" not in ended.err
    assert not (out / "results.json").exists()


@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_an_ordinary_user_can_check(nobodys: Path, home: Path, excellent: Path, sandbox: str) -> None:
    shutil.copy(excellent, nobodys)
    ended = run_apart(
        "check", "gatech_convnet", excellent.name, "--sandbox", sandbox, home=home, cwd=nobodys, user=NOBODY
    )
    assert ended.code == 0, ended.err
    document = json.loads((nobodys / "results" / "excellent" / "results.json").read_bytes())
    assert document["extra_data"]["sandbox"] == {"auto": "bubblewrap", "none": "none"}[sandbox]
    assert {test["status"] for test in document["tests"]} == {"passed"}
    assert not any("extended" in test["extra_data"]["key"] for test in document["tests"])
    assert "not graded" not in ended.out.casefold()


# --- interrupts ---------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_grading_gives_no_score_and_leaves_nothing(how: signal.Signals) -> None:
    with folder_for_all() as place:
        run = Run(build("limit_endless_loop", place / "submission"), place / "run")
        try:
            run.wait_for_student_code()
            code, said = run.end(how)
        finally:
            run.end()
        assert code == 130
        assert "Interrupted: what had not ended by then was given no score." in said
        assert "Traceback" not in said
        assert not run.results.exists()
        assert problems(run.partial.read_bytes()) == []
        assert run.left_over() == []
        assert list((place / "run" / "tmp").iterdir()) == []


@needs_root
def test_an_interrupt_at_the_start(excellent: Path) -> None:
    with folder_for_all() as place:
        run = Run(excellent, place / "run")
        try:
            give_up = time.monotonic() + 60.0
            while run.results.exists() and time.monotonic() < give_up:
                time.sleep(0.005)  # until it has begun, and taken the earlier results away
            time.sleep(0.1)
            code, said = run.end(signal.SIGINT)
        finally:
            run.end()
        assert code == 130
        assert "Interrupted" in said
        assert not run.results.exists()
        assert run.left_over() == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (EOFError(), 2, "EOFError"),
        (RuntimeError("[red]odd[/]"), 2, "RuntimeError: [red]odd[/]"),
        (
            Fault("The disk [bold]sulks.", remedy="Wait a little."),
            2,
            "The disk [bold]sulks. What to do: Wait",
        ),
        (BaseExceptionGroup("several", [ValueError("x")]), 2, "several"),
    ],
)
def test_whatever_a_command_raises_has_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "list_assignments", fail)
    ended = command("list")
    assert ended.code == code
    assert said in ended.told
    assert code == 130 or "What to do: " in ended.told


def test_a_fault_whose_details_cant_be_written_has_them_on_the_terminal(
    command: Command, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small.folder / "file").touch()
    monkeypatch.setattr(cli, "forget_earlier", lambda _out: None)

    class NoBackend:
        name, isolates = "none", True

        def close(self) -> None: ...

    monkeypatch.setattr("autograder.boxes.choose", lambda *_, **__: NoBackend())
    ended = command(
        "grade", small.assignment().folder, small.submission(), "--out", small.folder / "file" / "out"
    )
    assert ended.code == 2
    assert "What to do: " in ended.told
    assert "Traceback (most recent call last)" in ended.err
    assert grade.__name__ in ended.err


# --- the other commands -------------------------------------------------------------------------------


def test_bundle_says_what_it_wrote(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("bundle", "gatech_convnet")
    assert ended.code == 0
    assert "Written: gatech_convnet-gradescope.zip" in ended.out
    assert (tmp_path / "gatech_convnet-gradescope.zip").stat().st_size > 10_000
    ended = command("bundle", "gatech_convnet", "--public", "--out", tmp_path / "new" / "students.zip")
    assert ended.code == 0
    assert (tmp_path / "new" / "students.zip").exists()


def test_bundle_of_an_assignment_without_public_tests(command: Command, small: Small) -> None:
    ended = command("bundle", small.assignment().folder, "--public", "--out", small.folder / "x.zip")
    assert ended.code == 2
    assert "public_tests" in ended.told
    assert not (small.folder / "x.zip").exists()


@needs_root
def test_demo(command: Command) -> None:
    ended = command("demo")
    assert ended.code == 0, ended.told
    shown = " ".join(ended.out.split())
    acts = shown.split(" of 3: ")
    assert len(acts) == 4
    assert "10 of 10 points" in acts[1]
    assert "9.75 of 10 points" in acts[2]
    assert "pad" in acts[2]
    assert "time limit" in acts[3]
    assert "10 of 10 points" not in acts[3]
