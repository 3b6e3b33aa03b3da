"""When torchvision is mended and when it is left alone, with packages that only look like it and torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import ROOT

TORCH = """
import types
declared, loaded = [], []
FAILS = {fails}
def load_library(path):
    if FAILS:
        raise OSError("libc10_cuda.so: no such file")
    loaded.append(path)
class Library:
    def __init__(self, name, kind): self.name = name
    def define(self, schema): declared.append(schema)
    def impl(self, *_): pass
ops = types.SimpleNamespace(load_library=load_library, torchvision=types.SimpleNamespace())
library = types.SimpleNamespace(Library=Library)
"""
EXTENSION = """
import torch
def _has_ops(): return not torch.FAILS
def _assert_has_ops():
    if torch.FAILS: raise RuntimeError("Couldn't load custom C++ ops.")
"""
USER = """
from torchvision.extension import _assert_has_ops
def nms():
    _assert_has_ops()
    return "suppressed"
"""
START = """
import sys
sys.dont_write_bytecode = True
sys.path[:0] = {places!r}
sys.path.insert(0, {root!r})
from autograder.sandbox import vision
sys.path.pop(0)
"""


class Fake:
    """A folder of packages that look like the two, and a process that uses them."""

    def __init__(self, folder: Path) -> None:
        self.installed, self.tree = folder / "site", folder / "tree"
        self.tree.mkdir()
        self.has_torch(fails=True)
        self.write("torchvision/__init__.py", "import torch\nfrom . import extension, user\n")
        self.write("torchvision/extension.py", EXTENSION)
        self.write("torchvision/user.py", USER)
        self.write("torchvision/_C.so", "")

    def has_torch(self, *, fails: bool) -> None:
        self.write("torch.py", TORCH.format(fails=fails))

    def write(self, name: str, text: str) -> None:
        path = self.installed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def prints(self, *statements: str) -> str:
        start = START.format(places=[str(self.installed)], root=str(ROOT))
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", "\n".join([start, *statements])],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


USE = "import torch, torchvision; print(torch.declared); print(torchvision.user.nms())"


def test_a_pair_that_does_not_fit_is_mended(fake: Fake) -> None:
    told = fake.prints("vision.install()", "import torch, torchvision; print(torch.declared)")
    assert told.count("(Tensor dets, Tensor scores, float iou_threshold) -> Tensor") == 2
    assert "torchvision's nms() can't run" in fake.prints(
        "vision.install()",
        "import torchvision",
        "try: torchvision.user.nms()\nexcept Exception as e: print(e)",
    )


def test_a_pair_that_fits_is_left_alone(fake: Fake) -> None:
    fake.has_torch(fails=False)
    assert fake.prints("vision.install()", USE) == "[]\nsuppressed"


def test_one_built_without_the_extension_is_mended(fake: Fake) -> None:
    (fake.installed / "torchvision" / "_C.so").unlink()
    fake.has_torch(fails=False)
    assert "qnms" in fake.prints("vision.install()", "import torch, torchvision; print(torch.declared)")


def test_what_is_declared_already_is_not_declared_again(fake: Fake) -> None:
    assert (
        fake.prints(
            "vision.install()",
            "import torch; torch.ops.torchvision.nms = 1",
            "import torchvision; print(len(torch.declared))",
        )
        == "1"
    )


@pytest.mark.parametrize(
    "statement", ["", "import json", "import importlib.util as u; u.find_spec('torchvision')"]
)
def test_torch_is_imported_for_torchvision_alone(fake: Fake, statement: str) -> None:
    assert fake.prints("vision.install()", statement, "print('torch' in sys.modules)") == "False"


def test_a_submissions_own_torchvision_is_none_of_ours(fake: Fake) -> None:
    (fake.tree / "torchvision.py").write_text("mine = True\n")
    seen = fake.prints(
        "vision.install()",
        f"sys.path.insert(0, {str(fake.tree)!r})",
        "import torchvision; print(torchvision.mine, 'torch' in sys.modules)",
    )
    assert seen == "True False"


def test_nothing_is_installed_where_there_is_no_torchvision(fake: Fake) -> None:
    count = "print(len(sys.meta_path))"
    before = fake.prints(count)
    assert fake.prints("vision.install()", count) == str(int(before) + 1)
    for file in (fake.installed / "torchvision").iterdir():
        file.unlink()
    (fake.installed / "torchvision").rmdir()
    assert fake.prints("vision.install()", count) == before


@pytest.mark.parametrize(
    "says", ["raise ImportError('no torch here')", "raise ModuleNotFoundError('no torch here')"]
)
def test_without_torch_torchvision_speaks_for_itself(fake: Fake, says: str) -> None:
    fake.write("torch.py", says)
    assert "no torch here" in fake.prints("vision.install()", "import torchvision")


def test_another_release_without_these_functions_is_imported(fake: Fake) -> None:
    fake.write("torchvision/extension.py", "def _assert_has_ops(): raise RuntimeError('old words')\n")
    assert "old words" in fake.prints("vision.install()", "import torchvision; torchvision.user.nms()")
