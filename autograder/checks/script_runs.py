"""A training script's run as it was handed in: the command, the log, and whether the two belong together.

A log is what its author says (`claimed`). It is held against the command that it should come from: the
epochs, and the batch size as far as the progress lines show it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.logs.found import TrainingLog
from autograder.checks.logs.reading import parse_log
from autograder.checks.script_settings import Settings, read_options
from autograder.checks.shell_scripts import Command, read_commands
from autograder.loaders.problems import Malformed
from autograder.outcome import CheckFailed
from autograder.text import quote

MOST_LOG_BYTES = 32 * 1024 * 1024
MOST_EPOCHS = 100_000
MOST_PROGRESS = 1_000  # different counts of images that progress lines show
_STOPS_EARLY = re.compile(r"early|patience|\bbreak\b", re.IGNORECASE)
_PROGRESS = re.compile(r"\[\s{0,8}(\d{1,9})/(\d{1,9})\s?\(\s{0,3}\d{1,3}%\)\]")


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a log says of its run.

    ``test`` is the accuracy on the test set that it ends with, None where it doesn't; ``valid`` the last one
    on the validation set. ``seen`` are images as the progress lines count them, but for 0.
    """

    path: str
    epochs: int
    last_epoch: int | None = None  # as printed
    test: float | None = None
    valid: float | None = None
    seen: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()  # epochs between the first and the last

    @property
    def accuracy(self) -> float | None:
        """The one on the test set, else the last on the validation set."""
        return self.test if self.test is not None else self.valid


def read_log(data: bytes, path: str) -> LogFacts:
    """A log's last run; raises CheckFailed where the file can't be read."""
    try:
        runs = [run for run in parse_log(data[:MOST_LOG_BYTES], path) if run.epochs]
    except Malformed as problem:
        raise CheckFailed(problem.message, hint=problem.hint) from problem
    if not runs:
        return LogFacts(path, 0)
    run = runs[-1]
    numbers = {epoch.number for epoch in run.epochs}
    between = range(min(numbers), min(max(numbers), min(numbers) + MOST_EPOCHS))
    seen = {int(found[1]): None for found in _PROGRESS.finditer(_head(data)) if int(found[1])}
    return LogFacts(
        path,
        len(numbers),
        max(numbers),
        run.final_test if _ends_with_test(run) else None,
        run.last.top1 if run.last is not None and run.split == "valid" else None,
        tuple(seen)[:MOST_PROGRESS],
        tuple(number for number in between if number not in numbers),
    )


def _head(data: bytes) -> str:
    """Enough of a log to see its progress lines."""
    return data[: 1024 * 1024].decode("utf-8", errors="replace")


def _ends_with_test(run: TrainingLog) -> bool:
    """Whether no training follows the last accuracy on the test set."""
    tested = [epoch.number for epoch in run.epochs if epoch.test_top1 is not None]
    return run.split == "test" or not tested or tested[-1] == run.epochs[-1].number


def settings_of(shell_text: str, train_text: str, model: str) -> Settings:
    """The run that a .sh file describes; raises CheckFailed where it starts no training of ``model``."""
    commands = [one for one in read_commands(shell_text) if "train" in one.name.lower()]
    if not commands:
        raise CheckFailed(
            "run_convnet.sh starts no train.py.",
            hint="Put the command of your reported run into it: python -u train.py --model convnet ...",
        )
    options = read_options(train_text)
    runs = [Settings(command, options) for command in commands]
    fitting = [run for run in runs if run.text("model") in (model, None)]
    if not fitting:
        told = ", ".join(quote(run.text("model") or "") for run in runs[:3])
        raise CheckFailed(
            f"run_convnet.sh trains the model {told}, not {quote(model)}.",
            hint=f"Put the command of your reported run into it, with --model {model}.",
        )
    return fitting[-1]


def describe_command(command: Command) -> str:
    """The command on one line, for a person."""
    return quote(" ".join((command.script, *command.arguments)), 300)


def require_complete(log: LogFacts) -> str:
    """What to note of a log; raises CheckFailed where it has gaps or doesn't end with the test accuracy."""
    if not log.epochs:
        raise CheckFailed(
            f"{quote(log.path)} holds no epoch of a training that could be read.",
            hint="Save what train.py prints, as run_convnet.sh does with `| tee convnet.log`.",
        )
    if log.missing:
        listed = ", ".join(map(str, log.missing[:8]))
        raise CheckFailed(
            f"{quote(log.path)} lacks epochs between its first and its last: {listed}.",
            hint="Hand in the whole log of one run.",
        )
    if log.test is None:
        raise CheckFailed(
            f"{quote(log.path)} doesn't end with an accuracy on the test set; its last epoch is "
            f"{log.last_epoch}.",
            hint="Let train.py run to its end: it evaluates on the test set last, and the log shows it.",
        )
    epochs = "1 epoch" if log.epochs == 1 else f"{log.epochs} epochs"
    return f"{quote(log.path)} has {epochs} and ends with a test accuracy of {100 * log.test:.1f} %."


@dataclass(frozen=True, slots=True)
class Compared:
    """A log held against its command; ``doubts`` are for people."""

    note: str
    doubts: tuple[str, ...] = ()


def require_same_run(log: LogFacts, settings: Settings, train_text: str) -> Compared:
    """Raises CheckFailed where the log can't be of the run that the command starts."""
    asked = settings.number("epochs")
    doubts = [*_batch_doubts(log, settings)]
    command = describe_command(settings.command)
    if asked is None:
        why = f"How many epochs {command} trains for can't be told from it."
        return Compared(why, (why, *doubts))
    if log.epochs == asked:
        return Compared(f"The log has as many epochs as {command} asks for: {log.epochs}.", tuple(doubts))
    told = f"The log has {_epochs(log.epochs)}, and {command} asks for {_epochs(int(asked))}."
    if log.epochs < asked and _STOPS_EARLY.search(train_text):
        return Compared(told, (f"{told} train.py may stop early.", *doubts))
    raise CheckFailed(told, hint="Hand in the log and the command of the same run.")


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _batch_doubts(log: LogFacts, settings: Settings) -> Sequence[str]:
    """Progress lines count whole batches: where none fits the command's batch size, it was another."""
    batch = settings.number("batch-size")
    if batch is None or batch < 1 or not log.seen or any(seen % batch == 0 for seen in log.seen):
        return ()
    return (
        f"The log's progress lines count {log.seen[0]}, ... images, no multiple of the batch size "
        f"{batch:g} of {describe_command(settings.command)}.",
    )
