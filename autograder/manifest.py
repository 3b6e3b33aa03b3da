"""What ``assignment.toml`` may say, as strict models, and what is wrong with one that says otherwise.

Everything is refused that could be a slip of the pen: an unknown key, a number out of range, tiers that don't
add up, a deliverable of a question that isn't there.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from autograder.manifest_errors import meant, wrong
from autograder.outcome import Evidence, ManifestFault

MANIFEST = "assignment.toml"


def _evidence(value: object) -> object:
    by_label = {evidence.label: evidence for evidence in Evidence}
    if isinstance(value, str):
        if value not in by_label:
            raise ValueError(f"should be one of {', '.join(map(repr, by_label))}")
        return by_label[value]
    return value


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("should be a path inside the folder, with '/' between its parts and without '..'")
    return path


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Label = Annotated[str, Field(min_length=1)]
InsidePath = Annotated[str, AfterValidator(_inside)]
EvidenceLabel = Annotated[Evidence, BeforeValidator(_evidence)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Limits(_Model):
    """``[limits]``: what student code may use. The defaults suit small NumPy homework on Gradescope."""

    wall_s: Positive = 20.0  # seconds for one call of student code
    run_wall_s: Positive = 480.0  # seconds for a whole grading; Gradescope ends it at 600 by default
    memory_mib: Count = 512  # of all its processes together; Gradescope's smallest container has 750
    processes: Count = 16  # processes and threads together
    disk_mib: Count = 32  # of files written
    files: Count = 200  # written
    output_kib: Count = 64  # printed
    message_mib: Count = 16  # of one value that comes back
    threads: Count = 1  # that a numeric library may start

    @model_validator(mode="after")
    def _one_call_fits_the_run(self) -> Self:
        if self.wall_s > self.run_wall_s:
            raise ValueError(f"wall_s ({self.wall_s:g}) is more than run_wall_s ({self.run_wall_s:g})")
        return self


class IntakeLimits(_Model):
    """``[intake]``: how large an upload may be. The defaults hold any homework seen so far."""

    max_files: Count = 5_000  # chosen: a homework has some dozens, with a Git history some thousand
    max_total_mib: Count = 256  # unpacked; chosen: room for saved weights and a few plots
    max_depth: Count = 24  # folders inside folders; chosen: real ones stay below ten
    max_path_chars: Count = 240  # of a whole path; below the 255 that file systems allow one name
    max_nested: Annotated[int, Field(ge=0)] = 2  # zips inside zips; a zip of the zip does happen


class Question(_Model):
    """``[[questions]]``: a line of the homework's own list of points."""

    number: Annotated[str, Field(pattern=r"^[0-9A-Za-z]+(\.[0-9A-Za-z]+)*$")]  # as the homework counts
    title: Label
    points: Points
    extra_credit: Points = 0.0  # on top of points
    tiers: dict[str, Points] = {}  # shares of points; their tests share each alike
    evidence: EvidenceLabel = Evidence.VERIFIED  # the weakest kind that may give points
    graded: bool = True
    why_not_graded: str = ""

    @model_validator(mode="after")
    def _tiers_add_up(self) -> Self:
        total = sum(map(exact, self.tiers.values()), Fraction(0))
        if self.tiers and total != exact(self.points):
            raise ValueError(f"tiers add up to {float(total):g}, but points is {self.points:g}")
        return self


class Deliverable(_Model):
    """``[[deliverables]]``: a file that the homework asks for, and the names it may come under."""

    key: Label
    title: Label
    patterns: Annotated[list[InsidePath], Field(min_length=1)]  # from the submission's root, preferred first
    question: str
    required: bool = True
    hint: str = ""


class SandboxSpec(_Model):
    """``[sandbox]``: what student code finds when it runs."""

    preload: list[Label] = []  # modules that the fork server imports once
    unavailable: list[Label] = []  # modules, dotted, that student code can't import
    unavailable_reason: str = ""  # one sentence for the student who tried


class Data(_Model):
    """``[data.NAME]``: a file or folder of the assignment's own."""

    path: InsidePath  # from the assignment's folder
    hidden: bool = True  # hidden unless it says otherwise: a forgotten key must not publish the labels


class Manifest(_Model):
    """``assignment.toml`` as it is written."""

    title: Label
    course: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)]  # NumPy's old generator takes no more
    public_tests: list[InsidePath] = []  # test modules that students get
    limits: Limits = Limits()
    intake: IntakeLimits = IntakeLimits()
    tolerances: dict[str, Positive] = {}
    questions: Annotated[list[Question], Field(min_length=1)]
    deliverables: list[Deliverable] = []
    sandbox: SandboxSpec = SandboxSpec()
    data: dict[str, Data] = {}

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        numbers = [question.number for question in self.questions]
        keys = [deliverable.key for deliverable in self.deliverables]
        for table, names in (("questions", numbers), ("deliverables", keys)):
            for index, name in enumerate(names):
                if name in names[:index]:
                    raise wrong((table, index), f"{name!r} stands there twice.")
        for index, deliverable in enumerate(self.deliverables):
            if deliverable.question not in numbers:
                at = ("deliverables", index, "question")
                raise wrong(
                    at,
                    f"there is no question {deliverable.question!r}{meant(deliverable.question, numbers)}",
                )
        return self


class Assignment(Manifest):
    """A manifest and the folder that it lies in."""

    name: str
    folder: Path

    @property
    def manifest_path(self) -> str:
        """The manifest's path as messages name it, without the machine's own folders."""
        return shown_path(self.folder)

    @property
    def total_points(self) -> float:
        """The points of all questions, graded here or not, without extra credit."""
        return math.fsum(question.points for question in self.questions)

    @property
    def total_extra_credit(self) -> float:
        return math.fsum(question.extra_credit for question in self.questions)

    def question(self, number: str) -> Question:
        """The question with this number; a grader that names another is not in step with its manifest."""
        for question in self.questions:
            if question.number == number:
                return question
        numbers = [question.number for question in self.questions]
        raise ManifestFault(
            f"{self.manifest_path}: a test carries the number {number!r}, but there is no such question"
            f"{meant(number, numbers)}",
            remedy=f"Add it to [[questions]] or correct the test's @number; there are: {', '.join(numbers)}.",
        )


def exact(points: float) -> Fraction:
    """The number as it is written in the manifest: 0.1 is a tenth, not the float nearest to it."""
    return Fraction(repr(points))


def shown_path(folder: Path) -> str:
    """The manifest's path as messages name it: short, and the same on every machine."""
    return (Path(*folder.resolve().parts[-2:]) / MANIFEST).as_posix()
