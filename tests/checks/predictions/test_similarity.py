"""Copies are found, trainings apart are not, and nobody is listed for what the classes explain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.predictions.similarity import Other, agreements, similarity
from tests.checks.predictions.files import CLASSES, IMAGES, Labels, network, redrawn, truth

TRUTH = truth()


def crowd(count: int, seed: int = 0) -> dict[str, Labels]:
    """Trainings apart, of networks from bad to good."""
    shares = np.random.default_rng(seed).uniform(0.4, 0.93, count)
    return {f"team {i}": network(TRUTH, share, 1_000 * seed + i) for i, share in enumerate(shares)}


def listed(entries: dict[str, Labels]) -> list[tuple[str, str]]:
    return [(one.a, one.b) for one in similarity(entries, TRUTH)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [2, 3, 6, 12])
def test_trainings_apart_are_not_listed(count: int, seed: int) -> None:
    assert listed(crowd(count, seed)) == []


def test_the_made_up_trainings_agree_as_real_ones() -> None:
    """Or the tests above and below would say nothing: 0.28 to 0.58 was measured."""
    alike = {f"{i}": network(TRUTH, 0.72, i) for i in range(5)}
    found = agreements(alike, TRUTH)[np.triu_indices(5, 1)]
    assert found.min() > 0.28
    assert found.max() < 0.58


@pytest.mark.parametrize("others", [0, 1, 3, 12])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1])
def test_copies_are_found_among_few_and_many(others: int, share: float) -> None:
    entries = crowd(others)
    first = network(TRUTH, 0.72, 99)
    entries |= {"first": first, "second": redrawn(first, share)}
    found = similarity(entries, TRUTH)
    assert [(one.a, one.b) for one in found] == [("first", "second")]
    assert found[0].identical is (share == 0)
    assert found[0].wrong == int((first != TRUTH).sum()) if share == 0 else True
    assert found[0].agreement > 0.85
    assert found[0].deviations > 2


def test_earlier_files_are_held_against_those_of_others_and_change_nothing_else() -> None:
    entries, first = crowd(6), network(TRUTH, 0.72, 99)
    entries["first"] = first
    entries["second"] = network(TRUTH, 0.7, 55)
    others = [
        Other("first", "first's earlier one", redrawn(first, 0.03)),  # of the same owner
        Other("third", "third's earlier one", redrawn(first, 0.05)),
        Other("third", "another of third's", network(TRUTH, 0.71, 77)),
    ]
    found = similarity(entries, TRUTH, others=others)
    assert [(one.a, one.b) for one in found] == [("first", "third's earlier one")]
    assert similarity(entries, TRUTH) == ()


def test_a_crowd_of_all_kinds_hides_no_copy() -> None:
    """Pairs that agree much beside pairs that don't at all: then little is unusual, but a copy is."""
    entries = {f"{i}": network(TRUTH, 0.7, i, world=max(0, i - 9)) for i in range(15)}
    first = network(TRUTH, 0.72, 99)
    entries |= {"first": first, "second": redrawn(first, 0.15)}
    assert listed(entries) == [("first", "second")]


def test_two_of_a_kind_among_others_are_no_copies() -> None:
    """They agree as trainings apart do. That all the others agree less makes them unusual, and no more."""
    entries = {f"{i}": network(TRUTH, 0.7, i, world=i + 1) for i in range(12)}
    entries |= {"a": network(TRUTH, 0.7, 50), "b": network(TRUTH, 0.7, 51)}
    assert listed(entries) == []


def test_what_staff_read() -> None:
    first = network(TRUTH, 0.72, 99)
    (found,) = similarity({"=cmd()\x1b[31m": first, "b": first.copy()}, TRUTH)
    assert found.told.startswith("=cmd() and b are identical: of 2,800 wrong answers 2,800 are the same. ")
    assert "beyond that they agree to 100 %, where 45 % is usual" in found.told
    assert "the same code with the same seed" in found.told
    assert found.same_wrong == found.wrong == 2_800


def test_three_copies_are_three_pairs_and_the_nearest_comes_first() -> None:
    first = network(TRUTH, 0.6, 99)
    entries = {"a": first, "b": redrawn(first, 0.1), "c": first.copy(), **crowd(5)}
    found = similarity(entries, TRUTH)
    assert [(one.a, one.b) for one in found] == [("a", "c"), ("a", "b"), ("b", "c")]


def test_what_classes_explain_is_nobodys_copy() -> None:
    """One class for all, or a fixed wrong name for each class: as alike as can be, and it means nothing."""
    constant = np.full(IMAGES, 3)
    renamed = (TRUTH + 1) % CLASSES
    two = np.where(TRUTH < 5, 3, 8)
    entries = {
        "a": constant,
        "b": constant.copy(),
        "c": renamed,
        "d": renamed.copy(),
        "e": two,
        "f": two.copy(),
    }
    assert listed(entries) == []


def test_right_answers_are_nobodys_copy() -> None:
    almost = TRUTH.copy()
    almost[0] = (almost[0] + 1) % CLASSES
    assert listed({"a": TRUTH.copy(), "b": TRUTH.copy(), "c": almost, "d": almost.copy()}) == []
    # But a handful of the same mistakes in files that are the same throughout is one.
    few = TRUTH.copy()
    few[:8] = (few[:8] + np.arange(1, 9)) % CLASSES
    assert listed({"a": few, "b": few.copy(), "c": TRUTH.copy()}) == [("a", "b")]


def test_random_labels_are_alike_only_if_copied() -> None:
    rng = np.random.default_rng(0)
    entries = {f"{i}": rng.integers(0, CLASSES, IMAGES) for i in range(6)}
    assert listed(entries) == []
    entries["seeded too"] = entries["2"].copy()
    assert listed(entries) == [("2", "seeded too")]


def test_the_staffs_files_count_and_are_not_listed_with_each_other() -> None:
    staff = {"staff 1": network(TRUTH, 0.8, 50), "staff 2": network(TRUTH, 0.8, 50)}
    assert similarity({"a": network(TRUTH, 0.8, 51)}, TRUTH, staff) == ()
    found = similarity({"a": staff["staff 1"].copy()}, TRUTH, staff)
    assert {(one.a, one.b) for one in found} == {("a", "staff 1"), ("a", "staff 2")}
    own = {f"staff {i}": network(TRUTH, 0.8, i) for i in range(7)}
    (copy,) = similarity({"a": redrawn(own["staff 0"], 0.05)}, TRUTH, own)
    assert copy.usual != 0.45  # the class's own, and no longer what was measured elsewhere


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.15, 0.97), st.floats(0.15, 0.97))
def test_an_agreement_is_the_same_both_ways_and_under_other_names(seed: int, one: float, two: float) -> None:
    rng = np.random.default_rng(seed)
    answers = truth(seed, 2_000)
    a, b = network(answers, one, seed, world=seed), network(answers, two, seed + 1, world=seed)
    found = agreements({"a": a, "b": b}, answers)
    renamed, order = rng.permutation(CLASSES), rng.permutation(len(answers))
    other = agreements({"b": renamed[b][order], "a": renamed[a][order]}, renamed[answers][order])
    assert found[0, 1] == pytest.approx(other[0, 1])
    assert -0.2 < found[0, 1] < 0.75


def test_too_few_entries_and_wrong_shapes() -> None:
    assert similarity({}, TRUTH) == ()
    assert similarity({"a": TRUTH}, TRUTH) == ()
    with pytest.raises(ValueError, match="10000 images"):
        similarity({"a": TRUTH, "b": TRUTH[1:]}, TRUTH)
