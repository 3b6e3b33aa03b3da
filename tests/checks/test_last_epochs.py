"""A threshold in each of the last epochs, from counts and from numbers that were printed."""

from __future__ import annotations

from fractions import Fraction

import pytest

from autograder.checks.last_epochs import EpochAccuracy, consistently, printed_shares
from autograder.checks.statistics import Standing

MET, NOT_MET, TOO_CLOSE = Standing.MET, Standing.NOT_MET, Standing.TOO_CLOSE


def counted(*right: int, first: int = 1) -> list[EpochAccuracy]:
    return [EpochAccuracy.counted(first + at, one, 10_000) for at, one in enumerate(right)]


def test_in_each_of_the_last_epochs() -> None:
    found = consistently(counted(9_800, 9_900, 9_940, 9_941, 9_950), 0.994, 3)
    assert found.standing is MET
    assert found.reached == (3, 4, 5)
    assert found.told == (
        "99.4 % reached in each of the last 3 epochs (epoch 3: 9,940 of 10,000; epoch 4: 9,941 of 10,000; "
        "epoch 5: 9,950 of 10,000)."
    )


def test_missed_by_one_image() -> None:
    found = consistently(counted(9_960, 9_941, 9_939, 9_941), 0.994, 3)
    assert (found.standing, found.missed) == (NOT_MET, (3,))
    assert [one.short for one in found.last] == [0, 1, 0]
    assert "1 of them missed it (epoch 3: 9,939 of 10,000, 1 image short)" in found.told


def test_one_lucky_epoch() -> None:
    found = consistently(counted(*[9_900] * 11, 9_941, 9_930, 9_920, 9_935), 0.994, 3)
    assert (found.standing, found.missed, found.reached) == (NOT_MET, (13, 14, 15), (12,))
    assert "3 of them missed it" in found.told
    assert "One epoch reached it (epoch 12), which is not enough." in found.told


def test_the_last_epoch_alone() -> None:
    assert consistently(counted(9_000, 9_940), 0.994, 1).standing is MET
    told = consistently(counted(9_940, 9_000), 0.994, 1).told
    assert told.startswith("99.4 % are asked for in the last epoch, and it missed that (epoch 2: 9,000 of ")


@pytest.mark.parametrize("first", [0, 1])
def test_fewer_epochs_than_are_asked_for(first: int) -> None:
    found = consistently(counted(9_950, 9_960, first=first), 0.994, 4)
    assert found.standing is NOT_MET
    assert found.told.startswith("The training has 2 epochs, and 99.4 % are asked for in each of the last 4")
    assert consistently([], 0.994, 3).told.startswith("No epoch's accuracy was found")


def test_epochs_may_be_counted_from_0() -> None:
    assert consistently(counted(9_950, 9_960, 9_970, first=0), 0.994, 3).standing is MET


def test_a_missing_epoch_is_not_taken_for_one_that_reached_it() -> None:
    kept = [one for one in counted(*[9_950] * 15) if one.epoch != 14]
    found = consistently(kept, 0.994, 3)
    assert found.standing is TOO_CLOSE
    assert "No accuracy was found for epoch 14" in found.told
    # A log that begins late lacks epochs, and isn't short.
    assert consistently(counted(9_950, 9_950, first=14), 0.994, 3).standing is TOO_CLOSE
    # And what missed it has missed it.
    assert consistently(counted(9_950, 9_000, first=14), 0.994, 3).standing is NOT_MET


def test_of_an_epoch_that_is_there_twice_the_later_counts() -> None:
    again = [*counted(9_950, 9_950, 9_000), EpochAccuracy.counted(3, 9_950, 10_000)]
    assert consistently(again, 0.994, 3).standing is MET
    assert consistently(list(reversed(again)), 0.994, 3).standing is NOT_MET


def test_a_sample_is_an_estimate() -> None:
    sample = [EpochAccuracy.counted(epoch, 995, 1_000, whole=False) for epoch in (1, 2, 3)]
    found = consistently(sample, 0.994, 3)
    assert found.standing is TOO_CLOSE
    assert "Print the count, for example 9943/10000." in found.told
    assert consistently(sample, 0.9, 3).standing is MET


# --- what was printed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "decimals", "total", "standing"),
    [
        (0.9940, 2, 10_000, MET),  # it stands for one count
        (0.9939, 2, 10_000, NOT_MET),
        (0.9941, 2, 10_000, MET),
        (0.994, 1, 10_000, TOO_CLOSE),  # 9,935 to 9,949
        (0.995, 1, 10_000, MET),
        (0.993, 1, 10_000, NOT_MET),  # up to 9,939, if it was cut off
        (0.99, 0, 10_000, TOO_CLOSE),
        (1.00, 0, 10_000, MET),
        (0.98, 0, 10_000, NOT_MET),
        (0.9940, 2, None, TOO_CLOSE),  # of how many, nobody says
        (0.9941, 2, None, MET),
        (0.9938, 2, None, NOT_MET),
        (0.9939, 2, None, NOT_MET),
        (0.99399995803833, 8, 10_000, MET),  # 0.994 in single precision, printed in full
        (0.99400001764297, 8, 10_000, MET),
        (0.99389999, 8, 10_000, NOT_MET),
        (0.99397, 4, 10_000, NOT_MET),  # no multiple of 1/10,000: an average of averages
        (0.994025, 4, 10_000, MET),
    ],
)
def test_a_printed_number_stands_for_a_range(
    share: float, decimals: int, total: int | None, standing: Standing
) -> None:
    found = consistently([EpochAccuracy.printed(1, share, decimals, total)], 0.994, 1)
    assert found.standing is standing


def test_every_count_is_within_what_its_print_stands_for() -> None:
    for right in range(9_800, 10_001):
        for decimals in range(4):
            unit = 10**decimals
            rounded, cut = round(right * unit / 100) / unit, right * unit // 100 / unit
            for value in (rounded, cut):
                one = EpochAccuracy.printed(1, value / 100, decimals, 10_000)
                assert one.low <= Fraction(right, 10_000) < one.high, (right, value)


def test_a_log_prints_all_alike() -> None:
    epochs = printed_shares([(1, 0.9938), (2, 0.994), (3, 99.41 / 100)], total=10_000)
    assert [one.text for one in epochs] == ["99.38 %", "99.40 %", "99.41 %"]
    assert consistently(epochs, 0.994, 2).standing is MET
    whole = printed_shares([(1, 0.99), (2, 0.99)], total=10_000)
    found = consistently(whole, 0.994, 2)
    assert found.standing is TOO_CLOSE
    assert "2 of them it can't be told (epoch 1: 99 %; epoch 2: 99 %)" in found.told


def test_no_epoch_at_all_is_no_rule() -> None:
    with pytest.raises(ValueError, match="one epoch at least"):
        consistently(counted(9_940), 0.994, 0)
