"""The goal: the accuracy in each of the last epochs, the parameters and the epochs of the last step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight

from autograder.checks.measured_epochs import judge_epochs
from autograder.checks.statistics import Standing
from autograder.checks.step_accuracy import by_chance_alone, require_nothing_against, trained_epochs
from autograder.checks.step_networks import in_words
from autograder.checks.training import consistently, settle
from autograder.outcome import CheckFailed, Evidence

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from graders.eva_session5.conftest import Last, Telling

PARAMETERS = 15.0
_CHANCE = " The log that you handed in has it reached, and two trainings of one notebook differ by as much."
_SETTLE = "A learning rate that falls to nearly zero at the end keeps the accuracy where it is."


@number("2")
@weight(30)
@pytest.mark.evidence("verified")
def test_accuracy(last: Last, assignment: Assignment, tell: Telling) -> None:
    """The last step reaches 99.4 % on the test set in each of its last epochs"""
    accuracy, limits = last.accuracy, assignment.tolerances
    tell.report.rests_on(accuracy.evidence)
    if accuracy.why:
        tell.report.note(
            f"Not all of them were counted here, so its log is believed: {accuracy.why.rstrip('.')}."
        )
    if accuracy.ours is not None:
        tell.sheet.fact("Test accuracy, as counted here", accuracy.ours.text, accuracy.evidence)
    _tell_against(last, tell)
    require_nothing_against([] if accuracy.suspicion is None else [accuracy.suspicion])
    require_nothing_against(last.against)
    threshold, count = limits["accuracy"], int(limits["last_epochs"])
    found = consistently(accuracy.epochs, threshold, count)
    tell.sheet.fact("99.4 % in each of the last epochs", found.told, accuracy.evidence, last.work.step.path)
    standing, told = found.standing, found.told
    if standing is Standing.NOT_MET and by_chance_alone(
        accuracy, last.work.stored_log, threshold, count, limits["retraining_spread"]
    ):
        standing = Standing.TOO_CLOSE
        told += _CHANCE
    # One training is all that fits a grading: see reruns in the manifest.
    settled = settle(standing, assignment.models.too_close, runs=1, most_runs=1, run_s=0.0, left_s=0.0)
    if settled.action == "not met":
        raise CheckFailed(told, hint=_SETTLE)
    tell.report.note(told)
    if standing is Standing.TOO_CLOSE:
        tell.report.note(settled.told)
        tell.sheet.doubt(f"{told} {settled.told}", last.work.step.path)


def _tell_against(last: Last, tell: Telling) -> None:
    """What speaks against the last step, for staff: what is sure, and what is only suspected."""
    for finding in last.against:
        if finding.certain:
            tell.sheet.fact("Against the rule", finding.text, finding.evidence, finding.where)
        else:
            tell.sheet.doubt(finding.text, finding.where)
    if last.accuracy.suspicion is not None:
        tell.sheet.doubt(last.accuracy.suspicion.text, last.work.step.path)


@number("3")
@partial_credit(PARAMETERS)
@pytest.mark.evidence("verified")
def test_parameters(
    last: Last, assignment: Assignment, tell: Telling, set_score: Callable[[float], None]
) -> None:
    """The last step's network has fewer than 10,000 parameters; below 8,000 are worth more"""
    network, known = last.work.network, last.work.parameters
    if known is None:
        raise CheckFailed(
            f"How many parameters your last step's network has can't be told: its outputs say no count, and "
            f"{network.why.rstrip('.') or 'no network was found'}.",
            hint="Print them, for example with torchsummary's summary(model, input_size=(1, 28, 28)).",
        )
    count, evidence = known
    tell.report.rests_on(evidence)
    if network.weighed is not None:
        count = network.weighed.count(assignment.models.count)
        tell.report.note(network.weighed.describe())
        tell.sheet.fact("Parameters", network.weighed.describe(), evidence, last.work.step.path)
        tell.sheet.fact("The last step's network", in_words(network), evidence)
        said = network.weighed.said
        if said is not None and said != count:
            tell.sheet.doubt(f"The network's own parameters() says {said:,}, and the graph holds {count:,}.")
    else:
        tell.report.note(f"The count is the one that your notebook prints: {network.why.rstrip('.')}.")
    limit, scale = int(assignment.tolerances["parameters"]), assignment.scale("parameters")
    share = scale.share(float(limit - count))
    if not share:
        raise CheckFailed(
            f"Your last step's network has {count:,} parameters, and fewer than {limit:,} are asked for.",
            hint="Take fewer channels, 1 x 1 convolutions between, and global average pooling.",
        )
    tell.report.note(f"{count:,} parameters, fewer than {limit:,}.")
    more = scale.next_step(float(limit - count))
    if more is not None:
        tell.report.note(f"Fewer than {limit - int(more[0]) + 1:,} would earn more.")
    set_score(PARAMETERS * share)


@number("4")
@weight(10)
@pytest.mark.evidence("measured")
def test_epochs(last: Last, assignment: Assignment, tell: Telling) -> None:
    """The last step is trained for at most 15 epochs"""
    allowed, work = int(assignment.tolerances["epochs"]), last.work
    trained = trained_epochs(work)
    if trained is not None and trained.epochs is not None:
        judged = judge_epochs(trained, allowed, images=int(assignment.tolerances["training_images"]))
        tell.report.rests_on(Evidence.MEASURED)
        tell.sheet.fact("Epochs of the last step", judged.told, Evidence.MEASURED, work.step.path)
        if judged.staff:
            tell.sheet.doubt(judged.staff, work.step.path)
        if judged.standing is Standing.NOT_MET:
            raise CheckFailed(judged.told, hint=f"Train for {allowed} epochs or fewer, counted from 1.")
        tell.report.note(judged.told)
        return
    tell.report.rests_on(work.evidence)
    epochs = work.epochs
    if epochs is None:
        raise CheckFailed(
            "For how many epochs your last step is trained can't be told: neither log nor source says it.",
            hint="Print the test accuracy after every epoch.",
        )
    where = "its log has" if work.log.epochs > 1 else "its source asks for"
    asked = [int(one.value) for one in work.source.epochs if one.value is not None and one.value < 10**6]
    if asked and epochs not in asked:
        tell.sheet.doubt(f"The source asks for {asked[-1]} epochs, and {where} {epochs}.", work.step.path)
    if epochs > allowed:
        raise CheckFailed(
            f"The last step is trained for {epochs} epochs ({where} so many), and {allowed} are allowed.",
            hint=f"Train for {allowed} epochs or fewer, counted from 1.",
        )
    tell.report.note(f"{epochs} epochs: {where} so many.")
