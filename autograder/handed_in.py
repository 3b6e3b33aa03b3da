"""What a grader's tests see of a submission, and the pytest fixtures that hand it to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from types import ModuleType

import pytest

from autograder.assignment import Assignment
from autograder.checks.deliverables import Deliveries, find_mention, find_module, match
from autograder.intake import Tree
from autograder.outcome import CheckFailed, GraderFault, IntakeRefused
from autograder.sandbox.submission import Module, Submission

_SEED_BITS = 32


class HandedIn:
    """The cleaned tree, its deliverables, and its code behind the sandbox.

    An upload that was refused raises the refusal wherever a test touches it, so that every test ends with
    the reason.
    """

    def __init__(
        self, assignment: Assignment, tree: Tree | IntakeRefused, sandboxed: Submission | None
    ) -> None:
        self._assignment, self._tree, self._sandboxed = assignment, tree, sandboxed
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

    def source_of(self, key: str, functions: Sequence[str]) -> str:
        """The path of the file that defines these functions, as the deliverable ``key`` describes it."""
        deliverable = next((item for item in self._assignment.deliverables if item.key == key), None)
        if deliverable is None:
            raise GraderFault(
                f"A test asks for the deliverable {key!r}, which the manifest doesn't declare.",
                remedy="Add it to [[deliverables]], or correct the test.",
            )
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

    def read(self, path: str) -> str:
        """A file of the submission as text, whatever its bytes."""
        return (self.tree.root / path).read_bytes().decode("utf-8-sig", errors="replace")

    def module(self, path: str) -> Module:
        """The module at ``path``, in the sandbox."""
        if self._sandboxed is None:
            _ = self.tree  # raises the refusal that is the reason why there is no sandbox
            raise GraderFault("There is a tree but no sandbox.", remedy="This is a bug: report it.")
        return self._sandboxed.module(path)


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


def fixtures_of(assignment: Assignment, handed_in: HandedIn, seed: int, *, public: bool) -> ModuleType:
    """One run's fixtures, as a module for pytest, which wants no method for what lives as long as a session.

    ``assignment`` is the manifest, ``submission`` what was handed in, ``seed`` that of the run's cases, and
    ``public`` says whether students may see the values of these cases.
    """
    module = ModuleType("autograder_fixtures")
    for name, value in (
        ("assignment", assignment),
        ("submission", handed_in),
        ("seed", seed),
        ("public", public),
    ):
        setattr(module, name, _constant(value))
    return module


def _constant(value: object) -> object:
    @pytest.fixture(scope="session")
    def give() -> object:
        return value

    return give
