"""A grader's tests become entries: what each way to end comes to, and what it tells to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.document import ResultsDocument
from autograder.outcome import GraderFault, ManifestFault
from autograder.sandbox.backend import Backend
from tests.small import BUG, CALL_DOUBLE, HEAD, Small, entry, open_sandbox, outcomes, partial_outcomes


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Backend]:
    with open_sandbox() as backend:
        yield backend


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def one(small: Small, sandbox: Backend, body: str, marks: str = "@weight(4)") -> ResultsDocument:
    """Grade an assignment whose only test, `test_it`, has this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    small.tests = f'@number("1")\n{marks}\ndef test_it(submission, report):\n    """it works"""\n{lines}'
    return small.grade(sandbox)


# --- what an assertion tells --------------------------------------------------------------------------


def test_an_assertions_message_is_shown_and_its_values_are_not(small: Small, sandbox: Backend) -> None:
    document = one(small, sandbox, 'hidden = 31337\nassert submission is hidden, "It is not the same."')
    assert outcomes(document)["test_it"] == ("failed", 0.0)
    assert "It is not the same." in entry(document, "test_it").output
    assert "31337" not in small.results.read_text()
    assert "31337" not in (small.out / "report.html").read_text()


@pytest.mark.parametrize(
    "body",
    [
        "hidden = 31337\nassert 7 == hidden",
        "import numpy as np\nnp.testing.assert_allclose(np.ones(3), np.full(3, 31337.0))",
        "import numpy as np\nnp.testing.assert_array_equal([1], [31337])",
        "import unittest\nunittest.TestCase().assertEqual(7, 31337)",
    ],
    ids=["assert", "allclose", "array_equal", "unittest"],
)
def test_values_that_a_library_quotes_are_for_staff_alone(small: Small, sandbox: Backend, body: str) -> None:
    document = one(small, sandbox, body)
    assert outcomes(document)["test_it"] == ("failed", 0.0)
    assert "does not hold" in entry(document, "test_it").output
    assert "31337" not in small.results.read_text()


def test_pytest_fail_is_the_authors_word(small: Small, sandbox: Backend) -> None:
    document = one(small, sandbox, 'pytest.fail("Two files are needed.")')
    assert outcomes(document)["test_it"] == ("failed", 0.0)
    assert "Two files are needed." in entry(document, "test_it").output


def test_hide_errors_hides_the_reason_from_students_alone(small: Small, sandbox: Backend) -> None:
    small.tests = """
@number("1")
@weight(4)
@hide_errors("Something is wrong here.")
def test_it():
    '''it works'''
    raise CheckFailed("The third case gives 17.")
"""
    graded = small.graded(sandbox)
    assert "Something is wrong here." in entry(graded.document, "test_it").output
    assert "third case" not in small.results.read_text()
    assert "third case" in graded.staff_text


def test_an_assertion_of_the_engines_is_our_fault(
    small: Small, sandbox: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_inside(_self: object, _path: str) -> None:
        raise AssertionError("the engine is in a state that can't be")

    monkeypatch.setattr("autograder.handed_in.HandedIn.read", fail_inside)
    small.tests = CALL_DOUBLE.replace("with sub", 'submission.read("work.py")\n    with sub')
    assert "the engine is in a state" in small.faulted(sandbox).faults[0].message


def test_a_test_that_pytest_cant_run_is_our_fault(small: Small, sandbox: Backend) -> None:
    small.tests = '@number("1")\n@weight(4)\nasync def test_it():\n    """waits"""\n'
    assert isinstance(small.faulted(sandbox).faults[0], GraderFault)


# --- scores -------------------------------------------------------------------------------------------


def test_partial_credit(small: Small, sandbox: Backend) -> None:
    small.questions = {"1": 10.0}
    small.tests = """
@number("1")
@partial_credit(4)
def test_part(set_score):
    '''gets a part'''
    set_score(1.5)
@number("1")
@partial_credit(2)
def test_all(set_score=None):
    '''gets all'''
    set_score(2)
@number("1")
@partial_credit(1)
def test_never_set(set_score):
    '''passes without a word'''
@number("1")
@partial_credit(2)
def test_nothing(set_score):
    '''gets nothing'''
    set_score(0)
@leaderboard("accuracy")
@partial_credit(1)
@number("1")
def test_board(set_score, set_leaderboard_value=None):
    '''under another decorator'''
    set_score(0.25)
"""
    document = small.grade(sandbox)
    assert outcomes(document) == {
        "test_part": ("failed", 1.5),
        "test_all": ("passed", 2.0),
        "test_never_set": ("passed", 1.0),
        "test_nothing": ("failed", 0.0),
        "test_board": ("failed", 0.25),
    }
    assert document.score == 4.75


@pytest.mark.parametrize("ending", ['raise CheckFailed("No.")', 'pytest.skip("No.")', 'assert False, "No."'])
def test_a_score_set_before_the_end_is_not_kept(small: Small, sandbox: Backend, ending: str) -> None:
    small.tests = f"""
@number("1")
@partial_credit(4)
def test_it(set_score):
    '''sets a score, then ends'''
    set_score(4)
    {ending}
"""
    document = small.grade(sandbox)
    assert document.score == 0.0
    assert outcomes(document)["test_it"][1] == 0.0


def test_a_score_set_before_a_crash_of_the_submission_is_not_kept(small: Small, sandbox: Backend) -> None:
    small.work = "def double(x):\n    raise ValueError\n"
    small.tests = CALL_DOUBLE.replace("@weight(4)", "@partial_credit(4)").replace(
        "(submission)", "(submission, set_score)"
    )
    small.tests = small.tests.replace("with sub", "set_score(3)\n    with sub")
    assert outcomes(small.grade(sandbox))["test_double"] == ("error", 0.0)


def test_parametrised_tests_have_a_score_each(small: Small, sandbox: Backend) -> None:
    small.tests = """
@number("1")
@partial_credit(1)
@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_case(case, set_score):
    '''one of four'''
    if case in "ac":
        set_score({"a": 0.25, "c": 0.5}[case])
    if case == "d":
        raise CheckFailed("d is wrong.")
"""
    document = small.grade(sandbox)
    assert outcomes(document) == {
        "test_case[a]": ("failed", 0.25),
        "test_case[b]": ("passed", 1.0),  # it set none, and does not inherit one
        "test_case[c]": ("failed", 0.5),
        "test_case[d]": ("failed", 0.0),
    }
    assert entry(document, "test_case[c]").name.endswith("one of four [c]")


@pytest.mark.parametrize(
    "score", ["4.5", "-1", "float('nan')", "float('inf')", "'4'", "None", "True", "10**400"]
)
def test_an_impossible_score_is_our_fault(small: Small, sandbox: Backend, score: str) -> None:
    small.tests = f"""
@number("1")
@partial_credit(4)
def test_it(set_score):
    '''sets what can't be'''
    set_score({score})
"""
    assert isinstance(small.faulted(sandbox).faults[0], GraderFault)
    assert partial_outcomes(small.partial) == {"test_it": "fault"}


def test_set_score_without_partial_credit_is_our_fault(small: Small, sandbox: Backend) -> None:
    small.tests = '@number("1")\n@weight(4)\ndef test_it(set_score):\n    """sets"""\n    set_score(1)\n'
    assert "partial_credit" in small.faulted(sandbox).faults[0].remedy


# --- the leaderboard ----------------------------------------------------------------------------------


def test_both_ways_to_the_leaderboard(small: Small, sandbox: Backend) -> None:
    small.tests = """
@leaderboard("Accuracy (%)")
@number("1")
@weight(2)
def test_decorated(set_leaderboard_value=None):
    '''sets a value'''
    set_leaderboard_value(72.5)
@number("1")
@leaderboard("Seconds", "asc")
@partial_credit(1)
def test_under_another(set_score, set_leaderboard_value=None):
    '''sets a score and a value'''
    set_leaderboard_value(12)
    set_score(0.5)
@number("1")
@weight(1)
def test_failed(report):
    '''several columns, and then it fails'''
    report.leaderboard("Team", "the\\x1b[31m owls")
    report.leaderboard("Entries", 3, "asc")
    raise CheckFailed("No.")
"""
    document = small.grade(sandbox)
    assert [(each.name, each.value, each.order) for each in document.leaderboard or ()] == [
        ("Accuracy (%)", 72.5, "desc"),
        ("Seconds", 12.0, "asc"),
        ("Team", "the owls", "desc"),
        ("Entries", 3.0, "asc"),
    ]


def test_no_value_no_leaderboard(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE.replace("@weight(4)", '@weight(4)\n@leaderboard("Accuracy")').replace(
        "(submission)", "(submission, set_leaderboard_value)"
    )
    assert small.grade(sandbox).leaderboard is None
    assert '"leaderboard"' not in small.results.read_text()


def test_a_test_that_did_not_run_to_its_end_has_no_value(small: Small, sandbox: Backend) -> None:
    small.work = "def double(x):\n    raise ValueError\n"
    small.tests = CALL_DOUBLE.replace("(submission)", "(submission, report)").replace(
        "with sub", "report.leaderboard('Accuracy', 1.0)\n    with sub"
    )
    assert small.grade(sandbox).leaderboard is None


@pytest.mark.parametrize(
    ("decorators", "value", "said"),
    [
        ('@leaderboard("A", "upwards")', "1", "'upwards'"),
        ('@leaderboard("A")', "True", "True"),
        ('@leaderboard("A")', "[1]", "[1]"),
        ('@leaderboard("A")', "float('nan')", "not what Gradescope accepts"),
        ("", "1", "without @leaderboard"),
    ],
)
def test_a_leaderboard_that_can_not_be_is_the_graders_fault(
    small: Small, sandbox: Backend, decorators: str, value: str, said: str
) -> None:
    small.tests = f"""
@number("1")
@weight(4)
{decorators}
def test_it(set_leaderboard_value):
    '''sets a value'''
    set_leaderboard_value({value})
"""
    assert said in small.faulted(sandbox).faults[0].message


# --- what is our fault --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "marks", ["", '@pytest.mark.evidence("claimed")', '@pytest.mark.evidence("measured")']
)
def test_credit_on_weak_evidence_is_our_fault(small: Small, sandbox: Backend, marks: str) -> None:
    small.files = {
        "test_it.py": HEAD.replace("pytestmark", "_unused")
        + f'@number("1")\n@weight(4)\n{marks}\ndef test_it():\n    """it works"""\n'
    }
    assert "verified" in small.faulted(sandbox).faults[0].message


def test_evidence_that_a_test_names_counts_as_the_weakest(small: Small, sandbox: Backend) -> None:
    small.tests = """
@number("1")
@weight(4)
def test_it(report):
    '''it works'''
    report.rests_on(Evidence.CLAIMED)
    report.rests_on(Evidence.VERIFIED)
"""
    assert "'claimed'" in small.faulted(sandbox).faults[0].message


def test_a_failure_needs_no_evidence(small: Small, sandbox: Backend) -> None:
    small.files = {
        "test_it.py": HEAD.replace("pytestmark", "_unused")
        + '@number("1")\n@weight(4)\ndef test_it():\n    """it works"""\n    assert False, "No."\n'
    }
    assert outcomes(small.grade(sandbox))["test_it"] == ("failed", 0.0)


def test_a_graders_bug_is_tried_once_more_and_then_no_score(small: Small, sandbox: Backend) -> None:
    log = small.folder / "log"
    small.tests = BUG.format(log=str(log))
    fault = small.faulted(sandbox)
    assert log.read_text().split() == ["bug", "sound", "bug"]  # what ended well is not run again
    assert "KeyError" in fault.faults[0].message
    assert "KeyError: 'key'" in fault.trace
    assert partial_outcomes(small.partial) == {"test_bug": "fault", "test_sound": "passed"}
    told = json.loads(small.partial.read_text())["tests"][0]["output"]
    assert "not your fault" in told
    assert "KeyError" not in told


def test_a_fault_that_goes_away_leaves_no_trace(small: Small, sandbox: Backend) -> None:
    once = small.folder / "once"
    small.tests = f"""
import pathlib
@number("1")
@weight(3)
def test_bug():
    '''fails at first'''
    if not pathlib.Path({str(once)!r}).exists():
        pathlib.Path({str(once)!r}).touch()
        raise SandboxFault("It stumbled.", remedy="Again.")
@number("1")
@weight(1)
def test_sound():
    '''is sound'''
"""
    document = small.grade(sandbox)
    assert outcomes(document) == {"test_bug": ("passed", 3.0), "test_sound": ("passed", 1.0)}
    assert document.score == 4.0
    assert not (small.out / "fault.txt").exists()


@pytest.mark.parametrize("raising", ["CheckFailed(42)", "CheckFailed('no', staff=b'bytes')"])
def test_a_message_that_is_no_text_is_our_fault(small: Small, sandbox: Backend, raising: str) -> None:
    small.tests = CALL_DOUBLE.replace("with sub", f"raise {raising}\n    with sub")
    small.faulted(sandbox)
    assert partial_outcomes(small.partial) == {"test_double": "fault"}


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_fixtures_bug_is_our_fault(small: Small, sandbox: Backend, phase: str) -> None:
    body = "    1 / 0\n    yield\n" if phase == "setup" else "    yield\n    1 / 0\n"
    small.tests = f"@pytest.fixture\ndef broken():\n{body}" + CALL_DOUBLE.replace(
        "(submission)", "(submission, broken)"
    )
    assert "ZeroDivisionError" in small.faulted(sandbox).faults[0].message


def test_a_fault_in_the_teardown_counts_before_a_failure_in_the_test(small: Small, sandbox: Backend) -> None:
    small.tests = """
@pytest.fixture
def broken():
    yield
    1 / 0
@number("1")
@weight(4)
def test_it(broken):
    '''fails'''
    raise CheckFailed("No.")
"""
    assert "ZeroDivisionError" in small.faulted(sandbox).faults[0].message


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ("import no_such_module_anywhere\n", "no_such_module_anywhere"),
        ("def broken(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ('pytest.skip("not today", allow_module_level=True)\n', "skips itself"),
        ('@number("1")\n@weight(4)\ndef test_it():\n    pass\n', "docstring"),
        ('@weight(4)\ndef test_it():\n    """has no number"""\n', "number"),
        ('@number("7")\n@weight(4)\ndef test_it():\n    """of no question"""\n', "'7'"),
        ('@number("1")\n@weight(3)\ndef test_it():\n    """offers too little"""\n', "4 points"),
        ('@number("1")\n@weight(5)\ndef test_it():\n    """offers too much"""\n', "4 points"),
        ('@number("1")\n@weight(float("nan"))\ndef test_it():\n    """offers NaN"""\n', "nan"),
        ('@number("1")\n@weight(4)\n@visibility("secret")\ndef test_it():\n    """is odd"""\n', "'secret'"),
        (
            '@number("1")\n@weight(4)\n@pytest.mark.evidence("hearsay")\ndef test_it():\n    """is odd"""\n',
            "'hearsay'",
        ),
        (
            '@number("1")\n@weight(4)\n@pytest.mark.no_such_mark\ndef test_it():\n    """is odd"""\n',
            "no_such_mark",
        ),
        ('@number("1")\n@pytest.mark.tier("gold")\ndef test_it():\n    """is odd"""\n', "'gold'"),
        ("", "4 points"),
    ],
    ids=lambda value: "" if "\n" in value else value.replace(" ", "_"),
)
def test_a_grader_that_cant_be_right_gives_no_score(
    small: Small, sandbox: Backend, tests: str, said: str
) -> None:
    small.tests = tests
    fault = small.faulted(sandbox).faults[0]
    assert isinstance(fault, (GraderFault, ManifestFault))
    assert said in fault.message
    assert fault.remedy


@pytest.mark.parametrize(
    "conftest",
    [
        "1 / 0\n",
        "def pytest_runtest_logreport(report):\n    raise RuntimeError('a hook broke')\n",
        "def pytest_collection_finish(session):\n    raise RuntimeError('a hook broke')\n",
        "import pytest\n@pytest.fixture(autouse=True)\ndef end():\n    pytest.exit('enough')\n",
        "import pytest\n@pytest.fixture(autouse=True)\ndef end():\n    pytest.exit('enough', returncode=0)\n",
        "def pytest_collection_modifyitems(items):\n    items.clear()\n",
    ],
    ids=["import", "report-hook", "collection-hook", "exit", "exit-0", "deselects"],
)
def test_a_conftest_that_breaks_gives_no_score(small: Small, sandbox: Backend, conftest: str) -> None:
    small.tests, small.files = CALL_DOUBLE, {"conftest.py": conftest}
    assert small.faulted(sandbox).faults[0].remedy


def test_a_test_that_ends_the_session_has_not_passed(small: Small, sandbox: Backend) -> None:
    small.tests = CALL_DOUBLE.replace("with sub", "pytest.exit('enough')\n    with sub")
    small.faulted(sandbox)
    assert partial_outcomes(small.partial) == {"test_double": "pending"}
