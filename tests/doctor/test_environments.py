"""The doctor's line on each assignment's own environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autograder.doctor import environments
from autograder.doctor.environments import examine
from autograder.doctor.finding import Finding, State
from autograder.doctor.needs import Needs
from autograder.outcome import EnvironmentFault
from tests.small import Small


def finding_of(small: Small) -> Finding | None:
    small.assignment()
    return next(examine(Needs.below(small.folder / "graders")), None)


def finds(monkeypatch: pytest.MonkeyPatch, answer: str | Exception | None) -> None:
    def find(_folder: Path) -> str | None:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(environments, "find_interpreter", find)


def test_without_requirements_there_is_nothing_to_say(small: Small) -> None:
    assert finding_of(small) is None


def test_one_that_is_there(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, sys.executable)
    found = finding_of(small)
    assert found is not None
    assert found.state is State.OK
    assert found.name == "environment of 'small'"
    assert sys.executable in found.found


def test_one_that_is_not_made_yet_comes_with_the_command(small: Small) -> None:
    """By the real script: nothing has this requirement."""
    small.assignment()
    folder = small.folder / "graders" / "small"
    (folder / "requirements.txt").write_text("no-such-package-for-the-doctor\n")
    (found,) = examine(Needs.below(small.folder / "graders"))
    assert found.state is State.WARNING
    assert f"scripts/environment assignment {folder}" in found.remedy


def test_one_that_can_not_be_started(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, "/nowhere/bin/python")
    found = finding_of(small)
    assert found is not None
    assert found.state is State.WARNING
    assert "'/nowhere/bin/python'" in found.found


def test_one_that_can_not_be_looked_for(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    for trouble in (EnvironmentFault("It broke.", remedy="Mend it."), OSError("no bash")):
        finds(monkeypatch, trouble)
        found = finding_of(small)
        assert found is not None
        assert found.state is State.WARNING
        assert ("It broke." if isinstance(trouble, EnvironmentFault) else "no bash") in found.found


def test_one_that_others_can_not_read(small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finds(monkeypatch, sys.executable)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(environments, "first_closed", lambda _places: tmp_path)
    found = finding_of(small)
    assert found is not None
    assert found.state is State.WARNING
    assert repr(str(tmp_path)) in found.found
    assert "scripts/environment assignment" in found.remedy


def test_torch_of_an_assignments_own_is_none_of_ours(small: Small) -> None:
    small.more = '[sandbox]\npreload = ["torch"]'
    folder = small.assignment().folder
    assert len(Needs.below(folder.parent).importing("torch")) == 1
    (folder / "requirements.txt").write_text("torch\n")
    assert Needs.below(folder.parent).importing("torch") == []
