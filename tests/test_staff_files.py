"""What a grading leaves for staff alone: written once it ended well, and never by `check`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from autograder import staff_files
from autograder.boxes import Mode, open_backend
from autograder.sandbox.backend import Backend
from autograder.sheet_run import versions_in
from autograder.staff_files import EXECUTED, READING
from tests.runs import in_this_process
from tests.sandbox.notebooks import written
from tests.small import Small, open_sandbox, outcomes

SHEET = """
import io
from PIL import Image
@number("1")
@weight(4)
def test_answers(sheet):
    '''answers are there'''
    picture = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(picture, "PNG")
    sheet.fact("Accuracy", "98.6 %", Evidence.MEASURED, "cell 4")
    sheet.answer("1", "Which rate?", "answered, 3 words", "0.5 <b>works</b> best")
    sheet.doubt("The text says 0.5; the last run used 10.", "cell 5")
    sheet.picture("Cell 4", picture.getvalue())
"""
FAULT_ONCE = """
import itertools, time
tries = itertools.count(1)
@pytest.fixture(scope="session")
def reading(sheet):
    sheet.fact("Read", "by a fixture", Evidence.MEASURED)
    return sheet
@number("1")
@weight(2)
def test_steady(reading):
    '''is steady'''
    reading.doubt("steady")
@number("1")
@weight(2)
def test_shaky(reading):
    '''breaks once'''
    this = next(TRIES)
    reading.doubt(f"shaky, try {this}")
    reading.answer("a", "Answer", "answered", f"try {this}")
    if this == 1:
        raise SandboxFault("It went away.", remedy="Look.")
"""
NOTEBOOK = """
[[deliverables]]
key = "notebook"
title = "The notebook"
patterns = ["one.ipynb"]
question = "1"
[[deliverables]]
key = "other"
title = "Another one"
patterns = ["zwei/*.ipynb"]
question = "1"
required = false
[notebook]
mode = "{mode}"
wall_s = 60.0
cell_wall_s = 20.0
seed = 7
"""
RUN = """
@number("1")
@weight(4)
def test_runs(submission, sheet):
    '''runs'''
    run = submission.notebook("notebook").run
    sheet.fact("Whole", str(run is not None and run.whole), Evidence.MEASURED)
"""
RUN_BOTH = """
@number("1")
@weight(4)
def test_runs(submission):
    '''runs'''
    assert submission.notebook("notebook").run.whole
    assert submission.notebook("other").run.whole
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Backend]:
    with open_sandbox() as backend:
        yield backend


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, tests=SHEET)


def staff_files_in(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} - {
        "results.json",
        "results.partial.json",
        "report.html",
        "fault.txt",
    }


def page_of(small: Small) -> str:
    return (small.out / READING).read_text(encoding="utf-8")


# --- the sheet ----------------------------------------------------------------------------------------


def test_a_grading_writes_what_was_put_on_the_sheet(small: Small, sandbox: Backend) -> None:
    graded = small.graded(sandbox)
    assert graded.staff_files == (READING,)
    page = page_of(small)
    for expected in (
        "A small homework",
        "handed_in",
        "4 of 4 points",
        "98.6 %",
        "0.5 &lt;b&gt;works&lt;/b&gt;",
    ):
        assert expected in page
    assert page.count("data:image/png;base64,") == 1
    assert "- The text says 0.5; the last run used 10. (cell 5)" in graded.staff_text
    for seen_by_students in (small.results, small.out / "report.html"):
        text = seen_by_students.read_text()
        assert "98.6" not in text
        assert "the last run used 10" not in text


def test_check_writes_none(small: Small, sandbox: Backend) -> None:
    small.graded(sandbox)
    small.first = 'public_tests = ["test_it.py"]'
    graded = small.graded(sandbox, mode=Mode.CHECK)
    assert graded.staff_files == ()
    assert "the last run used 10" in graded.staff_text  # which `check` doesn't print
    assert staff_files_in(small.out) == set()  # not even the earlier grading's


def test_nothing_put_there_writes_no_sheet(small: Small, sandbox: Backend) -> None:
    small.graded(sandbox)
    small.tests = "@number('1')\n@weight(4)\ndef test_it(sheet):\n    '''it'''\n"
    graded = small.graded(sandbox)
    assert graded.staff_files == ()
    assert staff_files_in(small.out) == set()


def test_a_second_attempt_leaves_nothing_twice(small: Small, sandbox: Backend) -> None:
    # What a test module holds is made anew for each session, so the count is kept elsewhere.
    small.tests = FAULT_ONCE
    small.files = {"conftest.py": ""}
    import builtins  # noqa: PLC0415
    import itertools  # noqa: PLC0415

    builtins.TRIES = itertools.count(1)  # type: ignore[attr-defined]
    try:
        document = small.grade(sandbox)
    finally:
        del builtins.TRIES  # type: ignore[attr-defined]
    assert {end for end, _ in outcomes(document).values()} == {"passed"}
    page = page_of(small)
    assert "shaky, try 1" not in page
    assert page.count("shaky, try 2") == page.count(">try 2<") == 1
    assert page.count(">steady<") == page.count("by a fixture") == 1


def test_a_fault_leaves_no_sheet(small: Small, sandbox: Backend) -> None:
    small.graded(sandbox)
    small.tests = SHEET + "    raise SandboxFault('It went away.', remedy='Look.')\n"
    small.faulted(sandbox)
    assert staff_files_in(small.out) == set()


def test_a_sheet_that_cannot_be_written_is_a_fault(
    small: Small, sandbox: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staff_files, "write_file", refuse)
    assert "No space left" in small.faulted(sandbox).faults[0].message
    assert staff_files_in(small.out) == set()


def test_grade_says_where_the_sheet_is(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(small.folder)
    home, first = small.assignment().folder, small.submission()
    second = first.rename(small.folder / "second")
    first = small.submission()
    ended = in_this_process(monkeypatch, capsys)("grade", home, first, second, "--out", "class")
    assert ended.code == 0
    assert f"For staff alone: class/handed_in/{READING}\n" in ended.out
    assert ended.out.endswith(f"Reading sheets:\nclass/handed_in/{READING}\nclass/second/{READING}\n")


def test_check_does_not_speak_of_it(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small.first = 'public_tests = ["test_it.py"]'
    home, submission = small.assignment().folder, small.submission()
    ended = in_this_process(monkeypatch, capsys)("check", home, submission, "--out", small.out)
    assert ended.code == 0
    assert not re.search("staff|reading|the last run used 10", ended.out + ended.err)


# --- notebooks ----------------------------------------------------------------------------------------


def hand_in(small: Small, **notebooks: bytes) -> None:
    for name, data in notebooks.items():
        path = small.submission() / f"{name.replace('__', '/')}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


@pytest.fixture(scope="module")
def for_notebooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A sandbox that has the shell preloaded, as every grading of a notebook has."""
    small = Small(tmp_path_factory.mktemp("spec"), tests=RUN, more=NOTEBOOK.format(mode="rerun"))
    with open_backend(small.assignment(), Mode.GRADE) as backend:
        yield backend


CELLS = ("# markdown\n# Title", "x = 3\nprint('<script>alert(1)</script>', x)", "y = 1 / 0", "print('after')")


def test_the_executed_notebook_is_kept_for_staff(small: Small, for_notebooks: Backend) -> None:
    small.tests, small.more = RUN, NOTEBOOK.format(mode="rerun")
    hand_in(small, one=written(*CELLS))
    graded = small.graded(for_notebooks)
    assert graded.staff_files == (READING, EXECUTED)
    executed = json.loads((small.out / EXECUTED).read_text())
    assert [cell["cell_type"] for cell in executed["cells"]] == ["markdown", "code", "code", "code"]
    assert "".join(executed["cells"][3]["outputs"][0]["text"]) == "after\n"
    assert executed["cells"][2]["outputs"][0]["ename"] == "ZeroDivisionError"
    page = page_of(small)
    for expected in [
        *("one.ipynb", "Run here, and the outputs of this run count.", "2 ran, 1 raised", "<dd>7</dd>"),
        *("ZeroDivisionError (division by zero)", "<code>y = 1 / 0</code>", f"<code>{EXECUTED}</code>"),
    ]:
        assert expected in page


def test_stored_outputs_are_said_to_be(small: Small, for_notebooks: Backend) -> None:
    small.tests, small.more = RUN, NOTEBOOK.format(mode="stored")
    hand_in(small, one=written(*CELLS))
    assert small.graded(for_notebooks).staff_files == (READING,)
    page = page_of(small)
    assert "Not run: " in page
    assert "The outputs that it was handed in with count." in page
    assert 'class="badge claimed"' in page


def test_executed_notebooks_are_kept_without_a_sheet(small: Small, for_notebooks: Backend) -> None:
    small.tests, small.more = RUN_BOTH, NOTEBOOK.format(mode="rerun")
    hand_in(small, one=written("print(1)"), zwei__one=written("print(2)"))
    graded = small.graded(for_notebooks)
    assert graded.staff_files == ("executed-one.ipynb", "executed-one-2.ipynb")
    assert [
        json.loads((small.out / name).read_text())["cells"][0]["outputs"][0]["text"]
        for name in graded.staff_files
    ] == [["1\n"], ["2\n"]]
    small.tests = SHEET
    assert small.graded(for_notebooks).staff_files == (READING,)
    assert staff_files_in(small.out) == {READING}  # none of the earlier grading's stands beside it


def test_no_test_asked_for_a_run(small: Small, for_notebooks: Backend) -> None:
    small.tests = SHEET + "    submission.notebook('notebook').stored\n"
    small.tests = small.tests.replace("(sheet)", "(sheet, submission)")
    small.more = NOTEBOOK.format(mode="rerun")
    hand_in(small, one=written("while True: pass"))  # the sheet itself must not run it
    assert small.graded(for_notebooks).staff_files == (READING,)
    assert "Not run: no test asked for it." in page_of(small)


def test_the_versions_are_those_of_the_notebooks_environment() -> None:
    found = versions_in(sys.executable)
    assert found["numpy"] == metadata.version("numpy")
    assert found["ipython"] == metadata.version("ipython")
    assert versions_in("/nowhere/bin/python") == {}
