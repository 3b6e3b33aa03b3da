"""Gradescope's ``results.json`` as strict models: what does not fit here is never written.

The fields and their values are Gradescope's published contract. What we add stands in ``extra_data``, which
Gradescope stores and doesn't show: how each test ended, what it rests on, and what pins the run down. The
document checks itself: the points of its entries add up to what the assignment declares (rule 3), and no
text in it is one that JSON, UTF-8 or a database behind it would refuse.
"""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from autograder.outcome import Evidence, Outcome

Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]
Format = Literal["text", "html", "simple_format", "md", "ansi"]
Status = Literal["passed", "failed"]
OutcomeWord = Literal["passed", "failed", "error", "skipped", "fault", "pending"]
EvidenceWord = Literal["claimed", "measured", "verified"]

# Points are floats made from exact fractions; what a sum of hundreds of them is off by stays far below this.
POINTS_TOLERANCE = 1e-6


_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


def _sendable(text: str) -> str:
    """Refuse text that some reader of the document can't hold."""
    if _UNSENDABLE.search(text):
        raise ValueError("a NUL character or a lone surrogate, which databases and UTF-8 can't hold")
    return text


Text = Annotated[str, AfterValidator(_sendable)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(allow_inf_nan=False, ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    __test__: ClassVar[bool] = False  # pytest takes a class whose name begins with Test for a test


class TestExtra(_Model):
    """What we know about one test beyond Gradescope's fields. Nothing of it is secret."""

    key: Text
    test: Text  # the entry's name without its question
    question: Text
    outcome: OutcomeWord
    evidence: EvidenceWord | None = None
    evidence_needed: EvidenceWord | None = None
    graded: bool = True
    extra_credit: bool = False
    seconds: NotNegative = 0.0


class TestEntry(_Model):
    """One line of Gradescope's table."""

    score: Finite | None = None
    max_score: NotNegative | None = None
    status: Status | None = None
    name: Text = ""
    name_format: Format | None = None
    number: Text = ""
    output: Text = ""
    output_format: Format | None = None
    tags: tuple[Text, ...] = ()
    visibility: Visibility = "visible"
    extra_data: TestExtra | None = None


class LeaderboardEntry(_Model):
    """One column of Gradescope's leaderboard."""

    name: Text
    value: Finite | Text
    order: Literal["asc", "desc"] | None = None


class RunExtra(_Model):
    """What pins a run down, so that the same inputs can be graded again to the same verdict."""

    title: Text
    points: NotNegative
    extra_credit: NotNegative
    seed: int
    versions: dict[Text, Text]
    sandbox: Text
    limits: dict[Text, Finite]
    entries: Annotated[int, Field(ge=0)] | None = (
        None  # to a challenge, scored so far: see challenge/history.py
    )
    partial: bool  # True until the run has ended well: a partial document is not a grade


class ResultsDocument(_Model):
    """The whole of ``results.json``."""

    score: Finite
    execution_time: NotNegative
    output: Text = ""
    output_format: Format = "text"
    test_output_format: Format = "text"
    test_name_format: Format = "text"
    visibility: Visibility = "visible"
    stdout_visibility: Visibility = "hidden"
    extra_data: RunExtra
    tests: tuple[TestEntry, ...]
    leaderboard: tuple[LeaderboardEntry, ...] | None = None

    @model_validator(mode="after")
    def _points_add_up(self) -> Self:
        total = math.fsum(test.score or 0.0 for test in self.tests)
        if abs(total - self.score) > POINTS_TOLERANCE:
            raise ValueError(f"the score is {self.score}, but the tests' scores add up to {total}")
        for extra, declared in ((False, self.extra_data.points), (True, self.extra_data.extra_credit)):
            offered = math.fsum(test.max_score or 0.0 for test in self.tests if _is_extra(test) is extra)
            if abs(offered - declared) > POINTS_TOLERANCE:
                what = "extra credit" if extra else "points"
                raise ValueError(f"the tests offer {offered} {what}, but {declared} are declared")
        return self

    def to_json(self) -> bytes:
        """The document as Gradescope reads it: ASCII, so that no reader's choice of encoding can spoil it."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(fields, allow_nan=False, ensure_ascii=True).encode("ascii") + b"\n"


def _is_extra(test: TestEntry) -> bool:
    return test.extra_data is not None and test.extra_data.extra_credit


def outcome_word(outcome: Outcome | None) -> OutcomeWord:
    """How the document calls an outcome; None stands for a test that has not ended yet."""
    return outcome.value if outcome is not None else "pending"


def evidence_word(evidence: Evidence | None) -> EvidenceWord | None:
    return cast(EvidenceWord, evidence.label) if evidence is not None else None
