"""What a notebook reports of its accuracy, against what we count on images that it hasn't seen.

Our count says how good the network is, the report whether its author knows how to measure that. Where no
count is possible, what the notebook printed is what there is. A count near guessing, of a network whose loss
was seen to fall and which printed far more, says that we don't know how to feed it: it is no count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autograder.checks.notebooks.accuracy import Counted, NotCounted, printed
from autograder.checks.notebooks.found import Reading, Series
from autograder.checks.notebooks.integrity import of_source
from autograder.checks.notebooks.source_facts import LeakKind, SourceFacts
from autograder.checks.scale import Scale
from autograder.data import HeldOut
from autograder.handed_notebook import NotebookWork
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem
from autograder.sandbox.predicted import Way
from autograder.sandbox.training import Training, falls
from autograder.text import one_line

_NEAREST = 4  # ways to score images that are tried on more than a few
_NEAR_GUESSING = 0.5  # a network that is fed what it was trained on, and whose loss falls, is better
_HELD_OUT = ("test", "valid", "unknown")


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Ours, the notebook's own, and why they may be worth nothing.

    ``trained_on`` says where test images, or weights from elsewhere, go into the training, ``measured_on``
    where training images are called test images; nothing where they don't. ``evidence`` is that of what was
    printed.
    """

    ours: Counted | NotCounted | None
    top1: Reading | None
    top5: Reading | None
    trained_on: str
    measured_on: str
    hard_coded: str
    evidence: Evidence
    as_reported: Counted | None = None  # of the network that the report is about, where it isn't the best one

    def agrees(self, top: int, tolerance: float) -> bool:
        """Whether the reported accuracy is near our count, if there are both."""
        told, counted = (self.top1 if top == 1 else self.top5), self.as_reported or self.counted
        if told is None or counted is None:
            return True
        count = counted.top1 if top == 1 else counted.top5
        return abs(told.value - count) <= replace(counted, top1=count).tolerance(_ERRORS, tolerance)

    @property
    def counted(self) -> Counted | None:
        return self.ours if isinstance(self.ours, Counted) else None


def read_accuracies(
    ours: Counted | NotCounted | None,
    series: Sequence[Series],
    source: SourceFacts,
    training: Training | None,
    evidence: Evidence,
) -> Accuracies:
    """Put together what was counted, what was printed, and where the images came from."""
    top1 = printed(series)
    learned = training is not None and any(run.trains and falls(run) for run in training.runs)
    if (
        isinstance(ours, Counted)
        and learned
        and top1 is not None
        and ours.top1 < _NEAR_GUESSING <= top1.value
    ):
        ours = NotCounted(
            f"the images, as they were prepared here, don't suit the network ({ours.describe()})"
        )
    return Accuracies(
        ours,
        top1,
        _last_top5(series),
        _trained_on(source, training),
        _test_is_train(source),
        next(
            (f"{one_line(one.name)} in {one.place.describe()}" for one in source.hard_coded if one.certain),
            "",
        ),
        evidence,
    )


def count_as_reported(
    work: NotebookWork, held: HeldOut, seed: int, tolerances: Mapping[str, float], told: float
) -> Counted | None:
    """The count of that network, of several which the notebook left, that comes nearest to what is reported.

    The best of them is another's: of a trial further down, perhaps.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(held.labels))[: int(tolerances["held_out_images"])]
    images, labels = held.images[chosen], held.labels[chosen]
    probe = int(tolerances["probe_images"])
    try:
        with work.scene() as scene:
            ways = [way for way in scene.predict(images[:probe]) if way.scores is not None]
            ways.sort(key=lambda way: abs(float(way.hits(labels[:probe]).mean()) - told))
            nearest = [way.number for way in ways[:_NEAREST]]
            scored = scene.predict(images, nearest, tolerances["held_out_wall_s"] / 2) if nearest else ()
    except SubmissionProblem:
        return None
    counts = [_counted(way, labels, len(held.labels)) for way in scored if way.scores is not None]
    return min(counts, key=lambda one: abs(one.top1 - told), default=None)


def _counted(way: Way, labels: np.ndarray, of: int) -> Counted:
    hits, hits5 = way.hits(labels), way.hits(labels, 5)
    return Counted(float(hits.mean()), float(hits5.mean()), len(hits), of, way.network, way.preparation)


def _last_top5(series: Sequence[Series]) -> Reading | None:
    """The last top-5 accuracy of the first of the splits that one was printed of."""
    for split in _HELD_OUT:
        found = [
            Reading(point.value, one.split, point, one)
            for one in series
            if one.quantity == "top5" and one.split == split
            for point in one.points
        ]
        if found:
            return max(found, key=lambda reading: reading.point.place)
    return None


def _trained_on(source: SourceFacts, training: Training | None) -> str:
    """Where test images, or weights from elsewhere, go in: seen by the meter, or certain from the source."""
    for run in training.runs if training is not None else ():
        fed = training.fed_by(run, "test") if training is not None and run.trains else ()
        if fed:
            return f"Cell {run.cell} trains on {fed[0].text}."
    sure = next((one for one in of_source(source, "MNIST") if one.certain), None)
    return f"{sure.text} ({sure.where})" if sure is not None else ""


def _test_is_train(source: SourceFacts) -> str:
    leaks = source.certain_leaks(LeakKind.TEST_IS_TRAIN)
    return f"{leaks[0].why} ({leaks[0].place.describe()})" if leaks else ""


# --- what is required -----------------------------------------------------------------------------------


def top1_share(found: Accuracies, scale: Scale) -> tuple[float, Evidence, str]:
    """The share of the points for the accuracy itself, on what it rests, and what to say."""
    _refuse_trained_on(found)
    if found.counted is not None:
        value, evidence = found.counted.top1, Evidence.MEASURED
        said = f"Top-1 accuracy: {found.counted.describe()}."
    elif found.top1 is not None and not found.hard_coded:
        value, evidence = found.top1.value, found.evidence
        said = f"Top-1 accuracy, as your notebook prints it: {_quoted(found.top1)}."
    else:
        raise CheckFailed(_nothing_known(found), hint=_PRINT_IT)
    reached = scale.next_step(value)
    if reached is not None:
        said += f" {100 * reached[0]:g} % would earn more; train for longer, or look at the learning rate."
    return scale.share(value), evidence, said


def require_report(found: Accuracies, top: int, tolerance: float) -> str:
    """What to note; raises CheckFailed unless the notebook reports its top-``top`` accuracy, and rightly."""
    _refuse_trained_on(found)
    told = found.top1 if top == 1 else found.top5
    if told is None:
        raise CheckFailed(
            f"No top-{top} accuracy on held-out images was found in your outputs.", hint=_HOW[top]
        )
    if found.hard_coded and found.counted is None:
        raise CheckFailed(
            f"The accuracy that your notebook prints stands in its source: {found.hard_coded}.",
            hint="Compute it from the network's scores for the test images.",
        )
    if found.measured_on:
        raise CheckFailed(
            f"The accuracy that your notebook reports isn't one on held-out images: {found.measured_on}",
            hint="Take the test set for it: train=False.",
        )
    ours = found.as_reported or found.counted
    if ours is None:
        if top == 5 and found.top1 is not None and found.top1.split == told.split:
            _require_order(found.top1, told)
        return f"Reported: {_quoted(told)}. It could not be held against a count of ours."
    count = ours.top1 if top == 1 else ours.top5
    if not found.agrees(top, tolerance):
        raise CheckFailed(
            f"Your notebook reports {_quoted(told)}; on images that it hasn't seen, its network has a "
            f"top-{top} accuracy of {100 * count:.1f} %.",
            hint="Measure it on all test images with the trained network, and divide by how many there are.",
        )
    return f"Reported: {_quoted(told)}. Counted here: {100 * count:.1f} %."


_ERRORS = 4.0  # standard errors of our count; what a training repeated here differs by comes on top
_PRINT_IT = "Print the accuracy on the test images, as in: print(f'test accuracy: {accuracy:.4f}')."
_HOW = {
    1: _PRINT_IT,
    5: "Count an image as right if its label is among scores.topk(5).indices, and print it: "
    "print(f'test top-5 accuracy: {top5:.4f}').",
}


def _refuse_trained_on(found: Accuracies) -> None:
    if found.trained_on:
        raise CheckFailed(
            f"The accuracy isn't that of a network trained on the training images alone. {found.trained_on}",
            hint="Begin with random weights, train on the training set alone (train=True), and keep the test "
            "set for the accuracy.",
        )


def _require_order(top1: Reading, top5: Reading) -> None:
    if top5.value < top1.value - 1e-9:
        raise CheckFailed(
            f"The top-5 accuracy can't be lower than the top-1 accuracy: {_quoted(top5)}, {_quoted(top1)}.",
            hint=_HOW[5],
        )


def _nothing_known(found: Accuracies) -> str:
    why = found.ours.why if isinstance(found.ours, NotCounted) else "the notebook was not run here"
    return f"How well your network does on held-out images could not be told: none is reported, and {why}."


def _quoted(reading: Reading) -> str:
    return (
        f"{100 * reading.value:.2f} % in cell {reading.point.cell} (“{one_line(reading.point.line.strip())}”)"
    )
