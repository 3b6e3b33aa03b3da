"""An assignment's environment: found, made, or a fault that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograder import environments
from autograder.environments import find_interpreter, interpreter_for, requirements_of, versions_in
from autograder.outcome import EnvironmentFault


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for scripts/environment; notes each call in ``calls``."""
    path = tmp_path / "script"
    monkeypatch.setattr(environments, "_SCRIPT", path)
    monkeypatch.setattr(environments, "_found", {})
    return path


def says(script: Path, body: str) -> None:
    calls = script.with_name("calls")
    script.write_text(f'echo "$@" >> {calls}\n{body}\n')


@pytest.fixture
def assignment(tmp_path: Path) -> Path:
    folder = tmp_path / "homework"
    folder.mkdir()
    (folder / "requirements.txt").write_text("iniconfig\n")
    return folder


def test_without_requirements_it_is_our_own(tmp_path: Path, script: Path) -> None:
    says(script, "exit 9")
    assert interpreter_for(tmp_path) == ""
    assert find_interpreter(tmp_path) == ""
    assert interpreter_for(tmp_path / "missing") == ""
    assert not script.with_name("calls").exists()


def test_it_is_asked_for_once_and_again_when_the_requirements_change(assignment: Path, script: Path) -> None:
    says(script, f"echo {script}")
    assert [interpreter_for(assignment) for _ in "ab"] == [str(script)] * 2
    (assignment / "requirements.txt").write_text("other\n")
    assert interpreter_for(assignment) == str(script)
    assert script.with_name("calls").read_text() == f"assignment {assignment}\n" * 2


def test_one_that_was_deleted_is_asked_for_again(assignment: Path, script: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.touch()
    says(script, f"echo {gone}")
    interpreter_for(assignment)
    gone.unlink()
    interpreter_for(assignment)
    assert len(script.with_name("calls").read_text().splitlines()) == 2


def test_what_it_says_is_passed_on(assignment: Path, script: Path, capfd: pytest.CaptureFixture[str]) -> None:
    says(script, f"echo 'making it; a minute' >&2; echo {script}")
    interpreter_for(assignment)
    assert capfd.readouterr().err == "making it; a minute\n"


def test_a_failure_is_our_fault_with_the_reason(assignment: Path, script: Path) -> None:
    says(script, "echo 'ERROR: no such package' >&2; echo 'Next: think.' >&2; exit 2")
    with pytest.raises(EnvironmentFault, match=r"homework.*was not made:\nERROR: no such package") as caught:
        interpreter_for(assignment)
    assert "think" not in caught.value.message
    assert f"scripts/environment assignment {assignment}" in caught.value.remedy


def test_looking_makes_nothing(assignment: Path, script: Path) -> None:
    says(script, "exit 3")
    assert find_interpreter(assignment) is None
    assert script.with_name("calls").read_text() == f"--find assignment {assignment}\n"
    says(script, "echo broken >&2; exit 2")
    with pytest.raises(EnvironmentFault, match="broken"):
        find_interpreter(assignment)


def test_a_link_to_an_environment_without_its_requirements(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"lacks its requirements\.txt"):
        requirements_of(str(tmp_path / "bin" / "python"))


def test_the_versions_that_a_verdict_may_depend_on() -> None:
    found = versions_in(sys.executable, ["numpy", "no-such-package"])
    assert found == {"numpy": np.__version__}


def test_the_command_that_is_shown_is_one_that_works(tmp_path: Path) -> None:
    command = environments.make_command(tmp_path)
    done = subprocess.run(
        command.split(), cwd=environments._SCRIPT.parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "requirements.txt' is not there" in done.stderr
