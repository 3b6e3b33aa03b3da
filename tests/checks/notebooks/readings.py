"""Series in short, for tests that compare many of them."""

from __future__ import annotations

from autograder.checks.notebooks.found import Series
from autograder.checks.notebooks.series import read_series
from tests.checks.notebooks.printed import notebook


def read(text: str, source: str = "pass") -> tuple[Series, ...]:
    return read_series(notebook((source, text)))


def brief(series: tuple[Series, ...]) -> list[tuple[str, str, list[float]]]:
    return [(one.quantity, one.split, [round(point.value, 6) for point in one.points]) for one in series]


def flat(text: str, source: str = "pass") -> str:
    """Such as "accuracy test 0.9909; loss test 0.027"."""
    return "; ".join(
        f"{quantity} {split} {' '.join(f'{value:g}' for value in values)}"
        for quantity, split, values in brief(read(text, source))
    )
