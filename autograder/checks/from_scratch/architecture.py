"""Whether the network is of the submission's own design: defined in its files, and none of torchvision's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.checks.from_scratch.network_source import NetworkSource
from autograder.checks.from_scratch.verify import Handed, export
from autograder.outcome import CheckFailed, Evidence
from autograder.text import quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.handed_in import HandedIn


@dataclass(frozen=True, slots=True)
class Own:
    """It is; ``doubts`` are for the staff."""

    told: str
    evidence: Evidence
    doubts: tuple[str, ...]


def require_own(submission: HandedIn, assignment: Assignment, network: NetworkSource, handed: Handed) -> Own:
    """Raises CheckFailed where the submission defines no network, or one of torchvision's."""
    from autograder.checks.models.architecture import architecture_of  # noqa: PLC0415  (imports onnx)
    from autograder.checks.models.weigh import weigh  # noqa: PLC0415  (as above)

    if not network.own:
        raise CheckFailed(
            "No Python file of your submission defines a network, so the architecture is a library's.",
            hint="For the extra credit, write a class of your own and train that.",
        )
    if not network.path:
        raise CheckFailed(
            "The file that defines your network trains when it is imported, so it can't be made here.",
            hint="Put the class into a file of its own, or the training under if __name__ == '__main__'.",
        )
    exports = handed.exports or export(submission, assignment, network)
    found = [one for one in exports.networks if one.onnx is not None]
    if not found:
        told = [one.problem for one in exports.networks if one.problem] or list(exports.notes)
        why = f": {told[0]}" if told else ""
        raise CheckFailed(
            f"Your network could not be made and exported here{why}.",
            hint="Its class should need no arguments, or num_classes alone.",
        )
    one = found[0]
    known = architecture_of(weigh(one))
    if known:
        raise CheckFailed(
            f"By its graph, {quote(one.kind)} is torchvision's {known}, layer for layer.",
            hint="The extra credit is for an architecture of your own.",
        )
    doubts = [f"Is {quote(one.kind)} an architecture of one's own? Its graph is none of torchvision's."]
    if handed.exports is None:
        doubts.append("No weights show that it is the network of the log; it was made from its source.")
    return Own(f"The graph of {one.kind} is none of torchvision's.", Evidence.MEASURED, tuple(doubts))
