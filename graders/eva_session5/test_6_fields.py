"""The receptive fields that were worked out, held against the network's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit

from autograder.checks.field_claims import best_check, shows_pictures
from autograder.checks.models.fields import table
from autograder.outcome import Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.step_facts import StepWork
    from graders.eva_session5.conftest import Elsewhere, Telling

FIELDS = 10.0
SHOWN = 4  # wrong ones that are named of a step

pytestmark = pytest.mark.evidence("claimed")


@number("6")
@partial_credit(FIELDS)
def test_fields(
    works: tuple[StepWork, ...],
    elsewhere: Elsewhere,
    assignment: Assignment,
    tell: Telling,
    set_score: Callable[[float], None],
) -> None:
    """The receptive field of each network's layers is worked out, and right"""
    tell.report.rests_on(Evidence.CLAIMED)
    fewest = int(assignment.tolerances["field_rows"])
    good = 0.0
    for one in works:
        good += _share(one, elsewhere, fewest, tell)
    tell.report.note(f"{good:g} of {len(works)} steps.")
    set_score(FIELDS * good / len(works))


def _share(one: StepWork, elsewhere: Elsewhere, fewest: int, tell: Telling) -> float:
    """What of a step's share it earns."""
    name, rows = one.step.name, one.network.rows
    tables = [each for each in (*one.own_fields, *elsewhere.fields) if len(set(each.fields)) >= fewest]
    if not tables:
        tell.report.note(
            f"{name}: no receptive fields of at least {fewest} layers were found. Write them behind the "
            "layers, as in `# RF 5`, or into a table with a column r_out."
        )
        pictures = [*elsewhere.pictures, *([one.step.path] if shows_pictures(one.stored) else [])]
        if pictures:
            text = f"The receptive fields of step {one.step.number} may stand in a picture or a workbook."
            tell.sheet.doubt(text, ", ".join(pictures[:SHOWN]))
        return 0.0
    if not rows:
        told = f"Its receptive fields could not be held against its network: {one.network.why.rstrip('.')}."
        tell.report.note(f"{name}: {told}")
        tell.sheet.doubt(told, one.step.path)
        return 1.0
    tell.sheet.answer(
        f"fields {one.step.number}", f"Step {one.step.number}: receptive fields", "right ones", table(rows)
    )
    found = best_check(tables, rows)
    assert found is not None
    tell.sheet.fact(
        f"Receptive fields, step {one.step.number}",
        f"{len(found.right)} right, {len(found.wrong)} wrong of those that are claimed",
        Evidence.CLAIMED,
        found.table.where,
    )
    for wrong in found.wrong[:SHOWN]:
        tell.report.note(f"{name}: {wrong.describe()}")
    if found.wrong:
        tell.report.note(f"{name}: r_out = r_in + (k - 1) * j_in, and j_out = j_in * s.")
        return 0.0
    if found.layers < fewest:
        tell.report.note(
            f"{name}: the receptive fields of {found.layers} layers are right; show at least {fewest}."
        )
        return 0.0
    tell.report.note(f"{name}: right ({found.table.where}).")
    return 1.0
