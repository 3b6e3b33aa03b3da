"""Q4: the questions of the analysis are answered; a human reads how well. Students have this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

from autograder.checks.notebooks.questions_asked import Asked, require_answer

if TYPE_CHECKING:
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet

pytestmark = pytest.mark.evidence("claimed")


@number("4")
@pytest.mark.tier("answers")
def test_answered(prompt: str, asked: dict[str, Asked], report: TestReport, sheet: Sheet) -> None:
    """The question is answered"""
    one = asked[prompt]
    answer = one.answer
    notes = [f"under the notebook's own question: {one.instead}"] if one.instead else []
    where = ", ".join(f"cell {cell}" for cell in answer.where)
    status = f"{answer.status.value}, {answer.words} words, {where}" if answer.words else answer.status.value
    sheet.answer(prompt, one.prompt.title, status, answer.text, notes)
    report.note(require_answer(one))
