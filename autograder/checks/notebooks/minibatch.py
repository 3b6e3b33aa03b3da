"""Does a notebook train by mini-batches, and does its loss fall?

What the meter measured says so best: which loader fed the steps, and how many there were in a pass over it.
Where a loop cuts its batches out of tensors by itself, no loader is there, and the loop's source says what a
batch's size alone can't: 1,000 images may be a batch, or all that there are. Where nothing was measured (a
notebook that can't be run here, or gradients written by hand in NumPy) the source and the printed losses are
what is left, and that is a claim.

A notebook may train several times, to compare learning rates, say. It is judged by its best training: one
that diverges on purpose is no fault.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from autograder.checks.notebooks.cellcode import Code
from autograder.checks.notebooks.found import Series
from autograder.checks.notebooks.series import read_series
from autograder.checks.notebooks.source_facts import SourceFacts
from autograder.handed_notebook import NotebookWork
from autograder.loaders.notebook import Notebook
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.training import Training, TrainingRun, falls

LARGE_BATCH = 256  # from here on a batch of a constant size may be all the data that there is
USUAL_SET = 60_000  # images, where nothing says how many there are
_MOST_TOLD = 8  # trainings that the reading sheet lists
_FALL_SHARE = 0.01  # of a printed loss, as for measured ones
_BACKWARD = frozenset({"backward", "grad"})
# In a training loop without a loader: what takes some of the images in each step, and not always all.
_TAKES_SOME = re.compile(
    r"\b(?:randperm|randint|permutation|choice|sample|shuffle|multinomial|split|chunk|array_split|DataLoader|next)\("
    r"|\[[^\[\]:]*[A-Za-z_][^\[\]:]*:[^\[\]]*\]"  # x[start:end]; x[:1000] is the same in every step
)


class Batches(Enum):
    """What one step of a training is taken on."""

    MINI = "mini-batches"
    WHOLE = "all training images at once"
    UNKNOWN = "it can't be told what"


@dataclass(frozen=True, slots=True)
class Learned:
    """How the notebook's best training went; ``told`` describes it in a sentence without its end.

    ``moved`` is whether the parameters changed at all, ``falls`` whether the loss fell; None where that can't
    be told.
    """

    batches: Batches
    steps: int | None
    moved: bool
    falls: bool | None
    told: str
    evidence: Evidence
    nonfinite: int = 0
    batch: int | None = None


def read_learning(
    notebook: Notebook, source: SourceFacts, training: Training | None, fewest_steps: int
) -> Learned | None:
    """How ``notebook``, with the outputs that count, trains; None where nothing speaks of a training.

    ``training`` is what was measured of it, None where its outputs are those that it came with.
    """
    runs = [run for run in training.runs if run.steps] if training is not None else []
    if training is None or not runs:
        return _claimed(notebook, source)
    found = [_measured(training, run, source, notebook) for run in runs]
    return max(found, key=lambda one: _order(one, fewest_steps))


def all_trainings(work: NotebookWork) -> list[tuple[str, str]]:
    """Each training that was measured, but for the smallest of many, in a sentence and with its cell."""
    training = work.run.training if work.run is not None else Training()
    runs = sorted((run for run in training.runs if run.steps), key=lambda run: run.steps, reverse=True)
    largest = sorted(runs[:_MOST_TOLD], key=lambda run: run.number)
    return [(training.sentence(run), f"cell {run.cell}, no. {run.number + 1}") for run in largest]


def _order(one: Learned, fewest_steps: int) -> tuple[bool, bool, bool, bool, int]:
    enough, images = (one.steps or 0) >= fewest_steps, (one.steps or 0) * (one.batch or 1)
    return enough, one.moved, one.batches is Batches.MINI, one.falls is True, images


# --- what was measured ----------------------------------------------------------------------------------


def _measured(training: Training, run: TrainingRun, source: SourceFacts, notebook: Notebook) -> Learned:
    return Learned(
        _batches(training, run, source, notebook),
        run.steps,
        # A change that is no finite number is one all the same.
        run.trains,
        falls(run),
        training.sentence(run),
        Evidence.MEASURED,
        run.nonfinite,
        run.batch,
    )


def _batches(training: Training, run: TrainingRun, source: SourceFacts, notebook: Notebook) -> Batches:
    feed = run.main_feed
    if feed is not None and feed.passes and (feed.proven or not feed.checked):
        loader = training.loader(feed.loader)
        in_a_pass = run.steps_per_epoch or run.steps / feed.passes
        one_batch = loader is not None and loader.batches == 1
        return Batches.WHOLE if one_batch or in_a_pass < 2 else Batches.MINI
    batch = run.batch_most or run.batch
    takes_some = _takes_some(notebook)
    if batch is None:
        return Batches.MINI if takes_some or source.epochs else Batches.UNKNOWN
    items = [made.part.items for made in training.datasets if made.part.which == "train" and made.part.items]
    if 2 * batch > max(items, default=USUAL_SET):
        return Batches.WHOLE
    constant = run.batch_least == run.batch_most
    if constant and batch >= LARGE_BATCH and not takes_some and not source.epochs:
        return Batches.WHOLE
    return Batches.MINI


def _takes_some(notebook: Notebook) -> bool:
    """Whether a loop with a backward pass cuts or draws its images."""
    return any(
        any(_goes_back(part) for part in parts)
        and any(_TAKES_SOME.search(ast.unparse(part)) for part in parts)
        for parts in _loops(notebook)
    )


def _loops(notebook: Notebook) -> Iterator[list[ast.AST]]:
    """Each loop of the notebook with the functions that it calls."""
    code = Code(notebook)
    for tree in code.trees.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.For, ast.While)):
                yield [node, *(code.functions[name] for name in code.used_by(node))]


def _goes_back(part: ast.AST) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in _BACKWARD for node in ast.walk(part))


# --- what is claimed ------------------------------------------------------------------------------------


def _claimed(notebook: Notebook, source: SourceFacts) -> Learned | None:
    sizes = [int(setting.value) for setting in source.batch_sizes if setting.value]
    batches, batch = Batches.UNKNOWN, None
    if any(2 * size <= USUAL_SET for size in sizes):
        batches, batch = Batches.MINI, next(size for size in sizes if 2 * size <= USUAL_SET)
    elif sizes:
        batches, batch = Batches.WHOLE, sizes[0]
    elif _cuts_batches(notebook) or _library_default(notebook, source):
        batches = Batches.MINI
    elif source.steps:
        batches = Batches.WHOLE
    fallen = _printed_fall(read_series(notebook))
    asked = bool(source.epochs or source.steps or source.trained_on or source.optimizers)
    if batches is Batches.UNKNOWN and fallen is None and not asked:
        return None
    size = f" of {batch}" if batch else ""
    seen = {
        True: "the printed losses fall",
        False: "the printed losses don't fall",
        None: "no losses are printed",
    }
    told = f"by its source it trains on {batches.value}{size}; {seen[fallen]}"
    return Learned(batches, None, moved=True, falls=fallen, told=told, evidence=Evidence.CLAIMED, batch=batch)


def _cuts_batches(notebook: Notebook) -> bool:
    """Whether a loop cuts or draws its images, in a notebook whose gradients may be written by hand."""
    return any(
        any(_updates(part) for part in parts) and any(_TAKES_SOME.search(ast.unparse(part)) for part in parts)
        for parts in _loops(notebook)
    )


def _updates(part: ast.AST) -> bool:
    """Whether something is made smaller by something: ``w -= rate * gradient``, ``w = w - ...``."""
    for node in ast.walk(part):
        match node:
            case ast.AugAssign(op=ast.Sub()) | ast.Assign(value=ast.BinOp(op=ast.Sub())):
                return True
            case ast.Attribute(attr="step" | "backward" | "sub_"):
                return True
    return False


def _library_default(notebook: Notebook, source: SourceFacts) -> bool:
    """fastai's loaders and Keras' ``fit`` take mini-batches unless they are told otherwise."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.kind == "code")
    return any(name in ("fastai", "tensorflow", "keras") for name in source.frameworks) and bool(
        re.search(r"\.(?:fit|fit_one_cycle|fine_tune|fit_flat_cos)\(", code)
    )


def _printed_fall(series: Sequence[Series]) -> bool | None:
    """Whether any printed series of losses falls; None where none has two values."""
    losses = [one for one in series if one.quantity == "loss" and len(one.points) >= 2]
    return any(_falls(one) for one in losses) if losses else None


def _falls(series: Series) -> bool:
    first, last = series.points[0].value, series.points[-1].value
    return math.isfinite(last) and last < first - _FALL_SHARE * abs(first)


# --- what is required -----------------------------------------------------------------------------------


def require_mini_batches(learned: Learned | None, fewest_steps: int) -> Learned:
    """Raise CheckFailed unless the parameters are updated from mini-batches."""
    if learned is None:
        raise CheckFailed(
            "No training was seen in your notebook: no step that updates parameters, and no code for one.",
            hint="Train in a loop: for each mini-batch loss.backward(), then a step against the gradient.",
        )
    seen = f"Seen: {learned.told}."
    if learned.steps is not None and learned.steps < fewest_steps:
        raise CheckFailed(
            f"Your training takes {learned.steps} steps, which is too few to learn from mini-batches. {seen}",
            hint="Go through all training images in mini-batches, at least once.",
        )
    if not learned.moved:
        raise CheckFailed(
            f"The steps of your training don't change the parameters. {seen}",
            hint="Look at the learning rate, and at which parameters the optimizer was given.",
        )
    if learned.batches is Batches.WHOLE:
        raise CheckFailed(
            f"Each step of your training is taken on all training images at once. {seen}",
            hint="Take a part of them in each step, 64 say, as with a DataLoader and its batch_size.",
        )
    if learned.batches is Batches.UNKNOWN:
        raise CheckFailed(
            f"It could not be seen that your training uses mini-batches. {seen}",
            hint="Loop over a DataLoader, or cut the training images into batches in your loop.",
        )
    return learned


def require_fall(learned: Learned | None) -> None:
    """Raise CheckFailed unless the loss of the training falls."""
    if learned is None:
        raise CheckFailed("No training was seen, so there is no loss.", hint="See the test before this one.")
    if learned.falls:
        return
    seen = f"Seen: {learned.told}."
    if learned.nonfinite:
        raise CheckFailed(
            f"The loss of your training becomes infinite or not a number. {seen}",
            hint="The steps are too large: try a tenth of the learning rate.",
        )
    if learned.falls is None:
        raise CheckFailed(
            f"Your notebook shows no losses from which it could be seen that they fall. {seen}",
            hint="Print the training loss after each epoch, or after every hundred steps.",
        )
    raise CheckFailed(
        f"The loss of your training doesn't fall. {seen}",
        hint="Try a tenth of the learning rate, then ten times it, and set the gradients to zero "
        "before each step.",
    )
