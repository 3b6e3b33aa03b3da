"""Q5: the narrative has all its parts; what they are worth, a human reads. Students have this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

from autograder.checks.notebooks.narrative import Source
from autograder.checks.notebooks.narrative_file import (
    Essay,
    require_comparison,
    require_gain,
    require_link,
    require_technique,
)

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

pytestmark = [pytest.mark.evidence("claimed"), pytest.mark.tier("complete")]


@number("5")
def test_technique(essay: Essay, assignment: Assignment, report: TestReport, sheet: Sheet) -> None:
    """It is about one technique of the article"""
    essay.put_on(sheet)
    report.note(require_technique(essay, int(assignment.tolerances["narrative_words"])))


@number("5")
def test_paper(essay: Essay, report: TestReport) -> None:
    """The technique's paper is linked"""
    report.note(require_link(essay))


@number("5")
def test_gain_in_the_paper(essay: Essay, report: TestReport) -> None:
    """The gain that the paper's authors report is given, with its unit"""
    report.note(require_gain(essay, Source.PAPER))


@number("5")
def test_gain_in_the_article(essay: Essay, report: TestReport) -> None:
    """The gain that the article reports is given, with its unit"""
    report.note(require_gain(essay, Source.ARTICLE))


@number("5")
def test_comparison(essay: Essay, report: TestReport) -> None:
    """The two gains are compared"""
    report.note(require_comparison(essay))
