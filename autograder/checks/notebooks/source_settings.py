"""What a call says about the training's setup: optimizer, learning rate, schedule, transforms, downloads."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from autograder.checks.notebooks import source_library as library
from autograder.checks.notebooks.source_facts import LeakKind, Split
from autograder.checks.notebooks.source_values import Value, union

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_calls import Call
    from autograder.checks.notebooks.source_run import Reader

_ACCURACY = re.compile(r"\bacc(?:uracy)?\b|\btop-?[15]\b|\bcorrect\b", re.IGNORECASE)
_GOAL = re.compile(
    r"goal|target|should|expect|at least|need|want|require|threshold|baseline|random|aim", re.IGNORECASE
)
_SAYS_TEST = re.compile(r"\btest(?!ed|er)|held[\s-]?out|unseen", re.IGNORECASE)
_SAYS_MORE = re.compile(r"train|val|loss", re.IGNORECASE)
_PERCENT = re.compile(r"(?<![\w.])(?:(\d{1,3}(?:\.\d{1,4})?)\s*%|(0\.\d{1,6}|\d{2}\.\d{1,4})(?![\w%]))")


def recognise(run: Reader, call: Call) -> Value | None:
    """Note what the call sets up; what it gives is of interest for an optimizer alone."""
    record, name = run.record, call.name
    if (name in library.AUGMENTATIONS and name != "ImageDataGenerator") or (
        name == "ImageDataGenerator" and library.KERAS_GENERATOR & call.kwargs.keys()
    ):
        record.named(record.augmentations, name, call.place)
    elif name in library.SCHEDULERS or ".lr_scheduler." in call.path:
        record.named(record.schedulers, name, call.place)
    elif name == "print":
        _printed(run, call)
        _told_as_test(run, call)
    elif name in library.DOWNLOADS:
        _downloaded(run, call)
    elif name == "compile":
        _compiled(run, call)
    elif name == "batch" and call.owner is not None and (call.owner.data or call.owner.origins):
        record.setting(record.batch_sizes, call.argument(0, "batch_size"), call.place, name)
    return _optimizer(run, call)


def _optimizer(run: Reader, call: Call) -> Value | None:
    name = call.name
    optax = name in library.OPTAX and ("optax" in call.path or "optimizers" in call.path)
    if name not in library.OPTIMIZERS and not optax:
        return None
    keras = optax or "keras" in call.path or "optimizers" in call.path or call.path.startswith("tf.")
    record = run.record
    record.named(record.optimizers, name, call.place)
    rate = call.argument(0 if keras else 1, "lr", "learning_rate", "eta0", "learning_rate_init")
    record.setting(record.learning_rates, rate, call.place, name, unknown=rate is not None)
    groups = call.args[0].items if call.args and call.args[0].items else ()
    for group in groups:
        if "lr" in group.entries:
            record.setting(record.learning_rates, group.entries["lr"], call.place, name)
    return Value(made_by=call.path or name)


def _compiled(run: Reader, call: Call) -> None:
    optimizer = call.argument(0, "optimizer")
    if optimizer is not None and optimizer.word.casefold() in library.OPTIMIZER_WORDS:
        run.record.named(
            run.record.optimizers, library.OPTIMIZER_WORDS[optimizer.word.casefold()], call.place
        )


def _printed(run: Reader, call: Call) -> None:
    """A result that stands in the source as a number, and is printed as if it had been measured."""
    if not call.args or any(len(value.known) != 1 or value.made_by for value in call.args):
        return
    if union(call.args):
        return
    text = " ".join(str(value.only) for value in call.args)[:500]
    found = _PERCENT.search(text)
    if not found or not _ACCURACY.search(text) or _GOAL.search(text):
        return
    if float(found[1] or found[2]) not in (0.0, 1.0, 100.0):
        run.record.named(run.record.hard_coded, text, call.place)


def _told_as_test(run: Reader, call: Call) -> None:
    """“Test accuracy” in words, and a value that was worked out from the whole training set beside them.

    Not within a function: one that says "Test:" of whatever it is given may be asked for both parts.
    """
    origins = [origin for origin in union(_values_in(run, call)) if not origin.weights]
    whole = bool(origins) and all(origin.split is Split.TRAIN and not origin.part for origin in origins)
    if run.stack or not whole:
        return
    said = " ".join(
        node.value
        for node in ast.walk(call.node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )[:500]
    if not _ACCURACY.search(said) or not _SAYS_TEST.search(said) or _SAYS_MORE.search(said):
        return
    source = min(origins, key=lambda origin: (origin.place.cell, origin.place.line))
    sure = run.doubt == 0 and all(origin.certain for origin in origins)
    why = (
        f"What is printed as the test's accuracy comes from the training set: {source.name} is read in "
        f"{source.place.describe()}."
    )
    run.record.leak(LeakKind.TEST_IS_TRAIN, call.place, sure, why)


def _values_in(run: Reader, call: Call) -> list[Value]:
    """What a print is given, and what its texts are filled with by ``format``."""
    filled = [
        run.value(value)
        for node in call.node.args
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
        for value in (*node.args, *(keyword.value for keyword in node.keywords))
    ]
    return [*call.args, *filled]


def _downloaded(run: Reader, call: Call) -> None:
    address = next((value.word for value in call.values if "/" in value.word), "")
    run.record.named(run.record.downloads, address or call.name, call.place, certain=bool(address))
