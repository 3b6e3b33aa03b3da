"""Notebooks at the door: which outputs count, the run's or the stored ones, and what the results say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.document import TestEntry
from autograder.sandbox.backend import Backend
from autograder.sandbox.choose import choose
from tests.sandbox.notebooks import SPEC
from tests.small import Small

TESTS = """
@number("1")
@weight(4)
def test_shown(submission, report):
    '''the notebook prints 42'''
    work = submission.notebook("work")
    report.rests_on(work.evidence)
    if work.why_stored:
        report.note(f"Read as stored: {work.why_stored}.")
    shown = "".join(output.text for cell in work.shown.cells for output in cell.outputs)
    if "42" not in shown:
        raise CheckFailed(f"It doesn't print 42: {shown[:80]!r}.")
"""
MORE = """
[[deliverables]]
key = "work"
title = "The notebook."
patterns = ["work.ipynb", "*.ipynb"]
question = "1"

[notebook]
mode = "{mode}"
cell_wall_s = 2
wall_s = 4
"""
Cells = Sequence[tuple[str, str]]  # source, and the text that is stored as its output


@dataclass
class Printing(Small):
    """An assignment whose notebook must print 42, graded with claimed evidence too."""

    cells: Cells = ()
    name: str = "printing"

    def assignment(self) -> Assignment:
        folder = super().assignment().folder
        manifest = folder / "assignment.toml"
        text = manifest.read_text().replace("points = 4.0", 'points = 4.0\nevidence = "claimed"')
        manifest.write_text(text)
        return load_assignment(folder)

    def submission(self) -> Path:
        handed_in = self.folder / "handed_in"
        handed_in.mkdir(exist_ok=True)
        document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*map(_cell, self.cells)]}
        (handed_in / "work.ipynb").write_text(json.dumps(document))
        return handed_in


def _cell(cell: tuple[str, str]) -> dict[str, Any]:
    source, stored = cell
    outputs = [{"output_type": "stream", "name": "stdout", "text": stored}] if stored else []
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": outputs,
        "execution_count": None,
    }


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    backend = choose(SPEC, must_isolate=True)
    yield backend
    backend.close()


def entry(tmp_path: Path, backend: Backend, cells: Cells, mode: str = "auto") -> TestEntry:
    document = Printing(tmp_path, TESTS, more=MORE.format(mode=mode), cells=cells).grade(backend)
    (test,) = document.tests
    return test


def evidence(test: TestEntry) -> str:
    assert test.extra_data is not None
    return str(test.extra_data.evidence)


def test_a_notebook_is_run_and_what_it_prints_now_counts(tmp_path: Path, backend: Backend) -> None:
    test = entry(tmp_path, backend, [("print(6 * 7)", "41")])
    assert (test.score, evidence(test)) == (4, "measured")


@pytest.mark.parametrize("mode", ["auto", "rerun"])
def test_stored_outputs_are_not_believed_where_the_run_says_otherwise(
    tmp_path: Path, backend: Backend, mode: str
) -> None:
    test = entry(tmp_path, backend, [("print(6 * 9)", "42")], mode)
    assert test.score == 0
    assert "It doesn't print 42: '54" in test.output


def test_an_error_of_its_own_doesnt_bring_the_stored_outputs_back(tmp_path: Path, backend: Backend) -> None:
    test = entry(tmp_path, backend, [("print(undefined)", "42")])
    assert test.score == 0
    assert "NameError" in test.output


def test_an_error_of_its_own_is_not_excused_by_what_this_machine_lacks_later(
    tmp_path: Path, backend: Backend
) -> None:
    cells = [("print(undefined)", "42"), ("open('/gdrive/my/pictures.zip')", "")]
    test = entry(tmp_path, backend, cells)
    assert test.score == 0
    assert "Read as stored" not in test.output


MISSING = [
    ("import a_package_that_only_colab_has", "a_package_that_only_colab_has"),
    ("open('/gdrive/my/pictures.zip')", "FileNotFoundError"),
    ("import time; time.sleep(60)", "time limit of one cell of 2 seconds"),
    ("hoard = [bytearray(2**25) for _ in range(1_000)]", "emory"),
]


@pytest.mark.parametrize(("source", "reason"), MISSING, ids=["package", "file", "time", "memory"])
def test_what_this_machine_lacks_is_no_fault_of_the_notebooks(
    tmp_path: Path, backend: Backend, source: str, reason: str
) -> None:
    test = entry(tmp_path, backend, [(source, ""), ("print(1)", "42")])
    assert (test.score, evidence(test)) == (4, "claimed")
    assert "Read as stored: it could not be repeated here" in test.output
    assert reason in test.output


def test_without_outputs_to_read_the_run_is_all_there_is(tmp_path: Path, backend: Backend) -> None:
    test = entry(tmp_path, backend, [("import a_package_that_only_colab_has", ""), ("print(1)", "")])
    assert test.score == 0
    assert "No module named" in test.output


def test_stored_mode_runs_nothing(tmp_path: Path, backend: Backend) -> None:
    test = entry(tmp_path, backend, [("print(1)", "42")], "stored")
    assert (test.score, evidence(test)) == (4, "claimed")
    assert "Read as stored: this assignment reads the outputs" in test.output


def test_what_is_no_notebook_says_so(tmp_path: Path, backend: Backend) -> None:
    small = Printing(tmp_path, TESTS, more=MORE.format(mode="auto"))
    assignment = small.assignment()
    assert assignment.notebook is not None
    (small.submission() / "work.ipynb").write_text("not JSON")
    small.submission = lambda: small.folder / "handed_in"  # type: ignore[method-assign]
    (test,) = small.grade(backend).tests
    assert test.score == 0
    assert "work.ipynb" in test.output


def test_no_notebook_at_all_says_which_was_asked_for(tmp_path: Path, backend: Backend) -> None:
    small = Printing(tmp_path, TESTS, more=MORE.format(mode="auto"))
    (small.submission() / "work.ipynb").rename(small.folder / "handed_in" / "work.txt")
    small.submission = lambda: small.folder / "handed_in"  # type: ignore[method-assign]
    (test,) = small.grade(backend).tests
    assert "'work.ipynb' is asked for" in test.output
