"""A challenge on Gradescope: a series of uploads, each graded with the metadata that Gradescope gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.boxes import Mode
from autograder.challenge.answers import Answers, load_answers
from autograder.challenge.preparing import form_of
from autograder.document import ResultsDocument
from autograder.gradescope import read_metadata
from autograder.grading import Faulted, grade
from autograder.sandbox.backend import Backend
from tests.challenge.small_challenge import hand_in, prepared, small_challenge, truth, with_wrong
from tests.contract import problems
from tests.runs import needs_root
from tests.small import Small, entry, open_sandbox, outcomes, plain_asserts

pytestmark = needs_root
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Backend]:
    with open_sandbox() as backend:
        yield backend


class Series:
    """One student's uploads to one assignment, in the order of their times."""

    def __init__(self, folder: Path, sandbox: Backend) -> None:
        self.small: Small = small_challenge(folder)
        self.assignment, _ = prepared(self.small)
        self.sandbox, self.before = sandbox, list[dict[str, Any]]()
        self.metadata = folder / "submission_metadata.json"

    @property
    def answers(self) -> Answers:
        return load_answers(self.assignment, form_of(self.assignment))

    def upload(self, labels: np.ndarray | None, hours: float) -> ResultsDocument:
        """What is handed in so many hours after the start, graded."""
        folder = self.small.submission()
        (folder / "predictions.csv").unlink(missing_ok=True)
        if labels is not None:
            hand_in(self.small, labels)
        at = (START + timedelta(hours=hours)).isoformat()
        # Gradescope gives the newest one's results alone.
        told = [{name: one[name] for name in one if name != "results"} for one in self.before[:-1]]
        told += self.before[-1:]
        self.metadata.write_text(json.dumps({"created_at": at, "previous_submissions": told}))
        history = read_metadata(self.metadata).history
        with plain_asserts():
            graded = grade(
                self.assignment,
                folder,
                self.small.out,
                backend=self.sandbox,
                mode=Mode.GRADE,
                history=history,
            )
        data = self.small.results.read_bytes()
        assert problems(data) == []
        self.before.append(
            {
                "submission_time": at,
                "score": graded.document.score,
                "autograder_error": False,
                "results": json.loads(data),
            }
        )
        return graded.document


@pytest.fixture
def series(tmp_path: Path, sandbox: Backend) -> Series:
    return Series(tmp_path, sandbox)


def half(document: ResultsDocument) -> tuple[str, float | None]:
    return outcomes(document)["test_half"]


def columns(document: ResultsDocument) -> dict[str, float | str]:
    return {each.name: each.value for each in document.leaderboard or ()}


def test_points_and_leaderboard_of_one_upload(series: Series) -> None:
    document = series.upload(with_wrong(0.3), 0)
    assert half(document) == ("passed", 4.0)
    public = (with_wrong(0.3) == truth())[series.answers.public].mean()
    shown = columns(document)["Public accuracy (%)"]
    assert isinstance(shown, float)
    assert abs(shown / 100 - public) <= 0.025 + 1e-9  # 60 images support steps of 5 %
    assert shown / 5 == pytest.approx(round(shown / 5))
    assert document.extra_data.entries == 1
    # 2 waits for a model of the staff's: its points are neither lost nor given.
    assert "2" in document.output
    assert "Not graded yet" in document.output


def test_over_the_limit_the_earlier_result_stands(series: Series) -> None:
    for hours in (0, 1, 2):
        first = series.upload(with_wrong(0.3), hours)
    fourth = series.upload(truth(), 3)
    assert half(fourth) == ("passed", 4.0)
    assert "3 submissions in 24 hours" in entry(fourth, "test_half").output
    assert "2026-11-23 12:00 UTC" in entry(fourth, "test_half").output
    assert columns(fourth) == columns(first)  # a perfect file, and nothing is told of it
    assert fourth.extra_data.entries == 3
    assert outcomes(fourth)["test_other"] == ("passed", 1.0)  # the rest of the homework knows no limit
    fifth = series.upload(truth(), 4)
    assert columns(fifth) == columns(first)
    sixth = series.upload(truth(), 24)
    assert columns(sixth) == {"Public accuracy (%)": 100.0}
    assert sixth.extra_data.entries == 4


def test_over_the_limit_no_points_stand_where_there_were_none(series: Series) -> None:
    for hours in (0, 1, 2):
        assert half(series.upload(with_wrong(0.9), hours)) == ("failed", 0.0)
    assert half(series.upload(truth(), 3)) == ("failed", 0.0)
    assert half(series.upload(truth(), 25)) == ("passed", 4.0)


def test_once_earned_stays_earned(series: Series) -> None:
    assert half(series.upload(truth(), 0)) == ("passed", 4.0)
    assert half(series.upload(with_wrong(0.9), 1)) == ("passed", 4.0)
    assert half(series.upload(with_wrong(0.9), 30)) == ("passed", 4.0)


def test_uploads_without_predictions_use_up_nothing_that_counts(series: Series) -> None:
    for hours in (0, 1, 2):
        document = series.upload(None, hours)
        assert half(document) == ("failed", 0.0)
        assert document.extra_data.entries == 0
    assert half(series.upload(truth(), 3)) == ("passed", 4.0)


def test_a_regrade_finds_the_same(series: Series) -> None:
    for hours in (0, 1, 2, 3):
        last = series.upload(with_wrong(0.3), hours)
    series.before.pop()
    again = series.upload(with_wrong(0.3), 3)
    assert again.leaderboard == last.leaderboard
    assert [(one.score, one.output) for one in again.tests] == [(one.score, one.output) for one in last.tests]


def test_while_an_earlier_upload_is_graded_the_next_one_waits(series: Series) -> None:
    for hours in (0, 1, 2):
        series.upload(with_wrong(0.3), hours)
    del series.before[-1]["results"]
    with pytest.raises(Faulted, match="no results yet"):
        series.upload(truth(), 3)
    assert not series.small.results.exists()


@pytest.mark.parametrize("break_it", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK")])
def test_answers_that_went_away_are_a_fault_and_no_score(
    series: Series, break_it: Callable[[Path], object]
) -> None:
    path = series.assignment.folder / "challenge" / "answers.npz"
    break_it(path)
    with pytest.raises(Faulted, match="answers can't be read"):
        series.upload(truth(), 0)
    assert not series.small.results.exists()
