"""A run whose parts stand in several files: one ends at epoch 38, the other begins at 39."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from autograder.checks.logs.found import TrainingLog


def join_files(logs: Iterable[TrainingLog]) -> tuple[TrainingLog, ...]:
    """The logs, with each that begins in the middle joined to the one that leads up to it.

    Only where exactly one log of the same format does, so that no two runs are taken for one.
    """
    kept = list(logs)
    joined = True
    while joined:
        joined = False
        for later in kept:
            before = [one for one in kept if one is not later and _leads_to(one, later)]
            if later.epochs and later.epochs[0].number > 1 and len(before) == 1:
                kept[kept.index(before[0])] = _joined(before[0], later)
                kept.remove(later)
                joined = True
                break
    return tuple(kept)


def _leads_to(one: TrainingLog, later: TrainingLog) -> bool:
    if not one.epochs or not later.epochs or one.format != later.format or one.path == later.path:
        return False
    first = later.epochs[0].number
    return (
        one.epochs[0].number < first <= one.epochs[-1].number + 1
        and later.epochs[-1].number > one.epochs[-1].number
        and one.split == later.split
    )


def _joined(one: TrainingLog, later: TrainingLog) -> TrainingLog:
    first = later.epochs[0].number
    kept = {epoch.number: epoch for epoch in (*one.epochs, *later.epochs)}
    walls = [log.wall_s for log in (one, later)]
    note = f"Epochs from {first} on stand in {later.path}."
    return replace(
        one,
        epochs=tuple(kept[number] for number in sorted(kept)),
        resumed_from=(*one.resumed_from, first, *later.resumed_from),
        wall_s=sum(wall for wall in walls if wall is not None) if None not in walls else None,
        final_test=later.final_test if later.final_test is not None else one.final_test,
        images=one.images or later.images,
        train_images=one.train_images or later.train_images,
        classes=one.classes or later.classes,
        hints=(*one.hints, *later.hints),
        oddities=(*one.oddities, *later.oddities),
        notes=(*one.notes, note, *later.notes),
        planned=later.planned or one.planned,
    )
