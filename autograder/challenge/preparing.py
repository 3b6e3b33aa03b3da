"""What `run_autograder challenge` does: takes answers and the staff's predictions, and says what there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autograder.assignment import Assignment
from autograder.challenge.answers import Answers, load_answers, prepare
from autograder.challenge.entry import of_labels, score_of
from autograder.challenge.prepared import prepared_parts
from autograder.checks.predictions.form import Form
from autograder.checks.predictions.reading import read_predictions
from autograder.data import NAMES, course_data, load_held_out
from autograder.data import prepare as prepare_data
from autograder.manifest_challenge import NEEDS_PROBABILITIES
from autograder.outcome import CheckFailed, UsageError
from autograder.text import quote


def prepare_challenge(assignment: Assignment, answers: str, staff: Sequence[str]) -> str:
    """Prepare the challenge, or add to it; returns what there is then, for staff to read.

    ``answers`` is a CSV in the form of a submission, or the name of a data set whose test labels they are; ""
    leaves them as they are. ``staff`` are models as NAME=FILE. Raises UsageError for what can't be taken.
    """
    # Labels, though a submission may have to give probabilities.
    form = replace(form_of(assignment), labels=True)
    labels = _labels(answers, assignment, form) if answers else None
    models = dict(_model(told, form) for told in staff)
    if labels is None and not models:
        if not prepared_parts(assignment.folder).answers:
            raise UsageError(
                f"The challenge of {assignment.name!r} is not prepared yet. Say what the answers are: "
                f"--answers FILE (a CSV in the form of a submission), or one of {', '.join(NAMES)}."
            )
        return "\n".join(_told(assignment, load_answers(assignment, form)))
    return "\n".join(_told(assignment, prepare(assignment, form, labels, models)))


def form_of(assignment: Assignment) -> Form:
    """The form of its challenge's file; raises UsageError where it has no challenge."""
    if assignment.challenge is None:
        raise UsageError(
            f"The assignment {assignment.name!r} has no challenge: its manifest lacks [challenge]."
        )
    return Form.of(assignment.challenge, assignment.folder)


def _labels(answers: str, assignment: Assignment, form: Form) -> np.ndarray:
    if answers not in NAMES or Path(answers).exists():
        return _read(Path(answers), form)
    folder = prepare_data([answers], course_data(assignment))
    labels = load_held_out(answers, folder).labels
    if len(labels) != len(form.ids):
        raise UsageError(
            f"{answers} has {len(labels):,} test images, and the manifest's challenge {len(form.ids):,}."
        )
    return labels.astype(np.int64)


def _model(told: str, form: Form) -> tuple[str, np.ndarray]:
    name, separator, path = told.partition("=")
    if not separator or not name or not path:
        raise UsageError(f"--staff takes NAME=FILE, and this is {quote(told)}.")
    return name, _read(Path(path), form)


def _read(path: Path, form: Form) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{quote(str(path))} can't be read: {error.strerror}.") from error
    try:
        return read_predictions(data, path.name, form).labels
    except CheckFailed as problem:
        raise UsageError(problem.student_text) from problem


def _told(assignment: Assignment, answers: Answers) -> Iterator[str]:
    spec = assignment.challenge
    assert spec is not None
    public, total = int(answers.public.sum()), len(answers.labels)
    yield f"{assignment.title}: {total:,} images, of which {public:,} are the public part."
    by_labels = not NEEDS_PROBABILITIES.fullmatch(spec.metric)  # of the staff's models no more is kept
    for name, labels in answers.staff.items() if by_labels else ():
        score = score_of(of_labels(labels), answers, spec)
        found = f"{score.public_value:.4f} public, {score.private_value:.4f} private"
        yield f"Staff model {name}: {spec.metric} {found}."
    if not answers.staff and spec.staff_questions:
        listed = ", ".join(spec.staff_questions)
        yield f"No model of the staff's yet (--staff NAME=FILE): {listed} will not be graded."
