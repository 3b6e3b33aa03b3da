"""Whether a notebook was run, by its outputs; a count alone proves nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autograder.checks.notebooks.execution import read_execution
from autograder.loaders.notebook import Notebook, Output
from tests.checks.notebooks.printed import notebook, stream


def counted(made: Notebook, *counts: int | None) -> Notebook:
    pairs = zip(made.cells, counts, strict=True)
    return replace(made, cells=tuple(replace(cell, execution_count=count) for cell, count in pairs))


def test_all_ran_without_counts() -> None:
    found = read_execution(notebook(("import torch", ""), ("print(1)", "1\n"), ("# only a comment", "")))
    assert found.everything_ran
    assert found.has_outputs
    assert (found.code_cells, found.counted, found.missing) == (2, False, ())
    assert found.notes == ("No cell has a count; whether they ran in order can't be told.",)


def test_never_run() -> None:
    found = read_execution(notebook(("import torch", ""), ("print(1)", "")))
    assert found.never_run
    assert not found.everything_ran
    assert not found.has_outputs


def test_an_empty_notebook_has_nothing_to_run() -> None:
    assert not read_execution(Notebook(())).never_run


SHOWS = [
    ("print('done')", True),
    ("x = 1\nx", True),
    ("x = 1\nx;", False),
    ("x = 1", False),
    ("1 + 1", True),
    ("model.eval()", False),  # most would show something; a call may give None
    ("for i in range(3):\n    print(i)", True),
    ("for x in data:\n    print(x)", False),  # the data may be empty
    ("if DEBUG:\n    print(1)", False),
    ("def f():\n    print(1)", False),
    ("def f():\n    print(1)\nf()", True),
    ("def f(verbose):\n    if verbose:\n        print(1)\nf(False)", False),
    ("class A:\n    def f(self):\n        print(1)", False),
    ("plt.plot(x)\nplt.show()", True),
    ("print(1, file=log)", False),
    ("print()", False),
    ("%matplotlib inline\n!pip install x", False),
    ("None", False),
    ("this isn't Python", False),
    ("x[0].shape", True),
    ('"""a text"""', False),
]


@pytest.mark.parametrize(("source", "shows"), SHOWS)
def test_what_must_show_something(source: str, shows: bool) -> None:
    found = read_execution(notebook(("print(1)", "1"), (source, "")))
    assert found.missing == ((2,) if shows else ())
    assert found.everything_ran is not shows


def test_counts_out_of_order_and_gaps_are_noted_only() -> None:
    made = notebook(("a = 1", ""), ("print(a)", "1"), ("b = 2", ""))
    found = read_execution(counted(made, 5, 3, 6))
    assert found.out_of_order == (2,)
    assert found.reran
    assert found.everything_ran
    assert found.notes[0] == "Cell 2 ran before a cell that stands above."
    tidy = read_execution(counted(made, 1, 2, 3))
    assert (tidy.out_of_order, tidy.reran, tidy.notes) == ((), False, ())


def test_a_cell_without_a_count_among_counted_ones_did_not_run() -> None:
    made = notebook(("a = 1", ""), ("print(a)", "1"), ("b = 2", ""))
    found = read_execution(counted(made, 1, 2, None))
    assert found.uncounted == (3,)
    assert not found.everything_ran


def test_errors_are_named_and_clean() -> None:
    text = "ZeroDivisionError: division by\x1b[31m zero\u202e\n\x1b[0;31m----\nTraceback"
    made = notebook(
        ("1/0", Output("error", "ZeroDivisionError", text)),
        ("print(1)", [stream("1"), Output("error", "KeyboardInterrupt", "KeyboardInterrupt: ")]),
    )
    first, second = read_execution(made).errors
    assert (first.cell, first.name, first.message) == (1, "ZeroDivisionError", "division by zero")
    assert (second.name, second.interrupted, first.interrupted) == ("KeyboardInterrupt", True, False)
    assert not read_execution(made).everything_ran
