"""The vocabulary of the house: how a test can end, and whose doing it was.

Every exception of ours stands in one of two trees that never mix, because one of them costs a student
points and the other must not:

    GradingError
    ├── SubmissionProblem      theirs: a score, with the reason
    │   ├── CheckFailed            it ran, and is not right                    -> failed
    │   ├── SubmissionBroke        it did not run to its end                   -> error
    │   │   ├── IntakeRefused          the upload itself is not acceptable
    │   │   ├── StudentException       its code raised
    │   │   ├── LimitExceeded          it went past one of the manifest's limits
    │   │   └── ProcessEnded           its process died without an answer
    │   └── NotRun                 a prerequisite failed, or it is not graded  -> skipped
    ├── Fault                  ours: no score, exit 2                      -> fault
    │   ├── ManifestFault          assignment.toml is wrong
    │   ├── GraderFault            a grader's test module is wrong
    │   ├── SandboxFault           the sandbox can't be set up, or misbehaves
    │   ├── EnvironmentFault       the machine lacks something
    │   └── ResultsFault           the results can't be written
    └── UsageError             the command line is wrong, exit 1
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Literal


class Outcome(Enum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    FAULT = "fault"


class Evidence(IntEnum):
    """How a fact was come by, weakest first, so that ``got >= needed`` compares as it reads."""

    CLAIMED = 1  # parsed out of what the student wrote: a log, a cell output, prose
    MEASURED = 2  # instrumented while student code ran; a determined cheat could forge it
    VERIFIED = 3  # computed on the trusted side from data alone

    @property
    def label(self) -> str:
        return self.name.lower()


class GradingError(Exception):
    """Root of every exception that this package raises on purpose."""


class SubmissionProblem(GradingError):
    """Something about the submission that its author can mend.

    ``message`` is what the student reads: what is wrong. ``hint`` is what to do next. ``staff`` may hold
    hidden values and never reaches a student.
    """

    outcome = Outcome.ERROR

    def __init__(self, message: str, *, hint: str = "", staff: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.staff = staff

    @property
    def student_text(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class CheckFailed(SubmissionProblem):
    """The submission ran, and what came out is not right."""

    outcome = Outcome.FAILED


class SubmissionBroke(SubmissionProblem):
    """The submission did not run to its end."""


class IntakeRefused(SubmissionBroke):
    """The upload itself can't be accepted: a bomb, a link, an escape, an unreadable archive."""


class StudentException(SubmissionBroke):
    """The submission's code raised; ``exception`` is the type's name as the sandbox reported it.

    ``detail`` is the exception's own text. Student code chose it, so it may hold hidden inputs: it is shown
    for public cases alone.
    """

    def __init__(
        self, message: str, *, exception: str, detail: str = "", hint: str = "", staff: str = ""
    ) -> None:
        super().__init__(message, hint=hint, staff=staff)
        self.exception = exception
        self.detail = detail


class LimitExceeded(SubmissionBroke):
    """The submission went past a limit of the manifest: ``limit`` is its key, such as ``wall_s``."""

    def __init__(
        self, limit: str, allowed: float, used: float | None = None, *, doing: str = "", hint: str = ""
    ) -> None:
        self.limit, self.allowed, self.used, self.doing = limit, allowed, used, doing
        what, unit = _LIMITS[limit]
        spent = f" (it had used {used:g} {unit})" if used is not None else ""
        during = f" while it ran {doing}" if doing else ""
        super().__init__(
            f"Your code went past the {what} of {allowed:g} {unit}{spent}{during}.",
            hint=hint or _LIMIT_HINTS[limit],
        )


class ProcessEnded(SubmissionBroke):
    """The submission's process died, or left, without giving an answer."""


class NotRun(SubmissionProblem):
    """The test was not run: a prerequisite failed, or this version does not grade it."""

    outcome = Outcome.SKIPPED


class Fault(GradingError):
    """Our fault. ``remedy`` tells staff what to do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ManifestFault(Fault):
    """``assignment.toml`` can't be read, or says something impossible."""


class GraderFault(Fault):
    """A grader's own test module raised, or contradicts its manifest."""


class SandboxFault(Fault):
    """The sandbox can't be set up, or broke a promise."""


class EnvironmentFault(Fault):
    """The machine lacks something: a package, a folder, a permission."""


class ResultsFault(Fault):
    """The results can't be written, or are not what Gradescope accepts."""


class UsageError(GradingError):
    """The command line is wrong; the message says how to put it right."""


@dataclass(frozen=True, slots=True)
class BoardValue:
    """One column of the leaderboard, as one submission has it; ``order`` says which end leads."""

    column: str
    value: float | str
    order: Literal["asc", "desc"] = "desc"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one test came to, ready for the results.

    ``score`` is in points, 0 unless passed or given by partial credit; ``student`` is text for the
    student, ``staff`` text for staff alone; ``evidence`` is the weakest kind that the verdict rests on;
    ``board`` is what the test puts on the leaderboard.
    """

    outcome: Outcome
    score: float = 0.0
    student: str = ""
    staff: str = ""
    evidence: Evidence | None = None
    seconds: float = 0.0
    board: tuple[BoardValue, ...] = ()


# limit key -> (how a message calls it, unit)
_LIMITS: dict[str, tuple[str, str]] = {
    "wall_s": ("time limit", "seconds"),
    "run_wall_s": ("time limit of the whole grading", "seconds"),
    "cell_wall_s": ("time limit of one cell", "seconds"),
    "notebook_wall_s": ("time limit of the notebook's run", "seconds"),
    "memory_mib": ("memory limit", "MiB"),
    "processes": ("limit on processes", "processes"),
    "disk_mib": ("limit on files written", "MiB"),
    "files": ("limit on files written", "files"),
    "output_kib": ("limit on printed output", "KiB"),
    "message_mib": ("limit on returned values", "MiB"),
}

_LIMIT_HINTS: dict[str, str] = {
    "wall_s": "Look for a loop that never ends, or for work done again in every iteration.",
    "run_wall_s": "The tests before this one used up the time; make the slow ones faster.",
    "cell_wall_s": "Look for a loop that never ends, or train for fewer epochs.",
    "notebook_wall_s": "Train for fewer epochs, or with a smaller network; run the notebook from its top and "
    "look at the clock.",
    "memory_mib": "Look for an array with a wrong shape, or for a list that grows in a loop.",
    "processes": "Don't start processes or threads in a loop.",
    "disk_mib": "Don't write large files while you are being graded.",
    "files": "Don't write many files while you are being graded.",
    "output_kib": "Take out the prints inside your loops.",
    "message_mib": "Return arrays of the shape that the homework asks for.",
}
