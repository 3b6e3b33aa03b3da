"""What a training must hold to: its accuracy in each of the last epochs, its test set, its number of epochs.

The rules that need more than a few lines have files of their own, and are called from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from autograder.checks.initial_weights import Start, random_start
from autograder.checks.last_epochs import Consistency, EpochAccuracy, consistently, printed_shares
from autograder.checks.measured_epochs import (
    EpochsJudged,
    TrainedNetwork,
    epochs_of,
    judge_epochs,
    searches_rate,
)
from autograder.checks.notebooks.integrity import Finding
from autograder.checks.statistics import (
    CONFIDENCE,
    Judgement,
    Standing,
    Threshold,
    judge,
    percent,
    same_share,
)
from autograder.outcome import Evidence
from autograder.sandbox.training import Evaluation, Loader, Part, Training
from autograder.sandbox.training_weights import Begun, Load
from autograder.text import quote

__all__ = [
    "Consistency",
    "EpochAccuracy",
    "EpochsJudged",
    "Start",
    "TrainedNetwork",
    "begun_trained",
    "consistently",
    "epochs_of",
    "evaluated_on_training",
    "fed_by_test",
    "judge_epochs",
    "judge_official",
    "printed_shares",
    "random_start",
    "searches_rate",
    "seen_and_hidden",
    "settle",
]

# How rarely an honest network may look as if it knew the visible test images, by chance alone. Every upload
# is tested, and a course of 300 students has some thousand: at the first level staff look at one or a few a
# year for nothing, and the second is a verdict without them, so it may strike nobody in a thousand courses.
TOLD_STAFF, PROVEN = 1e-3, 1e-6


# --- trained on the test set -----------------------------------------------------------------------------


def seen_and_hidden(
    correct: np.ndarray,
    hidden: np.ndarray,
    *,
    error: float = TOLD_STAFF,
    evidence: Evidence = Evidence.VERIFIED,
) -> Finding | None:
    """What speaks for a training on the test set: it knows the images it could see better than the hidden.

    ``correct`` and ``hidden`` say for each test image whether the network has it right, and whether the
    sandbox never saw it. Which are hidden was drawn at random, so a network that has seen neither is as good
    on both, and Fisher's exact test says how rarely chance alone parts them so far. It can say so of
    a training that we ran: the student's own machine may have had all images. ``certain`` beyond `PROVEN`.
    """
    seen_right, seen, hidden_right, unseen = _two_parts(correct, hidden)
    if not unseen or not seen:
        return None
    chance = same_share(seen_right, seen, hidden_right, unseen).first_higher
    if chance >= error:
        return None
    return Finding(
        f"The network knows the test images that your notebook could see better than those that it could "
        f"not: {seen_right:,} of {seen:,} right ({percent(_share(seen_right, seen))}) against "
        f"{hidden_right:,} of {unseen:,} ({percent(_share(hidden_right, unseen))}). By chance that "
        f"happens once in {_times(chance)} networks. A network that is trained on the test set does this.",
        "our own count",
        chance < PROVEN,
        evidence,
        "Train on the training set alone: not on test images, and choose nothing by them in every batch.",
    )


def judge_official(
    correct: np.ndarray, hidden: np.ndarray, threshold: Threshold, confidence: float = CONFIDENCE
) -> Judgement:
    """The threshold on an official test set: by the count on all of it.

    Only where the visible and the hidden part disagree, the hidden part alone counts: an estimate then.
    """
    if seen_and_hidden(correct, hidden) is None:
        return judge(int(correct.sum()), len(correct), threshold, whole=True)
    _, _, right, unseen = _two_parts(correct, hidden)
    return judge(right, unseen, threshold, confidence=confidence)


def _two_parts(correct: np.ndarray, hidden: np.ndarray) -> tuple[int, int, int, int]:
    if correct.dtype != np.bool_ or hidden.dtype != np.bool_ or correct.shape != hidden.shape:
        raise ValueError(f"not two masks of one shape: {correct.shape} {correct.dtype}, {hidden.shape}")
    seen = ~hidden
    return int(correct[seen].sum()), int(seen.sum()), int(correct[hidden].sum()), int(hidden.sum())


def _share(right: int, total: int) -> Fraction:
    return Fraction(right, total)


def _times(chance: float) -> str:
    return f"{1 / chance:,.0f}" if chance > 1e-9 else "more than a billion"


# --- the loaders -----------------------------------------------------------------------------------------


def evaluated_on_training(training: Training) -> Finding | None:
    """Evaluations that saw training images alone: a test loader with ``train=True``, as a rule.

    Certain where whole passes went over all of a training set and none over anything else. A part that was
    split off the training set is a validation set, which may be meant; that is for staff.
    """
    evaluated = list(_evaluated(training))
    parts = [part for _, loader in evaluated for part in loader.parts]
    if not parts or any(part.which != "train" for part in parts):
        return None
    one, loader = evaluated[-1]
    split_off = all(_is_part(part) for part in parts)
    what = "a part of the training set" if split_off else "the training set"
    return Finding(
        f"While it ran, every evaluation went over {what}: {loader.text}. No test image was evaluated.",
        f"cell {one.cell}",
        not split_off,
        Evidence.MEASURED,
        "Build the test set with train=False, and give your test function a loader of that.",
    )


def fed_by_test(training: Training) -> Finding | None:
    """A training that stepped on test images, proven by the losses' own graphs."""
    for run in training.runs:
        for loader in training.fed_by(run, "test") if run.trains else ():
            return Finding(
                f"While it ran, the network was trained on {loader.text}.",
                f"cell {run.cell}",
                True,
                Evidence.MEASURED,
                "Train on the training set alone, and keep the test set for the test.",
            )
    return None


def _evaluated(training: Training) -> Iterator[tuple[Evaluation, Loader]]:
    for one in sorted(training.evaluations, key=lambda each: each.last_order):
        loader = training.loader(one.loader)
        if one.complete and one.model and loader is not None:
            yield one, loader


def _is_part(part: Part) -> bool:
    return part.items is not None and part.of is not None and part.items < part.of


# --- how the networks began ------------------------------------------------------------------------------


def begun_trained(training: Training) -> Finding | None:
    """What speaks against a beginning with random weights, of the networks that were trained.

    Certain only before any training step: after one, the weights may come from a training that we saw. A
    network of a kind that was trained before is taken for a copy of that one (see `epochs_of`).
    """
    models = {run.model for run in training.runs if run.trains}
    found: list[Finding] = []
    seen: set[str] = set()
    for begun in training.beginnings:
        start = random_start(begun.tensors) if begun.model in models - seen else None
        seen.add(begun.model)
        if start is not None:
            text = start.text + _loaded(training.loads, begun)
            certain = start.certain and begun.steps == 0
            where, hint = f"cell {begun.cell}", "Begin with random weights, for example with weights=None."
            found.append(Finding(text, where, certain, Evidence.MEASURED, hint))
    return max(found, key=lambda one: one.certain, default=None)


def _loaded(loads: Sequence[Load], begun: Begun) -> str:
    """What was loaded before the network began."""
    before = [one for one in loads if (one.steps, one.cell) <= (begun.steps, begun.cell)]
    named = [f"{quote(one.what) if one.what else one.kind} in cell {one.cell}" for one in before[-3:]]
    return f" Loaded before that: {', '.join(named)}." if named else ""


# --- what to do where it is too close to call ------------------------------------------------------------

TooClose = Literal["student", "staff", "more_seeds"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from a judgement: the points, another training, or a human's eye; ``told`` says why."""

    action: Literal["met", "not met", "train again", "staff"]
    told: str


def settle(  # noqa: PLR0913  (what was found, the rule, and the budget's four numbers)
    standing: Standing, rule: TooClose, *, runs: int, most_runs: int, run_s: float, left_s: float
) -> Settled:
    """What the manifest's ``too_close`` means now: ``runs`` trainings were made, each of ``run_s`` seconds.

    "student": the doubt is the student's. "staff": a human decides, and nothing is taken before that.
    "more_seeds": train again with another seed, up to ``most_runs`` and while a training fits the ``left_s``
    seconds that are left; after that the doubt is the student's.
    """
    if standing is not Standing.TOO_CLOSE:
        return Settled("met" if standing is Standing.MET else "not met", f"It is {standing.value}.")
    if rule == "staff":
        return Settled("staff", "It is too close to call, so a human decides.")
    if rule == "student":
        return Settled("met", "It is too close to call, and the doubt is yours.")
    if runs >= most_runs:
        why = f"{runs} trainings were made, which is the most"
    elif run_s * _MARGIN > left_s:
        why = f"another training of {run_s:.0f} s does not fit the {max(0.0, left_s):.0f} s that are left"
    else:
        return Settled("train again", f"It is too close to call after {runs}, so it is trained once more.")
    return Settled("met", f"It is too close to call, and {why}: the doubt is yours.")


_MARGIN = 1.2  # a training takes a little longer than the last one now and then
