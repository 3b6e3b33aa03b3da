"""What an entry to a challenge earns, and what of its score is told to whom.

Points are decided on the private part, so what a student reads of that decision must give no more away than
the points themselves. Once they were earned, the message is the same whatever the new file is worth: else
each later submission would ask the private part another question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from autograder.checks.predictions.beating import Beaten, beats_chance, beats_staff, chance_of
from autograder.checks.predictions.metrics import spoken
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem

if TYPE_CHECKING:
    from autograder.challenge.entry import Challenge, Score
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

STAYS = "Earned by an earlier submission; it stays."
BASELINE = "baseline"  # the model that is to be beaten, where the staff have several
_ENTRIES = "Entries"


def earn(
    challenge: Challenge,
    points: float,
    judge: Callable[[Challenge], Beaten],
    report: TestReport,
    sheet: Sheet,
) -> float:
    """The points, if ``judge`` says so, or if they were earned before; raises CheckFailed otherwise."""
    before = challenge.earned_before or 0.0
    over = challenge.over_limit
    if over is not None:
        report.note(over.told)
        return min(before, points)
    if before:
        report.note(STAYS)
        report.staff(_told_staff(challenge, judge))
        return points
    try:
        beaten = judge(challenge)
    except CheckFailed as problem:
        told = problem.message.partition("\n")[0]
        raise CheckFailed(told, hint="Another test of this question says what is to be mended.") from problem
    report.staff(beaten.staff)
    if beaten.beaten:
        report.note(beaten.told)
        return points
    why = challenge.history.unknown or challenge.history.forgotten
    if why:
        sheet.doubt(f"Whether these points were earned before isn't known: {why}.")
    raise CheckFailed(beaten.told)


def _told_staff(challenge: Challenge, judge: Callable[[Challenge], Beaten]) -> str:
    try:
        return judge(challenge).staff
    except SubmissionProblem as problem:
        return f"These predictions were not scored: {problem.message}"


def better_than_chance(challenge: Challenge) -> Beaten:
    """Whether the predictions for the private part are better than guessing."""
    answers, labels = challenge.answers, challenge.predictions().labels
    truth = answers.labels[answers.private]
    right = int((labels[answers.private] == truth).sum())
    chance = chance_of(truth, len(challenge.spec.classes))
    return beats_chance(right, len(truth), chance, challenge.spec.chance_level)


def better_than_staff(challenge: Challenge) -> Beaten:
    """Whether they are better than the staff's model: the one called "baseline", else the first."""
    answers, labels = challenge.answers, challenge.predictions().labels
    model = answers.staff.get(BASELINE, next(iter(answers.staff.values())))
    ours, theirs = (np.asarray(one == answers.labels)[answers.private] for one in (labels, model))
    return beats_staff(ours, theirs, challenge.spec.staff_level, challenge.spec.beats_staff)


# --- what is told --------------------------------------------------------------------------------------


def tell_score(challenge: Challenge, report: TestReport, sheet: Sheet, question: str) -> None:
    """The public score to the student and onto the leaderboard, everything to staff.

    Where there is no score, since the file can't be read or comes too soon, the earlier line stands.
    """
    if challenge.over_limit is None:
        try:
            score = challenge.score()
        except SubmissionProblem:
            pass  # whoever decides on the points says so
        else:
            _tell_student(challenge, score, report)
            _tell_staff(challenge, score, sheet, question)
            return
    for column in challenge.earlier.board:
        report.leaderboard(column.column, column.value, column.order)


def _tell_student(challenge: Challenge, score: Score, report: TestReport) -> None:
    spec = challenge.spec
    # The first metric alone: ten classes' accuracies would be ten questions to the public part.
    report.note(f"Public score: {score.published[0].told}.")
    for finding in _patterns(challenge):
        report.note(finding)
    name = spoken(spec.metric)
    if spec.higher_is_better:
        report.leaderboard(f"Public {name} (%)", round(100 * score.shown, 6))
    else:
        report.leaderboard(f"Public {name}", score.shown, "asc")
    report.leaderboard(_ENTRIES, float(challenge.entries))


def _tell_staff(challenge: Challenge, score: Score, sheet: Sheet, question: str) -> None:
    for part, metrics in (("public", score.public), ("private", score.private)):
        for metric in metrics:
            told = metric.told[:1].upper() + metric.told[1:]
            sheet.fact(f"{spoken(metric.name)}, {part} part ({question})", told, Evidence.VERIFIED)
    for finding in _patterns(challenge):
        sheet.doubt(f"{challenge.path}: {finding}")
    found, most = score.private[0], challenge.spec.implausible_above
    if found.name == "accuracy" and found.value is not None and found.value > most:
        sheet.doubt(
            f"{challenge.path} has {100 * found.value:.2f} % of the private part right, and more than "
            f"{100 * most:g} % is implausible: did the test set's own labels come in?"
        )


def _patterns(challenge: Challenge) -> list[str]:
    """Mistakes that the file shows, by the public part alone."""
    from autograder.checks.predictions.patterns import patterns  # noqa: PLC0415  (for one test)

    answers, labels = challenge.answers, challenge.predictions().labels
    public = np.flatnonzero(answers.public)
    ids = tuple(challenge.form.ids) if challenge.spec.ids else None
    found = patterns(labels, public, answers.labels[public], challenge.spec.class_names, ids)
    return [finding.told for finding in found]
