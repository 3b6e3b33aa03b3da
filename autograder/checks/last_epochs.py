"""A threshold that is to be reached "consistently": in each of the last k epochs, and not once by luck.

An epoch's accuracy is a count, or a number that was printed. A printed one was rounded, so it stands for a
range of counts: "99.41" of 10,000 images is one count, "99 %" is a hundred of them and may decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from autograder.checks.statistics import Standing, Threshold, asked, exact, judge, needed

_MOST_DECIMALS = 9  # of a percentage that are looked at: a float32 has five or six that mean anything
_FLOAT32 = Fraction(1, 2**22)  # of the value: what single precision, printed in full, may be off by


@dataclass(frozen=True, slots=True)
class EpochAccuracy:
    """One epoch's accuracy: a count, or the range ``low`` to below ``high`` that a printed share stands for.

    ``whole``: the count is of all images that the threshold is defined on.
    """

    epoch: int
    correct: int | None = None
    total: int | None = None
    whole: bool = True
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(1)
    text: str = ""

    @staticmethod
    def counted(epoch: int, correct: int, total: int, *, whole: bool = True) -> EpochAccuracy:
        share = Fraction(correct, total)
        return EpochAccuracy(epoch, correct, total, whole, share, share, f"{correct:,} of {total:,}")

    @staticmethod
    def printed(epoch: int, share: float, decimals: int, total: int | None = None) -> EpochAccuracy:
        """A share from 0 to 1 that was printed as a percentage with so many ``decimals``.

        Of how many images, where that is known. Some round and some cut off, so it may stand for anything
        from half a unit below to a whole unit above.
        """
        unit = Fraction(1, 100 * 10**decimals)
        value = round(Fraction(share) / unit) * unit
        low = value - max(unit / 2, value * _FLOAT32)
        high = value + max(unit, value * _FLOAT32)
        text = f"{float(100 * value):.{decimals}f} %"
        return EpochAccuracy(epoch, None, total, True, low, high, text)


def printed_shares(
    epochs: Iterable[tuple[int, float]], *, total: int | None = None, decimals: int | None = None
) -> tuple[EpochAccuracy, ...]:
    """Pairs of an epoch and a share from 0 to 1, as one log printed them.

    ``decimals`` of the percentages; if they aren't known, the most that any of them has, because a log prints
    all alike: 99.4 beside 99.41 was 99.40.
    """
    pairs = list(epochs)
    if decimals is None:
        decimals = max((_decimals(share) for _, share in pairs), default=0)
    return tuple(EpochAccuracy.printed(epoch, share, decimals, total) for epoch, share in pairs)


def _decimals(share: float) -> int:
    """How many decimals the percentage has, but for the noise of a float."""
    for decimals in range(_MOST_DECIMALS):
        if abs(round(100 * share, decimals) - 100 * share) < 1e-9:
            return decimals
    return _MOST_DECIMALS


@dataclass(frozen=True, slots=True)
class EpochVerdict:
    """One epoch held against the threshold; ``short``: images that are missing, where it was counted."""

    epoch: int
    standing: Standing
    text: str
    short: int = 0


@dataclass(frozen=True, slots=True)
class Consistency:
    """Whether the threshold was reached in each of the last epochs; ``told`` is for the student.

    ``last`` are the verdicts on those, ``reached`` the numbers of all epochs that surely reached it.
    """

    standing: Standing
    last: tuple[EpochVerdict, ...]
    reached: tuple[int, ...]
    told: str

    @property
    def missed(self) -> tuple[int, ...]:
        return tuple(one.epoch for one in self.last if one.standing is Standing.NOT_MET)


def consistently(accuracies: Sequence[EpochAccuracy], threshold: Threshold, last: int) -> Consistency:
    """Whether each of the ``last`` epochs reaches the threshold.

    Of an epoch that is there twice the later one counts. Where one of the last is missing, those that are
    there can show that it is not met, and never that it is.
    """
    if last < 1:
        raise ValueError(f"'in each of the last epochs' needs one epoch at least, and not {last!r}")
    by_epoch = {one.epoch: one for one in accuracies}
    verdicts = {epoch: _verdict(one, threshold) for epoch, one in sorted(by_epoch.items())}
    reached = tuple(epoch for epoch, one in verdicts.items() if one.standing is Standing.MET)
    if not verdicts:
        told = f"No epoch's accuracy was found, and {asked(threshold)} are asked for in {_each(last)}."
        return Consistency(Standing.NOT_MET, (), (), told)
    ends = max(verdicts)
    wanted = range(ends - last + 1, ends + 1)
    found = tuple(verdicts[epoch] for epoch in wanted if epoch in verdicts)
    missing = [epoch for epoch in wanted if epoch not in verdicts]
    standings = {one.standing for one in found}
    if min(verdicts) in (0, 1) and missing and missing[-1] < min(verdicts):  # the log begins with it
        count = f"{len(verdicts)} epoch{'s' if len(verdicts) > 1 else ''}"
        told = f"The training has {count}, and {asked(threshold)} are asked for in {_each(last)}."
        return Consistency(Standing.NOT_MET, found, reached, told)
    if Standing.NOT_MET in standings:
        told = _told_missed(found, reached, threshold, last)
        return Consistency(Standing.NOT_MET, found, reached, told)
    if missing:
        told = f"No accuracy was found for {_epochs(missing)}, and {asked(threshold)} are asked for in "
        told += f"{_each(last)}. Print it after every epoch."
        return Consistency(Standing.TOO_CLOSE, found, reached, told)
    if Standing.TOO_CLOSE in standings:
        return Consistency(Standing.TOO_CLOSE, found, reached, _told_unclear(found, threshold, last))
    values = "; ".join(f"epoch {one.epoch}: {one.text}" for one in found)
    told = f"{asked(threshold)} reached in {_each(last)} ({values})."
    return Consistency(Standing.MET, found, reached, told)


def _verdict(one: EpochAccuracy, threshold: Threshold) -> EpochVerdict:
    if one.correct is not None and one.total is not None:
        judged = judge(one.correct, one.total, threshold, whole=one.whole)
        missing = judged.short if judged.standing is Standing.NOT_MET else 0
        return EpochVerdict(one.epoch, judged.standing, one.text, missing)
    low, high = one.low, one.high
    if one.total is not None:
        counts = range(math.ceil(low * one.total), math.ceil(high * one.total))
        if counts:  # else it is no multiple of 1/N: an average of batches' averages, perhaps
            least = needed(threshold, one.total)
            standing = _between(counts[0] >= least, counts[-1] < least)
            missing = least - counts[-1] if standing is Standing.NOT_MET else 0
            return EpochVerdict(one.epoch, standing, one.text, missing)
    share = exact(threshold)
    return EpochVerdict(one.epoch, _between(low >= share, high <= share), one.text)


def _between(surely: bool, surely_not: bool) -> Standing:
    return Standing.MET if surely else Standing.NOT_MET if surely_not else Standing.TOO_CLOSE


def _told_missed(
    found: Sequence[EpochVerdict], reached: Sequence[int], threshold: Threshold, last: int
) -> str:
    missed = [one for one in found if one.standing is Standing.NOT_MET]
    each = "; ".join(f"epoch {one.epoch}: {one.text}{_short(one.short)}" for one in missed)
    told = f"{asked(threshold)} are asked for in {_each(last)}, and "
    told += f"{len(missed)} of them missed it ({each})." if last > 1 else f"it missed that ({each})."
    if reached:
        lucky = "One epoch reached" if len(reached) == 1 else f"{len(reached)} epochs reached"
        told += f" {lucky} it ({_epochs(reached)}), which is not enough." if last > 1 else ""
    return told


def _told_unclear(found: Sequence[EpochVerdict], threshold: Threshold, last: int) -> str:
    unclear = [one for one in found if one.standing is Standing.TOO_CLOSE]
    each = "; ".join(f"epoch {one.epoch}: {one.text}" for one in unclear)
    return (
        f"{asked(threshold)} are asked for in {_each(last)}, and of {len(unclear)} of them it can't be told "
        f"({each}): that is rounded too far, or a sample. Print the count, for example 9943/10000."
    )


def _short(images: int) -> str:
    return f", {images:,} image{'s' if images > 1 else ''} short" if images else ""


def _each(last: int) -> str:
    return f"each of the last {last} epochs" if last > 1 else "the last epoch"


def _epochs(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
    return f"epoch{'s' if len(numbers) > 1 else ''} {named}"
