"""Q9.3: the PyTorch convnet, its command, its log and its pictures. Students have this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

from autograder.checks.handed_files import data_of, handed, required, same_files, stored_notebook
from autograder.checks.notebooks.plots import pictures
from autograder.checks.pictures import Kind, Looked, look_at, require_grid, require_plot
from autograder.checks.script_runs import describe_command, require_complete, require_same_run
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.convnet_training import Reached
    from autograder.checks.script_logs import LogFacts
    from autograder.checks.script_settings import Settings
    from autograder.handed_in import HandedIn
    from autograder.plugin import TestReport
    from autograder.sheet import Sheet


@number("9.3")
@pytest.mark.tier("learned")
@pytest.mark.evidence("verified")
def test_learned(
    reached: Callable[[], Reached], assignment: Assignment, report: TestReport, sheet: Sheet
) -> None:
    """The network learned something: it is clearly better than guessing"""
    found = _known(reached, report)
    for doubt in found.doubts:
        sheet.doubt(doubt)
    sheet.fact("Accuracy (9.3)", found.told, found.evidence)
    require_accuracy(found, assignment.tolerances["learned_accuracy"], report)


@number("9.3")
@pytest.mark.tier("accuracy")
@pytest.mark.evidence("verified")
def test_accuracy(reached: Callable[[], Reached], assignment: Assignment, report: TestReport) -> None:
    """The network is as good as such a convnet should be"""
    require_accuracy(_known(reached, report), assignment.tolerances["convnet_accuracy"], report)


def _known(reached: Callable[[], Reached], report: TestReport) -> Reached:
    try:
        return reached()
    except SubmissionProblem:  # there is none: that was read off what was handed in
        report.rests_on(Evidence.CLAIMED)
        raise


def require_accuracy(found: Reached, threshold: float, report: TestReport) -> None:
    report.rests_on(found.evidence)
    if found.value < threshold:
        raise CheckFailed(
            f"{found.told} At least {100 * threshold:g} % is asked for.",
            hint="Train for more epochs, or with another learning rate; look at the loss of the first steps.",
        )
    report.note(found.told)


@number("9.3")
@pytest.mark.tier("log")
@pytest.mark.evidence("claimed")
def test_log(log: Callable[[], LogFacts], report: TestReport) -> None:
    """The training log is complete and ends with the test accuracy"""
    report.note(require_complete(log()))


@number("9.3")
@pytest.mark.tier("command")
@pytest.mark.evidence("claimed")
def test_command(
    submission: HandedIn,
    settings: Callable[[], Settings],
    log: Callable[[], LogFacts],
    report: TestReport,
    sheet: Sheet,
) -> None:
    """run_convnet.sh holds the command of the run that the log is of"""
    run = settings()
    sheet.fact("Command (9.3)", describe_command(run.command), Evidence.CLAIMED)
    train = handed(submission, "train")
    facts = log()
    for other in same_files(submission.tree, facts.path)[:3]:
        sheet.doubt(f"{facts.path} and {other} are the same file.")
    compared = require_same_run(facts, run, submission.read(train) if train else "")
    for doubt in compared.doubts:
        sheet.doubt(doubt)
    report.note(compared.note)


@number("9.3")
@pytest.mark.tier("plots")
@pytest.mark.evidence("verified")
def test_loss_plot(submission: HandedIn, report: TestReport, sheet: Sheet) -> None:
    """The plot of the losses shows something"""
    report.note(require_plot(_picture(submission, "loss_plot", "the losses", sheet), "the losses"))


@number("9.3")
@pytest.mark.tier("plots")
@pytest.mark.evidence("verified")
def test_accuracy_plot(submission: HandedIn, report: TestReport, sheet: Sheet) -> None:
    """The plot of the validation accuracy shows something"""
    what = "the validation accuracy"
    report.note(require_plot(_picture(submission, "accuracy_plot", what, sheet), what))


@number("9.3")
@pytest.mark.tier("filters")
@pytest.mark.evidence("verified")
def test_filter_grid(submission: HandedIn, report: TestReport, sheet: Sheet) -> None:
    """The picture of the learned filters is a grid of them"""
    if handed(submission, "filter_grid"):
        looked = _picture(submission, "filter_grid", "the filters", sheet)
    else:
        looked = _in_the_notebook(submission, report, sheet)
    report.note(require_grid(looked, "the filters"))
    if looked.kind is Kind.UNCLEAR:
        sheet.doubt("Whether the picture of the filters is a grid of them can't be told from its pixels.")


def _picture(submission: HandedIn, key: str, what: str, sheet: Sheet) -> Looked:
    data = data_of(submission, key)
    looked = look_at(data, required(submission, key))
    sheet.picture(f"9.3, {what}", data)
    path = required(submission, key)
    if "mymodel" in path.rpartition("/")[2].lower():
        sheet.doubt(f"{path} was taken for the picture of {what}; its name speaks of the model of 9.4.")
    if looked.kind is Kind.PHOTO and key != "filter_grid":
        sheet.doubt(f"The picture of {what} looks more like a photograph than like a plot.")
    return looked


def _in_the_notebook(submission: HandedIn, report: TestReport, sheet: Sheet) -> Looked:
    """The last picture of the notebook that shows filters, where the file itself is missing."""
    if not handed(submission, "filter_viz"):
        required(submission, "filter_grid")  # raises: it is what is asked for
    shown = list(pictures(stored_notebook(submission, "filter_viz")))
    if not shown:
        required(submission, "filter_grid")
    caption, data = shown[-1]
    looked = look_at(data, f"{required(submission, 'filter_viz')}, {caption}")
    report.note("convnet_gridfilt.png is missing; the last picture of filter-viz.ipynb was taken.")
    sheet.picture("9.3, the filters", data)
    return looked
