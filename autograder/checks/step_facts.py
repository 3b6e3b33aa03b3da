"""All that is known of each step of a homework in several notebooks, and the steps side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from autograder.checks.field_claims import (
    MAX_TABLES,
    FieldTable,
    claims_in_code,
    claims_in_text,
    read_field_claims,
)
from autograder.checks.notebooks.found import ParameterCount, Series
from autograder.checks.notebooks.parameter_counts import read_parameter_counts
from autograder.checks.notebooks.series import read_series
from autograder.checks.notebooks.source_facts import SourceFacts
from autograder.checks.notebooks.step_changes import changes, features
from autograder.checks.notebooks.step_lists import read_lists
from autograder.checks.notebooks.step_log import StepLog, read_step_log
from autograder.checks.notebooks.step_texts import StepTexts, read_step_texts
from autograder.checks.step_networks import LastEpochs, Network, chosen, last_epochs, network_alone
from autograder.checks.steps import Step, Steps, find_steps
from autograder.handed_in import HandedIn
from autograder.handed_notebook import NotebookWork
from autograder.intake import Tree
from autograder.loaders.notebook import Notebook, load_notebook
from autograder.loaders.problems import Malformed
from autograder.outcome import Evidence, SubmissionProblem

MAX_NOTEBOOKS = 60
MAX_TEXT_BYTES = 400_000  # of a README
_TEXTS = (".md", ".txt", ".csv", ".markdown", ".rst", ".py")


def steps_in(tree: Tree, session: int) -> Steps:
    """The steps among the notebooks of a submission."""
    notebooks: dict[str, Notebook | None] = {}
    for path in [path for path in tree.files if path.lower().endswith(".ipynb")][:MAX_NOTEBOOKS]:
        try:
            notebooks[path] = load_notebook((tree.root / path).read_bytes(), path)
        except Malformed:
            notebooks[path] = None
    return find_steps(notebooks, session)


class StepWork:
    """One step. Reading it costs nothing; it is run, or its network alone, when something first asks.

    ``runs``: the manifest has it run; ``looks`` whether anything of it may be run, which a student's own
    check doesn't; ``last``: of how many of its last epochs the networks are wanted.
    """

    def __init__(  # noqa: PLR0913  (what it is, and what may be done with it)
        self,
        step: Step,
        submission: HandedIn,
        probes: np.ndarray,
        *,
        runs: bool,
        looks: bool,
        last: int = 1,
    ) -> None:
        self.step, self.runs, self._submission, self._probes = step, runs, submission, probes
        self._looks, self._last = looks, last
        self.work: NotebookWork = submission.notebook_at(step.path, None if runs else "stored")

    @property
    def stored(self) -> Notebook:
        return self.work.stored

    @property
    def ran(self) -> bool:
        """Whether it was run here, and its run is what counts."""
        return self.runs and self._looks and self.work.run is not None and not self.work.why_stored

    @property
    def shown(self) -> Notebook:
        return self.work.shown if self.runs and self._looks else self.work.stored

    @property
    def evidence(self) -> Evidence:
        return Evidence.MEASURED if self.ran else Evidence.CLAIMED

    @property
    def source(self) -> SourceFacts:
        return self.work.source

    @cached_property
    def texts(self) -> StepTexts:
        return read_step_texts(self.stored)

    @cached_property
    def series(self) -> tuple[Series, ...]:
        return read_series(self.shown)

    @cached_property
    def log(self) -> StepLog:
        """Of the run that counts."""
        return read_step_log(self.series, read_lists(self.shown), self.asked)

    @cached_property
    def stored_series(self) -> tuple[Series, ...]:
        return (*read_series(self.stored), *read_lists(self.stored))

    @cached_property
    def stored_log(self) -> StepLog:
        """Of the run that was handed in."""
        return read_step_log(read_series(self.stored), read_lists(self.stored), self.asked)

    @cached_property
    def printed(self) -> tuple[ParameterCount, ...]:
        """The counts of parameters that its own outputs hold."""
        return read_parameter_counts(self.stored)

    @property
    def printed_total(self) -> int | None:
        """The one that is meant: the last of a summary, else the last."""
        exact = [one for one in self.printed if one.exact and one.kind != "frozen"]
        of_summary = [one for one in exact if one.by == "summary" and one.kind == "total"]
        chosen = of_summary or [one for one in exact if one.kind == "total"] or exact
        return chosen[-1].value if chosen else None

    @cached_property
    def ends(self) -> LastEpochs:
        """The network as its last epochs left it, out of its run; one of the last epochs comes first."""
        run = self.work.run
        assert run is not None
        try:
            with self.work.scene() as scene:
                return last_epochs(scene, self._probes, min(self._last, len(run.training.kept)))
        except SubmissionProblem as problem:
            return LastEpochs(why=problem.message)

    @cached_property
    def network(self) -> Network:
        """Its network: the one that its run trained last, else out of its definition alone."""
        printed = {one.value for one in self.printed}
        if not self._looks:
            return Network(why="only what is stored was read")
        if self.ran:
            found = chosen(self.ends.final, printed) if self.ends.exports else Network(why=self.ends.why)
            if found.weighed is not None:
                return found
        return network_alone(self._submission, self.step.path, self.stored, self._probes, printed)

    @property
    def parameters(self) -> tuple[int, Evidence] | None:
        """How many it has, as weighed, else as it printed."""
        if self.network.weighed is not None:
            return self.network.weighed.counted, Evidence.VERIFIED
        return (self.printed_total, Evidence.CLAIMED) if self.printed_total is not None else None

    @cached_property
    def epochs(self) -> int | None:
        """As its log shows, else as its source asks for."""
        return self.log.epochs if self.log.epochs > 1 else self.asked

    @cached_property
    def asked(self) -> int | None:
        """The epochs that its source asks for, of several trainings the last's."""
        known = [
            int(one.value) for one in self.source.epochs if one.value is not None and 0 < one.value < 10**6
        ]
        return known[-1] if known else None

    @cached_property
    def features(self) -> dict[str, str]:
        return features(self.stored, self.source)

    @cached_property
    def own_fields(self) -> tuple[FieldTable, ...]:
        return read_field_claims(self.stored)


def texts_beside(tree: Tree) -> dict[str, str]:
    """The READMEs, tables and modules of a submission, by path."""
    found = {}
    for path in tree.files:
        file = tree.root / path
        if path.lower().endswith(_TEXTS) and file.stat().st_size <= MAX_TEXT_BYTES:
            found[path] = file.read_bytes().decode("utf-8-sig", errors="replace")
    return found


def fields_beside(texts: dict[str, str]) -> tuple[FieldTable, ...]:
    """The receptive fields that they claim."""
    found: list[FieldTable] = []
    for path, text in texts.items():
        found += claims_in_code(text, path) if path.endswith(".py") else claims_in_text(text, path)
    return tuple(found[:MAX_TABLES])


def side_by_side(works: Sequence[StepWork]) -> list[str]:
    """A line for each step: parameters, epochs, accuracies, receptive field, and what changed."""
    lines = []
    before: StepWork | None = None
    for one in works:
        count = one.parameters
        told = [
            f"Step {one.step.number}, {one.step.name}",
            f"{count[0]:,} parameters ({count[1].label})" if count else "parameters unknown",
            f"{one.epochs} epochs" if one.epochs else "epochs unknown",
            f"test accuracy best {_percent(one.log.best_test)}, last {_percent(one.log.last_test)}",
            f"training best {_percent(one.log.best_train)}",
            f"receptive field {one.network.field or 'unknown'}",
        ]
        line = "; ".join(told)
        if before is not None:
            line += f". Changed: {changes(before.features, one.features)}"
        lines.append(line)
        before = one
    return lines


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.2f} %"
