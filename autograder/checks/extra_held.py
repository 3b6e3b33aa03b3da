"""Whether what extra.md claims as the best accuracy is what log, notebook and predictions show.

Where they disagree by more than rounding and chance, a person hears of it: it is no verdict. A log may be of
another run, and a student says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autograder.checks.extra_accuracy import Claim, Split
from autograder.checks.logs.reading import parse_log
from autograder.checks.notebooks.series import best_accuracy, final_accuracy, read_series
from autograder.checks.script_logs import LogFacts
from autograder.loaders.notebook import Notebook
from autograder.loaders.problems import Malformed
from autograder.text import one_line

_IMAGES = {"test": 10_000, "valid": 1_000, "": 1_000}  # of the homework's sets, where nothing says how many
_ERRORS = 3.0  # standard errors that two accuracies of the same network may lie apart
_OTHER_PART = 0.03  # by which the best of many epochs flatters the validation set, beside the test set
_OWN = "mymodel"  # by which a notebook's cells name the own model
_HELD_OUT: tuple[Literal["test", "valid"], ...] = ("test", "valid")
_SHOWN = 4  # accuracies in one sentence


@dataclass(frozen=True, slots=True)
class Shown:
    """An accuracy that something else shows, of so many images (0: nobody says), and where."""

    share: float
    where: str
    split: Split = ""
    images: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim that doesn't fit. ``told`` is for the student, "" where it is for staff alone."""

    staff: str
    told: str = ""


def shown_by_log(data: bytes, facts: LogFacts) -> tuple[Shown, ...]:
    """Every accuracy on held-out images in a log: each epoch's, and what it ends with."""
    where = one_line(facts.path)
    found: dict[Shown, None] = {}
    try:
        runs = parse_log(data, facts.path)
    except Malformed:
        runs = ()
    for run in runs:
        split: Split = "test" if run.split == "test" else "valid"
        images = run.images.exact or 0 if run.images is not None else 0
        for epoch in run.epochs:
            if epoch.top1 is not None:
                found[Shown(epoch.top1, where, split, epoch.total or images)] = None
            if epoch.test_top1 is not None:
                found[Shown(epoch.test_top1, where, "test")] = None
    for value, split in ((facts.test, "test"), (facts.valid, "valid")):
        if value is not None:
            found[Shown(value, where, "test" if split == "test" else "valid")] = None
    return tuple(found)


def shown_by_notebook(notebook: Notebook, path: str) -> tuple[Shown, ...]:
    """The last and the best accuracy on held-out images that a notebook's outputs print, if it is about the
    own model."""
    if not any(_OWN in cell.source.casefold() for cell in notebook.cells if cell.kind == "code"):
        return ()
    series, where = read_series(notebook), one_line(path)
    found: dict[Shown, None] = {}
    for split in _HELD_OUT:
        for reading in (final_accuracy(series, split), best_accuracy(series, split)):
            if reading is not None:
                found[Shown(reading.value, where, split)] = None
    return tuple(found)


def held_against(
    claim: Claim,
    *,
    log: Sequence[Shown] = (),
    notebook: Sequence[Shown] = (),
    public_score: Shown | None = None,
) -> tuple[Finding, ...]:
    """What doesn't fit. A student hears of the log and the notebook, staff of the predictions too."""
    found = [_against(claim, shown) for shown in (log, notebook) if shown]
    if public_score is not None and not _fits(claim, public_score):
        text = f"extra.md claims {claim.describe()}, but {_all_told([public_score])}."
        found.append(Finding(text))
    return tuple(one for one in found if one is not None)


def _against(claim: Claim, shown: Sequence[Shown]) -> Finding | None:
    """None where any of the accuracies that may be meant fits."""
    of_its_part = [one for one in shown if not claim.split or not one.split or one.split == claim.split]
    meant = _weightiest(of_its_part or shown)
    if any(_fits(claim, one) for one in meant):
        return None
    listed = _all_told(meant[:_SHOWN])
    text = f"extra.md claims {claim.describe()} in line {claim.line} (“{claim.words}”), but {listed}."
    return Finding(text, f"{text} Correct the one that is wrong, or say in extra.md which run each is of.")


def _weightiest(shown: Sequence[Shown]) -> list[Shown]:
    """The last and the best of each part of the data: nobody's best is from the middle of a training."""
    kept: dict[Shown, None] = {}
    for split in ("test", "valid", ""):
        of_it = [one for one in shown if one.split == split]
        if of_it:
            kept[max(of_it, key=lambda one: one.share)] = None
            kept[of_it[-1]] = None
    alike: dict[tuple[str, str, str], Shown] = {}
    for one in kept:
        alike.setdefault((f"{one.share:.3f}", one.split, one.where), one)
    return sorted(alike.values(), key=lambda one: {"test": 0, "valid": 1, "": 2}[one.split])


def _all_told(shown: Sequence[Shown]) -> str:
    """Such as "mymodel.log shows 79.4 % on the test set and 80.7 % on the validation set"."""
    by_place: dict[str, list[str]] = {}
    for one in shown:
        part = {"test": " on the test set", "valid": " on the validation set", "": ""}[one.split]
        of = f" ({one.images:,} images)" if one.images else ""
        by_place.setdefault(one.where, []).append(f"{100 * one.share:.1f} %{part}{of}")
    return "; ".join(f"{where} shows {' and '.join(said)}" for where, said in by_place.items())


def _fits(claim: Claim, shown: Shown) -> bool:
    """Whether two accuracies can be of the same network: rounded or cut off, and on other images."""
    share = min(max((claim.share + shown.share) / 2, 0.0), 1.0)
    images = shown.images or _IMAGES[shown.split]
    claimed = _IMAGES[claim.split]
    error = math.sqrt(max(share * (1 - share), 1 / images) * (1 / images + 1 / claimed))
    other = claim.split != shown.split and "valid" in (claim.split, shown.split)
    return abs(claim.share - shown.share) <= claim.step + _ERRORS * error + _OTHER_PART * other
