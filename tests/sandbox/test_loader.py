"""A student's file is imported as it lies in the tree, whatever its folders and neighbours are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from autograder.sandbox.local import Unconfined
from autograder.sandbox.submission import Module
from tests.sandbox.boxes import SPEC, Watched, opened, running

HELPER = "def help_me():\n    return 'helped'\n"


@pytest.fixture(scope="module")
def backend(scratch: Path) -> Iterator[Watched]:
    with running(Unconfined, SPEC, scratch) as watched:
        yield watched


@pytest.fixture
def result(backend: Watched, tmp_path: Path) -> Iterator[Callable[..., object]]:
    """What f() of the first of these files returns."""
    with ExitStack() as stack:

        def run(files: dict[str, str | bytes]) -> object:
            module: Module = stack.enter_context(opened(backend, tmp_path, files))
            with module.scene() as scene:
                found = scene.call("f").fetch()
            assert module.replaced == ()
            return found

        yield run


def using(statement: str) -> str:
    return f"{statement}\ndef f():\n    return help_me()\n"


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("1_cs231n/cs231n/layers.py", "from .helper import help_me"),
        ("1_cs231n/cs231n/layers.py", "from .helper import *"),
        ("1_cs231n/cs231n/layers.py", "from cs231n.helper import help_me"),
        ("1_cs231n/cs231n/layers.py", "import cs231n.helper; help_me = cs231n.helper.help_me"),
        ("1_cs231n/cs231n/layers.py", "from helper import help_me"),
        ("1_cs231n/cs231n/layers.py", "from . import helper; help_me = helper.help_me"),
        ("layers.py", "from helper import help_me"),
        ("layers.py", "from .helper import help_me"),
        ("some folder/layers.py", "from helper import help_me"),
        ("some folder/layers.py", "from .helper import help_me"),
        ("cs231n/conv layers-v2 (1).py", "from .helper import help_me"),
        ("cs231n/conv layers-v2 (1).py", "from cs231n.helper import help_me"),
        ("cs231n/layers.v2.py", "from .helper import help_me"),
        ("conv layers-v2 (1).py", "from .helper import help_me"),
        ("conv.layers.py", "from helper import help_me"),
        ("2layers.py", "from helper import help_me"),
        ("code/layers.py", "from .helper import help_me"),
        ("code/layers.py", "from helper import help_me"),
        ("test/layers.py", "from .helper import help_me"),
        ("json/layers.py", "from .helper import help_me"),
        ("numpy/layers.py", "from .helper import help_me"),
        ("importlib/layers.py", "from .helper import help_me"),
        ("autograder/layers.py", "from .helper import help_me"),
        ("submission/layers.py", "from .helper import help_me"),
        ("Grüße/layers.py", "from .helper import help_me"),
    ],
)
@pytest.mark.parametrize("package", [True, False], ids=["package", "plain folder"])
def test_neighbours_are_found(
    result: Callable[..., object], path: str, statement: str, package: bool
) -> None:
    folder = path.rpartition("/")[0]
    files = {path: using(statement), f"{folder}/helper.py".lstrip("/"): HELPER}
    if package:
        files[f"{folder}/__init__.py".lstrip("/")] = ""
    assert result(files) == "helped"


def test_a_package_of_packages(result: Callable[..., object]) -> None:
    files = {
        "homework/hw2/cs231n/layers.py": using("from ..common.helper import help_me"),
        "homework/hw2/__init__.py": "",
        "homework/hw2/cs231n/__init__.py": "from .layers import f\n",
        "homework/hw2/common/helper.py": HELPER,
    }
    assert result(files) == "helped"


def test_the_trees_root_is_on_the_path(result: Callable[..., object]) -> None:
    files = {
        "a/cs231n/layers.py": using("from utilities.helper import help_me"),
        "utilities/helper.py": HELPER,
    }
    assert result(files) == "helped"


@pytest.mark.parametrize(
    "name", ["numpy", "random", "os", "typing", "collections", "wire", "worker", "resource"]
)
def test_a_neighbour_called_like_a_module_of_pythons_harms_nobody(
    result: Callable[..., object], name: str
) -> None:
    source = "import numpy as np, random, os, collections\ndef f():\n    return float(np.ones(2).sum())\n"
    assert result({"cs231n/layers.py": source, f"cs231n/{name}.py": "raise RuntimeError('shadow')\n"}) == 2.0


def test_a_neighbour_of_a_common_name_is_found_first(result: Callable[..., object]) -> None:
    assert (
        result({"cs231n/layers.py": using("from utils import help_me"), "cs231n/utils.py": HELPER})
        == "helped"
    )


def test_the_packages_own_init_runs_and_may_import_the_module(result: Callable[..., object]) -> None:
    files = {
        "cs231n/layers.py": "from . import STATE\ndef f():\n    return STATE\n",
        "cs231n/__init__.py": "STATE = []\nSTATE.append('once')\nfrom .layers import *\n",
    }
    assert result(files) == ["once"]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"\xef\xbb\xbfdef f(): return 1\n", 1),
        (b"# -*- coding: latin-1 -*-\ndef f(): return '\xe9'\n", "é"),
        (b"def f():\r\n    return 1\r\n", 1),
        (b"def f(): return 1", 1),
        (b"\x0c\ndef f(): return __name__.split('.')[-1]\n", "layers"),
    ],
)
def test_files_in_other_dress(result: Callable[..., object], content: bytes, value: object) -> None:
    assert result({"cs231n/layers.py": content}) == value
