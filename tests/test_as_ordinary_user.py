"""The suites that every backend passes, run once more by somebody who is not root.

Where all tests run as an ordinary user anyway, there is nothing to add to that.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import ROOT, folder_for_all, needs_root

ORDINARY = 60998  # no account's, and below the range that the sandbox takes its users from
FOLDERS = ("autograder", "fixtures", "graders", "reference", "tests")
FILES = ("pyproject.toml", "run_autograder")
LIMIT_S = 300

pytestmark = [needs_root, pytest.mark.xdist_group("ordinary user")]


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A copy of the code that belongs to the ordinary user, with a home and a temporary folder beside it."""
    with folder_for_all() as folder:
        tree = folder / "tree"
        for name in FOLDERS:
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy2(ROOT / name, tree / name)
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        subprocess.run(["chown", "-R", f"{ORDINARY}:{ORDINARY}", str(folder)], check=True)
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        yield tree


def as_ordinary_user(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in the checkout, as its owner."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(checkout.parent / "home"),
            "TMPDIR": str(checkout.parent / "tmp"),
            "USER": "ordinary",
            "OMP_NUM_THREADS": "1",
        },
        user=ORDINARY,
        group=ORDINARY,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def passed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) passed", done.stdout)
    assert found is not None, done.stdout[-2000:]
    return int(found[1])


def test_bubblewrap_passes_the_conformance_suite(checkout: Path) -> None:
    suites = ("tests/sandbox/test_conformance.py", "tests/sandbox/test_preflight.py")
    options = ("-q", "-rs", "-p", "no:cacheprovider", "-W", "error", "-k", "bubblewrap")
    done = as_ordinary_user(checkout, "-m", "pytest", *options, *suites)
    assert passed(done) >= 55
    assert "SKIPPED" not in done.stdout, done.stdout[-2000:]


def test_a_submission_is_graded_in_full(checkout: Path) -> None:
    """The whole road, by the command that staff use, with the sandbox that `auto` finds."""
    script = checkout.parent / "home" / "grade.py"
    script.write_text(_GRADE, encoding="utf-8")
    done = as_ordinary_user(checkout, "-I", str(script), str(checkout), str(checkout.parent / "tmp"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split()[-2:] == ["bubblewrap", "10.0"]


_GRADE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fixtures.build import build
from autograder import cli
out = Path(sys.argv[2]) / "out"
submission = build("excellent", Path(sys.argv[2]) / "submission")
sys.argv = ["run_autograder", "grade", "gatech_convnet", str(submission), "--out", str(out)]
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code, ended.code
results = json.loads((out / "results.json").read_text())
print(results["extra_data"]["sandbox"], results["score"])
"""
