"""What the backends with an enclosure for each box share: the one in stock, and what it shows."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.outcome import EnvironmentFault, StudentException
from autograder.sandbox import bubblewrap, enclosed
from autograder.sandbox.backend import remove_folder
from autograder.sandbox.bubblewrap import Bubblewrap, find_program
from autograder.sandbox.policy import Interpreter, mounts, readable_paths
from tests.sandbox.boxes import (
    BACKEND_PARAMS,
    KINDS,
    SPEC,
    Watched,
    call,
    opened,
    problem_of,
    running,
    soon,
    why_not,
)

SOURCE = "import os\ndef f(): return 1\ndef listing(path): return sorted(os.listdir(path))\n"


@pytest.fixture
def wrapped(scratch: Path) -> Iterator[Watched]:
    with running(Bubblewrap, SPEC, scratch) as backend:
        yield backend


def test_one_is_always_kept_ready(wrapped: Watched, tmp_path: Path) -> None:
    assert isinstance(wrapped.inner, Bubblewrap)
    with opened(wrapped, tmp_path, SOURCE) as module:
        assert call(module) == 1
        stock = wrapped.inner._stock
        assert stock is not None
        in_stock = stock.result(timeout=60)
    with opened(wrapped, tmp_path, SOURCE) as module:
        assert call(module) == 1
        assert wrapped.boxes[-1][1] == in_stock.home


def test_one_that_died_in_stock_is_replaced(wrapped: Watched, tmp_path: Path) -> None:
    assert isinstance(wrapped.inner, Bubblewrap)
    with opened(wrapped, tmp_path, SOURCE) as module:
        call(module)
    assert wrapped.inner._stock is not None
    spare = wrapped.inner._stock.result(timeout=60)
    assert isinstance(spare, bubblewrap._Wrapped)
    os.kill(spare._process.pid, signal.SIGKILL)
    assert soon(spare.has_lost_its_host)
    with opened(wrapped, tmp_path, SOURCE) as module:
        assert call(module) == 1
        assert wrapped.boxes[-1][1] != spare.home
    assert not spare.home.exists()


@pytest.mark.parametrize("name", [each for each in BACKEND_PARAMS if each not in ("privdrop", "none")])
def test_what_can_not_be_imported_is_our_fault(scratch: Path, tmp_path: Path, name: str) -> None:
    if why := why_not(name):
        pytest.skip(why)
    spec = replace(SPEC, preload=("numpy", "no_such_package"))
    with (
        running(KINDS[name], spec, scratch) as backend,
        opened(backend, tmp_path, SOURCE) as module,
        pytest.raises(EnvironmentFault, match=r"can't import what this assignment needs.*no_such_package"),
    ):
        module.load()


def test_another_python_is_our_fault(scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that can't read the interpreter may be given another one, with other packages."""
    with running(Bubblewrap, SPEC, scratch) as backend, opened(backend, tmp_path, SOURCE) as module:
        another = replace(Interpreter.running(), version="3.99.0 (of another machine)")
        monkeypatch.setattr(backend.inner, "_python", another)
        with pytest.raises(EnvironmentFault, match=r"runs Python .* not '3\.99\.0"):
            module.load()


@pytest.mark.parametrize(
    ("said", "fits"), [("bubblewrap 0.4.1", False), ("bubblewrap 0.11.0", True), ("", False)]
)
def test_a_bubblewrap_that_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, fits: bool
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\necho {said}\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if fits:
        assert find_program() == str(program)
        return
    with pytest.raises(EnvironmentFault, match=r"0\.8 or later is needed"):
        find_program()


def test_an_enclosure_shows_no_more_than_it_must(wrapped: Watched, tmp_path: Path) -> None:
    """By its mounts alone: what lies in the folders above the interpreter's is not even there."""
    with opened(wrapped, tmp_path, SOURCE) as module:
        problem = problem_of(module, "listing", "/")
    assert isinstance(problem, StudentException)
    assert problem.exception == "PermissionError"  # Landlock has the first word
    shown = {Path(path).parts[1] for path in mounts(()).shown}
    assert shown & {"root", "home", "proc", "sys", "run", "var", "tmp", "boot", "mnt"} <= {
        Path(sys.prefix).parts[1],
        Path(sys.base_prefix).parts[1],
    }


def test_all_that_a_worker_may_read_is_mounted() -> None:
    shown, covered = mounts(()).shown, mounts(()).covered
    for path in readable_paths(()):
        assert any(path == root or path.startswith(f"{root}/") for root in shown), path
        assert not any(path == hidden or path.startswith(f"{hidden}/") for hidden in covered), path


def test_a_forbidden_package_is_covered() -> None:
    covered = mounts(("pytest", "pyseccomp")).covered
    names = {Path(path).name.partition("-")[0] for path in covered}
    assert {"pytest", "pyseccomp"} <= names
    assert "pytest" not in {Path(path).name for path in mounts(()).covered}


def test_the_workers_copy_holds_no_more_than_it_imports() -> None:
    folder = enclosed.stage_worker()
    try:
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
        assert files == {f"autograder/{name}" for name in enclosed._WORKER_FILES}
        for path in folder.rglob("*"):
            assert path.stat().st_mode & 0o004, path  # whatever our umask is
    finally:
        remove_folder(folder)
