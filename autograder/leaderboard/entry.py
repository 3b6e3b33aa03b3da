"""One entry of a challenge: what a team handed in, and what it came to."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from autograder.outcome import GraderFault, UsageError
from autograder.text import clean, quote

MAX_NAME_CHARS = 200


@dataclass(frozen=True, slots=True, eq=False)
class NewEntry:
    """An entry to be kept. ``labels`` are the predictions in the order of the manifest's ids."""

    challenge: str
    team: str
    at: datetime  # when it was handed in, which is not when it was graded
    digest: str  # SHA-256 of the file
    public: float
    private: float
    shown: float  # the public score as students see it
    metrics: Mapping[str, float]
    labels: NDArray[np.int16]
    points: Mapping[str, float]  # by the test's key
    fault: bool = False  # the grading broke by our fault: kept, but it never counts


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is kept. Its labels are many, and come only when asked for: ``Store.labels``."""

    id: int
    challenge: str
    team: str
    at: datetime
    received: datetime  # when the store wrote it
    digest: str
    public: float
    private: float
    shown: float
    metrics: Mapping[str, float]
    points: Mapping[str, float]
    fault: bool = False


class OverLimit(Exception):
    """The team has used up its submissions. ``standing`` is the entry that goes on counting."""

    def __init__(self, next_at: datetime, count: int, standing: Entry | None) -> None:
        super().__init__(f"{count} submissions in the window; the next is possible at {next_at.isoformat()}")
        self.next_at, self.count, self.standing = next_at, count, standing


def known_as(name: str, what: str) -> str:
    """A name as the store knows it: what looks the same is the same, and no database refuses it."""
    known = " ".join(unicodedata.normalize("NFC", clean(name)).split())
    if not known or len(known) > MAX_NAME_CHARS:
        raise UsageError(
            f"{what} can't be called {quote(name)}: a name has 1 to {MAX_NAME_CHARS} characters that show."
        )
    return known


def name_key(name: str) -> str:
    """The same for all names that people would take for one: whatever their case, width and blanks are."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def settled(new: NewEntry) -> NewEntry:
    """The entry with names as the store knows them; what can't be ranked or kept is refused."""
    if new.at.utcoffset() is None:
        raise _unfit(new, f"a time without a zone, {new.at}")
    scores = {"public": new.public, "private": new.private, "shown": new.shown}
    for name, value in chain(scores.items(), new.metrics.items(), new.points.items()):
        if not math.isfinite(value):
            raise _unfit(new, f"{value} for {quote(name)}")
    labels = new.labels
    bounds = np.iinfo(np.int16)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise _unfit(new, f"labels of shape {labels.shape} and type {labels.dtype}")
    if labels.size and not bounds.min <= labels.min() <= labels.max() <= bounds.max:
        raise _unfit(new, f"labels from {labels.min()} to {labels.max()}, more than 16 bits")
    return replace(
        new,
        challenge=known_as(new.challenge, "A challenge"),
        team=known_as(new.team, "A team"),
        at=new.at.astimezone(UTC),
        labels=labels.astype(np.int16),
    )


def _unfit(new: NewEntry, what: str) -> GraderFault:
    return GraderFault(
        f"The entry of {quote(new.team)} has {what}: it can't be kept.",
        remedy="This is a bug in the autograder: report it with this message.",
    )
