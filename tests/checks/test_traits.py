"""The sentence that says where it went wrong is true, and as short as it can be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.traits import describe, summarise

unhurried = settings(deadline=None)  # machines that run this are shared
GRID = [(f"stride {s}", f"pad {p}") for s in (1, 2, 3) for p in (0, 1, 2)]


def said(*wrong: tuple[int, int]) -> str:
    return summarise(GRID, [(int(s[-1]), int(p[-1])) in wrong for s, p in GRID], "is wrong")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ([(1, 0), (2, 0), (3, 0)], "is right for pad 1 and pad 2, but is wrong for pad 0"),
        (
            [(2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2)],
            "is right for stride 1, but is wrong for stride 2 and stride 3",
        ),
        ([(2, 0)], "is wrong for pad 0 with stride 2, and right otherwise"),
        ([(1, 0), (2, 0), (3, 0), (1, 1), (1, 2)], "is wrong for pad 0 and stride 1, and right otherwise"),
        ([(1, 0), (2, 1), (3, 2), (1, 2)], "is wrong in 4 of 9 cases"),
        ([(int(s[-1]), int(p[-1])) for s, p in GRID], "is wrong in all 9 cases"),
        (
            [(s, p) for s in (1, 2, 3) for p in (0, 1, 2) if (s, p) != (1, 1)],
            "is right for pad 1 with stride 1, but is wrong otherwise",
        ),
    ],
)
def test_the_shortest_true_explanation(wrong: list[tuple[int, int]], text: str) -> None:
    assert said(*wrong) == text


def test_few_cases() -> None:
    assert summarise([("pad 0",)], [True], "breaks") == "breaks"
    assert summarise([("pad 0",), ("pad 1",)], [True, True], "breaks") == "breaks in both cases"
    assert describe(("pad 0", "stride 1")) == "pad 0, stride 1"


@unhurried
@given(st.lists(st.booleans(), min_size=9, max_size=9).filter(any))
def test_blame_is_never_on_a_case_that_went_well(wrong: list[bool]) -> None:
    text = summarise(GRID, wrong, "is wrong")
    blamed = text.partition("is wrong for ")[2].partition(", and right otherwise")[0]
    if not blamed:
        return
    groups = [set(part.split(" with ")) for part in blamed.replace(" and ", ", ").split(", ")]
    for case, is_wrong in zip(GRID, wrong, strict=True):
        assert any(group <= set(case) for group in groups) is is_wrong
