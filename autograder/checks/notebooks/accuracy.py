"""A notebook's test accuracy: counted by us where its network is found, else as the notebook printed it.

Our own count is over images that the box got without their labels, in an order of ours. They are not quite
the files' own: each pixel that is neither nearly black nor nearly white is changed by at most one grey level,
which no network notices, and every table of known images does.

The scores are computed beside student code, so the accuracy is *measured*. It is an estimate from some of the
images, with a standard error, and what the notebook printed is held to it within a few of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.assignment import Assignment
from autograder.checks.notebooks.found import Reading, Series
from autograder.checks.notebooks.found import Split as Told
from autograder.checks.notebooks.series import final_accuracy
from autograder.checks.notebooks.source_facts import LeakKind, SourceFacts
from autograder.data import HeldOut, load_held_out, prepared
from autograder.handed_notebook import NotebookWork
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem
from autograder.sandbox.predicted import Way

_KEPT = 3  # ways that go from the first try into the count
_NEAR_BEST = 2.0  # standard errors below the best that still go on
_QUIET = 2, 253  # pixels between these are changed: what is cut off at black or white stays as it is


@dataclass(frozen=True, slots=True)
class Counted:
    """Our count: ``images`` of ``of`` test images were scored by ``network``."""

    top1: float
    top5: float
    images: int
    of: int
    network: str
    preparation: str

    @property
    def error(self) -> float:
        """The standard error of ``top1``, as of a sample of the images drawn without repetition."""
        share = min(max(self.top1, 1 / self.images), 1 - 1 / self.images)
        left = 1 - self.images / self.of if self.of else 0.0
        return math.sqrt(share * (1 - share) / self.images * max(left, 0.0))

    def tolerance(self, errors: float, floor: float) -> float:
        """How far what was printed may lie from it: ``errors`` standard errors, and ``floor``."""
        return errors * self.error + floor

    def describe(self) -> str:
        return (
            f"{100 * self.top1:.1f} % (± {100 * self.error:.1f} points), counted on {self.images:,} of "
            f"{self.of:,} test images with `{self.network}`, images prepared by {self.preparation}"
        )


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Why there is no count of ours, and what was tried."""

    why: str
    tried: tuple[str, ...] = ()


def held_out(assignment: Assignment, name: str) -> HeldOut:
    """The test images and labels of the course's data set ``name``, on the trusted side."""
    return load_held_out(name, prepared(assignment))


def count(
    work: NotebookWork, held: HeldOut, seed: int, tolerances: Mapping[str, float]
) -> Counted | NotCounted:
    """Have what the notebook's run left behind score held-out images, and count the right ones."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(held.labels))
    probe, rest = np.split(order, [int(tolerances["probe_images"])])
    chosen = rest[: int(tolerances["held_out_images"])]
    budget = tolerances["held_out_wall_s"]
    try:
        with work.scene() as scene:
            ways = scene.predict(_disguised(held.images[probe], generator), budget_s=budget / 2)
            likely = _likeliest(ways, held.labels[probe])
            if not likely:
                return NotCounted(_why_none(ways), tuple(map(_tried, ways)))
            images = _disguised(held.images[chosen], generator)
            counted: list[Way] = []
            for way in likely:
                counted += scene.predict(images, [way.number], budget / (2 * len(likely)))
    except SubmissionProblem as problem:
        return NotCounted(problem.message)
    scored = [way for way in counted if way.scores is not None]
    if not scored:
        return NotCounted(_why_none(counted), tuple(map(_tried, counted)))
    labels = held.labels[chosen]
    best = _best(scored, labels)
    assert best.scores is not None
    return Counted(
        top1=float(best.hits(labels).mean()),
        top5=float(best.hits(labels, 5).mean()),
        images=len(best.scores),
        of=len(held.labels),
        network=best.network,
        preparation=best.preparation,
    )


def _disguised(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    low, high = _QUIET
    change = generator.integers(-1, 2, images.shape, dtype=np.int16)
    changed = (images.astype(np.int16) + change).astype(np.uint8)
    return np.where((images >= low) & (images <= high), changed, images)


def _likeliest(ways: Sequence[Way], labels: np.ndarray) -> list[Way]:
    """The ways that do best on a few images, without those that are only another name for the same."""
    scored = [way for way in ways if way.scores is not None]
    rates = {way.number: float(way.hits(labels).mean()) for way in scored}
    best = max(rates.values(), default=0.0)
    margin = _NEAR_BEST * math.sqrt(max(best * (1 - best), 0.01) / max(len(labels), 1))
    chosen: list[Way] = []
    for way in sorted(scored, key=lambda way: (-rates[way.number], way.number)):
        assert way.scores is not None
        answers = way.scores.argmax(axis=1)
        known = any(_same(answers, one) for one in chosen)
        if rates[way.number] >= best - margin and not known and len(chosen) < _KEPT:
            chosen.append(way)
    return chosen


def _best(scored: Sequence[Way], labels: np.ndarray) -> Way:
    """The best, or the first that can't be told from it: the highest of several is high by luck too."""
    rates = [float(way.hits(labels).mean()) for way in scored]
    top = max(rates)
    error = math.sqrt(max(top * (1 - top), 0.01) / len(labels))
    likely = (way for way, rate in zip(scored, rates, strict=True) if rate >= top - error)
    return min(likely, key=lambda way: way.number)


def _same(answers: np.ndarray, way: Way) -> bool:
    assert way.scores is not None
    return len(answers) == len(way.scores) and bool((answers == way.scores.argmax(axis=1)).all())


def _why_none(ways: Sequence[Way]) -> str:
    if not ways:
        return "no network was found among what the notebook's cells defined"
    return f"no network took the images: {ways[0].network}: {ways[0].problem}"


def _tried(way: Way) -> str:
    return f"{way.network}, {way.preparation}: {way.problem or 'scores'}"


# --- what was printed --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TestAccuracy:
    """The accuracy that counts, how it was come by, and a sentence that says so."""

    value: float
    evidence: Evidence
    told: str


def printed(series: Sequence[Series]) -> Reading | None:
    """The notebook's own test accuracy: the last that it printed of the test set, else of held-out images.

    A value that no word and no line of source says the split of is not taken for one of the test set, unless
    nothing else was printed.
    """
    splits: tuple[Told, ...] = ("test", "valid", "unknown")
    return next((found for split in splits if (found := final_accuracy(series, split)) is not None), None)


def quoted(reading: Reading) -> str:
    """Such as "78.12 % in cell 13 (“Test accuracy: 78.12%”)"."""
    return f"{100 * reading.value:.2f} % in cell {reading.point.cell} (“{reading.point.line.strip()}”)"


def decide(
    ours: Counted | NotCounted | None, told: Reading | None, evidence: Evidence
) -> TestAccuracy | None:
    """The accuracy that counts: our own count; where there is none, what was printed, if anything was."""
    if isinstance(ours, Counted):
        return TestAccuracy(ours.top1, Evidence.MEASURED, f"Test accuracy: {ours.describe()}.")
    if told is None:
        return None
    why = f" Our own count was not possible: {ours.why}." if ours is not None else ""
    return TestAccuracy(
        told.value, evidence, f"Test accuracy, as the notebook prints it: {quoted(told)}.{why}"
    )


# --- what is required --------------------------------------------------------------------------------


def require_function(source: SourceFacts) -> str:
    """What to note; raises CheckFailed where no function of the notebook computes an accuracy."""
    found = source.accuracy_functions
    if not found:
        raise CheckFailed(
            "No function of your notebook was seen to compute an accuracy.",
            hint="Put it into a function: it goes through the test set, compares the class of the highest "
            "score with the label, and returns the share that is right.",
        )
    return f"Found: {found[0].name}() in cell {found[0].place.cell}, line {found[0].place.line}."


def require_claim(told: Reading | None, source: SourceFacts) -> None:
    """Raise CheckFailed where what the notebook prints can't be the accuracy on the test set."""
    for leak in source.certain_leaks(LeakKind.TEST_IS_TRAIN):
        raise CheckFailed(
            f"What your notebook calls the test set holds training images ({leak.place.describe()}), so what "
            "it prints is no test accuracy.",
            hint="Build the test set with train=False, give your function that, and run the notebook again.",
        )
    if told is None:
        return
    for named in source.hard_coded:
        if named.certain and named.place.cell == told.point.cell:
            raise CheckFailed(
                f"The accuracy that your notebook prints stands in its source as text "
                f"({named.place.describe()}), so it was not computed.",
                hint="Print what your function returns.",
            )


@dataclass(frozen=True, slots=True)
class Agreement:
    """What to note of a printed accuracy that was not found wrong; ``doubt`` is for the staff."""

    text: str
    doubt: str = ""


def require_agreement(
    ours: Counted | NotCounted | None,
    told: Reading | None,
    source: SourceFacts,
    tolerances: Mapping[str, float],
) -> Agreement:
    """Raises CheckFailed where the notebook prints no test accuracy, or another than ours."""
    if told is None:
        raise CheckFailed(
            "Your notebook prints no test accuracy.",
            hint="Print what your function returns for the test set, for example as “Test accuracy: 78.12%”.",
        )
    require_claim(told, source)
    if not isinstance(ours, Counted):
        why = f": {ours.why}" if ours is not None else ""
        text = f"Your notebook prints {quoted(told)}. It could not be compared with a count of ours{why}."
        return Agreement(text, text if ours is not None else "")
    off, allowed = (
        abs(told.value - ours.top1),
        ours.tolerance(tolerances["agreement_errors"], tolerances["agreement_floor"]),
    )
    told_both = f"Your notebook prints {quoted(told)}; our count is {ours.describe()}"
    if off <= allowed:
        return Agreement(f"{told_both}. They agree within {100 * allowed:.1f} points.")
    raise CheckFailed(
        f"{told_both}. They differ by {100 * off:.1f} points, where {100 * allowed:.1f} can be chance.",
        hint="Compute it over the whole test set, with model.eval(), without augmentation, and with the "
        "network that your notebook ends with.",
    )
