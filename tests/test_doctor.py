"""`run_autograder doctor`: a line for each thing, in this order, and the exit code that sums them up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder import doctor
from autograder.assignment import list_assignments
from autograder.doctor import sandboxes
from autograder.doctor.finding import State
from autograder.sandbox import vision_pair
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.choose import BACKENDS
from autograder.sandbox.local import Unconfined
from autograder.sandbox.vision_pair import Pair
from tests.doctor.faked import NO_ENGINE, ORDINARY
from tests.runs import ROOT, Ended, folder_for_all, in_this_process, needs_root, run_apart

# gatech_convnet brings one for trainings, which are not run unless a course says so.
WITH_REQUIREMENTS = sorted(
    {path.parent.name for path in ROOT.glob("graders/*/requirements.txt")} - {"gatech_convnet"}
)
WITH_A_CHALLENGE = [each for each in list_assignments(ROOT / "graders") if each.challenge is not None]
# In the order in which they are printed; a line in brackets stands only where there is such a limit.
LINES = """\
Python
NumPy
interpreter readable
memory
processors
[processes]
/dev/shm
temporary folder
clock
assignments
[data]
Landlock
seccomp
user namespaces
bubblewrap
docker
[docker limits]
[docker image]
torch
torchvision
[torch and torchvision]
{environments}
{challenges}
sandbox 'docker'
sandbox 'bubblewrap'
sandbox 'privdrop'
sandbox""".format(
    environments="\n".join(f"environment of {name!r}" for name in WITH_REQUIREMENTS),
    challenges="\n".join(f"challenge of {each.name!r}" for each in WITH_A_CHALLENGE),
).splitlines()
NOTHING_HOLDS = "none holds here, so nothing can be graded"
Command = Callable[..., Ended]


def _is_in_order(names: list[str]) -> bool:
    """Whether these are the lines, each once, with none left out that isn't in brackets."""
    wanted = [line.strip("[]") for line in LINES if not line.startswith("[") or line.strip("[]") in names]
    return names == wanted


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return in_this_process(monkeypatch, capsys)


@needs_root
def test_every_thing_has_a_line(tmp_path: Path) -> None:
    ended = run_apart("doctor", "--json", cwd=tmp_path)
    assert ended.code == 0, ended
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert _is_in_order([each["name"] for each in found]), found
    assert {"name", "state", "found", "remedy"} == set(found[0])
    assert not [each for each in found if each["state"] == "failed"]
    assert all(each["remedy"] for each in found if each["state"] != "ok")
    by_name = {each["name"]: each for each in found}
    assert sys.executable in by_name["Python"]["found"]
    assert by_name["interpreter readable"]["state"] == "ok"
    most = max((each.limits.memory_mib, each.name) for each in list_assignments(ROOT / "graders"))
    assert f"{most[1]!r} allows a submission {most[0]} MiB" in by_name["memory"]["found"]
    assert by_name["Landlock"]["found"].startswith("ABI ")
    assert by_name["sandbox 'privdrop'"]["found"].startswith("proved in ")
    assert by_name["sandbox"]["found"] == f"`--sandbox auto` takes {_first_proved(by_name)!r}"


def test_an_ordinary_user_is_told_what_they_can_do() -> None:
    with folder_for_all() as folder:
        for name in ("autograder", "graders"):
            shutil.copytree(ROOT / name, folder / name)
        subprocess.run(["chmod", "-R", "go+rX", folder], check=True)
        ended = run_apart("doctor", home=folder, cwd=folder, user=ORDINARY if os.geteuid() == 0 else None)
    lines = dict(line[2:].split(": ", 1) for line in ended.out.splitlines() if not line.startswith(" "))
    assert _is_in_order(list(lines)), ended
    assert lines["interpreter readable"].startswith("yes: an ordinary user's")
    assert "it needs root" in lines["sandbox 'privdrop'"]
    taken = _first_proved({name: {"found": found} for name, found in lines.items()})
    assert ended.code == (0 if taken else 2)
    assert lines["sandbox"] == (f"`--sandbox auto` takes {taken!r}" if taken else NOTHING_HOLDS)


def _first_proved(lines: dict[str, dict[str, str]]) -> str:
    for name in BACKENDS:
        if lines[f"sandbox {name!r}"]["found"].startswith("proved in "):
            return name
    return ""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what takes seconds: torch, and boxes."""
    monkeypatch.setattr(vision_pair, "installed", lambda: Pair("", ""))
    monkeypatch.setattr(sandboxes, "_backends", lambda: {"none": _proved})
    monkeypatch.setattr(sandboxes, "prove", lambda _backend: [])
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)


def _proved(spec: BoxSpec) -> Any:
    return Unconfined(spec)  # never asked: the proof is replaced


@pytest.mark.usefixtures("quick")
def test_a_warning_does_not_fail_the_whole(command: Command) -> None:
    ended = command("doctor")
    assert ended.code == 0
    assert (
        f"! docker: no engine answers at DOCKER_HOST={NO_ENGINE!r} (No such file or directory)\n" in ended.out
    )
    assert "\n    Start that engine, or `unset DOCKER_HOST`" in ended.out
    assert "✗" not in ended.out


@pytest.mark.usefixtures("quick")
def test_one_line_that_fails_does(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "versions", lambda: {"python": "3.11.2"})
    ended = command("doctor")
    assert ended.code == 2
    assert "✗ NumPy: missing\n    Run `scripts/environment` again.\n" in ended.out
    assert "✓ sandbox: `--sandbox auto` takes 'none'" in ended.out
    found = [json.loads(line) for line in command("doctor", "--json").out.splitlines()]
    assert [each["name"] for each in found if each["state"] == "failed"] == ["NumPy"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_elsewhere_it_says_what_is_to_be_had(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    monkeypatch.setattr(sandboxes, "_backends", lambda: {"privdrop": _proved})
    found = {each.name: each for each in doctor.examine()}
    assert not {"Landlock", "seccomp", "user namespaces", "bubblewrap"} & found.keys()
    assert "run_autograder check" in found["kernel"].remedy
    assert found["/dev/shm"].state is State.OK  # noqa: S108
    assert found["sandbox 'privdrop'"].found == "it needs root on Linux"
    assert found["sandbox"].state is State.FAILED
    assert "run_autograder check" in found["sandbox"].remedy
