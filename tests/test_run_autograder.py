"""run_autograder finds its engine and its Python from anywhere, and nothing else gets a say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = """\
import json, os, sys

def main():
    print(json.dumps({"argv": sys.argv, "cwd": os.getcwd(), "engine": __file__, "utf8": sys.flags.utf8_mode}))
"""
BARE = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A checkout in a folder with spaces, with a stand-in for the engine and for the environment."""
    root = tmp_path / "my course" / "the grader"
    (root / "autograder").mkdir(parents=True)
    (root / "scripts").mkdir()
    (root / "autograder" / "__init__.py").touch()
    (root / "autograder" / "cli.py").write_text(ENGINE)
    shutil.copy2(ROOT / "run_autograder", root)
    say(root, f'echo "{sys.executable}"')
    return root


def say(root: Path, line: str) -> None:
    """Make the stand-in for scripts/environment run this line of bash."""
    script = root / "scripts" / "environment"
    script.write_text(f"#!/bin/bash\n{line}\n")
    script.chmod(0o755)


def start(
    script: Path, *arguments: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        cwd=cwd,
        env=env or BARE,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_arguments_and_folder_are_the_callers(home: Path, tmp_path: Path) -> None:
    done = start(home / "run_autograder", "grade", "a b", "--out=*", "", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["argv"] == ["run_autograder", "grade", "a b", "--out=*", ""]
    assert told["cwd"] == str(tmp_path)
    assert told["utf8"] == 1


def test_through_links(home: Path, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(home / "run_autograder")
    (tmp_path / "two").symlink_to("one")
    done = start(tmp_path / "two", cwd=tmp_path)
    assert json.loads(done.stdout)["engine"] == str(home / "autograder" / "cli.py")


def test_as_gradescope_lays_it_out(home: Path, tmp_path: Path) -> None:
    outer = tmp_path / "autograder root"
    outer.mkdir()
    shutil.move(home, outer / "source")
    copy = shutil.copy2(outer / "source" / "run_autograder", outer)
    done = start(Path(copy), cwd=outer)
    assert json.loads(done.stdout)["engine"] == str(outer / "source" / "autograder" / "cli.py")


def test_the_current_folder_and_python_variables_have_no_say(home: Path, tmp_path: Path) -> None:
    submission = tmp_path / "submission"
    (submission / "autograder").mkdir(parents=True)
    for name in ("autograder/__init__.py", "autograder/cli.py", "json.py", "sitecustomize.py"):
        (submission / name).write_text("print('the submission ran')\n")
    env = BARE | {"PYTHONPATH": str(submission), "PYTHONSTARTUP": str(submission / "json.py")}
    done = start(home / "run_autograder", cwd=submission, env=env)
    assert "the submission ran" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["engine"] == str(home / "autograder" / "cli.py")


def test_lines_appended_while_it_runs_are_not_run(home: Path, tmp_path: Path) -> None:
    script = home / "run_autograder"
    append = f"open({str(script)!r}, 'a').write('touch {tmp_path}/appended\\n' * 1000)"
    (home / "autograder" / "cli.py").write_text(f"def main():\n    {append}\n")
    done = start(script, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "appended" in script.read_text()
    assert not (tmp_path / "appended").exists()


def test_exit_code_is_the_engines(home: Path, tmp_path: Path) -> None:
    (home / "autograder" / "cli.py").write_text("def main():\n    raise SystemExit(130)\n")
    assert start(home / "run_autograder", cwd=tmp_path).returncode == 130


def test_no_engine_is_told_with_a_remedy(home: Path, tmp_path: Path) -> None:
    alone = shutil.copy2(home / "run_autograder", tmp_path)
    done = start(Path(alone), cwd=tmp_path)
    assert done.returncode == 2
    assert repr(str(tmp_path)) in done.stderr
    assert "Next: " in done.stderr


def test_no_environment_is_a_fault_of_ours(home: Path, tmp_path: Path) -> None:
    say(home, "echo 'no Python. Next: install one' >&2; exit 2")
    done = start(home / "run_autograder", "grade", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "no Python. Next: install one\n"
