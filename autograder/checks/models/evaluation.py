"""How many held-out images a network gets right, counted by us.

    evaluation = evaluate(submission.room, exports, held, probes=probes, budget_s=120)
    evaluation.correct.sum(), evaluation.evidence

The network is the exported graph, the images are ours and prepared by us as the submission prepares its own
(preparation.py), ONNX Runtime computes the scores in a box of ours, and the labels never leave this process.
Which of several networks and preparations is meant is found out on a few images; those count only where all
images do, since the best of several was lucky on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np

from autograder.checks.models.judging import Judged, confusion_of, judge_scores, shares
from autograder.checks.models.preparation import Preparation, fit_preparation, refusal
from autograder.checks.models.running import Running, joined, running
from autograder.checks.models.weigh import Weighed, weigh
from autograder.data import HeldOut
from autograder.outcome import CheckFailed, Evidence, LimitExceeded, SubmissionProblem
from autograder.sandbox.exported import Export, Exports
from autograder.sandbox.predicted import Way
from autograder.sandbox.submission import Module, Scene
from autograder.text import quote

TRIAL = 200  # images on which networks and preparations are told apart
_TRIAL_SHARE = 0.25  # of the time
_CLEARLY = 0.02  # by how much of the trial the box's own way must be better to be taken
_CHUNK = 512  # images that are prepared at once, ...
_CHUNK_BYTES = (
    64 << 20
)  # ... or fewer: what an image is prepared to is a student's, and may be as large as a wall
_MOST_CHANNELS = 4  # that one channel is repeated to
_MOST_REASONS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """``index`` says which of the held-out images were seen, in their order; all arrays go with it.

    ``why`` says what was in the way of verifying where the evidence is `measured`, and ``notes`` what else
    there is to say.
    """

    network: str
    preparation: str
    index: np.ndarray  # (n,) int64
    predicted: np.ndarray  # (n,) int64, -1 for no answer
    correct: np.ndarray  # (n,) bool
    correct5: np.ndarray  # (n,) bool
    confusion: np.ndarray  # (C, C) int64
    per_class: np.ndarray  # (C,) shares
    total: int  # held-out images in all
    seconds: float
    evidence: Evidence
    why: str = ""
    weighed: Weighed | None = None
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return len(self.index) == self.total

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean()) if len(self.correct) else 0.0

    @property
    def top5(self) -> float:
        return float(self.correct5.mean()) if len(self.correct5) else 0.0

    def describe(self) -> str:
        how = f"{quote(self.network)}, images prepared as by {quote(self.preparation)}"
        part = "" if self.complete else f" (of {self.total:,}; the time or the limit ended there)"
        right = f"{int(self.correct.sum()):,} of {len(self.correct):,} images{part} right"
        return (
            f"{right}: {100 * self.accuracy:.2f} %, top-5 {100 * self.top5:.2f} %. {how}. {self.why}".strip()
        )


@dataclass(slots=True)
class _Way:
    """A network with a preparation, and how it did on the trial's images."""

    export: Export
    weighed: Weighed
    preparation: Preparation
    shape: tuple[int, ...]  # of one image as the network takes it
    output: int = 0
    hits: int = -1

    @property
    def at_once(self) -> int:
        """How many images are prepared together; they are float64 on their way, and as large twice."""
        numbers = max(prod(self.preparation.shape), prod(self.shape), 1)
        return min(max(_CHUNK_BYTES // (16 * numbers), 1), _CHUNK)

    def prepare(self, images: np.ndarray) -> np.ndarray:
        made = self.preparation.prepare(images)
        if made.shape[1:] == self.shape:
            return made
        if prod(made.shape[1:]) == prod(self.shape):
            return made.reshape(len(made), *self.shape)
        return np.broadcast_to(made, (len(made), *self.shape))


@dataclass(slots=True)
class _Work:
    """What one evaluation has to go on, and what it has found to say."""

    room: Module
    held: HeldOut
    budget_s: float
    order: np.ndarray
    began: float = field(default_factory=time.monotonic)
    reasons: list[str] = field(default_factory=list)

    @property
    def classes(self) -> int:
        return int(self.held.labels.max()) + 1

    @property
    def trial(self) -> np.ndarray:
        return self.order[-TRIAL:]

    def spent(self) -> float:
        return time.monotonic() - self.began


def evaluate(  # noqa: PLR0913  (each is a thing of its own)
    room: Module,
    exports: Exports,
    held: HeldOut,
    *,
    probes: np.ndarray,
    budget_s: float,
    limit: int | None = None,
    seed: int = 0,
    scene: Scene | None = None,
    stop: Callable[[int, int], bool] | None = None,
) -> Evaluation:
    """The best of the exported networks and preparations, on ``limit`` held-out images or as many as there
    is time for, in an order drawn from ``seed``.

    ``probes`` are the images that went into the export. ``stop`` is asked after each part, with the number of
    right answers and of images, whether that is enough. Where nothing can be verified, or the submission's
    own way to prepare is clearly another, ``scene`` (of the submission) is asked for its scores: measured.
    Raises CheckFailed where no network can be evaluated at all.
    """
    order = np.random.default_rng(seed).permutation(len(held.labels))
    work = _Work(room, held, budget_s, order)
    best = _try_all(list(_ways(work, exports, probes)), work)
    own = _own_way(scene, work, best) if scene is not None else None
    if own is not None:
        assert scene is not None
        return _measure(scene, own, work, limit)
    if best is None:
        raise CheckFailed(
            "No network of yours could be evaluated: " + _joined(work.reasons or ["none was found"]),
            hint="Keep the trained network in a variable, as a torch.nn.Module that takes a batch of images.",
        )
    return _count(best, work, limit, stop)


# --- what there is to try ------------------------------------------------------------------------------


def _ways(work: _Work, exports: Exports, probes: np.ndarray) -> Iterator[_Way]:
    preparations = _preparations(work, exports, probes)
    for export in exports.networks:
        try:
            weighed = weigh(export)
        except SubmissionProblem as problem:
            work.reasons.append(f"{quote(export.name)}: {problem.message}")
            continue
        fitting = [(one, shape) for one in preparations if (shape := _taken(one.shape, export)) is not None]
        if not fitting:
            work.reasons.append(
                f"{quote(export.name)} takes images of shape {export.takes!r}, and none of your transforms "
                "gives that"
            )
        for preparation, shape in fitting:
            yield _Way(export, weighed, preparation, shape)


def _preparations(work: _Work, exports: Exports, probes: np.ndarray) -> list[Preparation]:
    found: dict[str, Preparation] = {}
    for prepared in exports.preparations:
        fitted = fit_preparation(prepared, probes)
        if fitted is None:
            work.reasons.append(refusal(prepared))
        else:
            found.setdefault(f"{fitted.described} {fitted.shape}", fitted)
    return list(found.values())


def _taken(shape: tuple[int, ...], export: Export) -> tuple[int, ...] | None:
    """The shape in which the network gets an image that was prepared to ``shape``."""
    takes = export.takes or shape
    if shape == takes or prod(shape) == prod(takes):
        return takes
    alike = len(shape) == len(takes) == 3 and shape[0] == 1 and shape[1:] == takes[1:]
    if alike and takes[0] <= _MOST_CHANNELS:
        return takes  # one channel, as often as the network wants it
    return None


def _try_all(ways: list[_Way], work: _Work) -> _Way | None:
    """The one that gets most of the trial's images right; of equals the first."""
    best: _Way | None = None
    for at, way in enumerate(ways):
        if best is not None and work.spent() > _TRIAL_SHARE * work.budget_s:
            work.reasons.append(f"{len(ways) - at} further ways were not tried: the time was short")
            break
        try:
            _try(way, work)
        except SubmissionProblem as problem:
            work.reasons.append(f"{quote(way.export.name)}: {problem.message}")
        if way.hits >= 0 and (best is None or way.hits > best.hits):
            best = way
    return best


def _try(way: _Way, work: _Work) -> None:
    assert way.export.onnx is not None
    labels = work.held.labels[work.trial]
    problem: SubmissionProblem | None = None
    with running(work.room, way.export.onnx) as network:
        for output in range(network.outputs):
            try:
                scores = _scores(network, way, work, work.trial, output)
            except CheckFailed as misfit:  # another output than that of the scores
                problem = problem or misfit
                continue
            if scores.shape[1] < work.classes:
                problem = problem or CheckFailed(
                    f"it tells {scores.shape[1]:,} classes apart, where the images have {work.classes:,}"
                )
                continue
            hits = int(judge_scores(scores, labels).correct.sum())
            if hits > way.hits:
                way.hits, way.output = hits, output
    if way.hits < 0 and problem is not None:
        raise problem


# --- counting ------------------------------------------------------------------------------------------


def _count(way: _Way, work: _Work, limit: int | None, stop: Callable[[int, int], bool] | None) -> Evaluation:
    assert way.export.onnx is not None
    wanted = work.order[:limit]
    parts: list[Judged] = []
    seen = 0
    with running(work.room, way.export.onnx) as network:
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            try:
                parts.append(_judge(network, way, work, part))
            except LimitExceeded as limited:
                if not parts or limited.limit not in ("wall_s", "run_wall_s"):
                    raise
                break  # what was seen until then is an honest count
            seen += len(part)
            if work.spent() > work.budget_s or (stop is not None and stop(_right(parts), seen)):
                break
    return _evaluation(
        parts,
        wanted[:seen],
        work,
        network=way.export.name,
        preparation=f"{way.preparation.name}: {way.preparation.described}",
        evidence=Evidence.VERIFIED,
        weighed=way.weighed,
    )


def _judge(network: Running, way: _Way, work: _Work, part: np.ndarray) -> Judged:
    scores = _scores(network, way, work, part, way.output)
    return judge_scores(scores, work.held.labels[part])


def _scores(network: Running, way: _Way, work: _Work, part: np.ndarray, output: int) -> np.ndarray:
    """Prepared and asked in pieces, each no larger than memory allows."""
    starts = range(0, len(part), way.at_once)
    pieces = (part[start : start + way.at_once] for start in starts)
    return joined([network.scores(way.prepare(work.held.images[piece]), output) for piece in pieces])


def _right(parts: list[Judged]) -> int:
    return sum(int(part.correct.sum()) for part in parts)


def _evaluation(  # noqa: PLR0913  (as above)
    parts: list[Judged],
    index: np.ndarray,
    work: _Work,
    *,
    network: str,
    preparation: str,
    evidence: Evidence,
    why: str = "",
    weighed: Weighed | None = None,
) -> Evaluation:
    order = np.argsort(index, kind="stable")
    predicted, correct, correct5 = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("predicted", "correct", "correct5")
    )
    labels = work.held.labels[index[order]]
    return Evaluation(
        network=network,
        preparation=preparation,
        index=index[order],
        predicted=predicted,
        correct=correct,
        correct5=correct5,
        confusion=confusion_of(predicted, labels, work.classes),
        per_class=shares(correct, labels, work.classes),
        total=len(work.held.labels),
        seconds=work.spent(),
        evidence=evidence,
        why=why,
        weighed=weighed,
        notes=tuple(dict.fromkeys(work.reasons)),
    )


# --- in the submission's own box -----------------------------------------------------------------------


def _own_way(scene: Scene, work: _Work, best: _Way | None) -> Way | None:
    """The submission's own network and preparation, where they have to be taken: no way of ours works, or
    what could not be worked out is clearly better."""
    if best is not None and not work.reasons:
        return None
    try:
        ways = scene.predict(work.held.images[work.trial])
    except SubmissionProblem as problem:
        work.reasons.append(problem.message)
        return None
    labels = work.held.labels[work.trial]
    scored = [way for way in ways if way.scores is not None]
    own = max(scored, key=lambda way: int(way.hits(labels).sum()), default=None)
    if own is None:
        return None
    ahead = float(own.hits(labels).mean()) - (best.hits / len(labels) if best is not None else -1)
    return own if ahead > _CLEARLY else None


def _measure(scene: Scene, own: Way, work: _Work, limit: int | None) -> Evaluation:
    wanted = work.order[:limit]
    left_s = max(work.budget_s - work.spent(), 1.0)
    ways = scene.predict(work.held.images[wanted], (own.number,), left_s)
    way = next((one for one in ways if one.number == own.number and one.scores is not None), None)
    if way is None or way.scores is None:
        raise CheckFailed(
            f"{quote(own.network)} gave scores for a few images, and none for more.",
            hint="Let it give the same kind of answer for every batch.",
        )
    seen = wanted[: len(way.scores)]
    return _evaluation(
        [judge_scores(way.scores, work.held.labels[seen])],
        seen,
        work,
        network=own.network,
        preparation=own.preparation,
        evidence=Evidence.MEASURED,
        why=f"It was evaluated in your own process, since {_joined(work.reasons)}.",
    )


def _joined(reasons: list[str]) -> str:
    several = list(dict.fromkeys(one.rstrip(".") for one in reasons))[:_MOST_REASONS]
    return "; ".join(several)
