"""``[challenge]`` of a manifest: a file of predictions, how it is scored, and who may hand in how often.

What is secret of a challenge, the answers above all, doesn't stand in the manifest: see challenge/answers.py.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from autograder.challenge.prepared import FOLDER

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "per_class", "log_loss")
TOP_K = re.compile(r"top_([1-9][0-9]*)")
NEEDS_PROBABILITIES = re.compile(rf"log_loss|{TOP_K.pattern}")

_TEN_YEARS_H = 87_660
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class ChallengeSpec(BaseModel):
    """A table of the manifest; see docs/challenge.md for what each key does."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    questions: Annotated[
        list[str], Field(min_length=1)
    ]  # whose points can't be given without the answers, ...
    staff_questions: list[str] = []  # ... and those that need a model of the staff's too
    deliverable: Name = "predictions"  # the key of the file
    images: Annotated[int, Field(ge=0)] = 0  # their ids are then 0, 1, 2, ...
    ids: str = ""  # else a text file in the assignment's folder, one id a line; students get it
    id_column: Name = "image_id"
    label_column: Name = "label"
    classes: Annotated[list[Annotated[list[Name], Field(min_length=1)]], Field(min_length=2)]
    """By their numbers: for each the names that are taken, the first of them being shown."""
    accepts: Annotated[list[Literal["labels", "probabilities"]], Field(min_length=1)] = ["labels"]
    max_mib: Annotated[float, Field(gt=0, le=1024)] = 8.0  # of the file; 10,000 lines of a label each are 0.1
    metrics: Annotated[list[Name], Field(min_length=1)] = ["accuracy"]  # the first decides the standings
    public_share: Share = 0.1  # of the images, whose score everybody sees
    chance_level: Share = 0.000001  # how often guessing may pass for better; of 90 files 90 times
    staff_level: Share = 0.05  # how often a model as good as the staff's may pass for better
    beats_staff: Literal["mcnemar", "plain"] = "mcnemar"  # "plain": more right answers are enough
    submissions: Annotated[int, Field(gt=0)] = 3  # in any window of ...
    window_h: Annotated[float, Field(ge=0.01, le=_TEN_YEARS_H)] = 24.0  # hours
    names: Literal["team", "pseudonym"] = "team"  # what the public standings call a team
    final: Literal["best_public", "last", "best_private"] = "best_public"  # which of a team's entries counts
    deadline: datetime | None = None  # later entries stand in no ranking
    implausible_above: Annotated[float, Field(gt=0, le=1)] = 1.0  # an accuracy that staff should look at

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: list[str]) -> list[str]:
        for metric in metrics:
            if metric not in METRICS and not TOP_K.fullmatch(metric):
                raise ValueError(f"should be of {', '.join(METRICS)} or top_K, and {metric!r} is not")
        if metrics[0] == "per_class":
            raise ValueError("should begin with the metric that decides, and 'per_class' is several numbers")
        return metrics

    @field_validator("deadline")
    @classmethod
    def _deadline_has_a_zone(cls, deadline: datetime | None) -> datetime | None:
        if deadline is not None and deadline.tzinfo is None:
            raise ValueError(f"should say its time zone: {deadline.isoformat()}Z, say")
        return deadline

    @field_validator("ids")
    @classmethod
    def _ids_can_go_to_students(cls, ids: str) -> str:
        parts = PurePosixPath(ids).parts
        if ids and (parts[0] in ("/", FOLDER) or ".." in parts):
            raise ValueError(
                f"should be a file in the assignment's folder, and not in {FOLDER}/: that is secret"
            )
        return ids

    @field_validator("classes")
    @classmethod
    def _names_are_of_one_class(cls, classes: list[list[str]]) -> list[list[str]]:
        names = [name.casefold() for one in classes for name in one]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"should give each name to one class, and {twice[0]!r} stands there twice")
        return classes

    @model_validator(mode="after")
    def _keys_fit_each_other(self) -> Self:
        if bool(self.images) == bool(self.ids):
            raise ValueError("should say either images, their number, or ids, the file that lists them")
        needing = [name for name in self.metrics if NEEDS_PROBABILITIES.fullmatch(name)]
        if needing and "probabilities" not in self.accepts:
            raise ValueError(f"can't have the metric {needing[0]!r} without 'probabilities' in accepts")
        if needing and needing[0] == self.metrics[0] and "labels" in self.accepts:
            raise ValueError(f"can't be decided by {needing[0]!r} where accepts has 'labels'")
        for name in self.metrics:
            if (top := TOP_K.fullmatch(name)) is not None and int(top[1]) >= len(self.classes):
                raise ValueError(f"can't have {name!r}: of {len(self.classes)} classes it is always right")
        if self.images and math.floor(self.images * self.public_share) < 1:
            raise ValueError(f"should leave an image to the public part: {self.images} are too few")
        return self

    @property
    def metric(self) -> str:
        """The one that decides the standings."""
        return self.metrics[0]

    @property
    def higher_is_better(self) -> bool:
        return self.metric != "log_loss"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names that are shown, by the classes' numbers."""
        return tuple(names[0] for names in self.classes)
