"""Which test is worth how many points.

A question's tiers say what its groups of tests are worth together, so a grader's author adds a case without
doing sums: the tests of a tier share its points alike. Sums are done in fractions, and everything is
refused that would let a question offer more or less than the manifest promises.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from autograder.manifest import Assignment, Question, exact
from autograder.manifest_errors import meant
from autograder.outcome import ManifestFault

Item = tuple[str, str | None, float | None]  # question's number, tier, weight: what a test's marks say


def share_points(assignment: Assignment, items: Sequence[Item], *, complete: bool = True) -> list[float]:
    """The points that each test can earn, in the order given.

    A test with a tier gets an equal share of that tier's points; one without gets its weight, or nothing.
    ``complete`` says that these are all the tests of the assignment, so every question must be covered;
    the public tests alone may leave some out.
    """
    sharing = Counter((number, tier) for number, tier, _ in items if tier is not None)
    shares = [_share(assignment, item, sharing) for item in items]
    for question in assignment.questions:
        if question.graded:
            offered = sum(
                (s for s, item in zip(shares, items, strict=True) if item[0] == question.number), Fraction(0)
            )
            _check_question(assignment, question, offered, sharing, complete=complete)
    return [float(share) for share in shares]


def ungraded(assignment: Assignment) -> list[Question]:
    """The questions that stand in the results without tests."""
    return [question for question in assignment.questions if not question.graded]


def _share(assignment: Assignment, item: Item, sharing: Counter[tuple[str, str]]) -> Fraction:
    number, tier, weight = item
    question = assignment.question(number)
    if not question.graded:
        raise _fault(assignment, question, "has graded = false, but a test carries its number.")
    if weight is not None and not (math.isfinite(weight) and weight >= 0):
        raise _fault(assignment, question, f"has a test with the weight {weight!r}.")
    if tier is None:
        return exact(weight or 0)
    if weight is not None:
        raise _fault(
            assignment, question, f"has a test with both a tier ({tier!r}) and a weight ({weight!r})."
        )
    if tier not in question.tiers:
        raise _fault(assignment, question, f"has no tier {tier!r}{meant(tier, list(question.tiers))}")
    return exact(question.tiers[tier]) / sharing[number, tier]


def _check_question(
    assignment: Assignment,
    question: Question,
    offered: Fraction,
    sharing: Counter[tuple[str, str]],
    *,
    complete: bool,
) -> None:
    declared = exact(question.points) + exact(question.extra_credit)
    if complete:
        for tier, points in question.tiers.items():
            if points and not sharing[question.number, tier]:
                raise _fault(
                    assignment, question, f"gives {points:g} points to tier {tier!r}, which has no test."
                )
    if offered > declared or (complete and offered != declared):
        raise _fault(
            assignment,
            question,
            f"declares {float(declared):g} points, but its tests offer {float(offered):g}.",
        )


def _fault(assignment: Assignment, question: Question, what: str) -> ManifestFault:
    return ManifestFault(
        f"{assignment.manifest_path}: [[questions]] {question.number} {what}",
        remedy="Bring the manifest and the marks of the grader's tests (@number, tier, @weight) into step.",
    )
