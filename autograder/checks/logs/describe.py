"""A log in a few lines, for the student: what was read, so that a wrong reading shows."""

from __future__ import annotations

from autograder.checks.logs.found import LoggedEpoch, TrainingLog
from autograder.text import clean, quote

MOST_NOTES = 4
_CALLED = {"valid": "validation ", "test": "test ", "train": "training ", "unknown": ""}


def describe(log: TrainingLog) -> str:
    """Format, epochs, best, last, and how what was unclear was taken."""
    which = f", run {log.run}" if log.run > 1 else ""
    lines = [f"{quote(log.path)}{which}: read as {log.format}."]
    if not log.epochs:
        return f"{lines[0]} No epoch was found in it."
    numbers = (
        f"{log.epochs[0].number} to {log.epochs[-1].number}"
        if len(log.epochs) > 1
        else f"{log.epochs[0].number}"
    )
    again = f"; begun again at epoch {', '.join(map(str, log.resumed_from[:5]))}" if log.resumed_from else ""
    took = f"; {_time(log.wall_s)} in all" if log.wall_s else ""
    lines.append(f"{log.epochs_run} epochs (numbered {numbers}){again}{took}.")
    best, last = log.best, log.last
    if best is None or last is None:
        lines.append("No accuracy on validation or test images was found in it.")
    else:
        lines.append(f"Best {_CALLED[log.split]}accuracy: {_shown(best)}. Last: {_shown(last)}.")
    if log.final_test is not None and log.split == "valid":
        lines.append(f"Test accuracy at the end: {_percent(log.final_test)}.")
    lines += [clean(note, 300) for note in log.notes[:MOST_NOTES]]
    return "\n".join(lines)


def _shown(epoch: LoggedEpoch) -> str:
    five = f", top-5 {_percent(epoch.top5)}" if epoch.top5 is not None else ""
    counts = f" ({epoch.correct:,} of {epoch.total:,})" if epoch.total and epoch.correct is not None else ""
    return f"{_percent(epoch.top1 or 0.0)}{counts}{five} in epoch {epoch.number} (line {epoch.line:,})"


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
