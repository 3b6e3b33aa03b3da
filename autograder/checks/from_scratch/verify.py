"""From handed-in weights to a verified accuracy, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.checks.from_scratch.network_source import NetworkSource
from autograder.checks.from_scratch.scripts import Scripts
from autograder.checks.from_scratch.viewing import read_ways
from autograder.checks.from_scratch.weights import (
    PROBE_SIDE,
    Evaluation,
    NotVerified,
    Plan,
    Verified,
    compare,
    find_weights,
    probes,
)
from autograder.data import course_data
from autograder.datasets import imagenet
from autograder.outcome import CheckFailed, Evidence, NotRun, SubmissionProblem
from autograder.text import quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_in import HandedIn
    from autograder.plugin import TestReport
    from autograder.sandbox.exported import Exports
    from autograder.sheet import Sheet


@dataclass(frozen=True, slots=True, eq=False)
class Handed:
    """The weights that were handed in: the file, its network as data, and what the evaluation came to."""

    file: str  # "" where there is none
    exports: Exports | None
    result: Verified | NotVerified
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """For the student: what is known about the weights."""
        if isinstance(self.result, Verified):
            return f"Your weights, evaluated here: {self.result.told}"
        return f"The accuracy is the log's: {self.result.why}."


def export(
    submission: HandedIn, assignment: Assignment, network: NetworkSource, weights: str = ""
) -> Exports:
    """The submission's network as data, filled from the file ``weights``, or with random numbers."""
    module = submission.module(network.path)
    with module.scene() as scene:
        return scene.export(
            probes(),
            weights=weights,
            arguments=network.arguments,
            classes=network.names,
            input_shape=(3, PROBE_SIDE, PROBE_SIDE),
            budget_s=assignment.tolerances["export_wall_s"],
        )


def verify(
    submission: HandedIn, assignment: Assignment, scripts: Scripts, network: NetworkSource, seed: int
) -> Handed:
    """Export the weights that are likeliest, and evaluate them on the course's validation images."""
    files = find_weights(submission.tree.files)
    if not files:
        return Handed("", None, NotVerified("no weights were handed in", handed_in=False))
    if not network.path:
        why = "no Python file of your submission can be imported without starting a training"
        return Handed(files[0], None, NotVerified(f"{quote(files[0])} could not be loaded, because {why}"))
    notes: list[str] = []
    for file in files:
        try:
            exports = export(submission, assignment, network, file)
        except SubmissionProblem as problem:
            notes.append(f"{quote(file)} could not be exported: {problem.message}")
            continue
        notes += exports.notes
        if any(one.onnx is not None for one in exports.networks):
            evaluation = _evaluation(submission, assignment, seed)
            if isinstance(evaluation, Evaluation):
                ways = read_ways(scripts.sources, scripts.settings)
                return Handed(file, exports, evaluation.run(exports, file, ways), tuple(notes))
            return Handed(file, exports, evaluation, tuple(notes))
        notes += [f"{one.kind}: {one.problem}" for one in exports.networks if one.problem]
    why = notes[0].rstrip(".") if notes else f"{quote(files[0])} holds no network"
    return Handed(files[0], None, NotVerified(why), tuple(notes))


def _evaluation(submission: HandedIn, assignment: Assignment, seed: int) -> Evaluation | NotVerified:
    limits = assignment.tolerances
    validation = imagenet.find(course_data(assignment))
    if validation is None:
        return NotVerified("the course has no validation images here to evaluate your weights on")
    if len(validation.classes) != int(limits["classes"]):
        return NotVerified(f"the course's validation images here are {validation.note}")
    plan = Plan.of(limits, assignment.scale("top1").steps[-1][0])
    return Evaluation(submission.room, validation, plan, seed)


def require_agreement(
    handed: Handed, logged: float | None, slack: float, report: TestReport, sheet: Sheet
) -> tuple[str, ...]:
    """What to note; raises CheckFailed where weights can't be used, or don't do what the log says."""
    result = handed.result
    if isinstance(result, NotVerified):
        report.rests_on(Evidence.CLAIMED)
        if not result.handed_in:
            raise NotRun("No weights were handed in; they are optional.")
        sheet.doubt(f"The weights were not evaluated: {result.why}.", handed.file)
        raise CheckFailed(
            f"Your weights were not evaluated: {result.why}.",
            hint="Hand in the logged network's state dict, with the file that defines its class.",
        )
    if logged is None:
        return (result.told,)
    agreement = compare(result, logged, slack)
    if not agreement.agrees:
        sheet.doubt(agreement.told, handed.file)
        raise CheckFailed(
            agreement.told,
            hint="Hand in the weights of the run that is logged, and the preparation of images that it "
            "was validated with.",
        )
    if not result.decided:
        sheet.doubt(f"Undecided. {result.told}", handed.file)
    return (agreement.told,)
