"""One submission's entry to a challenge, as a grader's tests see it: the fixture ``challenge``.

It is asked inside tests, so that what is wrong with the file fails there. Reading needs no answers; scoring
does, and is done once. What a student may read of a score is `Score.published` alone: see docs/challenge.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from autograder.challenge.answers import Answers, load_answers
from autograder.challenge.history import History, OverLimit, Standing, over_limit
from autograder.checks.handed_files import required
from autograder.door import Door
from autograder.manifest_challenge import ChallengeSpec
from autograder.outcome import GraderFault, SubmissionProblem
from autograder.text import one_line

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.predictions.form import Form
    from autograder.checks.predictions.metrics import Metric
    from autograder.checks.predictions.reading import Predictions
    from autograder.handed_in import HandedIn

_MOST_OTHERS = 4  # files beside the one that is asked for
_FEW_BYTES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """An entry's metrics on either part; the first of each decides.

    ``published`` are the public ones as students may see them, rounded to what that part supports; ``shown``
    is the first of them.
    """

    public: tuple[Metric, ...]
    private: tuple[Metric, ...]
    published: tuple[Metric, ...]

    @property
    def shown(self) -> float:
        return _value(self.published)

    @property
    def public_value(self) -> float:
        """The deciding metric on the public part, unrounded: for staff."""
        return _value(self.public)

    @property
    def private_value(self) -> float:
        return _value(self.private)


def _value(metrics: tuple[Metric, ...]) -> float:
    value = metrics[0].value
    if value is None:
        raise GraderFault(
            f"The metric {metrics[0].name!r} decides the challenge, and is no single number.",
            remedy="Let [challenge] metrics begin with another.",
        )
    return value


class Challenge:
    """The challenge of one assignment, for one submission."""

    def __init__(self, assignment: Assignment, submission: HandedIn, history: History) -> None:
        spec = assignment.challenge
        if spec is None:
            raise GraderFault(
                "A test asks for the challenge, and the manifest has no [challenge].",
                remedy="Add the table to the manifest.",
            )
        self.spec: ChallengeSpec = spec
        self.history = history
        self._assignment, self._submission = assignment, submission
        self._test = ""
        self._read: Predictions | SubmissionProblem | None = None
        self._score: Score | None = None

    def begin(self, key: str) -> None:
        """A test begins: what was `earned_before` is meant for it."""
        self._test = key

    @cached_property
    def form(self) -> Form:
        """What the file has to look like."""
        from autograder.checks.predictions.form import Form  # noqa: PLC0415  (graders without one don't pay)

        return Form.of(self.spec, self._assignment.folder)

    @cached_property
    def path(self) -> str:
        """Where the file lies in the submission; raises CheckFailed where there is none.

        A sample that the homework came with is often left beside one's own file: then that one is meant.
        """
        first = required(self._submission, self.spec.deliverable)
        others = self._submission.others_for(self.spec.deliverable)[:_MOST_OTHERS]
        if others and self._is_sample(first):
            return next((one for one in others if not self._is_sample(one)), first)
        return first

    def predictions(self) -> Predictions:
        """The predictions in the form's order; raises CheckFailed with what is wrong with the file."""
        if self._read is None:
            try:
                self._read = self._read_file()
            except SubmissionProblem as problem:
                self._read = problem
        if isinstance(self._read, SubmissionProblem):
            raise self._read
        return self._read

    def _is_sample(self, path: str) -> bool:
        """Whether a file gives all images one label, or shows the form in a few lines."""
        try:
            found = self._read_at(path)
        except SubmissionProblem:
            size = (self._submission.tree.root / path).lstat().st_size
            return size < min(_FEW_BYTES, len(self.form.ids))  # a line takes more than a byte
        return bool((found.labels == found.labels[0]).all())

    def _chosen(self, found: Predictions) -> Iterator[str]:
        """What a student should know where several files could have been meant."""
        first = required(self._submission, self.spec.deliverable)
        others = self._submission.others_for(self.spec.deliverable)
        if first != self.path:
            yield f"{one_line(first)} looks like a sample: {one_line(self.path)} was taken in its place."
        elif others:
            listed = ", ".join(map(one_line, others[:_MOST_OTHERS]))
            yield f"Not read: {listed}. Hand in one file of predictions."
        yield from found.notes

    def _read_file(self) -> Predictions:
        found = self._read_at(self.path)
        return replace(found, notes=tuple(self._chosen(found)))

    def _read_at(self, path: str) -> Predictions:
        from autograder.checks.predictions.not_csv import refuse_size  # noqa: PLC0415  (as above)
        from autograder.checks.predictions.reading import read_predictions  # noqa: PLC0415  (likewise)

        root = self._submission.tree.root
        refuse_size(path, (root / path).lstat().st_size, self.form.max_bytes)  # before it is read
        return read_predictions(Door(root, self.form.max_bytes).read(path), path, self.form)

    @cached_property
    def answers(self) -> Answers:
        """The answers; raises EnvironmentFault where they can't be read."""
        return load_answers(self._assignment, self.form)

    def score(self) -> Score:
        """What the predictions are worth; raises CheckFailed where they can't be read."""
        if self._score is None:
            if self.over_limit is not None:
                raise GraderFault(
                    "A test scores an entry that is over the limit.",
                    remedy="Look at challenge.over_limit first, and let the earlier result stand.",
                )
            self._score = score_of(self.predictions(), self.answers, self.spec)
        return self._score

    # --- the series of entries ---

    @cached_property
    def over_limit(self) -> OverLimit | None:
        """Why this submission is not scored, if it is one too many."""
        return over_limit(self.history, self.spec)

    @property
    def earlier(self) -> Standing:
        """What the earlier submissions came to."""
        return self.history.standing

    @property
    def earned_before(self) -> float | None:
        """The points that stood for this very test before this submission; None where there was none."""
        return self.earlier.points.get(self._test) if self.earlier.entries else None

    @property
    def scored(self) -> Score | None:
        """The score, if a test asked for it."""
        return self._score

    @property
    def entries(self) -> int:
        """This team's entries so far that were scored, with this one if it was."""
        before = len(self.history.earlier) if self.history.unknown else self.earlier.entries
        return before + (self._score is not None)


def score_of(predictions: Predictions, answers: Answers, spec: ChallengeSpec) -> Score:
    """Both parts' metrics."""
    from autograder.checks.predictions.rounding import published  # noqa: PLC0415  (as above)

    public = measured(predictions, answers, answers.public, spec)
    private = measured(predictions, answers, answers.private, spec)
    return Score(public, private, tuple(published(metric, spec.class_names) for metric in public))


def measured(
    predictions: Predictions, answers: Answers, part: np.ndarray, spec: ChallengeSpec
) -> tuple[Metric, ...]:
    """The manifest's metrics on one part of the images."""
    from autograder.checks.predictions.metrics import measure  # noqa: PLC0415  (slow to import)

    shares = predictions.probabilities[part] if predictions.probabilities is not None else None
    return measure(spec.metrics, predictions.labels[part], shares, answers.labels[part], spec.class_names)


def of_labels(labels: np.ndarray) -> Predictions:
    """Labels without a file, such as the staff's model's."""
    from autograder.checks.predictions.reading import Predictions  # noqa: PLC0415  (as above)

    return Predictions(labels=labels, probabilities=None, notes=(), digest="")
