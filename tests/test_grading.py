"""One submission against one assignment: what each kind of test comes to, in what students and staff read.

The assignments are made up for the purpose, a few lines each, and graded from end to end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import atomic
from autograder.assignment import Limits
from autograder.boxes import Mode
from autograder.document import ResultsDocument
from autograder.grading import grade
from autograder.intake import take_in
from autograder.outcome import EnvironmentFault, UsageError
from autograder.sandbox.backend import Backend
from tests.contract import problems, total
from tests.small import (
    BUG,
    CALL_DOUBLE,
    HEAD,
    Small,
    entry,
    open_sandbox,
    outcomes,
    partial_outcomes,
    plain_asserts,
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Backend]:
    with open_sandbox() as backend:
        yield backend


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


# --- the submission's own endings ---------------------------------------------------------------------


def test_right_code_gets_all_points(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    document = small.grade(sandbox)
    assert outcomes(document) == {"test_double": ("passed", 4.0)}
    assert document.score == 4.0
    assert entry(document, "test_double").status == "passed"
    assert document.extra_data.sandbox == sandbox.name
    assert document.extra_data.partial is False


def test_what_student_code_prints_is_for_staff_alone(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    small.work = "def double(x):\n    print('hidden input', x, '\\x1b[31m')\n    return 2 * x\n"
    graded = small.graded(sandbox)
    assert "Printed by 'work.py':\nhidden input 21" in graded.staff_text
    assert "\x1b" not in graded.staff_text
    assert "hidden input" not in (small.out / "results.json").read_text()
    assert "hidden input" not in (small.out / "report.html").read_text()


def test_wrong_code_fails_with_the_reason_and_the_hint(small: Small, sandbox: Backend) -> None:
    small.tests, small.work = CALL_DOUBLE, "def double(x):\n    return x\n"
    graded = small.graded(sandbox)
    failed = entry(graded.document, "test_double")
    assert (failed.status, failed.score) == ("failed", 0.0)
    assert "double(21) is not right.\nMultiply." in failed.output
    assert "42 is right" not in (small.out / "results.json").read_text()
    assert "42 is right" in graded.staff_text


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("def double(x):\n    return x / 0\n", "ZeroDivisionError"),
        ("def double(x):\n    import os\n    os._exit(0)\n", "ended"),
        ("def double(x):\n    raise SystemExit(0)\n", "SystemExit"),
        ("def double(x):\n    raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("def double(x)\n", "SyntaxError"),
        ("def triple(x):\n    return 3 * x\n", "double()"),
    ],
)
def test_code_that_breaks_gets_no_points_and_a_reason(
    small: Small, sandbox: Backend, work: str, said: str
) -> None:
    small.tests, small.work = CALL_DOUBLE, work
    document = small.grade(sandbox)
    assert document.score == 0.0
    assert outcomes(document)["test_double"][0] in ("error", "failed")
    assert said in entry(document, "test_double").output


def test_a_skip_and_a_prerequisite_that_failed(small: Small, sandbox: Backend) -> None:
    small.tests = """
@number("1")
@weight(1)
def test_skip():
    '''skips'''
    pytest.skip("There is nothing to try.")
@number("1")
@weight(1)
@pytest.mark.skip(reason="Not this year.")
def test_mark():
    '''is skipped'''
@number("1")
@weight(2)
def test_not_run():
    '''needs another'''
    raise NotRun("The part before it failed.", hint="Mend that first.")
"""
    document = small.grade(sandbox)
    assert outcomes(document) == dict.fromkeys(("test_skip", "test_mark", "test_not_run"), ("skipped", 0.0))
    assert "There is nothing to try." in entry(document, "test_skip").output
    assert "Not this year." in entry(document, "test_mark").output
    assert "The part before it failed.\nMend that first." in entry(document, "test_not_run").output


def test_what_is_printed_and_noted_reaches_its_readers(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE.replace(
        "with sub", 'report.note("A note.")\n    report.staff("S-E-C-R-E-T")\n    with sub'
    )
    small.tests = small.tests.replace("(submission)", "(submission, report)")
    graded = small.graded(sandbox)
    assert "A note." in entry(graded.document, "test_double").output
    assert "S-E-C-R-E-T" not in small.results.read_text()
    assert "S-E-C-R-E-T" in graded.staff_text


# --- points -------------------------------------------------------------------------------------------


def test_the_tests_of_a_tier_share_its_points(small: Small, sandbox: Backend) -> None:
    small.questions = {}
    small.more = """
[[questions]]
number = "1"
title = "Two tiers"
points = 4
tiers = { plain = 3, odd = 1 }
"""
    case = """
@number("1")
@pytest.mark.tier("{0}")
def test_{0}{1}():
    '''case'''
    assert {1} != 1, "No."
"""
    small.tests = "".join(
        case.format(tier, n) for tier, count in (("plain", 3), ("odd", 2)) for n in range(count)
    )
    document = small.grade(sandbox)
    assert [each.max_score for each in document.tests] == [1.0, 1.0, 1.0, 0.5, 0.5]
    assert document.score == 2.5


def test_ungraded_questions_stand_in_the_results(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    small.more = """
[[questions]]
number = "2"
title = "An essay"
points = 3
extra_credit = 2
graded = false
why_not_graded = "A person reads it."
"""
    document = small.grade(sandbox)
    assert outcomes(document) == {
        "test_double": ("passed", 4.0),
        "2": ("skipped", 0.0),
        "2 (extra credit)": ("skipped", 0.0),
    }
    assert total(small.results.read_bytes()) == 9.0
    assert "A person reads it." in entry(document, "2").output
    assert "The 3 points there are still to come" in document.output


# --- what only staff may see --------------------------------------------------------------------------


def test_staff_text_stands_in_hidden_entries_alone(small: Small, sandbox: Backend) -> None:
    case = """
@number("1")
@weight(1)
@visibility("{0}")
def test_{0}():
    '''case'''
    raise CheckFailed("It differs.", staff="expected 31337 in {0}")
"""
    small.questions = {"1": 4.0}
    small.tests = "".join(map(case.format, ("visible", "hidden", "after_due_date", "after_published")))
    graded = small.graded(sandbox)
    shown = {each.visibility: "31337" in each.output for each in graded.document.tests}
    assert shown == {"visible": False, "hidden": True, "after_due_date": False, "after_published": False}
    assert all(f"31337 in {each.visibility}" in graded.staff_text for each in graded.document.tests)
    assert any("hide every student's total always" in warning for warning in graded.warnings)


def test_visible_tests_alone_hide_no_total(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    assert small.graded(sandbox).warnings == ()


def test_an_interrupt_is_no_fault_and_no_score(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE.replace("with sub", "raise KeyboardInterrupt\n    with sub")
    with plain_asserts(), pytest.raises(KeyboardInterrupt):
        grade(small.assignment(), small.submission(), small.out, backend=sandbox)
    assert not small.results.exists()
    assert partial_outcomes(small.partial) == {"test_double": "pending"}


def test_a_submission_that_isnt_there_is_a_usage_error(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    with pytest.raises(UsageError, match="no_such_folder"):
        grade(small.assignment(), small.folder / "no_such_folder", small.out, backend=sandbox)


# --- an upload that is refused, and time that runs out ------------------------------------------------


def test_a_refused_upload_ends_every_test_with_the_reason(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE.replace("4", "2") + CALL_DOUBLE.replace("4", "2").replace(
        "test_double", "test_again"
    )
    (small.submission() / "link").symlink_to("/etc/passwd")
    document = small.grade(sandbox)
    assert outcomes(document) == {"test_double": ("error", 0.0), "test_again": ("error", 0.0)}
    for each in document.tests:
        assert "link" in each.output
    assert total(small.results.read_bytes()) == 4.0


def test_when_the_time_of_the_run_is_spent_no_test_is_lost(small: Small, sandbox: Backend) -> None:
    small.work = "import time\ndef double(x):\n    return 42\ndef slow(x):\n    time.sleep(60)\n"
    one_point = CALL_DOUBLE.replace("@weight(4)", "@weight(1)")
    small.tests = one_point.replace("test_double", "test_early")
    small.tests += one_point.replace("test_double", "test_slow").replace('"double"', '"slow"')
    small.tests += one_point.replace("test_double", "test_late")
    small.tests += "@number('1')\n@weight(1)\ndef test_data():\n    '''runs no student code'''\n"
    document = small.grade(sandbox, limits=Limits(wall_s=2.5, run_wall_s=2.5))
    assert outcomes(document) == {
        "test_early": ("passed", 1.0),
        "test_slow": ("error", 0.0),
        "test_late": ("error", 0.0),
        "test_data": ("passed", 1.0),
    }
    for name in ("test_slow", "test_late"):
        assert "time limit of the whole grading of 2.5 seconds" in entry(document, name).output
    assert total(small.results.read_bytes()) == 4.0


def test_a_call_that_takes_too_long_costs_its_own_test_alone(small: Small, sandbox: Backend) -> None:
    small.work = "def double(x):\n    return 42\ndef endless(x):\n    while True:\n        pass\n"
    two_points = CALL_DOUBLE.replace("@weight(4)", "@weight(2)")
    small.tests = (
        two_points.replace("test_double", "test_endless").replace('"double"', '"endless"') + two_points
    )
    document = small.grade(sandbox, limits=Limits(wall_s=0.5))
    assert outcomes(document) == {"test_endless": ("error", 0.0), "test_double": ("passed", 2.0)}
    assert "time limit of 0.5 seconds" in entry(document, "test_endless").output


# --- nothing is carried over --------------------------------------------------------------------------


def without_times(document: ResultsDocument) -> object:
    fields = document.model_dump(exclude={"execution_time"})
    for test in fields["tests"]:
        test["extra_data"].pop("seconds")
    return fields


def test_the_same_inputs_give_the_same_document(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE.replace("with sub", "report.note(str(seed))\n    with sub").replace(
        "(submission)", "(submission, seed, report)"
    )
    first, second = (small.grade(sandbox) for _ in range(2))
    assert without_times(first) == without_times(second)
    assert str(first.extra_data.seed) in first.tests[0].output


def test_another_submission_meets_other_cases(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    first = small.grade(sandbox).extra_data.seed
    small.work += "# changed\n"
    assert small.grade(sandbox).extra_data.seed != first


def test_a_students_check_has_cases_of_its_own_and_public_tests_alone(small: Small, sandbox: Backend) -> None:
    small.first = 'public_tests = ["test_open.py"]'
    small.tests = CALL_DOUBLE.replace("4", "3")
    small.files = {"test_open.py": HEAD + CALL_DOUBLE.replace("4", "1").replace("test_double", "test_open")}
    small.tests = small.tests.replace("42", "43").replace("43 is", "42 is")  # the hidden one fails
    checked = small.grade(sandbox, mode=Mode.CHECK)
    assert set(outcomes(checked)) == {"test_open"}
    assert checked.extra_data.points == 1.0
    hidden = small.grade(sandbox)
    assert set(outcomes(hidden)) == {"test_double", "test_open"}
    assert hidden.extra_data.seed != checked.extra_data.seed


def test_two_assignments_of_one_name_dont_mix_their_modules(tmp_path: Path, sandbox: Backend) -> None:
    said = []
    for word in ("one", "two", "one"):
        folder = tmp_path / word
        folder.mkdir(exist_ok=True)
        note = f"report.note(word + '{word}')"
        case = f"@number('1')\n@weight(4)\ndef test_it(report, word):\n    'says'\n    {note}\n"
        fixture = f"import pytest\n@pytest.fixture\ndef word():\n    return 'conftest {word}, test '\n"
        document = Small(folder, tests=case, files={"conftest.py": fixture}).grade(sandbox)
        said.append(entry(document, "test_it").output.splitlines()[1])
    assert said == [f"conftest {word}, test {word}" for word in ("one", "two", "one")]


def test_one_students_grading_leaves_nothing_in_the_graders_modules(small: Small, sandbox: Backend) -> None:
    small.tests = """
SEEN = []
@number("1")
@weight(4)
def test_it(submission):
    '''sees nobody else's'''
    SEEN.append(submission.read("work.py"))
    test_it.__dict__.setdefault("calls", []).append(1)
    assert len(SEEN) == 1 and len(test_it.calls) == 1, "There was somebody here before."
"""
    assert [small.grade(sandbox).score for _ in range(2)] == [4.0, 4.0]


def test_one_students_code_leaves_nothing_in_the_sandbox(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    small.work = """
import builtins, math, sys, pathlib
def double(x):
    builtins.sum = math.sin = sys.maxsize = None
    sys.modules["json"] = None
    pathlib.Path("left_behind").write_text("x")
    pathlib.Path(__file__).write_text("def double(x): return 0")
    return 2 * x
"""
    assert small.grade(sandbox).score == 4.0
    small.work = """
import json, math, sys, pathlib
def double(x):
    sound = sum([1]) == 1 and math.sin(0) == 0 and sys.maxsize and json.dumps(1) == "1"
    return 2 * x if sound and not pathlib.Path("left_behind").exists() else 0
"""
    assert small.grade(sandbox).score == 4.0


def test_options_from_outside_have_no_say(
    small: Small, sandbox: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing_at_all")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin_anywhere")
    above = small.folder / "graders"
    above.mkdir()
    (above / "conftest.py").write_text("raise RuntimeError('a conftest above the assignment was run')\n")
    (above / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (small.folder / "conftest.py").write_text(
        "raise RuntimeError('a conftest above the assignment was run')\n"
    )
    small.tests = CALL_DOUBLE
    assert small.grade(sandbox).score == 4.0
    assert os.environ["PYTEST_ADDOPTS"] == "-k nothing_at_all"


# --- files --------------------------------------------------------------------------------------------


def test_an_earlier_run_leaves_nothing_to_be_taken_for_this_one(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE
    small.grade(sandbox)
    assert (small.out / "report.html").exists()
    small.tests = BUG.format(log=str(small.folder / "log"))
    small.faulted(sandbox)
    assert not (small.out / "report.html").exists()
    small.tests = CALL_DOUBLE
    small.grade(sandbox)
    assert not (small.out / "fault.txt").exists()


def test_a_sandbox_that_doesnt_start_leaves_no_earlier_score(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Backend:
        raise EnvironmentFault("There is no sandbox here.", remedy="Go elsewhere.")

    monkeypatch.setattr("autograder.boxes.choose", refuse)
    small.tests = CALL_DOUBLE
    assert small.faulted(None).faults[0].message == "There is no sandbox here."


def test_scratch_folders_are_removed(small: Small, sandbox: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def noting(source: Path, scratch: Path, *rest: object) -> object:
        seen.append(scratch)
        return take_in(source, scratch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("autograder.grading.take_in", noting)
    small.tests = CALL_DOUBLE
    small.grade(sandbox)
    small.tests = "1 / 0\n"
    small.faulted(sandbox)
    assert len(seen) == 3  # the faulted one was tried once more
    assert not any(path.exists() for path in seen)


def test_every_partial_document_is_complete(
    small: Small, sandbox: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = atomic.write_file

    def keeping(folder: Path, name: str, data: bytes, **rest: bool) -> None:
        if name.endswith("partial.json"):
            written.append(data)
        write(folder, name, data, **rest)

    monkeypatch.setattr(atomic, "write_file", keeping)
    small.tests = "".join(CALL_DOUBLE.replace("4", "1").replace("test_double", f"test_{n}") for n in range(4))
    small.tests = small.tests.replace("12", "42")
    small.grade(sandbox)
    assert len(written) == 1 + 4 + 1  # before the first test, after each, and the one that becomes the score
    for data in written:
        assert problems(data) == []
        assert total(data) == 4.0
        assert len(json.loads(data)["tests"]) == 4
