"""Fixtures of the sandbox's tests. Every backend is shared by its module, and proved to leave nothing."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.sandbox.backend import remove_folder
from autograder.sandbox.local import Privdrop
from autograder.sandbox.submission import Module
from tests.sandbox.boxes import (
    BACKEND_PARAMS,
    HOOK,
    IS_ROOT,
    KINDS,
    LIMITS,
    NEEDS_ROOT,
    SPEC,
    Watched,
    fork_server_boots,
    opened,
    running,
    why_not,
)
from tests.sandbox.students import STUDENT


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this module's boxes are made, so that what is left there is ours. Others may pass through it."""
    tmp_path_factory.getbasetemp()  # pytest's own folder is made on first use, and must not be made in here
    folder = Path(tempfile.mkdtemp(prefix="sandbox-tests-"))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder
    remove_folder(folder)


@pytest.fixture(scope="module")
def privdrop(scratch: Path) -> Iterator[Watched]:
    if not IS_ROOT:
        pytest.skip(NEEDS_ROOT)
    with running(Privdrop, SPEC, scratch) as watched:
        yield watched


@pytest.fixture(scope="module", params=BACKEND_PARAMS)
def backend(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Watched]:
    """Each backend in turn."""
    if why := why_not(request.param):
        pytest.skip(why)
    with running(KINDS[request.param], SPEC, scratch) as watched:
        yield watched


@pytest.fixture(scope="module")
def module(backend: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Module]:
    """The student's module (students.py) in a box that tests share; one that is killed is replaced."""
    with opened(backend, tmp_path_factory.mktemp("tree"), STUDENT) as found:
        found.load()
        yield found
    backend.assert_nothing_left()


@pytest.fixture
def limited(backend: Watched, tmp_path: Path) -> Iterator[Callable[..., Module]]:
    """The same module in a box of the test's own, with other limits."""
    with ExitStack() as stack:

        def make(**limits: float) -> Module:
            others = replace(LIMITS, **limits)  # type: ignore[arg-type]
            return stack.enter_context(opened(backend, tmp_path, STUDENT, others))

        yield make


@pytest.fixture(scope="module")
def weakened(scratch: Path) -> Iterator[Watched]:
    """A privdrop whose boxes leave out what ``leave_out`` says."""
    if not IS_ROOT:
        pytest.skip(NEEDS_ROOT)
    statements = scratch / "statements"
    statements.touch()
    with fork_server_boots(HOOK.format(path=str(statements))), running(Privdrop, SPEC, scratch) as watched:
        yield watched


@pytest.fixture
def leave_out(weakened: Watched, scratch: Path) -> Iterator[Callable[..., None]]:
    """Has the boxes of ``weakened`` run statements before they confine themselves, until the test ends."""
    assert weakened.isolates

    def write(*statements: str) -> None:
        (scratch / "statements").write_text("\n".join(statements), encoding="ascii")

    yield write
    write()


@pytest.fixture(autouse=True)
def no_guard_is_left() -> Iterator[None]:
    """No test leaves more guards watching than there were before."""
    before = _guards()
    yield
    assert _guards() <= before


def _guards() -> int:
    return sum(thread.name == "guard" for thread in threading.enumerate())
