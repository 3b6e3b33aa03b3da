"""From a verdict to the entry that a student reads, and to the lines that only staff read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from autograder.document import Status, TestEntry, TestExtra, Visibility, evidence_word, outcome_word
from autograder.outcome import Evidence, Outcome, Verdict
from autograder.text import clean, cut_line

OUTPUT_CHARS = 8_000  # of one test: about three screens, far more than any message of ours
STAFF_CHARS = 16_000
NAME_CHARS = 200


@dataclass(frozen=True, slots=True)
class DeclaredTest:
    """A test that stands in the results whatever happens."""

    key: str  # pytest's node id
    number: str  # of the question
    name: str  # what the student reads: the first line of the docstring
    max_score: float
    visibility: Visibility = "visible"
    tags: tuple[str, ...] = ()
    question: str = ""  # the question's title
    evidence_needed: Evidence | None = None
    graded: bool = True  # False: this version doesn't grade it, and the results say so
    extra_credit: bool = False  # its points come on top of the assignment's


def entry_of(test: DeclaredTest, verdict: Verdict | None) -> TestEntry:
    """The entry of a test that ended with this verdict, or that has not ended yet (None)."""
    name, question = plain(test.name), plain(test.question)
    return TestEntry(
        score=verdict.score if verdict else 0.0,
        max_score=test.max_score,
        status=_status(test, verdict),
        # Gradescope shows one flat list, so each line says by itself which question it belongs to.
        name=f"{question}: {name}" if question and question != name else name,
        number=plain(test.number),
        output=_output(test, verdict),
        output_format="text",
        tags=tuple(plain(tag) for tag in test.tags),
        visibility=test.visibility,
        extra_data=TestExtra(
            key=plain(test.key),
            test=name,
            question=question,
            outcome=outcome_word(verdict.outcome if verdict else None),
            evidence=evidence_word(verdict.evidence if verdict else None),
            evidence_needed=evidence_word(test.evidence_needed),
            graded=test.graded,
            extra_credit=test.extra_credit,
            seconds=round(verdict.seconds, 4) if verdict else 0.0,
        ),
    )


def staff_lines(tests: Iterable[tuple[DeclaredTest, Verdict]]) -> list[str]:
    """One paragraph for each test that has something to say to staff."""
    return [
        f"{plain(test.key)} ({verdict.outcome.value}):\n{clean(verdict.staff, STAFF_CHARS)}"
        for test, verdict in tests
        if verdict.staff
    ]


def plain(text: str) -> str:
    """Text as one short line, fit for a name."""
    return cut_line(" ".join(clean(text).split()), NAME_CHARS)


def _status(test: DeclaredTest, verdict: Verdict | None) -> Status | None:
    """Only what is known. Where the status is left out, Gradescope goes by the score against the maximum.

    That is right for partial credit, for what was not run and for what is not graded yet: less than the
    full marks, and no claim of ours. It would be wrong where the maximum is 0: a test that was not run
    would come out green.
    """
    if verdict is None or verdict.outcome in (Outcome.SKIPPED, Outcome.FAULT):
        return "failed" if test.max_score == 0 and test.graded else None
    if verdict.outcome is Outcome.PASSED and verdict.score == test.max_score:
        return "passed"
    return None if verdict.score > 0 else "failed"


def _output(test: DeclaredTest, verdict: Verdict | None) -> str:
    lines = [_word(test, verdict)]
    if verdict and verdict.outcome is not Outcome.FAULT:  # a fault's own text is no business of the student's
        lines.append(clean(verdict.student, OUTPUT_CHARS).strip("\n"))
        lines.append(_evidence(test, verdict))
    if verdict and verdict.staff and test.visibility == "hidden":
        lines.append(f"\nFor staff only:\n{clean(verdict.staff, STAFF_CHARS)}")
    return "\n".join(line for line in lines if line)


_FAULT = (
    "Not graded: the autograder itself broke here. This is not your fault and costs you nothing; "
    "the course staff can run it again."
)
_ENDED = {
    Outcome.FAULT: _FAULT,
    Outcome.SKIPPED: "Not run.",
    Outcome.ERROR: "Broke: your submission did not run to its end.",
}


def _word(test: DeclaredTest, verdict: Verdict | None) -> str:
    """How it ended, in words, so that no colour has to say it."""
    faulty = verdict is not None and verdict.outcome is Outcome.FAULT
    if not test.graded and not faulty:
        return "Not graded yet."
    if verdict is None:
        return "Not run yet."
    if verdict.outcome in _ENDED:
        return _ENDED[verdict.outcome]
    if verdict.outcome is Outcome.PASSED and verdict.score == test.max_score:
        return "Passed."
    return "Partly right." if verdict.score > 0 else "Not right."


def _evidence(test: DeclaredTest, verdict: Verdict) -> str:
    if verdict.evidence is None:
        return ""
    needed = test.evidence_needed
    short = f", but {needed.label} is needed" if needed is not None and verdict.evidence < needed else ""
    return f"Evidence: {verdict.evidence.label}{short}."


def message_of(entry: TestEntry) -> str:
    """An entry's text without the lines that ``entry_of`` put around the message."""
    extra = entry.extra_data
    if extra is None:
        return entry.output
    lines = entry.output.split("\n")[1:]
    framed = [number for number, line in enumerate(lines) if line.startswith("Evidence: ")]
    if extra.evidence and framed:
        del lines[framed[-1]]
    return "\n".join(lines).strip("\n")
