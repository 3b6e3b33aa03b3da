"""Public scores, rounded to what the public part can support.

A score on n images is off by its standard error anyway. Digits below that say nothing about a model, but
they answer whoever asks one question a submission ("are more of these right with this label than with
that?") and climbs the public part without learning. So a shown score is a multiple of a step that depends on
n alone, and whatever is shown beside it (an interval, a sentence) follows from the shown score, never from
the exact one: two roundings of one number, at different places, tell more than either.
"""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

from autograder.checks.predictions.metrics import Metric, spoken
from autograder.checks.statistics import CONFIDENCE, Interval, interval
from autograder.text import one_line

SHARE_SPREAD = 0.5  # the largest standard deviation that right or wrong can have
LOSS_SPREAD = 1.0  # of one image's log loss: 0.8 to 1.3 in trained networks, fixed so as to tell nothing
_FEWEST = 20  # images of a class whose own share is shown: of one image it would be its answer


def step_of(n: int, spread: float = SHARE_SPREAD) -> float:
    """The largest of 1, 2 and 5 times a power of ten that isn't above the standard error of n images."""
    if n < 1:
        raise ValueError(f"a score needs images, and not {n!r}")
    return float(_step(n, spread))


def _step(n: int, spread: float) -> Fraction:
    limit = Fraction(repr(spread)) ** 2 / n  # in squares, which are exact
    power = Fraction(10) ** math.floor(math.log10(spread / math.sqrt(n)) + 1)
    while True:
        for times in (5, 2, 1):
            if (times * power) ** 2 <= limit:
                return times * power
        power /= 10


def rounded(value: float, n: int, *, spread: float = SHARE_SPREAD) -> float:
    """The nearest multiple of the step of n images; halfway goes up."""
    step = _step(n, spread)
    return float(math.floor(Fraction(repr(float(value))) / step + Fraction(1, 2)) * step)


def shown_score(metric: Metric, classes: int) -> float | None:
    """What of a metric on the public part may be shown; None where it has no value.

    Log loss is shown up to that of a uniform guess: beyond it one image's loss could be made to move the
    score by more than a step, and so be read off it.
    """
    if metric.value is None:
        return None
    if metric.name == "log_loss":
        worst = math.log(classes)
        return rounded(min(metric.value, worst), metric.n, spread=LOSS_SPREAD)
    return rounded(metric.value, metric.n)


def published(metric: Metric, classes: tuple[str, ...]) -> Metric:
    """The metric as students may see it; every figure of it follows from rounded ones."""
    if metric.value is None:
        return metric
    if metric.per_class:
        return _published_classes(metric, classes)
    shown = shown_score(metric, len(classes))
    assert shown is not None
    if metric.name == "log_loss":
        step = step_of(metric.n, LOSS_SPREAD)
        least = rounded(math.log(len(classes)), metric.n, spread=LOSS_SPREAD)
        more = " or more, as much as a uniform guess" if shown >= least else ""
        told = f"log loss {shown:g}{more}, to the nearest {step:g} (less is better)"
        return dataclasses.replace(metric, value=shown, low=None, high=None, told=told)
    span = _span(shown, metric.n)
    told = (
        f"{spoken(metric.name)} {_percent(shown, metric.n)} on the {metric.n:,} public images, rounded to "
        f"{_percent(step_of(metric.n), metric.n)}: so few images can't tell closer"
    )
    return dataclasses.replace(metric, value=shown, low=span.low, high=span.high, told=told)


def _published_classes(metric: Metric, classes: tuple[str, ...]) -> Metric:
    shares = tuple(
        rounded(share, n) if share is not None and n >= _FEWEST else None
        for share, n in zip(metric.per_class, metric.class_images, strict=True)
    )
    spans = tuple(
        None if share is None else _span(share, n)
        for share, n in zip(shares, metric.class_images, strict=True)
    )
    known = [(share, i) for i, share in enumerate(shares) if share is not None]
    if not known:
        told = f"accuracy by class can't be shown: no class has {_FEWEST} images in the public part"
        return Metric("per_class", None, None, None, metric.n, True, told, shares, spans, metric.class_images)
    lowest, worst = min(known)
    span = spans[worst]
    assert span is not None
    told = "accuracy by class, on the public images, rounded: " + ", ".join(
        f"{one_line(classes[i])} {_percent(share, metric.class_images[i])}" for share, i in known
    )
    return Metric(
        "per_class", lowest, span.low, span.high, metric.n, True, told, shares, spans, metric.class_images
    )


def _span(shown: float, n: int) -> Interval:
    """Where the share may lie, of which no more is known than that it was rounded to ``shown``."""
    half = step_of(n) / 2
    fewest, most = math.ceil(max(0.0, shown - half) * n), math.floor(min(1.0, shown + half) * n)
    return Interval(interval(fewest, n, CONFIDENCE).low, interval(most, n, CONFIDENCE).high)


def _percent(share: float, n: int) -> str:
    """With the decimals that the step of n images has."""
    step = _step(n, SHARE_SPREAD) * 100
    decimals = 0
    while (step * 10**decimals).denominator != 1:
        decimals += 1
    return f"{100 * share:.{decimals}f} %"
