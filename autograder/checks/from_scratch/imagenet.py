"""Whether a log is of ImageNet itself: 1,000 classes, 1,281,167 training and 50,000 validation images.

Tiny-ImageNet, mini-ImageNet and Imagenette are ImageNet's images, with 200, 100 and 10 classes, and go by its
name. What the log itself says is weighed in checks/logs/datasets.py. Here the rest is added: the options that
were given, the grain of the accuracies, and, where nothing else tells, names in the source and the README.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.checks.from_scratch.settings import Settings
from autograder.checks.logs.datasets import IMAGENET, PER_GPU, Witness, consistency
from autograder.checks.logs.found import TrainingLog
from autograder.text import quote

_ABOUT_DATA = ("name", "classes", "validation images", "training images", "first loss", "batches")
_SEEN_SMALL = 15  # accuracies of a coarser grain than 1/50,000: by chance once in 5^15
_TINY = 10_000  # validation images of Tiny-ImageNet
_OTHER_NAME = re.compile(
    r"tiny[-_ /]{0,2}image[-_ ]?net|image[-_ ]?nette|image[-_ ]?woof|mini[-_ ]?image[-_ ]?net"
    r"|(?<![\d,.])(?:\d{1,2}|[1-9]\d{2})[-\s]class(?:es)?\b[^.\n]{0,30}\bimage-?net"
    r"|\bimage-?net\b[^.\n]{0,30}(?<![\d,.])(?:\d{1,2}|[1-9]\d{2})[-\s]class(?:es)?\b"
    r"|\bsubset of (?:the )?image-?net"
    r"|image[-_ ]?net[-_ ]?(?:10|20|50|100|200|subset|mini|tiny)(?![0-9k])|\bIN-?100\b"
    r"|(?<![a-z])cifar-?100?\b",
    re.IGNORECASE,
)
_DATA_OPTIONS = ("data", "data_path", "data_dir", "dataset", "data_root", "root", "train_dir", "val_dir")
_CLASS_OPTIONS = ("num_classes", "n_classes", "nb_classes", "classes", "num_class")


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands beside the logs: the options, the Python sources, and the README's text."""

    settings: Settings
    sources: Mapping[str, str]
    readme: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """What speaks against ImageNet, what for it, and what is for a human; in sentences."""

    against: tuple[str, ...]
    pro: tuple[str, ...]
    doubts: tuple[str, ...]


def weigh(log: TrainingLog, facts: Facts) -> Kind:
    """Hold the log, and what stands beside it, against ImageNet's numbers."""
    found = consistency(log, IMAGENET)
    speaking = [one for one in found.witnesses if one.kind in _ABOUT_DATA and not _is_share(one, log)]
    pro = [one.text for one in speaking if one.speaks == "for" and one.weight != "weak"]
    witnesses = [one for one in speaking if one.speaks == "against"]
    strong = [one.text for one in witnesses if one.weight == "strong"]
    moderate = {one.kind: one.text for one in witnesses if one.weight == "moderate"}
    weak = [one.text for one in witnesses if one.weight == "weak"]
    given = list(_given(facts))
    against = [*strong, *(text for file, text in given if file == log.path)]
    _by_grain(log, pro, against)
    mentioned = [*(text for file, text in given if file != log.path), *_mentions(facts)]
    if against or len(moderate) > 1:
        against += moderate.values()
    elif not pro:
        against += [*moderate.values(), *mentioned]
        mentioned = []
    doubts = [*([] if against else moderate.values()), *weak, *mentioned]
    if not pro and not against:
        doubts.append("Nothing in the log tells how many classes or images it is about.")
    if log.split == "unknown":
        doubts.append("The log doesn't say that its accuracy was counted on validation images.")
    return Kind(tuple(against), tuple(pro), tuple(doubts))


def _is_share(witness: Witness, log: TrainingLog) -> bool:
    """Whether a count is one process's part of ImageNet's images: each of eight has 6,250."""
    images = log.images if witness.kind == "validation images" else log.train_images
    if witness.speaks == "for" or not witness.kind.endswith("images") or images is None:
        return False
    whole = IMAGENET.validation if witness.kind == "validation images" else IMAGENET.train
    exact = images.exact
    return exact is not None and any(abs(exact * parts - whole) <= parts for parts in PER_GPU[1:])


def _given(facts: Facts) -> Iterator[tuple[str, str]]:
    """Another data set by an option that was given: the file that says so, and a sentence."""
    for name in _DATA_OPTIONS:
        for option in facts.settings.given.get(name, ()):
            if _OTHER_NAME.search(option.value):
                yield option.file, f"{quote(option.file)} gives the data {quote(option.value, 80)}."
    for name in _CLASS_OPTIONS:
        for option in facts.settings.given.get(name, ()):
            number = option.value[:9]
            if number.isdecimal() and int(number) not in (IMAGENET.classes, IMAGENET.classes + 1):
                yield option.file, f"{quote(option.file)} says {int(number):,} classes."


def _mentions(facts: Facts) -> Iterator[str]:
    """Another data set's name beside the log, which counts where nothing else tells."""
    for path, source in facts.sources.items():
        for line in source.split("\n")[:5_000]:
            code = line.partition("#")[0][:400]
            if found := _OTHER_NAME.search(code):
                yield f"{quote(path)} names {quote(found[0])}."
                break
    if found := _OTHER_NAME.search(facts.readme):
        yield f"The README names {quote(found[0])}."


def _by_grain(log: TrainingLog, pro: list[str], against: list[str]) -> None:
    """Accuracies on 50,000 images are multiples of 0.002 %, on Tiny-ImageNet's 10,000 of 0.01 %."""
    fine = [epoch.top1 for epoch in log.evaluated if epoch.top1 and epoch.digit and epoch.digit <= 1.1e-5]
    if len(fine) < _SEEN_SMALL:
        return
    if _multiples(fine, _TINY):
        against.append("Every accuracy is a multiple of 1/10,000, as on Tiny-ImageNet's 10,000 images.")
    elif _multiples(fine, IMAGENET.validation):
        pro.append("Every accuracy is a multiple of 1/50,000.")


def _multiples(values: Sequence[float], of: int) -> bool:
    return all(abs(value * of - round(value * of)) < 0.05 for value in values)
