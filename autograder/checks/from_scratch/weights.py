"""The weights that were handed in: exported in the box, evaluated in a clean room by the sequential test.

The images are the course's, drawn in a secret order, and their labels stay here. First each way to prepare
images is tried on a few of them, with each network that was exported; what does best goes on. The images of
that trial don't count, unless in the end all of them were seen: the best of several is lucky too.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from autograder.checks.sequential import Decision, SequentialTest, drawn_order
from autograder.checks.statistics import Standing
from autograder.datasets.imagenet import Evaluated, Validation
from autograder.outcome import SubmissionProblem
from autograder.text import quote

if TYPE_CHECKING:
    from autograder.sandbox.exported import Export, Exports
    from autograder.sandbox.submission import Module, Scene

_ENDINGS = (".pth.tar", ".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".tar", ".pkl", ".weights", ".jit")
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|events\.out|train_data|label|requirement", re.IGNORECASE)
_BEST = re.compile(r"best", re.IGNORECASE)
_FINAL = re.compile(r"final|last|weights|model", re.IGNORECASE)
_MOST_FILES = 3

PROBE_SIDE = 224
"""Of the pictures of ours with which the export is made."""


def find_weights(files: Sequence[str]) -> tuple[str, ...]:
    """The files that may hold weights, the likeliest first: the best, the final, any checkpoint."""
    found = [path for path in files if path.casefold().endswith(_ENDINGS) and not _NO_WEIGHTS.search(path)]

    def order(path: str) -> tuple[bool, bool, int, str]:
        name = PurePosixPath(path).name
        return not _BEST.search(name), not _FINAL.search(name), path.count("/"), path

    return tuple(sorted(found, key=order)[:_MOST_FILES])


def probes(count: int = 2, seed: int = 0) -> np.ndarray:
    """Pictures of our own making: (count, side, side, 3), uint8."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(small, PROBE_SIDE // 8, axis=1), PROBE_SIDE // 8, axis=2)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the evaluation is done: the manifest's numbers."""

    population: int  # images of the official validation set
    threshold: float
    error: float
    trial_images: int
    most_images: int
    wall_s: float
    classes: int
    least_if_missed: int = 0  # images; partial credit wants the accuracy more exactly than the decision does
    batch: int = 16

    @classmethod
    def of(cls, tolerances: Mapping[str, float], threshold: float) -> Plan:
        return cls(
            population=int(tolerances["validation_images"]),
            threshold=threshold,
            error=tolerances["wrong_decisions"],
            trial_images=int(tolerances["trial_images"]),
            most_images=int(tolerances["evaluated_images"]),
            wall_s=tolerances["evaluation_wall_s"],
            classes=int(tolerances["classes"]),
            least_if_missed=int(tolerances["least_if_missed"]),
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """The weights' own accuracy: a decision, how it was come to, and in what time."""

    file: str
    network: str
    way: str
    decision: Decision
    seconds: float

    @property
    def decided(self) -> bool:
        return self.decision.standing is not Standing.TOO_CLOSE

    @property
    def told(self) -> str:
        return f"{self.file}, {self.network}, {self.way}: {self.decision.told} It took {self.seconds:.0f} s."


@dataclass(frozen=True, slots=True)
class NotVerified:
    """Why there is no such count. ``handed_in`` says whether there are weights at all."""

    why: str
    handed_in: bool = True
    notes: tuple[str, ...] = ()


def describe(way: Evaluated) -> str:
    """A way to prepare images, in words."""
    mean, std = (", ".join(f"{one:g}" for one in three) for three in (way.mean, way.std))
    return (
        f"resized to {way.shorter_side}, the {way.crop} x {way.crop} in the middle, less ({mean}), by ({std})"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """A network with a way to prepare images for it, and how it did on the trial's."""

    export: Export
    way: Evaluated
    hits: np.ndarray


class Evaluation:
    """One evaluation in the clean room."""

    def __init__(self, room: Module, validation: Validation, plan: Plan, seed: int) -> None:
        self._room, self._validation, self._plan = room, validation, plan
        self._order = drawn_order(len(validation), seed)
        self._began = time.monotonic()

    @property
    def _left_s(self) -> float:
        return self._plan.wall_s - (time.monotonic() - self._began)

    def run(self, exports: Exports, file: str, ways: Sequence[Evaluated]) -> Verified | NotVerified:
        """Choose the best of the ``ways`` for one of the networks, and count its right answers."""
        networks = [one for one in exports.networks if one.onnx is not None]
        if not networks:
            return NotVerified(_why_no_export(exports, file), notes=exports.notes)
        try:
            chosen, refused = self._trial(networks, ways)
            if chosen is None:
                return NotVerified(f"{quote(file)} was loaded, but {refused}", notes=exports.notes)
            decision = self._count(chosen)
        except SubmissionProblem as problem:
            return NotVerified(
                f"{quote(file)} could not be evaluated: {problem.message}", notes=exports.notes
            )
        seconds = time.monotonic() - self._began
        return Verified(file, chosen.export.name, describe(chosen.way), decision, seconds)

    def _trial(self, networks: Sequence[Export], ways: Sequence[Evaluated]) -> tuple[_Choice | None, str]:
        trial = self._order[: self._plan.trial_images]
        best: _Choice | None = None
        refused = "it takes no images"
        for export in networks:
            with self._room.scene() as scene:
                _load(scene, export)
                for way in ways:
                    if best is not None and self._left_s < self._plan.wall_s / 2:
                        break
                    try:
                        hits = self._hits(scene, way, trial)
                    except _Unfit as unfit:
                        refused = str(unfit)
                        continue
                    if best is None or hits.sum() > best.hits.sum():
                        best = _Choice(export, way, hits)
        return best, refused

    def _count(self, chosen: _Choice) -> Decision:
        """Look at one batch after the other, until it is decided or no more can be afforded."""
        plan, trial = self._plan, len(chosen.hits)
        whole = len(self._validation) == plan.population
        test = SequentialTest(plan.population, plan.threshold, plan.error)
        correct = seen = 0
        rest = self._order[trial : plan.most_images + trial]
        with self._room.scene() as scene:
            _load(scene, chosen.export)
            for start in range(0, len(rest), plan.batch):
                hits = self._hits(scene, chosen.way, rest[start : start + plan.batch])
                correct, seen = correct + int(hits.sum()), seen + len(hits)
                decision = test.look(correct, seen)
                if decision is not None and not self._goes_on(decision):
                    return decision
                if self._left_s <= 0:
                    break
        if whole and seen + trial == plan.population:
            correct, seen = correct + int(chosen.hits.sum()), seen + trial
        return test.finish(correct, seen)

    def _goes_on(self, decision: Decision) -> bool:
        """A threshold that is missed is looked at longer: how far it is missed earns points too."""
        return decision.standing is Standing.NOT_MET and decision.seen < self._plan.least_if_missed

    def _hits(self, scene: Scene, way: Evaluated, places: np.ndarray) -> np.ndarray:
        """Which of these images the network that is loaded gets right."""
        hits: list[np.ndarray] = []
        for start in range(0, len(places), self._plan.batch):
            some = places[start : start + self._plan.batch]
            images = way.normalised(self._validation.images(some, way))
            scores = _checked(scene.call("logits", images).fetch(), len(some), self._plan.classes)
            hits.append(scores.argmax(axis=1) == self._validation.labels[some])
        return np.concatenate(hits)


class _Unfit(Exception):
    """The network's answer is no scores of 1,000 classes."""


def _load(scene: Scene, export: Export) -> None:
    assert export.onnx is not None
    scene.call("load", np.frombuffer(export.onnx, np.uint8))


def _checked(scores: object, count: int, classes: int) -> np.ndarray:
    if (
        not isinstance(scores, np.ndarray)
        or scores.dtype.kind != "f"
        or scores.ndim != 2
        or len(scores) != count
    ):
        raise _Unfit("what it returns are no scores, one row for each image")
    if scores.shape[1] < classes:
        raise _Unfit(f"it tells {scores.shape[1]:,} classes apart, where ImageNet has {classes:,}")
    if not np.isfinite(scores).all():
        raise _Unfit("its scores are not finite")
    return scores


def _why_no_export(exports: Exports, file: str) -> str:
    told = [f"{one.kind}: {one.problem}" for one in exports.networks if one.problem] or list(exports.notes)
    return f"{quote(file)} could not be used. {told[0]}" if told else f"{quote(file)} holds no network"


# --- held against the log ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether the weights do what the log says; ``told`` says it in a sentence."""

    agrees: bool
    told: str


def compare(verified: Verified, logged: float, slack: float) -> Agreement:
    """Hold our count against the log's accuracy, with ``slack`` for another library's resizing."""
    decision = verified.decision
    low, high = decision.interval.low - slack, decision.interval.high + slack
    told = (
        f"The log says {100 * logged:.3f} %. Our count of {quote(verified.file)}: {decision.correct:,} of "
        f"{decision.seen:,} images right, so the accuracy lies between "
        f"{100 * decision.interval.low:.2f} and {100 * decision.interval.high:.2f} %"
    )
    agrees = low <= logged <= high
    return Agreement(agrees, f"{told}: they {'agree' if agrees else 'disagree'}.")


def value(verified: Verified | NotVerified, logged: float, threshold: float) -> float:
    """The accuracy that earns points: the log's, unless the weights themselves decide.

    Where they reach the threshold, at least that; where they don't, no more than what they may reach: near
    the threshold, and while few images were seen, the doubt is the student's.
    """
    if not isinstance(verified, Verified) or verified.decision.standing is Standing.TOO_CLOSE:
        return logged
    if verified.decision.standing is Standing.MET:
        return max(logged, threshold)
    below = math.nextafter(threshold, 0)
    return min(logged, verified.decision.interval.high, below)
