"""Accuracies that no count of images can give."""

from __future__ import annotations

from collections.abc import Iterator

from autograder.checks.logs.found import LoggedEpoch, Suspicion, TrainingLog

FEWEST = 5  # accuracies before a share of them says something
_ROUNDING = 1e-9
_SINGLE = 2.0**-23  # event files hold numbers in single precision


def is_multiple(value: float, digit: float, images: int) -> bool:
    """Whether some count of ``images``, rounded as it was printed, gives ``value``."""
    nearest = round(value * images) / images
    return abs(nearest - value) <= digit / 2 + _ROUNDING + _SINGLE * abs(value)


def tells(digit: float, images: int) -> bool:
    """Whether printed values are fine enough to miss a multiple: their steps are finer than 1/N."""
    return digit < 0.6 / images


def multiples(log: TrainingLog, images: int | None) -> Iterator[Suspicion]:
    """Values between the multiples of 1/N. Averages over batches or processes may lie there honestly."""
    own = log.images.exact if log.images else None
    number = own or images
    if number is None:
        return
    checked = [one for one in log.evaluated if _can_be_checked(one, number)]
    off = [one for one in checked if not is_multiple(one.top1 or 0.0, one.digit or 1.0, number)]
    if not off or len(checked) < FEWEST:
        return
    share = len(off) / len(checked)
    first = off[0]
    known = "the log's own" if own else "the data set's"
    yield Suspicion(
        f"{len(off)} of {len(checked)} accuracies are no multiple of 1/{number:,} ({known} "
        "number of images); "
        f"the first is {100 * (first.top1 or 0):.6g} % in epoch {first.number}. An average "
        "over batches of different "
        "sizes, or a padded set on several processes, can do that too.",
        first.line,
        "moderate" if share > 0.5 else "weak",
        "no multiple of 1/N",
    )


def _can_be_checked(one: LoggedEpoch, images: int) -> bool:
    return one.digit is not None and one.correct is None and not one.averaged and tells(one.digit, images)


def contradictions(log: TrainingLog) -> Iterator[Suspicion]:
    """What single lines say against themselves, and top-5 below top-1."""
    for oddity in log.oddities:
        yield Suspicion(
            f"The line contradicts itself: {oddity.text}.", oddity.line, "strong", "contradiction"
        )
    for one in log.epochs:
        if one.top1 is not None and one.top5 is not None and one.top5 < one.top1 - 1e-9:
            yield Suspicion(
                f"Epoch {one.number} has a top-5 accuracy ({100 * one.top5:.6g} %) below its top-1 "
                f"({100 * one.top1:.6g} %).",
                one.line,
                "strong",
                "top-5 below top-1",
            )
            return
    sizes = {one.total for one in log.epochs if one.total}
    if len(sizes) > 1:
        shown = ", ".join(f"{size:,}" for size in sorted(sizes)[:5])
        yield Suspicion(
            f"The evaluated set changes its size: {shown} images.",
            log.epochs[0].line,
            "moderate",
            "size changes",
        )
