"""Which file is the entry where several could be it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autograder.grading import grade
from autograder.sandbox.backend import Backend
from tests.challenge.small_challenge import IMAGES, as_csv, prepared, small_challenge, truth, with_wrong
from tests.runs import needs_root
from tests.small import entry, open_sandbox

pytestmark = needs_root
READS = """
@number("1")
@partial_credit(4)
def test_read(challenge, report, set_score):
    '''the file'''
    notes = challenge.predictions().notes
    report.note(challenge.path)
    for note in notes:
        report.note(note)
    set_score(4 * challenge.score().private_value)
"""
SAMPLE = as_csv(np.zeros(IMAGES, dtype=np.int64))
THREE_LINES = "image_id,label\n0,1\n1,2\n2,0\n"
OWN, OTHER = as_csv(truth()), as_csv(with_wrong(0.5))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Backend]:
    with open_sandbox() as backend:
        yield backend


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"predictions.csv": OWN}, ["predictions.csv"]),
        (
            {"predictions.csv": SAMPLE, "predictions_84.csv": OWN},
            ["predictions_84.csv", "predictions.csv looks like a sample: predictions_84.csv was taken"],
        ),
        (
            {"predictions.csv": THREE_LINES, "predictions_84.csv": OWN},
            ["predictions_84.csv", "predictions.csv looks like a sample"],
        ),
        (
            {"predictions.csv": OWN, "predictions_84.csv": OTHER},
            ["predictions.csv", "Not read: predictions_84.csv. Hand in one file of predictions."],
        ),
        (  # a sample twice is what was handed in
            {"predictions.csv": SAMPLE, "predictions_2.csv": SAMPLE},
            ["predictions.csv", "Not read: predictions_2.csv"],
        ),
    ],
    ids=["one", "sample", "three lines", "two", "samples"],
)
def test_a_sample_gives_way_and_nothing_else_does(
    files: dict[str, str], told: list[str], sandbox: Backend, tmp_path: Path
) -> None:
    output, score = graded(files, sandbox, tmp_path)
    assert [line for line, words in zip(output, told, strict=True) if not line.startswith(words)] == []
    assert (score == 4) == (files[output[0]] == OWN)


def test_a_file_with_a_defect_is_not_passed_over(sandbox: Backend, tmp_path: Path) -> None:
    """It is what the student meant to hand in: what is wrong with it is told."""
    files = {"predictions.csv": OWN.replace("\n7,", "\n8,"), "predictions_old.csv": OTHER}
    output, score = graded(files, sandbox, tmp_path)
    assert "'predictions.csv' can't be scored as it is" in output[0]
    assert not score


def graded(files: dict[str, str], sandbox: Backend, folder: Path) -> tuple[list[str], float]:
    """The notes of the test, and its points."""
    small = replace(small_challenge(folder), tests=READS, questions={"1": 4.0})
    small = replace(small, more=small.more.replace('staff_questions = ["2"]\n', ""))
    assignment, _ = prepared(small)
    submission = small.submission()
    for name, text in files.items():
        (submission / name).write_text(text)
    test = entry(grade(assignment, submission, folder / "out", backend=sandbox).document, "test_read")
    return (test.output or "").split("\n")[1:-1], test.score or 0.0
