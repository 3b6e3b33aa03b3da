"""The results: every declared test, always; a score only at a good end; nothing secret in it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autograder import atomic
from autograder.document import LeaderboardEntry, ResultsDocument, TestEntry, Visibility
from autograder.outcome import Evidence, GraderFault, ManifestFault, Outcome, ResultsFault, Verdict
from autograder.results import DeclaredTest, ResultsStore, RunInfo, lint_visibility
from tests.contract import problems, total

VERIFIED = Evidence.VERIFIED
FULL = Verdict(Outcome.PASSED, 1.0, evidence=VERIFIED)


def declared(key: str, max_score: float = 1.0, visibility: Visibility = "visible") -> DeclaredTest:
    return DeclaredTest(
        key, "9.1.2", f"case {key}", max_score, visibility, question="Convolution", evidence_needed=VERIFIED
    )


def info(points: float, **changes: object) -> RunInfo:
    fields: dict[str, object] = {
        "title": "Homework",
        "points": points,
        "seed": 7,
        "versions": {"numpy": "2.4.6"},
        "sandbox": "privdrop",
        "limits": {"wall_s": 20.0},
    }
    return RunInfo(**{**fields, **changes})  # type: ignore[arg-type]


def store_of(out: Path, *tests: DeclaredTest, **changes: object) -> ResultsStore:
    return ResultsStore(
        out, tests, info(math.fsum(t.max_score for t in tests if not t.extra_credit), **changes)
    )


def one_entry(out: Path, test: DeclaredTest, verdict: Verdict) -> TestEntry:
    store = store_of(out, test)
    store.settle(test.key, verdict)
    return store.document().tests[0]


def partial(out: Path) -> bytes:
    data = (out / "results.partial.json").read_bytes()
    assert problems(data) == []
    ResultsDocument.model_validate_json(data)
    return data


# -- every test, always ------------------------------------------------------------------------------------


def test_all_tests_stand_in_the_results_before_the_first_one_ran(tmp_path: Path) -> None:
    store_of(tmp_path, declared("a"), declared("b", 3))
    document = json.loads(partial(tmp_path))
    assert [test["name"] for test in document["tests"]] == ["Convolution: case a", "Convolution: case b"]
    assert [test["output"] for test in document["tests"]] == ["Not run yet."] * 2
    assert (document["score"], total(partial(tmp_path))) == (0, 4)
    assert document["extra_data"]["partial"] is True
    assert not (tmp_path / "results.json").exists()


def test_after_each_test_the_partial_results_are_complete(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"), declared("b", 3))
    store.settle("b", Verdict(Outcome.FAILED, 1.5, "half of it", evidence=VERIFIED))
    document = json.loads(partial(tmp_path))
    assert [test["score"] for test in document["tests"]] == [0, 1.5]
    assert document["score"] == 1.5
    assert total(partial(tmp_path)) == 4
    assert store.pending == ("a",)


def test_a_good_end_turns_the_partial_results_into_the_score(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"))
    store.settle("a", FULL)
    assert store.finish() == tmp_path / "results.json"
    data = (tmp_path / "results.json").read_bytes()
    assert problems(data) == []
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    document = ResultsDocument.model_validate_json(data)
    assert (document.score, document.extra_data.partial) == (1.0, False)
    assert (document.visibility, document.stdout_visibility) == ("visible", "hidden")
    assert document.extra_data.versions == {"numpy": "2.4.6"}
    assert not store.document().extra_data.partial
    with pytest.raises(ResultsFault, match="after the score was written"):
        store.settle("a", Verdict(Outcome.FAULT))


def test_there_is_no_score_while_a_test_is_open(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"), declared("b"))
    store.settle("a", FULL)
    with pytest.raises(ResultsFault, match="1 of 2 tests never ended, the first 'b'"):
        store.finish()
    assert not (tmp_path / "results.json").exists()


def test_there_is_no_score_when_we_broke(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"))
    store.settle("a", Verdict(Outcome.FAULT, student="secret of ours", staff="sandbox gone"))
    with pytest.raises(ResultsFault, match="ended in a fault of ours"):
        store.finish()
    assert not (tmp_path / "results.json").exists()
    entry = store.document().tests[0]
    assert "not your fault" in entry.output
    assert "secret of ours" not in entry.output
    assert "sandbox gone" in store.staff_text()


def test_a_fault_is_tried_once_more(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"))
    store.settle("a", Verdict(Outcome.FAULT))
    assert store.faults == ("a",)
    store.settle("a", FULL)
    store.finish()


def test_a_fault_overrides_a_score_but_a_score_no_score(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"))
    store.settle("a", FULL)
    with pytest.raises(GraderFault, match="'a' ended twice: passed, then failed"):
        store.settle("a", Verdict(Outcome.FAILED, evidence=VERIFIED))
    store.settle("a", Verdict(Outcome.FAULT))
    assert store.document().score == 0


def test_a_test_that_was_not_declared_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(GraderFault, match="'b' gave a result, but was never declared"):
        store_of(tmp_path, declared("a")).settle("b", FULL)


# -- points ------------------------------------------------------------------------------------------------


@given(shares=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_thirds_and_sevenths_add_up(shares: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    tests = [declared(f"{size}.{n}.{i}", 1 / size) for n, size in enumerate(shares) for i in range(size)]
    store = ResultsStore(tmp_path_factory.mktemp("out"), tests, info(len(shares)))
    assert sum(test.max_score or 0 for test in store.document().tests) == pytest.approx(len(shares), abs=1e-6)


def test_points_that_do_not_add_up_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ManifestFault, match="the tests offer 2 points, but the assignment declares 3"):
        ResultsStore(tmp_path, [declared("a"), declared("b")], info(3))
    assert not (
        tmp_path / "results.json"
    ).exists()  # an earlier run's score does not outlive this one's start


def test_extra_credit_is_counted_apart(tmp_path: Path) -> None:
    bonus = DeclaredTest("c", "9.4", "Extra credit", 5, graded=False, extra_credit=True)
    store = store_of(tmp_path, declared("a"), bonus, extra_credit=5)
    assert store.document().extra_data.extra_credit == 5
    with pytest.raises(ManifestFault, match="5 points of extra credit, but the assignment declares 0"):
        store_of(tmp_path, declared("a"), bonus)


@pytest.mark.parametrize("offered", [math.nan, math.inf, -1.0])
def test_points_that_are_no_points_are_refused(tmp_path: Path, offered: float) -> None:
    with pytest.raises(ManifestFault):
        ResultsStore(tmp_path, [declared("a", offered)], info(1))


def test_two_tests_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraderFault, match="two tests are called 'a'"):
        store_of(tmp_path, declared("a"), declared("a"))


def test_a_visibility_that_gradescope_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraderFault, match="'a' has the visibility 'secret'"):
        store_of(tmp_path, declared("a", visibility="secret"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (Verdict(Outcome.PASSED, math.nan, evidence=VERIFIED), "its score of nan is not between 0 and 1"),
        (Verdict(Outcome.PASSED, math.inf, evidence=VERIFIED), "its score of inf"),
        (Verdict(Outcome.PASSED, 50, evidence=VERIFIED), "its score of 50"),
        (Verdict(Outcome.PASSED, 1.001, evidence=VERIFIED), "its score of 1.001"),
        (Verdict(Outcome.FAILED, -0.1, evidence=VERIFIED), "its score of -0.1"),
        (Verdict(Outcome.FAILED, 1, evidence=VERIFIED), "it failed with full marks"),
        (Verdict(Outcome.ERROR, 0.5, evidence=VERIFIED), "it has 0.5 points although it ended as 'error'"),
        (Verdict(Outcome.SKIPPED, 0.5), "it has 0.5 points although it ended as 'skipped'"),
        (
            Verdict(Outcome.PASSED, 1, evidence=Evidence.MEASURED),
            "'verified' by the manifest, but rests on 'measured'",
        ),
        (Verdict(Outcome.PASSED, 1), "but rests on 'nothing'"),
        (Verdict(Outcome.PASSED, 1, evidence=VERIFIED, seconds=math.nan), "it took nan seconds"),
    ],
)
def test_a_result_that_cannot_be_is_our_fault(tmp_path: Path, verdict: Verdict, message: str) -> None:
    store = store_of(tmp_path, declared("a"))
    with pytest.raises(GraderFault) as caught:
        store.settle("a", verdict)
    assert message in caught.value.message
    assert json.loads(partial(tmp_path))["score"] == 0  # and it is never made to fit


def test_a_question_that_is_not_graded_gets_no_score(tmp_path: Path) -> None:
    test = DeclaredTest("q", "9.2", "The convnet", 3, graded=False)
    store = store_of(tmp_path, test)
    assert "Not graded yet: question 9.2. The 3 points there are still to come" in store.document().output
    with pytest.raises(GraderFault, match="declared as not graded"):
        store.settle("q", Verdict(Outcome.PASSED, 3))
    store.settle("q", Verdict(Outcome.SKIPPED, 0, "Staff will grade it."))
    store.finish()
    assert store.document().tests[0].output == "Not graded yet.\nStaff will grade it."


# -- what the student reads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "status", "word"),
    [
        (FULL, "passed", "Passed."),
        (Verdict(Outcome.PASSED, 1 - 1e-12, evidence=VERIFIED), "passed", "Passed."),
        (Verdict(Outcome.PASSED, 0.5, evidence=VERIFIED), None, "Partly right."),
        (Verdict(Outcome.PASSED, 0.0, evidence=VERIFIED), "failed", "Not right."),
        (Verdict(Outcome.FAILED, 0.5, evidence=VERIFIED), None, "Partly right."),
        (Verdict(Outcome.FAILED), "failed", "Not right."),
        (Verdict(Outcome.ERROR), "failed", "Broke: your submission did not run to its end."),
        (Verdict(Outcome.SKIPPED), None, "Not run."),
    ],
)
def test_how_it_ended_stands_first_and_in_words(
    tmp_path: Path, verdict: Verdict, status: str | None, word: str
) -> None:
    entry = one_entry(tmp_path, declared("a"), verdict)
    assert (entry.status, entry.output.split("\n")[0]) == (status, word)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict(Outcome.PASSED, evidence=VERIFIED), "passed"),
        (Verdict(Outcome.FAILED), "failed"),
        (Verdict(Outcome.SKIPPED), "failed"),  # without a status, 0 of 0 would come out green
    ],
)
def test_a_test_without_points_says_itself_how_it_ended(
    tmp_path: Path, verdict: Verdict, status: str
) -> None:
    assert one_entry(tmp_path, declared("a", 0), verdict).status == status


def test_the_text_says_what_it_rests_on(tmp_path: Path) -> None:
    entry = one_entry(
        tmp_path, declared("a"), Verdict(Outcome.FAILED, 0, "Try pad 0.", evidence=Evidence.CLAIMED)
    )
    assert entry.output == "Not right.\nTry pad 0.\nEvidence: claimed, but verified is needed."
    assert entry.extra_data is not None
    assert (entry.extra_data.outcome, entry.extra_data.evidence) == ("failed", "claimed")


@pytest.mark.parametrize("visibility", ["visible", "after_due_date", "after_published"])
def test_staff_text_never_stands_where_a_student_may_see_it(tmp_path: Path, visibility: Visibility) -> None:
    verdict = Verdict(Outcome.FAILED, 0, "not right", "hidden 0.1234", VERIFIED)
    store = store_of(tmp_path, declared("a", visibility=visibility), staff_notes=("hidden 0.1234",))
    store.settle("a", verdict)
    store.finish()
    assert b"0.1234" not in (tmp_path / "results.json").read_bytes()
    assert store.staff_text().count("hidden 0.1234") == 2


def test_staff_read_everything_in_hidden_entries(tmp_path: Path) -> None:
    entry = one_entry(
        tmp_path,
        declared("a", visibility="hidden"),
        Verdict(Outcome.FAILED, 0, "not right", "dx was 3", VERIFIED),
    )
    assert entry.output.endswith("Evidence: verified.\n\nFor staff only:\ndx was 3")


def test_notes_for_the_student_stand_at_the_top(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"), notes=("Left out: __MACOSX.",))
    assert store.document().output.splitlines() == [
        "This grading has not ended. What stands here is not a grade.",
        "Left out: __MACOSX.",
    ]


def test_a_flood_is_cut(tmp_path: Path) -> None:
    entry = one_entry(tmp_path, declared("a"), Verdict(Outcome.FAILED, 0, "word " * 1_000_000))
    assert len(entry.output) < 10_000


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)  # surrogates and all


@given(texts=st.tuples(*[ANY_TEXT] * 5))
def test_whatever_a_student_writes_the_document_is_good(
    texts: tuple[str, str, str, str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    student, staff, name, note, question = texts
    out = tmp_path_factory.mktemp("out")
    test = DeclaredTest("a", "1", name, 1, "hidden", (name,), question)
    store = store_of(out, test, notes=(note,), title=name, versions={name: note})
    store.settle("a", Verdict(Outcome.ERROR, 0, student, staff))
    store.finish()
    data = (out / "results.json").read_bytes()
    assert problems(data) == []
    ResultsDocument.model_validate_json(data)
    text = json.loads(data)["tests"][0]["output"]
    assert not any(ord(char) < 32 and char not in "\n\t" for char in text)


# -- the files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["results.json", "results.partial.json"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "file", "fifo"])
def test_what_lies_in_the_way_is_never_followed(tmp_path: Path, name: str, kind: str) -> None:
    import os  # noqa: PLC0415  (only this test makes a FIFO)

    out, outside = tmp_path / "out", tmp_path / "labels"
    out.mkdir()
    outside.write_text("precious")
    match kind:
        case "link":
            (out / name).symlink_to(outside)
        case "dangling link":
            (out / name).symlink_to(tmp_path / "new")
        case "folder":
            (out / name).mkdir()
            (out / name / "mine").write_text("precious")
        case "file":
            (out / name).write_text('{"score": 100}')
        case "fifo":
            os.mkfifo(out / name)
    store = store_of(out, declared("a"))
    assert not (out / "results.json").exists()
    partial(out)
    store.settle("a", FULL)
    store.finish()
    assert (out / "results.json").is_file()
    assert not (out / "results.json").is_symlink()
    assert outside.read_text() == "precious"
    assert not (tmp_path / "new").exists()
    if kind == "folder":
        assert [path.read_text() for path in out.glob("*.moved-aside-*/mine")] == ["precious"]


def test_a_folder_that_appears_during_the_run_is_moved_aside(tmp_path: Path) -> None:
    store = store_of(tmp_path, declared("a"))
    (tmp_path / "results.json").mkdir()
    store.settle("a", FULL)
    store.finish()
    assert (tmp_path / "results.json").is_file()


def test_what_a_killed_write_left_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".results.partial.json.0123.tmp").write_text("half")
    store_of(tmp_path, declared("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["results.partial.json"]


def test_a_folder_that_cannot_be_written_is_our_fault(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ResultsFault, match="the results can't be written to"):
        store_of(tmp_path / "out", declared("a"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path, declared("a"))
    before = partial(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ResultsFault, match="No space left on device"):
        store.settle("a", FULL)
    assert partial(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    atomic.write_file(tmp_path, "page.html", b"one")
    with (tmp_path / "page.html").open("rb") as reader:
        atomic.write_file(tmp_path, "page.html", b"two")
        assert reader.read() == b"one"
    assert (tmp_path / "page.html").read_bytes() == b"two"


# -- the model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"score": 2.0},
        {"score": math.nan},
        {"score": "1"},
        {"colour": "red"},
        {"visibility": "secret"},
        {"output": "\ud800"},
        {"output": "\0"},
        {"output_format": "markdown"},
        {"execution_time": -1},
        {"tests": ()},
    ],
)
def test_what_gradescope_would_refuse_does_not_fit_the_model(
    tmp_path: Path, change: dict[str, object]
) -> None:
    store = store_of(tmp_path, declared("a"))
    store.settle("a", FULL)
    document = store.document()
    fields = {name: getattr(document, name) for name in ResultsDocument.model_fields}
    ResultsDocument(**fields)
    with pytest.raises(ValidationError):
        ResultsDocument(**{**fields, **change})


def test_a_leaderboard_fits(tmp_path: Path) -> None:
    document = store_of(tmp_path, declared("a")).document()
    board = (
        LeaderboardEntry(name="Accuracy", value=0.926),
        LeaderboardEntry(name="Time", value=15.1, order="asc"),
    )
    assert problems(document.model_copy(update={"leaderboard": board}).to_json()) == []


def test_the_author_is_told_what_hides_the_total() -> None:
    tests = [declared("a"), declared("b", visibility="hidden"), declared("c", visibility="after_published")]
    hidden, published = lint_visibility(tests)
    assert "total always, because 1 of 3 tests have visibility 'hidden': 'b'" in hidden
    assert "until the grades are published" in published
    assert lint_visibility([declared("a")]) == []
