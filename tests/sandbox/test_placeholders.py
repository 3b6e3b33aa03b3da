"""Modules that a homework forbids or that aren't installed: an import alone costs nothing, a use is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.environments import interpreter_for
from autograder.outcome import StudentException
from autograder.sandbox.local import Unconfined
from autograder.sandbox.placeholders import NOT_HANDED_IN, NOT_IN_THIS_VERSION, NOT_INSTALLED, is_below
from autograder.sandbox.submission import Module
from tests.sandbox.boxes import SPEC, Watched, call, opened, running

FORBIDDEN = ("torch", "scipy.signal", "email")  # the last is Python's own, so it is there for certain
REASON = "Write it by hand."


@pytest.fixture(scope="module")
def backend(scratch: Path) -> Iterator[Watched]:
    spec = replace(SPEC, unavailable=FORBIDDEN, unavailable_reason=REASON)
    with running(Unconfined, spec, scratch) as watched:
        yield watched


@pytest.fixture
def module(backend: Watched, tmp_path: Path) -> Iterator[Callable[..., Module]]:
    """A module of this source, beside other files, loaded."""
    with ExitStack() as stack:

        def load(source: str, path: str = "m.py", **others: str) -> Module:
            files: dict[str, str | bytes] = {
                path: source,
                **{f"{name}.py": text for name, text in others.items()},
            }
            found = stack.enter_context(opened(backend, tmp_path, files))
            found.load()
            return found

        yield load


def refusal(module: Module, name: str = "f") -> StudentException:
    with pytest.raises(StudentException) as caught:
        call(module, name)
    return caught.value


# --- imports that are not used ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "import torch",
        "import torch.nn as nn, torch.nn.functional as F",
        "from torch import nn, optim as o",
        "from torch.utils.data import DataLoader",
        "from torch import *",
        "import scipy.signal",
        "from scipy.signal import convolve2d",
        "import email.mime.text",
        "import nosuchpackage.deep.down as x",
        "from nosuchpackage import anything, at_all",
        "from nosuchpackage.deep import *",
        "import seaborn.matrix as sns",
        "from .im2col_cython import col2im_6d",
        "from . import neighbour",
        "from im2col_cython import col2im_6d",
        "import numpy.nosuch",
        "from numpy import nosuch",
        "import importlib; x = importlib.import_module('torch')",
        "x = __import__('torch')",
    ],
)
def test_an_import_that_is_not_used_is_harmless(module: Callable[..., Module], statement: str) -> None:
    found = module(f"{statement}\ndef f(): return 1\n")
    assert call(found) == 1
    assert found.replaced


def test_what_is_there_is_no_placeholder(module: Callable[..., Module]) -> None:
    source = "import numpy as np, numpy.linalg, json.decoder, scipy_like\nfrom collections import abc\n"
    found = module(
        source + "def f(): return np.ones(1), json.loads('1'), scipy_like.x\n", scipy_like="x = 5\n"
    )
    assert call(found)[1:] == (1, 5)
    assert found.replaced == ()


def test_what_is_allowed_of_a_package_is_not_forbidden_with_the_rest() -> None:
    assert is_below("scipy.signal.windows", FORBIDDEN)
    assert not is_below("scipy", FORBIDDEN)
    assert not is_below("scipy.signals", FORBIDDEN)
    assert not is_below("torchlike", FORBIDDEN)


# --- uses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "use", "name"),
    [
        ("import torch", "torch.nn.functional.conv2d(1)", "torch.nn.functional.conv2d"),
        ("import torch.nn.functional as F", "F.conv2d(1)", "torch.nn.functional.conv2d"),
        ("from torch import nn", "nn.Conv2d(1)", "torch.nn.Conv2d"),
        ("from torch.nn.functional import conv2d as c", "c(1)", "torch.nn.functional.conv2d"),
        ("import torch", "torch(1)", "torch"),
        ("import torch", "3 * torch.pi", "torch.pi"),
        ("import torch", "torch.pi / 2", "torch.pi"),
        ("import torch", "-torch.pi", "torch.pi"),
        ("import torch", "torch.pi > 3", "torch.pi"),
        ("import torch", "float(torch.pi)", "torch.pi"),
        ("import torch", "list(torch.things)", "torch.things"),
        ("import torch", "torch.things[0]", "torch.things"),
        ("import torch", "torch.things.update(a=1)", "torch.things.update"),
        ("import torch", "len(torch.things)", "torch.things"),
        ("import torch", "1 in torch.things", "torch.things"),
        ("import torch", "range(torch.n)", "torch.n"),
        ("import torch\nimport numpy as np", "np.asarray(torch.x)", "torch.x"),
        ("import torch\nimport numpy as np", "np.ones(2) + torch.x", "torch.x"),
        ("import torch\nimport numpy as np", "np.ones(2) @ torch.x", "torch.x"),
    ],
)
def test_a_use_is_named(module: Callable[..., Module], statement: str, use: str, name: str) -> None:
    found = module(f"{statement}\ndef f():\n    return {use}\n")
    problem = refusal(found)
    line = 3 + statement.count("\n")
    assert problem.message == f"f() used {name} at m.py, line {line}: `return {use}`."
    assert problem.hint == REASON
    assert problem.exception == "ModuleUnavailable"


@pytest.mark.parametrize(
    "use",
    [
        "with torch.no_grad: pass",
        "for x in torch.a: pass",
        "float(torch.a)",
        "def g(): torch.a()\ng()",
    ],
)
def test_a_use_while_the_module_is_imported(module: Callable[..., Module], use: str) -> None:
    with pytest.raises(StudentException, match=r"^The import of m\.py used torch\.") as caught:
        module(f"import torch\n{use}\n")
    assert caught.value.hint == REASON


@pytest.mark.parametrize(
    "use",
    [
        "x = torch.manual_seed(0)",
        "x = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "class x(torch.nn.Module):\n    y = torch.ones(1)\nx = x.y",
        "@torch.jit.script\ndef x(): pass",
        "x = torch.rcParams\nx['figure.figsize'] = (10, 8)",
        "x = torch\ndef g(a: torch.Tensor | None): pass",
        "print(torch.__version__)\nx = torch.__version__ + 'b' if torch.__version__ >= '1' else 0",
    ],
)
def test_a_file_may_use_it_while_it_is_imported(module: Callable[..., Module], use: str) -> None:
    found = module(f"import torch\n{use}\ndef f(): return x()\ndef g(): return 1\n")
    assert call(found, "g") == 1
    assert re.match(r"f\(\) used torch\b", refusal(found).message)


def test_a_progress_bar_hands_on_what_it_is_given(
    scratch: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assignment = tmp_path_factory.mktemp("assignment")
    (assignment / "requirements.txt").write_text("iniconfig\n")  # an environment without tqdm
    spec = replace(SPEC, python=interpreter_for(assignment))
    source = """
from tqdm import tqdm, trange
from tqdm.auto import tqdm as another
def f():
    with tqdm(total=2) as bar:
        bar.update(1)
        tqdm.write('half')
    return [*tqdm([1, 2], desc='x'), *trange(2), len(another([3])), bar.n is None]
"""
    with running(Unconfined, spec, scratch) as watched, opened(watched, tmp_path, source) as module:
        assert call(module)[:5] == [1, 2, 0, 1, 1]


def test_a_forbidden_file_is_meant_in_any_folder() -> None:
    assert is_below("cs231n.fast_layers.f", [".fast_layers"])
    assert not is_below("cs231n.fast_layers_too", [".fast_layers"])


def test_it_may_be_passed_on_and_asked_about(module: Callable[..., Module]) -> None:
    source = """
import torch
from torch import nn as layers
torch.backends.cudnn.benchmark = True
KINDS = {torch.float32: 1, 'other': layers}
def f(x=torch.Tensor):
    if isinstance(3, torch.Tensor) or issubclass(int, torch.Tensor) or type(3) == torch.Tensor:
        return 'a tensor'
    if x is None or not torch or not layers.Linear:
        return 'nothing'
    return [hasattr(torch, '__version__'), torch.Tensor == torch.Tensor, repr(torch)[:7]]
"""
    assert call(module(source)) == [False, False, "<module"]


@pytest.mark.parametrize(
    ("statement", "use", "name", "reason"),
    [
        ("import nosuch", "nosuch.thing()", "nosuch.thing", NOT_INSTALLED),
        ("from .missing import g", "g()", "submission.missing.g", NOT_HANDED_IN),
        ("from numpy import nosuch", "nosuch(1)", "numpy.nosuch", NOT_IN_THIS_VERSION),
        ("import json.nosuch", "json.nosuch.x()", "json.nosuch.x", NOT_IN_THIS_VERSION),
    ],
)
def test_why_a_module_is_not_there(
    module: Callable[..., Module], statement: str, use: str, name: str, reason: str
) -> None:
    problem = refusal(module(f"{statement}\nsubmission = 1\ndef f():\n    return {use}\n"))
    assert f"used {name} " in problem.message
    assert problem.hint == f"{reason[0].upper()}{reason[1:]}."


def test_a_name_from_everything_of_a_missing_module(module: Callable[..., Module]) -> None:
    problem = refusal(module("from fastbook import *\ndef f():\n    return untar_data(1)\n"))
    assert problem.exception == "NameError"
    assert problem.hint.startswith("The module fastbook isn't installed where you are graded")
    problem = refusal(module("from .helpers import *\ndef f():\n    return helper(1)\n", "cs231n/layers.py"))
    assert problem.hint == "There is no module cs231n.helpers among the files of your submission."


# --- fallbacks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("module_name", ["torch", "nosuch", "scipy.signal", "numpy.nosuch"])
@pytest.mark.parametrize(
    "handler", ["ImportError", "ModuleNotFoundError", "Exception", "(KeyError, ImportError)", ""]
)
def test_an_import_that_has_a_fallback_fails(
    module: Callable[..., Module], module_name: str, handler: str
) -> None:
    source = f"""
try:
    import os
    import {module_name}
    FOUND = True
except {handler}:
    FOUND = False
def f():
    return FOUND
"""
    assert call(module(source)) is False


def test_imports_beside_a_fallback_do_not_fail(module: Callable[..., Module]) -> None:
    source = """
try:
    x = 1
except ImportError:
    import nosuch1
else:
    import nosuch2
finally:
    import nosuch3
try:
    import nosuch4
finally:
    pass
try:
    import nosuch5
except (OSError, KeyError):
    pass
def f():
    return 1
"""
    assert module(source).replaced == ("nosuch2", "nosuch3", "nosuch4", "nosuch5")


def test_a_fallback_inside_a_function(module: Callable[..., Module]) -> None:
    source = """
def f():
    try:
        from torch.nn import (
            functional,
        )
    except ImportError as error:
        return str(error)
"""
    assert call(module(source)) == f"No module named 'torch' ({REASON})"


def test_a_use_can_be_caught_as_a_failed_import(module: Callable[..., Module]) -> None:
    assert (
        call(module("import torch\ndef f():\n    try: torch.x()\n    except ImportError: return 'by hand'\n"))
        == "by hand"
    )


def test_a_library_that_can_do_without_does(module: Callable[..., Module], tmp_path: Path) -> None:
    """Not only the student's own imports: a library's fallback runs as well."""
    source = "import sys\nsys.path.append({path!r})\nimport lib\ndef f(): return lib.HAS\n"
    library = tmp_path.parent / f"{tmp_path.name}-library"
    library.mkdir()
    (library / "lib.py").write_text(
        "try:\n    import torch\n    HAS = True\nexcept ImportError:\n    HAS = False\n", encoding="utf-8"
    )
    assert call(module(source.format(path=str(library)))) is False
    (library / "lib.py").write_text("import nosuch\n", encoding="utf-8")
    with pytest.raises(StudentException) as caught:
        module(source.format(path=str(library)))
    assert "No module named 'nosuch'" in caught.value.message


# --- tricks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trick",
    [
        "import email; return email.message_from_string('')",
        "import importlib; return importlib.import_module('email').message_from_string('')",
        "import importlib; return importlib.reload(__import__('email')).message_from_string('')",
        "return __import__('email').message_from_string('')",
        "exec('import email'); return locals()['email'].message_from_string('')",
        "return eval(\"__import__('email')\").message_from_string('')",
    ],
)
def test_a_forbidden_module_stays_away_in_any_way_of_importing(
    module: Callable[..., Module], trick: str
) -> None:
    assert refusal(module(f"def f():\n    {trick}\n")).exception == "ModuleUnavailable"


def test_a_file_of_the_students_with_a_forbidden_name_is_not_taken(module: Callable[..., Module]) -> None:
    found = module("import torch\ndef f(): return torch.ones()\n", torch="def ones(): return 1\n")
    assert refusal(found).exception == "ModuleUnavailable"
