"""Files of predictions that make the same mistakes, listed for staff to look at. Never points off.

Right answers are the same in all good files, so only wrong ones are compared: of the file with fewer wrong
answers, how many does the other give in the same words? From that is taken what two files share because they
mix up the same classes, answering each image by itself as often as each does ("cat" for "dog", or one class
for everything). What is left, as a share of what could be left, is the agreement: 0 for files that have no
more in common than that, 1 for identical ones.

Where the null comes from. Networks that were trained apart do not answer independently: some images are hard
for all. So an agreement is held against the other pairs of the same class, by the median and the median
deviation, on the scale of logits where such shares spread evenly. Of too few files there is no such
distribution; then what was measured for this module stands in its place, trainings on CIFAR-10 that differ in
the seed (see the constants). The same code with the same seed, or the same pre-trained weights with little
training of one's own, agree as much as copies do. So a listing is a question and no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autograder.text import one_line

Labels = NDArray[np.integer]
Floats = NDArray[np.float64]

# Measured on CIFAR-10's 10,000 test images, for networks of five kinds (a linear one to three convolutions,
# 39 to 72 % right), trained two or three times each with other seeds: the 13 pairs agree to 0.28 to 0.58.
# Fine-tuned apart from the same weights: 0.52 to 0.58 after an epoch at the usual rate, 0.90 at a tenth of
# it. A copy with 10 % of its labels redrawn: 0.91, with 20 %: 0.81. From the same seed, with a learning rate
# 1.2 times as high: 0.82, twice as high: 0.55, with 15 % more steps: 0.63, with wider layers: 0.59.
USUAL = 0.45
USUAL_SPREAD = 0.4  # standard deviation in logits
_DEVIATIONS = 4.5  # above the usual, in such spreads, to be listed
_FEWEST_PAIRS = 15  # that make a distribution: of six files
_NEVER_BELOW, _ALWAYS_FROM = 0.70, 0.80  # where listing may begin at the earliest, and begins at the latest
_FEWEST_ERRORS = 20  # that could be shared beyond what classes explain; fewer say nothing ...
_FEWEST_IDENTICAL = 3  # ... but of files that are the same throughout
_EDGE = 1e-3  # keeps logits finite


@dataclass(frozen=True, slots=True)
class Similar:
    """Two files that agree in their wrong answers more than others do.

    Of ``wrong`` answers, in the file with fewer, the other has ``same_wrong`` alike; ``by_classes`` would be
    expected from the classes that both mix up. ``agreement`` is the share beyond that, ``usual`` what other
    pairs have, ``deviations`` how many spreads of theirs lie between.
    """

    a: str
    b: str
    same_wrong: int
    wrong: int
    by_classes: float
    agreement: float
    usual: float
    deviations: float
    identical: bool
    told: str


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Each by two files' numbers."""

    same: Floats
    by_classes: Floats
    fewer: Floats
    identical: NDArray[np.bool_]
    agreement: Floats = field(init=False)

    def __post_init__(self) -> None:
        room = self.fewer - self.by_classes
        known = np.full(room.shape, np.nan)
        least = np.where(self.identical, _FEWEST_IDENTICAL, _FEWEST_ERRORS)
        np.divide(self.same - self.by_classes, room, out=known, where=room >= least)
        object.__setattr__(self, "agreement", known)


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """A file that is not ranked: an earlier one of ``owner``'s, which is called ``name``."""

    owner: str
    name: str
    labels: Labels


def similarity(
    entries: Mapping[str, Labels],
    truth: Labels,
    independents: Mapping[str, Labels] | None = None,
    others: Iterable[Other] = (),
) -> tuple[Similar, ...]:
    """The pairs of ``entries`` to look at, the most alike first.

    ``independents`` are files that are known to be made apart, such as the staff's: they count among the
    others of the class, and a pair of two of them is never listed. ``others`` are held against the entries of
    everybody but their owner, and play no part in what is usual, since the files of one owner are much alike.
    """
    apart = independents or {}
    names = [*entries, *(name for name in apart if name not in entries)]
    files = [entries[name] if name in entries else apart[name] for name in names]
    if any(labels.shape != truth.shape for labels in files):
        raise ValueError(f"each file needs a label for each of the {truth.size} images")
    if len(files) < 2:
        return ()
    pairs = _compare(files, truth)
    usual, spread = _usual(pairs.agreement[np.triu_indices(len(files), 1)])
    least = _sigmoid(_logit(usual) + _DEVIATIONS * spread)
    least = min(max(least, _NEVER_BELOW), _ALWAYS_FROM)
    found = [
        _similar(names, pairs, (a, b), (usual, spread))
        for a, b in combinations(range(len(files)), 2)
        if pairs.agreement[a, b] >= least and (names[a] in entries or names[b] in entries)
    ]
    found += _among_others(entries, truth, others, least, (usual, spread))
    return tuple(sorted(found, key=lambda one: (-one.agreement, one.a, one.b)))


def _among_others(
    entries: Mapping[str, Labels],
    truth: Labels,
    others: Iterable[Other],
    least: float,
    null: tuple[float, float],
) -> Iterator[Similar]:
    wrong = {name: labels != truth for name, labels in entries.items()}
    errors = {name: int(np.count_nonzero(places)) for name, places in wrong.items()}
    for other in others:
        its_errors = int(np.count_nonzero(other.labels != truth))
        for name, labels in entries.items():
            same = int(np.count_nonzero((labels == other.labels) & wrong[name]))
            # What classes explain lowers an agreement further, so most pairs need no second look.
            if name == other.owner or same < least * min(errors[name], its_errors):
                continue
            pairs = _compare([labels, other.labels], truth)
            if pairs.agreement[0, 1] >= least:
                yield _similar([name, other.name], pairs, (0, 1), null)


def agreements(entries: Mapping[str, Labels], truth: Labels) -> NDArray[np.float64]:
    """The agreement of each pair, by the files' numbers; NaN where there are too few errors to tell."""
    return _compare(list(entries.values()), truth).agreement


def _compare(files: list[Labels], truth: Labels) -> _Pairs:
    count = len(files)
    same, identical = np.zeros((count, count)), np.eye(count, dtype=bool)
    wrong = [labels != truth for labels in files]
    for a, b in combinations(range(count), 2):
        alike = files[a] == files[b]
        identical[a, b] = identical[b, a] = alike.all()
        same[a, b] = same[b, a] = np.count_nonzero(alike & wrong[a])
    errors = np.array([np.count_nonzero(one) for one in wrong], dtype=float)
    np.fill_diagonal(same, errors)
    return _Pairs(same, _by_classes(files, truth), np.minimum.outer(errors, errors), identical)


def _by_classes(files: list[Labels], truth: Labels) -> Floats:
    """How many wrong answers two files share that draw each answer by its image's class alone."""
    classes = 1 + max(int(truth.max()), *(int(labels.max()) for labels in files))
    images = np.bincount(truth, minlength=classes).astype(float)
    present = np.flatnonzero(images)
    tables = []
    for labels in files:
        codes = truth.astype(np.int64) * classes + labels
        table = np.bincount(codes, minlength=classes * classes).reshape(classes, classes).astype(float)
        np.fill_diagonal(table, 0.0)
        tables.append((table[present] / np.sqrt(images[present, None])).ravel())
    stacked = np.array(tables)
    shared: Floats = stacked @ stacked.T
    return shared


def _usual(agreement: Floats) -> tuple[float, float]:
    """The middle of the pairs' agreement, and their spread in logits."""
    known = agreement[~np.isnan(agreement)]
    if len(known) < _FEWEST_PAIRS:
        return USUAL, USUAL_SPREAD
    logits = np.array([_logit(float(one)) for one in known])
    middle = float(np.median(logits))
    spread = 1.4826 * float(np.median(np.abs(logits - middle)))  # of a normal distribution
    return _sigmoid(middle), max(spread, USUAL_SPREAD / 2)


def _similar(names: list[str], pairs: _Pairs, pair: tuple[int, int], null: tuple[float, float]) -> Similar:
    a, b = pair
    usual, spread = null
    agreement = float(pairs.agreement[pair])
    same, fewer = int(pairs.same[pair]), int(pairs.fewer[pair])
    by_classes = float(pairs.by_classes[pair])
    identical = bool(pairs.identical[pair])
    deviations = (_logit(agreement) - _logit(usual)) / spread
    alike = "are identical" if identical else "are nearly alike"
    told = (
        f"{one_line(names[a])} and {one_line(names[b])} {alike}: of {fewer:,} wrong answers {same:,} are the "
        f"same. Their classes explain {by_classes:,.0f}; beyond that they agree to {100 * agreement:.0f} %, "
        f"where {100 * usual:.0f} % is usual ({deviations:.1f} spreads above). A copy looks like this, and "
        "so do the same code with the same seed and the same pre-trained weights."
    )
    return Similar(names[a], names[b], same, fewer, by_classes, agreement, usual, deviations, identical, told)


def _logit(share: float) -> float:
    share = min(max(share, _EDGE), 1 - _EDGE)
    return math.log(share / (1 - share))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
