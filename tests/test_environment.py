"""scripts/environment: the environment is made once, whole or not at all, and its failures say what to do."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from itertools import chain
from pathlib import Path

import pytest

from scripts import environment

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = """\
[project]
dependencies = ["ag-base"]
[project.optional-dependencies]
dev = ["ag-dev"]
torch = ["ag-nowhere"]
[tool.other]
"""
BUILD_WAIT_S = 120

pytestmark = pytest.mark.xdist_group("environment")  # one worker, so that one environment is made for all


def wheel(folder: Path, name: str) -> None:
    """The smallest wheel that pip installs."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as packed:
        packed.writestr(f"{name}.py", "")
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A project with two tiny packages, in a folder that any user can enter (pytest's own is closed)."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        root = Path(name)
        root.chmod(0o755)
        shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "requirements").mkdir()
        (root / "requirements" / "constraints.txt").write_text("ag-base==1.0\nag-dev==1.0\n")
        (root / "requirements" / "worker.txt").write_text("# what a worker needs\nag-base\n")
        (root / "wheels").mkdir()
        wheel(root / "wheels", "ag_base")
        wheel(root / "wheels", "ag_dev")
        yield root


def settings(project: Path, folder: Path, **more: str) -> dict[str, str]:
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    return {"PATH": "/usr/bin:/bin", "AUTOGRADER_ENV": str(folder)} | wheels | more


def environment_of(project: Path, folder: Path, *wants: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/environment, under a umask that would shut out the sandbox's user."""
    return subprocess.run(
        ["/bin/bash", "-c", 'umask 077; exec "$0" "$@"', str(project / "scripts" / "environment"), *wants],
        env=settings(project, folder, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_WAIT_S,
    )


def has(python: str, module: str) -> bool:
    return (
        subprocess.run([python, "-I", "-c", f"import {module}"], check=False, capture_output=True).returncode
        == 0
    )


@pytest.fixture(scope="module")
def built(project: Path) -> Path:
    """An environment that holds `base`."""
    folder = project / "env"
    done = environment_of(project, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}/bin/python\n"
    assert "Next:" not in done.stderr
    return folder


def test_made_once_and_found_again(project: Path, built: Path) -> None:
    assert has(f"{built}/bin/python", "ag_base")
    finder = project / "scripts" / "find-python"
    finder.rename(finder.with_suffix(".away"))  # every start but the first has to do without it
    again = environment_of(project, built)
    finder.with_suffix(".away").rename(finder)
    assert (again.returncode, again.stdout, again.stderr) == (0, f"{built}/bin/python\n", "")


def test_others_can_read_it_whatever_the_umask(built: Path) -> None:
    closed = [path for path in built.rglob("*") if not path.stat().st_mode & 0o004]
    assert closed == []


def test_what_fails_leaves_the_rest_and_says_what_to_do(project: Path, built: Path) -> None:
    failed = environment_of(project, built, "torch")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "ag-nowhere" in failed.stderr
    assert f"{built}.log" in failed.stderr
    assert "Next: " in failed.stderr
    assert "Traceback" not in failed.stderr
    assert environment_of(project, built).stderr == ""


def test_more_is_added_to_what_is_there(project: Path, built: Path) -> None:
    done = environment_of(project, built, "dev")
    assert done.returncode == 0, done.stderr
    assert has(done.stdout.strip(), "ag_dev")
    assert environment_of(project, built, "base").stderr == ""


def test_killed_half_way_and_two_started_after(project: Path) -> None:
    folder = project / "killed"
    command = [str(project / "scripts" / "environment"), "base"]
    first = subprocess.Popen(
        command, env=settings(project, folder), start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + BUILD_WAIT_S
    while not (folder / "bin" / "python").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (folder / "complete").exists()
    (folder / "half-made").touch()

    pair = [
        subprocess.Popen(command, env=settings(project, folder), stderr=subprocess.PIPE, text=True)
        for _ in "ab"
    ]
    told = "".join(process.communicate(timeout=BUILD_WAIT_S)[1] for process in pair)
    assert [process.returncode for process in pair] == [0, 0], told
    assert told.count("making the Python environment") == 1
    assert "waiting for it" in told
    assert not (folder / "half-made").exists()
    assert has(f"{folder}/bin/python", "ag_base")


def test_a_folder_of_somebody_elses_is_left_alone(project: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = environment_of(project, tmp_path)
    assert done.returncode == 2
    assert repr(str(tmp_path)) in done.stderr
    assert "AUTOGRADER_ENV" in done.stderr
    assert (tmp_path / "thesis.tex").exists()


def test_a_changed_requirement_makes_a_new_environment(built: Path) -> None:
    key = (built / "complete").read_text().split()[0]
    assert environment.installed(built, key)[0] == "base"
    assert environment.installed(built, "other") == []


def test_unknown_environment_is_a_usage_error(project: Path, tmp_path: Path) -> None:
    done = environment_of(project, tmp_path, "tets")
    assert done.returncode == 1
    assert "'tets'" in done.stderr


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exit 1", "does not start"),
        ('[ "$2" = -c ] && echo 3.10.4; case "$3" in *exit*) exit 1; esac', "3.10.4"),
    ],
)
def test_an_unfit_interpreter_is_refused_with_the_reason(
    project: Path, tmp_path: Path, body: str, reason: str
) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/bash\n{body}\n")
    python.chmod(0o755)
    done = environment_of(project, project / "never", AUTOGRADER_PYTHON=str(python))
    assert done.returncode == 2
    assert str(python) in done.stderr
    assert reason in done.stderr
    assert "Next: " in done.stderr


def test_what_others_cannot_enter_is_seen(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    (shut / "bin").mkdir(parents=True)
    shut.chmod(0o700)
    why = environment.closed_to_others(shut / "bin")
    assert "0700" in why
    assert environment.closed_to_others(Path("/usr/bin")) == ""


# --- an assignment's own ------------------------------------------------------------------------------


@pytest.fixture
def homework(tmp_path: Path) -> Path:
    """An assignment that asks for one package."""
    (tmp_path / "requirements.txt").write_text("ag-dev\n")
    return tmp_path


def test_an_assignments_environment_holds_what_it_asks_for_and_what_a_worker_needs(
    project: Path, homework: Path
) -> None:
    folder = project / "beside"
    assert environment_of(project, folder, "--find", "assignment", str(homework)).returncode == 3
    done = environment_of(project, folder, "assignment", str(homework))
    assert done.returncode == 0, done.stderr
    python = done.stdout.strip()
    assert python.startswith(f"{folder}-own-")
    assert not folder.exists()  # our own is none of its business
    assert has(python, "ag_dev")
    assert has(python, "ag_base")
    assert "about a minute" in done.stderr
    assert repr(str(homework)) in done.stderr
    assert [path for path in Path(python).parent.parent.rglob("*") if not path.stat().st_mode & 0o004] == []
    for asking in (["assignment"], ["--find", "assignment"]):
        again = environment_of(project, folder, *asking, str(homework))
        assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")


def test_two_assignments_that_ask_for_the_same_share_one(project: Path, homework: Path) -> None:
    other, different = homework / "other", homework / "different"
    for folder, text in ((other, "ag-dev\n"), (different, "ag-dev \n")):
        folder.mkdir()
        (folder / "requirements.txt").write_text(text)
    made = environment_of(project, project / "shared", "assignment", str(homework)).stdout
    assert environment_of(project, project / "shared", "--find", "assignment", str(other)).stdout == made
    assert environment_of(project, project / "shared", "--find", "assignment", str(different)).returncode == 3


def test_a_package_that_is_not_to_be_had(project: Path, homework: Path) -> None:
    (homework / "requirements.txt").write_text("ag-dev\nag-nowhere\n")
    done = environment_of(project, project / "lacking", "assignment", str(homework))
    assert (done.returncode, done.stdout) == (2, "")
    assert "ag-nowhere" in done.stderr
    assert "Next: " in done.stderr
    again = environment_of(project, project / "lacking", "--find", "assignment", str(homework))
    assert again.returncode == 3


def test_a_version_that_the_assignment_gives_overrules_our_pin(project: Path, homework: Path) -> None:
    wheel(project / "wheels", "ag_newer")
    pins = project / "requirements" / "constraints.txt"
    before = pins.read_text()
    pins.write_text(f"{before}ag-newer==0.9\n")
    try:
        (homework / "requirements.txt").write_text("ag-newer\n")
        refused = environment_of(project, project / "pinned", "assignment", str(homework))
        assert refused.returncode == 2
        (homework / "requirements.txt").write_text("AG_newer >= 1.0 # not ours\n")
        done = environment_of(project, project / "pinned", "assignment", str(homework))
    finally:
        pins.write_text(before)
    assert done.returncode == 0, done.stderr
    assert has(done.stdout.strip(), "ag_newer")


@pytest.mark.parametrize(
    "line",
    ["-r other.txt", " --requirement=more.txt", "-c pins.txt", "-e .", "./mine.whl", "mine @ file:///x"],
)
def test_what_leads_out_of_the_file_is_refused(project: Path, homework: Path, line: str) -> None:
    (homework / "requirements.txt").write_text(f"ag-dev\n{line}\n")
    done = environment_of(project, project / "leading", "assignment", str(homework))
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert line.strip() in done.stderr


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("torch", True),
        ("torch # ==1", True),
        ("torch; python_version < '4'", True),
        ("torch[x]", True),
        ("torchvision==0.1", True),
        ("torch==2.0", False),
        ("Torch >= 1", False),
        ("torch[x]~=2.0", False),
        ("torch (<3)", False),
        ("torch @ https://example.org/torch.whl", False),
        ("torch!=1", False),
    ],
)
def test_which_pins_are_kept(line: str, kept: bool) -> None:
    pins = environment.pins_beside([line])
    assert any(pin.startswith("torch==") for pin in pins) is kept
    assert any(pin.startswith("numpy==") for pin in pins)


def test_requirements_saved_on_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes("numpy\r\nsix\r\n".encode(encoding))
        assert environment.read_requirements(path) == ["numpy", "six"]
    path.write_bytes(b"numpy\n\xff\xfa\x00")
    with pytest.raises(environment.EnvironmentTrouble, match="no text"):
        environment.read_requirements(path)


def test_what_a_worker_needs_is_pinned() -> None:
    pins = environment.CONSTRAINTS.read_text().lower()
    for line in environment.WORKER.read_text().splitlines():
        name = re.match(r"[\w.-]+", line)
        assert line.startswith("#") or (name and f"\n{name.group().lower()}==" in pins), line


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_everything_installed_is_pinned() -> None:
    lines = environment.CONSTRAINTS.read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {canonical(name): version for name, version in pins.items()}
    here = {canonical(found.name): found.version.split("+")[0] for found in distributions()}
    del here["pip"]  # it comes with Python
    assert here.items() <= pinned.items()


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = environment.CONSTRAINTS.read_text().lower()
    for line in chain(project["dependencies"], *project["optional-dependencies"].values()):
        name = re.match(r"[\w.-]+", line)
        assert name is not None
        assert f"\n{name.group().lower()}==" in pinned, f"{line!r} is not pinned: run scripts/pin"
