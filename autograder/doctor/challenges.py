"""Is the challenge of each assignment that has one prepared?"""

from __future__ import annotations

from collections.abc import Iterator

from autograder.challenge.answers import load_answers
from autograder.challenge.preparing import form_of
from autograder.doctor.finding import Finding
from autograder.doctor.needs import Needs
from autograder.outcome import Fault


def examine(needs: Needs) -> Iterator[Finding]:
    """A line for each assignment with a challenge: without its answers only its questions wait."""
    for assignment in needs.assignments:
        if assignment.challenge is None:
            continue
        name, command = f"challenge of {assignment.name!r}", f"run_autograder challenge {assignment.name}"
        if assignment.waiting:
            listed = ", ".join(assignment.waiting)
            yield Finding.warning(
                name,
                f"not prepared: {listed} will stand as not graded yet",
                f"Run `./{command} --answers FILE --staff NAME=FILE`.",
            )
            continue
        try:
            answers = load_answers(assignment, form_of(assignment))
        except Fault as fault:
            yield Finding.warning(name, fault.message, fault.remedy)
        else:
            models = ", ".join(answers.staff) or "no model of the staff's"
            yield Finding.ok(name, f"{len(answers.labels):,} answers; {models}")
