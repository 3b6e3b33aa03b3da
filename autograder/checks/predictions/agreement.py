"""Whether the model that was handed in can have produced the predictions.

Its network is exported in the student's box and run in ours, on a sample of the challenge's images; its
labels are held against the file's. How the images were prepared is told nowhere, so every preparation that
the student's sources name, and those that people use, are tried, and the one that agrees best counts: the
doubt is the student's. What is left is measured by the model itself: a file that agrees with it far less than
it agrees with itself, when its images are prepared in another way that serves it as well, doesn't come from
these weights.

It may come from another training, from several models, or from somebody else. So this is for staff to look
at; no points follow from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autograder.checks.handed_files import python_files
from autograder.checks.handed_weights import export, scene_of_weights
from autograder.checks.models.preparation import Preparation, fit_preparation
from autograder.checks.models.running import Running, running
from autograder.checks.models.weigh import weigh
from autograder.checks.predictions.normalising import USUAL, named_in
from autograder.checks.statistics import Interval, interval
from autograder.outcome import CheckFailed, SubmissionProblem
from autograder.text import one_line, quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.script_settings import Settings
    from autograder.data import HeldOut
    from autograder.handed_in import HandedIn
    from autograder.sandbox.exported import Export, Exports

Labels = NDArray[np.int64]

PROBES = 32  # images by which a preparation is told
TRIAL = 128  # images on which preparations are told apart
SAMPLE = 512  # further images, by which the best is measured
_TRIAL_SHARE = 0.6  # of the time
_CONFIDENCE = 0.999  # of the agreement's interval: one honest file in two thousand is below it by chance
_MARGIN = 0.05  # of the images: less than that between two agreements is worth nobody's time
_SERVES = 0.1  # how much less than by the best preparation may be right by one that serves as well
_MOST_SERVING = 4
_ALONE = 0.8  # what a model agrees with itself, where only one preparation serves it
_BETTER, _BETTER_BY = 1e-6, 0.1  # how likely, and by how much, a file is better than its model
_CLASSES = ("MyModel", "mymodel", "Model", "Net", "CNN", "ResNet")  # tried first


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the file agrees with the model, with an interval for all images; all shares.

    ``itself``: what the model agrees with itself, prepared in another way. ``suspicious``: staff should look.
    """

    share: float
    span: Interval
    images: int
    itself: float
    right_in_file: float
    right_by_model: float
    suspicious: bool
    told: str


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Why nothing can be said."""

    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What was handed in of it: paths in the tree, and the settings of its command."""

    weights: str
    module: str = ""
    settings: Settings | None = None


def agreement(  # noqa: PLR0913  (each is a thing of its own)
    submission: HandedIn,
    assignment: Assignment,
    model: Model,
    predicted: Labels,
    held: HeldOut,
    *,
    seed: int,
    budget_s: float,
) -> Agreement | NotCompared:
    """The file's labels, in the order of the held-out images, against those of the model handed in."""
    if len(predicted) != len(held.labels):
        return NotCompared(f"there are {len(predicted):,} predictions and {len(held.labels):,} images")
    order = np.random.default_rng(seed).permutation(len(held.labels))
    try:
        # No points follow, so it takes no time from what does.
        with scene_of_weights(submission, assignment, model.weights, model.module, budget_s) as scene:
            exports = export(scene, held.images[order[:PROBES]], model.weights, model.settings, _CLASSES)
        run = _Run(submission, held, exports, order, budget_s)
        trials = list(run.trials())
        if not trials:
            return NotCompared(f"{quote(model.weights)}: {run.why}")
        rows, answers = run.measured(trials, predicted)
    except SubmissionProblem as problem:
        return NotCompared(problem.message)
    return compare(answers, predicted[rows], held.labels[rows], len(held.labels), model.weights)


def compare(
    answers: Sequence[Labels], predicted: Labels, truth: Labels, population: int, weights: str
) -> Agreement | NotCompared:
    """The file's labels against the model's by each preparation, on the same images, a sample.

    ``answers``: those of the preparation that the file agrees with best come first.
    """
    count = len(truth)
    rights = [float((one == truth).mean()) for one in answers]
    chance = float(np.bincount(truth).max()) / count
    if max(rights) < chance + 3 * sqrt(chance * (1 - chance) / count):
        return NotCompared(
            f"no way to prepare images was found by which the network of {quote(weights)} is better than "
            "guessing"
        )
    serving = [one for one, right in zip(answers, rights, strict=True) if right >= max(rights) - _SERVES]
    best = serving[int(np.argmax([float((one == truth).mean()) for one in serving]))]
    others = [float((one == best).mean()) for one in serving if one is not best]
    itself = min(others, default=_ALONE)
    agreed = int((answers[0] == predicted).sum())
    span = interval(agreed, count, _CONFIDENCE, population=population)
    foreign = span.high < itself - _MARGIN
    right = float((predicted == truth).mean())
    of_model = max(rights) if foreign else rights[0]  # nobody forgot to normalise where nothing agrees
    better = right > of_model + _BETTER_BY and _by_chance(predicted == truth, answers[0] == truth) < _BETTER
    told = (
        f"Its labels are those of {quote(weights)} on {100 * agreed / count:.1f} % of {count:,} test images "
        f"({span.describe()}); that network agrees with itself on {100 * itself:.1f} % when its images are "
        f"prepared in another way. Right are {100 * right:.1f} % in the file and {100 * of_model:.1f} % by "
        "the network."
    )
    if foreign:
        told += (
            " These weights can't have produced it from images prepared in any way that was tried: images "
            "prepared in a way that no source names, another training, several models, or someone else did."
        )
    elif better:
        told += " The file is better than the network that came with it."
    return Agreement(agreed / count, span, count, itself, right, of_model, foreign or better, told)


def _by_chance(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """How likely at least so many of the images that one alone has right are ours, were the two alike."""
    from scipy.stats import binomtest  # noqa: PLC0415  (slow to import)

    gained, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    if not gained + lost:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue)


# --- the model's labels ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """One network with one preparation, and its labels of the trial's images."""

    network: Export
    preparation: Preparation
    output: int
    labels: Labels


class _Run:
    """The exported networks, run in the room on images in a drawn order."""

    def __init__(
        self, submission: HandedIn, held: HeldOut, exports: Exports, order: NDArray[np.int64], budget_s: float
    ) -> None:
        self._room, self._held, self._exports = submission.room, held, exports
        self._probes = held.images[order[:PROBES]]
        self._trial, self._rest = order[:TRIAL], order[TRIAL : TRIAL + SAMPLE]
        self._began, self._budget_s = time.monotonic(), budget_s
        self._classes = int(held.labels.max()) + 1
        self._sources = python_files(submission.tree)
        self.why = "it takes none of the images"  # if there is no trial

    def trials(self) -> Iterator[_Trial]:
        """Every network with every preparation that fits it, as long as there is time."""
        preparations = self._preparations()
        for network in self._exports.networks:
            if network.onnx is None:
                continue
            try:
                weigh(network)  # refuses what is no plain network
                with running(self._room, network.onnx) as live:
                    for preparation in preparations:
                        if self._spent > _TRIAL_SHARE * self._budget_s:
                            return
                        trial = self._tried(network, live, preparation)
                        if trial is not None:
                            yield trial
            except SubmissionProblem as problem:
                self.why = problem.message

    def measured(self, trials: Sequence[_Trial], predicted: Labels) -> tuple[NDArray[np.int64], list[Labels]]:
        """Images that no trial has seen, and the labels of the preparation that agrees best, then of others
        that serve as well."""
        truth = self._held.labels[self._trial]
        right = [float((one.labels == truth).mean()) for one in trials]
        agreed = [float((one.labels == predicted[self._trial]).mean()) for one in trials]
        chosen = [trials[int(np.lexsort((right, agreed))[-1])]]
        for at in np.argsort(right)[::-1]:
            same = any((trials[at].labels == one.labels).all() for one in chosen)
            if right[at] >= max(right) - _SERVES and not same and len(chosen) < _MOST_SERVING:
                chosen.append(trials[at])
        rows = self._rest if len(self._rest) else self._trial
        answers: list[Labels] = []
        for one in chosen:
            if answers and self._spent > self._budget_s:
                break
            assert one.network.onnx is not None
            with running(self._room, one.network.onnx) as live:
                answers.append(self._labels(one.network, live, one.preparation, one.output, rows))
        return rows, answers

    @property
    def _spent(self) -> float:
        return time.monotonic() - self._began

    def _preparations(self) -> list[Preparation]:
        """The box's own, the sources', and the usual ones, each once."""
        normalising = (*named_in(self._sources), *USUAL)
        prepared = [*self._exports.preparations, *(one.prepare(self._probes) for one in normalising)]
        found: dict[str, Preparation] = {}
        for one in prepared:
            fitted = fit_preparation(one, self._probes)
            if fitted is not None:
                found.setdefault(f"{fitted.described} {fitted.shape}", fitted)
        return list(found.values())

    def _tried(self, network: Export, live: Running, preparation: Preparation) -> _Trial | None:
        if prod(network.takes or preparation.shape) != prod(preparation.shape):
            return None
        for output in range(live.outputs):
            try:
                labels = self._labels(network, live, preparation, output, self._trial)
            except CheckFailed as problem:  # another output than that of the scores
                self.why = problem.message
                continue
            return _Trial(network, preparation, output, labels)
        return None

    def _labels(
        self, network: Export, live: Running, preparation: Preparation, output: int, rows: NDArray[np.int64]
    ) -> Labels:
        images = preparation.prepare(self._held.images[rows])
        shape = network.takes or preparation.shape
        scores = live.scores(images.reshape(len(images), *shape), output)
        if scores.shape[1] < self._classes:
            told = one_line(network.name)
            raise CheckFailed(
                f"{told} tells {scores.shape[1]} classes apart, where there are {self._classes}."
            )
        labels: Labels = np.where(np.isnan(scores).any(axis=1), -1, scores.argmax(axis=1)).astype(np.int64)
        return labels
