"""What a report says, before it is known whether a terminal or a page says it.

Tests are grouped by question. Where many tests of a question ended alike, with the same message, they become
one row: a module that can't be imported is one problem, not thirty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from autograder.document import ResultsDocument, TestEntry
from autograder.verdicts import message_of

# Up to this many tests that ended alike, and have no message to repeat, read better one by one.
_FOLD_ABOVE = 3


class Mark(Enum):
    """How a test ended, as a symbol and a word; colour comes on top and is never needed."""

    PASSED = ("✓", "Passed", "green")
    PARTLY = ("◐", "Partly right", "cyan")
    FAILED = ("✗", "Not right", "red")
    BROKE = ("!", "Broke", "magenta")
    FAULT = ("?", "Our fault", "yellow")
    SKIPPED = ("–", "Not run", "yellow")
    PENDING = ("…", "Not run yet", "bright_black")
    UNGRADED = ("○", "Not graded yet", "bright_black")

    def __init__(self, symbol: str, word: str, colour: str) -> None:
        self.symbol, self.word, self.colour = symbol, word, colour

    @property
    def counts(self) -> bool:
        """Whether a score stands behind it yet."""
        return self not in (Mark.PENDING, Mark.UNGRADED)


@dataclass(frozen=True, slots=True)
class Row:
    """One test, or several that ended alike."""

    mark: Mark
    names: tuple[str, ...]
    score: float
    max_score: float
    evidence: str
    message: str
    visibility: str

    @property
    def title(self) -> str:
        """What to call it within its question, whose heading already says what is not graded there."""
        if self.mark is Mark.UNGRADED:
            return ""
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} tests"

    @property
    def worth(self) -> str:
        return (
            f"{points(self.score)} / {points(self.max_score)}" if self.max_score and self.mark.counts else ""
        )


@dataclass(frozen=True, slots=True)
class Group:
    """One question."""

    number: str
    title: str
    rows: tuple[Row, ...]
    score: float
    max_score: float
    extra_credit: float
    graded: bool

    @property
    def worth(self) -> str:
        if not (self.max_score or self.extra_credit):
            return ""
        bonus = f" + {points(self.extra_credit)} extra" if self.extra_credit else ""
        if not self.graded:
            return f"{points(self.max_score)}{bonus} to come"
        return f"{points(self.score)} / {points(self.max_score)}{bonus}"


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole report. ``score`` is None where Gradescope would not show it to a student either."""

    title: str
    groups: tuple[Group, ...]
    score: float | None
    graded_points: float
    waiting_points: float
    extra_points: float  # of the score, beyond graded_points
    partial: bool
    notes: str
    next_steps: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def summarise(document: ResultsDocument, *, title: str | None, for_student: bool) -> Summary:
    """A document as its reader may see it: a student gets the visible tests only."""
    shown = [t for t in document.tests if not for_student or t.visibility == "visible"]
    groups = tuple(_groups(shown))
    complete = len(shown) == len(document.tests)
    regular = [test for test in shown if not (test.extra_data and test.extra_data.extra_credit)]
    return Summary(
        title=title if title is not None else document.extra_data.title,
        groups=groups,
        score=document.score if complete else None,
        graded_points=math.fsum(test.max_score or 0.0 for test in regular if _graded(test)),
        waiting_points=math.fsum(test.max_score or 0.0 for test in regular if not _graded(test)),
        extra_points=math.fsum(test.score or 0.0 for test in shown if test not in regular),
        partial=document.extra_data.partial,
        notes=document.output,
        next_steps=tuple(_next_steps(groups, complete=complete, partial=document.extra_data.partial)),
        facts=tuple(_facts(document)),
    )


def points(value: float) -> str:
    """Points as a reader wants them: 1, 0.75, 0.107."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _graded(test: TestEntry) -> bool:
    return test.extra_data is None or test.extra_data.graded


def _groups(tests: Sequence[TestEntry]) -> Iterable[Group]:
    by_number: dict[str, list[TestEntry]] = {}
    for test in tests:
        by_number.setdefault(test.number, []).append(test)
    for number in sorted(by_number, key=_natural):
        members = by_number[number]
        extra = [test for test in members if test.extra_data and test.extra_data.extra_credit]
        offered = math.fsum(test.max_score or 0.0 for test in members)
        bonus = math.fsum(test.max_score or 0.0 for test in extra)
        yield Group(
            number=number,
            title=next((test.extra_data.question for test in members if test.extra_data), ""),
            rows=tuple(_rows(members)),
            score=math.fsum(test.score or 0.0 for test in members),
            max_score=offered - bonus,
            extra_credit=bonus,
            graded=any(_graded(test) for test in members),
        )


def _natural(number: str) -> list[tuple[int, str]]:
    """9.2 comes before 9.10."""
    return [(int(part), "") if part.isdigit() else (10**9, part) for part in re.split(r"\.", number)]


def _rows(tests: Sequence[TestEntry]) -> Iterable[Row]:
    alike: dict[tuple[object, ...], list[TestEntry]] = {}
    for test in tests:
        evidence = test.extra_data.evidence if test.extra_data else None
        key = (_mark(test), evidence, message_of(test), test.visibility, _graded(test))
        alike.setdefault(key, []).append(test)
    rows: list[Row] = []
    for members in alike.values():
        if len(members) > _FOLD_ABOVE or message_of(members[0]):
            rows.append(_row(members))
        else:
            rows.extend(_row([test]) for test in members)
    return sorted(rows, key=lambda row: row.mark is Mark.PASSED)  # what wants attention stands first


def _row(tests: Sequence[TestEntry]) -> Row:
    first = tests[0]
    names = (test.extra_data.test if test.extra_data else test.name for test in tests)
    return Row(
        mark=_mark(first),
        names=tuple(names),
        score=math.fsum(test.score or 0.0 for test in tests),
        max_score=math.fsum(test.max_score or 0.0 for test in tests),
        evidence=(first.extra_data.evidence if first.extra_data else None) or "",
        message=message_of(first),
        visibility=first.visibility,
    )


def _mark(test: TestEntry) -> Mark:
    outcome = test.extra_data.outcome if test.extra_data else test.status or "failed"
    if outcome == "fault":
        return Mark.FAULT
    if not _graded(test):
        return Mark.UNGRADED
    if outcome in ("passed", "failed"):
        if outcome == "passed" and test.score == test.max_score:
            return Mark.PASSED
        return Mark.PARTLY if test.score else Mark.FAILED
    return {"error": Mark.BROKE, "skipped": Mark.SKIPPED}.get(outcome, Mark.PENDING)


def _next_steps(groups: Sequence[Group], *, complete: bool, partial: bool) -> Iterable[str]:
    rows = [(group, row) for group in groups for row in group.rows]
    marks = [row.mark for _, row in rows]
    if Mark.FAULT in marks:
        yield "Staff: the autograder broke, so there is no score. Mend what it names, and grade again."
    elif partial:
        yield "This grading did not end, so there is no score. Grade the submission again."
    # What broke comes first: it may be the reason for what is not right after it.
    wrong = [each for mark in (Mark.BROKE, Mark.FAILED, Mark.PARTLY) for each in rows if each[1].mark is mark]
    if wrong:
        group, row = wrong[0]
        names = f"“{row.names[0]}”" if len(row.names) == 1 else f"its {len(row.names)} tests that ended alike"
        yield f"Start with question {group.number}, {names}: its message says what to change. Then try again."
    elif Mark.SKIPPED in marks:
        yield "Some tests were not run. Their messages say what has to be put right first."
    elif Mark.PASSED in marks and not partial:
        yield "Every test that is shown here passed. There is nothing left to do for them."
    if not complete:
        yield "Some tests are hidden until later, so the total is not shown."


def _facts(document: ResultsDocument) -> Iterable[tuple[str, str]]:
    extra = document.extra_data
    yield "Sandbox", extra.sandbox
    yield "Seed", str(extra.seed)
    yield "Time", f"{document.execution_time:.1f} s"
    yield "Versions", ", ".join(f"{name} {version}" for name, version in extra.versions.items())
    yield "Limits", ", ".join(f"{name} {value:g}" for name, value in extra.limits.items())
