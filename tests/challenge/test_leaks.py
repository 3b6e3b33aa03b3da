"""What students may see follows from the public part and from whether points were earned, and nothing else.

Everything is done twice, by two sets of answers that differ in the private part's labels alone. Where the
points are the same, what students see must be the same to the byte: once they were earned, and over the
limit, it must be so whatever the file is worth.
"""

from __future__ import annotations

import io
import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from autograder import report
from autograder.assignment import Assignment, load_assignment
from autograder.boxes import Boxes, Mode, open_backend
from autograder.challenge.answers import Answers, load_answers, prepare
from autograder.challenge.entry import Challenge, of_labels, score_of
from autograder.challenge.history import History
from autograder.challenge.preparing import form_of
from autograder.checks.predictions.earning import better_than_chance, better_than_staff, earn, tell_score
from autograder.document import ResultsDocument
from autograder.grading import grade
from autograder.leaderboard import page, table, terminal
from autograder.leaderboard.command import board_of
from autograder.leaderboard.standings import View
from autograder.manifest_challenge import ChallengeSpec
from autograder.outcome import CheckFailed, EnvironmentFault
from autograder.plugin import TestReport
from autograder.sheet import Sheet
from autograder.verdicts import message_of
from fixtures.build import load, tree
from fixtures.predictions import FILES, STAFF, drawn, right
from tests.graders.notebook_fixtures import needs_root
from tests.graders.test_gatech_challenge import (
    BETTER,
    CHANCE,
    FILE,
    NAME,
    NOW,
    OWN,
    READ,
    history,
    only_the_challenge,
)
from tests.leaderboard.made import entry
from tests.small import key_of

TRUTH = drawn()


def with_other_private_labels(answers: Answers, share: float, seed: int = 4) -> Answers:
    """The same answers, but for a ``share`` of the private part's labels."""
    draw = np.random.default_rng(seed)
    places = draw.permutation(np.flatnonzero(answers.private))[: round(share * int(answers.private.sum()))]
    labels = answers.labels.copy()
    labels[places] = draw.permutation(labels[places])
    return replace(answers, labels=labels)


def as_seen(document: ResultsDocument) -> tuple[str, str, str]:
    """results.json, the report and the terminal, without the times that a grading took."""
    tests = [
        test.model_copy(
            update={"extra_data": test.extra_data and test.extra_data.model_copy(update={"seconds": 0.0})}
        )
        for test in document.tests
    ]
    document = document.model_copy(update={"tests": tuple(tests), "execution_time": 0.0})
    told = io.StringIO()
    report.terminal(document, Console(file=told, width=100))
    return document.to_json().decode(), report.html(document), told.getvalue()


@dataclass(frozen=True)
class Twice:
    """Two courses, and one sandbox."""

    courses: tuple[Assignment, Assignment]
    boxes: Boxes
    folder: Path

    def handed_in(self, predictions: bytes) -> Path:
        files = tree(load("excellent"))
        folder = self.folder / "submission"
        for path, content in {**{path: files[path] for path in OWN}, FILE: predictions}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return folder

    def grade(self, predictions: bytes, before: History) -> list[tuple[float, tuple[str, str, str]]]:
        """By either answers, the points and what its student sees."""
        folder, both = self.handed_in(predictions), []
        for assignment in self.courses:
            graded = grade(assignment, folder, self.folder / "out", backend=self.boxes, history=before)
            both.append((graded.document.score, as_seen(graded.document)))
        return both


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twice]:
    """By the second answers a good file has a third less right, and the staff's too."""
    folder = tmp_path_factory.mktemp("twice")
    courses: list[Assignment] = []
    for number, share in enumerate((0.0, 0.3)):
        home = folder / str(number) / NAME
        if not courses:
            only_the_challenge(home)
            assignment = load_assignment(home)
            models = {"baseline": np.array(right(STAFF)(TRUTH))}
            with pytest.MonkeyPatch.context() as patch:  # the same split each time, so the same points
                patch.setattr(secrets, "token_bytes", lambda count: bytes(range(count)))
                answers = prepare(assignment, form_of(assignment), np.array(TRUTH.labels), models)
        else:
            shutil.copytree(folder / "0" / NAME, home)
            file = home / "challenge" / "answers.npz"
            with np.load(file) as kept:
                arrays = {name: kept[name] for name in kept.files}
            np.savez(file, **{**arrays, "labels": with_other_private_labels(answers, share).labels})
        courses.append(load_assignment(home))
    known = [load_answers(one, form_of(one)) for one in courses]
    assert (known[0].public == known[1].public).all()
    assert (known[0].labels != known[1].labels)[known[0].private].mean() > 0.2
    with open_backend(courses[0], Mode.GRADE, courses[0].limits, "privdrop") as boxes:
        yield Twice((courses[0], courses[1]), boxes, folder)


EARNED = history({CHANCE: 5.0, BETTER: 5.0})
OVER = history({CHANCE: 5.0, BETTER: 0.0}, hours=(3, 2, 1))
UNKNOWN = History(NOW, (NOW - timedelta(hours=1),), unknown="the one before it has no results yet")


@needs_root
@pytest.mark.xdist_group(NAME)
@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("excellent", History()),
        ("chance", History()),
        ("shifted", History()),
        ("truncated", History()),
        ("truncated", EARNED),
        ("as_staff", UNKNOWN),
    ],
)
def test_a_grading_tells_students_nothing_of_the_private_part(
    name: str, before: History, twice: Twice
) -> None:
    (points, seen), (other_points, other_seen) = twice.grade(FILES[name].data(TRUTH), before)
    assert points == other_points  # or this example would say nothing
    assert seen == other_seen


@needs_root
@pytest.mark.xdist_group(NAME)
def test_where_the_points_differ_nothing_else_does(twice: Twice) -> None:
    """It is the staff's model, but for images on which the one course's answers make it better."""
    one, other = (load_answers(course, form_of(course)).labels for course in twice.courses)
    labels = np.where(one != other, one, np.array(right(STAFF)(TRUTH)))
    rows = (f"{number},{label}\n" for number, label in enumerate(labels))
    data = "".join(["image_id,label\n", *rows]).encode()
    for before in (EARNED, OVER):  # then its student is not even told that
        assert len(set(twice.grade(data, before))) == 1
    (points, seen), (other_points, other_seen) = twice.grade(data, History())
    assert (points, other_points) == (10.0, 5.0)
    first, second = json.loads(seen[0]), json.loads(other_seen[0])
    apart = [
        test["number"] for test, other in zip(first["tests"], second["tests"], strict=True) if test != other
    ]
    assert apart == ["9.4.2"]
    assert [name for name in first if first[name] != second[name]] == ["score", "tests"]


@needs_root
@pytest.mark.xdist_group(NAME)
def test_students_check_says_the_same_of_the_file_without_any_answer(twice: Twice, tmp_path: Path) -> None:
    home = tmp_path / NAME
    secret = shutil.ignore_patterns("challenge", "test_challenge.py", "__pycache__")
    shutil.copytree(twice.courses[0].folder, home, ignore=secret)
    theirs = load_assignment(home)
    with open_backend(theirs, Mode.CHECK, theirs.limits, "privdrop") as boxes:
        for name in ("good", "doubled", "formula_id", "constant"):
            said = []
            for assignment, mode, box in (
                (twice.courses[0], Mode.GRADE, twice.boxes),
                (theirs, Mode.CHECK, boxes),
            ):
                folder = twice.handed_in(FILES[name].data(TRUTH))
                found = grade(assignment, folder, twice.folder / "out", backend=box, mode=mode)
                said.append([message_of(test) for test in found.document.tests if key_of(test) == READ])
                assert (found.document.leaderboard is not None) == (
                    mode is Mode.GRADE and name in ("good", "constant")
                )
            assert said[0] == said[1]
            assert len(said[0]) == 1


# --- many files, without the gradings around them --------------------------------------------------------

IMAGES = 1_200
SPEC = ChallengeSpec(
    questions=["1"], images=IMAGES, classes=[["cat"], ["dog"], ["frog"]], metrics=["accuracy", "per_class"]
)


def drawn_answers(seed: int) -> Answers:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, IMAGES)
    staff = np.where(draw.random(IMAGES) < 0.3, draw.integers(0, 3, IMAGES), labels)
    return Answers(labels, np.arange(IMAGES) % 5 == 0, b"", {"baseline": staff})


def transcript(labels: np.ndarray, answers: Answers, earned: float, over: bool) -> tuple[object, ...]:
    """All that one submission's student is told, and the points."""
    fake = SimpleNamespace(
        spec=SPEC,
        answers=answers,
        form=SimpleNamespace(ids=range(IMAGES)),
        path="predictions.csv",
        entries=2,
        earlier=SimpleNamespace(board=()),
        history=History(),
        over_limit=SimpleNamespace(told="Too soon.") if over else None,
        earned_before=earned or None,
        predictions=lambda: of_labels(labels),
        score=lambda: score_of(of_labels(labels), answers, SPEC),
    )
    challenge = cast("Challenge", fake)
    told = TestReport()
    tell_score(challenge, told, Sheet(), "1")
    points = []
    for judge in (better_than_chance, better_than_staff):
        try:
            points.append(earn(challenge, 5, judge, told, Sheet()))
        except CheckFailed as problem:
            points.append(0.0)
            told.note(problem.student_text)
    return tuple(points), tuple(told.notes), tuple(told.board)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    wrong=st.floats(0, 1),
    moved=st.floats(0, 1),
    shift=st.sampled_from([0, 0, 1]),
    state=st.sampled_from(["first", "first", "earned", "over"]),
)
def test_what_is_told_follows_from_the_public_part_and_the_points(
    seed: int, wrong: float, moved: float, shift: int, state: str
) -> None:
    answers, draw = drawn_answers(seed), np.random.default_rng(seed + 1)
    labels = np.roll(
        np.where(draw.random(IMAGES) < wrong, draw.integers(0, 3, IMAGES), answers.labels), shift
    )
    other = with_other_private_labels(answers, moved, seed)
    earned, over = (5.0 if state != "first" else 0.0), state == "over"
    first, second = (transcript(labels, one, earned, over) for one in (answers, other))
    if first[0] == second[0]:
        assert first == second
    assert state == "first" or first == second
    assert first[2] == second[2]  # the leaderboard's columns, whatever the points


# --- the public standings --------------------------------------------------------------------------------

scores = st.integers(0, 1_000).map(lambda thousandths: thousandths / 1_000)
teams = st.sampled_from(["owls", "cats", "=1+1", "Ada <b>", "日本"])
tries = st.tuples(teams, st.integers(0, 40), st.integers(70, 72), scores, scores)


@settings(max_examples=15, deadline=None)
@given(st.lists(tries, max_size=12), st.sampled_from(["team", "pseudonym"]))
def test_the_public_standings_hold_nothing_private(found: list[Any], names: str) -> None:
    """Neither of the entries, nor what was rounded away, nor of the answers behind the staff's models."""
    answers = replace(drawn_answers(3), secret=bytes(32))
    spec = SPEC.model_copy(update={"names": names})
    assignment = cast("Assignment", SimpleNamespace(challenge=spec, title="A challenge", name="cifar"))
    boards = []
    for at, known in enumerate((answers, with_other_private_labels(answers, 0.5))):
        entries = []
        for number, (team, hours, percent, *hidden) in enumerate(found):
            public, private = percent / 100 + (hidden[at] - 0.5) / 100, hidden[at]
            told = {"private.accuracy": private, "public.accuracy": public}
            entries.append(
                entry(team, hours, public, private, id=number, shown=percent / 100, metrics=told, points=told)
            )
        listed = tuple(dict.fromkeys(each.team for each in entries))
        board = board_of(assignment, known, tuple(entries), listed, view=View.PUBLIC)
        told_all = io.StringIO()
        terminal.to_console(board, Console(file=told_all, width=100))
        boards.append((told_all.getvalue(), table.to_csv(board), page.to_html(board)))
    assert boards[0] == boards[1]
    if names == "pseudonym":
        assert not [team for team in ("owls", "cats", "Ada", "日本") if team in "".join(boards[0])]


# --- faults ----------------------------------------------------------------------------------------------


def test_damaged_answers_are_a_fault(tmp_path: Path) -> None:
    """Whatever befalls the file of answers: it is read whole, or it is a fault with what staff should do."""
    assignment_folder = tmp_path / NAME
    only_the_challenge(assignment_folder)
    assignment = load_assignment(assignment_folder)
    form = form_of(assignment)
    prepare(assignment, form, np.array(TRUTH.labels), {})
    path = assignment_folder / "challenge" / "answers.npz"
    whole, draw = path.read_bytes(), np.random.default_rng(5)
    said = set()
    for _ in range(150):
        damaged = bytearray(whole)
        at = int(draw.integers(len(whole)))
        damaged[at : at + 8] = draw.bytes(8)
        path.write_bytes(bytes(damaged[: at + 8] if draw.random() < 0.3 else damaged))
        load_assignment(assignment_folder)
        try:
            known = load_answers(assignment, form)
        except EnvironmentFault as fault:
            said.add(
                (fault.remedy.endswith("challenge gatech_convnet --answers FILE`."), len(fault.message) < 500)
            )
        else:
            assert (known.labels == np.array(TRUTH.labels)).all()
    assert said == {(True, True)}
