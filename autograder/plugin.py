"""Our pytest plugin: every collected test becomes one entry of the results, whatever happens to it.

pytest's own reports are not used: their text prints the values that an assertion compared. What a student
reads is built from our own structured problems (outcome.py); see raised.py for what else a test may raise.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest

from autograder.marks import MARKERS, Marks, read_marks, take_board_value, take_score
from autograder.outcome import BoardValue, Evidence, Fault, GraderFault, Outcome, Verdict
from autograder.raised import problem_of


@dataclass(slots=True)
class TestReport:
    """What a test says beyond passing or failing; the ``report`` fixture."""

    __test__ = False

    notes: list[str] = field(default_factory=list)
    staff_notes: list[str] = field(default_factory=list)
    evidence: Evidence | None = None
    board: list[BoardValue] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Tell the student something, whether the test passes or not. Never a hidden value."""
        self.notes.append(text)

    def staff(self, text: str) -> None:
        """Tell staff something; it may hold hidden values."""
        self.staff_notes.append(text)

    def rests_on(self, evidence: Evidence) -> None:
        """The verdict rests on a fact of this kind; the weakest one named counts."""
        self.evidence = evidence if self.evidence is None else min(self.evidence, evidence)

    def leaderboard(self, column: str, value: float | str, order: Literal["asc", "desc"] = "desc") -> None:
        """Put a value into a column of the leaderboard; everybody in the course sees it."""
        self.board.append(BoardValue(column, value, order))


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """A fault of ours in one test, with the traceback that staff need and nobody else sees."""

    key: str
    fault: Fault
    trace: str


class GradingPlugin:
    """Runs the ``wanted`` tests of one grader (None: all) and hands each verdict to ``settle``.

    ``declare`` is called once with every collected test and its marks, before the first one runs; it
    answers with the most points that each can earn, by key; a test that isn't among them is not run.
    ``begin`` is told of each test that begins.
    """

    def __init__(
        self,
        declare: Callable[[Sequence[tuple[str, Marks]]], dict[str, float]],
        settle: Callable[[str, Verdict], None],
        wanted: frozenset[str] | None = None,
        begin: Callable[[str], None] = lambda _key: None,
    ) -> None:
        self._declare, self._settle, self._wanted, self._begin = declare, settle, wanted, begin
        self._points: dict[str, float] = {}
        self._marks: dict[str, Marks] = {}
        self._raised: list[BaseException] = []
        self._report = TestReport()
        self.faults: list[FaultRecord] = []
        self.broken: list[Fault] = []  # faults of the whole run: no test can be blamed for them
        self.interrupted = False  # by a person

    # --- collection ---

    def pytest_configure(self, config: pytest.Config) -> None:
        for marker in MARKERS:
            config.addinivalue_line("markers", marker)
        # Nobody reads pytest's own tracebacks, and the long ones take 25 ms for each test that fails.
        config.option.tbstyle = "native"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(
                GraderFault(
                    f"The grader's {report.nodeid or 'folder'} can't be collected:\n{report.longrepr}",
                    remedy="Mend the grader's test module; `python -m pytest --collect-only` shows the same.",
                )
            )
        elif report.skipped:  # its tests would be missing from the results without a trace
            self.broken.append(
                GraderFault(
                    f"The grader's {report.nodeid} skips itself as a whole.",
                    remedy="Skip inside the tests: every test of an assignment stands in the results.",
                )
            )

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.broken:
            items.clear()
            return
        try:
            self._marks = {key_of(item): read_marks(item) for item in items}
            self._points = self._declare(list(self._marks.items()))
        except Fault as fault:
            self.broken.append(fault)
            items.clear()
            return
        wanted = self._points.keys() if self._wanted is None else self._points.keys() & self._wanted
        items[:] = [item for item in items if key_of(item) in wanted]

    # --- what ends a whole run ---

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = isinstance(excinfo.value, KeyboardInterrupt)
        if isinstance(excinfo.value, pytest.exit.Exception):
            self._break("A grader's test ended the whole run", "Don't call pytest.exit.", excinfo.value)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._break("pytest itself broke on this grader", "Run pytest on its folder.", excinfo.value)

    def _break(self, what: str, remedy: str, error: BaseException) -> None:
        fault = GraderFault(f"{what}: {type(error).__name__}: {error}", remedy=remedy)
        fault.__cause__ = error
        self.broken.append(fault)

    # --- one test ---

    @pytest.fixture
    def report(self) -> TestReport:
        """This test's notes and evidence."""
        return self._report

    @pytest.fixture
    def set_score(self) -> Callable[[float], None]:
        """For tests under @partial_credit, whose own function takes this one's place."""

        def without_partial_credit(_score: float) -> None:
            raise GraderFault(
                "A test asks for set_score without @partial_credit.",
                remedy="Decorate it with @partial_credit(N).",
            )

        return without_partial_credit

    @pytest.fixture
    def set_leaderboard_value(self) -> Callable[[float | str], None]:
        """For tests under @leaderboard, whose own function takes this one's place."""

        def without_leaderboard(_value: float | str) -> None:
            raise GraderFault(
                "A test asks for set_leaderboard_value without @leaderboard.",
                remedy='Decorate it with @leaderboard("COLUMN").',
            )

        return without_leaderboard

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._raised, self._report = [], TestReport(evidence=self._marks[key_of(item)].evidence)
        take_score(item)
        take_board_value(item)
        self._begin(key_of(item))
        start = time.monotonic()
        answer = yield  # an interrupt, or a bug of pytest's, passes through: then this test has not ended
        self._end(item, time.monotonic() - start)
        return answer

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        if call.excinfo is not None:
            self._raised.append(call.excinfo.value)
        return (yield)

    def _end(self, item: pytest.Item, seconds: float) -> None:
        key = key_of(item)
        try:
            self._settle(key, self._verdict(item, seconds))
        except Fault as fault:
            self._note_fault(key, fault, traceback.format_exc(), seconds)
        except Exception as error:  # what the test gave makes no verdict, such as a message that is no text
            unusable = GraderFault(
                f"The test {key!r} gave what can't be used: {type(error).__name__}: {error}",
                remedy="Mend the test; see the traceback.",
            )
            self._note_fault(key, unusable, traceback.format_exc(), seconds)

    def _verdict(self, item: pytest.Item, seconds: float) -> Verdict:
        score, value = take_score(item), take_board_value(item)
        report, marks = self._report, self._marks[key_of(item)]
        if value is not None:
            report.board.append(BoardValue(marks.column, value, marks.order))
        if not self._raised:
            full = self._points[key_of(item)]
            earned = full if score is None else score
            return Verdict(
                Outcome.PASSED if earned == full else Outcome.FAILED,
                score=earned,
                student="\n".join(report.notes),
                staff="\n".join(report.staff_notes),
                evidence=report.evidence,
                seconds=seconds,
                board=tuple(report.board),
            )
        # All of them are looked at, because a fault in the teardown counts before a problem in the test.
        problem, *_ = [problem_of(error, item.config.rootpath) for error in self._raised]
        hidden = marks.hide_errors
        told = hidden if hidden is not None and problem.outcome is Outcome.FAILED else problem.student_text
        untold = [problem.student_text] if told is hidden else []
        return Verdict(
            problem.outcome,
            student="\n".join([told, *report.notes]),
            staff="\n".join(filter(None, [*untold, problem.staff, *report.staff_notes])),
            evidence=report.evidence if problem.outcome is Outcome.FAILED else None,
            seconds=seconds,
            board=tuple(report.board) if problem.outcome is Outcome.FAILED else (),
        )

    def _note_fault(self, key: str, fault: Fault, trace: str, seconds: float) -> None:
        self.faults.append(FaultRecord(key, fault, trace))
        try:
            self._settle(key, Verdict(Outcome.FAULT, staff=fault.message, seconds=seconds))
        except Fault as unwritable:
            self.broken.append(unwritable)


def key_of(item: pytest.Item) -> str:
    """A test's name within its assignment: the node id without the folders above."""
    path, separator, rest = item.nodeid.partition("::")
    return f"{path.rpartition('/')[2]}{separator}{rest}"
