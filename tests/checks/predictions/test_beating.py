"""Verdicts by exact tests, and sentences that say no more than the verdict."""

from __future__ import annotations

import re
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.predictions.beating import Rule, beats_chance, beats_staff, chance_of


def answers(both: int, ours: int, theirs: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong by image, of which so many are right in both files, in ours alone, and so on."""
    counts = (both, ours, theirs, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_chance_is_a_class_of_all_or_the_commonest() -> None:
    assert chance_of(np.repeat(np.arange(10), 900), 10) == pytest.approx(0.1)
    assert chance_of(np.array([0, 0, 0, 1]), 4) == 0.75
    assert chance_of(np.array([0, 1]), 10) == 0.5
    with pytest.raises(ValueError, match="no images"):
        chance_of(np.array([], dtype=int), 10)


def test_the_binomial_test_is_exact() -> None:
    found = beats_chance(4, 5, 0.5, 0.2)
    assert found.p_value == pytest.approx(6 / 32)
    assert found.beaten
    assert not beats_chance(4, 5, 0.5, 0.18).beaten
    # The border of 600 images at a level of a thousandth, by the sum itself.
    border = next(k for k in range(60, 200) if beats_chance(k, 600, 0.1, 0.001).beaten)
    assert beats_chance(border, 600, 0.1, 0.001).p_value == pytest.approx(_tail(border, 600, 10))
    assert _tail(border - 1, 600, 10) > 0.001


def _tail(least: int, total: int, one_in: int) -> float:
    ways = sum(comb(total, k) * (one_in - 1) ** (total - k) for k in range(least, total + 1))
    return float(ways * 10**20 // one_in**total) / 1e20


def test_guessing_beats_chance_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(0)
    counts = rng.binomial(9_000, 0.1, 20_000)
    beaten = {int(k): beats_chance(int(k), 9_000, 0.1, 0.05).beaten for k in np.unique(counts)}
    share = np.mean([beaten[int(k)] for k in counts])
    assert 0.040 < share <= 0.055


def test_mcnemar_is_exact_and_looks_at_what_differs() -> None:
    ours, theirs = answers(6_000, 9, 1, 2_990)
    found = beats_staff(ours, theirs, 0.05)
    assert found.p_value == pytest.approx(11 / 1024)  # ten coins, nine heads or more
    assert found.beaten
    assert beats_staff(*answers(0, 9, 1, 0), 0.05).p_value == found.p_value
    assert not beats_staff(*answers(6_000, 5, 4, 2_991), 0.05).beaten
    assert beats_staff(*answers(6_000, 5, 4, 2_991), 0.05, "plain").beaten


@pytest.mark.parametrize("rule", ["mcnemar", "plain"])
def test_the_staffs_own_file_does_not_beat_itself(rule: Rule) -> None:
    ours, _ = answers(7_000, 0, 0, 2_000)
    found = beats_staff(ours, ours, 0.05, rule)
    assert not found.beaten
    assert found.p_value == 1.0
    assert not beats_staff(*answers(100, 5, 5, 10), 0.05, rule).beaten


def test_a_model_as_good_beats_the_staffs_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(1)
    easy = rng.beta(0.54, 0.21, 2_000)
    beaten = [
        beats_staff(rng.random(2_000) < easy, rng.random(2_000) < easy, 0.05).beaten for _ in range(600)
    ]
    assert 0.02 < np.mean(beaten) < 0.075
    better = beats_staff(rng.random(2_000) < easy + 0.05, rng.random(2_000) < easy, 0.05)
    assert better.beaten


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 10_000), st.data(), st.sampled_from([0.1, 0.5]), st.sampled_from([0.001, 0.05]))
def test_students_read_the_verdict_and_nothing_else(
    total: int, data: st.DataObject, chance: float, level: float
) -> None:
    """All misses are told alike, near or far, and so are all that passed."""
    correct = data.draw(st.integers(0, total))
    found = beats_chance(correct, total, chance, level)
    alike = beats_chance(9_000, 9_000, 0.1, 0.05) if found.beaten else beats_chance(0, 9_000, 0.1, 0.05)
    assert alike.beaten is found.beaten
    assert found.told == alike.told
    assert not re.search(r"\d", found.told)
    assert f"{correct:,} of {total:,}" in found.staff


@pytest.mark.parametrize("rule", ["mcnemar", "plain"])
def test_a_near_miss_reads_as_a_far_one(rule: Rule) -> None:
    far = beats_staff(*answers(1_000, 0, 500, 500), 0.05, rule)
    even = beats_staff(*answers(1_000, 50, 50, 500), 0.05, rule)
    assert far.told == even.told
    near = beats_staff(*answers(1_000, 55, 50, 500), 0.05, rule)
    assert near.beaten is (rule == "plain")
    assert "it could be chance" in near.staff
    assert "it could be chance" not in far.staff
    if rule == "mcnemar":
        assert near.told == far.told
        assert "more than chance explains" in near.told
    for found in (far, even, near):
        assert not re.search(r"\d", found.told)


def test_staff_read_all() -> None:
    found = beats_staff(*answers(6_000, 300, 200, 2_500), 0.05)
    assert "6,300 (70.00 %) right, and 6,200 (68.89 %) by the staff's model, of the same 9,000" in found.staff
    assert "300 are right here alone, 200 there alone" in found.staff
    assert beats_staff(*answers(0, 500, 0, 0), 0.05).staff.count("under 0.000001") == 1
    close = beats_chance(920, 9_000, 0.1, 0.001)
    assert "it could be chance" in close.staff
    assert "it could be chance" not in beats_chance(890, 9_000, 0.1, 0.001).staff


def test_answers_must_be_of_the_same_images() -> None:
    for ours, theirs in (
        (np.ones(3, bool), np.ones(4, bool)),
        (np.ones((2, 2), bool), np.ones((2, 2), bool)),
    ):
        with pytest.raises(ValueError, match="answers of shape"):
            beats_staff(ours, theirs, 0.05)
