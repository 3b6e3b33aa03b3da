"""Fixtures of this grader: the cases, what the student's functions made of them, trainings, the challenge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest

from autograder.checks.cases import CasePack, load_pack
from autograder.checks.convnet_training import MODEL, Handed, Reached, reach
from autograder.checks.extra_held import Shown, shown_by_log, shown_by_notebook
from autograder.checks.extra_notes import ExtraNotes, read_extra
from autograder.checks.handed_files import handed, log_path, python_files, required, stored_notebook
from autograder.checks.layers import FUNCTIONS, FUNCTIONS_OF, LayerRun, judge_layer, run_layer
from autograder.checks.logs.lines import decode
from autograder.checks.notebooks.validation import Validation, count_stored, read_validation
from autograder.checks.script_logs import LogFacts, read_log
from autograder.checks.script_runs import settings_of
from autograder.loaders.notebook import load_notebook
from autograder.loaders.problems import Malformed
from autograder.outcome import CheckFailed, Evidence, SubmissionProblem

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.challenge.entry import Challenge
    from autograder.checks.extra_accuracy import Claim
    from autograder.checks.layers import Judge, Layer, Tier
    from autograder.checks.predictions.agreement import Agreement, NotCompared
    from autograder.checks.script_settings import Settings
    from autograder.handed_in import HandedIn

Packs = Callable[["Layer", "Tier"], CasePack]
Runs = Callable[["Layer", "Tier"], LayerRun]
LayersPath = Callable[["Layer"], str]
OWN_MODEL = "mymodel"
MOST_NOTEBOOKS = 8
README, MOST_READMES = ("readme.md", "readme.txt", "readme"), 4
MOST_NOTES_BYTES = 4 * 1024 * 1024
PUBLIC_PACKS = Path(__file__).with_name("public")


@pytest.fixture(scope="session")
def packs(seed: int, public: bool) -> Packs:
    """The cases of a layer's tier, with the right answers."""

    def pack(layer: Layer, tier: Tier) -> CasePack:
        shipped = PUBLIC_PACKS / f"{layer}-{tier}.safetensors"
        if public and shipped.exists():
            return load_pack(shipped)
        from reference.conv_cases import build_pack  # noqa: PLC0415  (students' bundles come without it)

        return build_pack(layer, tier, seed)

    return pack


@pytest.fixture(scope="session")
def layers_path(submission: HandedIn) -> LayersPath:
    """The path of the file with a layer's functions, asked for inside a test so that it can fail there."""

    def path(layer: Layer) -> str:
        best = submission.source_of("layers", FUNCTIONS)
        try:
            return submission.source_of("layers", FUNCTIONS_OF[layer])
        except CheckFailed:  # none of the two is written: say so of the file with the other two
            return best

    return path


@pytest.fixture(scope="session")
def runs(
    submission: HandedIn,
    packs: Packs,
    layers_path: LayersPath,
    assignment: Assignment,
    public: bool,
) -> Runs:
    """What the student's functions gave for a pack: each is run once and serves several tests."""
    known: dict[tuple[Layer, Tier], LayerRun] = {}

    def run(layer: Layer, tier: Tier) -> LayerRun:
        if (layer, tier) not in known:
            before = next((known[key] for key in known if key[0] == layer), None)
            module = submission.module(layers_path(layer))
            known[layer, tier] = run_layer(
                module, packs(layer, tier), assignment.tolerances, before=before, public=public
            )
        return known[layer, tier]

    return run


@pytest.fixture(scope="session")
def judge(runs: Runs, packs: Packs, assignment: Assignment, public: bool) -> Judge:
    """Judges one output of a layer in a tier's cases."""

    def judge_output(layer: Layer, tier: Tier, output: str) -> None:
        judge_layer(runs(layer, tier), packs(layer, tier), output, assignment.tolerances, public=public)

    return judge_output


# --- 9.2 and 9.3 --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumpyTraining:
    """The NumPy convnet's training as its notebook shows it; ``why`` says why it is not our own run's."""

    found: Validation
    evidence: Evidence
    why: str = ""


@pytest.fixture(scope="session")
def stored(assignment: Assignment, public: bool) -> bool:
    """Whether nothing of 9.2 and 9.3 is run: the manifest says so, or a student checks."""
    return public or assignment.notebook is None or assignment.notebook.mode == "stored"


@pytest.fixture(scope="session")
def numpy_training(submission: HandedIn, assignment: Assignment, stored: bool) -> Callable[[], NumpyTraining]:
    """The training of 9.2, asked for inside a test so that it can fail there."""

    def read() -> NumpyTraining:
        modules = python_files(submission.tree)
        if stored or assignment.notebook is None:
            notebook = stored_notebook(submission, "convnet_notebook")
            return NumpyTraining(read_validation(notebook, modules), Evidence.CLAIMED)
        from autograder.handed_script import NotebookWithData  # noqa: PLC0415  (only where it is run)

        box = submission.sandboxed(assignment.notebook.box)
        path = required(submission, "convnet_notebook")
        work = NotebookWithData(path, submission.tree, assignment.notebook, box)
        submission.keep(work)
        found = read_validation(work.shown, modules)
        if work.why_stored or assignment.notebook.mode == "rerun":
            return NumpyTraining(found, work.evidence, work.why_stored)
        before, limits = read_validation(work.stored, modules), assignment.tolerances
        why = count_stored(found, before, limits["validation_accuracy"], limits["rerun_difference"])
        if not why:
            return NumpyTraining(found, work.evidence)
        doubted = replace(before, doubts=(*before.doubts, f"What convnet.ipynb came with counts: {why}."))
        return NumpyTraining(doubted, Evidence.CLAIMED, why)

    return read


@pytest.fixture(scope="session")
def settings(submission: HandedIn) -> Callable[[], Settings]:
    """The settings of 9.3's run, by run_convnet.sh and what train.py takes without it."""

    def read() -> Settings:
        train = handed(submission, "train")
        path = required(submission, "run_convnet")
        return settings_of(submission.read(path), submission.read(train) if train else "", MODEL)

    return read


@pytest.fixture(scope="session")
def log(submission: HandedIn, settings: Callable[[], Settings]) -> Callable[[], LogFacts]:
    """The log of 9.3's run."""

    def read() -> LogFacts:
        run = if_there(settings)
        path = log_path(submission, "convnet_log", run.command.log if run is not None else "")
        return read_log((submission.tree.root / path).read_bytes(), path)

    return read


@pytest.fixture(scope="session")
def handed_training(
    submission: HandedIn, settings: Callable[[], Settings], log: Callable[[], LogFacts]
) -> Callable[[], Handed]:
    """What there is of 9.3's run."""
    return lambda: Handed(
        train=handed(submission, "train"),
        model=handed(submission, "convnet_model"),
        weights=handed(submission, "convnet_weights"),
        settings=if_there(settings),
        log=if_there(log),
    )


@pytest.fixture(scope="session")
def reached(
    submission: HandedIn,
    assignment: Assignment,
    handed_training: Callable[[], Handed],
    seed: int,
    stored: bool,
) -> Callable[[], Reached]:
    """What 9.3's network reaches; found once, for it may be trained for that."""
    known: list[Reached | SubmissionProblem] = []

    def read() -> Reached:
        if not known:
            try:
                known.append(reach(submission, assignment, handed_training(), seed, stored=stored))
            except SubmissionProblem as problem:
                known.append(problem)
        if isinstance(known[0], SubmissionProblem):
            raise known[0]
        return known[0]

    return read


# --- 9.4 ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def extra(submission: HandedIn) -> Callable[[], ExtraNotes]:
    """What extra.md says; where there is none, a README that says who you are and how good it is."""

    def read() -> ExtraNotes:
        for path in () if handed(submission, "extra") else _readmes(submission.tree.files):
            notes = if_there(lambda path=path: _notes(submission, path))  # type: ignore[misc]
            if notes is not None and notes.name and notes.email and notes.accuracy:
                return notes
        return _notes(submission, required(submission, "extra"))

    return read


def _readmes(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if PurePosixPath(path.casefold()).name in README][:MOST_READMES]


def _notes(submission: HandedIn, path: str) -> ExtraNotes:
    try:
        text = decode((submission.tree.root / path).read_bytes(), path, MOST_NOTES_BYTES)
    except Malformed as problem:
        raise CheckFailed(problem.message, hint="Hand in extra.md as plain text.") from problem
    return read_extra(text, path)


@pytest.fixture(scope="session")
def claim(extra: Callable[[], ExtraNotes]) -> Callable[[], Claim | None]:
    """The best accuracy that it claims; None where it doesn't."""

    def read() -> Claim | None:
        notes = if_there(extra)
        return notes.accuracy if notes is not None else None

    return read


@pytest.fixture(scope="session")
def own_log(submission: HandedIn) -> Callable[[], tuple[Shown, ...]]:
    """The accuracies in the log of 9.4's own model; none where there is no log."""

    def read() -> tuple[Shown, ...]:
        path = handed(submission, "mymodel_log")
        data = (submission.tree.root / path).read_bytes() if path else b""
        facts = if_there(lambda: read_log(data, path)) if path else None
        return shown_by_log(data, facts) if facts is not None else ()

    return read


@pytest.fixture(scope="session")
def own_notebooks(submission: HandedIn) -> Callable[[], tuple[Shown, ...]]:
    """The accuracies that notebooks about that model print."""

    def read() -> tuple[Shown, ...]:
        paths = [path for path in submission.tree.files if path.casefold().endswith(".ipynb")]
        found: list[Shown] = []
        for path in paths[:MOST_NOTEBOOKS]:
            try:
                notebook = load_notebook((submission.tree.root / path).read_bytes(), path)
            except Malformed:  # the question that it belongs to says so
                continue
            found += shown_by_notebook(notebook, path)
        return tuple(found)

    return read


@pytest.fixture(scope="session")
def agreed(
    submission: HandedIn, assignment: Assignment, challenge: Challenge, seed: int, stored: bool
) -> Callable[[], Agreement | NotCompared | None]:
    """How far the predictions agree with the model that was handed in; None where nothing is run."""

    def compare() -> Agreement | NotCompared | None:
        weights, images = handed(submission, "mymodel_weights"), challenge.spec.images
        if stored or not weights or not images:
            return None
        from autograder.checks.notebooks.accuracy import held_out  # noqa: PLC0415  (only where it is run)
        from autograder.checks.predictions.agreement import Model, NotCompared, agreement  # noqa: PLC0415

        held = held_out(assignment, "cifar10")
        scored = challenge.spec.questions[0] not in assignment.waiting
        if scored and not np.array_equal(challenge.answers.labels, held.labels):
            return NotCompared("the challenge's images are others than CIFAR-10's test set")
        train = handed(submission, "train")
        command = handed(submission, "run_mymodel")
        own = if_there(
            lambda: settings_of(
                submission.read(command) if command else "",
                submission.read(train) if train else "",
                OWN_MODEL,
            )
        )
        model = Model(weights, handed(submission, "mymodel"), own)
        labels, wall_s = challenge.predictions().labels, assignment.tolerances["evaluation_wall_s"]
        return agreement(submission, assignment, model, labels, held, seed=seed, budget_s=wall_s)

    return compare


T = TypeVar("T")


def if_there(read: Callable[[], T]) -> T | None:
    """What ``read`` gives; None where the submission lacks it, which a test of its own says."""
    try:
        return read()
    except CheckFailed:
        return None
