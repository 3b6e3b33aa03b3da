"""The notebook that benchmarks/notebooks.py grades: right by its own checks, which find what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.notebook_checks import FUNCTIONS, check
from benchmarks.notebook_students import notebook


def namespace(student: int, *, with_checks: bool = False) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for cell in json.loads(notebook(student, with_checks=with_checks))["cells"]:
        exec(cell["source"], names)  # noqa: S102  (our own cells)
    return names


def test_every_student_is_right(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "231")
    first, second = namespace(0), namespace(1, with_checks=True)  # whose last cells check
    assert capsys.readouterr().out == "loss 0.000000\n" * 2
    for names in (first, second):
        for name in FUNCTIONS:
            check(name, names[name], seed=7)
    assert notebook(0) != notebook(1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_wrong_is_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    right = namespace(0)[name]
    assert capsys.readouterr().out
    with pytest.raises(AssertionError, match="not right"):
        check(name, lambda *arguments: right(*arguments) + 0.01, seed=7)
    with pytest.raises(AssertionError, match="another shape"):
        check(name, lambda *arguments: [right(*arguments)], seed=7)
