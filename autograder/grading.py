"""One submission against one assignment: intake, sandbox, tests, results.

However it ends, it ends in one of two ways: a complete ``results.json``, or none and a `Faulted` that says
what staff should do. A fault of ours is tried once more before that.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import report
from autograder.assignment import Assignment, Limits, share_points, ungraded
from autograder.atomic import remove_file, write_file
from autograder.boxes import Boxes, Mode, Sandboxed, box_limits, open_backend
from autograder.challenge.history import History
from autograder.checks.deliverables import folders_of
from autograder.data import notes
from autograder.document import ResultsDocument
from autograder.environments import versions_in
from autograder.handed_in import HandedIn, case_seed, fixtures_of, public_seed
from autograder.intake import Tree, take_in
from autograder.marks import Marks
from autograder.outcome import (
    EnvironmentFault,
    Fault,
    GraderFault,
    IntakeRefused,
    Outcome,
    ResultsFault,
    UsageError,
    Verdict,
)
from autograder.plugin import FaultRecord, GradingPlugin
from autograder.results import RESULTS, DeclaredTest, ResultsStore, RunInfo, lint_visibility
from autograder.sandbox.backend import Backend, remove_folder
from autograder.sandbox.leftovers import run_folder
from autograder.sandbox.openbox import RunClock
from autograder.session import ended_well, run_session
from autograder.sheet import Sheet
from autograder.staff_files import doubts_as_text, remove_staff_files, write_staff_files
from autograder.text import clean, quote

if TYPE_CHECKING:
    from autograder.challenge.entry import Challenge
    from autograder.handed_notebook import NotebookWork

PAGE = "report.html"
FAULT_LOG = "fault.txt"
UNPROTECTED = (
    "This was graded without a sandbox, because the staff asked for it: the submission's code could reach "
    "everything that the grader can, so nothing in these results is proof against it."
)
ATTEMPTS = 2  # a fault is tried once more
_TRACE_CHARS = 32_000
_VERSIONED_IN_BOX = ("numpy", "ipython", "torch", "torchvision", "fastai")
_VERSIONED = ("numpy", "pytest", "safetensors", "pyseccomp")
_NO_HISTORY = History()


@dataclass(frozen=True, slots=True)
class Graded:
    """A grading that ended well; ``staff_text`` may hold hidden values.

    ``staff_files`` are the names of what stands in ``out`` for staff alone: the reading sheet, if there is
    one, and the notebooks as they were executed.
    """

    document: ResultsDocument
    out: Path
    staff_text: str
    warnings: tuple[str, ...] = ()
    staff_files: tuple[str, ...] = ()
    challenge: Challenge | None = None  # where the assignment has one


class Faulted(Exception):
    """A grading that gives no score, because something of ours broke."""

    def __init__(self, faults: Sequence[Fault], trace: str, log: Path | None) -> None:
        super().__init__(faults[0].message)
        self.faults, self.trace, self.log = tuple(faults), trace, log


def grade(  # noqa: PLR0913  (what, from where, to where, and how: each is a choice of the caller's own)
    assignment: Assignment,
    submission: Path,
    out: Path,
    *,
    mode: Mode = Mode.GRADE,
    limits: Limits | None = None,
    backend: Backend | None = None,
    history: History = _NO_HISTORY,
) -> Graded:
    """Grade one submission into the folder ``out``; raises Faulted, UsageError or KeyboardInterrupt.

    ``history`` is what the same people handed in before, for an assignment with a challenge.
    """
    limits = limits or assignment.limits
    clock = RunClock(limits.run_wall_s)  # one for all attempts: the platform's limit knows of no second try
    for attempt in range(1, ATTEMPTS + 1):
        try:
            forget_earlier(out)
            with _boxes(assignment, mode, limits, backend) as opened:
                return _Run(assignment, mode, limits, opened, out, clock, history).grade(submission)
        except (Faulted, UsageError):
            raise  # tests that broke through us were tried again already
        except Exception as error:  # whatever it is, it is ours: a submission's problems end in its results
            if attempt == ATTEMPTS:
                raise _faulted([as_fault(error)], traceback.format_exc(), out) from error
    raise AssertionError("unreachable")


@contextmanager
def _boxes(assignment: Assignment, mode: Mode, limits: Limits, backend: Backend | None) -> Iterator[Boxes]:
    """The caller's, or ones of this grading's own."""
    if isinstance(backend, Boxes):
        yield backend
    elif backend is None:
        with open_backend(assignment, mode, limits) as opened:
            yield opened
    else:
        boxes = Boxes(assignment, mode, backend, limits)
        try:
            yield boxes
        finally:
            boxes.close_others()


def forget_earlier(out: Path) -> None:
    """Remove what an earlier run left in ``out``, so that nobody takes its score for this run's."""
    try:
        if out.is_dir():
            for name in (RESULTS, PAGE, FAULT_LOG):
                remove_file(out, name)
            remove_staff_files(out)
    except OSError as error:
        raise ResultsFault(
            f"Earlier results in {str(out)!r} can't be removed: {error.strerror}.",
            remedy="Remove them by hand, or name another folder with --out.",
        ) from error


def as_fault(error: Exception) -> Fault:
    """The fault that an exception of ours stands for."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        error = OSError(errno.EAGAIN, str(error))
    if isinstance(error, (OSError, MemoryError)):
        remedy = _REMEDIES.get(getattr(error, "errno", errno.ENOMEM) or 0, _LOOK_AT_THE_DISK)
        what = error if isinstance(error, OSError) else "there is no memory left"
        return EnvironmentFault(f"The system refused something that a grading needs: {what}.", remedy=remedy)
    return Fault(
        f"The autograder itself broke: {type(error).__name__}: {error}",
        remedy="Report this with the traceback; no score was given.",
    )


_LOOK_AT_THE_DISK = "Look for a full disk, or for a folder that can't be written to; then grade again."
_TOO_FEW_FILES = "Raise the limit on open files (ulimit -n; 256 is enough), and grade again."
_TOO_LITTLE_MEMORY = "Look for a limit on memory or processes (ulimit -a), or take a machine with more of it."
_REMEDIES = {
    errno.EMFILE: _TOO_FEW_FILES,
    errno.ENFILE: _TOO_FEW_FILES,
    errno.ENOMEM: _TOO_LITTLE_MEMORY,
    errno.EAGAIN: _TOO_LITTLE_MEMORY,
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), and grade again.",
}


def _faulted(faults: Sequence[Fault], trace: str, out: Path) -> Faulted:
    trace = clean(trace, _TRACE_CHARS)  # an exception's text may quote the submission
    told = (f"{clean(fault.message)}\nRemedy: {clean(fault.remedy)}" for fault in faults)
    text = "\n\n".join([*told, trace])
    try:
        out.mkdir(parents=True, exist_ok=True)  # it may have broken before there was a result to write
        write_file(out, FAULT_LOG, text.encode("utf-8", "replace"), durable=False)
        log: Path | None = out / FAULT_LOG
    except OSError:
        log = None  # the disk may be the fault; the terminal still says what it was
    return Faulted(faults, trace, log)


@dataclass(slots=True)
class _Run:
    """The state of one grading."""

    assignment: Assignment
    mode: Mode
    limits: Limits
    boxes: Boxes
    out: Path
    clock: RunClock
    history: History
    store: ResultsStore | None = None
    declared: list[DeclaredTest] = field(default_factory=list)
    printed: dict[str, str] = field(default_factory=dict)
    sheet: Sheet = field(default_factory=Sheet)  # one for all attempts
    notebooks: dict[str, NotebookWork] = field(default_factory=dict)
    challenge: Challenge | None = None  # likewise

    def grade(self, source: Path) -> Graded:
        scratch = run_folder("scratch")
        try:
            return self._grade(source, scratch)
        finally:
            remove_folder(scratch)

    def _grade(self, source: Path, scratch: Path) -> Graded:
        tree: Tree | IntakeRefused
        try:
            tree = take_in(source, scratch, self.assignment.intake, folders_of(self.assignment.deliverables))
        except IntakeRefused as refused:
            tree = refused
        faults = self._attempt(tree, None)
        for _ in range(ATTEMPTS - 1):
            if not faults:
                break
            assert self.store is not None
            faults = self._attempt(tree, frozenset((*self.store.faults, *self.store.pending)))
        if faults:
            raise _faulted([record.fault for record in faults], faults[0].trace, self.out)
        return self._finish(source.resolve().name)

    def _attempt(self, tree: Tree | IntakeRefused, wanted: frozenset[str] | None) -> list[FaultRecord]:
        """Run the tests, or the ``wanted`` ones again; returns the faults that came up."""
        sandboxed = None
        if isinstance(tree, Tree):
            limits = box_limits(self.assignment, self.limits)
            sandboxed = Sandboxed(self.boxes, tree.root, limits, self.clock, first_try=wanted is None)
        seed = self._seed(tree)
        plugin = GradingPlugin(
            declare=lambda collected: self._declare(collected, tree, seed),
            settle=self._settle,
            wanted=wanted,
            begin=self._begin,
        )
        handed_in = HandedIn(self.assignment, tree, sandboxed)
        if self.challenge is None and self.assignment.challenge is not None:
            from autograder.challenge.entry import Challenge  # noqa: PLC0415  (few assignments have one)

            self.challenge = Challenge(self.assignment, handed_in, self.history)
        fixtures = fixtures_of(
            self.assignment,
            handed_in,
            seed,
            self.sheet,
            public=self.mode is Mode.CHECK,
            challenge=self.challenge,
        )
        try:
            code = run_session(self.assignment.folder, self._files(), [plugin, fixtures])
        finally:
            if sandboxed is not None:
                sandboxed.close()
                self.printed |= sandboxed.printed
            for work in handed_in.notebooks:  # a second attempt's tests may ask for less than the first one's
                if work.made_run is not None or work.path not in self.notebooks:
                    self.notebooks[work.path] = work
        if plugin.broken:
            raise plugin.broken[0]
        if plugin.interrupted:
            raise KeyboardInterrupt
        if self.store is None or not ended_well(code):
            raise GraderFault(
                f"pytest could not start on this grader (exit code {code}); it said why above.",
                remedy="Look at the grader's conftest.py first, then run pytest on its folder.",
            )
        return plugin.faults

    def _begin(self, key: str) -> None:
        self.sheet.begin(key)
        if self.challenge is not None:
            self.challenge.begin(key)

    def _files(self) -> list[str]:
        return self.assignment.public_tests if self.mode is Mode.CHECK else []

    def _seed(self, tree: Tree | IntakeRefused) -> int:
        if self.mode is Mode.CHECK:
            return public_seed(self.assignment)
        return case_seed(self.assignment, tree.digest if isinstance(tree, Tree) else "")

    def _declare(
        self, collected: Sequence[tuple[str, Marks]], tree: Tree | IntakeRefused, seed: int
    ) -> dict[str, float]:
        # What waits stands in the results by its question, as what is not graded at all does.
        collected = [(key, marks) for key, marks in collected if marks.number not in self.assignment.waiting]
        items = [(marks.number, marks.tier, marks.weight) for _, marks in collected]
        complete = self.mode is Mode.GRADE
        points = share_points(self.assignment, items, complete=complete)
        if self.store is None:
            tests = zip(collected, points, strict=True)
            self.declared = [self._declared_test(key, marks, top) for (key, marks), top in tests]
            if complete:
                self.declared += [
                    test for question in ungraded(self.assignment) for test in _waiting(question)
                ]
            self.store = ResultsStore(self.out, self.declared, self._info(tree, seed))
            for test in self.declared:
                if not test.graded:
                    why = self.assignment.question(test.number).why_not_graded
                    self._settle(test.key, Verdict(Outcome.SKIPPED, student=why))
        return {key: top for (key, _), top in zip(collected, points, strict=True)}

    def _declared_test(self, key: str, marks: Marks, points: float) -> DeclaredTest:
        question = self.assignment.question(marks.number)
        return DeclaredTest(
            key=key,
            number=marks.number,
            name=marks.name,
            max_score=points,
            visibility=marks.visibility,
            tags=marks.tags,
            question=question.title,
            evidence_needed=question.evidence if points else None,
            extra_credit=not question.points and question.extra_credit > 0,
        )

    def _settle(self, key: str, verdict: Verdict) -> None:
        assert self.store is not None
        self.store.settle(key, verdict)

    def _info(self, tree: Tree | IntakeRefused, seed: int) -> RunInfo:
        graded = [test for test in self.declared if not test.extra_credit]
        extra = [test for test in self.declared if test.extra_credit]
        return RunInfo(
            title=self.assignment.title,
            points=self.assignment.total_points
            if self.mode is Mode.GRADE
            else sum(test.max_score for test in graded),
            extra_credit=self.assignment.total_extra_credit
            if self.mode is Mode.GRADE
            else sum(test.max_score for test in extra),
            seed=seed,
            versions=versions(self.boxes.notebook_spec.python),
            sandbox=self.boxes.name,
            limits={name: float(value) for name, value in self.limits.model_dump().items()},
            staff_notes=tuple(self._data_notes()),
            notes=(*self._warnings(), *(tree.notes if isinstance(tree, Tree) else ())),
        )

    def _data_notes(self) -> Iterator[str]:
        """What data sets the submission was shown: a stand-in may be too small for it."""
        for folder in self.boxes.notebook_spec.data:
            for name, note in sorted(notes(Path(folder)).items()):
                yield f"The submission was shown the data set {name}: {note}."

    def _warnings(self) -> Iterator[str]:
        if self.mode is Mode.GRADE and not self.boxes.isolates:
            yield UNPROTECTED

    def _finish(self, submission: str) -> Graded:
        assert self.store is not None
        if self.challenge is not None and self.mode is Mode.GRADE:
            self.store.note_challenge(self.challenge.entries, self.challenge.earlier.board)
        path = self.store.finish()
        try:
            document = ResultsDocument.model_validate_json(path.read_bytes())
            page = report.html(document, for_student=self.mode is Mode.CHECK)
            write_file(self.out, PAGE, page.encode("utf-8"), durable=False)
            staff_files = self._write_staff_files(document, submission)
        except BaseException:
            remove_file(self.out, RESULTS)  # a score and a fault don't stand side by side
            remove_staff_files(self.out)
            raise
        told = [self.store.staff_text(), doubts_as_text(self.sheet), *self._what_was_printed()]
        staff_text = "\n".join(filter(None, told))
        warnings = tuple(lint_visibility(self.declared))
        return Graded(document, self.out, staff_text, warnings, staff_files, self.challenge)

    def _write_staff_files(self, document: ResultsDocument, submission: str) -> tuple[str, ...]:
        if self.mode is Mode.CHECK:
            return ()
        return write_staff_files(
            self.out,
            self.sheet,
            tuple(self.notebooks.values()),
            document=document,
            submission=submission,
            python=self.boxes.notebook_spec.python,
        )

    def _what_was_printed(self) -> Iterator[str]:
        """Student code sees hidden inputs and may print them, so this is for staff."""
        for path, text in self.printed.items():
            yield f"Printed by {quote(path)}:\n{clean(text)}"


def _waiting(question: object) -> list[DeclaredTest]:
    """The entries of a question that this version doesn't grade."""
    from autograder.assignment import Question  # noqa: PLC0415

    assert isinstance(question, Question)
    parts = [("", question.points, False), (" (extra credit)", question.extra_credit, True)]
    return [
        DeclaredTest(
            key=f"{question.number}{suffix}",
            number=question.number,
            name=f"{question.title}{suffix}",
            max_score=points,
            question=question.title,
            graded=False,
            extra_credit=extra,
        )
        for suffix, points, extra in parts
        if points or not (extra or question.extra_credit)
    ]


def versions(python: str = "") -> dict[str, str]:
    """What a verdict may depend on; ``python`` is the interpreter that student code ran in, if not ours."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if python:
        found |= versions_in(python, _VERSIONED_IN_BOX)
    elif "torch" in sys.modules:
        found["torch"] = metadata.version("torch")
    found["processors"] = str(os.cpu_count())
    return found
