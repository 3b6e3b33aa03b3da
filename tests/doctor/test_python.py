"""The interpreter and its packages: closed to others, missing, not built for each other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.doctor import python
from autograder.doctor.finding import Finding, State
from autograder.outcome import SandboxFault
from autograder.sandbox.vision_pair import Pair
from tests.doctor.faked import needs_of
from tests.runs import folder_for_all, needs_root
from tests.small import Small


@pytest.fixture
def closed() -> Iterator[Path]:
    """A virtual environment that works, below a folder that only its owner can pass."""
    with folder_for_all() as folder:
        home = folder / "ana's home"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "env"], check=True)
        home.chmod(0o700)
        yield home


@needs_root
def test_an_environment_in_a_closed_home(closed: Path) -> None:
    python_there = closed / "env" / "bin" / "python"
    assert subprocess.run([python_there, "-c", ""], check=False).returncode == 0  # root is not in its way
    found = python.readable([python_there])
    assert found.state is State.FAILED
    assert f"{str(closed)!r} is closed to other users (mode 0700)" in found.found
    assert f"`chmod o+x {shlex.quote(str(closed))}`" in found.remedy
    assert "AUTOGRADER_ENV=" in found.remedy
    closed.chmod(0o711)
    assert python.readable([python_there]).state is State.OK


@needs_root
def test_a_package_that_was_installed_with_a_strict_umask() -> None:
    with folder_for_all() as site:
        (site / "numpy").mkdir()
        (site / "secret").mkdir(mode=0o700)
        found = python.readable([site])
        assert found.state is State.FAILED
        assert f"chmod -R go+rX {site}/secret`" in found.remedy
        (site / "secret").rmdir()
        (site / "single.py").touch(mode=0o600)
        assert f"chmod -R go+rX {site}/single.py`" in python.readable([site]).remedy


@needs_root
@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((0, "'3.11.2 (another build)' /usr\n", ""), "is another Python: '3.11.2 (another build)'"),
        (
            (127, "", "python: error while loading libpython3.11.so.1.0\n"),
            "it fails: python: error while loading",
        ),
        ((1, "", ""), "it fails: it said nothing"),
    ],
)
def test_another_user_gets_another_python(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[int, str, str], told: str
) -> None:
    monkeypatch.setattr(
        python, "as_boxes_run", lambda command: (61184, subprocess.CompletedProcess(command, *ends))
    )
    found = python.readable([])
    assert found.state is State.FAILED
    assert told in found.found
    assert "AUTOGRADER_PYTHON=/usr/bin/python3" in found.remedy


@needs_root
def test_no_user_to_try_it_as(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_free(_command: object) -> None:
        raise SandboxFault("No free user was found.", remedy="End the gradings that still run.")

    monkeypatch.setattr(python, "as_boxes_run", none_free)
    assert python.readable([]) == Finding.failed(
        "interpreter readable", "No free user was found.", "End the gradings that still run."
    )


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert python.interpreter().state is State.OK
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert python.interpreter().state is State.FAILED
    assert "3.11" in python.interpreter().remedy


PRELOADS_BOTH = '[sandbox]\npreload = ["torch", "torchvision.models"]\n'


@pytest.mark.parametrize(
    ("pair", "preload", "states"),
    [
        (Pair("", ""), "", "ok ok"),
        (Pair("", ""), PRELOADS_BOTH, "failed failed"),
        (Pair("2.13", ""), PRELOADS_BOTH, "ok failed"),
        (Pair("2.13", "0.28"), PRELOADS_BOTH, "ok ok ok"),
        (Pair("2.13", "0.28", operators="libc10_cuda.so", images="x"), PRELOADS_BOTH, "ok ok warning"),
        (Pair("2.13", "0.28", images="libjpeg.so"), PRELOADS_BOTH, "ok ok warning"),
        (Pair("2.13", "0.28", broken="RuntimeError: no"), PRELOADS_BOTH, "ok ok failed"),
        (Pair("2.13", "0.28", broken="RuntimeError: no"), "", "ok ok warning"),
    ],
)
def test_torch_and_torchvision(small: Small, pair: Pair, preload: str, states: str) -> None:
    small.more = preload
    found = list(python.torch(pair, needs_of(small)))
    assert [each.name for each in found] == ["torch", "torchvision", "torch and torchvision"][: len(found)]
    assert [each.state for each in found] == states.split()
    for each in found:
        if each.state is not State.OK:
            assert "scripts/environment torch" in each.remedy
    if pair.operators:
        assert "libc10_cuda.so" in found[-1].found
        assert "transforms" in found[-1].found
        assert "nms, batched_nms" in found[-1].found
        assert "read_image" in found[-1].found
        assert sys.prefix in found[-1].remedy
