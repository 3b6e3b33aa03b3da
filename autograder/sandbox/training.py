"""What the meter measured of a notebook's training, read on the trusted side.

The meter runs beside student code (kernel/meter.py), so its report is hostile until it is read: only exact
types, finite numbers within bounds and short names are taken, what else there is is dropped and counted, and
nothing here raises on it. What was read is *measured*: a determined student could have forged it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from autograder.sandbox.measured import Junk, Record
from autograder.sandbox.training_weights import Begun, KeptEpoch, Load, kept_epoch, load, read_begun

_MOST_POINTS = 400

# When a loss counts as falling. A single batch's loss is noisy, so medians are compared: of the last tenth
# with that of the first tenth, or with that of the first three losses, because a network that learns fast
# has done so long before the first tenth is over. The fall must stand out of the noise, which is taken from
# the last tenth's own spread: five standard errors, so that training at a learning rate of 0 does not pass
# by luck. And it must be 1 % of the loss at least, which a training that works passes within its first epoch.
FALLS_TENTH, FALLS_FEWEST, FALLS_FIRST = 10, 6, 3
FALLS_ERRORS, FALLS_SHARE = 5.0, 0.01
_MEDIAN_ERROR = 1.2533 * 1.4826  # a median's standard error, from the median deviation over sqrt(n)


@dataclass(frozen=True, slots=True)
class LossPoint:
    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class CellSteps:
    """What one cell added to a run: steps, and passes over loaders during which it stepped."""

    cell: int
    steps: int
    passes: int


@dataclass(frozen=True, slots=True)
class Part:
    """A data set at the bottom of what a loader serves: ``items`` of its ``of`` items."""

    name: str
    module: str
    items: int | None
    of: int | None
    train: bool | None
    split: str
    folders: tuple[str, ...]
    like: str

    @property
    def which(self) -> str:
        """`train`, `test` or `valid`, as the data set itself says; empty where it doesn't.

        A folder's name is the data set's own word; of fastai's two loaders, `valid` is only a role, and the
        folder tells what plays it.
        """
        if self.train is not None:
            return "train" if self.train else "test"
        for word in (*self.folders[:1],) if len(self.folders) == 1 else ():
            if word.lower() in _WORDS:
                return _WORDS[word.lower()]
        if self.like:
            return _WORDS.get(self.like.rpartition(" ")[2], "")
        return _WORDS.get(self.split.lower(), "")

    @property
    def text(self) -> str:
        """`MNIST train (60,000)`, `CIFAR10 train (45,000 of 50,000)`."""
        name = self.like.rpartition(" ")[0] or self.name
        told = f"{name} {self.which}".strip()
        if self.items is None:
            return told
        whole = f" of {self.of:,}" if self.of is not None and self.of != self.items else ""
        return f"{told} ({self.items:,}{whole})"


_WORDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
}


@dataclass(frozen=True, slots=True)
class Loader:
    """A loader that was iterated: what it serves, and in how many batches."""

    number: int
    cell: int
    kind: str
    parts: tuple[Part, ...]
    batches: int | None
    batch: int | None
    sampler: str

    @property
    def text(self) -> str:
        return " + ".join(part.text for part in self.parts) or "data of an unknown kind"

    @property
    def shuffles(self) -> bool:
        return "random" in self.sampler.lower()


@dataclass(frozen=True, slots=True)
class Feed:
    """What a loader had to do with a run.

    ``passes`` over it during which the run stepped, ``complete`` of them to the end; of ``checked`` losses
    ``proven`` had the loader's batch in their graph; ``after_end``: steps after the pass was over.
    """

    loader: int
    passes: int
    complete: int
    batches: int
    steps: int
    checked: int
    proven: int
    after_end: int


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The steps of one optimizer, or of a loop that updates the parameters of one model by hand.

    ``change`` is how far a few parameters moved in all, relative to their size; ``rate`` is steps a second
    within an epoch, ``between_s`` the seconds between two epochs.
    """

    number: int
    cell: int
    by_hand: bool
    optimizer: str
    model: str
    parameters: int
    groups: int
    steps: int
    backwards: int
    cells: tuple[CellSteps, ...]
    lr_first: float | None
    lr_last: float | None
    lr_least: float | None
    lr_most: float | None
    momentum: float | None
    weight_decay: float | None
    batch: int | None
    batch_least: int | None
    batch_most: int | None
    losses: tuple[LossPoint, ...]
    losses_seen: int
    nonfinite: int
    steps_per_epoch: int | None
    rate: float | None
    between_s: float | None
    seconds: float | None
    change: float | None
    feeds: tuple[Feed, ...]

    @property
    def main_feed(self) -> Feed | None:
        """The loader that most of the steps came from."""
        return max(self.feeds, key=lambda feed: feed.steps + feed.after_end, default=None)

    @property
    def epochs(self) -> int | None:
        """Passes over the loader that fed it; None where no loader did."""
        return self.main_feed.passes if self.main_feed is not None else None

    @property
    def trains(self) -> bool:
        """Whether it changed what it stepped on: a learning rate of 0 does not."""
        return self.steps > 0 and self.backwards > 0 and self.lr_most != 0 and self.change != 0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Passes over a loader without a step. ``last_training``: the network's mode in the last of them."""

    loader: int
    cell: int
    passes: int
    complete: int
    batches: int
    with_grad: int
    training_mode: int
    eval_mode: int
    last_order: int
    last_training: bool | None
    model: str


@dataclass(frozen=True, slots=True)
class MadeDataset:
    """An image data set that the notebook made, whether it was used or not."""

    cell: int
    part: Part


@dataclass(frozen=True, slots=True)
class Training:
    """All that was measured. ``errors`` are the meter's own failures, the first of them in ``error``."""

    runs: tuple[TrainingRun, ...] = ()
    loaders: tuple[Loader, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    datasets: tuple[MadeDataset, ...] = ()
    beginnings: tuple[Begun, ...] = ()
    loads: tuple[Load, ...] = ()
    kept: tuple[KeptEpoch, ...] = ()
    runs_dropped: int = 0
    errors: int = 0
    error: str = ""
    dropped: int = 0  # values in the report that were not what they should be

    @staticmethod
    def from_json(value: object) -> Training:
        """The report as far as it is one."""
        if type(value) is not dict:
            return Training(dropped=1)
        junk = Junk()
        record = Record(value, junk)
        training = Training(
            runs=record.records("runs", _run),
            loaders=record.records("loaders", _loader),
            evaluations=record.records("evaluations", _evaluation),
            datasets=record.records("datasets", lambda one: MadeDataset(one.count("cell"), _part(one))),
            beginnings=read_begun(value.get("beginnings"), junk),
            loads=record.records("loads", load),
            kept=record.records("kept", kept_epoch),
            runs_dropped=record.count("runs_dropped"),
            errors=record.count("errors"),
            error=record.name("error"),
        )
        return _replace_dropped(training, junk.count)

    @property
    def steps(self) -> int:
        return sum(run.steps for run in self.runs)

    @property
    def longest(self) -> TrainingRun | None:
        """The run with the most steps among those that train anything."""
        return max((run for run in self.runs if run.trains), key=lambda run: run.steps, default=None)

    @property
    def last_evaluation(self) -> Evaluation | None:
        return max(self.evaluations, key=lambda one: one.last_order, default=None)

    def loader(self, number: int) -> Loader | None:
        return next((one for one in self.loaders if one.number == number), None)

    def fed_by(self, run: TrainingRun, which: str, *, proven: bool = True) -> tuple[Loader, ...]:
        """The loaders that the run stepped on and that serve a data set's ``which``: `test`, say.

        ``proven``: only where the loader's batches were found in the losses' graphs; without it also where
        the order of things alone says so, which an evaluation that was left half-way can bring about.
        """
        loaders = (self.loader(feed.loader) for feed in run.feeds if feed.proven or not proven)
        return tuple(one for one in loaders if one and any(part.which == which for part in one.parts))

    def sentence(self, run: TrainingRun) -> str:
        """Such as `trained 938 steps per epoch for 3 epochs with SGD, lr 0.1, batch 64, on ...`."""
        feed = run.main_feed
        loader = self.loader(feed.loader) if feed is not None else None
        said = f"trained {run.steps:,} steps"
        if feed is not None and run.steps_per_epoch and feed.complete == feed.passes:
            said = f"trained {run.steps_per_epoch:,} steps per epoch for {_times(feed.passes, 'epoch')}"
        elif feed is not None:
            said += f" in {_times(feed.passes, 'pass', 'passes')}, {feed.complete} to the end,"
        said += " by hand" if run.by_hand else f" with {run.optimizer or 'an optimizer'}"
        if run.lr_least is not None and run.lr_most is not None:
            to = f" to {run.lr_most:g}" if run.lr_least != run.lr_most else ""
            said += f", lr {run.lr_least:g}{to}"
        said += f", batch {run.batch}" if run.batch else ""
        said += f", on {loader.text}" if loader is not None else ""
        if run.losses:
            said += f"; loss {run.losses[0].loss:.3g} -> {run.losses[-1].loss:.3g}"
        return said + (f"; {run.nonfinite:,} losses not finite" if run.nonfinite else "")


def _times(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _replace_dropped(training: Training, dropped: int) -> Training:
    names = [name for name in Training.__slots__ if name != "dropped"]
    return Training(**{name: getattr(training, name) for name in names}, dropped=dropped)


def _run(record: Record) -> TrainingRun:
    return TrainingRun(
        number=record.count("number"),
        cell=record.count("cell"),
        by_hand=record.flag("by_hand") is True,
        optimizer=record.name("optimizer"),
        model=record.name("model"),
        parameters=record.count("parameters"),
        groups=record.count("groups"),
        steps=record.count("steps"),
        backwards=record.count("backwards"),
        cells=record.records("cells", _cell_steps),
        lr_first=record.number("lr_first"),
        lr_last=record.number("lr_last"),
        lr_least=record.number("lr_least"),
        lr_most=record.number("lr_most"),
        momentum=record.number("momentum"),
        weight_decay=record.number("weight_decay"),
        batch=record.count_or_none("batch"),
        batch_least=record.count_or_none("batch_least"),
        batch_most=record.count_or_none("batch_most"),
        losses=tuple(LossPoint(step, loss) for step, loss in record.pairs("losses", _MOST_POINTS)),
        losses_seen=record.count("losses_seen"),
        nonfinite=record.count("nonfinite"),
        steps_per_epoch=record.count_or_none("steps_per_epoch"),
        rate=record.number("rate"),
        between_s=record.number("between_s"),
        seconds=record.number("seconds"),
        change=record.number("change"),
        feeds=record.records("feeds", _feed),
    )


def _cell_steps(record: Record) -> CellSteps:
    return CellSteps(record.count("cell"), record.count("steps"), record.count("passes"))


def _feed(record: Record) -> Feed:
    return Feed(**{name: record.count(name) for name in Feed.__slots__})


def _part(record: Record) -> Part:
    return Part(
        name=record.name("name"),
        module=record.name("module"),
        items=record.count_or_none("items"),
        of=record.count_or_none("of"),
        train=record.flag("train"),
        split=record.name("split"),
        folders=record.names("folders"),
        like=record.name("like"),
    )


def _loader(record: Record) -> Loader:
    return Loader(
        number=record.count("number"),
        cell=record.count("cell"),
        kind=record.name("kind"),
        parts=record.records("parts", _part),
        batches=record.count_or_none("batches"),
        batch=record.count_or_none("batch"),
        sampler=record.name("sampler"),
    )


def _evaluation(record: Record) -> Evaluation:
    counts = "loader cell passes complete batches with_grad training_mode eval_mode last_order".split()
    return Evaluation(
        **{name: record.count(name) for name in counts},
        last_training=record.flag("last_training"),
        model=record.name("model"),
    )


def falls(run: TrainingRun) -> bool:
    """Whether the loss falls over the run's steps, beyond its noise (see `FALLS_TENTH`).

    False for fewer than `FALLS_FEWEST` losses: nothing can be said of them.
    """
    losses = [point.loss for point in run.losses]
    if len(losses) < FALLS_FEWEST:
        return False
    tenth = max(FALLS_FIRST, len(losses) // FALLS_TENTH)
    ending = losses[-tenth:]
    end = median(ending)
    spread = median(abs(loss - end) for loss in ending)
    return any(_stands_out(losses[:many], end, tenth, spread) for many in {tenth, FALLS_FIRST})


def _stands_out(beginning: list[float], end: float, ending: int, spread: float) -> bool:
    begin = median(beginning)
    error = _MEDIAN_ERROR * spread * math.sqrt(1 / len(beginning) + 1 / ending)
    return begin - end > max(FALLS_ERRORS * error, FALLS_SHARE * abs(begin))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the training in the running cell is, as the meter tells it once a second."""

    run: int
    cell: int
    by_hand: bool
    steps: int
    steps_in_cell: int
    passes_in_cell: int
    steps_per_epoch: int | None
    rate: float | None
    between_s: float | None
    elapsed_s: float | None
    loss: float | None

    @staticmethod
    def from_json(value: object) -> Progress | None:
        """None where it isn't one."""
        if type(value) is not dict:
            return None
        record = Record(value, Junk())
        return Progress(
            run=record.count("run"),
            cell=record.count("cell"),
            by_hand=record.flag("by_hand") is True,
            steps=record.count("steps"),
            steps_in_cell=record.count("steps_in_cell"),
            passes_in_cell=record.count("passes_in_cell"),
            steps_per_epoch=record.count_or_none("steps_per_epoch"),
            rate=record.number("rate"),
            between_s=record.number("between_s"),
            elapsed_s=record.number("elapsed_s"),
            loss=record.number("loss"),
        )


def predict(progress: Progress, epochs_asked: int, steps_done: int | None = None) -> float | None:
    """The seconds that the training still takes, or None where it can't be said.

    Steps still to come over the steps a second of late, and for each epoch still to come what the time
    between epochs, as a rule an evaluation, took so far. ``steps_done`` are the steps towards
    ``epochs_asked``; as a rule those in the running cell.
    """
    if not progress.steps_per_epoch or not progress.rate or progress.rate <= 0 or epochs_asked <= 0:
        return None
    done = progress.steps_in_cell if steps_done is None else steps_done
    left = max(0, epochs_asked * progress.steps_per_epoch - done)
    pauses = math.ceil(left / progress.steps_per_epoch) * max(0.0, progress.between_s or 0.0)
    return left / progress.rate + pauses
