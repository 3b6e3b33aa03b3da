"""What a box may read: enough for Python and the packages, and not a file of what a homework forbids."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autograder.sandbox import policy
from autograder.sandbox.local import Privdrop
from autograder.sandbox.policy import Box, BoxLimits, listable_paths, readable_paths
from autograder.sandbox.submission import Module
from tests.sandbox.attacks import SOURCE
from tests.sandbox.boxes import SPEC, call, needs_root, opened, running

PACKAGES = Path(sysconfig.get_path("purelib"))


def is_readable(path: str | Path, unavailable: tuple[str, ...] = ()) -> bool:
    """Whether the rules cover a path."""
    real = Path(os.path.realpath(path))
    allowed = {Path(place) for place in readable_paths(unavailable)}
    return not allowed.isdisjoint((real, *real.parents))


def test_a_box_survives_the_wire() -> None:
    box = Box(
        home="/h",
        limits=BoxLimits(wall_s=1.5, threads=2),
        readable=("/a", "/b"),
        listable=("/c",),
        unavailable=("torch",),
        unavailable_reason="x",
        uid=61184,
        reaper_uid=61185,
    )
    assert Box.from_json(json.loads(json.dumps(box.to_json()))) == box
    bare = Box(home="/h", limits=BoxLimits(), readable=())
    assert Box.from_json(json.loads(json.dumps(bare.to_json()))) == bare


def test_what_python_and_numpy_need_is_readable() -> None:
    for path in (sys.executable, os.__file__, np.__file__, json.__file__, "/dev/urandom", "/bin/sh"):
        assert is_readable(path), path


def test_what_nobody_needs_is_not() -> None:
    for path in ("/", "/etc/passwd", "/home", "/root", "/tmp", "/var/log", "/proc", "/sys", "/dev", __file__):  # noqa: S108
        assert not is_readable(path), path
    assert not is_readable(policy.__file__)


def test_another_pythons_packages_are_not_readable() -> None:
    ours = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in policy.LIBRARY_FOLDERS:
        for other in Path(folder).glob("python3*"):
            if other.name != ours:
                assert not is_readable(other)


def test_a_forbidden_package_is_left_out_with_all_that_belongs_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = (
        "torch", "torchgen", "torch-2.1.dist-info", "torchvision", "torchvision.libs", "scipy", "scipy.libs",
        "scipy-1.2.3.dist-info", "six.py", "numpy", "autograder", "graders", "reference",
        "__editable__.autograder-0.1.pth", "autograder-0.1.dist-info",
    )  # fmt: skip
    for name in (*names, "scipy/signal", "scipy/fft"):
        (tmp_path / name).mkdir()
    real = sysconfig.get_path
    monkeypatch.setattr(
        sysconfig, "get_path", lambda name: str(tmp_path) if name in ("purelib", "platlib") else real(name)
    )
    kept = {path.removeprefix(f"{tmp_path}/") for path in readable_paths(("torch", "scipy.signal", "six"))}
    ours = {*names, "scipy/signal", "scipy/fft"}
    assert kept & ours == {
        "torchgen",
        "torchvision",
        "torchvision.libs",
        "scipy/fft",
        "scipy.libs",
        "scipy-1.2.3.dist-info",
        "numpy",
        "__editable__.autograder-0.1.pth",
    }
    everything = set(readable_paths(()))
    assert str(tmp_path) not in everything  # because our own package lies in it
    assert str(tmp_path / "torch") in everything
    assert str(tmp_path) in listable_paths()


def test_a_folder_with_nothing_to_hide_is_one_rule() -> None:
    assert str(PACKAGES) in readable_paths(("nosuchpackage",))


# --- really, in a box ---------------------------------------------------------------------------------


@contextmanager
def box(scratch: Path, tree: Path, source: str, *unavailable: str) -> Iterator[Module]:
    """A module in a box from which these packages are kept."""
    spec = replace(SPEC, unavailable=unavailable)
    with running(Privdrop, spec, scratch) as backend, opened(backend, tree, source) as module:
        yield module


@needs_root
@pytest.mark.skipif(not (PACKAGES / "torch").is_dir(), reason="torch is not installed")
def test_the_kernel_keeps_a_forbidden_package_closed(scratch: Path, tmp_path: Path) -> None:
    init = PACKAGES / "torch" / "__init__.py"
    with box(scratch, tmp_path, SOURCE) as module:
        assert call(module, "read", str(init)).startswith("open")
    with box(scratch, tmp_path, SOURCE, "torch") as module:
        assert call(module, "read", str(init)) == "closed: EACCES"
        assert call(module, "read", str(init.with_name("version.py"))) == "closed: EACCES"
        assert call(module, "read", np.__file__).startswith("open")


IMPORTS = """
import importlib
def fresh(name):
    importlib.invalidate_caches()
    return importlib.import_module(name).__file__
"""


@needs_root
@pytest.mark.skipif(not (PACKAGES / "torch").is_dir(), reason="torch is not installed")
def test_the_other_packages_can_still_be_imported(scratch: Path, tmp_path: Path) -> None:
    """Where one package is left out, its folder is no longer one rule, but Python must still list it."""
    with box(scratch, tmp_path, IMPORTS, "torch") as module:
        for name in ("numpy.fft", "iniconfig", "wave"):
            assert call(module, "fresh", name).endswith(".py")  # what stands in for a module has no file
