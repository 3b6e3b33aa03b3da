"""What students read of an exception: the right hint for each mistake, and never a hidden value."""

from __future__ import annotations

import signal
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.outcome import StudentException
from autograder.sandbox import vision, worker
from autograder.sandbox.explain import Trusted, explain, explain_exit
from autograder.sandbox.hints import _KNOWN, _RENAMED
from autograder.sandbox.loader import Loader
from autograder.sandbox.placeholders import NOT_HANDED_IN, NOT_IN_THIS_VERSION
from autograder.sandbox.sources import Sources
from tests.sandbox.torch_mistakes import TORCH_MISTAKES

HIDDEN = "S3cr3t"


def report_of(tree: Path, source: str, replaced: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the worker reports when this source is run as a student's file, "layers.py"."""
    (tree / "layers.py").write_text(source, encoding="utf-8")
    loader = Loader(tree, (), "")
    loader._missing.used += replaced
    module = types.ModuleType("layers")
    module.__dict__["np"] = np
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, str(tree.resolve() / "layers.py"), "exec"), module.__dict__)  # noqa: S102
    except BaseException as error:
        return worker._report(error, loader)
    raise AssertionError("it should have raised")


def told(
    tree: Path, source: str, *, public: bool = False, replaced: tuple[str, ...] = ()
) -> StudentException:
    report = report_of(tree, source, replaced)
    return explain(report, "f()", public=public, trusted=Trusted(Sources(tree)))


# Source, the exception's name, the text that a hidden test may show, a piece of the hint.
MISTAKES: list[tuple[str, str, str, str]] = [
    # names that were taken away
    ("np.int", "AttributeError", "module 'numpy' has no attribute 'int'", "plain `int`"),
    ("np.float", "AttributeError", "module 'numpy' has no attribute 'float'", "plain `float`"),
    ("np.product([1])", "AttributeError", "module 'numpy' has no attribute 'product'", "`np.prod`"),
    ("np.nosuch", "AttributeError", "module 'numpy' has no attribute 'nosuch'", "has no `np.nosuch`"),
    ("np.float_(1)", "AttributeError", "`np.float_` was removed in the NumPy 2.0 release", "`np.float64`"),
    ("{}.has_key(1)", "AttributeError", "'dict' object has no attribute 'has_key'", "`key in d`"),
    ("{}.iteritems()", "AttributeError", "'dict' object has no attribute 'iteritems'", "d.items()"),
    ("xrange(3)", "NameError", "name 'xrange' is not defined", "`range`"),
    ("raw_input()", "NameError", "name 'raw_input' is not defined", "`input`"),
    ("reduce(max, [])", "NameError", "name 'reduce' is not defined", "`functools.reduce`"),
    # text that Python can't read
    ("print 'x'", "SyntaxError", "", "print(...)"),
    ("exec 'x'", "SyntaxError", "", "exec(...)"),
    ("try:\n    pass\nexcept A, b:\n    pass", "SyntaxError", "", "Python 2"),
    ("x = 0777", "SyntaxError", "", "Python 2"),
    ("x = 10L", "SyntaxError", "", "Python 2"),
    ("x = ur'a'", "SyntaxError", "", "can't read"),
    ("if True:\npass", "IndentationError", "", "indentation"),
    ("def g():\n\tx = 1\n        y = 2", "TabError", "", "spaces"),
    ("x = (1", "SyntaxError", "", "can't read"),
    # names
    ("foo", "NameError", "name 'foo' is not defined", "spelled"),
    ("get_ipython().magic()", "NameError", "name 'get_ipython' is not defined", "in a notebook alone"),
    ("%matplotlib inline", "SyntaxError", "", "in a notebook alone"),
    ("del np\nnp.zeros(1)", "NameError", "name 'np' is not defined", "import numpy as np"),
    ("def g():\n    x += 1\ng()", "UnboundLocalError", "'x'", "before it has a value"),
    ("np.zeros(1).foo", "AttributeError", "'numpy.ndarray' object has no attribute 'foo'", "no `.foo`"),
    ("None.shape", "AttributeError", "'NoneType' object has no attribute 'shape'", "is None"),
    ("(1, 2).shape", "AttributeError", "'tuple' object has no attribute 'shape'", "This is a tuple"),
    ("class A: pass\nA().b", "AttributeError", "'A' object has no attribute 'b'", "after the dot"),
    # types
    ("None[0]", "TypeError", "'NoneType' object is not subscriptable", "is None"),
    ("None + 1", "TypeError", "unsupported operand type(s) for +: 'NoneType' and 'int'", "is None"),
    ("a, b = None", "TypeError", "cannot unpack non-iterable NoneType object", "is None"),
    ("None > 1", "TypeError", "'>' not supported between instances of 'NoneType' and 'int'", "is None"),
    ("[] + 'x'", "TypeError", 'can only concatenate list (not "str") to list', "another type"),
    ("'x' + 1", "TypeError", 'can only concatenate str (not "int") to str', "another type"),
    ("[].foo.bar", "AttributeError", "'list' object has no attribute 'foo'", "This is a list"),
    ("range(4 / 2)", "TypeError", "'float' object cannot be interpreted as an integer", "use `//`"),
    ("np.zeros((2, 4 / 2))", "TypeError", "'float' object cannot be interpreted as an integer", "`//`"),
    ("np.zeros(4.0)", "TypeError", "expected a sequence of integers or a single integer, got '4.0'", "`//`"),
    ("[1][1:3 / 2]", "TypeError", "slice indices must be integers", "`//`"),
    ("[1, 2][1.0]", "TypeError", "list indices must be integers or slices, not float", "`//`"),
    ("np.zeros(3)[1.0]", "IndexError", "only integers, slices", "`//`"),
    ("[[1]][0, 0]", "TypeError", "list indices must be integers or slices, not tuple", "x[i][j]"),
    ("np.zeros(3)[0](1)", "TypeError", "'numpy.float64' object is not callable", "Round brackets"),
    ("5 in 3", "TypeError", "argument of type 'int' is not", "another type"),
    ("len(3)", "TypeError", "object of type 'int' has no len()", "another type"),
    ("{[]: 1}", "TypeError", "unhashable type: 'list'", "another type"),
    ("float(np.zeros(2))", "TypeError", "arrays can be converted to Python scalars", "one number"),
    ("import math\nmath.exp(np.zeros(2))", "TypeError", "arrays can be converted to", "one number"),
    ("def g(x, y): pass\ng(1)", "TypeError", "g() missing 1 required positional argument: 'y'", "`def`"),
    (
        "def g(x, y): pass\ng()",
        "TypeError",
        "g() missing 2 required positional arguments: 'x' and 'y'",
        "`def`",
    ),
    ("def g(x): pass\ng(1, 2)", "TypeError", "g() takes 1 positional argument but 2 were given", "`def`"),
    ("def g(x): pass\ng(y=2)", "TypeError", "g() got an unexpected keyword argument 'y'", "`def`"),
    ("def g(x): pass\ng(1, x=2)", "TypeError", "g() got multiple values for argument 'x'", "`def`"),
    (
        "class A:\n  def h(self): pass\nA().h(1)",
        "TypeError",
        "A.h() takes 1 positional argument but 2",
        "`def`",
    ),
    ("x = np.zeros(2, int)\nx += 0.5", "TypeError", "Cannot cast ufunc 'add' output from", "whole numbers"),
    # shapes and values
    ("np.zeros((2, 3)) + np.zeros((4, 5))", "ValueError", "together with shapes (2,3) (4,5)", "fit together"),
    ("x = np.zeros(3)\nx[:] = np.ones(4)", "ValueError", "from shape (4,) into shape (3,)", "fit together"),
    ("np.zeros((2, 3)) @ np.zeros((2, 3))", "ValueError", "core dimension 0", "fit together"),
    ("np.zeros((2, 3)).dot(np.zeros((2, 3)))", "ValueError", "shapes (2,3) and (2,3) not aligned", "fit"),
    ("np.concatenate([np.zeros((1, 2)), np.zeros((1, 3))], 0)", "ValueError", "must match exactly", "fit"),
    (
        "np.stack([np.zeros(2), np.zeros(3)])",
        "ValueError",
        "all input arrays must have the same shape",
        "fit",
    ),
    (
        "np.zeros(6).reshape(4, 2)",
        "ValueError",
        "cannot reshape array of size 6 into shape (4,2)",
        "multiply",
    ),
    ("a, b = 1, 2, 3", "ValueError", "too many values to unpack (expected 2", "left side"),
    ("a, b, c, d = (1, 2, 3)", "ValueError", "not enough values to unpack (expected 4, got 3)", "left side"),
    (
        "a, b, *c = (1,)",
        "ValueError",
        "not enough values to unpack (expected at least 2, got 1)",
        "left side",
    ),
    (
        "x = np.zeros(3)\nx[0] = [1, 2]",
        "ValueError",
        "setting an array element with a sequence",
        "one number",
    ),
    ("np.array([[1], [1, 2]])", "ValueError", "inhomogeneous shape after 1 dimensions", "one number"),
    ("if np.zeros(2) > 0: pass", "ValueError", "truth value of an array", ".any()"),
    ("np.zeros((2, -1))", "ValueError", "negative dimensions are not allowed", "negative"),
    ("np.zeros(0).max()", "ValueError", "zero-size array to reduction operation maximum", "empty"),
    ("np.zeros(0).argmax()", "ValueError", "attempt to get argmax of an empty sequence", "empty"),
    ("max([])", "ValueError", "is an empty sequence" if sys.version_info < (3, 12) else "is empty", "empty"),
    ("x = np.broadcast_to(1.0, 3)\nx[0] = 1", "ValueError", "assignment destination is read-only", "copy"),
    ("np.zeros((2, 2)).transpose(0, 1, 2)", "ValueError", "axes don't match array", "values and shapes"),
    (
        "np.zeros(3).sum(axis=2)",
        "AxisError",
        "axis 2 is out of bounds for array of dimension 1",
        "fewer axes",
    ),
    ("np.linalg.inv(np.zeros((2, 2)))", "LinAlgError", "", "values and shapes"),
    ("import math\nmath.sqrt(-1)", "ValueError", "math domain error", "values"),
    ("b'\\xff'.decode()", "UnicodeDecodeError", "", "encoding"),
    # indices and keys
    ("np.zeros((2, 3))[4]", "IndexError", "index 4 is out of bounds for axis 0 with size 2", "runs past"),
    (
        "np.zeros((2, 3))[0, 0, 0]",
        "IndexError",
        "too many indices for array: array is 2-dimensional",
        "fewer",
    ),
    ("np.zeros(3)[np.zeros(2, bool)]", "IndexError", "boolean index did not match", "fit together"),
    ("[1][5]", "IndexError", "list index out of range", "runs past"),
    ("().__getitem__(0)", "IndexError", "tuple index out of range", "runs past"),
    ("[].pop()", "IndexError", "pop from empty list", "already empty"),
    ("stride = 1\n{}['stride']", "KeyError", "'stride'", "no such key"),
    ("1 / 0", "ZeroDivisionError", "division by zero", "divided by zero"),
    ("1 // 0", "ZeroDivisionError", "by zero", "divided by zero"),
    ("assert 1 == 2, 'no'", "AssertionError", "", "`assert`"),
    # the machine
    ("raise NotImplementedError", "NotImplementedError", "", "still to be written"),
    ("def g(): g()\ng()", "RecursionError", "maximum recursion depth exceeded", "itself"),
    ("np.zeros((9999, 9999, 9999))", "MemoryError", "Unable to allocate", "memory"),
    ("raise MemoryError", "MemoryError", "", "memory"),
    ("raise BlockingIOError(11, 'Resource temporarily unavailable')", "BlockingIOError", "", "processes"),
    ('raise RuntimeError("can\'t start new thread")', "RuntimeError", "", "threads"),
    ("raise OSError(27, 'File too large')", "OSError", "", "write files"),
    ("raise OSError(24, 'Too many open files')", "OSError", "", "close each one"),
    ("raise OSError(95, 'Operation not supported')", "OSError", "", "no network"),
    (
        "import urllib.error\nraise urllib.error.URLError(OSError(95, 'not supported'))",
        "URLError",
        "",
        "network",
    ),
    ("raise PermissionError(13, 'Permission denied')", "PermissionError", "", "can be reached"),
    ("open('nothing.txt')", "FileNotFoundError", "", "hand this one in"),
    ("import nosuchmodule", "ModuleNotFoundError", "No module named 'nosuchmodule'", "isn't installed"),
    ("from math import nosuch", "ImportError", "cannot import name 'nosuch' from 'math'", "spelling"),
    ("from .x import y", "ImportError", "attempted relative import", "hand in the folder"),
    ("raise ImportError('libx.so: cannot open')", "ImportError", "", "spelling"),
    ("raise SystemExit", "SystemExit", "", "sys.exit()"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", "", "Don't end"),
    ("raise EOFError", "EOFError", "", "input()"),
    ("import bdb\nraise bdb.BdbQuit", "BdbQuit", "", "pdb.set_trace()"),
    # nothing that we know
    ("next(iter([]))", "StopIteration", "", "Call the function yourself"),
    ("raise OverflowError('x')", "OverflowError", "", "Call the function yourself"),
    ("raise Exception('x')", "Exception", "", "Call the function yourself"),
    ("class A(Exception): pass\nraise A", "an exception of its own", "", "Your own code"),
    ("class A(KeyError): pass\nraise A('x')", "an exception of its own (a kind of KeyError)", "", "Your own"),
]


@pytest.mark.parametrize(("source", "exception", "text", "hint"), MISTAKES, ids=lambda value: str(value)[:25])
def test_a_mistake_is_told(tmp_path: Path, source: str, exception: str, text: str, hint: str) -> None:
    problem = told(tmp_path, source)
    assert problem.exception == exception
    assert problem.message.startswith(f"f() raised {exception}")
    assert hint in problem.hint, problem.hint
    aside = problem.message.removeprefix(f"f() raised {exception}").partition(" at layers.py")[0]
    assert text in aside, problem.message
    assert bool(text) == bool(aside), problem.message
    assert (
        f"at layers.py, line {problem.message.partition('line ')[2].partition(':')[0]}: `" in problem.message
    )
    assert problem.message.endswith("`.")


@pytest.mark.parametrize(("source", "exception", "hint"), TORCH_MISTAKES, ids=lambda value: str(value)[:25])
def test_a_mistake_with_torch_is_told(tmp_path: Path, source: str, exception: str, hint: str) -> None:
    vision.install()  # as in every box
    problem = told(tmp_path, f"import torch\n{source}", public=True)
    assert problem.exception == exception
    assert hint in problem.hint, (problem.hint, problem.detail)


def test_every_entry_of_the_catalogue_is_met_by_one_of_these_mistakes(tmp_path: Path) -> None:
    """An entry that no real exception reaches is a hint that nobody reads."""
    hints = [told(tmp_path, source, public=True).hint for source, *_ in MISTAKES]
    hints += [told(tmp_path, f"import torch\n{source}", public=True).hint for source, *_ in TORCH_MISTAKES]
    for known in _KNOWN:
        renamed = " any more: write" in known.hint or "is Python 2: " in known.hint
        if not renamed and known.pattern not in ONLY_ELSEWHERE:
            pieces = known.hint.replace("{0}", "{1}").split("{1}")
            assert any(all(piece in hint for piece in pieces) for hint in hints), known


# What other releases of Python and NumPy say, or what no source that can be written in a string leads to.
ONLY_ELSEWHERE = (r"null bytes", r"codec can't decode|encoding problem|unknown encoding")


@pytest.mark.parametrize("name", sorted(_RENAMED))
def test_names_that_numpy_took_away_are_really_away(name: str) -> None:
    if name not in ("long",):  # NumPy 2 has one again
        assert not hasattr(np, name)


def test_null_bytes(tmp_path: Path) -> None:
    report = {"type": "ValueError", "text": "source code string cannot contain null bytes", "frames": []}
    assert "UTF-8" in explain(report, "the import of layers.py", trusted=Trusted(Sources(tmp_path))).hint


# --- modules that were replaced -----------------------------------------------------------------------


def test_a_name_from_a_module_that_is_not_there(tmp_path: Path) -> None:
    lines = "if False:\n    pass\nim2col(1)\n"
    problem = told(tmp_path, lines, replaced=("fastbook",))
    assert "spelled" in problem.hint  # nothing is imported from it
    report = report_of(tmp_path, lines, ("fastbook", "cs231n.im2col"))
    for star, hint in {
        "from fastbook import *": "The module fastbook isn't installed where you are graded",
        "from .im2col import *": "The module cs231n.im2col isn't installed",
        "from other import *": "spelled",
    }.items():
        (tmp_path / "layers.py").write_text(f"{lines}\n{star}\ncs231n = 1\n", encoding="utf-8")
        assert hint in explain(report, "f()", trusted=Trusted(Sources(tmp_path))).hint


def test_a_module_of_the_submissions_own_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "cs231n").mkdir()
    (tmp_path / "cs231n" / "layers.py").write_text("from .im2col import *\ncol()\n", encoding="utf-8")
    report = {
        "type": "NameError",
        "text": "name 'col' is not defined",
        "frames": [["cs231n/layers.py", 2]],
        "replaced": ["cs231n.im2col"],
    }
    problem = explain(report, "f()", trusted=Trusted(Sources(tmp_path)))
    assert problem.hint == "There is no module cs231n.im2col among the files of your submission."


NOT_INSTALLED = "This module isn't installed where you are graded."
NOT_THERE = "f() used a module that isn't there."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("torch.nn.functional.conv2d: x", "f() used torch.nn.functional.conv2d.", "Write it by hand."),
        (f"pandas.read_csv: t{NOT_INSTALLED[1:-1]}", "f() used pandas.read_csv.", NOT_INSTALLED),
        ("pandas.read_csv: a lie", "f() used pandas.read_csv.", NOT_INSTALLED),
        (f"numpy.nosuch: {NOT_IN_THIS_VERSION}", "f() used numpy.nosuch.", "The version that is installed"),
        (f"what.ever: {NOT_HANDED_IN}", NOT_THERE, "Do without it here."),
        ("nonsense", NOT_THERE, "Do without it here."),
    ],
)
def test_a_module_that_is_not_to_be_used(tmp_path: Path, text: str, message: str, hint: str) -> None:
    source = "import torch.nn.functional as F\nimport pandas\nF.conv2d, pandas.read_csv, nosuch\n"
    (tmp_path / "layers.py").write_text(source, encoding="utf-8")
    trusted = Trusted(Sources(tmp_path), ("torch",), "Write it by hand.")
    problem = explain({"type": "ModuleUnavailable", "text": text}, "f()", trusted=trusted)
    assert (problem.message, problem.exception) == (message, "ModuleUnavailable")
    assert problem.hint.lower().startswith(hint.lower())
    where = {"type": "ModuleUnavailable", "text": text, "frames": [["layers.py", 3]]}
    assert explain(where, "f()", trusted=trusted).message == (
        f"{message[:-1]} at layers.py, line 3: `F.conv2d, pandas.read_csv, nosuch`."
    )


def test_the_function_itself_called_with_other_arguments(tmp_path: Path) -> None:
    report = {
        "type": "TypeError",
        "text": "conv() takes 3 positional arguments but 4 were given",
        "frames": [],
    }
    (tmp_path / "layers.py").write_text("def conv(x, w, b): pass\n", encoding="utf-8")
    problem = explain(report, "conv()", trusted=Trusted(Sources(tmp_path)))
    assert problem.message == (
        "conv() raised TypeError (conv() takes 3 positional arguments but 4 were given)."
    )
    assert "keep that line as it was given" in problem.hint


# --- endings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (None, "in the middle of f().", "Don't end or kill processes"),
        (0, "with exit code 0.", "os._exit()"),
        (3, "with exit code 3.", "os._exit()"),
        (10**30, "in the middle of f().", "os._exit()"),
        (-signal.SIGKILL, "killed by SIGKILL.", "more memory"),
        (-signal.SIGSEGV, "killed by SIGSEGV.", "recursion"),
        (-signal.SIGSYS, "killed by SIGSYS.", "no homework needs"),
        (-signal.SIGABRT, "killed by SIGABRT.", "compiled extension"),
        (-signal.SIGXCPU, "used up its processor time.", "never ends"),
        (-12345, "killed by a signal.", "compiled extension"),
    ],
)
def test_an_ending_is_told(status: int | None, message: str, hint: str) -> None:
    problem = explain_exit(status, "f()")
    assert problem.message.startswith("The process ended in the middle of f()")
    assert problem.message.endswith(message)
    assert hint in problem.hint
