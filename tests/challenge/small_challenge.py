"""A small assignment with a challenge of 300 images and three classes, and submissions to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from autograder.assignment import Assignment, load_assignment
from autograder.challenge.answers import Answers, prepare
from autograder.challenge.preparing import form_of
from tests.small import Small

IMAGES, CLASSES = 300, 3
MANIFEST = f"""
[[deliverables]]
key = "predictions"
title = "Your predictions"
patterns = ["predictions.csv"]
question = "1"

[challenge]
questions = ["1"]
staff_questions = ["2"]
images = {IMAGES}
classes = [["cat"], ["dog"], ["frog"]]
public_share = 0.2
"""
TESTS = """
def stands(challenge, set_score, report):
    over = challenge.over_limit
    if over is not None:
        set_score(challenge.earned_before or 0)
        report.note(over.told)
        report.board.extend(challenge.earlier.board)
    return over is not None

@number("1")
@partial_credit(4)
def test_half(challenge, report, set_score):
    '''half are right'''
    if stands(challenge, set_score, report):
        return
    score = challenge.score()
    report.leaderboard("Public accuracy (%)", 100 * score.shown)
    right = score.private_value >= 0.5
    set_score(4 if right else challenge.earned_before or 0)

@number("2")
@partial_credit(2)
def test_staff(challenge, report, set_score):
    '''better than the staff'''
    if stands(challenge, set_score, report):
        return
    assert challenge.score().private_value > 0.9, "It isn't."
    set_score(2)

@number("3")
@weight(1)
def test_other(submission):
    '''something else'''
    assert (submission.tree.root / "work.py").exists()
"""
QUESTIONS = {"1": 4.0, "2": 2.0, "3": 1.0}


def truth() -> np.ndarray:
    """The right labels, (IMAGES,) int64, drawn once."""
    return np.random.default_rng(8).integers(0, CLASSES, IMAGES)


def with_wrong(share: float, seed: int = 1) -> np.ndarray:
    """The right labels with a ``share`` of them moved to the next class."""
    labels = truth()
    wrong = np.random.default_rng(seed).permutation(IMAGES)[: round(share * IMAGES)]
    labels[wrong] = (labels[wrong] + 1) % CLASSES
    return labels


def as_csv(labels: np.ndarray) -> str:
    return "".join(["image_id,label\n", *(f"{number},{label}\n" for number, label in enumerate(labels))])


def small_challenge(folder: Path) -> Small:
    """The assignment, not yet prepared."""
    return replace(Small(folder, tests=TESTS), questions=QUESTIONS, more=MANIFEST)


def prepared(small: Small, staff: bool = False) -> tuple[Assignment, Answers]:
    """The assignment with its answers, and with a model of the staff's if asked."""
    assignment = small.assignment()
    models = {"baseline": with_wrong(0.3)} if staff else {}
    answers = prepare(assignment, form_of(assignment), truth(), models)
    return load_assignment(assignment.folder), answers


def hand_in(small: Small, labels: np.ndarray) -> Path:
    """A submission with these predictions."""
    folder = small.submission()
    (folder / "predictions.csv").write_text(as_csv(labels))
    return folder
