"""What a run shows, gathered so that claims in prose can be held against it (see claims.py)."""

from __future__ import annotations

from collections.abc import Iterable

from autograder.checks.notebooks.claims import Known, RunFacts
from autograder.checks.notebooks.found import Series
from autograder.checks.notebooks.source_facts import Setting, SourceFacts
from autograder.sandbox.training import Training

_SPLITS = {"train": "train", "test": "test", "valid": "test"}


def gather(
    series: Iterable[Series], source: SourceFacts, training: Training | None = None, ours: float | None = None
) -> RunFacts:
    """All numbers that outputs, source and meter know; ``ours`` is an accuracy that we computed."""
    series = list(series)
    runs = training.runs if training is not None else ()
    rates = [
        Known(rate, f"measured in cell {run.cell}")
        for run in runs
        for rate in dict.fromkeys((run.lr_first, run.lr_least, run.lr_most, run.lr_last))
        if rate is not None
    ]
    batches = [Known(float(run.batch), f"measured in cell {run.cell}") for run in runs if run.batch]
    epochs = [Known(float(run.epochs), f"measured in cell {run.cell}") for run in runs if run.epochs]
    computed = [] if ours is None else [Known(100 * ours, "computed here on held-out images", "test")]
    return RunFacts(
        accuracies=(
            *_printed(series, "accuracy"),
            *_printed(series, "error"),
            *computed,
        ),
        top5=tuple(_printed(series, "top5")),
        losses=tuple(_printed(series, "loss")),
        epochs=(*epochs, *_set(source.epochs)),
        learning_rates=(*rates, *_set(source.learning_rates)),
        batch_sizes=(*batches, *_set(source.batch_sizes)),
    )


def _printed(series: Iterable[Series], quantity: str) -> Iterable[Known]:
    """What was printed; an error rate counts as it is and as the accuracy that it leaves."""
    scale = 1 if quantity == "loss" else 100
    for one in series:
        if one.quantity != quantity:
            continue
        split = _SPLITS.get(one.split, "")
        for point in one.points:
            yield Known(scale * point.value, f"cell {point.cell}", split, point.epoch)
            if quantity == "error":
                yield Known(scale * (1 - point.value), f"cell {point.cell}", split, point.epoch)


def _set(settings: Iterable[Setting]) -> Iterable[Known]:
    return (Known(one.value, one.place.describe()) for one in settings if one.value is not None)
