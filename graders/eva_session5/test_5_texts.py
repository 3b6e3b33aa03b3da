"""What each step says of itself: Target, Results and Analysis, and whether the Results fit the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit

from autograder.checks.notebooks.step_results import disagreements, read_results
from autograder.checks.notebooks.step_texts import Place, read_plain_texts
from autograder.checks.notebooks.step_words import Part
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.step_facts import StepWork
    from graders.eva_session5.conftest import Telling

TEXTS, AGREEMENT = 10.0, 5.0

pytestmark = pytest.mark.evidence("claimed")


@number("5")
@partial_credit(TEXTS)
def test_texts(
    works: tuple[StepWork, ...], beside: dict[str, str], tell: Telling, set_score: Callable[[float], None]
) -> None:
    """Each step has a Target, Results and an Analysis at its start or end"""
    tell.report.rests_on(Evidence.CLAIMED)
    there = 0
    for one in works:
        texts, name = one.texts, one.step.name
        there += sum(texts.of(part) is not None for part in Part)
        for text in texts.texts:
            said = f"{text.words} words, cell {text.cell}, {text.place.value}"
            key = f"{one.step.number} {text.part.value}"
            tell.sheet.answer(key, f"Step {one.step.number}: {text.part.value}", said, text.text)
            if text.place is Place.MIDDLE:
                tell.sheet.doubt(f"The {text.part.value} stands neither at the start nor at the end.", name)
        bare = [part.value for part in texts.missing if part in texts.empty]
        gone = [part.value for part in texts.missing if part not in texts.empty]
        if bare:
            tell.report.note(f"{name}: under the heading {_listed(bare)} there is nothing.")
        if gone:
            tell.report.note(
                f"{name}: {_listed(gone)} not found. Write it in Markdown, at the start or the end."
            )
    if there < 3 * len(works):
        for path, content in beside.items():
            if not read_plain_texts(content).missing:
                tell.sheet.doubt("The texts that are missing in notebooks may stand in this file.", path)
    tell.report.note(f"{there} of {3 * len(works)} texts found.")
    tell.sheet.doubt(
        "Whether each target follows from the step before it, and each analysis from its results, is for you "
        "to judge: the texts stand one behind the other."
    )
    set_score(TEXTS * there / (3 * len(works)))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


@number("7")
@partial_credit(AGREEMENT)
def test_results_agree(
    works: tuple[StepWork, ...],
    assignment: Assignment,
    tell: Telling,
    set_score: Callable[[float], None],
) -> None:
    """The Results are those of the log"""
    tell.report.rests_on(Evidence.CLAIMED)
    allowed = assignment.tolerances["results_agree"]
    good = 0.0
    for one in works:
        results = one.texts.of(Part.RESULTS)
        if results is None:
            tell.report.note(f"{one.step.name}: there are no Results to hold against its log.")
            continue
        claims = read_results(results.text)
        weighed = one.network.weighed
        counts = [weighed.counted] if weighed is not None else []
        wrong = disagreements(claims, one.stored_series, counts, one.printed, allowed)
        for each in wrong:
            tell.report.note(f"{one.step.name}: {each.describe()}")
            tell.sheet.doubt(each.describe(), one.step.path)
        if not claims:
            tell.report.note(f"{one.step.name}: its Results name no number that could be read.")
            tell.sheet.doubt("No number could be read out of these Results.", one.step.path)
        good += not wrong
    tell.report.note(f"{good:g} of {len(works)} agree.")
    set_score(AGREEMENT * good / len(works))
