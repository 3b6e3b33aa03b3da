"""The results of one run: every declared test from the first moment, a score only at a good end.

``results.partial.json`` is written before the first test and replaced after each one, complete with the tests
still to come, so a run that is killed leaves a document that adds up. Only ``finish`` makes a
``results.json`` of it, and only if every test is settled and none is a fault of ours: without that file
Gradescope reports an autograder error, which costs the student nothing and which staff can rerun.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from autograder import atomic
from autograder.document import (
    POINTS_TOLERANCE,
    LeaderboardEntry,
    ResultsDocument,
    RunExtra,
    Visibility,
)
from autograder.outcome import BoardValue, Fault, GraderFault, ManifestFault, Outcome, ResultsFault, Verdict
from autograder.text import clean
from autograder.verdicts import DeclaredTest, entry_of, plain, staff_lines

__all__ = ["PARTIAL", "RESULTS", "DeclaredTest", "ResultsStore", "RunInfo", "lint_visibility"]

RESULTS = "results.json"
PARTIAL = "results.partial.json"

# A score this close to the full marks is the full marks: the rest is what adding floats left.
_ROUNDING = 1e-9
_NOTES_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is known about a run before its first test."""

    title: str
    points: float  # what the declared tests offer, without extra credit
    seed: int
    versions: Mapping[str, str]
    sandbox: str
    limits: Mapping[str, float]
    extra_credit: float = 0.0
    notes: tuple[str, ...] = ()  # for the student: what intake left out, say
    staff_notes: tuple[str, ...] = field(default=(), repr=False)  # for stdout only


class ResultsStore:
    """Holds the verdicts of one run and keeps the files in ``out`` true to them."""

    def __init__(self, out: Path, declared: Sequence[DeclaredTest], run: RunInfo) -> None:
        self._out, self._run = out, run
        self._started = time.monotonic()
        self._verdicts: dict[str, Verdict] = {}
        self._finished = False
        self._challenge_entries: int | None = None
        self._earlier_board: tuple[BoardValue, ...] = ()
        self._make_folder()  # first of all, so that no earlier run's score outlives the start of this one
        _check_declared(declared, run)
        self._declared = {test.key: test for test in declared}
        self._entries = {test.key: entry_of(test, None) for test in declared}
        self._write(final=False)

    def settle(self, key: str, verdict: Verdict) -> None:
        """Note how a test ended. A fault is tried once more, so it may be settled anew; a score may not."""
        test = self._declared.get(key)
        if test is None:
            raise GraderFault(
                f"test {key!r} gave a result, but was never declared.",
                remedy="Collect all of a grader's tests before the first runs; none may come later.",
            )
        if self._finished:
            raise ResultsFault(
                f"test {key!r} gave a result after the score was written.",
                remedy="This is a bug in the autograder: report it with this message.",
            )
        earlier = self._verdicts.get(key)
        if earlier and Outcome.FAULT not in (earlier.outcome, verdict.outcome):
            raise GraderFault(
                f"test {key!r} ended twice: {earlier.outcome.value}, then {verdict.outcome.value}.",
                remedy="Let each test give one result.",
            )
        verdict = _checked(test, verdict)
        entry = entry_of(test, verdict)
        self._verdicts[key], self._entries[key] = verdict, entry
        self._write(final=False)

    def note_challenge(self, entries: int, board: Sequence[BoardValue]) -> None:
        """How many of this team's entries to a challenge were scored so far, this one among them.

        ``board`` is the earlier ones' line, which stands where no test puts another on the leaderboard.
        """
        self._challenge_entries, self._earlier_board = entries, tuple(board)

    def document(self) -> ResultsDocument:
        """The results as they stand: marked as partial until ``finish`` has made a score of them."""
        return self._document(final=self._finished)

    @property
    def pending(self) -> tuple[str, ...]:
        """The keys of the tests that have not ended."""
        return tuple(key for key in self._declared if key not in self._verdicts)

    @property
    def faults(self) -> tuple[str, ...]:
        """The keys of the tests that ended in a fault of ours."""
        return tuple(key for key, verdict in self._verdicts.items() if verdict.outcome is Outcome.FAULT)

    def staff_text(self) -> str:
        """What only staff may read, for stdout, which Gradescope hides from students."""
        tests = [(self._declared[key], verdict) for key, verdict in self._verdicts.items()]
        return "\n".join([*(clean(note) for note in self._run.staff_notes), *staff_lines(tests)])

    def finish(self) -> Path:
        """Turn the partial results into the score; refuse while one test is open or broke through us."""
        for keys, what in (
            (self.faults, "ended in a fault of ours"),
            (self.pending, "never ended"),
        ):
            if keys:
                raise ResultsFault(
                    f"no score is given: {len(keys)} of {len(self._declared)} tests {what}, "
                    f"the first {keys[0]!r}.",
                    remedy="See the messages above for the cause, mend it, and grade this submission again.",
                )
        self._write(final=True)
        try:
            atomic.rename_file(self._out, PARTIAL, RESULTS)
        except OSError as error:
            raise _unwritable(self._out, error) from error
        self._finished = True
        return self._out / RESULTS

    def _make_folder(self) -> None:
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            for name in (RESULTS, PARTIAL):
                atomic.remove_file(self._out, name)
        except OSError as error:
            raise _unwritable(self._out, error) from error

    def _write(self, *, final: bool) -> None:
        document = self._document(final=final)
        try:
            # A partial document need only outlive this process. Waiting for the disk after every test would
            # cost more than the tests do, so that is kept for the one that becomes the score.
            atomic.write_file(self._out, PARTIAL, document.to_json(), durable=final)
        except OSError as error:
            raise _unwritable(self._out, error) from error

    def _document(self, *, final: bool) -> ResultsDocument:
        entries = tuple(self._entries.values())
        run = self._run
        try:
            return ResultsDocument(
                score=round(math.fsum(entry.score or 0.0 for entry in entries), 6),
                execution_time=round(time.monotonic() - self._started, 3),
                output=self._output(final=final),
                extra_data=RunExtra(
                    title=plain(run.title),
                    points=run.points,
                    extra_credit=run.extra_credit,
                    seed=run.seed,
                    versions={plain(name): plain(version) for name, version in run.versions.items()},
                    sandbox=plain(run.sandbox),
                    limits=dict(run.limits),
                    partial=not final,
                    entries=self._challenge_entries,
                ),
                tests=entries,
                leaderboard=self._leaderboard(),
            )
        except ValidationError as error:
            raise ResultsFault(
                f"the results are not what Gradescope accepts: {error.errors()[0]['msg']}",
                remedy="This is a bug in the autograder: report it with this message.",
            ) from error

    def _leaderboard(self) -> tuple[LeaderboardEntry, ...] | None:
        """The columns in the order of the tests; one that two tests fill has the later one's value."""
        verdicts = (self._verdicts.get(key) for key in self._declared)
        columns = {value.column: value for verdict in verdicts if verdict for value in verdict.board}
        columns = columns or {value.column: value for value in self._earlier_board}
        return (
            tuple(
                LeaderboardEntry(
                    name=plain(each.column),
                    value=plain(each.value) if isinstance(each.value, str) else each.value,
                    order=each.order,
                )
                for each in columns.values()
            )
            or None
        )

    def _output(self, *, final: bool) -> str:
        lines = [] if final else ["This grading has not ended. What stands here is not a grade."]
        waiting = [test for test in self._declared.values() if not test.graded]
        if waiting:
            numbers = list(dict.fromkeys(test.number for test in waiting))
            points = math.fsum(test.max_score for test in waiting if not test.extra_credit)
            lines.append(
                f"Not graded yet: question{'s' * (len(numbers) > 1)} {', '.join(numbers)}. "
                f"The {points:g} points there are still to come; they are not in this score, and not lost."
            )
        return clean("\n".join([*lines, *self._run.notes]), _NOTES_CHARS)


def lint_visibility(declared: Sequence[DeclaredTest]) -> list[str]:
    """Tell the author of a grader which tests will hide a student's total on Gradescope, and for how long."""
    until = {
        "hidden": "always",
        "after_due_date": "until the due date has passed",
        "after_published": "until the grades are published",
    }
    warnings = []
    for visibility, how_long in until.items():
        keys = [test.key for test in declared if test.visibility == visibility]
        if keys:
            named = ", ".join(repr(key) for key in keys[:3]) + (" and others" if len(keys) > 3 else "")
            warnings.append(
                f"Gradescope will hide every student's total {how_long}, because {len(keys)} of "
                f"{len(declared)} tests have visibility {visibility!r}: {named}. "
                "Make them visible if students should see their score."
            )
    return warnings


def _check_declared(declared: Sequence[DeclaredTest], run: RunInfo) -> None:
    seen: set[str] = set()
    for test in declared:
        if test.key in seen:
            raise GraderFault(
                f"two tests are called {test.key!r}.", remedy="Give each test of the grader its own name."
            )
        seen.add(test.key)
        if test.visibility not in get_args(Visibility):
            raise GraderFault(
                f"test {test.key!r} has the visibility {test.visibility!r}.",
                remedy=f"Gradescope knows {', '.join(map(repr, get_args(Visibility)))}.",
            )
        if not (math.isfinite(test.max_score) and test.max_score >= 0):
            raise ManifestFault(
                f"test {test.key!r} offers {test.max_score!r} points.",
                remedy="Give it a number that is zero or more.",
            )
    for extra, points in ((False, run.points), (True, run.extra_credit)):
        offered = math.fsum(test.max_score for test in declared if test.extra_credit is extra)
        if not abs(offered - points) <= POINTS_TOLERANCE:
            kind = "points of extra credit" if extra else "points"
            raise ManifestFault(
                f"the tests offer {offered:g} {kind}, but the assignment declares {points:g}.",
                remedy="Make the weights and tiers of the tests add up to the points in assignment.toml.",
            )


def _checked(test: DeclaredTest, verdict: Verdict) -> Verdict:
    """The verdict, if a right grader can have given it. A wrong one is our fault, and never made to fit."""
    top = test.max_score
    score = top if abs(verdict.score - top) <= _ROUNDING else verdict.score
    full = top > 0 and score == top
    problem = ""
    if not 0 <= score <= top:  # also refuses NaN
        problem = f"its score of {verdict.score!r} is not between 0 and {top:g}"
    elif not (math.isfinite(verdict.seconds) and verdict.seconds >= 0):
        problem = f"it took {verdict.seconds!r} seconds"
    elif verdict.outcome in (Outcome.ERROR, Outcome.SKIPPED, Outcome.FAULT) and score:
        problem = f"it has {score:g} points although it ended as {verdict.outcome.value!r}"
    elif verdict.outcome is Outcome.FAILED and full:
        problem = "it failed with full marks"
    elif not test.graded and verdict.outcome not in (Outcome.SKIPPED, Outcome.FAULT):
        problem = f"it ended as {verdict.outcome.value!r} although its question is declared as not graded"
    elif _lacks_evidence(test, verdict):
        got = verdict.evidence.label if verdict.evidence else "nothing"
        needed = test.evidence_needed.label if test.evidence_needed else ""
        problem = f"it gives credit for what is {needed!r} by the manifest, but rests on {got!r}"
    if problem:
        raise GraderFault(
            f"test {test.key!r} gave a result that can't be: {problem}.",
            remedy="Correct the test in the grader's folder; the submission has no part in this.",
        )
    if score == verdict.score:
        return verdict
    return replace(verdict, score=score)


def _lacks_evidence(test: DeclaredTest, verdict: Verdict) -> bool:
    credit = verdict.outcome is Outcome.PASSED or verdict.score > 0
    if not credit or test.evidence_needed is None:
        return False
    return verdict.evidence is None or verdict.evidence < test.evidence_needed


def _unwritable(out: Path, error: OSError) -> Fault:
    return ResultsFault(
        f"the results can't be written to {str(out)!r}: {error.strerror or error}.",
        remedy="Check that the folder can be written to and that its disk has room, then grade again.",
    )
