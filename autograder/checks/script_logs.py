"""The log of a training script such as train.py: its last run, and what it ends with.

A log is what its author says (`claimed`). The general reader of logs comes first. What the homework's own
lines and old versions of PyTorch and Python make of an accuracy is read here: ``Val Acc: 45`` in per cent,
``tensor(45.)``, and Python 2's ``('test accuracy:', 0.58)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from autograder.checks.logs.found import TrainingLog
from autograder.checks.logs.lines import decode
from autograder.checks.logs.reading import parse_log
from autograder.loaders.problems import Malformed
from autograder.outcome import CheckFailed

MOST_LOG_BYTES = 32 * 1024 * 1024
MOST_KEPT_BYTES = 1024 * 1024  # of a log: it is read once, however often it is asked for
MOST_EPOCHS = 100_000
MOST_PROGRESS = 1_000  # different counts of images that progress lines show
MOST_LINE_CHARS = 400
_HEAD = 1024 * 1024  # characters in which progress lines are looked for

_PROGRESS = re.compile(r"\[\s{0,8}(\d{1,9})/(\d{1,9})\s?\(\s{0,3}\d{1,3}(?:\.\d{1,3})?%\)\]")
_TENSOR = re.compile(r"tensor\(\s{0,4}(-?\d{1,9}(?:\.\d{0,9})?)[^()\n]{0,80}\)")
_TUPLE = re.compile(r"^\((u?['\"].{1,300})\)\s{0,4}$", re.MULTILINE)
_IN_TUPLE = re.compile(r"u?['\"]([^'\"\n]{0,200})['\"],?")
_VALIDATION = re.compile(
    r"\bval(?:id(?:ation)?)?[ _]acc(?:uracy)?\s{0,4}[:=]?\s{0,4}(\d{1,3}(?:\.\d{1,12})?)(?![\d/])",
    re.IGNORECASE,
)
_TEST = re.compile(
    r"\btest(?:ing)?\b[^\n]{0,80}?\bacc(?:uracy)?\b[^\d\n]{0,40}(\d{1,9}(?:\.\d{1,12})?)(?:\s?/\s?(\d{1,9}))?",
    re.IGNORECASE,
)
_TRAINS = re.compile(r"\bepoch\b|\btrain\b", re.IGNORECASE)
_CLOSING_CHARS = 4_000  # at the end of a log, in which a line of the test set is looked for
_MODEL = re.compile(r"\bmodel\s?=\s?['\"]([\w.-]{1,60})['\"]|--model[ =]([\w.-]{1,60})")


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a log says of its run.

    ``test`` is the accuracy on the test set that it ends with, None where it doesn't; ``valid`` the last one
    on the validation set. ``seen`` are images as the progress lines count them, but for 0; ``model`` is the
    one whose settings it prints.
    """

    path: str
    epochs: int
    last_epoch: int | None = None  # as printed
    test: float | None = None
    valid: float | None = None
    seen: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()  # epochs between the first and the last
    model: str = ""

    @property
    def accuracy(self) -> float | None:
        """The one on the test set, else the last on the validation set."""
        return self.test if self.test is not None else self.valid


def read_log(data: bytes, path: str) -> LogFacts:
    """A log's last run; raises CheckFailed where the file can't be read."""
    return _read_known(data, path) if len(data) <= MOST_KEPT_BYTES else _read(data, path)


def _read(data: bytes, path: str) -> LogFacts:
    try:
        text = _modern(decode(data[:MOST_LOG_BYTES], path))
        runs = [run for run in parse_log(text, path) if run.epochs]
    except Malformed as problem:
        raise CheckFailed(problem.message, hint=problem.hint) from problem
    model = _model(text)
    if not runs:
        return LogFacts(path, 0, model=model)
    run = runs[-1]
    numbers = {epoch.number for epoch in run.epochs}
    between = range(min(numbers), min(max(numbers), min(numbers) + MOST_EPOCHS))
    seen = {int(found[1]): None for found in _PROGRESS.finditer(text[:_HEAD]) if int(found[1])}
    last = run.last.top1 if run.last is not None and run.split == "valid" else None
    return LogFacts(
        path,
        len(numbers),
        max(numbers),
        (run.final_test if _ends_with_test(run) else None) or _closing_test(text),
        last if last is not None else _last_validation(text),
        tuple(seen)[:MOST_PROGRESS],
        tuple(number for number in between if number not in numbers),
        model,
    )


_read_known = lru_cache(maxsize=8)(_read)


def _modern(text: str) -> str:
    """The lines as a newer PyTorch and Python would have printed them."""
    text = _TENSOR.sub(r"\1", text) if "tensor(" in text else text
    return _TUPLE.sub(lambda found: _IN_TUPLE.sub(r"\1", found[1]), text)


def _model(text: str) -> str:
    """The model of the last settings that the log shows: ``Namespace(model='softmax')``."""
    found = [one[1] or one[2] for one in _MODEL.finditer(text)]
    return found[-1] if found else ""


def _last_validation(text: str) -> float | None:
    """The last accuracy of the homework's own progress lines: a share, or in per cent if any is above 1."""
    values = [
        float(found[1])
        for line in text[-_HEAD:].splitlines()
        if (found := _VALIDATION.search(line[:MOST_LINE_CHARS])) is not None
    ]
    if not values or max(values) > 100:
        return None
    return values[-1] / 100 if max(values) > 1 else values[-1]


def _closing_test(text: str) -> float | None:
    """The accuracy on the test set of a line at the end that the general reader takes for something else.

    Python 2 prints ``5812/10000 (0%)``: then the counts are what is meant.
    """
    for line in reversed(text[-_CLOSING_CHARS:].splitlines()):
        if _TRAINS.search(line[:MOST_LINE_CHARS]):
            return None
        found = _TEST.search(line[:MOST_LINE_CHARS])
        if found is None:
            continue
        value, of = float(found[1]), float(found[2] or (1 if float(found[1]) <= 1 else 100))
        return value / of if 0 <= value <= of and of > 0 else None
    return None


def _ends_with_test(run: TrainingLog) -> bool:
    """Whether no training follows the last accuracy on the test set."""
    tested = [epoch.number for epoch in run.epochs if epoch.test_top1 is not None]
    return run.split == "test" or not tested or tested[-1] == run.epochs[-1].number
