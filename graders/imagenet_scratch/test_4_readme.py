"""Q4: the README tells what was trained, how, and with which result. Students have this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight

from autograder.checks.from_scratch.readme import TOPICS, require_agreement
from autograder.checks.from_scratch.run_log import top1
from autograder.outcome import CheckFailed, Evidence

if TYPE_CHECKING:
    from autograder.checks.from_scratch.readme import Told
    from autograder.checks.from_scratch.run_log import Run
    from graders.imagenet_scratch.conftest import Telling

TOLD = 10.0

pytestmark = pytest.mark.evidence("claimed")


@number("4")
@partial_credit(TOLD)
def test_told(readme: Told | None, tell: Telling, set_score: Callable[[float], None]) -> None:
    """The README tells architecture, schedule, hardware, time and result"""
    told = _required(readme)
    tell.report.note(told.describe())
    for topic in told.missing:
        tell.report.note(f"It doesn't tell {topic.title}. Such as: “{topic.hint}”")
    for topic, line in told.found:
        tell.sheet.fact(f"README: {topic.title}", line, Evidence.CLAIMED, told.path)
    set_score(TOLD * len(told.found) / len(TOPICS))


@number("4")
@weight(5)
def test_readme_agrees(readme: Told | None, run: Run, limits: Mapping[str, float], tell: Telling) -> None:
    """The README's top-1 accuracy is the log's"""
    told = _required(readme)
    epoch = run.counting(int(limits["best_of_last_epochs"]))
    last = run.log.last
    others = [top1(last)] if last is not None else []
    if run.log.final_test is not None:
        others.append(run.log.final_test)
    others += [*epoch.also, max((one for each in run.log.epochs for one in each.also), default=0.0)]
    tell.report.note(require_agreement(told, top1(epoch), others, epoch.top5, epoch.digit or 0.0))


def _required(readme: Told | None) -> Told:
    if readme is None:
        raise CheckFailed(
            "Your submission has no README.",
            hint="Hand in a README.md that tells architecture, schedule, hardware, time and result.",
        )
    return readme
