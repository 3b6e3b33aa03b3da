"""Which data set a log is of: what speaks for the one it is said to be, and what against.

ImageNet has 1,000 classes, 1,281,167 training and 50,000 validation images, and a network that has learned
nothing has a loss of ln 1,000 = 6.9 on it. Tiny-ImageNet has 200 classes and ln 200 = 5.3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autograder.checks.logs.found import Hint, Images, Suspicion, TrainingLog, Weight
from autograder.checks.logs.hardware import fastest_images_s

Speaks = Literal["for", "against"]


@dataclass(frozen=True, slots=True)
class DataSet:
    """``names``: how paths and arguments spell it, letters and digits alone."""

    title: str
    classes: int
    train: int
    validation: int
    names: str = ""


IMAGENET = DataSet(
    "ImageNet",
    1000,
    1_281_167,
    50_000,
    r"imagenet|imagenet1k|imagenet2012|ilsvrc|ilsvrc201[2-7]|ilsvrc2012imagenet",
)
OTHERS = (
    DataSet("Tiny-ImageNet", 200, 100_000, 10_000, r"tinyimagenet(?:200)?|imagenet200"),
    DataSet("mini-ImageNet", 100, 60_000, 12_000, r"miniimagenet"),
    DataSet("ImageNet-100", 100, 126_689, 5_000, r"imagenet100"),
    DataSet("Imagenette", 10, 9_469, 3_925, r"imagenette2?(?:160|320)?"),
    DataSet("ImageWoof", 10, 9_025, 3_929, r"imagewoof2?(?:160|320)?"),
    DataSet("CIFAR-100", 100, 50_000, 10_000, r"cifar100"),
    DataSet("CIFAR-10", 10, 50_000, 10_000, r"cifar(?:10)?"),
    DataSet("MNIST", 10, 60_000, 10_000, r"(?:fashion|k|e)?mnist"),
    DataSet("STL-10", 10, 5_000, 8_000, r"stl10"),
)
LOSS_ABOVE = 0.5  # a first loss may be so much above ln(classes): the last layer's initial weights
LOSS_BELOW = 0.15
FIRST_EPOCH_HIGH = 0.45  # top-1 after one epoch of ImageNet from random weights stays below
FIRST_EPOCH_PRETRAINED = 0.6
MOST_TIMES_BATCH = 4.5  # evaluated in batches so much smaller than those of training
FEWEST_BATCHES = 8
FAST_EPOCH_S = 30.0  # an epoch of ImageNet on eight of the fastest GPUs takes more
PER_GPU = (1, 2, 4, 8, 16, 32, 64)  # a printed batch size may be that of one process


@dataclass(frozen=True, slots=True)
class Witness:
    """One observation about the data set; ``speaks`` for or against it."""

    text: str
    line: int
    speaks: Speaks
    weight: Weight
    kind: str


@dataclass(frozen=True, slots=True)
class Consistency:
    """What a log says about the data set that it is said to be of. Claimed, whatever it says."""

    dataset: DataSet
    witnesses: tuple[Witness, ...]

    @property
    def speaks_for(self) -> tuple[Witness, ...]:
        return tuple(one for one in self.witnesses if one.speaks == "for")

    @property
    def speaks_against(self) -> tuple[Witness, ...]:
        return tuple(one for one in self.witnesses if one.speaks == "against")

    @property
    def contradicted(self) -> bool:
        """A strong witness against it, or two moderate ones of different kinds."""
        against = self.speaks_against
        moderate = {one.kind for one in against if one.weight == "moderate"}
        return any(one.weight == "strong" for one in against) or len(moderate) >= 2

    @property
    def consistent(self) -> bool:
        """Nothing of weight against it, and more than a name for it."""
        backed = any(one.weight != "weak" for one in self.speaks_for)
        return backed and not any(one.weight != "weak" for one in self.speaks_against)


def consistency(log: TrainingLog, dataset: DataSet = IMAGENET) -> Consistency:
    """All that a log says for and against ``dataset``."""
    found = [
        *_names(log, dataset),
        *_classes(log, dataset),
        *_sizes(log, dataset),
        *_ratio(log, dataset),
        *_beginning(log, dataset),
        *_early(log, dataset),
        *_speed(log, dataset),
    ]
    return Consistency(dataset, tuple(found))


def _witness(text: str, line: int, speaks: Speaks, weight: Weight, kind: str) -> Witness:
    return Witness(text, line, speaks, weight, kind)


def _names(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    own: Hint | None = None
    others: dict[str, Hint] = {}
    for hint in log.hinted("dataset"):
        name = re.sub(r"[^a-z0-9]", "", hint.text)
        if dataset.names and re.fullmatch(dataset.names, name):
            own = own or hint
            continue
        for other in OTHERS:
            if re.fullmatch(other.names, name):
                others.setdefault(other.title, hint)
    if own is not None:
        yield _witness(f"It names {own.text!r}.", own.line, "for", "weak", "name")
    for title, hint in others.items():
        # A folder "imagenet" beside "tiny-imagenet-200" is the folder that holds it.
        weight: Weight = "strong" if "ImageNet" in title or own is None else "moderate"
        yield _witness(f"It names {hint.text!r}, which is {title}.", hint.line, "against", weight, "name")


def _classes(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    if log.classes is None:
        return
    hint = log.hinted("classes")[-1]
    if log.classes == dataset.classes:
        yield _witness(f"It says {log.classes:,} classes.", hint.line, "for", "moderate", "classes")
    elif log.classes != dataset.classes + 1:
        text = f"It says {log.classes:,} classes; {dataset.title} has {dataset.classes:,}"
        yield _witness(f"{text}{_whose(classes=log.classes)}.", hint.line, "against", "strong", "classes")


def _whose(*, classes: int = 0, validation: int = 0, train: int = 0) -> str:
    titles = [
        one.title
        for one in OTHERS
        if (classes and one.classes == classes)
        or (validation and one.validation == validation)
        or (train and one.train == train)
    ]
    return f" (as {' or '.join(titles[:3])} has)" if titles else ""


def _sizes(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    for what, images, wanted in (
        ("validation", log.images, dataset.validation),
        ("training", log.train_images, dataset.train),
    ):
        if images is None:
            continue
        kind = f"{what} images"
        if images.exact is not None:
            if images.exact == wanted:
                text = f"It counts {wanted:,} {what} images ({images.how})."
                yield _witness(
                    text, images.line, "for", "moderate" if what == "validation" else "strong", kind
                )
            else:
                whose = _whose(**{("validation" if what == "validation" else "train"): images.exact})
                text = (
                    f"It counts {images.exact:,} {what} images ({images.how}); {dataset.title} has {wanted:,}"
                )
                yield _witness(f"{text}{whose}.", images.line, "against", _off(images.exact, wanted), kind)
        else:
            yield _by_batches(images, what, wanted, dataset, kind)


def _off(found: int, wanted: int) -> Weight:
    """A padded or cut set is off by little; part of the training set may have been held out."""
    return "weak" if abs(found - wanted) <= 0.06 * wanted else "strong"


def _by_batches(images: Images, what: str, wanted: int, dataset: DataSet, kind: str) -> Witness:
    if images.holds(wanted):
        return _witness(f"{images.how} hold {wanted:,} {what} images.", images.line, "for", "moderate", kind)
    for processes in PER_GPU[1:]:
        if Images(images.low * processes, images.high * processes, "").holds(wanted):
            text = f"{images.how} on each of {processes} processes would hold {wanted:,} {what} images."
            return _witness(text, images.line, "for", "weak", kind)
    text = (
        f"{images.how} are between {images.low:,} and {images.high:,} {what} images; "
        f"{dataset.title} has {wanted:,}."
    )
    return _witness(text, images.line, "against", "moderate", kind)


def _ratio(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    """Batches of training beside those of evaluation: ImageNet has 26 training images to one."""
    if log.batches is None:
        return
    train, evaluated = log.batches
    least = dataset.train / dataset.validation / MOST_TIMES_BATCH
    if min(train, evaluated) >= FEWEST_BATCHES and train / evaluated < least:
        text = (
            f"It counts {train:,} batches of training beside {evaluated:,} of evaluation. With batches of "
            f"one size it trains on {train / evaluated:.2g} images for each one that it evaluates on; "
            f"{dataset.title} has {dataset.train / dataset.validation:.0f}."
        )
        yield _witness(text, log.epochs[0].line, "against", "weak", "batches")


def _beginning(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    start = log.beginning
    if start is not None and start.top1 is not None and start.top1 > max(10 / dataset.classes, 0.05):
        text = (
            f"Before the first epoch the accuracy was {100 * start.top1:.4g} %, where chance gives "
            f"{100 / dataset.classes:.3g} %."
        )
        yield _witness(text, start.line, "against", "strong", "begins trained")
    if start is None or start.loss is None or log.resumed_from[:1] == (log.epochs[0].number,):
        return
    expected = math.log(dataset.classes)
    shown = f"The loss of the first batch is {start.loss:.4g}"
    if expected - LOSS_BELOW <= start.loss <= expected + LOSS_ABOVE:
        text = (
            f"{shown}, as it is with {dataset.classes:,} classes and random weights (ln "
            f"{dataset.classes:,} = {expected:.2f})."
        )
        yield _witness(text, start.line, "for", "moderate", "first loss")
    elif start.loss < expected - LOSS_BELOW and log.epochs[0].number <= 1:
        near = [one for one in OTHERS if abs(start.loss - math.log(one.classes)) < 0.25]
        whose = (
            f"; ln {near[0].classes} = {math.log(near[0].classes):.2f}, as for {near[0].title}"
            if near
            else ""
        )
        text = (
            f"{shown}; with {dataset.classes:,} classes and random weights it is about {expected:.2f}{whose}."
        )
        yield _witness(text, start.line, "against", "moderate", "first loss")


def _early(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    for hint in log.hinted("pretrained"):
        yield _witness(
            f"A line speaks of weights that came ready: {hint.text!r}.",
            hint.line,
            "against",
            "strong",
            "pre-trained",
        )
        break
    first = log.epochs[0]
    if first.number > 1 or dataset.classes < 1000:
        return
    if first.top1 is not None and first.top1 >= FIRST_EPOCH_HIGH:
        weight: Weight = "strong" if first.top1 >= FIRST_EPOCH_PRETRAINED else "moderate"
        text = (
            f"After its first epoch it has {100 * first.top1:.4g} % top-1; random weights come "
            "to some 10 to 35 %. "
            "It may have begun with trained weights."
        )
        yield _witness(text, first.line, "against", weight, "high first epoch")


def _speed(log: TrainingLog, dataset: DataSet) -> Iterator[Witness]:
    took = sorted(one.seconds for one in log.epochs if one.seconds is not None and one.seconds > 0)
    if len(took) < 3:
        return
    middle = took[len(took) // 2]
    speed = dataset.train / middle
    machine = fastest_images_s(log)
    shown = f"An epoch takes {middle:,.0f} s, so {speed:,.0f} images a second if it is {dataset.title}"
    if machine is not None and speed > machine.images_s:
        text = f"{shown}; {machine.name} do at most about {machine.images_s:,.0f}."
        yield _witness(text, machine.line, "against", "moderate", "too fast")
    elif dataset.train > 1_000_000 and middle < FAST_EPOCH_S:
        text = f"{shown}; eight of the fastest GPUs do not."
        yield _witness(text, log.epochs[0].line, "against", "strong", "too fast")
    elif machine is not None:
        text = f"{shown}, which {machine.name} can do."
        yield _witness(text, machine.line, "for", "weak", "speed")


def suspicions(found: Consistency) -> Iterator[Suspicion]:
    """The witnesses against, as suspicions."""
    for one in found.speaks_against:
        yield Suspicion(one.text, one.line, one.weight, one.kind)
