"""By hand means by hand: libraries are found where the homework's functions reach them, and nowhere else."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.byhand import MAX_USES, Use, find_uses, require_by_hand
from autograder.outcome import CheckFailed, StudentException

PATH = "1_cs231n/cs231n/conv_layers.py"
FUNCTIONS = ("forward", "backward")
FORBIDDEN = ("torch", "scipy", "cs231n.fast_layers")
REASON = "Write the loops yourself."


def uses(source: str, path: str = PATH) -> list[Use]:
    return find_uses(ast.parse(dedent(source)), path.split("/")[-2], FUNCTIONS, FORBIDDEN)


def names(source: str) -> list[str]:
    return [use.name for use in uses(source)]


@pytest.mark.parametrize(
    ("imported", "used", "name"),
    [
        ("import torch", "torch.conv2d(x)", "torch"),
        ("import torch as t", "t.conv2d(x)", "torch"),
        ("import torch.nn.functional as F", "F.conv2d(x)", "torch.nn.functional"),
        ("import torch.nn.functional", "torch.nn.functional.conv2d(x)", "torch"),
        ("from torch import conv2d", "conv2d(x)", "torch.conv2d"),
        ("from torch.nn.functional import conv2d as convolve", "convolve(x)", "torch.nn.functional.conv2d"),
        ("from scipy import signal", "signal.convolve2d(x)", "scipy.signal"),
        ("from scipy.signal import convolve2d as c", "[c(row) for row in x]", "scipy.signal.convolve2d"),
        ("from cs231n.fast_layers import fast", "fast(x)", "cs231n.fast_layers.fast"),
        ("from cs231n import fast_layers", "fast_layers.fast(x)", "cs231n.fast_layers"),
        ("from .fast_layers import fast", "fast(x)", "cs231n.fast_layers.fast"),
        ("from . import fast_layers as quick", "quick.fast(x)", "cs231n.fast_layers"),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", "torch.conv2d(x)", "torch"),
        ("if True:\n    from scipy.signal import correlate", "correlate(x)", "scipy.signal.correlate"),
        ("import numpy as np, torch", "np.array(torch.conv2d(x))", "torch"),
    ],
)
def test_a_library_is_found_however_it_is_imported(imported: str, used: str, name: str) -> None:
    source = f"{imported}\ndef forward(x):\n    y = x\n    return {used}\n"
    assert uses(source) == [Use(name, source.count("\n"), "forward()")]


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ndef forward(x): return x",
        "import torch\ndef forward(x): return x\ndef train(x): return torch.tensor(x)",
        "from torch.nn import functional as F\ndef forward(x):\n    N, F = x.shape\n    return F",
        "import torch as F\ndef forward(x, F): return F",
        "import numpy as torch\ndef forward(x): return torch.zeros(x)",
        "import torchlike, scipylike\ndef forward(x): return torchlike.f(scipylike)",
        "from cs231n.fast_layers_of_mine import f\ndef forward(x): return f(x)",
        "from cs231n import fast\ndef forward(x): return fast(x)",
        "def forward(x):\n    'import torch; torch.conv2d(x)'\n    return x.torch.scipy",
        "# import torch\ndef forward(x): return 'torch'",
        "from .im2col import im2col\ndef forward(x): return im2col(x)",
        "import torch\nx = torch.zeros(3)\ndef pad(): return torch.f()\ndef forward(x, pad): return x + pad",
        "import torch\ndef other(x): return torch.f(x)\nclass Net:\n    def forward(self): torch.f()",
    ],
    ids=[
        "unused",
        "in another function",
        "a local of that name",
        "an argument of that name",
        "another module under that name",
        "names that only begin so",
        "a module that only begins so",
        "another function of the package",
        "a docstring and an attribute",
        "a comment and a string",
        "the course's own helper",
        "arguments called as the module's own",
        "another class's method",
    ],
)
def test_what_the_functions_do_not_use_is_nobodys_business(source: str) -> None:
    assert uses(source) == []
    require_by_hand(PATH, source, FUNCTIONS, FORBIDDEN, REASON)


def test_an_import_inside_the_function_is_found() -> None:
    assert names("def forward(x):\n    import torch\n    return torch.conv2d(x)") == ["torch"]
    assert names("def forward(x):\n    from scipy.signal import convolve2d as c\n    return c(x)") == [
        "scipy.signal.convolve2d"
    ]


def test_helpers_are_followed_as_far_as_they_reach() -> None:
    source = """
    import torch
    def forward(x):
        return first(x)
    def first(x):
        def inner(y):
            return second(y)
        return [inner(row) for row in x]
    def second(x):
        return Convolution().run(x) + forward(x)
    class Convolution:
        def run(self, x):
            return torch.conv2d(x)
    def unrelated(x):
        return torch.relu(x)
    """
    assert uses(source) == [Use("torch", 13, "Convolution")]


def test_a_helper_that_is_handed_on_is_followed() -> None:
    source = "import scipy\ndef helper(x): return scipy.f(x)\ndef backward(x): return list(map(helper, x))"
    assert uses(source) == [Use("scipy", 2, "helper()")]


def test_another_name_for_the_librarys_function_is_followed() -> None:
    source = "import torch\nconvolve = torch.conv2d\ndef forward(x): return convolve(x)"
    assert uses(source) == [Use("torch", 2, "convolve")]
    source = "import torch\nconvolve: object = torch.conv2d\ndef forward(x): return convolve(x)"
    assert uses(source) == [Use("torch", 2, "convolve")]


def test_functions_that_are_defined_under_a_condition_are_found() -> None:
    source = """
    try:
        import torch
    except ImportError:
        def forward(x):
            return x
    else:
        if torch:
            def forward(x):
                return torch.f(x)
    """
    assert uses(source) == [Use("torch", 10, "forward()")]


def test_each_line_is_told_once_and_no_more_than_a_few() -> None:
    lines = "\n".join("    x = torch.f(torch.g(x))" for _ in range(MAX_USES + 3))
    source = f"import torch\ndef forward(x):\n{lines}\n    return x"
    assert [use.line for use in uses(source)] == list(range(3, MAX_USES + 6))
    with pytest.raises(CheckFailed) as caught:
        require_by_hand(PATH, source, FUNCTIONS, FORBIDDEN, REASON)
    assert caught.value.message.count("torch in forward(), line") == MAX_USES
    assert caught.value.hint == REASON
    assert PATH in caught.value.message


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def forward(x):\n    print 'hello'\n", ", line 2"),
        ("def forward(x):\n    raise ValueError, 'x'\n", ", line 2"),
        ("def forward(x)\n    return x\n", ", line 1"),
        ("x = 0777\n", ", line 1"),
        ("def f(x):\n\treturn x\n        return x\n", ", line 3"),
        ("x = '\0'\n", ""),
    ],
)
def test_nobody_passes_by_being_unreadable(source: str, line: str) -> None:
    with pytest.raises(StudentException) as caught:
        require_by_hand(PATH, source, FUNCTIONS, FORBIDDEN, REASON)
    assert f"{PATH}{line} is not Python 3" in caught.value.message
    assert "Python 3" in caught.value.hint


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5000 + ")" * 5000,
        "-" * 20_000 + "1",
        "x = " + "[" * 150 + "]" * 150,
        "f" + "(f" * 3000 + ")" * 3000,
    ],
    ids=["brackets", "signs", "lists", "calls"],
)
def test_deep_nesting_ends_in_a_problem_or_none(source: str) -> None:
    problem = told(source)
    if problem is not None:
        assert isinstance(problem, StudentException)
        assert problem.exception in ("SyntaxError", "RecursionError", "MemoryError")


def told(source: str, path: str = PATH) -> CheckFailed | StudentException | None:
    try:
        require_by_hand(path, source, FUNCTIONS, FORBIDDEN, REASON)
    except (CheckFailed, StudentException) as problem:
        return problem
    return None


@given(st.text())
def test_any_text_gives_a_problem_or_none(source: str) -> None:
    problem = told(source)
    assert problem is None or problem.hint


IMPORTS = st.sampled_from(
    [
        "import torch",
        "from scipy import *",
        "from . import fast_layers",
        "from .. import x as forward",
        "import a.b.c",
    ]
)
WORDS = st.sampled_from(["torch", "fast_layers", "helper", "forward", "x", "scipy"])
BODIES = st.sampled_from(
    [
        "return {0}({1})",
        "lambda {0}: {1}",
        "{0} = {1}",
        "import {0}",
        "def {0}(): {1}",
        "class {0}: y = {1}",
        "global {0}",
    ]
)


@given(
    st.lists(IMPORTS),
    st.lists(st.tuples(WORDS, st.lists(st.tuples(BODIES, WORDS, WORDS), min_size=1)), max_size=5),
    st.sampled_from([PATH, "layers.py", "a/b/c.py", "", "/"]),
)
def test_any_program_of_such_parts_gives_a_problem_or_none(
    imports: list[str], functions: list[tuple[str, list[tuple[str, str, str]]]], path: str
) -> None:
    lines = list(imports)
    for name, body in functions:
        lines.append(f"def {name}(x):")
        lines += [f"    {template.format(one, other)}" for template, one, other in body]
    problem = told("\n".join(lines), path)
    if isinstance(problem, CheckFailed):
        assert any(word in problem.message for word in ("torch", "scipy", "fast_layers"))
        assert {name for name, _ in functions} & set(FUNCTIONS)
    elif problem is not None:
        assert problem.exception == "SyntaxError"
