"""What a grader's tests see of a submission, and the pytest fixtures that hand it to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import pytest

from autograder.assignment import Assignment, Deliverable, NotebookSpec
from autograder.boxes import Sandboxed
from autograder.checks.deliverables import Deliveries, find_mention, find_module, match, others_for
from autograder.intake import Tree
from autograder.manifest import MAIN
from autograder.outcome import CheckFailed, GraderFault, IntakeRefused
from autograder.sandbox.submission import Module, Submission
from autograder.sheet import Sheet
from autograder.text import quote

if TYPE_CHECKING:
    from autograder.challenge.entry import Challenge
    from autograder.handed_notebook import NotebookWork
    from autograder.loaders.notebook import Notebook
    from autograder.sandbox.notebook import NotebookModule

_SEED_BITS = 32
NotebookMode = Literal["rerun", "stored", "auto"]


class HandedIn:
    """The cleaned tree, its deliverables, and its code behind the sandbox.

    An upload that was refused raises the refusal wherever a test touches it, so that every test ends with
    the reason.
    """

    def __init__(
        self,
        assignment: Assignment,
        tree: Tree | IntakeRefused,
        sandboxed: Sandboxed | None,
    ) -> None:
        self._assignment, self._tree, self._sandboxed = assignment, tree, sandboxed
        self._notebooks: dict[str, NotebookWork] = {}
        self._sources: dict[tuple[str, tuple[str, ...]], str | None] = {}

    @property
    def tree(self) -> Tree:
        """The submission's files, safe to read as data."""
        if isinstance(self._tree, IntakeRefused):
            raise self._tree
        return self._tree

    @cached_property
    def deliveries(self) -> Deliveries:
        """Which file was taken for which deliverable."""
        return match(self.tree, self._assignment.deliverables)

    def others_for(self, key: str) -> list[str]:
        """Files that fit the deliverable ``key`` too, the best first, where one was taken."""
        return others_for(self.tree, self._assignment.deliverables, key)

    def source_of(self, key: str, functions: Sequence[str]) -> str:
        """The path of the file that defines these functions, as the deliverable ``key`` describes it."""
        deliverable = self._deliverable(key)
        asked = (key, tuple(functions))
        if asked not in self._sources:  # every test asks, and each search parses the submission's files
            self._sources[asked] = find_module(self.tree, deliverable, functions)
        path = self._sources[asked]
        if path is None:
            listed = ", ".join(f"{name}()" for name in functions)
            elsewhere = find_mention(self.tree, functions)
            aside = f"\n{elsewhere} seems to hold them, but only the top level of .py files counts."
            raise CheckFailed(
                f"No file of your submission defines {listed}.{aside if elsewhere else ''}",
                hint=deliverable.hint,
            )
        return path

    def _deliverable(self, key: str) -> Deliverable:
        for deliverable in self._assignment.deliverables:
            if deliverable.key == key:
                return deliverable
        raise GraderFault(
            f"A test asks for the deliverable {key!r}, which the manifest doesn't declare.",
            remedy="Add it to [[deliverables]], or correct the test.",
        )

    def notebook(self, key: str) -> NotebookWork:
        """The notebook that is the deliverable ``key``; raises CheckFailed where none was handed in."""
        if key not in self._notebooks:
            deliverable, spec = self._deliverable(key), self._notebook_spec(key)
            path = self.deliveries.found.get(key)
            if path is None:
                raise CheckFailed(
                    "No file of your submission is the notebook: "
                    f"{quote(deliverable.patterns[0])} is asked for.",
                    hint=deliverable.hint or "Hand in the .ipynb file itself, under that name.",
                )
            from autograder.handed_notebook import NotebookWork  # noqa: PLC0415  (0.2 s that most don't need)

            sandboxed = self._require_sandbox().submission(spec.box)
            self._notebooks[key] = NotebookWork(path, self.tree, spec, sandboxed)
        return self._notebooks[key]

    def notebook_at(self, path: str, mode: NotebookMode | None = None) -> NotebookWork:
        """The notebook at ``path``, of several; ``mode`` takes the place of the manifest's."""
        key = f"{path} ({mode or 'as the manifest says'})"
        if key not in self._notebooks:
            from autograder.handed_notebook import NotebookWork  # noqa: PLC0415  (as above)

            spec = self._notebook_spec(path)
            spec = spec if mode is None else spec.model_copy(update={"mode": mode})
            sandboxed = self._require_sandbox().submission(spec.box)
            self._notebooks[key] = NotebookWork(path, self.tree, spec, sandboxed)
        return self._notebooks[key]

    def keep(self, work: NotebookWork) -> None:
        """Count ``work``, which a check made by itself, among `notebooks`: staff get its run too."""
        self._notebooks[work.path] = work

    def some_cells(self, path: str, notebook: Notebook, wall_s: float) -> NotebookModule:
        """Cells of our choosing in the place of the notebook at ``path``: those that define its network, say.

        They find no data.
        """
        from autograder.sandbox.notebook import RunPlan  # noqa: PLC0415  (as above)

        spec = self._notebook_spec(path)
        plan = RunPlan(cell_wall_s=wall_s, wall_s=wall_s, seed=spec.seed)
        alone = PurePosixPath(path).with_suffix(".some.ipynb").as_posix()  # a box of its own
        return self._require_sandbox().submission(spec.box).notebook(alone, notebook, plan)

    def _notebook_spec(self, asked: str) -> NotebookSpec:
        if self._assignment.notebook is None:
            raise GraderFault(
                f"A test asks for the notebook {asked!r}, and the manifest has no [notebook].",
                remedy="Add the table to the manifest; its defaults may do.",
            )
        return self._assignment.notebook

    @property
    def notebooks(self) -> tuple[NotebookWork, ...]:
        """Those that a test has asked for."""
        return tuple(self._notebooks.values())

    def read(self, path: str) -> str:
        """A file of the submission as text, whatever its bytes."""
        return (self.tree.root / path).read_bytes().decode("utf-8-sig", errors="replace")

    def module(self, path: str, box: str = MAIN) -> Module:
        """The module at ``path``, in the sandbox; ``box`` is a key of the manifest's [boxes]."""
        return self._require_sandbox().submission(box).module(path)

    def sandboxed(self, box: str = MAIN) -> Submission:
        """The submission in a box of this kind, for what is neither one of its modules nor a notebook."""
        return self._require_sandbox().submission(box)

    @property
    def room(self) -> Module:
        """Our own evaluator of networks, in a box without any student code."""
        return self._require_sandbox().room

    def _require_sandbox(self) -> Sandboxed:
        if self._sandboxed is None:
            _ = self.tree  # raises the refusal that is the reason why there is no sandbox
            raise GraderFault("There is a tree but no sandbox.", remedy="This is a bug: report it.")
        return self._sandboxed


def case_seed(assignment: Assignment, digest: str) -> int:
    """The seed of this submission's hidden cases.

    It depends on the manifest's secret seed and on the submission's content, so the same submission always
    meets the same cases, and whoever learns something of them and hands in again meets others.
    """
    text = f"{assignment.seed}:{assignment.name}:{digest}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[: _SEED_BITS // 8], "big")


def public_seed(assignment: Assignment) -> int:
    """The seed of the public cases: the same for everybody, and independent of the secret one."""
    text = f"public:{assignment.name}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[: _SEED_BITS // 8], "big")


def fixtures_of(  # noqa: PLR0913  (each is a fixture)
    assignment: Assignment,
    handed_in: HandedIn,
    seed: int,
    sheet: Sheet,
    *,
    public: bool,
    challenge: Challenge | None = None,
) -> ModuleType:
    """One run's fixtures, as a module for pytest, which wants no method for what lives as long as a session.

    ``assignment`` is the manifest, ``submission`` what was handed in, ``seed`` that of the run's cases,
    ``sheet`` what staff will read, ``public`` says whether students may see the values of these cases, and
    ``challenge`` is the submission's entry to the assignment's challenge, if it has one.
    """
    module = ModuleType("autograder_fixtures")
    for name, value in (
        ("assignment", assignment),
        ("submission", handed_in),
        ("seed", seed),
        ("sheet", sheet),
        ("public", public),
        ("challenge", challenge),
    ):
        setattr(module, name, _constant(value))
    return module


def _constant(value: object) -> object:
    @pytest.fixture(scope="session")
    def give() -> object:
        return value

    return give
