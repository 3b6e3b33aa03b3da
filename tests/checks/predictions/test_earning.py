"""Points that were earned, and what is told, where a whole grading would not come by: see also
tests/graders/test_gatech_challenge.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import pytest

from autograder.challenge.answers import Answers
from autograder.challenge.entry import Challenge, Score
from autograder.challenge.history import History
from autograder.checks.predictions.beating import Beaten
from autograder.checks.predictions.earning import STAYS, better_than_staff, earn, tell_score
from autograder.checks.predictions.metrics import measure
from autograder.checks.predictions.rounding import published
from autograder.manifest_challenge import ChallengeSpec
from autograder.outcome import BoardValue, CheckFailed
from autograder.plugin import TestReport
from autograder.sheet import Sheet

IMAGES, CLASSES = 2_000, [["cat"], ["dog"], ["frog"]]
TRUTH = np.random.default_rng(1).integers(0, 3, IMAGES)
PUBLIC = np.arange(IMAGES) < 400


def wrong(share: float, seed: int = 2) -> np.ndarray:
    drawn = np.random.default_rng(seed).random(IMAGES) < share
    return np.where(drawn, (TRUTH + 1) % 3, TRUTH)


def challenge_of(labels: np.ndarray, metric: str = "accuracy", **known: Any) -> Challenge:
    """As a grader's tests get it, but for the files behind it."""
    accepts: list[Literal["labels", "probabilities"]] = ["labels"]
    if metric == "log_loss":
        accepts = ["probabilities"]
    spec = ChallengeSpec(questions=["1"], images=IMAGES, classes=CLASSES, metrics=[metric], accepts=accepts)
    shares = np.full((IMAGES, 3), 0.1)
    shares[np.arange(IMAGES), labels] = 0.8
    given = [
        measure([metric], labels[part], shares[part], TRUTH[part], spec.class_names)
        for part in (PUBLIC, ~PUBLIC)
    ]
    staff = known.pop("staff", {"first": wrong(0.3, 5), "best": TRUTH})
    fake = SimpleNamespace(
        spec=spec,
        answers=Answers(TRUTH, PUBLIC, b"", staff),
        form=SimpleNamespace(ids=range(IMAGES)),
        path="predictions.csv",
        entries=1,
        earlier=SimpleNamespace(board=(BoardValue("Entries", 7.0),)),
        history=History(),
        over_limit=None,
        earned_before=None,
        predictions=lambda: SimpleNamespace(labels=labels),
        score=lambda: Score(given[0], given[1], tuple(published(one, spec.class_names) for one in given[0])),
    )
    for name, value in known.items():
        setattr(fake, name, value)
    return cast("Challenge", fake)


def judge(*, beaten: bool) -> Any:
    return lambda _: Beaten(beaten, 0.5, "told to all", "told to staff")


def unread(_: Challenge) -> Beaten:
    raise CheckFailed("It is empty.\n  line 1: nothing", hint="Write it.")


def test_points_follow_the_judge() -> None:
    report, sheet = TestReport(), Sheet()
    assert earn(challenge_of(TRUTH), 5, judge(beaten=True), report, sheet) == 5
    assert (report.notes, report.staff_notes) == (["told to all"], ["told to staff"])
    with pytest.raises(CheckFailed, match="told to all"):
        earn(challenge_of(TRUTH), 5, judge(beaten=False), TestReport(), sheet)
    assert sheet.doubts == ()


def test_a_file_that_can_not_be_read_earns_nothing_and_says_why() -> None:
    with pytest.raises(CheckFailed) as raised:
        earn(challenge_of(TRUTH), 5, unread, TestReport(), Sheet())
    assert raised.value.message == "It is empty."


@pytest.mark.parametrize("now", [judge(beaten=True), judge(beaten=False), unread])
def test_what_was_earned_stays_whatever_comes_now(now: Any) -> None:
    report = TestReport()
    assert earn(challenge_of(TRUTH, earned_before=5.0), 5, now, report, Sheet()) == 5
    assert report.notes == [STAYS]


def test_over_the_limit_no_more_stands_than_there_is_now() -> None:
    over = SimpleNamespace(told="too soon")
    report = TestReport()
    late = challenge_of(TRUTH, earned_before=5.0, over_limit=over)
    assert earn(late, 4, unread, report, Sheet()) == 4  # the course has lowered the points since
    assert report.notes == ["too soon"]
    tell_score(late, report, Sheet(), "1")
    assert report.board == [BoardValue("Entries", 7.0)]


def test_the_model_called_baseline_is_to_be_beaten_else_the_first() -> None:
    good = wrong(0.1)
    assert better_than_staff(challenge_of(good)).beaten
    assert not better_than_staff(challenge_of(good, staff={"first": wrong(0.3, 5), "baseline": TRUTH})).beaten


def test_a_metric_of_which_less_is_better_leads_from_the_other_end() -> None:
    report, sheet = TestReport(), Sheet()
    tell_score(challenge_of(wrong(0.2), "log_loss"), report, sheet, "1")
    assert [(one.column, one.order) for one in report.board] == [
        ("Public log loss", "asc"),
        ("Entries", "desc"),
    ]
    assert "log loss" in report.notes[0]
    assert [fact.label for fact in sheet.facts] == ["log loss, public part (1)", "log loss, private part (1)"]
