"""The log of the training: which one counts, whether it is whole, and its top-1 accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from autograder.checks.from_scratch.imagenet import Facts, Kind, weigh
from autograder.checks.logs.datasets import FIRST_EPOCH_HIGH
from autograder.checks.logs.found import LoggedEpoch, TrainingLog
from autograder.outcome import CheckFailed
from autograder.text import clean, quote

_FIRST = (0, 1)  # what people call their first epoch
_SHOWN = 6
_MOST_EVERY = 10  # epochs from one evaluation to the next
_NEARLY_DONE = 0.9  # of its best accuracy: who begins there has not begun with random weights


@dataclass(frozen=True, slots=True)
class Run:
    """The log that counts, with what it says about the data; ``others`` were read beside it."""

    log: TrainingLog
    kind: Kind
    others: tuple[TrainingLog, ...]

    @property
    def first(self) -> LoggedEpoch:
        return self.log.epochs[0]

    @property
    def missing(self) -> tuple[int, ...]:
        """Epochs between the first and the last that the log doesn't have; none where it has every k-th."""
        numbers = [epoch.number for epoch in self.log.epochs]
        steps = {later - earlier for earlier, later in pairwise(numbers)}
        if len(steps) <= 1 and len(numbers) > 2:
            return ()
        there = set(numbers)
        return tuple(number for number in range(numbers[0], numbers[-1]) if number not in there)

    def counting(self, last: int) -> LoggedEpoch:
        """The best of the ``last`` epochs that were evaluated: of 1 the final one, of very many any."""
        return max(self.log.evaluated[-last:], key=lambda one: (top1(one), -one.number))


def top1(epoch: LoggedEpoch) -> float:
    """The epoch's accuracy: by its counts where they were printed, which no rounding changes."""
    if epoch.correct is not None and epoch.total:
        return epoch.correct / epoch.total
    return round(epoch.top1 or 0.0, 9)


def choose_run(logs: Sequence[TrainingLog], facts: Facts, beside: Sequence[str] = ()) -> Run:
    """The log that counts: of a training on ImageNet, from its beginning, from random weights, the best.

    Raises CheckFailed where none tells a validation accuracy; ``beside`` says what else was handed in.
    """
    evaluated = [log for log in logs if log.evaluated]
    if not evaluated:
        raise CheckFailed(
            "No training log was found that tells a top-1 accuracy on the validation set for each epoch."
            + _only(logs)
            + "".join(f" {sentence}" for sentence in beside),
            hint="Hand in what your training printed, such as train.log, or a CSV or JSON file with a line "
            "for each epoch.",
        )
    runs = [(weigh(log, facts), log) for log in evaluated]

    def order(one: tuple[Kind, TrainingLog]) -> tuple[bool, bool, bool, float]:
        kind, log = one
        best, first = log.best, log.epochs[0]
        fine_tuned = first.top1 is not None and first.top1 > FIRST_EPOCH_HIGH
        return bool(kind.against), not _begins(log), fine_tuned, -(top1(best) if best else 0.0)

    kind, log = min(runs, key=order)
    return Run(log, kind, tuple(other for other in logs if other is not log))


def _only(logs: Sequence[TrainingLog]) -> str:
    if not logs:
        return ""
    tells_top5 = any(epoch.top5 is not None for log in logs for epoch in log.epochs)
    what = "only the top-5 accuracy" if tells_top5 else "losses or training accuracies alone"
    return f" {quote(logs[0].path)} tells {what}."


def _every(log: TrainingLog) -> int:
    """1, or 5 where the log has every fifth epoch: 5, 10, 15 and so on, or 4, 9, 14."""
    numbers = [epoch.number for epoch in log.epochs]
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    step = steps.pop() if len(steps) == 1 and len(numbers) > 2 else 1
    return step if numbers[0] in (*_FIRST, step - 1, step) else 1


def _begins(log: TrainingLog) -> bool:
    """Whether its first epoch is the training's first, or the first that was evaluated."""
    every = _every(log)
    return log.epochs[0].number in (*_FIRST, *((every - 1, every) if 1 < every <= _MOST_EVERY else ()))


def require_whole(run: Run, allowed: float) -> str:
    """What to note; raises CheckFailed where the start is missing, or more than a share of the epochs."""
    log, numbers = run.log, [epoch.number for epoch in run.log.epochs]
    if not _begins(log):
        raise CheckFailed(
            f"{quote(log.path)} begins at epoch {numbers[0]}: how the training began, it doesn't show.",
            hint="Hand in the log from epoch 0 on; if it lies in several files, hand in all of them.",
        )
    missing = run.missing
    whole = numbers[-1] - numbers[0] + 1
    if len(missing) > allowed * whole:
        shown = ", ".join(map(str, missing[:_SHOWN])) + (" and more" if len(missing) > _SHOWN else "")
        raise CheckFailed(
            f"{quote(log.path)} goes from epoch {numbers[0]} to {numbers[-1]}, and {len(missing)} of these "
            f"{whole} epochs are missing: {shown}.",
            hint="Hand in the whole log; if it lies in several files, hand in all of them.",
        )
    if len(numbers) < 2:
        raise CheckFailed(
            f"{quote(log.path)} has a single epoch.", hint="Hand in the log of the whole training."
        )
    resumed = (
        f", resumed at epoch {', '.join(map(str, log.resumed_from[:_SHOWN]))}" if log.resumed_from else ""
    )
    every = f", each {_every(log)}th" if _every(log) > 1 else ""
    return f"{log.path}: epochs {numbers[0]} to {numbers[-1]}{every}{resumed} ({log.format})."


def require_imagenet(run: Run) -> tuple[str, ...]:
    """What to note; raises CheckFailed where the log is that of another data set."""
    if run.kind.against:
        raise CheckFailed(
            f"This is no training on ImageNet's 1,000 classes. {' '.join(run.kind.against[:2])}",
            hint="The homework asks for ImageNet itself: 1,281,167 training and 50,000 validation images of "
            "1,000 classes. Hand in the log of that training.",
        )
    return run.kind.pro[:_SHOWN]


def accuracy_text(run: Run, epoch: LoggedEpoch) -> str:
    """Such as "65.238 % top-1 after epoch 89 (train.log, line 812)"."""
    counted = f", {epoch.correct:,} of {epoch.total:,} images" if epoch.correct and epoch.total else ""
    where = clean(run.log.path, 100)
    return f"{100 * top1(epoch):.3f} % top-1 in epoch {epoch.number}{counted} ({where}, line {epoch.line})"


# --- how it began ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the log says of the first steps: against random weights, for them, and what is for a human."""

    against: tuple[str, ...]
    pro: tuple[str, ...]
    doubts: tuple[str, ...]


_LN_1000 = 6.907755278982137


def read_beginning(run: Run, limits: Mapping[str, float]) -> Beginning:
    """Random weights guess: 0.1 % right, a loss of ln(1000) = 6.9. One epoch makes them no expert either."""
    log, first = run.log, run.first
    against: list[str] = []
    pro: list[str] = []
    doubts: list[str] = []
    begun = log.beginning
    early = first.number in _FIRST
    knows = False
    if not early and _begins(log):
        doubts.append(f"The first epoch that the log has is epoch {first.number}")
    if _begins(log) and first.top1 is not None:
        said = f"after epoch {first.number} the top-1 accuracy is {100 * first.top1:.2f} %"
        best = log.best
        nearly = best is not None and first.top1 > _NEARLY_DONE * (best.top1 or 0.0)
        if first.top1 > limits["first_epoch_top1"] and not early and nearly:
            knows = True
            against.append(f"{said}, nearly the best that it comes to")
        elif first.top1 > limits["first_epoch_top1"] and early:
            knows = True
            against.append(f"{said}, which no training from random weights reaches in one epoch")
        else:
            pro.append(said)
    if early and first.train_top1 is not None and first.train_top1 > limits["first_epoch_training_top1"]:
        knows = True
        against.append(
            f"in epoch {first.number} {100 * first.train_top1:.2f} % of the training images are right, on "
            "average; random weights begin with 0.1 %"
        )
    if begun is not None and begun.top1 is not None and begun.top1 > limits["untrained_top1"]:
        against.append(f"before the first epoch the top-1 accuracy is {100 * begun.top1:.2f} %")
    loss = begun.loss if begun is not None else None
    if loss is not None:
        said = f"the loss begins at {loss:.2f}"
        if loss < _LN_1000 - limits["first_loss_below"]:
            (against if knows else doubts).append(f"{said}, where that of random weights is ln(1000) = 6.91")
        else:
            pro.append(f"{said}; that of random weights is ln(1000) = 6.91")
    doubts += [
        f"The log says “{clean(hint.text, 160)}” in line {hint.line}" for hint in log.hinted("pretrained")
    ]
    return Beginning(tuple(against), tuple(pro), tuple(doubts))


def require_random_start(run: Run, beginning: Beginning) -> tuple[str, ...]:
    """What to note; raises CheckFailed where the log shows no beginning, or one with ready weights."""
    path = quote(run.log.path)
    if beginning.against:
        raise CheckFailed(
            f"{path} is no log of a training from random weights: {beginning.against[0]}.",
            hint="Train from random weights, with pretrained=False or weights=None, and hand in that log.",
        )
    if not _begins(run.log):
        raise CheckFailed(
            f"{path} begins at epoch {run.first.number}, so what the training began with can't be seen.",
            hint="Hand in the log from epoch 0 on.",
        )
    return tuple(f"{sentence[0].upper()}{sentence[1:]}." for sentence in beginning.pro)
