"""A training script's run as it was handed in: the command, the log, and whether the two belong together.

A log is what its author says (`claimed`). It is held against the command that it should come from: the
epochs, and the batch size as far as the progress lines show it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.script_logs import LogFacts
from autograder.checks.script_settings import Settings, read_options
from autograder.checks.shell_scripts import Command, read_commands
from autograder.outcome import CheckFailed
from autograder.text import quote

_STOPS_EARLY = re.compile(r"early|patience|\bbreak\b", re.IGNORECASE)


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
    require_model(log, settings.text("model") or "")
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


def require_model(log: LogFacts, model: str) -> None:
    """Raise CheckFailed where a log shows that it is of another model's training."""
    if log.model and model and log.model.lower() != model.lower():
        raise CheckFailed(
            f"{quote(log.path)} is of a training of the model {quote(log.model)}, not of {quote(model)}.",
            hint=f"Hand in the log of the run with --model {model}.",
        )


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
