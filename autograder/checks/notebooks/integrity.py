"""Whether a notebook's network was trained on the training set alone, and on nothing that came ready.

Two witnesses: the source, which is read and never run, and the meter, which saw the training. What either is
sure of breaks the rule, with the line or the loader that says so. What they only suspect is for a human, and
costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.encoded import numbers_in_code
from autograder.checks.notebooks.source_facts import LeakKind, Named, Place, SourceFacts
from autograder.handed_notebook import NotebookWork
from autograder.outcome import CheckFailed, Evidence
from autograder.sandbox.notebook import NotebookRun
from autograder.sandbox.training import Part, Training

# Data sets of torchvision's that are surely not the one that is asked for.
_OTHERS = frozenset(
    "CIFAR100 SVHN STL10 MNIST FashionMNIST KMNIST EMNIST QMNIST ImageNet Caltech101 Caltech256 Flowers102 "
    "Food101 OxfordIIITPet Places365 GTSRB Imagenette CINIC10".split()
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks against it; ``certain``: it is sure. ``where`` names a line or a cell.

    ``uncounted``: whatever it is, an accuracy that we counted is not that of a training we saw.
    """

    text: str
    where: str
    certain: bool
    evidence: Evidence
    hint: str = ""
    uncounted: bool = False


def findings(work: NotebookWork, dataset: str) -> tuple[Finding, ...]:
    """What speaks against a training on ``dataset``'s training set alone, the sure things first.

    Only the source is asked where the notebook wasn't run, or where what it came with counts.
    """
    run = work.run if not work.why_stored else None
    found = [*of_source(work.source, dataset)]
    carried = numbers_in_code(work.stored)
    if carried is not None:
        text = f"A cell holds {carried.what}: weights that were trained elsewhere can be carried in that way."
        found.append(Finding(text, f"cell {carried.cell}", False, Evidence.CLAIMED))
    if run is not None:
        found += of_run(run, work.source, dataset)
    return tuple(sorted(found, key=lambda one: not one.certain))


def require_training_set_alone(against: Sequence[Finding], *, counted: bool = False) -> None:
    """Raise CheckFailed for the first sure finding; ``counted``: an accuracy of ours depends on it."""
    for finding in against:
        if finding.certain or (counted and finding.uncounted):
            raise CheckFailed(f"{finding.text} ({finding.where})", hint=finding.hint)


def of_source(source: SourceFacts, dataset: str) -> Iterator[Finding]:
    """What the source says."""
    for leak in source.leaks:
        # A name may mislead, and what is put together may never be trained on: only a training counts.
        breaks = leak.kind is LeakKind.TRAINED_ON_TEST
        yield _claimed(leak.why, leak.place, certain=leak.certain and breaks, hint=_HINTS.get(leak.kind, ""))
    for named in source.pretrained:
        text = f"The network begins with weights that were not trained here: {named.name}."
        yield _claimed(text, named.place, certain=named.certain, hint=_PRETRAINED)
    for named in _weights_fetched(source.downloads):
        yield _claimed(f"A file is downloaded: {named.name}.", named.place, certain=False)
    for use in source.trained_on:
        if use.name in _OTHERS and use.name != dataset:
            text = f"It is trained on {use.name}, where {dataset} alone is asked for."
            yield _claimed(text, use.place, certain=False)


def _weights_fetched(downloads: Sequence[Named]) -> Iterator[Named]:
    return (one for one in downloads if one.name.lower().split("?")[0].endswith(_OF_WEIGHTS))


_OF_WEIGHTS = (".pt", ".pth", ".ckpt", ".h5", ".keras", ".safetensors", ".bin", ".npz", ".pkl")


def of_run(run: NotebookRun, source: SourceFacts, dataset: str) -> Iterator[Finding]:
    """What was seen of the training while it ran."""
    training = run.training
    for trained in training.runs:
        if not trained.trains:
            continue
        for loader in training.fed_by(trained, "test"):
            text = f"While it ran, the network was trained on {loader.text}."
            yield Finding(text, f"cell {trained.cell}", True, Evidence.MEASURED, _TRAIN_ALONE)
        for part in _fed(training, trained.number):
            if part.name in _OTHERS and part.name != dataset:
                text = f"While it ran, the network was trained on {part.text}; {dataset} alone is asked for."
                yield Finding(text, f"cell {trained.cell}", True, Evidence.MEASURED, _TRAIN_ALONE)
    if training.longest is None:
        yield _untrained(run, source)


def _fed(training: Training, number: int) -> Iterator[Part]:
    trained = next(one for one in training.runs if one.number == number)
    loaders = (training.loader(feed.loader) for feed in trained.feeds if feed.proven)
    return (part for loader in loaders if loader is not None for part in loader.parts)


def _untrained(run: NotebookRun, source: SourceFacts) -> Finding:
    """Nothing was seen to train: sure where the whole notebook ran, in the library that the meter knows."""
    seen = not run.training.errors and "torch" in source.frameworks
    where = f"cell {run.first_problem.number}" if run.first_problem is not None else "the whole notebook"
    return Finding(
        "While it ran, no training step was seen.",
        where,
        seen and run.whole,
        Evidence.MEASURED,
        "Let the notebook itself train the network; weights that were trained elsewhere don't count.",
        uncounted=seen,
    )


def _claimed(text: str, place: Place, *, certain: bool, hint: str = "") -> Finding:
    return Finding(text, place.describe(), certain, Evidence.CLAIMED, hint)


_TRAIN_ALONE = "Train on the training set alone, and keep the test set for the test."
_PRETRAINED = "Begin with random weights, for example with weights=None."
_HINTS = {
    LeakKind.TRAINED_ON_TEST: _TRAIN_ALONE,
    LeakKind.MIXED: _TRAIN_ALONE,
    LeakKind.TRAIN_IS_TEST: "Build the training set with train=True.",
    LeakKind.TEST_IS_TRAIN: "Build the test set with train=False.",
}
