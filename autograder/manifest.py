"""What ``assignment.toml`` may say, as strict models, and what is wrong with one that says otherwise.

Everything is refused that could be a slip of the pen: an unknown key, a number out of range, tiers that don't
add up, a deliverable of a question that isn't there.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from autograder.checks.scale import Scale
from autograder.manifest_challenge import ChallengeSpec
from autograder.manifest_errors import meant, wrong
from autograder.outcome import Evidence, ManifestFault

MANIFEST = "assignment.toml"
MAIN = ""  # the kind of box that [sandbox] describes
ROOM = "room"  # a clean one, in which our own code evaluates networks


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
    own_environment: bool = True  # that of requirements.txt, where there is one; else the engine's


class BoxLimitChanges(_Model):
    """``[boxes.NAME.limits]``: where one kind of box differs from ``[limits]``."""

    wall_s: Positive | None = None
    memory_mib: Count | None = None
    processes: Count | None = None
    disk_mib: Count | None = None
    files: Count | None = None
    output_kib: Count | None = None
    message_mib: Count | None = None
    threads: Count | None = None

    def changed(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return self.model_dump(exclude_none=True)


class BoxKind(SandboxSpec):
    """``[boxes.NAME]``: another kind of box, for a part of the homework that may use other things.

    "room" is the clean one in which networks are evaluated (see boxes.py): of it only the limits are read.
    """

    limits: BoxLimitChanges = BoxLimitChanges()


class NotebookSpec(_Model):
    """``[notebook]``: how a notebook that was handed in is run.

    ``rerun`` runs it; ``stored`` believes the outputs that it came with; ``auto`` runs it, and reads what is
    stored where the run can't be done here (too slow without a GPU, a package or a file that isn't there).
    """

    mode: Literal["rerun", "stored", "auto"] = "auto"
    cell_wall_s: Positive = 600.0  # for one cell; chosen: a training may be one cell
    wall_s: Positive = 900.0  # for all cells; Gradescope ends a grading at 40 minutes at most
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # of random, NumPy and torch before the first cell
    datasets: list[Label] = []  # data sets of the course's that the notebook finds; see data.py
    hidden_test_images: Annotated[int, Field(ge=0, le=3_000)] = 0  # of 10,000: the sandbox never sees them
    box: str = ""  # the kind of box that it runs in: a key of [boxes], else [sandbox]'s
    in_memory: bool = True  # batches of known data sets come from memory, bit for bit the same
    epochs_kept: Annotated[int, Field(ge=0, le=16)] = 0  # whose weights are kept, of a training's last

    @model_validator(mode="after")
    def _one_cell_fits_the_run(self) -> Self:
        if self.cell_wall_s > self.wall_s:
            raise ValueError(f"cell_wall_s ({self.cell_wall_s:g}) is more than wall_s ({self.wall_s:g})")
        return self


class ModelSpec(_Model):
    """``[models]``: what a threshold takes of a network, and what it means where chance doesn't decide.

    ``counted`` are learned weights and biases, as torchsummary counts; ``honest`` is every number that the
    output depends on (docs/models.md). ``too_close`` to a threshold is the student's favour, or a human's
    business, or a reason to train again from other seeds while there is time.
    """

    count: Literal["counted", "honest"] = "counted"
    too_close: Literal["student", "staff", "more_seeds"] = "student"


Step = Annotated[list[float], Field(min_length=2, max_length=2)]


class ScaleSpec(_Model):
    """``[scales.NAME]``: which share of a question's points a number earns; see checks/scale.py."""

    unit: Label  # of the values, in words
    steps: Annotated[list[Step], Field(min_length=1)]  # [value, share of the points]
    between: Literal["steps", "linear"] = "steps"
    doubt: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0  # below a step that still reaches it

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        for (low, less), (high, more) in pairwise(self.steps):
            if not (low < high and less <= more):
                raise ValueError(f"steps should rise, and [{high:g}, {more:g}] follows [{low:g}, {less:g}]")
        if not all(0 <= share <= 1 and math.isfinite(value) for value, share in self.steps):
            raise ValueError("steps should be pairs of a number and a share from 0 to 1")
        return self


class Prompt(_Model):
    """``[[prompts]]``: a question that is answered in prose; see checks/notebooks/questions.py."""

    key: Label
    title: Label  # the question itself
    headings: list[Label] = []  # its numbers, or regular expressions for a heading above the answer
    template: str = ""  # what the handout has where the answer belongs
    min_words: Count = 1  # below that an answer is too short to be one

    @model_validator(mode="after")
    def _headings_are_patterns(self) -> Self:
        for heading in self.headings:
            try:
                re.compile(heading)
            except re.error as error:
                raise ValueError(f"headings should be regular expressions: {heading!r}: {error}") from error
        return self


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
    boxes: dict[Label, BoxKind] = {}
    notebook: NotebookSpec | None = None
    data: dict[str, Data] = {}
    models: ModelSpec = ModelSpec()
    scales: dict[str, ScaleSpec] = {}
    prompts: list[Prompt] = []
    challenge: ChallengeSpec | None = None

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.notebook is not None and self.notebook.wall_s > self.limits.run_wall_s:
            run, notebook = self.limits.run_wall_s, self.notebook.wall_s
            raise wrong(("notebook", "wall_s"), f"{notebook:g} is more than limits.run_wall_s ({run:g}).")
        if self.notebook is not None and self.notebook.box not in ("", *self.boxes):
            box = self.notebook.box
            raise wrong(("notebook", "box"), f"there is no box {box!r}{meant(box, list(self.boxes))}")
        numbers = [question.number for question in self.questions]
        keys = [deliverable.key for deliverable in self.deliverables]
        prompts = [prompt.key for prompt in self.prompts]
        for table, names in (("questions", numbers), ("deliverables", keys), ("prompts", prompts)):
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
        if self.challenge is not None:
            self._challenge_agrees(self.challenge, numbers, keys)
        return self

    @staticmethod
    def _challenge_agrees(challenge: ChallengeSpec, numbers: list[str], keys: list[str]) -> None:
        for key in ("questions", "staff_questions"):
            for number in getattr(challenge, key):
                if number not in numbers:
                    raise wrong(
                        ("challenge", key), f"there is no question {number!r}{meant(number, numbers)}"
                    )
        if challenge.deliverable not in keys:
            key = challenge.deliverable
            raise wrong(("challenge", "deliverable"), f"there is no deliverable {key!r}{meant(key, keys)}")


class Assignment(Manifest):
    """A manifest and the folder that it lies in."""

    name: str
    folder: Path
    waiting: tuple[str, ...] = ()  # questions whose tests are not run: a challenge without its answers

    @property
    def manifest_path(self) -> str:
        """The manifest's path as messages name it, without the machine's own folders."""
        return shown_path(self.folder)

    def scale(self, name: str) -> Scale:
        """The scale of this name; raises ManifestFault where there is none."""
        if name not in self.scales:
            raise ManifestFault(
                f"{self.manifest_path}: a test asks for the scale {name!r}, which isn't there"
                f"{meant(name, list(self.scales))}",
                remedy=f"Add [scales.{name}], or correct the test.",
            )
        spec = self.scales[name]
        steps = tuple((value, share) for value, share in spec.steps)
        return Scale(steps, linear=spec.between == "linear", doubt=spec.doubt)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of box that gradings of this assignment may open."""
        unused = self.notebook.box if self.notebook is not None and self.notebook.mode == "stored" else None
        return (MAIN, *(kind for kind in self.boxes if kind != unused))

    def box_kind(self, name: str) -> BoxKind:
        """What the manifest says of this kind of box; raises ManifestFault where it says nothing."""
        if name == MAIN:
            return BoxKind(**self.sandbox.model_dump())
        if name not in self.boxes:
            raise ManifestFault(
                f"{self.manifest_path}: a test asks for a box of the kind {name!r}, which isn't there"
                f"{meant(name, list(self.boxes))}",
                remedy=f"Add [boxes.{name}], or correct the test.",
            )
        return self.boxes[name]

    def in_own_environment(self, kind: str = MAIN) -> bool:
        """Whether this kind of box runs in the environment of requirements.txt, where there is one."""
        return kind != ROOM and self.box_kind(kind).own_environment

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
