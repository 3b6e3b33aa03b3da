"""A run's slots as the epochs that others read, and what a run says about its sets of images."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autograder.checks.logs.entries import Entry
from autograder.checks.logs.found import Beginning, Hint, Images, LoggedEpoch, Oddity, TrainingLog
from autograder.checks.logs.joining import Held, Role, Run, Slot, role_of
from autograder.checks.logs.scale import Scales, Share
from autograder.checks.logs.turned import as_accuracies
from autograder.checks.notebooks.found import Split

MOST_CLASSES = 100_000
_COMPLETE = 2  # an average beside the last batch counts, one on the way doesn't


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a run beside its epochs."""

    path: str
    format: str
    hints: Sequence[Hint] = ()
    oddities: Sequence[Oddity] = ()
    batches: Mapping[Split, int] = field(default_factory=dict)
    samples: Mapping[Split, int] = field(default_factory=dict)
    wall_s: float | None = None
    first: Entry | None = None
    notes: Sequence[str] = ()


def log_of(run: Run, number: int, scales: Scales, around: Surroundings) -> TrainingLog | None:
    """The run as a training log; None where nothing speaks of a training (an evaluation alone)."""
    slots = [run.slots[key] for key in sorted(run.slots)]
    if not _is_training(run, slots):
        return None
    split, notes = _evaluated_on(slots)
    builder = _Builder(scales, split, _train_is_unsaid(slots, split))
    epochs = tuple(builder.epoch(slot) for slot in slots)
    epochs, turned = as_accuracies(_with_seconds(epochs))
    notes += turned
    if split == "unknown" and any(one.top1 is not None for one in epochs):
        notes.append("The log doesn't say which images its accuracy was counted on.")
    if any(one.averaged for one in epochs):
        notes.append(
            "Accuracies are the averages beside the last batch that was printed; no summary is there."
        )
    return TrainingLog(
        path=around.path,
        format=around.format,
        epochs=epochs,
        run=number,
        split=split,
        images=_images(slots, split, around),
        train_images=_train_images(around),
        classes=_classes(around.hints),
        final_test=_final_test(slots, scales),
        wall_s=around.wall_s if around.wall_s is not None else _wall(run, epochs),
        resumed_from=tuple(sorted(set(run.resumed))),
        planned=run.planned,
        batches=_batches(around, split),
        beginning=_beginning(run, around.first, scales, epochs) if number == 1 else None,
        hints=tuple(around.hints),
        oddities=tuple(around.oddities),
        notes=(*around.notes, *notes, *scales.notes),
    )


def _is_training(run: Run, slots: list[Slot]) -> bool:
    """Several epochs, or one that was numbered and trained."""
    with_values = [slot for slot in slots if slot.values]
    if len(with_values) >= 2:
        trained = any(split == "train" for slot in with_values for split, _ in slot.values)
        return run.numbered or trained or any(len(slot.values) > 1 for slot in with_values)
    return run.numbered and bool(with_values) and any(split != "test" for split, _ in with_values[0].values)


def _evaluated_on(slots: list[Slot]) -> tuple[Split, list[str]]:
    """The part of the data that ``top1`` is about: the one that was evaluated in most epochs."""
    count: Counter[Split] = Counter()
    for slot in slots:
        count.update({split for split, quantity in slot.values if quantity == "accuracy"})
    if not count["valid"] and not count["test"]:
        for slot in slots:
            count.update({split for split, quantity in slot.values if quantity == "top5"})
    if count["valid"] and count["valid"] >= count["test"]:
        return "valid", []
    return ("test" if count["test"] else "unknown"), []


def _train_is_unsaid(slots: list[Slot], split: Split) -> bool:
    """An accuracy of nothing in particular beside one that was evaluated is the training's."""
    said = {role for slot in slots for role in slot.values}
    return split != "unknown" and ("train", "accuracy") not in said


@dataclass(frozen=True, slots=True)
class _Builder:
    scales: Scales
    split: Split
    unsaid_is_train: bool

    def epoch(self, slot: Slot) -> LoggedEpoch:
        top1 = self._share(slot, (self.split, "accuracy"))
        held = slot.values.get((self.split, "accuracy"))
        counted = held.measure if held is not None and held.measure.unit == "counts" else None
        train = self._share(slot, ("train", "accuracy"))
        if train is None and self.unsaid_is_train:
            train = self._share(slot, ("unknown", "accuracy"))
        test = self._share(slot, ("test", "accuracy")) if self.split == "valid" else None
        five = self._share(slot, (self.split, "top5"))
        train_five = self._share(slot, ("train", "top5"))
        loss = _number(slot, (self.split, "loss")) if self.split != "unknown" else None
        if loss is None and self.split == "test":
            loss = _number(slot, ("valid", "loss"))
        train_loss = _number(slot, ("train", "loss"))
        if train_loss is None:
            train_loss = _number(slot, ("unknown", "loss"))
        return LoggedEpoch(
            number=slot.number,
            line=held.line if held is not None else slot.line,
            train_loss=train_loss,
            train_top1=train.value if train else None,
            train_top5=train_five.value if train_five else None,
            loss=loss,
            top1=top1.value if top1 else None,
            top5=five.value if five else None,
            test_top1=test.value if test else None,
            correct=counted.right if counted else None,
            total=counted.of if counted else None,
            digit=top1.digit if top1 else None,
            averaged=held is not None and top1 is not None and held.measure.running,
            also=self._others(slot),
            seconds=slot.seconds,
            clock=slot.clock,
            learning_rate=slot.learning_rate,
        )

    def _others(self, slot: Slot) -> tuple[float, ...]:
        role: Role = (self.split, "accuracy")
        shares = [self.scales.share(role, one) for one in slot.also if role_of(one) == role]
        return tuple(dict.fromkeys(one.value for one in shares if one is not None))

    def _share(self, slot: Slot, role: Role) -> Share | None:
        held = slot.values.get(role)
        if held is None or (role[0] != "train" and held.measure.running and held.rank < _COMPLETE):
            return None
        return self.scales.share(role, held.measure)


def _number(slot: Slot, role: Role) -> float | None:
    held: Held | None = slot.values.get(role)
    return held.measure.number if held is not None else None


def _with_seconds(epochs: tuple[LoggedEpoch, ...]) -> tuple[LoggedEpoch, ...]:
    """Where no line says how long an epoch took, the stamps at their ends do."""
    if any(one.seconds is not None for one in epochs) or len(epochs) < 2:
        return epochs
    timed = [epochs[0]]
    for before, one in itertools.pairwise(epochs):
        known = before.clock is not None and one.clock is not None and one.number == before.number + 1
        took = (one.clock or 0.0) - (before.clock or 0.0) if known else 0.0
        timed.append(replace(one, seconds=took) if took > 0 else one)
    return tuple(timed)


def _images(slots: list[Slot], split: Split, around: Surroundings) -> Images | None:
    """The size of the evaluated set: counted, said, or batches times their size."""
    totals: Counter[int] = Counter()
    line = 0
    for slot in slots:
        held = slot.values.get((split, "accuracy"))
        if held is not None and held.measure.of:
            totals[held.measure.of] += 1
            line = line or held.line
    if totals:
        number = totals.most_common(1)[0][0]
        return Images(number, number, "counted in its accuracies", line)
    said = [hint for hint in around.hints if hint.kind == "images" and hint.number > 1]
    if said:
        return Images(said[-1].number, said[-1].number, "said by a line", said[-1].line)
    if split in around.samples:
        return Images(around.samples[split], around.samples[split], "counted beside its batches")
    return _by_batches(
        around.batches.get(split) or around.batches.get("test") or around.batches.get("valid"), around
    )


def _train_images(around: Surroundings) -> Images | None:
    if "train" in around.samples:
        return Images(around.samples["train"], around.samples["train"], "counted beside its batches")
    said = [hint for hint in around.hints if hint.kind == "train images" and hint.number > 1]
    if said:
        return Images(said[0].number, said[0].number, "said by a line", said[0].line)
    return _by_batches(around.batches.get("train"), around)


def _batches(around: Surroundings, split: Split) -> tuple[int, int] | None:
    evaluated = around.batches.get(split) or around.batches.get("test") or around.batches.get("valid")
    train = around.batches.get("train")
    return (train, evaluated) if train and evaluated else None


def _by_batches(batches: int | None, around: Surroundings) -> Images | None:
    sizes = {hint.number for hint in around.hints if hint.kind == "batch size" and hint.number}
    if not batches or len(sizes) != 1:
        return None
    size = sizes.pop()
    # The last batch may be smaller, or may have been dropped.
    return Images((batches - 1) * size + 1, (batches + 1) * size - 1, f"{batches:,} batches of {size:,}")


def _classes(hints: Sequence[Hint]) -> int | None:
    said = [hint.number for hint in hints if hint.kind == "classes" and 1 < hint.number <= MOST_CLASSES]
    return said[-1] if said else None


def _final_test(slots: list[Slot], scales: Scales) -> float | None:
    for slot in reversed(slots):
        held = slot.values.get(("test", "accuracy"))
        if held is not None and held.rank >= _COMPLETE:
            share = scales.share(("test", "accuracy"), held.measure)
            return share.value if share else None
    return None


def _wall(run: Run, epochs: tuple[LoggedEpoch, ...]) -> float | None:
    if len(run.clocks) > 1 and (spent := run.clocks[-1][0] - run.clocks[0][0]) > 0:
        return spent
    took = [one.seconds for one in epochs if one.seconds is not None]
    return sum(took) if len(took) == len(epochs) and took else None


def _beginning(
    run: Run, first: Entry | None, scales: Scales, epochs: tuple[LoggedEpoch, ...]
) -> Beginning | None:
    top1, line = None, 0
    if run.before is not None:
        for split in ("valid", "test", "unknown"):
            held = run.before.values.get((split, "accuracy"))
            if held is not None and (share := scales.share((split, "accuracy"), held.measure)):
                top1, line = share.value, held.line
                break
    # The loss of a batch says how a run began only if it is one of the first of its first epoch.
    early = first is not None and first.part is not None and first.part.done * 100 <= first.part.total
    own = first is not None and early and (first.epoch is None or first.epoch == epochs[0].number)
    if first is not None and own:
        return Beginning(first.line, first.values[0].number, top1, first.part.done if first.part else None)
    return Beginning(line, None, top1) if top1 is not None else None
