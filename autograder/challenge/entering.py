"""A grading that is an entry to the challenge: with the limit as the store of standings knows it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autograder.challenge.entry import Challenge
from autograder.challenge.history import History, Standing, allowance_of, parsed_time, shown_time
from autograder.challenge.prepared import FOLDER, STANDINGS
from autograder.document import ResultsDocument
from autograder.leaderboard.entry import NewEntry, OverLimit
from autograder.leaderboard.store import Store
from autograder.outcome import EnvironmentFault, UsageError
from autograder.text import one_line, quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.grading import Graded

STORE_VARIABLE = "AUTOGRADER_STORE"
_ZIP = ".zip"
_TRIES = 5  # each time another entry of the same team came in between


@dataclass(frozen=True, slots=True)
class Entering:
    """Gradings that are entries: of which team, handed in when, kept where."""

    assignment: Assignment
    store: Store
    at: datetime
    team: str = ""  # else the submission's own name

    def enter(self, submission: Path, grade: Callable[..., Graded]) -> Graded:
        team = self.store.spelling(self.assignment.name, self.team or _named_after(submission))
        return enter(self.assignment, self.store, team, self.at, lambda history: grade(history=history))


def _named_after(submission: Path) -> str:
    """The team of a submission that only its file's name tells. It is not shortened: two might become one.

    Nor may they where the name isn't UTF-8, as in zips of older Windows.
    """
    name = submission.resolve().name
    if not _is_utf8(name):
        name = os.fsencode(name).decode("latin-1")
    return name[: -len(_ZIP)] if name.lower().endswith(_ZIP) and name.lower() != _ZIP else name


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def entering_of(
    assignment: Assignment, submissions: Sequence[Path], *, team: str | None, at: str, store: str
) -> Entering:
    """What the command line asks for; raises UsageError where it can't be."""
    if assignment.challenge is None:
        raise UsageError(f"The assignment {assignment.name!r} has no challenge that one could enter.")
    if assignment.challenge.questions[0] in assignment.waiting:
        raise UsageError(
            "The challenge is not prepared, so nothing can be entered: "
            f"`run_autograder challenge {assignment.name} --answers FILE` comes first."
        )
    if team and len(submissions) > 1:
        raise UsageError("--team names one team, and there are several submissions: use --enter.")
    if team is not None and (not team.strip() or team != one_line(team)):
        raise UsageError(f"{quote(team)} is no name for a team: use one line of ordinary characters.")
    when = moment(at) if at else datetime.now(UTC)
    return Entering(assignment, Store.open(store_of(assignment, store)), when, team or "")


def store_of(assignment: Assignment, store: str = "") -> str:
    """Where the standings are kept: as asked, else as the environment says, else beside the answers."""
    return store or os.environ.get(STORE_VARIABLE, "") or str(assignment.folder / FOLDER / STANDINGS)


def moment(text: str) -> datetime:
    """A moment that the command line names; raises UsageError where it is none."""
    at = parsed_time(text)
    if at is None:
        raise UsageError(f"{quote(text)} is no moment: write it as 2026-11-22T14:05Z.")
    return at


def enter(
    assignment: Assignment, store: Store, team: str, at: datetime, grade: Callable[[History], Graded]
) -> Graded:
    """Grade by ``grade`` what ``team`` handed in ``at``, and keep it in the store if it was scored.

    Raises what ``grade`` raises; UsageError where later entries leave no room; EnvironmentFault where the
    team's entries come in faster than that.
    """
    spec = assignment.challenge
    assert spec is not None
    for _ in range(_TRIES):
        history = history_of(store, assignment.name, team, at)
        graded = grade(history)
        if graded.challenge is None or graded.challenge.scored is None:
            return graded
        try:
            store.add(new_entry(assignment, graded.challenge, graded.document, team, at), allowance_of(spec))
        except OverLimit as over:
            if history_of(store, assignment.name, team, at) == history:  # it is the later ones that fill it
                raise UsageError(
                    f"Entries of {quote(team)} from {shown_time(at)} or later are kept already, and with "
                    f"this one they would be more than the limit. There is room from "
                    f"{shown_time(over.next_at)}."
                ) from None
            continue  # another one of this team was quicker: now it is one of the earlier ones
        return graded
    raise EnvironmentFault(
        f"{_TRIES} entries of {team!r} were kept while this one was being graded.",
        remedy="Grade it again when the others have ended.",
    )


def history_of(store: Store, challenge: str, team: str, at: datetime) -> History:
    """What the store knows of the team's entries before ``at``."""
    before = [entry for entry in store.entries(challenge, team=team) if entry.at < at and not entry.fault]
    if not before:
        return History(at)
    # What one earned stays, though one that was graded at the same time knew nothing of it.
    keys = {key for entry in before for key in entry.points}
    points = {key: max(entry.points.get(key, 0.0) for entry in before) for key in keys}
    return History(at, tuple(entry.at for entry in before), Standing(points, entries=len(before)))


def new_entry(
    assignment: Assignment, challenge: Challenge, document: ResultsDocument, team: str, at: datetime
) -> NewEntry:
    """A scored submission as the store keeps it."""
    spec, score, predictions = challenge.spec, challenge.scored, challenge.predictions()
    assert score is not None
    numbers = {*spec.questions, *spec.staff_questions}
    points = {
        test.extra_data.key: test.score or 0.0
        for test in document.tests
        if test.extra_data is not None and test.number in numbers and test.extra_data.graded
    }
    metrics = {
        f"{part}.{metric.name}": metric.value
        for part, metrics in (("public", score.public), ("private", score.private))
        for metric in metrics
        if metric.value is not None
    }
    return NewEntry(
        challenge=assignment.name,
        team=team,
        at=at,
        digest=predictions.digest,
        public=score.public_value,
        private=score.private_value,
        shown=score.shown,
        metrics=metrics,
        labels=predictions.labels.astype(np.int16),
        points=points,
    )
