"""Georgia Tech's 9.4 with answers: every file of predictions through a whole grading, each with its outcome.

The answers are drawn, and prepared in a copy of the grader's folder, as a course prepares its own.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.boxes import Boxes, Mode, open_backend
from autograder.challenge import answers
from autograder.challenge.history import History, Standing
from autograder.challenge.preparing import form_of
from autograder.document import TestEntry
from autograder.grading import Graded, grade
from autograder.outcome import BoardValue
from autograder.verdicts import message_of
from fixtures.build import load, tree
from fixtures.predictions import FILES, STAFF, PredictionFile, drawn, right
from tests.graders.notebook_fixtures import GRADERS, by_key, needs_root

NAME = "gatech_convnet"
CHANCE, BETTER = "test_challenge.py::test_beats_chance", "test_challenge.py::test_beats_staff"
MODEL, READ = "test_challenge.py::test_model", "test_challenge_file.py::test_predictions"
TRUTH = drawn()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OWN = ("2_pytorch/extra.md", "2_pytorch/mymodel.log", "2_pytorch/models/mymodel.py")
FILE = "2_pytorch/predictions.csv"

# Files that can be read and don't beat guessing, with what the student is told of them.
NO_BETTER_THAN_CHANCE = {
    "chance": "not surely better than guessing",
    "constant": "All 10,000 images are given the class 'airplane'",
    "shifted": "what belongs to an image stands a row below it",
    "shuffled_labels": "stand beside the wrong images",
    "sorted_labels": "sorted along the ids",
    "other_numbering": "counted from the last class to the first",
}
NO_BETTER_THAN_STAFF = {*NO_BETTER_THAN_CHANCE, "as_staff"}

ELSEWHERE = (
    "test_contract.py",
    "test_extended.py",
    "test_deliverables.py",
    "test_numpy_convnet.py",
    "test_pytorch_convnet.py",
)

pytestmark = [needs_root, pytest.mark.xdist_group(NAME)]


def only_the_challenge(folder: Path) -> None:
    """A copy of the grader without the other questions, which take longer than the challenge."""
    elsewhere = shutil.ignore_patterns("challenge", "__pycache__", *ELSEWHERE)
    shutil.copytree(GRADERS / NAME, folder, ignore=elsewhere)
    manifest = folder / "assignment.toml"
    text = re.sub(
        r'(?m)^number = "(?:0|9\.[123].*)"$',
        lambda found: f'{found[0]}\ngraded = false\nwhy_not_graded = "Not here."',
        manifest.read_text(encoding="utf-8"),
    )
    lines = (line for line in text.split("\n") if not line.strip(' ",').startswith(ELSEWHERE))
    manifest.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    """The grader with its challenge prepared; the staff's model has 70 % right."""
    folder = tmp_path_factory.mktemp("course") / NAME
    only_the_challenge(folder)
    assignment = load_assignment(folder)
    labels = np.array(TRUTH.labels)
    staff = {"reference": np.array(right(0.99)(TRUTH)), "baseline": np.array(right(STAFF)(TRUTH))}
    with pytest.MonkeyPatch.context() as patch:  # the same split each time, so the same outcomes
        patch.setattr(secrets, "token_bytes", lambda count: bytes(range(count)))
        answers.prepare(assignment, form_of(assignment), labels, staff)
    return load_assignment(folder)


@pytest.fixture(scope="module")
def boxes(course: Assignment) -> Iterator[Boxes]:
    with open_backend(course, Mode.GRADE, course.limits, "privdrop") as opened:
        yield opened


class Course:
    """Grades files of predictions, with what belongs to the own model beside them."""

    def __init__(self, assignment: Assignment, boxes: Boxes, folder: Path) -> None:
        self.assignment, self._boxes, self._folder = assignment, boxes, folder
        self._files = tree(load("excellent"))
        self._count = 0

    def grade(self, predictions: bytes, history: History | None = None) -> Graded:
        self._count += 1
        folder = self._folder / f"in{self._count}"
        for path, content in {**{path: self._files[path] for path in OWN}, FILE: predictions}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        history = history or History()
        return grade(self.assignment, folder, self.out, backend=self._boxes, history=history)

    @property
    def out(self) -> Path:
        """What came of the last one."""
        return self._folder / f"out{self._count}"

    def results(self) -> str:
        """What its student may read."""
        return (self.out / "results.json").read_text(encoding="utf-8")


@pytest.fixture
def graded(course: Assignment, boxes: Boxes, tmp_path: Path) -> Course:
    return Course(course, boxes, tmp_path)


def outcome(entry: TestEntry) -> tuple[str, float]:
    assert entry.extra_data is not None
    return entry.extra_data.outcome, entry.score or 0.0


def data_of(name: str) -> bytes:
    return FILES[name].data(TRUTH)


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_file_gets_what_it_must_get(file: PredictionFile, graded: Course) -> None:
    result = graded.grade(file.data(TRUTH))
    entries = by_key(result, NAME)
    beats_chance = file.valid and file.name not in NO_BETTER_THAN_CHANCE
    beats_staff = file.valid and file.name not in NO_BETTER_THAN_STAFF
    assert outcome(entries[READ]) == ("passed" if file.valid else "failed", 0.0)
    assert outcome(entries[MODEL]) == ("passed" if file.valid else "skipped", 0.0)
    assert outcome(entries[CHANCE]) == (("passed", 5.0) if beats_chance else ("failed", 0.0))
    assert outcome(entries[BETTER]) == (("passed", 5.0) if beats_staff else ("failed", 0.0))
    told = message_of(entries[READ])
    assert [word for word in file.says if word not in told] == []
    told = message_of(entries[CHANCE])
    assert NO_BETTER_THAN_CHANCE.get(file.name, "") in told
    assert ("Public score: accuracy" in told) == file.valid
    assert bool(result.document.leaderboard) == file.valid
    assert ("implausible" in result.staff_text) == (file.name == "hard_coded")


# --- a series of entries -------------------------------------------------------------------------------


def history(points: dict[str, float], hours: tuple[float, ...] = (30,)) -> History:
    """Earlier entries, so many hours ago, that came to these points."""
    board = (BoardValue("Public accuracy (%)", 71.0), BoardValue("Entries", 3.0))
    earlier = tuple(NOW - timedelta(hours=ago) for ago in hours)
    return History(NOW, earlier, Standing(points, board, len(earlier)))


def columns(result: Graded) -> dict[str, float | str]:
    return {column.name: column.value for column in result.document.leaderboard or ()}


def test_what_was_earned_stays_and_the_message_tells_nothing_of_the_new_file(graded: Course) -> None:
    told = set()
    for name in ("excellent", "as_staff", "chance", "truncated"):
        result = graded.grade(data_of(name), history({CHANCE: 5.0, BETTER: 5.0}))
        entries = by_key(result, NAME)
        assert outcome(entries[CHANCE]) == outcome(entries[BETTER]) == ("passed", 5.0)
        told.add(message_of(entries[BETTER]))
        assert message_of(entries[CHANCE]).startswith(("Public score", "Earned by"))
        assert ("right here alone" in result.staff_text) == (name != "truncated")
        assert columns(result)["Entries"] == (3.0 if name == "truncated" else 2.0)
    assert told == {"Earned by an earlier submission; it stays."}


def test_a_refused_upload_takes_nothing_that_was_earned(
    course: Assignment, boxes: Boxes, tmp_path: Path
) -> None:
    """Else the next one's metadata would tell of no points, and they were gone for good."""
    upload = tmp_path / "upload.zip"
    upload.write_bytes(b"PK\x03\x04 and no more")
    before = history({CHANCE: 5.0, BETTER: 5.0})
    result = grade(course, upload, tmp_path / "out", backend=boxes, history=before)
    entries = by_key(result, NAME)
    assert outcome(entries[CHANCE]) == outcome(entries[BETTER]) == ("passed", 5.0)
    assert columns(result) == {"Public accuracy (%)": 71.0, "Entries": 3.0}
    first = grade(course, upload, tmp_path / "out", backend=boxes, history=history({CHANCE: 0.0}))
    assert outcome(by_key(first, NAME)[CHANCE]) == ("error", 0.0)
    assert columns(first) == {"Public accuracy (%)": 71.0, "Entries": 3.0}


def test_what_an_error_of_ours_made_forgotten_is_a_doubt(graded: Course) -> None:
    forgotten = History(NOW, (NOW - timedelta(hours=30),), forgotten="the one before it ended in an error")
    result = graded.grade(data_of("chance"), forgotten)
    assert outcome(by_key(result, NAME)[CHANCE]) == ("failed", 0.0)
    assert "earned before isn't known: the one before it ended in an error" in result.staff_text


def test_points_that_were_not_earned_before_can_be_earned_now(graded: Course) -> None:
    entries = by_key(graded.grade(data_of("good"), history({CHANCE: 0.0, BETTER: 0.0})), NAME)
    assert outcome(entries[CHANCE]) == outcome(entries[BETTER]) == ("passed", 5.0)


def test_over_the_limit_the_earlier_result_stands(graded: Course) -> None:
    before = history({CHANCE: 5.0, BETTER: 0.0}, hours=(3, 2, 1))
    results = [graded.grade(data_of(name), before) for name in ("hard_coded", "chance")]
    for result in results:
        entries = by_key(result, NAME)
        assert outcome(entries[CHANCE]) == ("passed", 5.0)
        assert outcome(entries[BETTER]) == ("failed", 0.0)
        assert "3 submissions in 24 hours" in message_of(entries[BETTER])
        assert "2026-11-23 09:00 UTC" in message_of(entries[CHANCE])
        assert columns(result) == {"Public accuracy (%)": 71.0, "Entries": 3.0}
        assert "private part" not in result.staff_text
    assert len({message_of(by_key(result, NAME)[CHANCE]) for result in results}) == 1


def test_whether_it_was_earned_before_may_not_be_known(graded: Course) -> None:
    unknown = History(NOW, (NOW - timedelta(hours=30),), unknown="the one before it has no results yet")
    result = graded.grade(data_of("chance"), unknown)
    assert outcome(by_key(result, NAME)[CHANCE]) == ("failed", 0.0)
    assert "Whether these points were earned before isn't known" in result.staff_text


# --- what is told --------------------------------------------------------------------------------------


def test_a_near_miss_reads_as_a_far_one(graded: Course) -> None:
    told = {message_of(by_key(graded.grade(data_of(name)), NAME)[BETTER]) for name in ("as_staff", "chance")}
    assert len(told) == 1


def test_students_read_nothing_of_the_private_part(graded: Course, course: Assignment) -> None:
    graded.grade(data_of("good"))
    known = answers.load_answers(course, form_of(course))
    hits = np.array(FILES["good"].predicted(TRUTH)) == known.labels
    count, share = int(hits[known.private].sum()), 100 * float(hits[known.private].mean())
    seen = graded.results()
    assert f"{count}" not in seen
    assert f"{count:,}" not in seen
    assert f"{share:.1f}" not in seen
    assert f"{100 * float(hits[known.public].mean()):.1f}" not in seen  # the public one, unrounded
    sheet = (graded.out / "reading.html").read_text(encoding="utf-8")
    assert f"{share:.2f} %" in sheet
    assert "accuracy, private part (9.4)" in sheet
    assert "macro F1, public part (9.4)" in sheet


def test_a_claim_that_the_predictions_do_not_bear_out_is_for_staff(graded: Course) -> None:
    result = graded.grade(data_of("chance"))
    assert (
        "extra.md claims 79.4 %, but the public part of 2_pytorch/predictions.csv shows" in result.staff_text
    )
    assert "the public part of" not in graded.results()
