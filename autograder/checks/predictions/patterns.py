"""Mistakes that whole files of predictions show: labels beside the wrong images, classes under wrong numbers.

What a student reads here follows from the file and from the answers of the public part, never from those of
the hidden part. A mistake is named only if it explains far more right answers than the file has as it is, or
if it can be seen without any answer. So a weak network, however odd its predictions, is told nothing wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from autograder.checks.predictions.answered import FEWEST, Answered, Finding, Labels, Pattern, Rows
from autograder.checks.predictions.misplaced import misplaced
from autograder.checks.predictions.renumbered import renumbering

__all__ = ["Finding", "Pattern", "patterns"]

_LONGEST_PERIOD = 100  # rows after which typed-in labels begin again
_NEARLY_ALL = 0.995
_LIKE_THE_TRUTH = 0.2  # how far the classes' shares may be from the true ones to be called right
_CALLED = 0.2  # of its true share is how often each other class must occur if one is missing
_BLOCKS = 0.1  # how much more often than by chance neighbours must agree
_ENOUGH = 10_000  # public images that are looked at; more would say the same


def patterns(
    predicted: Labels,
    public: Rows,
    truth: Labels,
    classes: Sequence[str],
    ids: Iterable[str] | None = None,
) -> tuple[Finding, ...]:
    """What the predictions look like, if they look like a known mistake.

    ``predicted`` are the labels of all images by the ids' order, ``public`` the positions of the public
    images, ``truth`` their classes; ``ids``, if they aren't 0, 1, 2 and so on.
    """
    if public.shape != truth.shape or not len(truth) or predicted.ndim != 1:
        raise ValueError(f"{predicted.shape} predictions, {public.shape} positions of {truth.shape} answers")
    if len(truth) > _ENOUGH:
        some = np.random.default_rng(0).choice(len(truth), _ENOUGH, replace=False)
        public, truth = public[some], truth[some]
    file = Answered(predicted, public, truth, tuple(classes))
    if (found := _constant(file)) is not None:
        return (found,)
    if len(truth) < FEWEST:
        return ()
    if (found := _typed_in(file)) is not None:
        return (found,)
    findings = [one for one in (misplaced(file, ids), _renumbered(file), _missing(file)) if one is not None]
    return tuple(findings) or tuple(filter(None, [_in_blocks(file) or _shuffled(file)]))


def _constant(file: Answered) -> Finding | None:
    called = file.called
    commonest = int(called.argmax())
    if called[commonest] < _NEARLY_ALL or file.accuracy > _NEARLY_ALL:
        return None
    count = int((file.predicted == commonest).sum())
    many = f"All {count:,}" if count == len(file.predicted) else f"{count:,} of {len(file.predicted):,}"
    return Finding(
        Pattern.CONSTANT,
        f"{many} images are given the class {file.shown(commonest)}. Next: see that argmax goes over "
        "the classes and not over the images, that the images are normalised as in training, that the loss "
        "didn't become NaN, that the trained weights were loaded, and that this isn't a sample file.",
    )


def _typed_in(file: Answered) -> Finding | None:
    """Labels that follow the rows and not the images. Where the images do so too, they are right."""
    if file.accuracy >= (1 + file.guessed) / 2:
        return None
    labels = file.predicted
    steps = np.diff(labels.astype(np.int64))
    if (steps >= 0).all() or (steps <= 0).all():
        return Finding(
            Pattern.SORTED,
            "The labels are sorted along the ids: all images of one class, then all of the next. Next: sort "
            "whole rows, by the id, and never a column alone.",
        )
    for period in range(2, min(_LONGEST_PERIOD, len(labels) // 4) + 1):
        if (labels[:-period] == labels[period:]).all():
            return Finding(
                Pattern.PERIODIC,
                f"The labels begin again after every {period} rows, so they can't come from the images. "
                "Next: write the class that the network predicts for each image, not its row's number or the "
                "first batch again.",
            )
    return None


def _renumbered(file: Answered) -> Finding | None:
    found = renumbering(file.predicted[file.public], file.truth, file.classes)
    return None if found is None else Finding(Pattern.RENUMBERED, found)


def _missing(file: Answered) -> Finding | None:
    """One class that never occurs in a file that is good otherwise."""
    missing = np.flatnonzero((file.called == 0) & (file.true > 0))
    if len(missing) != 1 or len(file.classes) < 3:
        return None
    lacking = int(missing[0])
    others = file.truth != lacking
    if int((~others).sum()) < 10 or not others.any() or file.right[others].mean() < 0.5:
        return None
    if (np.delete(file.called, lacking) < _CALLED * np.delete(file.true, lacking)).any():
        return None  # others are nearly missing too, as in weak networks and among a thousand classes
    return Finding(
        Pattern.CLASS_MISSING,
        f"No image is given the class {file.shown(lacking)}, and the other classes are recognised well. "
        f"Next: see that the network has {len(file.classes)} outputs and was trained on this class too.",
    )


def _in_blocks(file: Answered) -> Finding | None:
    called = file.called
    agree = float((file.predicted[1:] == file.predicted[:-1]).mean())
    if not file.tells_nothing or agree < float(called @ called) + _BLOCKS:
        return None
    return Finding(
        Pattern.BLOCKS,
        "About as many labels are right as by guessing, and neighbouring rows have the same label far more "
        "often than the images do. That is how it looks if the images came sorted by class, as ImageFolder "
        "reads them. Next: write each label beside the id of the image that it was predicted for.",
    )


def _shuffled(file: Answered) -> Finding | None:
    apart = float(np.abs(file.called - file.true).sum()) / 2
    if not file.tells_nothing or apart > _LIKE_THE_TRUTH:
        return None
    return Finding(
        Pattern.SHUFFLED,
        "About as many labels are right as by guessing, though each class occurs about as often as it "
        "should. That is how it looks if the labels stand beside the wrong images. Next: predict with "
        "shuffle=False and take the ids in the same order; and see that the trained weights were loaded.",
    )
