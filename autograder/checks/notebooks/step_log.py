"""The log of one step's training, epoch by epoch, out of what its notebook printed.

Of several trainings in a notebook the last one counts, which is the one that its author ended with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.last_epochs import EpochAccuracy, printed_shares
from autograder.checks.notebooks.found import Point, Series

_FEWEST = 3  # tests, of which one may be no epoch's
_UNTRAINED = 0.25  # what a network without any training stays below; by chance it has a tenth
TRAINING_IMAGES, TEST_IMAGES = 60_000, 10_000  # of MNIST


@dataclass(frozen=True, slots=True)
class StepLog:
    """What was printed. ``tested`` has one entry for each epoch; ``of`` is how many images were tested.

    Accuracies are shares; ``best_train`` is the highest of an epoch's end, as far as it was printed.
    """

    tested: tuple[EpochAccuracy, ...] = ()
    best_test: float | None = None
    last_test: float | None = None
    best_train: float | None = None
    of: int | None = None
    cell: int = 0

    @property
    def epochs(self) -> int:
        return len(self.tested)

    @property
    def of_training_images(self) -> bool:
        """Whether what is called a test went over as many images as the training set has."""
        return self.of == TRAINING_IMAGES


def read_step_log(
    series: Sequence[Series], lists: Sequence[Series] = (), asked: int | None = None
) -> StepLog:
    """The log of the last training.

    ``lists`` count where no line was printed for each epoch. ``asked``: epochs, by the source; a single
    accuracy is that of the last.
    """
    tests, trains = ("test", "valid"), ("train",)
    tested = _longest(
        _main(series, tests),
        _main(lists, tests),
        _main(series, tests, running=True),
        _main(series, ("unknown",)),
    )
    trained = _longest(_main(series, trains, running=True), _main(lists, trains))
    best_train = max(map(_share, _points(trained)), default=None) if trained is not None else None
    if tested is None or not tested.points:
        return StepLog(best_train=best_train)
    points = _of_epochs(_points(tested), tested, asked)
    shares = [_share(point, error=tested.quantity == "error") for point in points]
    of = next((point.of for point in reversed(points) if point.of), None)
    first = asked if len(points) == 1 and asked else 1
    if all(point.right is not None and point.of for point in points):
        accuracies = tuple(
            EpochAccuracy.counted(at, _right(point, tested), point.of or 1, whole=point.of == TEST_IMAGES)
            for at, point in enumerate(points, first)
        )
    else:
        accuracies = printed_shares(list(enumerate(shares, first)), total=of or TEST_IMAGES)
    return StepLog(accuracies, max(shares), shares[-1], best_train, of, tested.cell)


def _of_epochs(points: list[Point], series: Series, asked: int | None) -> list[Point]:
    """Without one test more than epochs were asked for: of the best weights again, or before them all."""
    if asked is None or len(points) != asked + 1 or len(points) < _FEWEST:
        return points
    if points[-1].value in {point.value for point in points[:-1]}:
        return points[:-1]
    return points[1:] if _share(points[0], error=series.quantity == "error") < _UNTRAINED else points


def _longest(*found: Series | None) -> Series | None:
    """The first of several values, else the first."""
    there = [one for one in found if one is not None]
    return next((one for one in there if len(one.points) > 1), there[0] if there else None)


def _main(series: Sequence[Series], splits: Sequence[str], *, running: bool = False) -> Series | None:
    """The series with most values in the last cell that has one of more than one value."""
    fitting = [
        one
        for one in series
        if one.split in splits
        and one.quantity in ("accuracy", "error")
        and not one.best
        and (running or (not one.running and one.pace != "step"))
    ]
    if not fitting:
        return None
    several = [one for one in fitting if len(one.points) > 1] or fitting
    cell = max(one.cell for one in several)
    return max(
        (one for one in several if one.cell == cell),
        key=lambda one: (len(one.points), one.last.right is not None, one.quantity == "accuracy"),
    )


def _points(series: Series | None) -> list[Point]:
    return sorted(series.points, key=lambda point: point.place) if series is not None else []


def _share(point: Point, *, error: bool = False) -> float:
    return 1 - point.value if error else point.value


def _right(point: Point, series: Series) -> int:
    right, of = point.right or 0, point.of or 1
    return min(max(of - right if series.quantity == "error" else right, 0), of)
