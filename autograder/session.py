"""One pytest session over a grader's folder, in this process and shut off from everything around it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.challenge.prepared import FOLDER

# pytest's own plugins that a grading has no use for; the last two collect garbage, five times over.
_NEEDLESS = (
    "terminal",
    "cacheprovider",
    "doctest",
    "faulthandler",
    "junitxml",
    "pastebin",
    "setuponly",
    "setupplan",
    "stepwise",
    "warnings",
    "threadexception",
    "unraisableexception",
)
_OPTIONS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")  # environment variables that pytest takes options from
_WELL_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def run_session(folder: Path, files: Sequence[str], plugins: Sequence[object]) -> int:
    """Run the grader's tests in these files of its folder, or all of them; returns pytest's exit code."""
    targets = [str(folder / name) for name in files if name.startswith("test_")] or [str(folder)]
    arguments = [
        *targets,
        f"--rootdir={folder.parent}",
        f"--confcutdir={folder}",  # a conftest.py in a folder above is somebody else's
        f"--ignore={folder / FOLDER}",  # answers, and not everybody who grades may look into that folder
        "--config-file=/dev/null",  # neither our own settings nor a stray pytest.ini
        "--import-mode=importlib",
        "--disable-plugin-autoload",
        "--assert=plain",  # an assertion's message is the author's, without the values compared
        "--capture=no",
        "--strict-markers",
        *(f"-p no:{name}" for name in _NEEDLESS),
    ]
    with _as_if_for_the_first_time(folder):
        return int(pytest.main(arguments, plugins=list(plugins)))


def ended_well(code: int) -> bool:
    """Whether pytest came to its end, with whatever outcome of the tests."""
    return code in _WELL_ENDED


@contextmanager
def _as_if_for_the_first_time(folder: Path) -> Iterator[None]:
    """Without options from the caller's environment; and the next session shall not find this one's modules,
    which may remember what this submission made of them."""
    options = {name: os.environ.pop(name) for name in _OPTIONS if name in os.environ}
    before = set(sys.modules)
    try:
        yield
    finally:
        os.environ.update(options)
        for name in set(sys.modules) - before:
            if name == folder.name or name.startswith(f"{folder.name}."):  # pytest names them by their folder
                del sys.modules[name]
