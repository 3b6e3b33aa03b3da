"""Labels that fit the images of other rows: moved by some rows, read from the end, in the order of text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from autograder.checks.predictions.answered import FEWEST, Answered, Finding, Pattern, Rows, at_least
from autograder.checks.predictions.renumbered import looks_trained

_FARTHEST_SHIFT = 200  # rows: a batch or a header that was lost
_SURE = 1e-9  # of an order that explains the labels; a few hundred orders are tried
_GAIN = 0.08  # of all images, that such an order must explain beyond the file as it is


def misplaced(file: Answered, ids: Iterable[str] | None) -> Finding | None:
    """Labels that fit the images of other rows."""
    for shift in sorted(range(-_FARTHEST_SHIFT, _FARTHEST_SHIFT + 1), key=abs):
        if shift and _fits_better(file, file.public + shift):
            rows = "a row" if abs(shift) == 1 else f"{abs(shift)} rows"
            way = "below" if shift > 0 else "above"
            return Finding(
                Pattern.SHIFTED,
                f"The labels fit far better if each is moved by {rows}: what belongs to an image stands "
                f"{rows} {way} it. Next: see whether the header was read as an image, rows were lost or "
                "doubled, or ids were counted from 1.",
            )
    count = len(file.predicted)
    if _fits_better(file, count - 1 - file.public):
        return Finding(
            Pattern.REVERSED,
            "The labels fit far better if they are read from the last row to the first. Next: write them in "
            "the order of the ids.",
        )
    if file.at_chance or file.accuracy < 2 * file.guessed:
        return _in_text_order(file, list(map(str, range(count)) if ids is None else ids))
    return None


def _in_text_order(file: Answered, ids: list[str]) -> Finding | None:
    """Files that are listed as text: 0, 1, 10, 100, 1000, 1001 and so on."""
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    for rows in (place[file.public], order[file.public]):
        if _fits_better(file, rows):
            return Finding(
                Pattern.TEXT_ORDER,
                "The labels fit far better if the images are taken in the order of their names as text (0, "
                "1, 10, 100, 1000, ...). Next: sort the image files by number, "
                "sorted(files, key=lambda f: int(Path(f).stem)), or take each id from the file's own name.",
            )
    return None


def _fits_better(file: Answered, rows: Rows) -> bool:
    """Whether the labels in ``rows`` fit the public images far better than the ones in their own rows."""
    there = (rows >= 0) & (rows < len(file.predicted)) & (rows != file.public)
    if there.sum() < FEWEST:
        return False
    moved = file.predicted[rows[there]] == file.truth[there]
    as_is = file.right[there]
    if moved.mean() - as_is.mean() < _GAIN:
        return False
    if not looks_trained(file.predicted[rows[there]], file.truth[there], len(file.classes)):
        return False
    gained, lost = int((moved & ~as_is).sum()), int((as_is & ~moved).sum())
    return (
        at_least(gained, gained + lost, 0.5) < _SURE
        and at_least(int(moved.sum()), len(moved), file.guessed) < _SURE
    )
