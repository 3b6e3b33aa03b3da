"""What is suspicious about a log, for staff. A list of reasons to look, and never a verdict alone."""

from __future__ import annotations

from collections.abc import Iterable

from autograder.checks.logs.clocks import clocks, missing
from autograder.checks.logs.counts import contradictions, multiples
from autograder.checks.logs.curves import apart, impossible, smooth
from autograder.checks.logs.datasets import DataSet, consistency, suspicions
from autograder.checks.logs.fingerprints import Fingerprint, compare, fingerprint
from autograder.checks.logs.found import Suspicion, TrainingLog, Weight
from autograder.checks.logs.published import published
from autograder.text import quote

MOST_SUSPICIONS = 60
_ORDER: dict[Weight, int] = {"strong": 0, "moderate": 1, "weak": 2}


def forensics(
    log: TrainingLog, *, known: Iterable[Fingerprint] = (), dataset: DataSet | None = None
) -> tuple[Suspicion, ...]:
    """Everything that doesn't fit, the weightiest first.

    ``known``: the curves of other students. ``dataset``: what the log is said to be of; without it nothing is
    asked about its size.
    """
    found = [
        *contradictions(log),
        *multiples(log, dataset.validation if dataset else None),
        *missing(log),
        *clocks(log),
        *impossible(log),
        *apart(log),
        *smooth(log),
        *published(log),
        *_copies(log, known),
    ]
    if dataset is not None and log.epochs:
        found += suspicions(consistency(log, dataset))
    return tuple(sorted(found, key=lambda one: (_ORDER[one.weight], one.line)))[:MOST_SUSPICIONS]


def _copies(log: TrainingLog, known: Iterable[Fingerprint]) -> Iterable[Suspicion]:
    own = fingerprint(log)
    for other in known:
        like = compare(own, other)
        if like is None:
            continue
        whose = f" of {quote(other.label)}" if other.label else " of another submission"
        moved = f", {abs(like.offset)} epochs apart" if like.offset else ""
        added = ", after a constant was added" if like.shifted else ""
        weight: Weight = "strong" if like.share > 0.9 and not like.shifted else "moderate"
        yield Suspicion(
            f"{like.same} of {like.beside} values of {like.curve} are "
            f"those{whose}{moved}{added}. The same code with the same "
            "seed can give the same values.",
            log.epochs[0].line if log.epochs else 0,
            weight,
            "curve of another",
        )
